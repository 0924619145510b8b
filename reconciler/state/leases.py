"""Leases: locks that run out unless their holder renews them, so that no lock outlives its holder for long.

A thread renews, which a busy event loop can't keep from it. What makes a lease safe is not the clock: every
write is refused by the store once somebody else has the lock, however late it comes (see `Holding`).

Tests: `tests/state/test_leased_session.py`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Final, Protocol, Self

from reconciler.errors import ReconcilerError, StateError
from reconciler.state.base import LockInfo
from reconciler.state.locks import described

DEFAULT_SECONDS: Final = 60.0
_SHORTEST, _LONGEST = 1.0, 3600.0
_RENEWALS = 3
"""How often a lease is renewed in the time in which it would run out."""
_TICK = 1.0
"""Seconds after which the thread looks again whether there is something to do."""
_LOG = logging.getLogger("reconciler.state")


class LeaseLost(Exception):
    """The lock isn't ours any more: it is, or was since, that of ``by``; None: somebody broke it."""

    def __init__(self, by: LockInfo | None) -> None:
        self.by = by


class Renewable(Protocol):
    """What a `Lease` needs of a lock."""

    def renew(self) -> None:
        """Let the lease run anew. LeaseLost; StateError when that can't be done."""
        ...


def clock() -> float:
    """Seconds that go on while the machine sleeps, where the system counts them."""
    if boot := getattr(time, "CLOCK_BOOTTIME", None):
        return time.clock_gettime(boot)
    return time.monotonic()


def lease_seconds(text: str | None) -> float:
    """How long a lease runs, as a URL says it (None: it doesn't)."""
    try:
        seconds = DEFAULT_SECONDS if text is None else float(text)
    except ValueError:
        seconds = 0.0
    if not _SHORTEST <= seconds <= _LONGEST:
        raise ReconcilerError(
            f"lease= in the URL of the state isn't a time between {_SHORTEST:g} and {_LONGEST:g} seconds",
            hint=f"Left out it is {DEFAULT_SECONDS:g} s: so long nobody else gets a lock whose holder died.",
        )
    return seconds


class Lease:
    """Keeps a lock while its context runs, and calls `idle` every second: both in a thread of its own."""

    def __init__(self, holding: Renewable, seconds: float, *, url: str) -> None:
        self.idle: Callable[[], None] = lambda: None
        self._holding = holding
        self._seconds = seconds
        self._url = url
        self._renewed = clock()
        self._lost: StateError | None = None
        self._renewing = Lock()
        self._ended = Event()
        # As a daemon: a program that ends in spite of a lock need not wait for it.
        self._thread = Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        """StateError when the lock is lost, or has run out and can't be had again."""
        if self._lost:
            raise self._lost
        if clock() - self._renewed > self._seconds:
            # This process, or the whole machine, was asleep. Nobody need have taken the lock.
            self._renew()

    @property
    def until(self) -> float:
        """Epoch seconds until which the lock is ours, if it isn't renewed any more."""
        return time.time() + self._renewed + self._seconds - clock()

    def lost(self, error: LeaseLost) -> StateError:
        """What is said from now on, also by `check`."""
        how = f"was taken over by {described(error.by)}" if error.by else "was broken by somebody"
        self._lost = StateError(
            f"the lock of the state {self._url} {how}, while this run held it; it writes nothing any more",
            hint=f"A lock may be taken when its holder was stopped or cut off for {self._seconds:g} s, and by"
            " `reconciler state unlock`. What was recorded before is kept, and a plan finds the rest: run it"
            " again when nobody else is at it.",
        )
        return self._lost

    def beat(self) -> None:
        """One round of the thread: renew when it is time, then see to what is left over."""
        if clock() - self._renewed >= self._seconds / _RENEWALS and not self._lost:
            try:
                self._renew()
            except StateError as error:
                # As long as the lease runs it may still succeed; then `check` says it.
                _LOG.debug("the lock of %s could not be renewed: %s", self._url, error.message)
        if not self._lost:
            self.idle()

    def _run(self) -> None:
        while not self._ended.wait(min(_TICK, self._seconds / _RENEWALS)):
            self.beat()

    def _renew(self) -> None:
        with self._renewing:
            begun = clock()
            try:
                self._holding.renew()
            except LeaseLost as error:
                raise self.lost(error) from error
            self._renewed = begun
