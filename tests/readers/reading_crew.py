"""A crew of this process: everything goes over as bytes, and may be lost on the way."""

import asyncio
import pickle
from collections import Counter, deque
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import ReconcilerError, Refusal, Refused
from reconciler.model import Membership
from reconciler.providers.base import RequestOutcome
from reconciler.readers.parcels import ReadParcel, ReadReport
from reconciler.readers.runner import ReadRunner
from reconciler.readers.shared import SharedReads


class Unpaced:
    """A `Lender` that notes what it lends."""

    def __init__(self) -> None:
        self.complaints = 0
        self.rates: list[float | None] = []

    @contextmanager
    def lent(self, rate: float | None, until: float) -> Iterator[None]:
        self.rates.append(rate)
        yield


@dataclass
class Crew:
    """A `ParcelReader` with a connection for each parcel at a time."""

    providers: list[Any]
    lose: int = 0
    """So many parcels come back with nothing."""
    gone: bool = False
    """Nobody is there any more."""
    bytes: list[bytes] = field(default_factory=list)
    parcels: list[ReadParcel] = field(default_factory=list)
    beside: list[int] = field(default_factory=list)
    opened: int = 0
    most: int = 0
    flying: int = 0

    def __post_init__(self) -> None:
        self._turns = asyncio.Semaphore(self.slots)
        self._free = deque(self.providers)
        self.pace = Unpaced()

    @property
    def slots(self) -> int:
        return len(self.providers)

    async def opening(self) -> "Crew":
        self.opened += 1
        return self

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._turns:
            yield

    async def read(self, parcel: ReadParcel, beside: int) -> ReadReport:
        if self.gone:
            raise ReconcilerError("all workers were lost")
        self.beside.append(beside)
        self.bytes.append(pickle.dumps(parcel))
        self.parcels.append(parcel)
        self.flying += 1
        self.most = max(self.most, self.flying)
        provider = self._free.popleft()
        try:
            if self.lose:
                self.lose -= 1
                await asyncio.sleep(0)
                return ReadReport(parcel.id)
            report = await ReadRunner(provider, self.pace, 4).run(pickle.loads(self.bytes[-1]))
        finally:
            self.flying -= 1
            self._free.append(provider)
        self.bytes.append(pickle.dumps(report))
        found: ReadReport = pickle.loads(self.bytes[-1])
        return found


@dataclass
class Plant:
    """`Reads` of campaigns in memory: who is in, and what went wrong."""

    members: Mapping[str, Membership] = field(default_factory=dict)
    faults: Mapping[str, Exception] = field(default_factory=dict)
    parallelism: int = 3
    log: list[str] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    wait: asyncio.Event | None = None

    def __post_init__(self) -> None:
        self.busy = asyncio.Event()
        """Somebody asked."""
        self.answers: dict[tuple[str, RequestOutcome], int] = {}
        self.requests: dict[str, int] = {}

    async def _asked(self, what: str, about: str) -> None:
        self.log.append(f"{what} {about}")
        key = (what, RequestOutcome.OK)
        self.answers[key] = self.answers.get(key, 0) + 1
        self.requests[what] = self.requests.get(what, 0) + 1
        self.under_way += 1
        self.busy.set()
        self.most = max(self.most, self.under_way)
        try:
            await (self.wait.wait() if self.wait else asyncio.sleep(0))
        finally:
            self.under_way -= 1
        if about in self.faults:
            raise self.faults[about]

    async def gateways(self, campaign_id: str) -> Membership:
        await self._asked("gateways", campaign_id)
        if campaign_id not in self.members:
            raise missing(campaign_id)
        return self.members[campaign_id]

    async def overrides(self, campaign_id: str, gateways: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        for each in gateways:
            await self._asked("overrides", each)
        return {each: (f"p-{each}", campaign_id) for each in sorted(gateways)}

    async def campaign(self, campaign_id: str) -> str:
        await self._asked("campaign", campaign_id)
        return f"the campaign {campaign_id}"

    async def campaigns(self, names: Collection[str] | None = None) -> str:
        await self._asked("campaigns", "all")
        return f"campaigns {names}"

    async def distribution_list(self, campaign_id: str) -> str:
        await self._asked("distribution_list", campaign_id)
        return f"the list of {campaign_id}"

    async def packages(self, names: Collection[str] | None = None) -> str:
        await self._asked("packages", "all")
        return f"packages {names}"

    async def packages_of(self, contents: Collection[str]) -> str:
        await self._asked("packages_of", "all")
        return f"packages of {contents}"

    async def package(self, package_id: str) -> str:
        await self._asked("package", package_id)
        return f"the package {package_id}"


def missing(campaign_id: str) -> Refused:
    return Refused(
        "404 no such campaign",
        request=f"GET /campaigns/{campaign_id}",
        status=404,
        hint="Plan again.",
        meaning=frozenset({Refusal.NO_SUCH_OBJECT}),
    )


def of_states(**states: Collection[str]) -> Membership:
    return Membership({state: frozenset(ids) for state, ids in states.items()})


def world(count: int, size: int = 3, **more: Any) -> Plant:
    """So many campaigns with so many gateways each."""
    return Plant(
        {f"c-{n:03}": of_states(IDLE=[f"gw-{n}-{m}" for m in range(size)]) for n in range(count)}, **more
    )


class Connection:
    """A way to a plant that counts what is asked over it."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.answers: Counter[tuple[str, RequestOutcome]] = Counter()

    @property
    def reads(self) -> "Connection":
        return self

    async def gateways(self, campaign_id: str) -> Membership:
        self.answers["gateways", RequestOutcome.OK] += 1
        return await self.plant.gateways(campaign_id)

    async def overrides(self, campaign_id: str, gateways: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        self.answers["overrides", RequestOutcome.OK] += len(gateways)
        return await self.plant.overrides(campaign_id, gateways)


def crew_of(plant: Plant, *, slots: int = 2, **values: Any) -> Crew:
    return Crew([Connection(plant) for _ in range(slots)], **values)


@asynccontextmanager
async def shared(plant: Any, crew: Crew) -> AsyncIterator[SharedReads]:
    reads = SharedReads(plant, crew.opening)
    try:
        yield reads
    finally:
        await reads.aclose()
