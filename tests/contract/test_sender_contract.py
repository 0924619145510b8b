"""What everybody must do who carries parcels: this process, and workers of two kinds."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply.parcels import InProcess, LentPace, ParcelRunner
from reconciler.apply.sender import Parcel, ParcelReport, ParcelSender, parcel_of
from reconciler.model import OutcomeStatus
from reconciler.pacing import Backoff, Settling
from reconciler.providers.base import Bindings
from reconciler.providers.opening import opened
from reconciler.settings import Engine, ServerSettings
from tests.apply.apply_script import group
from tests.workers.counting_server import CountingServer, counting_server
from tests.workers.fleet_runs import TOKEN, server_ref, windows, workers
from tests.workers.worker_processes import Nursery, WorkerProcesses

SENDERS = ["this process", "workers"]
STEPS = windows(50)
Open = Callable[[str], Any]


@asynccontextmanager
async def here(url: str) -> AsyncIterator[ParcelSender]:
    """Two runners of this process."""
    settings = ServerSettings(url=url, engine=Engine.AIOHTTP, settle=0.0)
    async with AsyncExitStack() as stack:
        runners = []
        for _ in range(2):
            pace = LentPace()
            provider = await stack.enter_async_context(opened(settings, limiter=pace))
            operations = provider.facts.operations
            runners.append(ParcelRunner(provider.writes, operations, pace, Backoff(), Settling(0), 8))
        yield InProcess(runners, worthwhile=1)


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with Nursery() as nursery, WorkerProcesses(nursery, tmp_path_factory.mktemp("contract")) as cluster:
        cluster.start("alpha", env={"PULSE_TOKEN": TOKEN})
        yield cluster  # type: ignore[misc]


@pytest.fixture(params=SENDERS)
def opening(request: pytest.FixtureRequest) -> Open:
    if request.param == "this process":
        return here
    cluster: WorkerProcesses = request.getfixturevalue("processes")
    return lambda url: workers(cluster.address, server_ref(url))


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with counting_server() as counting:
        yield counting


def sent(opening: Open, url: str, *parcels: Parcel, halted: bool = False) -> list[ParcelReport]:
    async def main() -> list[ParcelReport]:
        async with opening(url) as sender:
            if halted:
                await sender.halt()

            async def send(parcel: Parcel) -> ParcelReport:
                async with sender.turn():
                    return await sender.send(parcel)

            return list(await asyncio.gather(*map(send, parcels)))

    return asyncio.run(asyncio.wait_for(main(), 60))


def parcel(name: str = "1", **values: Any) -> Parcel:
    return replace(parcel_of(STEPS, STEPS.gateways, Bindings(), name=name), **values)


def test_all_of_a_parcel_is_done(opening: Open, server: CountingServer) -> None:
    (report,) = sent(opening, server.url, parcel())
    assert (report.id, list(report.indices()), report.ended) == ("1", list(range(50)), ())
    assert set(server.seen) == {f"/api/campaigns/c-1/devices/{g}/scheduled-download" for g in STEPS.gateways}
    assert report.seconds > 0


def test_overrides_too(opening: Open, server: CountingServer) -> None:
    steps = group("assign-gateway-packages", gateways=["gw-1"], per_call=1, target="c-1", packages=("p-1",))
    (report,) = sent(opening, server.url, parcel_of(steps, steps.gateways, Bindings(), name="1"))
    assert list(report.indices()) == [0]
    assert list(server.seen) == ["/api/campaigns/c-1/devices/gw-1/packages"]


def test_more_parcels_than_turns_come_one_after_the_other(opening: Open, server: CountingServer) -> None:
    reports = sent(opening, server.url, *(parcel(str(number)) for number in range(7)))
    assert [report.id for report in reports] == [str(number) for number in range(7)]
    assert set(server.gateways().values()) == {7}


def test_who_is_not_taken_is_named(opening: Open, server: CountingServer) -> None:
    server.refused = frozenset({"gw-00007"})
    (report,) = sent(opening, server.url, parcel())
    (ended,) = report.ended
    assert (ended.index, ended.status, ended.attempts) == (7, OutcomeStatus.FAILED, 1)
    assert "there is no such gateway" in ended.message
    assert len(list(report.indices())) == 49


def test_nothing_is_sent_after_its_time(opening: Open, server: CountingServer) -> None:
    (report,) = sent(opening, server.url, parcel(until=time.time() - 1))
    assert (list(report.indices()), report.ended) == ([], ())
    assert not server.seen


def test_nothing_is_sent_after_a_halt(opening: Open, server: CountingServer) -> None:
    (report,) = sent(opening, server.url, parcel(), halted=True)
    assert (list(report.indices()), report.ended) == ([], ())
    assert not server.seen


def test_its_time_ends_in_the_middle(opening: Open, server: CountingServer) -> None:
    server.seconds = 0.4
    (report,) = sent(opening, server.url, parcel(until=time.time() + 1.5))
    assert 0 < len(server.seen) < 50
    assert len(list(report.indices())) == len(server.seen)
    assert report.ended == ()


def test_complaints_are_told(opening: Open, server: CountingServer) -> None:
    server.most = 20
    server.asks = 1
    (report,) = sent(opening, server.url, parcel(until=time.time() + 15))
    assert report.limited > 0
    assert set(server.gateways().values()) == {1}


def test_only_what_may_be_repeated_is_carried(opening: Open, server: CountingServer) -> None:
    async def main() -> list[bool]:
        async with opening(server.url) as sender:
            adds = group("add-gateways", gateways=STEPS.gateways, per_call=1, target="c-1")
            closes = group("close-gateway", gateways=STEPS.gateways, per_call=1, target="c-1")
            return [sender.carries(each) for each in (STEPS, adds, closes)]

    assert asyncio.run(main()) == [True, False, False]
