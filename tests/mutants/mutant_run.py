"""Tries mutants, each in a copy of the tree, and says which of them live."""

import base64
import difflib
import json
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock

from tests.mutants.mutant_edits import Mutant
from tests.mutants.mutant_trace import Traced, copied, environment, who_may_notice
from tests.mutants.mutant_worker import Answer, Request

_BATCH_SECONDS = (2.0, 8.0, 30.0)
"""Tests run in batches that usually take so long, most mutants die in the first; the rest is one more."""
_QUICK_SECONDS = 0.5
_PATIENCE, _GRACE_SECONDS = 5, 40.0
"""A batch that takes so many times its usual time, and so much more, hangs."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a mutant."""

    mutant: Mutant
    killed: str
    """What noticed: a test, or what ended it; ``""``: it lives."""
    ran: int = 0
    left_out: int = 0
    """Slower tests that the time for a mutant did not reach."""


class Worker:
    """A warm process in a copy of its own; see `mutant_worker`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def __call__(self, path: str, source: bytes, tests: Sequence[Traced]) -> Answer:
        limit = _GRACE_SECONDS + _PATIENCE * sum(test.seconds for test in tests)
        encoded = base64.b64encode(source).decode()
        request = Request(path, encoded, [test.nodeid for test in tests], limit)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(request)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a warm process ended")
        return Answer(**json.loads(line))


@contextmanager
def workers(root: Path, place: Path, number: int) -> Iterator[list[Worker]]:
    """So many warm processes, in copies below `place`."""
    with ExitStack() as stack:
        found = []
        for each in range(number):
            copy = copied(root, place / f"worker-{each}" / "tree")
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "tests.mutants.mutant_worker"],
                cwd=copy,
                env=environment(copy),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )
            stack.enter_context(process)
            assert process.stdin is not None
            stack.callback(process.stdin.close)
            found.append(Worker(process))
        yield found


class Trial:
    """Tries mutants on warm processes; a test that also fails without a mutant doesn't count."""

    def __init__(
        self,
        sources: Mapping[str, bytes],
        tests: Sequence[Traced],
        users: Mapping[str, frozenset[str]],
        budget: float,
    ) -> None:
        self._sources = sources
        self._tests = tests
        self._users = users
        self._budget = budget
        self._fit: dict[str, bool] = {}
        self._guard = Lock()

    @property
    def unfit(self) -> Collection[str]:
        """Tests that failed without a mutant."""
        return sorted(nodeid for nodeid, fit in self._fit.items() if not fit)

    def run(
        self, mutants: Sequence[Mutant], able: Sequence[Worker], each: Callable[[Tried], object]
    ) -> list[Tried]:
        """Try them all; `each` is told at once, in the thread that tried."""
        free: SimpleQueue[Worker] = SimpleQueue()
        for worker in able:
            free.put(worker)

        def one(mutant: Mutant) -> Tried:
            worker = free.get()
            try:
                tried = self.tried(worker, mutant)
            finally:
                free.put(worker)
            each(tried)
            return tried

        with ThreadPoolExecutor(len(able)) as threads:
            futures = [threads.submit(one, mutant) for mutant in mutants]
            try:
                return [future.result() for future in futures]
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def tried(self, worker: Worker, mutant: Mutant) -> Tried:
        source = mutant.applied(self._sources[mutant.path])
        batches, left_out = self._batches(mutant)
        ran = 0
        for batch in batches:
            answer = worker(mutant.path, source, batch)
            left = batch
            while answer.ended != "passed" and not self._holds(worker, mutant, source, answer):
                left = [test for test in left if test.nodeid != answer.failed]
                answer = worker(mutant.path, source, left)
            if answer.ended != "passed":
                return Tried(mutant, answer.failed or _ENDED[answer.ended])
            ran += answer.ran
        return Tried(mutant, "", ran, left_out)

    def _batches(self, mutant: Mutant) -> tuple[list[list[Traced]], int]:
        """The tests that may notice and that the time for a mutant reaches; how many others there are."""
        tests = [
            test
            for test in who_may_notice(mutant, self._tests, self._users, self._sources[mutant.path])
            if self._fit.get(test.nodeid, True)
        ]
        batches: list[list[Traced]] = [[]]
        limits, spent, total = iter(_BATCH_SECONDS), 0.0, 0.0
        limit, left_out = next(limits), 0
        for test in tests:
            if total + test.seconds > self._budget:
                left_out += 1
                continue
            if spent + test.seconds > limit and batches[-1]:
                batches.append([])
                spent, limit = 0.0, next(limits, float("inf"))
            batches[-1].append(test)
            spent, total = spent + test.seconds, total + test.seconds
        return [batch for batch in batches if batch], left_out

    def _holds(self, worker: Worker, mutant: Mutant, source: bytes, answer: Answer) -> bool:
        """Whether the test that failed passes without a mutant; what has no name is taken at its word.

        A test that starts processes, or is slow, must fail again: on a busy machine it may also be late.
        """
        nodeid = answer.failed
        if not nodeid:
            return True
        found = [test for test in self._tests if test.nodeid == nodeid]
        if nodeid not in self._fit:
            fit = worker(mutant.path, self._sources[mutant.path], found).ended == "passed"
            with self._guard:
                self._fit[nodeid] = fit
        doubtful = any(test.calls or test.seconds > _QUICK_SECONDS for test in found)
        again = not doubtful or worker(mutant.path, source, found).ended != "passed"
        return self._fit[nodeid] and again


HANGS = "it never ends"
_ENDED = {"failed": "it can't be imported", "late": HANGS, "crashed": "the process crashed"}


def shown(mutant: Mutant, source: bytes) -> str:
    """The mutant as a patch."""
    before, after = (text.decode().splitlines(keepends=True) for text in (source, mutant.applied(source)))
    return "".join(difflib.unified_diff(before, after, f"a/{mutant.path}", f"b/{mutant.path}", n=2))
