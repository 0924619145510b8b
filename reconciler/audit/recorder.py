"""What a run writes to the log: a line as it begins, one for each call or parcel of calls, one as it ends.

    {"type": "begin", "at": …, "operation": "apply", "who": {…}, "server": {…}, "plan": …, …}
    {"type": "call", "at": …, "operation": "add-gateways", "resource": …, "id": …, "gateways": […], …}
    {"type": "rollout", "at": …, "resource": …, "from": "progressing", "to": "aborted", "wave": 2, "why": …}
    {"type": "end", "at": …, "exit": 0, "outcomes": {"done": 4}}

The line that begins is durable before anything is done, so a run that was killed has no end. A call names all
of its gateways, each as it was sent; of settings nothing stands here. What is empty is left out. Calls that
differ in their gateway only and went out as a parcel are one line, which says how many they are: ``calls``.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol

from reconciler.audit.calls import AuditedCall, filled, just_done
from reconciler.audit.chain import ChainLink, LineForm, encode, link_of
from reconciler.errors import Exit, ReconcilerError, StateError, fault_in_words
from reconciler.model import (
    Action,
    BoundPackage,
    DeletePackage,
    Json,
    Outcome,
    OutcomeStatus,
    Reason,
    ResourceId,
    RolloutRecord,
    ScheduleWindow,
    Server,
    Step,
    UploadPackage,
    carried_by,
    target_of,
)

BEGIN, CALL, ROLLOUT, END = "begin", "call", "rollout", "end"
"""Types of lines."""

Clock = Callable[[], float]

_FORMS: Final = 64
"""Groups of which it is remembered what their lines have in common."""


class Log(Protocol):
    """Where lines go; a `Session` of a state is one."""

    @property
    def audit_tail(self) -> str | None:
        """The last line; None when there is none yet."""
        ...

    def audit(self, *lines: str, sync: bool = True) -> None:
        """Append `lines`; StateError when they can't be written yet."""
        ...


@dataclass(frozen=True, slots=True)
class Who:
    """Whose doing a run is; ``actor`` is the person that CI names."""

    holder: str
    host: str
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """What the files of the project were. ``dirty``: not all as committed; None: not known."""

    id: str
    dirty: bool | None = None


@dataclass(frozen=True, slots=True)
class Waiver:
    """A guard that was waived: ``found`` is more than ``limit``, and the reason that was given."""

    guard: str
    reason: str
    found: int
    limit: int
    resource: ResourceId | None = None
    until: int | None = None
    """When it is over, epoch milliseconds, where it stands in Git."""


@dataclass(frozen=True, slots=True)
class AuditedRun:
    """What there is to say of a run before it does anything.

    ``plan`` is the digest of its plan, ``steps`` how many calls that has of each operation: of a run that
    was killed it tells what may have happened. ``about``: what it does without a call.
    """

    operation: str
    version: str
    who: Who
    server: Server
    project: str | None = None
    environment: str | None = None
    commit: Commit | None = None
    plan: str | None = None
    steps: Mapping[str, int] = field(default_factory=dict)
    waived: tuple[Waiver, ...] = ()
    about: Mapping[str, Json] = field(default_factory=dict)


def turns(before: RolloutRecord | None, after: RolloutRecord | None) -> bool:
    """Whether a rollout begins, opens a wave, changes its status or is given up."""
    if before is None or after is None:
        return before is not after
    return (before.status, before.wave) != (after.status, after.wave)


