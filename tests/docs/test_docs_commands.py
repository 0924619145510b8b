"""Pages that are one story work as printed: their files saved, their commands run in one shell.

Single commands of other pages: `tests/e2e/test_e2e_documents.py`.
"""

import json
import os
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from types import MappingProxyType

import httpx
import pytest

from reconciler.embedded import Running
from tests.docs.docs_blocks import ROOT, blocks, play
from tests.forge.forge_server import TOKEN, Host, code_host
from tests.hawkbit_standin import devices, running

DOCS = ROOT / "docs"
NOTHING: Mapping[str, str] = MappingProxyType({})
SCRIPTS = sysconfig.get_path("scripts")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def played(
    page: Path,
    tmp_path: Path,
    instead: Mapping[str, str] = NOTHING,
    environ: Mapping[str, str] = NOTHING,
    **changes: str,
) -> str:
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    ours = {"PATH": path, "HOME": str(tmp_path), "CI": "", "GITHUB_ACTIONS": ""}
    found = play(page, tmp_path, changes, instead=instead, **ours, **environ)
    assert found.failed is None, found.output
    return found.output


def told(page: Path) -> list[str]:
    """What the page says that its commands print."""
    return [line for block in blocks(page) if block.language == "text" for line in block.text.splitlines()]


# Nobody is there to answer the question.
YES = {"reconciler apply campaigns": "reconciler apply campaigns --auto-approve"}


def test_the_readme(tmp_path: Path) -> None:
    output = played(ROOT / "README.md", tmp_path, **YES)
    assert "Applied to the embedded server: 4 done." in output
    assert "in sync" in output


@pytest.mark.timeout(240)
def test_a_first_rollout(tmp_path: Path) -> None:
    page, port = DOCS / "tutorial.md", str(free_port())
    output = played(page, tmp_path, **{"8080": port, "--simulate 600": f"--simulate 600 --port {port}"})
    missing = [line for line in told(page) if line and line not in output]
    assert not missing, output


@pytest.mark.timeout(240)
def test_a_first_rollout_on_hawkbit(tmp_path: Path) -> None:
    """On the stand-in, in whose devices this process plays."""
    page, asked, done = DOCS / "tutorial-hawkbit.md", tmp_path / "asked", tmp_path / "done"
    with running() as server:
        server.world.config["authentication.gatewaytoken.enabled"] = True
        server.world.config["authentication.gatewaytoken.key"] = "key"

        def poll() -> None:
            while not asked.exists():
                time.sleep(0.05)
            server.settle()
            base, headers = f"{server.url}/DEFAULT/controller/v1", {"Authorization": "GatewayToken key"}
            with httpx.Client(base_url=base, headers=headers) as client:
                devices.step(client, ["gw-1", "gw-2", "gw-3"], lambda _: "success")
            server.settle()
            done.touch()

        playing = Thread(target=poll, daemon=True)
        playing.start()
        wait = f"touch {asked}; until test -e {done}; do sleep 0.1; done"
        instead = {"hawkbit-device-simulator": wait}
        output = played(page, tmp_path, instead, **{"http://127.0.0.1:8080": server.url})
        playing.join()
    missing = [line for line in told(page) if line and line not in output]
    assert not missing, output
    assert [tag.name for tag in server.world.tags.values()] != []


@pytest.fixture
def host() -> Iterator[Host]:
    with code_host() as host:
        yield host


def comment(folder: Path, host: Host, **environ: str) -> "subprocess.CompletedProcess[str]":
    """The job of a pull request, as the workflow of the page runs it."""
    event = folder / ".event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "head": {"sha": "1" * 40}}}), "utf-8")
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    env |= {
        "GITHUB_ACTIONS": "true",
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_REPOSITORY": "acme/fleet",
        "GITHUB_API_URL": host.url,
        "GITHUB_EVENT_PATH": str(event),
        **environ,
    }
    command = [f"{SCRIPTS}/reconciler-forge", "plan"]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("provider", ["pulse", "hawkbit"])
def test_a_hundred_sites_and_a_pull_request(provider: str, tmp_path: Path, host: Host) -> None:
    """The afternoon: from an empty folder to the comment that the job posts."""
    page, listen = DOCS / "tutorial-sites.md", "http://127.0.0.1:8080"
    with ExitStack() as stack:
        if provider == "hawkbit":
            server = stack.enter_context(running())
            ids = (f"site-{site:03}-gw-{n:02}" for site in range(1, 101) for n in range(1, 21))
            server.add_targets(ids)
            auth = "url: {url}\n    auth: {{usernameEnv: HAWKBIT_USER, passwordEnv: HAWKBIT_PASSWORD}}"
            url, changes = server.url, {"provider: pulse": "provider: hawkbit"}
            changes[f"url: {listen}"] = auth.format(url=url)
        else:
            embedded = stack.enter_context(Running())
            url, changes = embedded.url, {}
            changes[listen] = url
        secrets = {"HAWKBIT_USER": "admin", "HAWKBIT_PASSWORD": "admin"}
        output = played(page, tmp_path, **changes, environ=secrets)
        missing = [line for line in told(page) if line and line not in output]
        assert not missing, output
        ran = comment(tmp_path / "fleet", host, **secrets)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    (said,) = host.said()
    assert "100 gateways of 100 campaigns: 100 join" in said
    assert "`site-001-2.1`" in said
    assert "canary" in said, "the waves"
    assert "waived in Git" in said
