"""Is a name free? As few reads as may be, and none that is too old."""

import asyncio
import itertools
from collections.abc import Collection, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import Unclear
from reconciler.model import CampaignSummary
from reconciler.providers.base import Bindings
from reconciler.providers.http.names import AGE, FreshNames, Namesakes
from reconciler.providers.pulse.writes import PulseWrites
from reconciler.settings import ServerSettings
from tests.apply.apply_script import step
from tests.providers.canned_server import Canned, answer, client
from tests.world import World


class Listing:
    """A server that counts what is asked of it; each read takes `takes` seconds of its clock."""

    def __init__(self, *names: str, page_size: int = 2, takes: float = 0.0) -> None:
        self.now = 100.0
        self.takes = takes
        self.names = [*names]
        self.reads: list[str] = []
        self.fresh = FreshNames(self.read, page_size=page_size, clock=lambda: self.now)

    async def read(self, names: Collection[str] | None) -> Sequence[CampaignSummary]:
        self.reads.append("all" if names is None else " ".join(names))
        listed = [CampaignSummary(f"id-{name}", name, "CREATED") for name in self.names]
        await asyncio.sleep(0)
        self.now += self.takes
        return [each for each in listed if names is None or each.name.startswith(tuple(names))]

    async def taken(self, name: str) -> bool:
        return bool((await self.fresh.having(name)).found)


def run(body: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(body)


def test_one_name_is_one_look() -> None:
    server = Listing("line", "line-3")

    async def body() -> None:
        assert await server.taken("line")
        server.now += AGE + 1
        assert not await server.taken("lin"), "a server may match the beginning of a name"

    run(body())
    assert server.reads == ["line", "lin"]


@pytest.mark.parametrize("together", [False, True])
def test_many_of_one_time_share_a_list(together: bool) -> None:
    server = Listing("other")

    async def body() -> None:
        names = [f"line-{number}" for number in range(50)]
        if together:
            assert not any(await asyncio.gather(*map(server.taken, names)))
        else:
            assert not any([await server.taken(name) for name in names])

    run(body())
    assert server.reads == ["line-0", "all"]


def test_a_long_list_is_read_once_that_takes_no_more() -> None:
    server = Listing(*(f"theirs-{number}" for number in range(10)))

    async def body() -> None:
        for number in range(3):
            await server.taken(f"line-{number}")
        server.now += AGE + 1
        server.reads.clear()
        for number in range(20):
            await server.taken(f"more-{number}")

    run(body())
    assert server.reads == [*(f"more-{number}" for number in range(5)), "all"]


def test_it_is_never_older_than_five_seconds() -> None:
    server = Listing("other")

    async def body() -> None:
        for _ in range(40):
            found = await server.fresh.having("line")
            assert server.now - found.began <= AGE
            assert server.fresh.fresh(found)
            server.now += 0.9
        server.names.append("line")
        server.now += AGE + 0.1
        assert await server.taken("line")

    run(body())
    assert not server.fresh.fresh(Namesakes((), server.now - AGE - 0.1))


def test_a_name_that_was_given_up_since_is_free() -> None:
    server = Listing("old", "other")

    async def body() -> None:
        for number in range(3):
            await server.taken(f"line-{number}")
        server.names.remove("old")
        assert not await server.taken("old")

    run(body())
    assert server.reads[-1] == "old"


def test_a_server_that_takes_its_time_is_asked_three_times_and_then_believed() -> None:
    server = Listing("line", takes=AGE + 1)
    assert run(server.taken("line"))
    assert server.reads == ["line"] * 3


def test_a_list_that_can_not_be_read_is_not_kept() -> None:
    server = Listing("line")

    async def body() -> None:
        await server.taken("a")
        good, down = server.fresh._read, Unclear("down", request="GET /x")

        async def fails(names: Collection[str] | None) -> Sequence[CampaignSummary]:
            raise down

        server.fresh._read = fails
        found = await asyncio.gather(*map(server.taken, "bcd"), return_exceptions=True)
        assert found == [down, down, down]
        server.fresh._read = good
        assert await server.taken("line")

    run(body())


# --- on a server ---------------------------------------------------------------------------------


def test_fifty_creates_share_a_list(tmp_path: Path) -> None:
    text = "".join(
        f"---\napiVersion: reconciler/v1\nkind: Campaign\nmetadata: {{name: line-{number}}}\nspec: {{}}\n"
        for number in range(50)
    )

    async def body() -> None:
        async with World.open(tmp_path) as world:
            assert await world.apply(text) == ["create-campaign"] * 50
            assert world.reads() == ["list-campaigns"] * 2

    run(body())


def test_what_a_create_rests_on_is_fresh_when_its_turn_comes() -> None:
    """Calls wait for their turn, and the list becomes too old: it is asked for again, and not for ever."""
    canned = Canned(answer({"page": {"totalElements": 0}, "uuid": "c-1"}))
    writes = PulseWrites(client(canned, ServerSettings()))
    writes._names._clock = itertools.count(0, AGE * 0.7).__next__
    assert run(writes.run(step("create-campaign"), Bindings())).created == "c-1"
    methods = [seen.method for seen in canned.seen]
    assert methods.count("POST") == 1
    assert 3 < methods.count("GET") <= 13
