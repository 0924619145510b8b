"""One parcel of reads until its end or its time: what whoever reads it does, in any process.

Each read goes the way of every read: with the provider's own paging, retries and pace. What isn't read to its
end when the time is over is dropped. What fails here in a way that isn't the server's is left out, too: the
run reads that itself, and then says what is wrong.

Tests: `tests/readers/test_readers_runner.py`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.errors import ServerError, Unforeseen
from reconciler.pacing import Clock
from reconciler.pool import concurrently, ended
from reconciler.providers.base import Provider
from reconciler.readers.parcels import (
    PackedMembers,
    PartOfCampaign,
    PartRead,
    ReadFault,
    ReadParcel,
    ReadReport,
)

ENOUGH: Final = 50_000
"""Ids of one answer, after which no other campaign is begun for it: a megabyte."""


class Lender(Protocol):
    """Whose turns all requests of a provider wait for."""

    complaints: int

    def lent(self, rate: float | None, until: float) -> AbstractContextManager[None]:
        """At most `rate` calls a second, and none after `until` (epoch seconds)."""
        ...


@dataclass(frozen=True, slots=True)
class ReadRunner:
    """Reads parcels over `provider`, whose requests all wait for a turn of `pace`: one parcel at a time."""

    provider: Provider
    pace: Lender
    parallelism: int = 16
    wall: Clock = time.time

    async def run(self, parcel: ReadParcel, stop: asyncio.Event | None = None) -> ReadReport:
        """Read `parcel` until its end, its time, or `stop`."""
        began, complaints, before = time.monotonic(), self.pace.complaints, Counter(self.provider.answers)
        found: dict[int, PartRead] = {}
        waiting, held, failed = iter(enumerate(parcel.parts)), 0, asyncio.Event()

        async def work(_: int) -> None:
            nonlocal held
            while held < ENOUGH and not failed.is_set() and (following := next(waiting, None)):
                index, part = following
                read = await self._read(part)
                if read is None or (isinstance(read, ReadFault) and self.wall() >= parcel.until):
                    continue
                found[index] = read
                held += read.count if isinstance(read, PackedMembers) else 1
                if isinstance(read, ReadFault):
                    failed.set()

        with self.pace.lent(parcel.rate, parcel.until):
            over = asyncio.ensure_future((stop or asyncio.Event()).wait())
            width = max(1, min(self.parallelism, len(parcel.parts)))
            every = asyncio.ensure_future(concurrently(range(width), work, limit=width))
            left = parcel.until - self.wall()
            try:
                await asyncio.wait(
                    (every, over),
                    timeout=None if math.isinf(left) else max(0.0, left),
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                await ended(every, over)
        calls = Counter(self.provider.answers) - before
        return ReadReport(
            parcel.id,
            found,
            tuple((name, outcome.value, count) for (name, outcome), count in sorted(calls.items())),
            limited=self.pace.complaints - complaints,
            seconds=time.monotonic() - began,
        )

    async def _read(self, part: PartOfCampaign) -> PartRead | None:
        reads = self.provider.reads
        try:
            if part.gateways is None:
                return PackedMembers.of(await reads.gateways(part.campaign))
            return await reads.overrides(part.campaign, part.gateways)
        except Unforeseen:
            return None
        except ServerError as error:
            return ReadFault.of(error)
        except Exception:  # noqa: BLE001 - whatever it is, the run reads it itself, and says so
            return None