class AuditRecorder:
    """Writes one run to a log. ``code`` is what it is to end with."""

    def __init__(self, log: Log, *, clock: Clock = time.time) -> None:
        self.code = Exit.DONE
        self._unwritten: StateError | None = None
        self._lost: StateError | None = None
        self._log = log
        self._clock = clock
        self._link: ChainLink | None = None
        self._run = 0
        self._outcomes: Counter[str] = Counter()
        self._campaigns: dict[ResourceId, str] = {}
        self._packages: dict[str, str] = {}
        self._forms: dict[str, LineForm] = {}
        """Of the groups whose steps are told now, by their keys."""

    @property
    def failure(self) -> StateError | None:
        """Why there are lines that are not written yet, or never will be: nothing new may be begun."""
        return self._lost or self._unwritten

    def begin(self, run: AuditedRun) -> None:
        """Durable on return. StateError when it can't be written: then nothing may be done."""
        self._link = link_of(self._log.audit_tail)
        self._run = self._link.run + 1
        self._write(BEGIN, _beginning(run))

    def rollout(
        self, resource: ResourceId, before: RolloutRecord | None, after: RolloutRecord | None
    ) -> None:
        """A turn of a rollout, durable on return; nothing where it stands as it stood.

        StateError when it can't be written.
        """
        if not turns(before, after):
            return
        said: dict[str, Json] = {"why": after.why, "by": after.by} if after else {}
        self._write(
            ROLLOUT,
            {
                "resource": str(resource),
                "from": before.status.value if before else None,
                "to": after.status.value if after else None,
                "wave": after.wave if after else None,
                **filled(said),
            },
        )

    def outcome(self, outcome: Outcome, *, owner: ResourceId | None = None) -> None:
        """What became of a step; see `call`. ``owner``: whose it is, where it was asked for by hand."""
        self._append(self._of_outcome, (outcome,), owner)

    def outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """What became of steps that ended together, each with a line, written at once; see `call`."""
        self._append(self._of_outcome, outcomes)

    def call(self, call: AuditedCall) -> None:
        """What became of a call. Never raises: `failure` says so when it isn't written yet."""
        self._append(self._of_call, (call,))

    def _append(self, line: Callable[..., str], each_of: Iterable[object], *more: object) -> None:
        lines: list[str] = []
        for each in each_of:
            with self._contained():
                lines.append(line(each, *more))
        if lines:
            with self._contained():
                self._log.audit(*lines, sync=False)
                self._unwritten = None

    def _of_outcome(self, outcome: Outcome, owner: ResourceId | None = None) -> str:
        step, created = outcome.step, outcome.created
        action = step.action
        if step.group.per_call == 1 and owner is None and just_done(outcome):
            return self._of_done(step)
        if created is not None and isinstance(action, UploadPackage):
            self._packages[action.file.sha256] = created
        elif created is not None:
            self._campaigns[action.resource] = created
        by_hand = action.reason is Reason.ASKED
        carried = self._carried(action)
        return self._of_call(
            AuditedCall(
                step.operation.name,
                outcome.status,
                target_of(action) or created or self._campaigns.get(action.resource),
                owner if by_hand else action.resource,
                step.gateways,
                outcome.message,
                outcome.attempts,
                outcome.unclear,
                outcome.left,
                carried={**carried, "name": action.resource.name} if by_hand else carried,
            )
        )

    def _of_done(self, step: Step) -> str:
        """The line of a step for one gateway that is done: all of its group differ in that only."""
        group = step.group
        form = self._forms.get(group.key)
        if form is None:
            action = step.action
            target, carried = target_of(action) or self._campaigns.get(action.resource), self._carried(action)
            call = AuditedCall(
                group.operation.name, OutcomeStatus.DONE, target, action.resource, carried=carried
            )
            if len(self._forms) == _FORMS:
                self._forms.clear()
            form = LineForm({"type": CALL, **call.said()}, ("at", "gateways"))
            self._forms[group.key] = form
        self._outcomes[OutcomeStatus.DONE.value] += 1
        said: dict[str, Json] = {"at": _moment(self._clock()), "gateways": step.gateways}
        line, self._link = form.line(said, self._tail, run=self._run)
        return line

    def parcel(self, outcomes: Sequence[Outcome]) -> None:
        """Steps of one group that were done together, each for one gateway: a line for all; see `call`."""
        if outcomes:
            self._append(self._of_parcel, (outcomes,))

    def _of_parcel(self, outcomes: Sequence[Outcome]) -> str:
        action = outcomes[0].step.action
        return self._of_call(
            AuditedCall(
                outcomes[0].step.operation.name,
                OutcomeStatus.DONE,
                target_of(action) or self._campaigns.get(action.resource),
                action.resource,
                tuple(outcome.step.gateways[0] for outcome in outcomes),
                attempts=sum(outcome.attempts for outcome in outcomes),
                calls=len(outcomes),
                carried=self._carried(action),
            )
        )

    def _of_call(self, call: AuditedCall) -> str:
        self._outcomes[call.status.value] += call.calls
        return self._line(CALL, call.said())

    @contextmanager
    def _contained(self) -> Iterator[None]:
        try:
            yield
        except StateError as error:
            self._unwritten = error
        except Exception as error:  # noqa: BLE001 - what was done is done, whatever can't be said of it
            self._lost = StateError(f"a call is missing in the audit log: {fault_in_words(error)}")

    def end(self, error: str | None = None) -> None:
        """Durable on return, with all that was said before; StateError when that can't be written."""
        if self._link is not None:
            counts: dict[str, Json] = {"exit": int(self.code), "outcomes": dict(self._outcomes)}
            self._write(END, {**counts, **filled({"error": error})})
        if self._lost is not None:
            raise self._lost

    def _carried(self, action: Action) -> dict[str, Json]:
        match action:
            case ScheduleWindow(window=window):
                return {"window": [window.begin, window.end]}
            case UploadPackage(file=file):
                found: dict[str, Json] = {"sha256": file.sha256}
            case DeletePackage(sha256=sha256):
                found = {"sha256": sha256}
            case _:
                found = {}
        if packages := carried_by(action):
            found["packages"] = [self._package(package) for package in packages]
        return found

    def _package(self, package: BoundPackage) -> str:
        if isinstance(package, str):
            return package
        return self._packages.get(package.sha256, f"sha256:{package.sha256}")

    def _write(self, kind: str, data: Mapping[str, Json]) -> None:
        self._log.audit(self._line(kind, data))
        self._unwritten = None

    def _line(self, kind: str, data: Mapping[str, Json]) -> str:
        said = {"type": kind, "at": _moment(self._clock()), **data}
        line, self._link = encode(said, self._tail, run=self._run)
        return line

    @property
    def _tail(self) -> ChainLink:
        assert self._link is not None, "a run begins first"
        return self._link


