"""Run the steps of a plan as their needs are done, a bounded number at a time.

A group starts when every group that it needs has ended; of its steps those run whose own needs are
settled, and the others are skipped with the step that they needed. A batch goes out without the gateways
that have to wait. Memory is a few bytes a step that is done.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.apply.bisection import NOT_AGAIN
from reconciler.apply.closing import CLOSED, Closing
from reconciler.apply.containment import LOG, unforeseen
from reconciler.apply.outcomes import Outcomes
from reconciler.apply.readback import Kept, KeptReader, learned, settled_fields
from reconciler.apply.record import after, before
from reconciler.apply.retrier import Retrier
from reconciler.errors import StateError, fault_in_words
from reconciler.hiding import Hiding
from reconciler.model import (
    CreateCampaign,
    EditCampaign,
    Finding,
    Outcome,
    OutcomeStatus,
    ResourceId,
    Secret,
    Skip,
    StartCampaign,
    Step,
    StepGroup,
    StopCampaign,
    UploadPackage,
    target_of,
)
from reconciler.plan import Plan
from reconciler.providers.base import Bindings, Field
from reconciler.state.base import Event, FieldsDeclared, Session

INTERRUPTED = "not sent: the run was interrupted"
UNRECORDED = "not sent: the state can't be written"
LEFT_STOPPED = "somebody else stopped it since the plan was made; it is left stopped"


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of every step, in the order in which they were settled."""

    outcomes: Sequence[Outcome] = ()
    interrupted: bool = False
    findings: tuple[Finding, ...] = ()
    """What was learned of the server on the way."""
    error: StateError | None = None
    """The state could not be written: what was done is done, and the rest was not sent."""

    def count(self, status: OutcomeStatus) -> int:
        return sum(outcome.status is status for outcome in self.outcomes)

    @property
    def failed(self) -> bool:
        """Whether a step failed, or nobody knows whether it happened."""
        return any(o.status in (OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN) for o in self.outcomes)


@dataclass(frozen=True, slots=True)
class _Held:
    """Why steps of a group are not sent: what all of it waits for, or some of its gateways."""

    whole: Outcome | None = None
    gateways: Mapping[str, Outcome] = field(default_factory=dict)


_NOTHING = _Held()


