"""The loop of a controller: look, show what was found, sleep until something can change.

| the last look        | the next one                                                           |
|----------------------|------------------------------------------------------------------------|
| failed               | after the interval, then twice as long each time, up to ten minutes    |
| anything else        | after the interval, or when a rollout can go on, whatever comes first  |
| pulled something new | at once                                                                |

The interval is taken a tenth shorter or longer, so that replicas don't fall into step.

Tests: `tests/controller/test_controller_loop.py`.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from reconciler.controller.looks import LookEnd
from reconciler.controller.past import LookResult
from reconciler.controller.shown import Board, Shown

_LOOKS_KEPT: Final = 50
_BACK_OFF: Final = 600_000
_SOONEST: Final = 1_000
"""Milliseconds; a moment that is over is no reason to look all the time."""
FAILURES: Final = 3
"""So many looks fail in a row before people are told."""


class Looking(Protocol):
    """What the loop asks for looks."""

    async def look(self) -> LookEnd:
        """One look, which never raises for what it meets."""
        ...

    async def tell_failing(self, why: str) -> None:
        """Tell people that looks fail."""
        ...


class Pulling(Protocol):
    """What keeps the files current."""

    async def pull(self) -> bool:
        """Whether there is something new; `trouble` says why nobody knows."""
        ...

    @property
    def trouble(self) -> str:
        """Why the last pull failed; empty: it didn't."""
        ...


@dataclass(slots=True)
class Loop:
    """``now`` gives epoch milliseconds; times are milliseconds, but what ``sleep`` takes: seconds."""

    looks: Looking
    board: Board
    now: Callable[[], int]
    sleep: Callable[[float], Awaitable[object]]
    interval: int
    pulling: Pulling | None = None
    pull_every: int = 0
    ended: Callable[[], bool] = lambda: False
    """Whether it was told to end."""
    told: Callable[[LookEnd], None] = lambda _: None
    """Hears of each look."""
    chance: Callable[[], float] = random.random
    failures: int = 0
    """How many looks failed in a row."""
    _pulled: int | None = field(default=None)

    async def run(self) -> None:
        """Until it is told to end."""
        while not self.ended():
            await self.once()
            if not self.ended():
                await self._rest(self._next())

    async def once(self) -> LookEnd:
        """Pull, and look."""
        self._show(next_look=None)
        if self.pulling is not None and self._pull_due() <= self.now():
            await self._pull()
        end = self._with_trouble(await self.looks.look())
        self.failures = self.failures + 1 if end.past.result is LookResult.FAILED else 0
        self.board.shown = replace(shown_after(self.board.shown, end), ticked=self.now())
        self.told(end)
        if self.failures >= FAILURES:
            await self.looks.tell_failing(end.past.why)
        return end

    def _with_trouble(self, end: LookEnd) -> LookEnd:
        """A look at files that could not be kept current is none that went well."""
        trouble = self.pulling.trouble if self.pulling else ""
        if not trouble or not end.past.result.well:
            return end
        return replace(end, past=replace(end.past, result=LookResult.FAILED, why=trouble))

    def _next(self) -> int:
        """When to look again."""
        now = self.now()
        delay = self.interval
        if self.failures:
            delay = min(delay * 2 ** min(self.failures - 1, 20), max(self.interval, _BACK_OFF))
        moment = now + round(delay * (0.9 + 0.2 * self.chance()))
        if self.failures:
            return moment
        turns = [view.next_look for view in self.board.shown.rollouts if view.next_look is not None]
        return min([moment, *(max(each, now + _SOONEST) for each in turns)])

    async def _rest(self, until: int) -> None:
        """Sleep, with a sign of life now and then; less, when there is something new."""
        self._show(next_look=until)
        while (left := until - self.now()) > 0 and not self.ended():
            self._show(next_look=until)
            nap = min(left, self.interval)
            if self.pulling is not None:
                nap = min(nap, max(self._pull_due() - self.now(), 0))
            if nap > 0:
                await self.sleep(nap / 1000)
            if self.pulling is not None and self._pull_due() <= self.now() and await self._pull():
                return

    def _pull_due(self) -> int:
        return self.now() if self._pulled is None else self._pulled + self.pull_every

    async def _pull(self) -> bool:
        assert self.pulling is not None
        new = await self.pulling.pull()
        self._pulled = self.now()
        return new

    def _show(self, *, next_look: int | None) -> None:
        self.board.shown = replace(self.board.shown, ticked=self.now(), next_look=next_look)


def shown_after(shown: Shown, end: LookEnd) -> Shown:
    """What there is to see once a look is over."""
    rows = end.status.rows if end.status else shown.rows
    names = [row.resource.name for row in rows] if rows else None
    counts = shown.counts.after(end.past, end.happened, names)
    shown = replace(shown, looks=(end.past, *shown.looks)[:_LOOKS_KEPT], counts=counts)
    if (project := end.project) is not None:
        name = project.name or project.root.name
        shown = replace(shown, project=name, environment=project.environment, server=project.server.identity)
    if end.status is not None:
        shown = replace(shown, status=end.status, at=end.read, calendars=end.calendars)
    return shown
