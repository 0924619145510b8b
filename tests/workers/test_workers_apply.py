"""`apply --workers` as people run it, on the embedded server: the same as without, also after a kill."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from reconciler.embedded import Running
from tests.state_servers import PlaceUrl
from tests.workers import fleet_runs
from tests.workers.worker_processes import WorkerProcesses

ROOT = Path(__file__).parents[2]
TOKEN = "token-canary-8c1e"
KEY = "setting-canary-41f7"
COUNT = 2_000
RESOURCES = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: plants}
spec:
  resources: [resources]
  server: {engine: aiohttp, auth: {tokenEnv: PULSE_TOKEN}}
"""
CAMPAIGN = """\
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall}
spec: {file: hall.txt}
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: night}
spec: {timezone: Europe/Berlin, download: {begin: 2037-01-10T22:00, end: 2037-01-11T04:00}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec:
  gatewayLists: [hall]
  schedules: [{schedule: night}]
  settings: {KEY: {fromEnv: LINE_KEY}}
"""


class Plant:
    """A folder with a campaign of many gateways, and a server for it."""

    program: tuple[str, ...] = ("-m", "reconciler")

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        (folder / "resources").mkdir(parents=True)
        (folder / "reconciler.yaml").write_text(RESOURCES)
        (folder / "resources" / "all.yaml").write_text(CAMPAIGN)
        (folder / "resources" / "hall.txt").write_text("".join(f"gw-{n:05}\n" for n in range(COUNT)))
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RECONCILER_")},
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "RECONCILER_URL": url,
            "PULSE_TOKEN": TOKEN,
            "LINE_KEY": KEY,
        }

    def start(self, *arguments: str, **more: Any) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *self.program, *arguments],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=180)
        assert not [canary for canary in (TOKEN, KEY) if canary in out + err]
        assert "Traceback" not in err
        return process.returncode, out, err

    def document(self, *arguments: str) -> Any:
        code, out, err = self.run(*arguments, "--output", "json")
        assert code == 0, err
        return json.loads(out)


def windows(server: Running) -> Counter[str]:
    """How often each gateway got its window."""
    return Counter(
        call.path.split("/")[5] for call in server.calls if call.path.endswith("/scheduled-download")
    )


def alike(text: str, plant: Plant) -> str:
    """`text` without what differs from run to run."""
    without = re.sub(r"http://127\.0\.0\.1:\d+|[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{24,64}\b", "…", text)
    without = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z|\d+ seconds?|\b1[0-9]{9}\b", "…", without)
    return without.replace(str(plant.folder), "…")


def told(plant: Plant) -> Mapping[str, Any]:
    """Of the last run: outcomes and calls, as the audit log tells them."""
    run = plant.document("audit", "show")["runs"][-1]
    lines = plant.document("audit", "show", str(run["run"]))["calls"]
    named = Counter[str](name for line in lines for name in line.get("gateways", ()))
    return {
        "exit": run["exit"],
        "outcomes": run["outcomes"],
        "steps": run["steps"],
        "gateways": named,
        "operations": Counter({line["operation"]: 0 for line in lines})
        + sum((Counter({line["operation"]: line.get("calls", 1)}) for line in lines), Counter[str]()),
    }


@pytest.mark.timeout(400)
def test_the_same_server_state_and_audit_as_without(tmp_path: Path) -> None:
    found: list[Any] = []
    for name, more in (("alone", ()), ("together", ("--workers", "local:2"))):
        with Running(token=TOKEN, record=True) as server:
            plant = Plant(tmp_path / name, server.url)
            code, out, err = plant.run("apply", "--auto-approve", *more)
            assert code == 0, err
            state = json.loads((plant.folder / ".reconciler" / "state.json").read_text())
            found.append(
                {
                    "out": alike(out, plant),
                    "windows": windows(server),
                    "calls": Counter(call.method for call in server.calls if call.method != "GET"),
                    "state": alike(json.dumps(state), plant),
                    "told": told(plant),
                }
            )
            code, out, _ = plant.run("plan", "--detailed-exitcode")
            assert code == 0, out
            lines = (plant.folder / ".reconciler" / "state.json.audit").read_text()
            assert not [canary for canary in (TOKEN, KEY) if canary in lines]
            found[-1]["lines"] = lines.count("\n")
    alone, together = found
    assert alone.pop("lines") > COUNT > 100 > together.pop("lines")
    assert alone == together
    assert set(alone["windows"].values()) == {1}
    assert len(alone["windows"]) == COUNT


def reached(server: Running, process: "subprocess.Popen[str]") -> None:
    """A part of the windows is there."""
    ends = time.monotonic() + 90
    while not 200 < len(windows(server)) < COUNT:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.timeout(400)
def test_a_run_that_is_killed_is_finished_by_the_next_one(tmp_path: Path) -> None:
    with Running(token=TOKEN, record=True) as server:
        plant = Plant(tmp_path / "work", server.url)
        process = plant.start("apply", "--auto-approve", "--max-rps", "400", "--workers", "local:2")
        reached(server, process)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate()
        _, alive = psutil.wait_procs(workers, timeout=30)
        assert not alive
        before = len(windows(server))
        code, _, err = plant.run("apply", "--auto-approve", "--workers", "local:2")
        assert code == 0, err
        assert before < COUNT == len(windows(server))
        code, out, _ = plant.run("plan", "--detailed-exitcode")
        assert code == 0, out


