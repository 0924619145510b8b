"""Run the steps of a plan as their needs are done, a bounded number at a time.

A group starts when every group that it needs has ended; of its steps those run whose own needs are
settled, and the others are skipped with the step that they needed. Memory is a few bytes a step.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reconciler.apply.record import after, before
from reconciler.apply.repeat import Repeater
from reconciler.errors import StateError
from reconciler.model import Need, Outcome, OutcomeStatus, ResourceId, Step, StepGroup, Verb
from reconciler.plan import Plan
from reconciler.providers.base import Bindings
from reconciler.state.base import Event, Session

INTERRUPTED = "not sent: the run was interrupted"
UNRECORDED = "not sent: the state can't be written"
LEFT_STOPPED = "somebody else stopped it since the plan was made; it is left stopped"


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of every step, in the order in which they were settled."""

    outcomes: tuple[Outcome, ...] = ()
    interrupted: bool = False

    def count(self, status: OutcomeStatus) -> int:
        return sum(outcome.status is status for outcome in self.outcomes)

    @property
    def failed(self) -> bool:
        """Whether a step failed, or nobody knows whether it happened."""
        return any(o.status in (OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN) for o in self.outcomes)


class Execution:
    """One run of one plan."""

    def __init__(
        self,
        plan: Plan,
        repeater: Repeater,
        session: Session,
        on_outcome: Callable[[Outcome], None],
        stop: asyncio.Event,
    ) -> None:
        self._plan = plan
        self._repeater = repeater
        self._session = session
        self._on_outcome = on_outcome
        self._stop = stop
        self._salt = session.state.salt
        self._campaigns: dict[ResourceId, str] = {}
        self._packages: dict[str, str] = {}
        self._bindings = Bindings(self._campaigns, self._packages)
        self._outcomes: list[Outcome] = []
        self._broken: StateError | None = None
        self._unsettled: dict[str, dict[int, OutcomeStatus]] = {g.key: {} for g in plan.groups}
        self._left_stopped: set[str] = set()
        self._steps_left = {group.key: len(group) for group in plan.groups}
        self._needs_left = {g.key: len({need.group for need in g.needs}) for g in plan.groups}
        self._needed_by: dict[str, list[StepGroup]] = {group.key: [] for group in plan.groups}
        self._ready: deque[Iterator[Step]] = deque()
        self._groups_left = len(plan.groups)
        self._changed = asyncio.Condition()

    async def run(self, parallelism: int) -> Applied:
        """Settle every step. StateError, once all in flight has ended, when the state can't be written."""
        self._session.record(*self._plan.records)
        for group in self._plan.groups:
            for needed in {need.group for need in group.needs}:
                self._needed_by[needed].append(group)
        for group in self._plan.groups:
            if not group.needs:
                self._begin(group)
        async with asyncio.TaskGroup() as workers:
            for _ in range(max(1, min(parallelism, self._plan.size))):
                workers.create_task(self._work())
        if self._broken:
            raise self._broken
        return Applied(tuple(self._outcomes), self._stop.is_set())

    async def _work(self) -> None:
        while self._groups_left:
            step = self._take()
            if step is None:
                async with self._changed:
                    await self._changed.wait_for(lambda: self._ready or not self._groups_left)
                continue
            outcome = await self._settle(step)
            await self._ended(outcome)

    def _take(self) -> Step | None:
        while self._ready:
            step = next(self._ready[0], None)
            if step is not None:
                return step
            self._ready.popleft()
        return None

    async def _settle(self, step: Step) -> Outcome:
        closing = step.action.verb is Verb.START and step.action.bracket
        blocker = next(self._blockers(step), None)
        if blocker is not None:
            return Outcome(step, OutcomeStatus.SKIPPED, f"needs {blocker.id}, which is not done", 0)
        if self._stop.is_set() and not closing:
            return Outcome(step, OutcomeStatus.SKIPPED, INTERRUPTED, 0)
        if closing and any(need.group in self._left_stopped for need in step.group.needs):
            return Outcome(step, OutcomeStatus.NOT_NEEDED, LEFT_STOPPED, 0)
        if self._broken or not self._record(*before(step, self._salt)):
            return Outcome(step, OutcomeStatus.SKIPPED, UNRECORDED, 0)
        # A start that closes a bracket is worth its repeats, whoever is in a hurry.
        stop = asyncio.Event() if closing else self._stop
        outcome = await self._repeater.settle(step, self._bindings, stop)
        # Facts of single gateways come by the ten thousand, and are not worth a wait for the disk.
        self._record(*after(outcome, self._salt, self._packages), sync=not step.gateways)
        return outcome

    def _blockers(self, step: Step) -> Iterator[Step]:
        """Steps that `step` needs and that are not settled."""
        for need in step.group.needs:
            unsettled = self._unsettled[need.group]
            if not unsettled or need.even_failed:
                continue
            for needed in self._candidates(step, need):
                if needed.index in unsettled:
                    yield needed

    def _candidates(self, step: Step, need: Need) -> Iterator[Step]:
        if need.by_gateway:
            return self._plan.needed_by(step, need)
        group = self._plan.by_key[need.group]
        return (Step(group, index) for index in sorted(self._unsettled[need.group])[:1])

    async def _ended(self, outcome: Outcome) -> None:
        step, key = outcome.step, outcome.step.group.key
        if not outcome.settled:
            self._unsettled[key][step.index] = outcome.status
        elif outcome.created is not None and step.action.file is not None:
            self._packages[step.action.file.sha256] = outcome.created
        elif outcome.created is not None:
            self._campaigns[step.resource] = outcome.created
        if outcome.status is OutcomeStatus.NOT_NEEDED and step.action.verb is Verb.STOP:
            self._left_stopped.add(key)
        self._outcomes.append(outcome)
        self._on_outcome(outcome)
        self._steps_left[key] -= 1
        if not self._steps_left[key]:
            await self._group_ended(key)

    async def _group_ended(self, key: str) -> None:
        async with self._changed:
            self._end(key)
            self._changed.notify_all()

    def _begin(self, group: StepGroup) -> None:
        """A group of no steps has ended as it begins."""
        if self._steps_left[group.key]:
            self._ready.append(iter(group))
        else:
            self._end(group.key)

    def _end(self, key: str) -> None:
        self._groups_left -= 1
        for group in self._needed_by[key]:
            self._needs_left[group.key] -= 1
            if not self._needs_left[group.key]:
                self._begin(group)

    def _record(self, *events: Event, sync: bool = True) -> bool:
        """Write to the state; a failure stops the run after what is in flight."""
        if not events:
            return True
        try:
            self._session.record(*events, sync=sync)
        except StateError as error:
            self._broken = self._broken or error
            return False
        return True
