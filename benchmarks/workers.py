"""How many windows workers apply, and how much memory that takes, from the first call to the last.

    python -m benchmarks.workers --windows 1000000 --workers 2

One campaign on the canned server, its gateways in a file, every window of theirs still to be sent. Says of
the process of the run and of its workers the peak, and how that of the run grew on the way.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks.measure import ROOT, python
from benchmarks.projects import RECONCILER, fleet, owned, project

_LOOK = 1.0
_WINDOWS = 3
"""Of each gateway."""


def measured(windows: int, workers: int, engine: str) -> dict[str, Any]:
    """One apply; sizes in MB."""
    import psutil

    gateways = windows // _WINDOWS
    canned = ["-m", "benchmarks.canned", "--campaigns", "1", "--gateways", str(gateways)]
    server = subprocess.Popen([sys.executable, *canned], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            project(folder, url, engine)
            fleet(folder, 1, gateways, scheduled=True)
            owned(folder, url, 1)()
            more = ("--workers", f"local:{workers}") if workers else ()
            command = python(*RECONCILER, "apply", "--auto-approve", *more, cwd=folder)
            with (folder / "said").open("w") as said:
                began = time.monotonic()
                run = subprocess.Popen(
                    command.arguments, cwd=folder, env=command.env, stdout=said, stderr=subprocess.STDOUT
                )
                looks = list(_watched(psutil.Process(run.pid), run, url))
                took = time.monotonic() - began
            text = (folder / "said").read_text()
            assert run.returncode == 0, text[-2_000:]
            done = re.search(r"([\d,]+) done", text)
            log = sum(path.stat().st_size for path in (folder / ".reconciler").glob("*.audit"))
            return {**_figures(looks), "seconds": round(took), "done": done and done[1], "audit": log >> 20}
    finally:
        server.kill()
        server.wait()


def _watched(run: Any, process: subprocess.Popen[Any], url: str) -> Any:
    """(calls so far, MB of the run, MB of the largest worker), again and again."""
    import psutil

    while process.poll() is None:
        time.sleep(_LOOK)
        try:
            own = run.memory_info().rss >> 20
            others = [child.memory_info().rss >> 20 for child in run.children(recursive=True)]
        except psutil.Error:
            continue
        if not own:  # it has just ended
            continue
        with urlopen(f"{url}/_seen") as answer:
            yield time.monotonic(), json.load(answer)["seen"], own, max(others, default=0)


def _figures(looks: list[tuple[float, int, int, int]]) -> dict[str, Any]:
    calls = looks[-1][1]

    def at(part: float) -> tuple[float, int, int, int]:
        return next(look for look in looks if look[1] >= part * calls)

    early, late = at(0.1), at(0.9)
    return {
        "calls": calls,
        "calls a second": round((late[1] - early[1]) / max(late[0] - early[0], 1e-9)),
        "run: MB at 1 %, 25 %, 50 %, 75 %, the end": [at(p)[2] for p in (0.01, 0.25, 0.5, 0.75)]
        + [looks[-1][2]],
        "run: peak MB": max(look[2] for look in looks),
        "largest worker: peak MB": max(look[3] for look in looks),
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2, help="0: one process sends all")
    parser.add_argument("--engine", default="aiohttp")
    asked = parser.parse_args()
    print(json.dumps(measured(asked.windows, asked.workers, asked.engine), indent=2))


if __name__ == "__main__":
    main()
