"""Workers of a run: started when something is worth them, and once for all that it does."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.app import crew as crews
from reconciler.app.crew import CrewReads, crew_of, crewed, expected_reads
from reconciler.errors import ReconcilerError
from reconciler.model import Desired, DesiredCampaign, Kind, Override, Place, ResourceId
from reconciler.pacing import RateLimiter
from reconciler.providers.base import Provider
from reconciler.settings import LocalWorkers, Project, ServerSettings, WorkersAt

WORTH = crews.WORTHWHILE
TWO = LocalWorkers(2)


def campaign(name: str, gateways: int | None, *overridden: int) -> DesiredCampaign:
    def ids(count: int) -> frozenset[str]:
        return frozenset(f"gw-{n:05}" for n in range(count))

    return DesiredCampaign(
        ResourceId(Kind.CAMPAIGN, name),
        name,
        Place("a.yaml", 1, 1),
        gateways=None if gateways is None else ids(gateways),
        overrides=tuple(Override(ids(count), ()) for count in overridden) if overridden else None,
    )


@pytest.mark.parametrize(
    ("campaigns", "expected"),
    [
        ([], 0),
        ([campaign("a", None), campaign("b", 0), campaign("c", 1)], 3),
        ([campaign("a", 500), campaign("b", 501), campaign("c", 10_000)], 1 + 2 + 20),
        ([campaign("a", 10, 3, 7)], 1 + 10),
    ],
)
def test_reading_takes_a_request_a_page_and_one_an_override(
    campaigns: list[DesiredCampaign], expected: int
) -> None:
    assert expected_reads(Desired(tuple(campaigns)), ServerSettings(page_size=500)) == expected


class FakeFleet:
    slots = 2

    def __init__(self) -> None:
        self.log: list[str] = []
        self.orders: Any = None

    async def settle(self) -> None:
        self.log.append("settled")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[FakeFleet]:
    """Every fleet that was started."""
    cluster = pytest.importorskip("reconciler.workers.cluster")
    made: list[FakeFleet] = []

    @asynccontextmanager
    async def fleet(at: WorkersAt, orders: Any, pace: RateLimiter) -> AsyncIterator[FakeFleet]:
        made.append(FakeFleet())
        made[-1].orders = orders
        yield made[-1]
        made[-1].log.append("closed")

    monkeypatch.setattr(cluster, "fleet", fleet)
    return made


def project(workers: WorkersAt | None = TWO, url: str = "https://pulse.example.com") -> Project:
    return Project(Path(), server=ServerSettings(url=url, workers=workers))


def provider() -> Provider:
    reads: Any = SimpleNamespace(parallelism=4, requests={})
    return Provider(None, None, reads, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("of", "expected"),
    [(project(None), 10 * WORTH), (project(url="embedded:"), 10 * WORTH), (project(), WORTH - 1)],
    ids=["nobody asked", "embedded", "little"],
)
def test_this_process_reads(of: Project, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)  # it would not even be found
    own = provider()

    async def main() -> None:
        async with crewed(of, own, 4, expected) as found:
            assert found is own

    asyncio.run(main())


def test_nobody_is_started_before_something_is_to_be_read(started: list[FakeFleet]) -> None:
    async def main() -> None:
        async with crewed(project(), provider(), 4, WORTH) as found:
            assert isinstance(found.reads, CrewReads)
            assert not started
            first = await found.reads.crew.fleet()
            assert await found.reads.crew.fleet() is first
            assert [first] == started  # type: ignore[comparison-overlap]
        assert started[0].log == ["closed"]

    asyncio.run(main())


def test_who_has_read_also_sends(started: list[FakeFleet]) -> None:
    session: Any = SimpleNamespace(until=4711.0)

    async def main() -> None:
        async with crewed(project(), provider(), 4, WORTH) as found:
            assert isinstance(found.reads, CrewReads)
            reading = await found.reads.crew.fleet()
            assert started[0].orders.until() is None
            async with crew_of(project(), found, session, 4) as sending:
                assert sending is reading
                assert started[0].orders.until() == 4711.0
            # Nobody sends for a lock that is let go; reading goes on.
            assert started[0].log == ["settled"]
            assert started[0].orders.until() is None
        assert started[0].log == ["settled", "closed"]

    asyncio.run(main())
    assert len(started) == 1


def test_who_only_sends_ends_with_that(started: list[FakeFleet]) -> None:
    session: Any = SimpleNamespace(until=None)

    async def main() -> None:
        async with crew_of(project(), provider(), session, 4):
            assert started[0].log == []
        assert started[0].log == ["settled", "closed"]

    asyncio.run(main())


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("reconciler.workers.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)

    async def main() -> None:
        async with crewed(project(), provider(), 4, WORTH) as found:
            await found.reads.gateways("c-1")

    with pytest.raises(ReconcilerError, match="workers need a package that isn't installed") as caught:
        asyncio.run(main())
    assert "reconciler[dask]" in (caught.value.hint or "")