@pytest.mark.timeout(400)
def test_a_control_c_ends_it_and_what_is_done_is_known(tmp_path: Path) -> None:
    with Running(token=TOKEN, record=True) as server:
        plant = Plant(tmp_path / "work", server.url)
        arguments = ("apply", "--auto-approve", "--max-rps", "400", "--workers", "local:2")
        process = plant.start(*arguments, start_new_session=True)
        reached(server, process)
        os.killpg(process.pid, signal.SIGINT)  # a terminal tells all of its processes
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1, err
        assert "Traceback" not in err
        sent = windows(server)
        outcomes = plant.document("audit", "show")["runs"][-1]["outcomes"]
        assert outcomes["skipped"] > 0, out
        assert outcomes["done"] == sum(call.method != "GET" for call in server.calls)
        assert set(sent.values()) == {1}


@pytest.mark.timeout(400)
def test_a_scheduler_wants_a_state_whose_lock_outlives_us(
    tmp_path: Path, two_workers: WorkerProcesses, place_url: PlaceUrl
) -> None:
    with Running(token=fleet_runs.TOKEN, record=True) as server:
        plant = Plant(tmp_path / "work", server.url)
        plant.env["PULSE_TOKEN"] = fleet_runs.TOKEN
        arguments = ("apply", "--auto-approve", "--workers", str(two_workers.address))
        code, _, err = plant.run(*arguments)
        assert code == 1
        assert "the lock of a state in a file doesn't" in err
        assert not server.calls or {call.method for call in server.calls} == {"GET"}
        code, _, err = plant.run(*arguments, "--state", place_url("postgresql"))
        assert code == 0, err
        assert set(windows(server).values()) == {1}
        assert len(windows(server)) == COUNT


@pytest.mark.parametrize("workers", ["4", "local:0", "dask:host", "tcp://host:1"])
def test_workers_that_are_none_are_a_mistake_of_the_command_line(tmp_path: Path, workers: str) -> None:
    plant = Plant(tmp_path / "work", "http://127.0.0.1:9")
    code, _, err = plant.run("apply", "--workers", workers)
    assert code == 64
    assert f"--workers {workers}" in err


def test_the_embedded_server_has_no_workers(tmp_path: Path) -> None:
    plant = Plant(tmp_path / "work", "embedded:")
    code, _, err = plant.run("apply", "--workers", "local:2", "--auto-approve")
    assert code == 64, err
    assert "the embedded server is in this process" in err


# --- reading ----------------------------------------------------------------------------------------------

LINES = """\
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-@}
spec:
  gatewayLists: [hall-@]
  settings: {KEY: {fromEnv: LINE_KEY}}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall-@}
spec: {file: hall-@.txt}
---
"""


EAGER = """\
from reconciler.app import crew
from reconciler.cli import main
crew.WORTHWHILE = 500
if __name__ == "__main__":
    raise SystemExit(main())
"""


def of_lines(folder: Path, url: str, *, lines: int = 10, gateways: int = 60) -> Plant:
    """A plant whose campaigns are read a gateway a page, where fewer pages are worth workers."""
    made = Plant(folder, url)
    (folder / "eager.py").write_text(EAGER)
    made.program = (str(folder / "eager.py"),)
    made.folder.joinpath("reconciler.yaml").write_text(RESOURCES.replace("aiohttp,", "aiohttp, pageSize: 1,"))
    resources = made.folder / "resources"
    (resources / "all.yaml").write_text("".join(LINES.replace("@", str(n)) for n in range(lines)))
    for n in range(lines):
        (resources / f"hall-{n}.txt").write_text("".join(f"gw-{n}-{m:03}\n" for m in range(gateways)))
    return made


def pages(server: Running, since: int) -> Counter[str]:
    """How many pages of each list of gateways were asked for, since so many calls; and no other call."""
    calls = server.calls[since:]
    assert {call.method for call in calls} <= {"GET"}
    return Counter(call.path for call in calls if call.path.endswith("/devices"))


@pytest.mark.timeout(400)
def test_a_plan_is_the_same_bytes_by_workers_and_a_control_c_ends_it(tmp_path: Path) -> None:
    with Running(token=TOKEN, record=True) as server:
        plant = of_lines(tmp_path / "work", server.url)
        code, _, err = plant.run("apply", "--auto-approve")
        assert code == 0, err
        hall = plant.folder / "resources" / "hall-3.txt"
        hall.write_text(hall.read_text().replace("gw-3-007", "gw-3-new"))
        found = []
        for more in ((), ("--workers", "local:2")):
            before = len(server.calls)
            code, out, err = plant.run("plan", "--output", "json", *more)
            assert code == 0, err
            found.append((out, err, pages(server, before)))
        assert found[0] == found[1]
        assert sum(found[0][2].values()) == 600

        # A terminal tells all of its processes; nobody is left behind, and nobody goes on asking.
        before = len(server.calls)
        process = plant.start("plan", "--workers", "local:2", start_new_session=True)
        ends = time.monotonic() + 90
        while sum(pages(server, before).values()) < 100:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < ends
            time.sleep(0.2)
        workers = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (1, ""), err
        assert "Traceback" not in err
        assert time.monotonic() - began < 15
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert not alive
