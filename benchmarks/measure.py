"""One process, measured from outside; two of them, measured in turn."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[1]
_LOOK = 0.005
"""Seconds between looks at a process that runs."""
PEAK_UNIT = 1 << (20 if sys.platform == "darwin" else 10)


@dataclass(frozen=True)
class Figure:
    """Seconds of wall and of CPU, and the peak of memory in MB."""

    wall: float
    cpu: float
    """With the processes that it started and waited for."""
    peak: float
    """Of the process itself; with those that it started where `Command.family` says so."""
    own: float
    """CPU of the process itself."""


@dataclass(frozen=True)
class Command:
    """What is run, and where."""

    arguments: Sequence[str]
    cwd: Path = ROOT
    env: Mapping[str, str] | None = None
    before: Callable[[], None] | None = None
    family: bool = False
    """Whether the memory of the processes that it starts counts as its own."""


def python(*arguments: str, cwd: Path = ROOT, before: Callable[[], None] | None = None) -> Command:
    """This Python with `arguments`; the project is found from anywhere.

    Its modules are compiled once, whatever the shell says: pip compiles those that it installs.
    """
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in ("CI", "PYTHONDONTWRITEBYTECODE") and not name.startswith("RECONCILER_")
    }
    return Command([sys.executable, *arguments], cwd, {**env, "PYTHONPATH": str(ROOT), "TOKEN": "x"}, before)


def once(command: Command) -> Figure:
    """Run it to its end; it must succeed."""
    if command.before:
        command.before()
    began = time.perf_counter()
    process = subprocess.Popen(
        command.arguments,
        cwd=command.cwd,
        env=command.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peak = own = 0.0
    while not (done := os.wait4(process.pid, os.WNOHANG))[0]:
        those = [process.pid, *_started_by(process.pid)] if command.family else [process.pid]
        peak, own = max(peak, sum(map(_peak_of, those))), max(own, _own_cpu(process.pid))
        time.sleep(_LOOK)
    wall = time.perf_counter() - began
    _, status, usage = done
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command.arguments)} ended with {process.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    return Figure(wall, cpu, peak or usage.ru_maxrss / PEAK_UNIT, own or cpu)


def _peak_of(pid: int) -> float:
    """The peak of a process so far; 0 where that isn't told. What it used (`ru_maxrss`) counts us, too."""
    try:
        told = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("ascii"))
    except OSError:
        return 0.0
    return int(told[1]) / 1024 if told else 0.0


def _started_by(pid: int) -> Iterator[int]:
    """The processes that `pid` has started and that still run; none where that isn't told."""
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            yield from map(int, listed.read_text("ascii").split())
        except OSError:
            continue


def _own_cpu(pid: int) -> float:
    """Seconds of CPU of a process so far, without its children; 0 where that isn't told."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0


def in_turn(commands: Mapping[str, Command], times: int) -> dict[str, Figure]:
    """The medians of `times` runs of each; they take turns, so that all see the same noise."""
    seen: dict[str, list[Figure]] = {name: [] for name in commands}
    for _ in range(times):
        for name, command in commands.items():
            seen[name].append(once(command))
    return {name: _median(figures) for name, figures in seen.items()}


def _median(figures: Sequence[Figure]) -> Figure:
    return Figure(
        statistics.median(figure.wall for figure in figures),
        statistics.median(figure.cpu for figure in figures),
        statistics.median(figure.peak for figure in figures),
        statistics.median(figure.own for figure in figures),
    )


@contextmanager
def _serving(*arguments: str) -> Iterator[str]:
    """The URL of a server in a process of its own, which prints it first."""
    command = python(*arguments)
    with subprocess.Popen(
        command.arguments,
        cwd=ROOT,
        env=command.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def canned(campaigns: int, gateways: int, *more: str) -> Iterator[str]:
    """The URL of a canned server in a process of its own."""
    counts = ("--campaigns", str(campaigns), "--gateways", str(gateways))
    with _serving("-m", "benchmarks.canned", *counts, *more) as url:
        yield url


@contextmanager
def embedded(database: Path) -> Iterator[str]:
    """The URL of an embedded server in a process of its own, which records the calls: see `received`."""
    with _serving("-m", "reconciler", "serve", "--port", "0", "--database", str(database)) as url:
        record = {"record": True, "maxRecordedCalls": 1 << 20}
        asked = f"{url}/_embedded/settings"
        as_json = {"Content-Type": "application/json"}
        with urlopen(Request(asked, json.dumps(record).encode(), as_json, method="PUT")):
            yield url


def received(url: str) -> int:
    """How many calls the embedded server has had since it was asked last."""
    calls = f"{url}/_embedded/calls"
    with urlopen(calls) as answer:
        count = len(json.load(answer)["calls"])
    with urlopen(Request(calls, method="DELETE")):
        return count


def seen(url: str) -> int:
    """How many requests the canned server has answered."""
    with urlopen(f"{url}/_seen") as answer:
        return int(json.load(answer)["seen"])
