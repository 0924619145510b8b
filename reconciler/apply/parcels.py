"""One parcel until its end or its time: what whoever carries it does, in any process.

Each call goes the way of every step (`Retrier`), a bounded number at a time. At ``until`` nothing is sent any
more, not even what waits for its turn; of what wasn't done by then the report says nothing.

Tests: `tests/contract/test_sender_contract.py`, `tests/apply/test_apply_parcels.py`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from reconciler.apply.containment import ContainedWrites
from reconciler.apply.patience import Delay
from reconciler.apply.retrier import Retrier
from reconciler.apply.sender import WORTHWHILE, Ended, Parcel, ParcelReport, may_leave
from reconciler.errors import NotExecuted
from reconciler.model import (
    AssignPackages,
    Operation,
    Outcome,
    OutcomeStatus,
    Reason,
    ResourceId,
    SchedulePhase,
    ScheduleWindow,
    StepGroup,
    Window,
)
from reconciler.pacing import Clock, RateLimiter, Settling
from reconciler.pool import all_of
from reconciler.providers.base import Bindings, Writes


class LentPace(RateLimiter):
    """A rate that somebody lends for a time; after that no turn comes any more."""

    def __init__(self, *, wall: Clock = time.time) -> None:
        super().__init__()
        self.complaints = 0
        """How often the server said that it is too much."""
        self._wall = wall
        self._until = math.inf

    @contextmanager
    def lent(self, rate: float | None, until: float) -> Iterator[None]:
        """At most `rate` calls a second, and none after `until` (epoch seconds)."""
        self.allow(rate)
        self._until = until
        try:
            yield
        finally:
            self._until = -math.inf

    async def acquire(self) -> None:
        """See `RateLimiter.acquire`. NotExecuted when the time is over."""
        await super().acquire()
        if self._wall() >= self._until:
            raise NotExecuted("the time of its parcel is over", request="a call")

    def too_much(self, sent: float = 0.0) -> None:
        """See `RateLimiter.too_much`."""
        self.complaints += 1
        super().too_much(sent)


@dataclass(frozen=True, slots=True)
class ParcelRunner:
    """Sends parcels over `writes`, whose calls all wait for a turn of `pace`: one parcel at a time."""

    writes: Writes
    operations: Mapping[str, Operation]
    pace: LentPace
    delay: Delay
    settling: Settling
    parallelism: int
    wall: Clock = time.time
    worker: str = ""

    async def run(self, parcel: Parcel, stop: asyncio.Event | None = None) -> ParcelReport:
        """Send `parcel` until its end, its time, or `stop`."""
        began, complaints = time.monotonic(), self.pace.complaints
        steps, bindings = _group(parcel, self.operations), Bindings()
        asked = _Asked(self.delay)
        retrier = Retrier(ContainedWrites(self.writes), asked, self.settling)
        if parcel.young is not None:
            # A refusal may only mean *not yet*: it is waited for where this run made the campaign.
            retrier.newborns.seen(steps.action.resource, parcel.young)
            bindings = Bindings({steps.action.resource: parcel.target})
        done, ended = bytearray(-(-len(parcel.gateways) // 8)), list[Ended]()
        waiting = iter(steps)

        async def work(over: asyncio.Event) -> None:
            for step in waiting:
                if over.is_set() or self.wall() >= parcel.until:
                    return
                outcome = await retrier.settle(step, bindings, over)
                if outcome == Outcome(step, OutcomeStatus.DONE):
                    done[step.index // 8] |= 1 << step.index % 8
                elif outcome.settled or not (over.is_set() or self.wall() >= parcel.until):
                    ended.append(_ended(outcome))

        with (
            _ending(stop, parcel.until - self.wall()) as over,
            self.pace.lent(parcel.rate, parcel.until),
        ):
            await all_of(work(over) for _ in range(max(1, min(self.parallelism, len(steps)))))
        limited = self.pace.complaints - complaints
        return ParcelReport(
            parcel.id,
            bytes(done),
            tuple(ended),
            limited,
            asked=asked.left,
            seconds=time.monotonic() - began,
            worker=self.worker,
        )


class _Asked:
    """A `Delay` that notes for how long the server asked to wait."""

    def __init__(self, delay: Delay) -> None:
        self._delay = delay
        self._until = -math.inf

    @property
    def left(self) -> float:
        """Seconds from now on."""
        return max(0.0, self._until - time.monotonic())

    def __call__(self, attempts: int, asked: float | None, waited: float) -> float | None:
        if asked is not None:
            self._until = max(self._until, time.monotonic() + asked)
        return self._delay(attempts, asked, waited)


class InProcess:
    """Sends parcels from this process. A `ParcelSender`, in which nobody is lost.

    ``runners``: as many parcels are under way at a time. Groups of ``worthwhile`` steps or more are carried.
    """

    def __init__(self, runners: Iterable[ParcelRunner], *, worthwhile: int = WORTHWHILE) -> None:
        self._free = deque(runners)
        self._turns = asyncio.Semaphore(len(self._free))
        self._worthwhile = worthwhile
        self._halted = asyncio.Event()
        self.most = len(self._free)
        """See `ParcelSender.most`."""

    def carries(self, group: StepGroup) -> bool:
        """See `ParcelSender.carries`."""
        return len(group) >= self._worthwhile and may_leave(group)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """See `ParcelSender.turn`."""
        async with self._turns:
            yield

    async def send(self, parcel: Parcel) -> ParcelReport:
        """See `ParcelSender.send`."""
        runner = self._free.popleft()
        try:
            return await runner.run(parcel, self._halted)
        finally:
            self._free.append(runner)

    async def halt(self) -> None:
        """See `ParcelSender.halt`."""
        self._halted.set()


@contextmanager
def _ending(stop: asyncio.Event | None, seconds: float) -> Iterator[asyncio.Event]:
    """What is set once `stop` is, or `seconds` are over."""
    over = asyncio.Event()
    timer = (
        None if math.isinf(seconds) else asyncio.get_running_loop().call_later(max(0.0, seconds), over.set)
    )

    async def follow() -> None:
        if stop is not None:
            await stop.wait()
            over.set()

    following = asyncio.ensure_future(follow())
    try:
        yield over
    finally:
        following.cancel()
        if timer is not None:
            timer.cancel()


def _ended(outcome: Outcome) -> Ended:
    ended = outcome.status.value, outcome.message, outcome.attempts, outcome.unclear
    return Ended(outcome.step.index, *ended, refused=bool(outcome.refused))


def _group(parcel: Parcel, operations: Mapping[str, Operation]) -> StepGroup:
    """The steps of `parcel`, as the plan had them."""
    resource = ResourceId.parse(parcel.resource)
    target = parcel.target if parcel.young is None else None
    action: ScheduleWindow | AssignPackages
    if parcel.phase is not None and parcel.window is not None:
        action = ScheduleWindow(
            resource,
            Reason.DIFFERS,
            target,
            parcel.gateways,
            phase=SchedulePhase(parcel.phase),
            window=Window(*parcel.window),
        )
    else:
        action = AssignPackages(resource, Reason.DIFFERS, target, parcel.gateways, packages=parcel.packages)
    return StepGroup(parcel.group, action, operations[parcel.operation], 1)
