"""One parcel of reads, as a worker works on it."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from reading_crew import Plant, Unpaced, missing, of_states, world

from reconciler.errors import ServerError, Unclear, Unforeseen
from reconciler.readers import runner as runners
from reconciler.readers.parcels import PackedMembers, PartOfCampaign, ReadFault, ReadParcel, ReadReport
from reconciler.readers.runner import ReadRunner


def parcel(*campaigns: str, **values: Any) -> ReadParcel:
    return ReadParcel("1", tuple(map(PartOfCampaign, campaigns)), **values)


def read(
    plant: Plant, what: ReadParcel, *, meanwhile: Callable[[asyncio.Event], None] | None = None
) -> ReadReport:
    async def main() -> ReadReport:
        stop = asyncio.Event()
        if meanwhile:
            asyncio.get_running_loop().call_later(0.05, meanwhile, stop)
        provider: Any = SimpleNamespace(reads=plant, answers=plant.answers)
        return await ReadRunner(provider, Unpaced(), 2).run(what, stop)

    return asyncio.run(asyncio.wait_for(main(), 20))


def test_each_campaign_is_answered_with_what_it_took() -> None:
    plant = world(5)
    plant.answers.update(dict.fromkeys(plant.answers, 0))
    report = read(plant, parcel(*plant.members))
    assert {index: found.members() for index, found in report.parts.items()} == dict(  # type: ignore[union-attr]
        enumerate(plant.members.values())
    )
    assert report.calls == (("gateways", "ok", 5),)
    assert report.requests == 5
    assert plant.most == 2
    again = read(plant, parcel("c-001"))
    assert again.requests == 1  # what came before counts for whoever it came for


def test_overrides_of_gateways() -> None:
    report = read(Plant(), ReadParcel("1", (PartOfCampaign("c", ("a", "b")),)))
    assert report.parts == {0: {"a": ("p-a", "c"), "b": ("p-b", "c")}}


def test_a_failure_of_the_server_is_an_answer_and_nothing_is_begun_after_it() -> None:
    plant = world(6)
    report = read(plant, parcel("c-000", "c-nowhere", *plant.members))
    assert report.parts[1] == ReadFault.of(missing("c-nowhere"))
    assert isinstance(report.parts[0], PackedMembers)
    assert len(plant.log) <= 3


@pytest.mark.parametrize("error", [KeyError("x"), MemoryError(), Unforeseen("a bug", request="GET /x")])
def test_what_fails_here_is_left_to_the_run(error: Exception) -> None:
    plant = world(3, faults={"c-001": error})
    report = read(plant, parcel(*plant.members))
    assert sorted(report.parts) == [0, 2]


def test_enough_for_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "ENOUGH", 10)
    plant = world(20, size=4)
    report = read(plant, parcel(*plant.members))
    assert 3 <= len(report.parts) <= 5
    assert len(plant.log) == len(report.parts)  # nothing that was read is thrown away


def test_it_ends_when_it_is_told_to() -> None:
    plant = world(3, wait=asyncio.Event())
    report = read(plant, parcel(*plant.members), meanwhile=asyncio.Event.set)
    assert report.parts == {}
    assert plant.under_way == 0


def test_it_ends_when_its_time_is_over() -> None:
    plant = world(3, wait=asyncio.Event())
    began = time.time()
    report = read(plant, parcel(*plant.members, until=time.time() + 0.2))
    assert (report.parts, plant.under_way) == ({}, 0)
    assert 0.2 <= time.time() - began < 5


def test_a_failure_after_its_time_says_nothing() -> None:
    late: ServerError = Unclear("cut", request="GET /x")
    plant = world(1, faults={"c-000": late})
    assert read(plant, parcel("c-000", until=time.time() - 1)).parts == {}
    assert read(plant, parcel("c-000")).parts == {0: ReadFault.of(late)}


def test_what_is_lent_is_used() -> None:
    async def main() -> list[float | None]:
        pace = Unpaced()
        provider: Any = SimpleNamespace(reads=Plant({"c": of_states(A=["a"])}), answers={})
        await ReadRunner(provider, pace).run(parcel("c", rate=7.5))
        return pace.rates

    assert asyncio.run(main()) == [7.5]
