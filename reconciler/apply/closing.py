"""The end of the time in which a step may be sent.

Tests: `tests/apply/test_apply_closing.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Literal

from reconciler.apply.patience import stopped

CLOSED: Final = "the calendar has closed: it is left for the next time that it is open"


class Closing(asyncio.Event):
    """Set once `stop` is, and from a time on: nothing is sent again then, and nobody waits for it.

    `closes` in seconds since the epoch, as `now` tells them.
    """

    def __init__(self, stop: asyncio.Event, closes: float, now: Callable[[], float]) -> None:
        super().__init__()
        self._stop = stop
        self._closes = closes
        self._now = now

    @property
    def over(self) -> bool:
        """Whether that time has come."""
        return self._now() >= self._closes

    def is_set(self) -> bool:
        """See `asyncio.Event`."""
        return self.over or self._stop.is_set()

    async def wait(self) -> Literal[True]:
        """See `asyncio.Event`."""
        while not self.is_set():
            await stopped(self._stop, max(0.0, self._closes - self._now()))
        return True
