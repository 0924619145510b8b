"""Large campaigns on hawkBit: what a plan reads where nothing is to be done, and the memory of members."""

import asyncio
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.model import Membership
from reconciler.providers.hawkbit.codec import ActionRow
from reconciler.providers.hawkbit.kind import connect
from reconciler.providers.hawkbit.members import States, TargetIds, membership
from reconciler.providers.hawkbit.settled import DONE, WORTH
from reconciler.providers.opening import PARALLELISM
from reconciler.providers.pulse.codec.members import GatewayRow, Members
from reconciler.settings import ServerSettings
from reconciler.state.base import State
from tests.fakes import MemorySession
from tests.hawkbit_standin import Standin
from tests.providers.hawkbit_world import ADMIN, HawkbitWorld, line

PAGE = 500
FEW = 7
"""Requests for all but who is in it: names, twice the rollout, set, modules, what they hold, tag."""
PROOF = 7
"""Requests that spare a list: actions that aren't finished, and thrice a count, before and after."""


@pytest.mark.parametrize(("pages", "size", "done"), [(2, PAGE, False), (5, PAGE, True), (40, 25, True)])
def test_a_plan_with_nothing_to_do_reads_each_page_once_and_little_more(
    tmp_path: Path, pages: int, size: int, done: bool
) -> None:
    """Whom the tag lets in, and where they are, are two lists; their pages are read side by side.

    Of a fleet that is done the second is spared, where that is longer than what proves it.
    """
    count = pages * size
    most = here = 0
    server = Standin()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal most, here
        here += 1
        most = max(most, here)
        for _ in range(20):  # whoever else is ready comes here, too
            await asyncio.sleep(0)
        try:
            await server.app(scope, receive, send)
        finally:
            here -= 1

    async def main() -> None:
        ids = [f"gateway-{n:05}" for n in range(count)]
        server.add_targets(ids)
        (tmp_path / "fw.bin").write_bytes(b"firmware 1")
        (tmp_path / "ids.txt").write_text("\n".join(ids))
        text = line().replace("spec: {gateways: []}", "spec: {file: ids.txt}")
        settings = ServerSettings(
            url="http://hawkbit.example.com", provider="hawkbit", auth=ADMIN, page_size=size
        )
        async with connect(settings, app=app) as provider:
            session = MemorySession(State("lineage", "5a17", server=provider.server))
            world = HawkbitWorld(tmp_path, server, provider, session)
            await world.apply(text)
        for action in list(server.world.actions.values()) if done else ():
            server.world.settle(action, "finished")
        server.settle()
        nonlocal most
        most = 0
        async with connect(settings, app=app) as provider:
            world = HawkbitWorld(tmp_path, server, provider, session)
            assert await world.plan(text) == []
            requests = dict(provider.reads.requests)
        spared = done and pages > WORTH
        lists = requests.pop("list-tagged") + requests.pop("list-actions") + requests.pop("list-installed", 0)
        assert lists == (pages + PROOF if spared else 2 * pages)
        assert sum(requests.values()) <= FEW, requests
        assert most >= min(pages, PARALLELISM), "pages of both lists are under way at once"

    asyncio.run(main())


def pages_of(count: int, row: Callable[[int], tuple[str, Any]]) -> Iterable[Mapping[str, Any]]:
    for at in range(0, count, PAGE):
        yield dict(map(row, range(at, at + PAGE)))


def on_hawkbit(count: int) -> Membership:
    tagged, states = TargetIds(), States()
    for page in pages_of(count, lambda n: (f"gateway-{n:07}", None)):
        tagged.add(page)
    for page in pages_of(count, lambda n: (str(n), ActionRow(f"gateway-{n:07}", "finished", False, "17"))):
        states.add(page)
    return membership(tagged.kept, states)


def at_rest(count: int) -> Membership:
    """As `on_hawkbit`, by the tag alone."""
    tagged, states = TargetIds(), States()
    for page in pages_of(count, lambda n: (f"gateway-{n:07}", None)):
        tagged.add(page)
    states.kept[DONE, False] = tagged.kept.difference(())
    return membership(tagged.kept, states)


def on_pulse(count: int) -> Membership:
    members, row = Members(), GatewayRow("COMPLETED", closed=False)
    for page in pages_of(count, lambda n: (f"gateway-{n:07}", row)):
        members.add(page)
    return Membership(members.states(), members.closed())


def memory(read: Callable[[int], Membership], count: int) -> tuple[float, float]:
    """What is held in the end, and at most: bytes a gateway."""
    read(PAGE)
    tracemalloc.start()
    try:
        found = read(count)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == count
    return held / count, peak / count


@pytest.mark.parametrize("read", [on_hawkbit, at_rest])
def test_who_is_in_it_takes_no_more_memory_than_on_pulse(read: Callable[[int], Membership]) -> None:
    """Two lists are folded to what one is; until then both of them are there."""
    (held, peak), (there, most) = memory(read, 40_000), memory(on_pulse, 40_000)
    assert held < 1.1 * there
    assert peak < 3 * most
