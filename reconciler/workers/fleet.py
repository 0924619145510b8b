"""The workers of one run as `ParcelSender` and `ParcelReader`: who is there, who is free, who was lost.

A parcel goes to one worker that is known, and never by itself to another: whoever is lost with it is noticed
by the watch, and the parcel goes out again. So nothing is handed over twice without being known here, and as
many parcels are in the scheduler as there are slots. The rate is ours; each parcel is lent a part of it.

Tests: `tests/workers/test_workers_cluster.py`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from secrets import token_hex
from typing import Any, Final, TypeVar

from distributed import Client

from reconciler import __version__
from reconciler.apply.sender import WORTHWHILE, Parcel, ParcelReport, may_leave
from reconciler.errors import fault_in_words
from reconciler.model import StepGroup
from reconciler.pacing import RateLimiter
from reconciler.pool import all_of
from reconciler.readers.parcels import READ_SECONDS, ReadParcel, ReadReport
from reconciler.text import clean
from reconciler.workers import bench
from reconciler.workers.access import ServerRef
from reconciler.workers.admission import Admitted, Introduction, admitted
from reconciler.workers.members import ANSWER, FleetMember, LostWorker, ended_with, nobody, odd

PARCEL_SECONDS: Final = 20.0
"""A parcel ends by then, however slow the server is."""
LEASE_LEFT: Final = 10.0
"""Seconds before the end of our lease, after which no worker sends for us any more."""
_OVERDUE: Final = 60.0
"""Seconds after its time that a report is waited for: a call that is on its way may take that long."""
_PATIENCE: Final = 30.0
"""Seconds without any worker, after which nobody waits for one."""
_COMING: Final = 10.0
"""Seconds in which the first worker has to be there."""
_LOSSES: Final = 2
"""So many workers lost over what is to be read, and the run reads it itself: it may be what ended them."""
_TICK: Final = 0.5
_MOST: Final = 256

_Report = TypeVar("_Report", ParcelReport, ReadReport)

_LOG = logging.getLogger("reconciler.workers")


@dataclass(frozen=True, slots=True)
class Orders:
    """What a fleet is told once. ``until``: see `Session.until`."""

    session: str
    ref: ServerRef
    parallelism: int
    until: Callable[[], float | None]
    worthwhile: int = WORTHWHILE
    alone: bool = False
    """The workers end with this process, however that ends."""


class WorkerFleet:
    """The workers behind `client`. Enter it before it is used; it leaves nothing under way behind."""

    def __init__(self, client: Client, orders: Orders, pace: RateLimiter) -> None:
        self._client = client
        self._orders = orders
        self._pace = pace
        self._members: dict[str, FleetMember] = {}
        self._refused: dict[str, str] = {}
        self._free: deque[FleetMember] = deque()
        self._reserved: deque[FleetMember] = deque()
        self._changed = asyncio.Condition()
        self._halted = False
        self._alive = time.monotonic()
        self._not_before = 0.0
        self._unheard: dict[str, float] = {}
        """Address → epoch seconds until which a worker may send what nobody waits for any more."""

    # --- who is there -----------------------------------------------------------------------------

    @asynccontextmanager
    async def working(self) -> AsyncIterator[WorkerFleet]:
        """Workers as long as the block runs. ReconcilerError when none can be used."""
        ends = time.monotonic() + _COMING
        await self._look()
        while not (self._members or self._refused) and time.monotonic() < ends:
            await asyncio.sleep(_TICK)
            await self._look()
        if not self._members:
            raise nobody(self._refused)
        watching = asyncio.create_task(self._watch())
        try:
            yield self
        finally:
            watching.cancel()
            await asyncio.shield(self._leave())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - the scheduler may come back, and parcels have their time
                _LOG.debug("the scheduler doesn't answer: %s", fault_in_words(error))
            async with self._changed:
                self._changed.notify_all()

    async def _look(self) -> None:
        """Learn who is there now: take in who is new, and note who is gone."""
        scheduler: Any = self._client.scheduler
        async with asyncio.timeout(ANSWER):
            identity = await scheduler.identity(n_workers=-1)
        there: Mapping[str, Any] = identity["workers"]
        for address in set(self._members) - set(there):
            self._lose(address)
        for address in set(self._refused) - set(there):
            del self._refused[address]
        new = [address for address in there if address not in self._members and address not in self._refused]
        await all_of(map(self._admit, sorted(new)))
        if self._members:
            self._alive = time.monotonic()

    async def _admit(self, address: str) -> None:
        asked = time.time()
        said = await self._ask(address, bench.introduce)
        answered = time.time()
        verdict: Admitted | str = odd(said)
        if isinstance(said, Introduction):
            verdict = admitted(address, said, version=__version__, asked=asked, answered=answered)
        if isinstance(verdict, Admitted):
            orders = self._orders
            args = orders.session, orders.ref, verdict.slots, orders.parallelism
            trouble = await self._ask(address, bench.join, *args)
            if trouble is not None:
                verdict = trouble if isinstance(trouble, str) else odd(trouble)
        if isinstance(verdict, str):
            self._refused[address] = verdict
            name = said.name if isinstance(said, Introduction) else address
            _LOG.warning("the worker %s at %s is not used: %s", clean(name), address, clean(verdict))
            return
        member = self._members[address] = FleetMember(verdict)
        self._free.extend([member] * verdict.slots)

    async def _ask_all(self, function: Callable[..., Any]) -> None:
        """Have everybody do it who is there; what they answer doesn't matter."""
        session = self._orders.session
        await all_of([self._ask(each, function, session) for each in self._members])

    async def _ask(self, address: str, function: Callable[..., Any], *args: object) -> Any:
        """What `function` answers there, or the error that it ended with."""
        try:
            asking = self._client.run(function, *args, workers=[address], on_error="return")
            async with asyncio.timeout(ANSWER):
                return (await asking).get(address, KeyError(address))
        except Exception as error:  # noqa: BLE001 - of a connection, or of whatever is there
            return error

    def _lose(self, address: str) -> None:
        member = self._members.pop(address)
        member.gone.set()
        self._free = deque(each for each in self._free if each is not member)
        self._reserved = deque(each for each in self._reserved if each is not member)
        _LOG.warning(
            "the worker %s at %s was lost; what it had goes out again", clean(member.who.name), address
        )

    # --- who is free --------------------------------------------------------------------------------

    @property
    def slots(self) -> int:
        """See `ParcelReader.slots`."""
        return max(1, sum(member.who.slots for member in self._members.values()))

    @property
    def most(self) -> int:
        """See `ParcelSender.most`."""
        return _MOST

    def carries(self, group: StepGroup) -> bool:
        """See `ParcelSender.carries`."""
        return len(group) >= self._orders.worthwhile and may_leave(group)

    @property
    def _given_up(self) -> bool:
        return not self._members and time.monotonic() - self._alive > _PATIENCE

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """See `ParcelSender.turn`."""
        member = await self._taken()
        if member is not None:
            self._reserved.append(member)
        try:
            yield
        finally:
            if member is not None and member in self._reserved:
                self._reserved.remove(member)
                await self._release(member)

    async def _taken(self) -> FleetMember | None:
        """A worker that is free, once there is one; None after a halt, or where nobody comes."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._free or self._halted or self._given_up)
            return self._free.popleft() if self._free and not self._halted else None

    async def _release(self, member: FleetMember) -> None:
        async with self._changed:
            if not member.gone.is_set():
                self._free.append(member)
            self._changed.notify_all()

    # --- parcels ------------------------------------------------------------------------------------

    async def send(self, parcel: Parcel) -> ParcelReport:
        """See `ParcelSender.send`."""
        return await self._by_somebody(partial(self._sent, parcel)) or ParcelReport(parcel.id)

    async def read(self, parcel: ReadParcel, beside: int) -> ReadReport:
        """See `ParcelReader.read`."""
        reading = partial(self._seen, parcel, beside)
        return await self._by_somebody(reading, losses=_LOSSES) or ReadReport(parcel.id)

    async def _by_somebody(
        self, handing: Callable[[FleetMember], Awaitable[_Report]], *, losses: float = math.inf
    ) -> _Report | None:
        """What one worker reports; of one that is lost, another. None after a halt, or so many `losses`."""
        lost = 0
        while lost < losses:
            member = self._reserved.popleft() if self._reserved else await self._taken()
            if member is None:
                if self._halted:
                    return None
                raise nobody(self._refused, lost=_PATIENCE)
            try:
                return await handing(member)
            except LostWorker:
                lost += 1
            finally:
                await self._release(member)
        return None

    async def _sent(self, parcel: Parcel, member: FleetMember) -> ParcelReport:
        rate = await self._lent(self.slots)
        try:
            until = min(parcel.until, self._time())
            if self._halted or until <= time.time():
                return ParcelReport(parcel.id)
            parcel = replace(parcel, rate=rate, until=until + member.who.offset)
            try:
                report = await self._through(bench.carry, parcel, member, ParcelReport)
            except BaseException:
                self._unheard[member.who.address] = until
                raise
        finally:
            self._pace.give_back(rate)
        count = sum(byte.bit_count() for byte in report.done) + len(report.ended)
        self._learn(member, count, report.seconds, report.limited)
        if report.asked:
            self._not_before = max(self._not_before, time.monotonic() + report.asked)
        return report

    async def _seen(self, parcel: ReadParcel, beside: int, member: FleetMember) -> ReadReport:
        """Reading isn't bound by our lock: whoever goes on with it does no harm."""
        rate = await self._lent(beside, bound=False)
        try:
            if self._halted:
                return ReadReport(parcel.id)
            until = min(parcel.until, time.time() + READ_SECONDS)
            parcel = replace(parcel, rate=rate, until=until + member.who.offset)
            report = await self._through(bench.read, parcel, member, ReadReport)
        finally:
            self._pace.give_back(rate)
        self._learn(member, report.requests, report.seconds, report.limited)
        return report

    def _learn(self, member: FleetMember, calls: int, seconds: float, limited: int) -> None:
        """How fast a worker was, and whether all together were too fast."""
        member.speed = calls / seconds if seconds > 0 else 0.0
        if limited:
            self._pace.too_much(sum(each.speed * each.who.slots for each in self._members.values()))

    def _time(self) -> float:
        """Until when a parcel may be under way that goes out now."""
        held = self._orders.until()
        soon = time.time() + PARCEL_SECONDS
        return soon if held is None else min(soon, held - LEASE_LEFT)

    async def _lent(self, parts: int, *, bound: bool = True) -> float | None:
        """One of `parts` of the rate, once there is some, and once the server is to be asked again.

        `bound`: and while our lease lasts.
        """
        async with self._changed:
            patience = time.monotonic() + (LEASE_LEFT if bound else 0.0)
            await self._changed.wait_for(
                lambda: (
                    self._halted
                    or time.monotonic()
                    >= max(self._not_before, 0.0 if self._time() > time.time() else patience)
                )
            )
            while True:
                rate = self._pace.lend(max(1, parts))
                if rate != 0.0 or self._halted:
                    return rate
                await self._changed.wait()

    async def _through(
        self,
        function: Callable[..., Any],
        parcel: Parcel | ReadParcel,
        member: FleetMember,
        kind: type[_Report],
    ) -> _Report:
        """What `member` answers. `LostWorker` when it is gone, or answers nothing that can be read."""
        future: Any = self._client.submit(
            function,
            self._orders.session,
            parcel,
            # Ends in hex digits: for any other kind of key Dask keeps a prefix for good.
            key=f"{self._orders.session}-{token_hex(16)}",
            workers=[member.who.address],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        answer = asyncio.ensure_future(ended_with(future))
        gone = asyncio.ensure_future(member.gone.wait())
        try:
            seconds = max(0.0, parcel.until - member.who.offset - time.time()) + _OVERDUE
            await asyncio.wait((answer, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if answer.done() and not answer.cancelled() and isinstance(found := answer.result(), kind):
                return found
            if answer.done():
                _LOG.debug("no report of %s: %s", parcel.id, answer.result())
                await asyncio.wait((gone,), timeout=_TICK)
            raise LostWorker
        finally:
            for each in (answer, gone):
                each.cancel()
            with suppress(Exception):
                future.release()

    # --- the end ------------------------------------------------------------------------------------

    async def halt(self) -> None:
        """See `ParcelSender.halt`."""
        if self._halted:
            return
        self._halted = True
        async with self._changed:
            self._changed.notify_all()
        await self._ask_all(bench.quiet)

    async def _leave(self) -> None:
        await self.settle()
        if not self._orders.alone:
            await self._ask_all(bench.leave)

    async def settle(self) -> None:
        """Nobody sends for this run any more, once this returns: its lock may be let go."""
        if self._orders.alone:
            return
        session, unheard = self._orders.session, self._unheard
        self._unheard = {}
        for address, until in unheard.items():
            quiet = address in self._members and await self._ask(address, bench.quiet, session) is True
            left = until - time.time()
            if not quiet and left > 0:
                _LOG.warning(
                    "waiting %.0f s: the worker at %s was lost, and may still be sending", left, address
                )
                await asyncio.sleep(left)
