"""A scheduler and workers as people start them: processes of their own, on loopback."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psutil

from reconciler.settings import DaskWorkers

SECONDS = 60
ROOT = Path(__file__).parents[2]


class Nursery:
    """Where processes come from; see `nursery`. Who uses it ends them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=SECONDS)

    def start(self, what: str, arguments: list[str], env: Mapping[str, str], log: Path) -> int:
        """The id of a new process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"what": what, "arguments": arguments, "env": dict(env), "log": str(log)}
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


def killed(pid: int) -> None:
    """A process that ends without a word, and is gone."""
    os.kill(pid, signal.SIGKILL)
    ends = time.monotonic() + SECONDS
    while psutil.pid_exists(pid):
        assert time.monotonic() < ends
        time.sleep(0.01)


class WorkerProcesses:
    """``with WorkerProcesses(nursery, folder) as cluster: cluster.start("alpha")``."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        self._nursery = nursery
        self._folder = folder
        self._file = folder / "scheduler.json"
        self._scheduler = 0
        self.workers: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._scheduler = self._run(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", name="scheduler"
        )
        ends = time.monotonic() + SECONDS
        while not (self._file.exists() and self._file.read_text().endswith("}")):
            assert time.monotonic() < ends, (self._folder / "scheduler.log").read_text()
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        for pid in (*self.workers.values(), self._scheduler):
            killed(pid)

    @property
    def address(self) -> DaskWorkers:
        port = json.loads(self._file.read_text())["address"].rpartition(":")[2]
        return DaskWorkers("127.0.0.1", int(port))

    def start(
        self, name: str, *arguments: str, env: Mapping[str, str] | None = None, preload: str = ""
    ) -> None:
        """A worker, which `preload` (Python) changes before it is there."""
        self.begin(name, *arguments, env=env, preload=preload)
        self.there(name)

    def begin(
        self, name: str, *arguments: str, env: Mapping[str, str] | None = None, preload: str = ""
    ) -> None:
        """The same, without waiting for it."""
        if preload:
            path = self._folder / f"{name}_preload.py"
            path.write_text(preload)
            arguments = ("--preload", str(path), *arguments)
        said = ("--name", name, "--nthreads", "2", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        self.workers[name] = self._run("worker", *arguments, *said, name=name, env=env)

    def there(self, name: str) -> None:
        """Wait until it has registered."""
        ends = time.monotonic() + SECONDS
        while "Registered to:" not in self.log(name):
            assert time.monotonic() < ends, self.log(name)
            time.sleep(0.05)

    def kill(self, name: str) -> None:
        killed(self.workers.pop(name))

    def log(self, name: str) -> str:
        path = self._folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def _run(self, what: str, *arguments: str, name: str, env: Mapping[str, str] | None = None) -> int:
        said = ["--scheduler-file", str(self._file), *arguments]
        (self._folder / f"{name}.log").unlink(missing_ok=True)
        return self._nursery.start(what, said, env or {}, self._folder / f"{name}.log")
