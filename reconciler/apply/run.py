"""Run the steps of a plan as their needs are done, a bounded number at a time.

Which step is next says `turns.py`. Those run whose own needs are settled, and the others are skipped with the
step that they needed. A batch goes out without the gateways that have to wait. Memory is a few bytes a step
that is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.apply.bisection import NOT_AGAIN
from reconciler.apply.carrying import Carrying
from reconciler.apply.closing import CLOSED, Closing
from reconciler.apply.containment import LOG, unforeseen
from reconciler.apply.earlier import EarlierPackages
from reconciler.apply.outcomes import Outcomes, alike
from reconciler.apply.readback import Kept, KeptReader, learned, settled_fields
from reconciler.apply.record import after, before, members
from reconciler.apply.retrier import Retrier
from reconciler.apply.sender import ParcelSender
from reconciler.apply.together import Together
from reconciler.apply.turns import Turns, closes
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
    Step,
    StepGroup,
    StopCampaign,
    UploadPackage,
    target_of,
)
from reconciler.ownership import owners_of
from reconciler.plan import Plan
from reconciler.pool import all_of
from reconciler.providers.base import Bindings, Field
from reconciler.state.base import Event, FieldsDeclared, Session, upload_key
from reconciler.text import id_form

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
        return sum(count for outcome, count in alike(self.outcomes) if outcome.status is status)

    @property
    def failed(self) -> bool:
        """Whether a step failed, or nobody knows whether it happened."""
        return any(
            outcome.status in (OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN)
            for outcome, _ in alike(self.outcomes)
        )


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
        on_together: Callable[[Sequence[Outcome]], None],
        hiding: Hiding,
        readback: KeptReader | None,
        earlier: EarlierPackages | None,
        now: Callable[[], float],
        server_now: Callable[[], float | None],
        sender: ParcelSender | None,
        on_parcel: Callable[[Sequence[Outcome]], None] | None,
    ) -> None:
        hiding.update(_secrets(plan))
        self._plan = plan
        self._readback = readback
        self._earlier = earlier
        self._repeater = retrier
        self._session = session
        self._on_outcome = on_outcome
        self._on_together = on_together
        self._together = Together()
        self._on_parcel = on_parcel
        self._stop = stop
        self._now = now
        self._server_now = server_now
        state = session.state
        self._salt = state.salt
        self._kept = {resource: owned.kept for resource, owned in state.campaigns.items() if owned.kept}
        self._campaigns: dict[ResourceId, str] = {}
        self._packages: dict[str, str] = {}
        creates = any(isinstance(group.action, CreateCampaign) for group in plan.groups)
        self._owners = {id_form(key): it for key, it in owners_of(state).items()} if creates else {}
        self._others: dict[str, Sequence[str]] = {}
        self._bindings = Bindings(self._campaigns, self._packages, self._owners, self._others)
        self._carrying = Carrying(sender, self._bindings, retrier.newborns) if sender else None
        self._hiding = hiding
        self._outcomes = Outcomes()
        self._broken: StateError | None = None
        self._turns = Turns(plan.groups, self._carried)
        self._loop = asyncio.get_running_loop()
        self._left_stopped: set[str] = set()
        self._groups_of: dict[ResourceId, list[StepGroup]] = {}
        for group in plan.groups:
            self._groups_of.setdefault(group.action.resource, []).append(group)
        self._groups_open = {resource: len(groups) for resource, groups in self._groups_of.items()}
        self._over: list[ResourceId] = []
        """Resources whose last group has ended, and of which nothing was learned yet."""
        self._findings: list[Finding] = []
        self._changed = asyncio.Condition()
        self._idle = 0
        """How many wait for a change."""

    async def run(self, parallelism: int) -> Applied:
        """Settle every step; when the state can't be written, all that is in flight."""
        if not self._record(*self._plan.records, *self._as_declared()):
            return Applied(error=self._broken)
        self._have_ended(self._turns.begin())
        workers = [self._work() for _ in range(max(1, min(parallelism, self._plan.size)))]
        if self._carrying:
            workers.append(self._deliver_all(self._carrying))
        await all_of(workers)
        await self._learn()
        findings = tuple(sorted(self._findings, key=Finding.sort_key))
        return Applied(self._outcomes, self._stop.is_set(), findings, self._broken)

    def _as_declared(self) -> Iterator[Event]:
        """Campaigns that nothing is done to have what they declare; of others it isn't known who is in."""
        for resource, declares in self._plan.declares.items():
            if resource not in self._groups_of:
                yield FieldsDeclared(resource, declares)
            elif Field.GATEWAYS in declares:
                # Only a count is kept here, which would hide an exchange of members, so it is dropped.
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
        unsettled = {group.action.verb for group in groups if self._turns.unsettled[group.key]}
        fields = settled_fields(self._plan.declares.get(resource, {}), unsettled, self._packages)
        kept: Sequence[Kept] = ()
        if self._readback and target and not (self._stop.is_set() or self._broken):
            sent = [group.action for group in groups if group.action.verb not in unsettled]
            kept = await self._readback.kept(target, sent, self._packages)
        found = learned(resource, fields, kept, self._kept.get(resource, {}))
        self._findings += found.findings
        if found.event:
            self._record(found.event, sync=False)

    async def _work(self) -> None:
        turns = self._turns
        while turns.groups_left:
            step = turns.take()
            if step is None:
                await self._until(lambda: turns.some)
                continue
            try:
                outcome = await self._settle(step)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other steps go on
                outcome = unforeseen(step, error)
            await self._ended(outcome)

    async def _until(self, there_is_some: Callable[[], object]) -> None:
        """Wait for something to do, or for the end."""
        self._idle += 1
        async with self._changed:
            await self._changed.wait_for(lambda: there_is_some() or not self._turns.groups_left)
        self._idle -= 1

    async def _deliver_all(self, carrying: Carrying) -> None:
        halting = asyncio.ensure_future(self._halting(carrying.sender))
        try:
            await all_of(self._deliver(carrying) for _ in range(carrying.sender.most))
        finally:
            halting.cancel()

    async def _deliver(self, carrying: Carrying) -> None:
        """Hand parcels over, one at a time."""
        turns = self._turns
        while turns.groups_left:
            if self._broken:
                await carrying.sender.halt()
            await self._until(lambda: carrying.ready)
            async with carrying.turn():
                steps = carrying.draw()
                free = [step for step in steps if not await self._has_to_wait(step)]
                async for outcomes in carrying.carry(free, self._against):
                    await self._ended_together(outcomes)

    async def _has_to_wait(self, step: Step) -> bool:
        """Whether a step of one gateway isn't sent for what it needs; then it has ended."""
        against = self._turns.against(step)
        blocker = against.whole or against.gateways.get(step.gateways[0])
        if blocker:
            await self._ended(_skipped(step, blocker))
        return blocker is not None

    def _against(self, step: Step) -> Outcome | None:
        """What becomes of a step that may not be sent now."""
        closing = closes(step.group)
        if self._stop.is_set() and not closing:
            return Outcome.unsent(step, OutcomeStatus.SKIPPED, INTERRUPTED, Skip.INTERRUPTED)
        if closing and any(need.group in self._left_stopped for need in step.group.needs):
            return Outcome.unsent(step, OutcomeStatus.NOT_NEEDED, LEFT_STOPPED)
        if self._too_late(step):
            return Outcome.unsent(step, OutcomeStatus.WAITING, CLOSED)
        if self._broken or not self._record():
            return Outcome.unsent(step, OutcomeStatus.SKIPPED, UNRECORDED, Skip.UNRECORDED)
        return None

    async def _ended_together(self, outcomes: Sequence[Outcome]) -> None:
        """What is known at once of steps of one group, each for one gateway."""
        done = [
            outcome for outcome in outcomes if outcome.status is OutcomeStatus.DONE and not outcome.message
        ]
        if done:
            group = done[0].step.group
            gateways = tuple(outcome.step.gateways[0] for outcome in done)
            self._record(*members(group.action, gateways, self._packages), sync=False)
            self._outcomes.extend(done)
            if self._on_parcel is not None:
                self._on_parcel(done)
            else:
                for outcome in done:
                    self._on_outcome(outcome)
            await self._steps_ended(done)
        for outcome in outcomes:
            if outcome.status is not OutcomeStatus.DONE or outcome.message:
                self._together.learn(outcome, self._after)
                await self._ended(outcome)

    async def _halting(self, sender: ParcelSender) -> None:
        """Once somebody stops the run, parcels that are under way end, too."""
        await self._stop.wait()
        await sender.halt()

    def _carried(self, group: StepGroup, steps: Iterator[Step]) -> bool:
        """Whether steps that may go now go out in parcels; they are taken then."""
        if not self._carrying or not self._carrying.carries(group):
            return False
        self._carrying.add(group, steps)
        return True

    async def _settle(self, step: Step) -> Outcome:
        against = self._turns.against(step)
        if against.whole:
            return _skipped(step, against.whole)
        if not against.gateways:
            return await self._sent(step)
        free = [gateway for gateway in step.gateways if gateway not in against.gateways]
        if not free:
            return _skipped(step, against.gateways[step.gateways[0]])
        return _beside(await self._sent(step.only(free)), step, against.gateways)

    async def _sent(self, step: Step) -> Outcome:
        """Send a step whose needs are done."""
        if isinstance(step.action, UploadPackage):
            stands = self._against(step) or await self._looked(step, step.action)
            if stands:
                return stands
        if stands := self._against(step):
            return stands
        if noted := before(step, self._salt, int(self._now()), self._others):
            self._together.note(noted)
            await self._written()
            if self._broken:
                return Outcome.unsent(step, OutcomeStatus.SKIPPED, UNRECORDED, Skip.UNRECORDED)
        # A start that closes a bracket is repeated even when the run is told to end.
        stop = asyncio.Event() if closes(step.group) else self._stop
        if (end := step.group.not_after) is not None:
            stop = Closing(stop, end / 1000, self._latest)
        outcome = await self._repeater.settle(step, self._bindings, stop)
        if self._too_late(step) and _given_up(outcome):
            words = outcome.message.replace(NOT_AGAIN, CLOSED)
            outcome = replace(outcome, status=OutcomeStatus.WAITING, message=words)
        if outcome.status is OutcomeStatus.NOT_NEEDED and any(
            self._turns.perhaps_stopped(step.group, need.group) for need in step.group.needs
        ):
            # A stop that is still under way may come after this: the next run closes the bracket.
            return outcome
        # Single gateways come by the ten thousand; none of them is worth a wait for the disk.
        self._together.sync |= not step.group.per_call
        self._together.learn(outcome, self._after)
        return outcome

    def _after(self, outcome: Outcome) -> Sequence[Event]:
        return after(outcome, self._salt, int(self._now()), self._packages, self._others)

    async def _looked(self, step: Step, action: UploadPackage) -> Outcome | None:
        """Note what holds the content already; the outcome where the upload isn't to be sent."""
        if self._earlier is None:
            return None
        sha256, state = action.file.sha256, self._session.state
        intent, known = state.intents.get(upload_key(sha256)), state.packages.get(sha256)
        found = await self._earlier.before(step, action, intent, known)
        if isinstance(found, Outcome):
            if found.settled:
                self._together.sync = True
                self._together.learn(found, self._after)
            return found
        self._others[sha256] = found
        return None

    def _too_late(self, step: Step) -> bool:
        """Whether the calendar has closed for it."""
        end = step.group.not_after
        return end is not None and self._latest() * 1000 >= end

    def _latest(self) -> float:
        """The later of two clocks, ours and the server's: a calendar is open by both."""
        there = self._server_now()
        return self._now() if there is None else max(self._now(), there)

    async def _ended(self, outcome: Outcome) -> None:
        step, key = outcome.step, outcome.step.group.key
        if outcome.message:
            # The server may repeat a secret in any message.
            outcome = replace(outcome, message=self._hiding(outcome.message))
        if not outcome.settled:
            made = None if target_of(step.action) else self._campaigns.get(step.resource)
            outcome = replace(outcome, target=made)
        elif outcome.created is not None and isinstance(step.action, UploadPackage):
            self._packages[step.action.file.sha256] = outcome.created
        elif outcome.created is not None:
            self._campaigns[step.resource] = outcome.created
            self._owners[id_form(outcome.created)] = step.resource
        if outcome.status is OutcomeStatus.NOT_NEEDED and isinstance(step.action, StopCampaign):
            self._left_stopped.add(key)
        self._together.outcomes.append(outcome)
        await self._written()
        await self._steps_ended([outcome])

    async def _written(self) -> None:
        """Until what is to be recorded and said now is, together with all that is at the same moment."""
        if not self._together.waiting:
            self._loop.call_soon(self._write)
        self._together.waiting.append(told := self._loop.create_future())
        await told

    def _write(self) -> None:
        """One write to the state for steps that begin or end together, and one to the audit log."""
        ended, self._together = self._together, Together()
        self._record(*ended.events, sync=ended.sync)
        if ended.outcomes:
            self._on_together(ended.outcomes)
        for outcome in ended.outcomes:
            self._outcomes.append(outcome)
            self._on_outcome(outcome)
        for told in ended.waiting:
            if not told.done():
                told.set_result(None)

    async def _steps_ended(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self._have_ended(self._turns.ended(outcome))
        ready = self._turns.some or (self._carrying is not None and self._carrying.ready)
        if self._idle and (ready or not self._turns.groups_left):
            async with self._changed:
                self._changed.notify_all()
        if self._over:
            await self._learn()

    def _have_ended(self, groups: Iterable[StepGroup]) -> None:
        for group in groups:
            resource = group.action.resource
            self._groups_open[resource] -= 1
            if not self._groups_open[resource]:
                self._over.append(resource)

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


def _given_up(outcome: Outcome) -> bool:
    """Whether a step surely didn't happen, and only wasn't sent again."""
    return outcome.status is OutcomeStatus.FAILED and not outcome.unclear and NOT_AGAIN in outcome.message


def _skipped(step: Step, blocker: Outcome) -> Outcome:
    return Outcome.unsent(step, OutcomeStatus.SKIPPED, _needs(blocker), _because(blocker))


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
