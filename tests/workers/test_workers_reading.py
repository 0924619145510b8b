"""Campaigns that are read by workers as they are run: processes that are lost, limited, or told a lie."""

import asyncio
import pickle
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from counting_server import CountingServer, counting_server
from fleet_runs import TOKEN, reached, server_ref, workers
from worker_processes import WorkerProcesses

from reconciler.errors import ServerError
from reconciler.model import FromEnv, Membership, Secret
from reconciler.pacing import RateLimiter
from reconciler.pool import concurrently
from reconciler.providers.base import Provider
from reconciler.providers.opening import opened
from reconciler.readers.shared import SharedReads
from reconciler.settings import DaskWorkers, Engine, ServerSettings, Token
from reconciler.workers.fleet import WorkerFleet

SIGNED_IN = {"PULSE_TOKEN": TOKEN}
PAGE = 50


def settings(url: str) -> ServerSettings:
    secret = Secret("environment variable PULSE_TOKEN", TOKEN, FromEnv("PULSE_TOKEN"))
    return ServerSettings(url=url, auth=Token(secret), engine=Engine.AIOHTTP, page_size=PAGE, settle=0.0)


def plant(campaigns: int, gateways: int) -> dict[str, list[str]]:
    return {f"c-{n}": [f"gw-{n}-{m}" for m in range(gateways)] for n in range(campaigns)}


@asynccontextmanager
async def reading(
    at: DaskWorkers, url: str, *, rate: float | None = None
) -> AsyncIterator[tuple[SharedReads, Provider, WorkerFleet]]:
    """Reads that are shared with workers, this process's own, and who shares them."""
    pace = RateLimiter(rate)
    async with (
        opened(settings(url), limiter=pace) as own,
        workers(at, server_ref(url, page_size=PAGE), rate=rate) as fleet,
    ):

        async def found() -> WorkerFleet:
            return fleet

        reads = SharedReads(own.reads, found)
        try:
            yield reads, own, fleet
        finally:
            await reads.aclose()


