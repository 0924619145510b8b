"""Looks at one project, one after the other: what each found, whatever comes of it.

Files are read anew when one of the project's folder changed, after a look that failed, and each hour.

Tests: `tests/controller/test_controller_run.py`.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from reconciler.app.applying import Applying, ApplyListener, ApplyResult
from reconciler.app.caller import Caller
from reconciler.app.looking import Memory, SeenApply, look
from reconciler.app.noticing import LOOK, project_words
from reconciler.app.pipeline import Job, prepare
from reconciler.app.posting import ApprisePostman
from reconciler.app.workspace import PARALLELISM, Workspace, store_of
from reconciler.controller.counts import Happened
from reconciler.controller.past import LookResult, PastLook
from reconciler.controller.shown import CalendarShown
from reconciler.errors import Exit, ReconcilerError, StateLocked, fault_in_words
from reconciler.model import OutcomeStatus
from reconciler.options import Options
from reconciler.report.notices import Notice
from reconciler.report.statuses import StatusReport
from reconciler.rollout.calendars import opening
from reconciler.settings import NoticeEvent, Project
from reconciler.state.base import NoticeNoted
from reconciler.text import clean, cut

_REREAD: Final = 3_600_000
"""Milliseconds after which files are read anew though none changed: some may lie elsewhere."""
_LONGEST: Final = 500
_NOT_SENT: Final = frozenset({OutcomeStatus.SKIPPED, OutcomeStatus.NOT_NEEDED, OutcomeStatus.WAITING})
_RESULTS: Final = {
    Exit.PARTLY: LookResult.PARTLY,
    Exit.GUARD: LookResult.GUARD,
    Exit.ROLLOUT_ABORTED: LookResult.ABORTED,
    Exit.NOT_OURS: LookResult.NOT_OURS,
    Exit.ERROR: LookResult.FAILED,
}


@dataclass(frozen=True, slots=True, repr=False)
class LookEnd:
    """What one look found."""

    past: PastLook
    happened: Happened
    status: StatusReport | None = None
    """How things stand; None where that was not read."""
    read: int | None = None
    """When, epoch milliseconds."""
    project: Project | None = None
    """As its files are now; None where they could not be read."""
    calendars: Sequence[CalendarShown] = ()
    code: Exit = Exit.DONE
    """What an apply would end with."""
    error: Exception | None = None
    """Why it failed."""


@dataclass(slots=True)
class Looks:
    """Looks as they are asked for; ``clock`` gives epoch seconds.

    ``prepared`` may take the place of reading files, ``postman_of`` that of telling people.
    """

    workspace: Workspace
    options: Options
    caller: Caller
    listener: ApplyListener
    clock: Callable[[], float] = time.time
    parallelism: int = PARALLELISM
    postman_of: Callable[[Project], ApprisePostman] | None = None
    _memory: Memory = field(default_factory=Memory)
    _job: Job | None = None
    _files: str = ""
    _reread: float = 0.0
    _postman: ApprisePostman | None = None
    _told: bool = False
    """Whether people know that looks fail."""

    async def look(self) -> LookEnd:
        """One look. Whatever comes of it, it ends; only the end of the process is raised."""
        began, at = time.monotonic(), self._now()
        self._memory.requests.clear()
        try:
            job = self._read()
            applying = Applying(
                job.project,
                job.store,
                self.caller,
                self.listener,
                self.parallelism,
                0.0,
                self._postman if job.project.notify else None,
                self.clock,
            )
            found = await look(applying, job, self.options, self._memory)
        except StateLocked as error:
            return self._failed(began, at, LookResult.STANDBY, error)
        except Exception as error:  # noqa: BLE001 - a look that fails is no end of the controller
            self._files = ""
            return self._failed(began, at, LookResult.FAILED, error)
        happened = happened_in(found.applied, self._memory, self._postman)
        end = end_of(found, job, at, time.monotonic() - began, happened=happened, now=self._now())
        if end.past.result is not LookResult.FAILED:
            self._told = False
        return end

    async def tell_failing(self, why: str) -> None:
        """Tell people, once, that looks fail: once of all replicas while the state can be reached."""
        if self._told:
            return
        try:
            project = self._job.project if self._job else self.workspace.settle()
            postman = self._postman or self._made_postman(project)
            if not postman.wants(NoticeEvent.LOOK_FAILING):
                return
        except ReconcilerError:
            return  # nobody knows whom to tell
        try:
            with store_of(project).locked(project.server.identity, "notice") as session:
                self._told = True
                if session.state.begun:
                    if LOOK in session.state.told:
                        return
                    session.record(NoticeNoted(LOOK, self._now()))
        except StateLocked:
            return  # somebody looks: this is asked again after the next failure
        except ReconcilerError:
            self._told = True  # each replica says it for itself
        await postman.post(Notice(NoticeEvent.LOOK_FAILING, project_words(project), text=why))

    # --- files -------------------------------------------------------------------------------------

    def changed(self) -> bool:
        """Whether a file of the project changed since it was read."""
        return self._job is None or self._fingerprint() != self._files

    def _read(self) -> Job:
        if self._job is not None and self._now() - self._reread < _REREAD and not self.changed():
            return self._job
        before = self._fingerprint() if self._job is not None else None
        job = prepare(self.workspace)
        if self._postman is None or job.project != self._postman.project:
            self._postman = self._made_postman(job.project)
        self._job, self._reread = job, self._now()
        # The fingerprint from before, so that files that changed during the read are read again.
        self._files = self._fingerprint() if before is None else before
        return job

    def _made_postman(self, project: Project) -> ApprisePostman:
        if self.postman_of is not None:
            return self.postman_of(project)
        return ApprisePostman(project, self.workspace.environ)

    def _fingerprint(self) -> str:
        """Of every file below the folder of the project: its name, size and time."""
        assert self._job is not None
        digest = blake2b(digest_size=16)
        for line in sorted(_files(self._job.project.root)):
            digest.update(line.encode(errors="surrogateescape"))
        return digest.hexdigest()

    # --- ends --------------------------------------------------------------------------------------

    def _failed(self, began: float, at: int, result: LookResult, error: Exception) -> LookEnd:
        happened = happened_in(None, self._memory, self._postman)
        project = self._job.project if self._job else None
        return failed_end(error, result, at, time.monotonic() - began, happened=happened, project=project)

    def _now(self) -> int:
        """Epoch milliseconds."""
        return int(self.clock() * 1000)


def end_of(found: SeenApply, job: Job, at: int, seconds: float, *, happened: Happened, now: int) -> LookEnd:
    """What a look of which an apply came about says of itself."""
    applied = found.applied
    result, why = result_of(applied), found.unread
    if result in (LookResult.NOTHING, LookResult.APPLIED) and found.status is None:
        result = LookResult.FAILED
    if result is LookResult.FAILED and not why:
        errors = [each.message for each in applied.plan.findings if each.is_error]
        why = errors[0] if errors else "it was told to end"
    sent = sum(outcome.status not in _NOT_SENT for outcome in applied.outcomes)
    past = PastLook(at, seconds, result, sent, cut(clean(why), _LONGEST))
    calendars = tuple(_calendars(job, now))
    return LookEnd(past, happened, found.status, now, job.project, calendars, applied.exit)


def failed_end(
    error: Exception,
    result: LookResult,
    at: int,
    seconds: float,
    *,
    happened: Happened,
    project: Project | None,
) -> LookEnd:
    """What a look says of itself that ended with an error."""
    past = PastLook(at, seconds, result, why=why_failed(error))
    code = error.exit_code if isinstance(error, ReconcilerError) else Exit.ERROR
    return LookEnd(past, happened, project=project, code=code, error=error)


def happened_in(applied: ApplyResult | None, memory: Memory, postman: ApprisePostman | None) -> Happened:
    """What a look adds to the counts. What the postman counted is taken from it."""
    steps: Counter[tuple[str, str]] = Counter()
    turned: Counter[tuple[str, str]] = Counter()
    if applied is not None:
        steps.update((each.step.operation.name, each.status.value) for each in applied.outcomes)
        turned.update((each.resource.name, each.to) for each in applied.turns)
    told = postman.counts if postman else Counter()
    notices = {(event.value, outcome): count for (event, outcome), count in told.items()}
    told.clear()
    requests = {(name, each.value): count for (name, each), count in memory.requests.items()}
    return Happened(requests, steps, turned, notices)


def result_of(applied: ApplyResult) -> LookResult:
    """How a look ended that made a plan."""
    if (found := _RESULTS.get(applied.exit)) is not None:
        return found
    if applied.outcomes:
        return LookResult.APPLIED
    plan = applied.plan
    waits = any(view.waits for view in plan.rollouts)
    codes = {finding.code for finding in plan.findings}
    return LookResult.WAITING if waits or codes & {"held", "waiting-for-approval"} else LookResult.NOTHING


def why_failed(error: Exception) -> str:
    """In a line."""
    if not isinstance(error, ReconcilerError):
        return cut(clean(fault_in_words(error)), _LONGEST)
    first = next((each for each in error.findings if each.is_error), None)
    more = ""
    if first is not None:
        more = f": {first.place}: {first.message}" if first.place else f": {first.message}"
    return cut(clean(f"{error.message}{more}"), _LONGEST)


def _files(root: Path) -> Iterator[str]:
    """A line for each file below `root` that isn't hidden, and one for where it really is."""
    yield os.path.realpath(root)
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - there may be 100,000 of them
            try:
                found = os.stat(path)  # noqa: PTH116
            except OSError:
                continue
            yield f"{path}\0{found.st_mtime_ns}\0{found.st_size}\0{found.st_ino}"


def _calendars(job: Job, now: int) -> Iterator[CalendarShown]:
    for calendar in sorted(job.desired.calendars, key=lambda each: each.name):
        if calendar.of_gateways:
            yield CalendarShown(calendar.name, None)
            continue
        told = opening([calendar], ZoneInfo(calendar.zone), now)
        yield CalendarShown(calendar.name, told.open, told.until if told.open else told.opens, told.frozen)
