"""A run that has others read: the same values, the same errors, as many requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from reading_crew import Crew, Plant, crew_of, missing, shared, world

from reconciler.errors import ReconcilerError, Refused
from reconciler.model import Aspects, Scope
from reconciler.pool import concurrently
from reconciler.providers.base import RequestOutcome
from reconciler.readers import shared as shared_reads
from reconciler.readers.shared import SharedReads, sharing, unshared
from reconciler.reading import read

T = TypeVar("T")


def with_crew(plant: Plant, body: Callable[[SharedReads, Crew], Awaitable[T]], **values: Any) -> T:
    async def main() -> T:
        crew = crew_of(plant, **values)
        async with shared(plant, crew) as reads:
            return await body(reads, crew)

    return asyncio.run(asyncio.wait_for(main(), 30))


async def members(reads: Any, plant: Plant) -> dict[str, Any]:
    return await concurrently(plant.members, reads.gateways, limit=reads.parallelism)


def test_members_are_those_that_this_process_would_have_read() -> None:
    plant = world(300)

    async def body(reads: SharedReads, crew: Crew) -> None:
        assert await members(reads, plant) == plant.members
        assert crew.opened == 1
        assert crew.most == 2
        assert len(plant.log) == 300
        assert reads.answers == {("gateways", RequestOutcome.OK): 300}

    with_crew(plant, body)


def test_large_campaigns_go_alone_and_small_ones_together() -> None:
    async def sizes(reads: SharedReads, crew: Crew) -> list[int]:
        await members(reads, reads.own)  # type: ignore[arg-type]
        return [len(each.parts) for each in crew.parcels]

    many = with_crew(world(1_000), sizes)
    assert many[0] == 1  # nobody knows yet how large they are
    assert len(many) < 20
    assert max(many) <= shared_reads.MOST
    large = with_crew(world(8, size=30_000), sizes)
    assert large == [1] * 8
    middle = with_crew(world(12, size=20_000), sizes)
    assert max(middle) == 2


def test_overrides_go_by_the_thousand() -> None:
    plant = Plant()
    gateways = [f"gw-{n:04}" for n in range(2_300)]

    async def body(reads: SharedReads, crew: Crew) -> None:
        found = await reads.overrides("c", gateways)
        assert list(found.items()) == [(each, (f"p-{each}", "c")) for each in gateways]
        assert sorted(len(part.gateways or ()) for each in crew.parcels for part in each.parts) == [
            300,
            1_000,
            1_000,
        ]
        assert len(crew.parcels) == 3
        assert await reads.overrides("c", ()) == {}

    with_crew(plant, body)


@pytest.mark.parametrize(
    ("what", "arguments", "found"),
    [
        ("campaign", ("c-1",), "the campaign c-1"),
        ("campaigns", (None,), "campaigns None"),
        ("campaigns", (["x"],), "campaigns ['x']"),
        ("distribution_list", ("c-1",), "the list of c-1"),
        ("packages", (["x"],), "packages ['x']"),
        ("packages_of", (["x"],), "packages of ['x']"),
        ("package", ("p",), "the package p"),
    ],
)
def test_everything_else_is_read_here(what: str, arguments: tuple[Any, ...], found: str) -> None:
    async def body(reads: SharedReads, crew: Crew) -> None:
        assert await getattr(reads, what)(*arguments) == found
        assert (crew.opened, crew.bytes) == (0, [])

    with_crew(Plant(), body)


def test_no_more_is_asked_from_here_at_a_time_than_without_others() -> None:
    plant = Plant(parallelism=3)

    async def body(reads: SharedReads, _: Crew) -> None:
        ids = [f"c-{n}" for n in range(100)]
        assert len(await concurrently(ids, reads.campaign, limit=reads.parallelism)) == 100
        assert plant.most == 3

    with_crew(plant, body)


def test_an_error_is_that_of_this_process() -> None:
    plant = world(50)

    async def body(reads: SharedReads, _: Crew) -> None:
        with pytest.raises(Refused) as caught:
            await reads.gateways("c-nowhere")
        assert vars(caught.value) == vars(missing("c-nowhere"))
        scope = Scope({each: Aspects(members=True) for each in (*plant.members, "c-nowhere")})
        with pytest.raises(Refused, match="GET /campaigns/c-nowhere: 404 no such campaign"):
            await concurrently(scope.campaigns, reads.gateways, limit=reads.parallelism)
        assert await members(reads, plant) == plant.members  # the others can still be read

    with_crew(plant, body)


def test_nobody_to_read_is_an_error_of_whoever_asks_first() -> None:
    async def main() -> None:
        async def nobody() -> Any:
            raise ReconcilerError("none of 2 workers can be used")

        reads = SharedReads(world(3), nobody)  # type: ignore[arg-type]
        with pytest.raises(ReconcilerError, match="none of 2 workers"):
            await members(reads, world(3))

    asyncio.run(main())


def test_what_was_lost_is_read_again(caplog: pytest.LogCaptureFixture) -> None:
    plant = world(40)

    async def body(reads: SharedReads, crew: Crew) -> None:
        assert await members(reads, plant) == plant.members
        assert len(crew.parcels) > 1

    with_crew(plant, body, lose=1)
    assert not caplog.records


def test_what_nobody_reads_in_the_end_is_read_here(caplog: pytest.LogCaptureFixture) -> None:
    plant = world(40)

    async def body(reads: SharedReads, crew: Crew) -> None:
        assert await members(reads, plant) == plant.members
        assert len(plant.log) == 40
        assert plant.most <= plant.parallelism
        assert not reads.answers

    with_crew(plant, body, lose=10_000)
    assert not caplog.records


def test_once_all_are_lost_this_process_reads_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    plant = world(400)

    async def body(reads: SharedReads, crew: Crew) -> None:
        first = await reads.gateways("c-000")
        assert first == plant.members["c-000"]
        crew.gone = True
        assert await members(reads, plant) == plant.members
        assert plant.most <= plant.parallelism
        assert await reads.overrides("c", ["a"]) == {"a": ("p-a", "c")}
        assert len(crew.parcels) == 1

    with caplog.at_level(logging.WARNING):
        with_crew(plant, body)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["all workers were lost; this process reads the rest by itself"]


def test_a_fault_of_theirs_is_found_here(caplog: pytest.LogCaptureFixture) -> None:
    """What isn't the server's error happens again where it can be told as in every run."""
    plant = world(5, faults={"c-002": KeyError("x")})

    async def body(reads: SharedReads, _: Crew) -> None:
        with pytest.raises(KeyError):
            await members(reads, plant)

    with_crew(plant, body)


def test_who_no_longer_waits_holds_up_nobody() -> None:
    plant = world(20, wait=asyncio.Event())

    async def body(reads: SharedReads, crew: Crew) -> None:
        task = asyncio.ensure_future(members(reads, plant))
        await plant.busy.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert plant.wait
        plant.wait.set()
        assert (await reads.gateways("c-019")) == plant.members["c-019"]
        asked = {part.campaign for each in crew.parcels for part in each.parts}
        assert len(asked) < 20  # what waited for its turn was never asked

    with_crew(plant, body)


def test_it_ends_at_once_with_parcels_under_way() -> None:
    plant = world(5, wait=asyncio.Event())

    async def main() -> None:
        crew = crew_of(plant)
        async with shared(plant, crew) as reads:
            waiting = [asyncio.ensure_future(reads.gateways(each)) for each in plant.members]
            await plant.busy.wait()
            await reads.aclose()
            assert plant.under_way == 0
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(asyncio.wait_for(main(), 10))


def test_parts_of_the_rate_are_no_more_than_want_one() -> None:
    async def alone(reads: SharedReads, crew: Crew) -> list[int]:
        await reads.gateways("c-000")
        return crew.beside

    assert with_crew(world(1), alone, slots=8) == [1]

    async def many(reads: SharedReads, crew: Crew) -> list[int]:
        await members(reads, reads.own)  # type: ignore[arg-type]
        return crew.beside

    assert max(with_crew(world(50, size=60_000), many, slots=2)) == 2


def test_requests_are_counted_together() -> None:
    plant, here = world(7), world(0)

    async def main() -> None:
        crew = crew_of(plant)
        async with shared(here, crew) as reads:
            await concurrently(plant.members, reads.gateways, limit=reads.parallelism)
            await reads.campaign("c-1")
            assert dict(reads.requests) == {"gateways": 7, "campaign": 1}
            from reconciler.providers.base import Provider

            own: Any = Provider(None, None, here, None, None, here.answers)  # type: ignore[arg-type]
            provider = sharing(own, reads)
            both = {("gateways", RequestOutcome.OK): 7, ("campaign", RequestOutcome.OK): 1}
            assert dict(provider.answers) == both
            assert len(provider.answers) == 2
            with pytest.raises(KeyError):
                provider.answers["nothing", RequestOutcome.OK]
            assert unshared(provider).reads is here  # type: ignore[comparison-overlap]
            assert unshared(own) is own

    asyncio.run(main())


def test_the_one_reader_reads_the_same() -> None:
    """`reading.read`, over either."""
    plant = world(30)
    scope = Scope(
        {each: Aspects(members=True, overrides=frozenset({"gw-1-0", "gw-2-1"})) for each in plant.members}
    )

    class Campaigns(Plant):
        async def campaign(self, campaign_id: str) -> Any:
            from reconciler.model import LiveCampaign, Phase

            await self._asked("campaign", campaign_id)
            return LiveCampaign(campaign_id, campaign_id, "READY", Phase.READY)

    async def main() -> None:
        alone, theirs = Campaigns(plant.members), Campaigns(plant.members)
        crew = crew_of(theirs)
        async with shared(theirs, crew) as reads:
            assert await read(scope, reads) == await read(scope, alone)
        assert sorted(theirs.log) == sorted(alone.log)

    asyncio.run(main())
