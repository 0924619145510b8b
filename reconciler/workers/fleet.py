"""The workers of one run as a `ParcelSender`: who is there, who is free, who was lost.

A parcel goes to one worker that is known, and never by itself to another: whoever is lost with it is noticed
by the watch, and the parcel goes out again. So nothing is handed over twice without being known here, and as
many parcels are in the scheduler as there are slots. The rate is ours; each parcel is lent a part of it.

Tests: `tests/workers/test_workers_cluster.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any, Final

from distributed import Client

from reconciler import __version__
from reconciler.apply.sender import WORTHWHILE, Parcel, ParcelReport, may_leave
from reconciler.errors import ReconcilerError, fault_in_words
from reconciler.model import StepGroup
from reconciler.pacing import RateLimiter
from reconciler.text import clean, plural
from reconciler.workers import bench
from reconciler.workers.access import ServerRef
from reconciler.workers.admission import Admitted, Introduction, admitted

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
_ANSWER: Final = 15.0
"""Seconds in which a worker answers what it is asked."""
_TICK: Final = 0.5
_MOST: Final = 256

_LOG = logging.getLogger("reconciler.workers")


class _Lost(Exception):
    """The worker that had a parcel is gone."""


@dataclass(slots=True)
class _Member:
    """A worker that is used."""

    who: Admitted
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    speed: float = 0.0
    """Calls a second of its last parcel."""


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
        self._members: dict[str, _Member] = {}
        self._refused: dict[str, str] = {}
        self._free: deque[_Member] = deque()
        self._reserved: deque[_Member] = deque()
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
            raise _nobody(self._refused)
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
        identity = await asyncio.wait_for(scheduler.identity(n_workers=-1), _ANSWER)
        there: Mapping[str, Any] = identity["workers"]
        for address in set(self._members) - set(there):
            self._lose(address)
        for address in set(self._refused) - set(there):
            del self._refused[address]
        new = [address for address in there if address not in self._members and address not in self._refused]
        await asyncio.gather(*(self._admit(address) for address in sorted(new)))
        if self._members:
            self._alive = time.monotonic()

    async def _admit(self, address: str) -> None:
        asked = time.time()
        said = await self._ask(address, bench.introduce)
        answered = time.time()
        verdict: Admitted | str = _odd(said)
        if isinstance(said, Introduction):
            verdict = admitted(address, said, version=__version__, asked=asked, answered=answered)
        if isinstance(verdict, Admitted):
            orders = self._orders
            args = orders.session, orders.ref, verdict.slots, orders.parallelism
            trouble = await self._ask(address, bench.join, *args)
            if trouble is not None:
                verdict = trouble if isinstance(trouble, str) else _odd(trouble)
        if isinstance(verdict, str):
            self._refused[address] = verdict
            name = said.name if isinstance(said, Introduction) else address
            _LOG.warning("the worker %s at %s is not used: %s", clean(name), address, clean(verdict))
            return
        member = self._members[address] = _Member(verdict)
        self._free.extend([member] * verdict.slots)

    async def _ask(self, address: str, function: Callable[..., Any], *args: object) -> Any:
        """What `function` answers there, or the error that it ended with."""
        try:
            asking = self._client.run(function, *args, workers=[address], on_error="return")
            return (await asyncio.wait_for(asking, _ANSWER)).get(address, KeyError(address))
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

    async def _taken(self) -> _Member | None:
        """A worker that is free, once there is one; None after a halt, or where nobody comes."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._free or self._halted or self._given_up)
            return self._free.popleft() if self._free and not self._halted else None

    async def _release(self, member: _Member) -> None:
        async with self._changed:
            if not member.gone.is_set():
                self._free.append(member)
            self._changed.notify_all()

    # --- parcels ------------------------------------------------------------------------------------

    async def send(self, parcel: Parcel) -> ParcelReport:
        """See `ParcelSender.send`."""
        while True:
            member = self._reserved.popleft() if self._reserved else await self._taken()
            if member is None:
                if self._halted:
                    return ParcelReport(parcel.id)
                raise _nobody(self._refused, lost=True)
            try:
                return await self._sent(parcel, member)
            except _Lost:
                continue
            finally:
                await self._release(member)

    async def _sent(self, parcel: Parcel, member: _Member) -> ParcelReport:
        rate = await self._lent()
        try:
            until = min(parcel.until, self._time())
            if self._halted or until <= time.time():
                return ParcelReport(parcel.id)
            report = await self._through(replace(parcel, rate=rate, until=until + member.who.offset), member)
        finally:
            self._pace.give_back(rate)
        count = sum(byte.bit_count() for byte in report.done) + len(report.ended)
        member.speed = count / report.seconds if report.seconds > 0 else 0.0
        if report.limited:
            self._pace.too_much(sum(each.speed * each.who.slots for each in self._members.values()))
        if report.asked:
            self._not_before = max(self._not_before, time.monotonic() + report.asked)
        return report

    def _time(self) -> float:
        """Until when a parcel may be under way that goes out now."""
        held = self._orders.until()
        soon = time.time() + PARCEL_SECONDS
        return soon if held is None else min(soon, held - LEASE_LEFT)

    async def _lent(self) -> float | None:
        """A part of the rate, once there is some, and once the server is to be asked again."""
        async with self._changed:
            patience = time.monotonic() + LEASE_LEFT
            await self._changed.wait_for(
                lambda: (
                    self._halted
                    or time.monotonic()
                    >= max(self._not_before, 0.0 if self._time() > time.time() else patience)
                )
            )
            while True:
                slots = sum(member.who.slots for member in self._members.values())
                rate = self._pace.lend(max(1, slots))
                if rate != 0.0 or self._halted:
                    return rate
                await self._changed.wait()

    async def _through(self, parcel: Parcel, member: _Member) -> ParcelReport:
        """What `member` answers. `_Lost` when it is gone, or answers nothing that can be read."""
        future: Any = self._client.submit(
            bench.carry,
            self._orders.session,
            parcel,
            # Ends in digits, because the engine keeps something for good of every other kind of name.
            key=f"{self._orders.session}-{token_hex(16)}",
            workers=[member.who.address],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        answer = asyncio.ensure_future(_result(future))
        gone = asyncio.ensure_future(member.gone.wait())
        try:
            seconds = max(0.0, parcel.until - member.who.offset - time.time()) + _OVERDUE
            await asyncio.wait((answer, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if (
                answer.done()
                and not answer.cancelled()
                and isinstance(found := answer.result(), ParcelReport)
            ):
                return found
            if answer.done():
                _LOG.debug("no report of %s: %s", parcel.id, answer.result())
                await asyncio.wait((gone,), timeout=_TICK)
            raise _Lost
        except BaseException:
            self._unheard[member.who.address] = parcel.until - member.who.offset
            raise
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
        await asyncio.gather(*(self._ask(each, bench.quiet, self._orders.session) for each in self._members))

    async def _leave(self) -> None:
        """Nobody sends for this run any more, once this returns: its lock may be let go."""
        if self._orders.alone:
            return
        session = self._orders.session
        for address, until in self._unheard.items():
            quiet = address in self._members and await self._ask(address, bench.quiet, session) is True
            left = until - time.time()
            if not quiet and left > 0:
                _LOG.warning(
                    "waiting %.0f s: the worker at %s was lost, and may still be sending", left, address
                )
                await asyncio.sleep(left)
        await asyncio.gather(*(self._ask(each, bench.leave, session) for each in self._members))


async def _result(future: Any) -> object:
    """What `future` ends with, also where that is an error."""
    try:
        return await future
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        return error
    except Exception as error:  # noqa: BLE001 - of the engine: the parcel goes out again
        return error


def _odd(error: object) -> str:
    """What is said of a worker that doesn't answer as ours do."""
    if "No module named" in str(error) or isinstance(error, AttributeError):
        # Whatever the engine makes of it: what a run calls there isn't there.
        return f"it has no reconciler {__version__} with workers: {clean(str(error))[:200]}"
    if isinstance(error, TimeoutError):
        return f"it did not answer within {_ANSWER:.0f} s"
    return f"it answered {clean(f'{type(error).__name__}: {error}')[:200]}"


def _nobody(refused: Mapping[str, str], *, lost: bool = False) -> ReconcilerError:
    if refused:
        each = "; ".join(f"{address}: {clean(why)}" for address, why in sorted(refused.items())[:5])
        hint = "Give the workers this version and the same credentials as here, and set their clocks."
        return ReconcilerError(f"none of {plural(len(refused), 'worker')} can be used: {each}", hint=hint)
    if lost:
        return ReconcilerError(
            f"all workers were lost, and none came back within {_PATIENCE:.0f} s",
            hint="Start workers, then run it again: only what is missing is sent.",
        )
    return ReconcilerError(
        "the scheduler has no workers", hint="Start some: `dask worker`; see the page about workers."
    )
