"""Makes pictures of what stands on a terminal: plan, apply, an apply that fails, `status --watch`.

    python docs/pictures/terminal.py FOLDER [CHROMIUM]

At 80 and 120 columns, light and dark, of commands that really run in tmux, on a simulated fleet. To be looked
at after a change of wording or layout; needs tmux, a Chromium, and playwright.
"""

import html
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

COLUMNS = (80, 120)
ROWS = 60
COMMAND = Path(sys.executable).parent / "reconciler"
SOCKET = f"pictures-{os.getpid()}"
SITES = {"berlin": 120, "munich": 80, "hamburg": 65, "paris": 40}
THEMES = {
    "light": ("#ffffff", "#1f2328", {"31": "#b3261e", "32": "#116329", "33": "#7d4e00"}),
    "dark": ("#0d1117", "#e6edf3", {"31": "#ff7b72", "32": "#56d364", "33": "#e3b341"}),
}
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: fleet}
spec:
  resources: [campaigns]
  server: {url: "URL", settleSeconds: 0}
  guards: {maxInFlightInterrupted: 500, maxDeletes: 5}
"""
POLICY = """\
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: careful}
spec:
  waves:
    - {name: canary, upTo: 5, soak: 10m}
    - {name: half, upTo: 50%, soak: 1h, approval: true}
    - {name: everybody, upTo: 100%}
"""


def write(folder: Path, url: str, firmware: str, sites: dict[str, str]) -> None:
    """A repository: site → further lines of its campaign."""
    campaigns = folder / "campaigns"
    campaigns.mkdir(exist_ok=True)
    for old in campaigns.glob("*.yaml"):
        old.unlink()
    (folder / "reconciler.yaml").write_text(PROJECT.replace("URL", url))
    (campaigns / "policy.yaml").write_text(POLICY)
    (campaigns / firmware).write_bytes(firmware.encode() * 200_000)
    head = "apiVersion: reconciler/v1\nkind: {}\nmetadata: {{name: {}}}\nspec:"
    shared = head.format("PackageSet", "firmware") + f" {{packages: [{{file: {firmware}}}]}}\n"
    (campaigns / "shared.yaml").write_text(shared)
    for site, more in sites.items():
        ids = ", ".join(f"gw-{site}-{number:03}" for number in range(SITES[site]))
        (campaigns / f"{site}.yaml").write_text(
            head.format("GatewayList", site) + f" {{gateways: [{ids}]}}\n---\n"
            + head.format("Campaign", site)
            + f"\n  description: Presses of {site.title()}\n  gatewayLists: [{site}]\n"
            + f"  packageSet: firmware\n{more}"
        )  # fmt: skip


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A simulated fleet of its own."""
    line = [COMMAND, "serve", "--port", "0", "--simulate", "60"]
    server = subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.communicate()


def put(url: str, path: str, value: object) -> None:
    """Tell the embedded server."""
    body, headers = json.dumps(value).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/_embedded/{path}", body, headers, method="PUT")  # noqa: S310
    urllib.request.urlopen(request).close()  # noqa: S310


def tmux(*arguments: str) -> str:
    """One order to a tmux of our own; it ends with the last session, which takes a moment."""
    return subprocess.run(  # noqa: S603
        ["tmux", "-L", SOCKET, "-f", "/dev/null", *arguments],  # noqa: S607
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


def shown(folder: Path, arguments: str, columns: int, *, keys: str = "", seconds: float = 0.0) -> str:
    """What stands on a terminal of so many columns once the command has ended, or after so many seconds."""
    done = folder / "done"
    done.unlink(missing_ok=True)
    said = f"$ reconciler {arguments}"
    line = f"printf '%s\\n' {shlex.quote(said)}; {COMMAND} {arguments}; touch {done}; sleep 60"
    tmux(
        "new-session",
        "-d",
        "-x",
        str(columns),
        "-y",
        str(ROWS),
        "-c",
        str(folder),
        f"TERM=screen-256color sh -c {shlex.quote(line)}",
    )
    tmux("set-option", "-g", "exit-empty", "off")
    if keys:
        _until(lambda: done.exists() or "Type" in tmux("capture-pane", "-p"))
        tmux("send-keys", keys, "Enter")
    if seconds:
        time.sleep(seconds)
    else:
        _until(done.exists)
    found = tmux("capture-pane", "-e", "-p", "-S", "-200")
    tmux("kill-session")
    return found.rstrip()


def _until(true: object) -> None:
    assert callable(true)
    for _ in range(600):
        if true():
            return
        time.sleep(0.1)
    raise TimeoutError


def page(text: str, columns: int, theme: str) -> str:
    """A terminal as a page."""
    ground, ink, colours = THEMES[theme]
    pieces, style = [], ""
    for at, part in enumerate(re.split(r"\x1b\[([0-9;]*)m", text)):
        if at % 2 == 0:
            pieces.append(f'<span style="{style}">{html.escape(part)}</span>')
            continue
        for code in part.split(";") or ["0"]:
            if code in ("", "0"):
                style = ""
            elif code == "39":
                style = re.sub("color:[^;]*;", "", style)
            elif code in colours:
                style += f"color:{colours[code]};"
            elif code == "1":
                style += "font-weight:bold;"
            elif code == "2":
                style += "opacity:.7;"
    body = "".join(pieces)
    return (
        f'<!doctype html><meta charset="utf-8"><body style="margin:0;background:{ground};color:{ink}">'
        f'<pre style="font:14px/1.4 DejaVu Sans Mono,monospace;padding:12px;margin:0;'
        f'width:{columns}ch">{body}</pre>'
    )


def scenes(folder: Path, columns: int) -> Iterator[tuple[str, str]]:
    """What is to be seen, one after the other."""
    started = "  desiredStatus: STARTED\n"
    with serving(folder) as url:
        put(url, "simulation", {"enabled": True, "failureRate": 0.04})
        write(folder, url, "fw-2.1.bin", {"berlin": started, "hamburg": "", "munich": "", "paris": started})
        yield "apply-first", shown(folder, "apply", columns, keys="yes")
        yield "status-watch", shown(folder, "status --watch --interval 1", columns, seconds=8)
        write(folder, url, "fw-2.2.bin", {
            "berlin": started, "hamburg": "", "munich": f"{started}  rollout: {{policy: careful}}\n",
        })  # fmt: skip
        yield "plan", shown(folder, "plan --prune", columns)
        fault = {"effect": "status", "status": 403, "operations": ["edit-campaign"]}
        put(url, "faults", {"rules": [fault]})
        yield "apply-failed", shown(folder, "apply --prune", columns, keys="yes")
        put(url, "faults", {"rules": []})
        yield "apply", shown(folder, "apply --prune", columns, keys="yes")
        yield "status", shown(folder, "status", columns)


def main(to: str, chromium: str = "/usr/bin/chromium") -> None:
    Path(to).mkdir(parents=True, exist_ok=True)
    found: dict[tuple[str, int], str] = {}
    try:
        for columns in COLUMNS:
            with tempfile.TemporaryDirectory() as folder:
                found |= {(name, columns): text for name, text in scenes(Path(folder), columns)}
    finally:
        tmux("kill-server")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for (name, columns), text in found.items():
            for theme in THEMES:
                window = browser.new_page(viewport={"width": 24 + columns * 9, "height": 200})
                window.set_content(page(text, columns, theme))
                window.screenshot(path=Path(to) / f"{name}-{columns}-{theme}.png", full_page=True)
                window.close()
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
