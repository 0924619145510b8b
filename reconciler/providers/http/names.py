"""Is a name free? By a list that is at most a few seconds old, and shared by the creates of that time.

The first create looks for its name alone; where several follow each other, the whole list is read once for
all of them, as soon as that takes no more requests than they would.

Tests: `tests/providers/test_http_names.py`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.model import CampaignSummary
from reconciler.pacing import Clock, loop_time

AGE: Final = 5.0
"""How old a list may be when a create is sent, in seconds."""
_TRIES: Final = 3

Read = Callable[[Collection[str] | None], Awaitable[Sequence[CampaignSummary]]]


@dataclass(frozen=True, slots=True)
class Namesakes:
    """Who has a name, by a list that was asked for at `began`."""

    found: tuple[CampaignSummary, ...]
    began: float


class FreshNames:
    """Looks names up for creates: `read` reads campaigns, all of them or those of some names."""

    def __init__(self, read: Read, *, page_size: int, clock: Clock = loop_time) -> None:
        self._read = read
        self._page_size = page_size
        self._clock = clock
        self._asked: deque[float] = deque()
        self._pages = 1
        self._whole: asyncio.Task[dict[str, tuple[CampaignSummary, ...]]] | None = None
        self._began = float("-inf")

    def fresh(self, namesakes: Namesakes) -> bool:
        """Whether a create may still be sent on that list."""
        return self._clock() - namesakes.began <= AGE

    async def having(self, name: str) -> Namesakes:
        """The campaigns of exactly this name. Errors are those of the read."""
        for _ in range(_TRIES):
            found = await self._having(name)
            if self.fresh(found):
                break
        return found

    async def _having(self, name: str) -> Namesakes:
        now = self._clock()
        while self._asked and now - self._asked[0] > AGE:
            self._asked.popleft()
        self._asked.append(now)
        if self._whole is not None and now - self._began <= AGE:
            began, listed = self._began, await asyncio.shield(self._whole)
        elif len(self._asked) > self._pages:
            began, listed = now, await self._all(now)
        else:
            return await self._alone(name)
        # A name in the list may be free by now, so the server is asked again.
        return await self._alone(name) if name in listed else Namesakes((), began)

    async def _alone(self, name: str) -> Namesakes:
        began = self._clock()
        return Namesakes(tuple(each for each in await self._read([name]) if each.name == name), began)

    async def _all(self, now: float) -> dict[str, tuple[CampaignSummary, ...]]:
        """The whole list by name, read once for all that ask while it is fresh."""

        async def read() -> dict[str, tuple[CampaignSummary, ...]]:
            by_name: defaultdict[str, list[CampaignSummary]] = defaultdict(list)
            listed = await self._read(None)
            for each in listed:
                by_name[each.name].append(each)
            self._pages = max(1, -(-len(listed) // self._page_size))
            return {name: tuple(found) for name, found in by_name.items()}

        self._began, self._whole = now, asyncio.ensure_future(read())
        try:
            return await asyncio.shield(self._whole)
        except BaseException:
            self._whole = None
            raise
