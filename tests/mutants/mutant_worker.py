"""A warm process in a copy of the tree: it has imported what others made, and forks for each run.

    python -m tests.mutants.mutant_worker        (in the copy)

It reads requests and writes answers, a line of JSON each. A request names a file and its bytes while the
tests run, the tests in their order, and the seconds they have. See `Request` and `Answer`.
"""

import base64
import contextlib
import importlib
import json
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import NoReturn, TextIO

import pytest

MEMORY = 4 << 30
FILE = 1 << 30
"""A mutant may eat this much memory and write so big a file, in bytes."""
_IMPORT = re.compile(r"^\s*(?:from|import) ([\w.]+)", re.MULTILINE)
_HEAVY = ("sphinx", "moto", "mypy", "schemathesis")


@dataclass(frozen=True, slots=True)
class Request:
    """Run `tests`, while `path` holds `source` (base64), for so many seconds at most."""

    path: str
    source: str
    tests: Sequence[str]
    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """How a run ended. ``failed``: by a test of this name, or by an import that has none (``""``)."""

    ended: str
    """``passed``, ``failed``, ``late`` or ``crashed``."""
    failed: str = ""
    ran: int = 0
    said: str = ""


class Chosen:
    """A plugin of pytest: only these tests, in this order."""

    def __init__(self, tests: Sequence[str], place: Path) -> None:
        self._order = {nodeid: number for number, nodeid in enumerate(tests)}
        self._place = place
        self._ran: set[str] = set()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self._order]
        items[:] = sorted(chosen, key=lambda item: self._order[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._ran.add(report.nodeid)
        if report.failed:
            self._note(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self._note("")

    def _note(self, failed: str) -> None:
        if failed or not self._place.exists():
            text = json.dumps({"failed": failed, "ran": len(self._ran)})
            self._place.write_text(text, encoding="utf-8")


def main(asked: TextIO, told: TextIO) -> None:
    """Answer each request, until nobody can ask any more."""
    _warm_up(Path.cwd())
    for number, line in enumerate(asked, 1):
        answer = _answer(Request(**json.loads(line)), number)
        told.write(json.dumps(asdict(answer)) + "\n")
        told.flush()


def _warm_up(copy: Path) -> None:
    """Import what tests and package import from others; of the copy itself nothing."""
    files = [*(copy / "reconciler").rglob("*.py"), *(copy / "tests").rglob("*.py")]
    ours = {"reconciler", "tests", "conftest", *(path.stem for path in files)}
    named = {name for path in files for name in _IMPORT.findall(path.read_text(encoding="utf-8"))}
    plugins = {each.module for each in entry_points(group="pytest11")}
    for name in sorted(named | plugins):
        if name.partition(".")[0] not in ours and not name.startswith(_HEAVY):
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def _answer(request: Request, number: int) -> Answer:
    place = Path.cwd().parent
    said, noted, base = place / "output", place / "noted.json", place / "tmp"
    noted.unlink(missing_ok=True)
    with _changed(Path(request.path), base64.b64decode(request.source), number):
        pid = os.fork()
        if pid == 0:
            _run(request.tests, said, noted, base)
        try:
            status = _ended(pid, request.seconds)
        finally:
            # With all that the tests started.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
    text = said.read_text(encoding="utf-8", errors="replace")[-6000:] if said.exists() else ""
    if status is None:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        return Answer("late", said=text)
    code = os.waitstatus_to_exitcode(status)
    note = json.loads(noted.read_text(encoding="utf-8")) if noted.exists() else {}
    if code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return Answer("passed", ran=note.get("ran", 0), said=text)
    return Answer("failed" if code > 0 else "crashed", **note, said=text)


@contextlib.contextmanager
def _changed(path: Path, source: bytes, number: int) -> Iterator[None]:
    """`path` holds `source` for as long as the block runs; its time tells each of them from compiled code."""
    before, stat = path.read_bytes(), path.stat()
    path.write_bytes(source)
    os.utime(path, (stat.st_atime, stat.st_mtime + 10 * number))
    try:
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, (stat.st_atime, stat.st_mtime))


def _ended(pid: int, seconds: float) -> int | None:
    """The status of the process; None when it isn't done in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.02)
    return None


def _run(tests: Sequence[str], said: Path, noted: Path, base: Path) -> NoReturn:
    code = 70
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
        output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        files = list(dict.fromkeys(nodeid.partition("::")[0] for nodeid in tests))
        options = ["-q", "-x", "--tb=short", "--no-header", "-p", "no:cacheprovider", f"--basetemp={base}"]
        # What was imported before pytest came to it is as good without its assertions being explained.
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        code = int(pytest.main([*options, *files], plugins=[Chosen(tests, noted)]))
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
