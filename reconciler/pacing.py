"""How fast to ask, and when to ask again. A leaf: knows nothing of servers or HTTP.

Tests: `tests/pacing/test_backoff.py`, `tests/pacing/test_rate_limiter.py`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final, TypeVar

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[object]]
Value = TypeVar("Value")


_LONGEST_TEXT: Final = 100
_LONGEST_WAIT: Final = 365 * 86_400.0
"""Seconds. Whoever asks for more means: never."""


def retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds that a ``Retry-After`` asks to wait, from seconds or an HTTP date; None if unreadable.

    At most a year, whatever was asked for.
    """
    text = (value or "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return min(float(text), _LONGEST_WAIT)
    when = http_date(text)
    if when is None:
        return None
    # Subtract floats: the difference of two datetimes can overflow.
    wait = when.timestamp() - (now or datetime.now(UTC)).timestamp()
    return min(max(0.0, wait), _LONGEST_WAIT)


@lru_cache(maxsize=16)
def http_date(text: str) -> datetime | None:
    """The time that a header tells, in UTC where it names no zone; None if unreadable."""
    if not text or len(text) > _LONGEST_TEXT:
        return None
    try:
        when = parsedate_to_datetime(text)
        aware = when if when.tzinfo else when.replace(tzinfo=UTC)
        aware.timestamp()
    except (ValueError, OverflowError, TypeError, IndexError, AttributeError):
        # The standard library raises any of these for an impossible year, zone or month.
        return None
    return aware


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter. Times in seconds.

    Never less than the server asked for, and nothing at all once `attempts` were made or the waits would
    pass `budget`: a server that asks for a minute gets it.
    """

    base: float = 0.2
    cap: float = 8.0
    attempts: int = 8
    budget: float = 300.0
    random: Callable[[], float] = field(default=random.random, repr=False)

    def __call__(self, attempts: int, asked: float | None = None, waited: float = 0.0) -> float | None:
        """How long to wait after so many attempts; `waited` so far. None: give up."""
        if attempts >= self.attempts:
            return None
        # Bounded, because 2.0 ** 1024 overflows.
        ceiling = min(self.cap, self.base * 2.0 ** min(attempts - 1, 60))
        delay = max(self.random() * ceiling, asked or 0.0)
        return delay if waited + delay <= self.budget else None


def loop_time() -> float:
    """Seconds, by the clock of the running event loop."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Settling:
    """How long what may be there is looked for: lists lag, and calls go on after their answer was lost.

    Times in seconds. Asked at once, then less and less often, and at last when the time is over.
    """

    seconds: float = 30.0
    clock: Clock = field(default=loop_time, repr=False)
    sleep: Sleep = field(default=asyncio.sleep, repr=False)

    @staticmethod
    def pause(looks: int) -> float:
        """How long to wait after so many looks."""
        return min(8.0, 0.5 * 2.0 ** min(looks - 1, 60))

    async def until(
        self, look: Callable[[], Awaitable[bool]], seconds: float | None = None, sleep: Sleep | None = None
    ) -> bool:
        """Whether `look` came true within `seconds` (of the settle time); the first look is at once."""
        ends, looks = self.clock() + (self.seconds if seconds is None else seconds), 0
        while not await look():
            left = ends - self.clock()
            if left <= 0:
                return False
            looks += 1
            await (sleep or self.sleep)(min(left, self.pause(looks)))
        return True


async def retried(
    attempt: Callable[[], Awaitable[Value]],
    wait: Callable[[Exception, int, float], float | None],
    *,
    sleep: Sleep = asyncio.sleep,
) -> Value:
    """The result of `attempt`, made again after an error for as long as `wait` says.

    `wait` gets the error, the attempts and the seconds waited so far, and answers how long to wait until the
    next attempt; None raises the error.
    """
    attempts, waited = 0, 0.0
    while True:
        attempts += 1
        try:
            return await attempt()
        except Exception as error:
            seconds = wait(error, attempts, waited)
            if seconds is None:
                raise
        await sleep(seconds)
        waited += seconds


class RateLimiter:
    """Spaces calls so that they never pass `limit` a second, and fewer while the server says it is too much.

    Without a limit calls pass freely until the first complaint, which is taken to be about as many calls a
    second as there were, or `guess`. A complaint halves the rate, at most once in `settle` seconds, for all
    that is in flight complains at once; each quiet `settle` seconds give a tenth back.
    """

    def __init__(
        self,
        limit: float | None = None,
        *,
        settle: float = 1.0,
        floor: float = 0.5,
        guess: float = 10.0,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        if limit is not None and not limit > 0:
            raise ValueError("a rate must be more than 0")
        self._limit = limit
        self._rate = limit
        self._settle = settle
        self._guess = guess
        self._floor = floor if limit is None else min(floor, limit)
        self._clock = clock
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._last: float | None = None
        self._changed = float("-inf")
        self._window = float("-inf")
        self._in_window = 0
        self._busiest = 0
        self._learned: float | None = None
        self._lent = 0.0

    @property
    def rate(self) -> float | None:
        """Calls a second at most; None: no limit."""
        return self._rate

    async def acquire(self) -> None:
        """Wait until it is this call's turn. Where there is a limit, turns come in the order of asking."""
        if self.rate is None:
            self._last = self._clock()
            self._count(self._last)
            return
        async with self._turn:
            self._recover()
            # Counted from when the last call really left, so that a late one never brings two too close.
            while self._rate is not None and self._last is not None:
                # Workers keep sending at the rate they were lent, even if the whole rate has fallen since.
                own = max(self._rate - self._lent, min(self._rate, self._floor))
                wait = self._last + 1 / own - self._clock()
                if wait <= 0:
                    break
                await self._sleep(wait)
            self._last = self._clock()
            self._count(self._last)

    def allow(self, limit: float | None) -> None:
        """At most `limit` calls a second from now on; what a complaint taught is kept."""
        self._limit = limit
        if limit is not None:
            self._rate = limit if self._rate is None or self._learned is None else min(self._rate, limit)
        elif self._learned is None:
            self._rate = None

    def lend(self, parts: int) -> float | None:
        """A rate for somebody else, one of `parts` who send beside us; None: there is no limit.

        All that is lent and our own calls are never more than the whole, as it is now; 0 where less than half
        a share is left of it: somebody has to give back first. See `give_back`.
        """
        self._recover()
        if self._rate is None:
            return None
        fair, left = self._rate / (parts + 1), self._rate - self._lent
        share = min(fair, left) if left > fair / 2 else 0.0
        self._lent += share
        return share

    def give_back(self, rate: float | None) -> None:
        """What `lend` gave isn't used any more."""
        self._lent = max(0.0, self._lent - (rate or 0.0))

    def too_much(self, sent: float = 0.0) -> None:
        """The server complained about the rate. `sent`: calls a second of those who send beside us."""
        now = self._clock()
        if now - self._changed < self._settle:
            return
        current = self._rate or max(self._guess, self._busiest + sent, self._in_window + sent)
        self._rate = max(min(self._floor, current), current / 2)
        self._learned = max(current, self._floor)
        self._changed = now

    def _count(self, now: float) -> None:
        """How many calls left in a second: the rate to halve when there is no limit."""
        if now - self._window >= 1.0:
            self._busiest, self._in_window, self._window = self._in_window, 0, now
        self._in_window += 1

    def _recover(self) -> None:
        if self._rate is None or self._learned is None:
            return
        now = self._clock()
        steps = int((now - self._changed) / self._settle)
        if steps < 1:
            return
        self._changed = now
        rate = self._rate * 1.1 ** min(steps, 100)
        if self._limit is not None:
            self._rate = min(rate, self._limit)
        else:
            # Twice the rate that once was too much is accepted now, so the limit is gone.
            self._rate = rate if rate < 2 * self._learned else None