class Execution:
    """One run of one plan."""

    def __init__(
        self,
        plan: Plan,
        retrier: Retrier,
        session: Session,
        on_outcome: Callable[[Outcome], None],
        stop: asyncio.Event,
        *,
        hiding: Hiding,
        readback: KeptReader | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        hiding.update(_secrets(plan))
        self._plan = plan
        self._readback = readback
        self._repeater = retrier
        self._session = session
        self._on_outcome = on_outcome
        self._stop = stop
        self._now = now
        state = session.state
        self._salt = state.salt
        self._kept = {resource: owned.kept for resource, owned in state.campaigns.items() if owned.kept}
        self._campaigns: dict[ResourceId, str] = {}
        self._packages: dict[str, str] = {}
        self._bindings = Bindings(self._campaigns, self._packages)
        self._hiding = hiding
        self._outcomes = Outcomes()
        self._broken: StateError | None = None
        self._unsettled: dict[str, dict[int, Outcome]] = {g.key: {} for g in plan.groups}
        self._first: dict[str, Outcome] = {}
        """Of each group that has ended and isn't settled: the outcome of the first such step."""
        self._left_stopped: set[str] = set()
        self._steps_left = {group.key: len(group) for group in plan.groups}
        self._needs_left = {g.key: len({need.group for need in g.needs}) for g in plan.groups}
        self._needed_by: dict[str, list[StepGroup]] = {group.key: [] for group in plan.groups}
        self._held: dict[str, _Held] = {}
        self._groups_of: dict[ResourceId, list[StepGroup]] = {}
        for group in plan.groups:
            self._groups_of.setdefault(group.action.resource, []).append(group)
        self._groups_open = {resource: len(groups) for resource, groups in self._groups_of.items()}
        self._over: list[ResourceId] = []
        """Resources whose last group has ended, and of which nothing was learned yet."""
        self._findings: list[Finding] = []
        self._ready: deque[Iterator[Step]] = deque()
        self._groups_left = len(plan.groups)
        self._changed = asyncio.Condition()

    async def run(self, parallelism: int) -> Applied:
        """Settle every step; when the state can't be written, all that is in flight."""
        if not self._record(*self._plan.records, *self._as_declared()):
            return Applied(error=self._broken)
        for group in self._plan.groups:
            for needed in {need.group for need in group.needs}:
                self._needed_by[needed].append(group)
        for group in self._plan.groups:
            if not group.needs and not self._begin(group):
                self._end(group.key)
        async with asyncio.TaskGroup() as workers:
            for _ in range(max(1, min(parallelism, self._plan.size))):
                workers.create_task(self._work())
        await self._learn()
        findings = tuple(sorted(self._findings, key=Finding.sort_key))
        return Applied(self._outcomes, self._stop.is_set(), findings, self._broken)

    def _as_declared(self) -> Iterator[Event]:
        """Campaigns that nothing is done to have what they declare; of others it isn't known who is in."""
        for resource, declares in self._plan.declares.items():
            if resource not in self._groups_of:
                yield FieldsDeclared(resource, declares)
            elif Field.GATEWAYS in declares:
                # It is only counted: one that changes unrecorded could go unnoticed.
                yield FieldsDeclared(resource, {Field.GATEWAYS.value: None})

    async def _learn(self) -> None:
        """Of each campaign whose steps are over: what it has now, and what the server made of it."""
        while self._over:
            resource = self._over.pop()
            try:
                await self._learn_of(resource)
            except Exception as error:  # noqa: BLE001 - what isn't learned is compared by the next run
                LOG.error("%s: what the server keeps isn't known: %s", resource, fault_in_words(error))

    async def _learn_of(self, resource: ResourceId) -> None:
        groups = self._groups_of[resource]
        known = (target_of(group.action) for group in groups)
        target = self._campaigns.get(resource) or next(filter(None, known), None)
        unsettled = {group.action.verb for group in groups if self._unsettled[group.key]}
        fields = settled_fields(self._plan.declares.get(resource, {}), unsettled, self._packages)
        kept: Sequence[Kept] = ()
        if self._readback and target and not (self._stop.is_set() or self._broken):
            sent = [group.action for group in groups if group.action.verb not in unsettled]
            kept = await self._readback.kept(target, sent, self._packages)
            before_it = self._kept.get(resource, {})
            kept = [each for each in kept if each.name in fields or before_it.get(each.name) != each.value]
        found = learned(resource, fields, kept)
        self._findings += found.findings
        if found.event:
            self._record(found.event, sync=False)

    async def _work(self) -> None:
        while self._groups_left:
            step = self._take()
            if step is None:
                async with self._changed:
                    await self._changed.wait_for(lambda: self._ready or not self._groups_left)
                continue
            try:
                outcome = await self._settle(step)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other steps go on
                outcome = unforeseen(step, error)
            await self._ended(outcome)

    def _take(self) -> Step | None:
        while self._ready:
            step = next(self._ready[0], None)
            if step is not None:
                return step
            self._ready.popleft()
        return None

    async def _settle(self, step: Step) -> Outcome:
        waiting = self._held.get(step.group.key, _NOTHING)
        if waiting.whole:
            return _skipped(step, waiting.whole)
        held = {g: waiting.gateways[g] for g in step.gateways if g in waiting.gateways}
        if not held:
            return await self._sent(step)
        free = [gateway for gateway in step.gateways if gateway not in held]
        if not free:
            return _skipped(step, held[step.gateways[0]])
        return _beside(await self._sent(step.only(free)), step, held)

    async def _sent(self, step: Step) -> Outcome:
        """Send a step whose needs are done."""
        closing = _closes(step.group)
        if self._stop.is_set() and not closing:
            return Outcome(step, OutcomeStatus.SKIPPED, INTERRUPTED, 0, skip=Skip.INTERRUPTED)
        if closing and any(need.group in self._left_stopped for need in step.group.needs):
            return Outcome(step, OutcomeStatus.NOT_NEEDED, LEFT_STOPPED, 0)
        if self._broken or not self._record(*before(step, self._salt, int(self._now()))):
            return Outcome(step, OutcomeStatus.SKIPPED, UNRECORDED, 0, skip=Skip.UNRECORDED)
        # A start that closes a bracket is worth its repeats, whoever is in a hurry.
        stop = asyncio.Event() if closing else self._stop
        closes = step.group.not_after
        if closes is not None:
            stop = Closing(stop, closes / 1000, self._now)
            if stop.over:
                return Outcome(step, OutcomeStatus.WAITING, CLOSED, 0)
        outcome = await self._repeater.settle(step, self._bindings, stop)
        if isinstance(stop, Closing) and stop.over and _given_up(outcome):
            words = outcome.message.replace(NOT_AGAIN, CLOSED)
            outcome = replace(outcome, status=OutcomeStatus.WAITING, message=words)
        if outcome.status is OutcomeStatus.NOT_NEEDED and any(
            self._perhaps_stopped(step.group, need.group) for need in step.group.needs
        ):
            # A stop that is still under way may come after this: the next run closes the bracket.
            return outcome
        # Facts of single gateways come by the ten thousand, and are not worth a wait for the disk.
        self._record(*after(outcome, self._salt, int(self._now()), self._packages), sync=not step.gateways)
        return outcome

    def _waiting(self, group: StepGroup) -> _Held:
        """What stands against `group`, all that it needs having ended."""
        held: dict[str, Outcome] = {}
        for need in group.needs:
            unsettled = self._unsettled[need.group]
            if not unsettled or need.even_failed or self._perhaps_stopped(group, need.group):
                continue
            if not need.by_gateway:
                return _Held(whole=self._first[need.group])
            for gateway, outcome in _both(group, self._plan.by_key[need.group], unsettled):
                held.setdefault(gateway, outcome)
        return _Held(gateways=held)

    def _perhaps_stopped(self, group: StepGroup, needed: str) -> bool:
        """Whether `group` closes a bracket whose stop, the group `needed`, may have happened."""
        stop = self._first.get(needed)
        return _closes(group) and stop is not None and stop.unclear and _stops(stop.step.group)

    async def _ended(self, outcome: Outcome) -> None:
        step, key = outcome.step, outcome.step.group.key
        if outcome.message:
            # Whatever a server repeats, and whichever call it says no to.
            outcome = replace(outcome, message=self._hiding(outcome.message))
        if not outcome.settled:
            made = None if target_of(step.action) else self._campaigns.get(step.resource)
            outcome = replace(outcome, target=made)
            self._unsettled[key][step.index] = outcome
        elif outcome.created is not None and isinstance(step.action, UploadPackage):
            self._packages[step.action.file.sha256] = outcome.created
        elif outcome.created is not None:
            self._campaigns[step.resource] = outcome.created
        if outcome.status is OutcomeStatus.NOT_NEEDED and isinstance(step.action, StopCampaign):
            self._left_stopped.add(key)
        self._outcomes.append(outcome)
        self._on_outcome(outcome)
        self._steps_left[key] -= 1
        if not self._steps_left[key]:
            await self._group_ended(key)
        await self._learn()

    async def _group_ended(self, key: str) -> None:
        async with self._changed:
            self._end(key)
            self._changed.notify_all()

    def _begin(self, group: StepGroup) -> bool:
        """Whether it has steps: a group of none has ended as it begins."""
        waiting = self._waiting(group)
        if waiting.whole or waiting.gateways:
            self._held[group.key] = waiting
        if not self._steps_left[group.key]:
            return False
        self._ready.append(iter(group))
        return True

    def _end(self, key: str) -> None:
        ended = deque([key])
        while ended:
            key = ended.popleft()
            self._groups_left -= 1
            resource = self._plan.by_key[key].action.resource
            self._groups_open[resource] -= 1
            if not self._groups_open[resource]:
                self._over.append(resource)
            self._held.pop(key, None)
            if unsettled := self._unsettled[key]:
                self._first[key] = unsettled[min(unsettled)]
            for group in self._needed_by[key]:
                self._needs_left[group.key] -= 1
                if not self._needs_left[group.key] and not self._begin(group):
                    ended.append(group.key)

    def _record(self, *events: Event, sync: bool = True) -> bool:
        """Write to the state; a failure stops the run after what is in flight.

        Without events it still asks: a run whose lock was lost sends nothing any more.
        """
        try:
            self._session.record(*events, sync=sync)
        except StateError as error:
            self._broken = self._broken or error
            return False
        except Exception as error:  # noqa: BLE001 - a state that can't be written, for whatever reason
            self._broken = self._broken or StateError(fault_in_words(error))
            return False
        return True


def _secrets(plan: Plan) -> Iterator[str]:
    """What steps send that nobody may see."""
    for group in plan.groups:
        if isinstance(group.action, CreateCampaign | EditCampaign):
            for value in (group.action.fields.settings or {}).values():
                if isinstance(value, Secret) and value.known:
                    yield value.reveal()


def _closes(group: StepGroup) -> bool:
    """Whether it starts what this run stopped for an edit."""
    return isinstance(group.action, StartCampaign) and group.action.bracket


def _given_up(outcome: Outcome) -> bool:
    """Whether a step surely didn't happen, and only wasn't sent again."""
    return outcome.status is OutcomeStatus.FAILED and not outcome.unclear and NOT_AGAIN in outcome.message


def _stops(group: StepGroup) -> bool:
    return isinstance(group.action, StopCampaign)


def _both(
    group: StepGroup, needed: StepGroup, unsettled: Mapping[int, Outcome]
) -> Iterator[tuple[str, Outcome]]:
    """The gateways of `group` for which `needed` isn't done, each with what became of it."""
    if len(unsettled) * (needed.per_call or 1) > len(group.gateways):
        for gateway in group.gateways:
            index = needed.index_of(gateway)
            outcome = None if index is None else unsettled.get(index)
            if outcome and (not outcome.left or gateway in outcome.left):
                yield gateway, outcome
        return
    for _, outcome in sorted(unsettled.items()):
        for gateway in outcome.left or outcome.step.gateways:
            if group.index_of(gateway) is not None:
                yield gateway, outcome


def _skipped(step: Step, blocker: Outcome) -> Outcome:
    return Outcome(step, OutcomeStatus.SKIPPED, _needs(blocker), 0, skip=_because(blocker))


def _beside(outcome: Outcome, step: Step, held: Mapping[str, Outcome]) -> Outcome:
    """What became of `step`, of which only a part was sent, for the gateways that are `held` had to wait."""
    if outcome.status is OutcomeStatus.SKIPPED:
        return replace(outcome, step=step)
    waiting: dict[str, list[str]] = {}
    for gateway, blocker in sorted(held.items()):
        waiting.setdefault(_needs(blocker), []).append(gateway)
    words = "; ".join(f"not sent for {', '.join(gateways)}: {why}" for why, gateways in waiting.items())
    left = set(held)
    if outcome.settled:
        skip = _because(next(iter(held.values())))
        outcome = replace(outcome, status=OutcomeStatus.SKIPPED, skip=skip)
    else:
        words = f"{outcome.message}; {words}"
        left.update(outcome.left or outcome.step.gateways)
    some = tuple(sorted(left)) if len(left) < len(step.gateways) else ()
    return replace(outcome, step=step, message=words, left=some)


def _needs(blocker: Outcome) -> str:
    doubt = blocker.status is OutcomeStatus.UNKNOWN
    how = "of which nobody knows whether it is done" if doubt else "which is not done"
    return f"needs {blocker.step.id}, {how}"


def _because(blocker: Outcome) -> Skip:
    """Why what needs `blocker` is skipped; what is skipped itself hands its reason on."""
    match blocker.status:
        case OutcomeStatus.UNKNOWN:
            return Skip.IN_DOUBT
        case OutcomeStatus.WAITING:
            return Skip.WAITING
        case _:
            return blocker.skip or Skip.NOT_DONE
