"""A scheduler and workers as people start them: processes of their own, on loopback."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from reconciler.settings import DaskWorkers

SECONDS = 60
ROOT = Path(__file__).parents[2]


class WorkerProcesses:
    """``with WorkerProcesses(folder) as cluster: cluster.start("alpha")``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "scheduler.json"
        self._scheduler: subprocess.Popen[bytes] | None = None
        self.workers: dict[str, subprocess.Popen[bytes]] = {}

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
        for process in (*self.workers.values(), self._scheduler):
            if process is not None:
                process.kill()
                process.wait()

    @property
    def address(self) -> DaskWorkers:
        port = json.loads(self._file.read_text())["address"].rpartition(":")[2]
        return DaskWorkers("127.0.0.1", int(port))

    def start(
        self, name: str, *arguments: str, env: Mapping[str, str] | None = None, preload: str = ""
    ) -> None:
        """A worker, which `preload` (Python) changes before it is there."""
        if preload:
            path = self._folder / f"{name}_preload.py"
            path.write_text(preload)
            arguments = ("--preload", str(path), *arguments)
        said = ("--name", name, "--nthreads", "2", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        self.workers[name] = self._run("worker", *arguments, *said, name=name, env=env)
        ends = time.monotonic() + SECONDS
        while "Registered to:" not in self.log(name):
            assert time.monotonic() < ends, self.log(name)
            time.sleep(0.05)

    def kill(self, name: str) -> None:
        process = self.workers.pop(name)
        process.kill()
        process.wait()

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def _run(
        self, what: str, *arguments: str, name: str, env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "distributed.cli.dask_" + what, "--scheduler-file", str(self._file)]
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [*command, *arguments],
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