@contextmanager
def recording(log: Log, run: AuditedRun, *, clock: Clock = time.time) -> Iterator[AuditRecorder]:
    """Writes the beginning of `run`, gives what writes its calls, and writes its end: also of one that fails.

    StateError before the block when the begin, and behind it when the rest can't be written.
    """
    recorder = AuditRecorder(log, clock=clock)
    try:
        recorder.begin(run)
        yield recorder
    except BaseException as error:
        recorder.code, why = Exit.ERROR, f"interrupted: {type(error).__name__}"
        if isinstance(error, ReconcilerError):
            recorder.code, why = error.exit_code, error.message
        try:
            recorder.end(why)
        except Exception as failure:  # noqa: BLE001 - the first error is the one to report
            hint = failure.hint if isinstance(failure, ReconcilerError) else None
            error.add_note("\n".join(filter(None, [str(failure), hint])))
        raise
    recorder.end()


def _beginning(run: AuditedRun) -> dict[str, Json]:
    commit = run.commit
    return {
        "operation": run.operation,
        "version": run.version,
        "who": filled({"holder": run.who.holder, "host": run.who.host, "actor": run.who.actor}),
        "server": filled(
            {"provider": run.server.provider, "url": run.server.url, "organization": run.server.organization}
        ),
        **filled(
            {
                "project": run.project,
                "environment": run.environment,
                "commit": {"id": commit.id, "dirty": commit.dirty} if commit else None,
                "plan": run.plan,
                "steps": run.steps,
                "waived": [_waiver(waiver) for waiver in run.waived],
                **run.about,
            }
        ),
    }


def _waiver(waiver: Waiver) -> dict[str, Json]:
    said: dict[str, Json] = {"guard": waiver.guard, "found": waiver.found, "limit": waiver.limit}
    more: dict[str, Json] = {
        "resource": str(waiver.resource or ""),
        "until": _moment(waiver.until / 1000) if waiver.until is not None else None,
    }
    return {**said, "reason": waiver.reason, **filled(more)}


def _moment(seconds: float) -> str:
    whole, rest = divmod(int(seconds * 1000), 1000)
    return f"{_second(whole)}.{rest:03d}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    """Calls come by the thousand in one."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="seconds")