def running(main: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        return await asyncio.wait_for(main(), 100)

    return asyncio.run(bounded())


async def members(reads: Any, of: Mapping[str, Any]) -> dict[str, Membership]:
    return await concurrently(of, reads.gateways, limit=reads.parallelism)


def in_it(found: Mapping[str, Membership]) -> dict[str, list[str]]:
    return {campaign: sorted(each) for campaign, each in found.items()}


def as_ordered(world: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {campaign: sorted(ids) for campaign, ids in world.items()}


def test_two_workers_read_what_one_process_reads(
    two_workers: WorkerProcesses, server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many requests, for the same; and no secret is in what goes over, either way."""
    server.members = plant(300, 3) | {"large": [f"gw-{n}" for n in range(4_000)], "empty": []}
    over: list[bytes] = []

    async def main() -> None:
        async with reading(two_workers.address, server.url) as (reads, own, fleet):
            through = fleet._through

            async def noted(function: Any, parcel: Any, *more: Any) -> Any:
                over.append(pickle.dumps(parcel))
                report: Any = await through(function, parcel, *more)
                over.append(pickle.dumps(report))
                return report

            monkeypatch.setattr(fleet, "_through", noted)
            together = await members(reads, server.members)
            pages = Counter(server.asked)
            server.asked.clear()
            alone = await members(own.reads, server.members)
            assert together == alone
            assert pages == server.asked
            assert sum(count for (name, _), count in reads.answers.items() if name == "list-gateways") == 381

    running(main)
    assert 4 < len(over) < 100
    assert not [each for each in over if TOKEN.encode() in each]
    assert set(server.tokens) - {""} == {TOKEN}
    for name in ("alpha", "beta", "scheduler"):
        assert TOKEN not in two_workers.log(name)


FAULTS: dict[str, tuple[int, object, str]] = {
    "gone": (404, {"message": "there is no such campaign"}, ""),
    "forbidden": (403, {"message": "you may not"}, ""),
    "failing": (503, {"message": "out of order"}, "Retry-After: 400\r\n"),
    "garbage": (200, b"<html>sign in here</html>", ""),
    "odd": (200, {"gateways": "all of them"}, ""),
    "cut": (200, {"pageResponse": {"totalElements": 10**9}, "gateways": []}, ""),
}


def test_a_campaign_that_cannot_be_read_is_the_same_error(
    two_workers: WorkerProcesses, server: CountingServer
) -> None:
    server.answers, server.members = FAULTS, plant(1, 3)

    async def said(reads: Any, campaign: str) -> tuple[type[Exception], Mapping[str, Any]]:
        with pytest.raises(ServerError) as caught:
            await reads.gateways(campaign)
        return type(caught.value), vars(caught.value)

    async def main() -> None:
        async with reading(two_workers.address, server.url) as (reads, own, _):
            for campaign in FAULTS:
                server.asked.clear()
                theirs = await said(reads, campaign)
                asked = sum(server.asked.values())
                server.asked.clear()
                assert theirs == await said(own.reads, campaign)
                assert asked == sum(server.asked.values())
                assert f"GET /api/campaigns/{campaign}/devices" in theirs[1]["message"]
            assert in_it(await members(reads, server.members)) == as_ordered(server.members)

    running(main)


def test_a_worker_that_is_killed_while_it_reads_costs_time(
    cluster: WorkerProcesses, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("alpha", "beta"):
        cluster.begin(name, env=SIGNED_IN)
    for name in ("alpha", "beta"):
        cluster.there(name)
    with counting_server(seconds=0.02, members=plant(12, 5_000)) as server:

        async def main() -> dict[str, Membership]:
            async with reading(cluster.address, server.url) as (reads, _, fleet):
                await reached(lambda: len(fleet._members) == 2)
                found = asyncio.ensure_future(members(reads, server.members))
                await reached(lambda: sum(server.asked.values()) > 100)
                cluster.kill("alpha")
                return await found

        assert in_it(running(main)) == as_ordered(server.members)
        repeated = sum(count - 1 for count in server.asked.values())
        assert repeated <= 4 * 100  # at most what the one that was killed had: two parcels of two campaigns
        assert max(server.asked.values()) == 2
    assert "the worker alpha at tcp://127.0.0.1" in caplog.text


def test_all_are_lost_and_this_process_reads_on(
    cluster: WorkerProcesses, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.workers.fleet._PATIENCE", 1.0)
    cluster.start("alpha", env=SIGNED_IN)
    with counting_server(seconds=0.02, members=plant(12, 2_000)) as server:

        async def main() -> dict[str, Membership]:
            async with reading(cluster.address, server.url) as (reads, _, _):
                found = asyncio.ensure_future(members(reads, server.members))
                await reached(lambda: sum(server.asked.values()) > 50)
                cluster.kill("alpha")
                return await found

        assert in_it(running(main)) == as_ordered(server.members)
    assert "this process reads the rest by itself" in caplog.text


def test_too_many_requests_slow_all_readers_down(two_workers: WorkerProcesses) -> None:
    with counting_server(most=150, members=plant(40, 500), asks=0.2) as server:

        async def main() -> dict[str, Membership]:
            async with reading(two_workers.address, server.url) as (reads, _, _):
                return await members(reads, server.members)

        assert in_it(running(main)) == as_ordered(server.members)
        assert 0 < server.complaints < 400
        assert set(server.asked.values()) == {1}


def test_the_rate_is_that_of_all_readers_together(two_workers: WorkerProcesses) -> None:
    with counting_server(members=plant(40, 500)) as server:

        async def main() -> dict[str, Membership]:
            async with reading(two_workers.address, server.url, rate=150.0) as (reads, _, _):
                return await members(reads, server.members)

        assert in_it(running(main)) == as_ordered(server.members)
        times = server.times
        assert len(times) == 400
        for begin in range(0, len(times) - 180, 10):
            assert times[begin + 180] - times[begin] > 0.8  # never 180 in 0.8 s


def test_whoever_stops_waiting_is_not_waited_for(two_workers: WorkerProcesses) -> None:
    with counting_server(seconds=0.3, members=plant(4, 20_000)) as server:

        async def main() -> float:
            async with reading(two_workers.address, server.url) as (reads, _, _):
                found = asyncio.ensure_future(members(reads, server.members))
                await reached(lambda: sum(server.asked.values()) > 20)
                found.cancel()
                began = time.monotonic()
            return time.monotonic() - began

        assert running(main) < 20
        before = sum(server.asked.values())
        time.sleep(1.0)
        assert sum(server.asked.values()) - before <= 4 * 8  # what was on its way
        assert before < 4 * 400
