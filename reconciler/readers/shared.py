"""The `Reads` of a run that has others read, too: who is in campaigns, and what single gateways get.

| read                                   | by whom                                                   |
|----------------------------------------|-----------------------------------------------------------|
| members of a campaign, all pages       | others; small campaigns by the dozen in one parcel        |
| effective packages of gateways         | others, a thousand gateways at a time                     |
| lists, a campaign, packages            | this process: a few requests, and settings may be secret  |

What comes back is what this process would have read: the same values, the same errors. What nobody reads
after all is read here.

Tests: `tests/readers/test_readers_shared.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final, TypeVar

from reconciler.errors import ReconcilerError, fault_in_words
from reconciler.model import CampaignSummary, DistributionList, LiveCampaign, LivePackage, Membership
from reconciler.pool import concurrently, ended
from reconciler.providers.base import Provider, Reads, RequestOutcome
from reconciler.readers.parcels import (
    PackedMembers,
    ParcelReader,
    PartOfCampaign,
    PartRead,
    ReadFault,
    ReadParcel,
    ReadReport,
)
from reconciler.readers.runner import ENOUGH

Value = TypeVar("Value")

WIDTH: Final = 4_096
"""So many reads wait side by side: enough to fill parcels of small campaigns for everybody."""
MOST: Final = 256
"""Campaigns of one parcel."""
GATEWAYS: Final = 1_000
"""Gateways of one parcel, where each takes a request."""
_TRIES: Final = 2
"""So many parcels that bring nothing at all, and their parts are read here."""

_LOG = logging.getLogger("reconciler.readers")


@dataclass(slots=True, eq=False)
class _Wanted:
    """A part that somebody waits for. Its answer is None where this process has to read it."""

    part: PartOfCampaign
    answer: asyncio.Future[PartRead | None]
    tries: int = 0


class SharedReads:
    """`Reads` over `own`, of which the reader that `opening` finds takes a part. Close it after use.

    `opening` is asked once, when something is worth it; its ReconcilerError ends that read.
    """

    def __init__(self, own: Reads, opening: Callable[[], Awaitable[ParcelReader]]) -> None:
        self.own = own
        self.answers: Counter[tuple[str, RequestOutcome]] = Counter()
        """Operation and outcome → how many requests others sent."""
        self._opening = opening
        self._opened = asyncio.Lock()
        self._reader: ParcelReader | None = None
        self._here = asyncio.Semaphore(own.parallelism)
        self._waiting: deque[_Wanted] = deque()
        self._carriers: set[asyncio.Task[None]] = set()
        self._numbers = count(1)
        self._flying = 0
        self._lost = False
        self._ids = 0
        self._campaigns = 0

    async def aclose(self) -> None:
        """Nobody waits for anything any more."""
        await ended(*self._carriers)

    # --- what others read ---------------------------------------------------------------------------

    async def gateways(self, campaign_id: str) -> Membership:
        """See `Reads.gateways`."""
        found = await self._shared(PartOfCampaign(campaign_id))
        if isinstance(found, PackedMembers):
            return found.members()
        return await self._own(self.own.gateways(campaign_id))

    async def overrides(self, campaign_id: str, gateways: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """See `Reads.overrides`."""

        async def some(part: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
            found = await self._shared(PartOfCampaign(campaign_id, part))
            if isinstance(found, Mapping):
                return found
            return await self._own(self.own.overrides(campaign_id, part))

        ids = sorted(gateways)
        parts = [tuple(ids[at : at + GATEWAYS]) for at in range(0, len(ids), GATEWAYS)]
        found = await concurrently(parts, some, limit=WIDTH)
        return {gateway: packages for part in found.values() for gateway, packages in part.items()}

    async def _shared(self, part: PartOfCampaign) -> PartRead | None:
        """What somebody else read; None where this process has to. The error that it ended with."""
        reader = await self._found()
        if self._lost:
            return None
        wanted = _Wanted(part, asyncio.get_running_loop().create_future())
        self._waiting.append(wanted)
        self._staff(reader)
        found = await wanted.answer
        if isinstance(found, ReadFault):
            raise found.error()
        return found

    async def _found(self) -> ParcelReader:
        if self._reader is None:
            async with self._opened:
                if self._reader is None:
                    self._reader = await self._opening()
        return self._reader

    def _staff(self, reader: ParcelReader) -> None:
        """As many carry parcels as there is work for; one more, for whoever joins."""
        while len(self._carriers) < min(len(self._waiting), reader.slots + 1):
            carrier = asyncio.ensure_future(self._carry(reader))
            self._carriers.add(carrier)
            carrier.add_done_callback(self._carriers.discard)

    async def _carry(self, reader: ParcelReader) -> None:
        """Parcel after parcel, while there is anything to read."""
        while self._waiting:
            async with reader.turn():
                drawn = self._drawn(reader.slots)
                if not drawn:
                    return
                self._flying += 1
                try:
                    report = await self._sent(reader, drawn)
                except BaseException:
                    for each in drawn:
                        each.answer.cancel()
                    raise
                finally:
                    self._flying -= 1
                self._take(drawn, report)
            self._staff(reader)

    async def _sent(self, reader: ParcelReader, drawn: list[_Wanted]) -> ReadReport:
        parcel = ReadParcel(f"read-{next(self._numbers)}", tuple(each.part for each in drawn))
        beside = self._flying + -(-len(self._waiting) // len(drawn))
        try:
            return await reader.read(parcel, max(1, min(reader.slots, beside)))
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing is missing: it is read here
            if not self._lost:
                words = error.message if isinstance(error, ReconcilerError) else fault_in_words(error)
                _LOG.warning("%s; this process reads the rest by itself", words)
            self._lost = True
            _given_up(self._waiting)
            self._waiting.clear()
            for each in drawn:
                each.tries = _TRIES
            return ReadReport(parcel.id)

    def _take(self, drawn: list[_Wanted], report: ReadReport) -> None:
        """Hand over what came; the rest goes out again, or is read here where that is in vain."""
        self.answers.update({(name, RequestOutcome(kind)): count for name, kind, count in report.calls})
        for index, read in report.parts.items():
            if isinstance(read, PackedMembers):
                self._ids += read.count
                self._campaigns += 1
            if not drawn[index].answer.done():
                drawn[index].answer.set_result(read)
        for each in reversed([each for index, each in enumerate(drawn) if index not in report.parts]):
            each.tries += not report.parts
            if each.tries >= _TRIES:
                _given_up([each])
            elif not each.answer.done():
                self._waiting.appendleft(each)

    def _drawn(self, slots: int) -> list[_Wanted]:
        """What goes out next: one campaign, or as many small ones as fit, by those that came back so far."""
        size = self._ids / self._campaigns if self._campaigns else ENOUGH
        most = max(1, min(MOST, int(ENOUGH / max(size, 1.0)), -(-len(self._waiting) // slots)))
        drawn: list[_Wanted] = []
        gateways = 0
        while self._waiting and len(drawn) < most and gateways < GATEWAYS:
            wanted = self._waiting.popleft()
            if not wanted.answer.done():
                drawn.append(wanted)
                gateways += len(wanted.part.gateways or ())
        return drawn

    # --- what is read here --------------------------------------------------------------------------

    @property
    def parallelism(self) -> int:
        """See `Reads.parallelism`: most of them wait for others."""
        return WIDTH

    @property
    def requests(self) -> Mapping[str, int]:
        """See `Reads.requests`: those of others, too."""
        found = Counter(self.own.requests)
        for (name, _), sent in self.answers.items():
            found[name] += sent
        return found

    async def campaigns(self, names: Collection[str] | None = None) -> tuple[CampaignSummary, ...]:
        """See `Reads.campaigns`."""
        return await self._own(self.own.campaigns(names))

    async def campaign(self, campaign_id: str) -> LiveCampaign | None:
        """See `Reads.campaign`."""
        return await self._own(self.own.campaign(campaign_id))

    async def distribution_list(self, campaign_id: str) -> DistributionList | None:
        """See `Reads.distribution_list`."""
        return await self._own(self.own.distribution_list(campaign_id))

    async def packages(self, names: Collection[str] | None = None) -> tuple[LivePackage, ...]:
        """See `Reads.packages`."""
        return await self._own(self.own.packages(names))

    async def packages_of(self, contents: Collection[str]) -> Mapping[str, tuple[LivePackage, ...]]:
        """See `Reads.packages_of`."""
        return await self._own(self.own.packages_of(contents))

    async def package(self, package_id: str) -> LivePackage | None:
        """See `Reads.package`."""
        return await self._own(self.own.package(package_id))

    async def _own(self, reading: Coroutine[Any, Any, Value]) -> Value:
        """No more of them are under way than without others."""
        try:
            await self._here.acquire()
        except BaseException:
            reading.close()
            raise
        try:
            return await reading
        finally:
            self._here.release()


def _given_up(waiting: Iterable[_Wanted]) -> None:
    """This process reads them."""
    for each in waiting:
        if not each.answer.done():
            each.answer.set_result(None)


class _Together(Mapping[tuple[str, RequestOutcome], int]):
    """Requests of this process and of others; it grows."""

    def __init__(self, *parts: Mapping[tuple[str, RequestOutcome], int]) -> None:
        self._parts = parts

    def __getitem__(self, key: tuple[str, RequestOutcome]) -> int:
        found = [part[key] for part in self._parts if key in part]
        if not found:
            raise KeyError(key)
        return sum(found)

    def __iter__(self) -> Iterator[tuple[str, RequestOutcome]]:
        return iter(dict.fromkeys(key for part in self._parts for key in part))

    def __len__(self) -> int:
        return len(frozenset().union(*self._parts))


def sharing(provider: Provider, reads: SharedReads) -> Provider:
    """`provider`, read by `reads`."""
    return replace(provider, reads=reads, answers=_Together(provider.answers, reads.answers))


def unshared(provider: Provider) -> Provider:
    """`provider`, read by this process alone: for looks at what was just done."""
    reads = provider.reads
    return replace(provider, reads=reads.own) if isinstance(reads, SharedReads) else provider
