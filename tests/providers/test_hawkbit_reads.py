"""What is there: rollouts, who is in them, modules by what they hold, in the fewest requests."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Refused, ServerError
from reconciler.model import Phase
from reconciler.providers.hawkbit.calls import HawkbitCalls, _number
from reconciler.providers.hawkbit.client import HawkbitClient
from reconciler.providers.hawkbit.codec import ActionRow
from reconciler.providers.hawkbit.entry import wire_of
from reconciler.providers.hawkbit.members import IDLE, States, TargetIds, membership
from reconciler.settings import ServerSettings
from tests.hawkbit_standin.app import Asked, Fault
from tests.providers.canned_server import Canned, answer
from tests.providers.hawkbit_world import HawkbitWorld, ids, line

Body = Callable[[HawkbitWorld], Awaitable[None]]


def on(folder: Path, body: Body, **settings: object) -> None:
    async def main() -> None:
        async with HawkbitWorld.open(folder, **settings) as world:
            await body(world)

    asyncio.run(main())


# --- who is in it --------------------------------------------------------------------------------------


def states(*rows: tuple[str, str, bool]) -> States:
    fold = States()
    fold.add({str(n): ActionRow(*row) for n, row in enumerate(rows)})
    return fold


def test_what_is_forgotten_leaves_nothing_behind() -> None:
    fold, targets = states(("a", "running", True)), TargetIds()
    targets.add({"a": None})
    for each in (fold, targets):
        assert len(each) == 1
        each.clear()
        assert (len(each), each.kept or None) == (0, None)


def test_the_table_of_members() -> None:
    found = membership(
        {"new", "canceled", "canceling", "done"},
        states(
            ("canceled", "canceled", False),
            ("canceling", "canceling", True),
            ("done", "finished", False),
            ("cut short", "running", True),
            ("cut early", "scheduled", False),
            ("left", "canceled", False),
            ("leaves", "canceling", True),
            ("left when done", "finished", False),
            ("left broken", "error", False),
        ),
    )
    assert found.states == {
        IDLE: {"new"},
        "canceled": {"canceled"},
        "canceling": {"canceling"},
        "finished": {"done"},
        "running": {"cut short"},
        "scheduled": {"cut early"},
    }
    assert found.closed == {"canceled", "canceling", "left", "leaves"}


def test_without_a_tag_the_actions_say_who_is_in() -> None:
    found = membership(None, states(("a", "running", True), ("b", "canceled", False)))
    assert (found.states, found.closed) == ({"running": {"a"}}, {"b"})


def test_a_download_is_the_end_where_nothing_else_is_wanted() -> None:
    assert membership({"a"}, states(("a", "downloaded", False)), downloads=True).states == {"finished": {"a"}}
    assert membership({"a"}, states(("a", "downloaded", False))).states == {"downloaded": {"a"}}


rows = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["running", "finished"]), st.booleans()))


@given(st.lists(rows))
def test_a_target_is_in_one_state_however_pages_come(pages: list[list[tuple[str, str, bool]]]) -> None:
    fold, last = States(), {}
    for number, page in enumerate(pages):
        unique = {target: (target, status, active) for target, status, active in page}
        fold.add({f"{number}/{key}": ActionRow(*row) for key, row in unique.items()})
        last |= unique
    kept = [(target, *kind) for kind, targets in fold.kept.items() for target in targets]
    assert sorted(kept) == sorted(last.values())


# --- lists ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "size"), [(1, 1), (499, 499), (500, 500), (501, 500), (10_000, 500)])
def test_no_page_is_asked_for_that_the_server_would_cut(asked: int, size: int) -> None:
    wire: Any = None
    assert HawkbitCalls(wire, page_size=asked, parallelism=1, most_bytes=1).page_size == size


@pytest.mark.parametrize("spare", [0, -1])
def test_so_many_bytes_of_a_list_are_read_and_no_more(spare: int) -> None:
    pages = [
        answer({"content": [{"id": n, "name": "line"} for n in ids], "total": 3}) for ids in ((1, 2), (3,))
    ]
    wire = wire_of(Canned(*pages), ServerSettings(provider="hawkbit", url="http://h"))
    most = sum(len(page.body) for page in pages) + spare

    async def main() -> int:
        client = HawkbitClient(wire, page_size=2, parallelism=1, most_bytes=most)
        return len(await client.campaigns())

    if spare == 0:
        assert asyncio.run(main()) == 3
    else:
        with pytest.raises(ServerError, match="can't be read as a whole: more than 0 MiB came"):
            asyncio.run(main())


def test_what_is_no_number_comes_before_all_numbers() -> None:
    assert sorted(["10", "x", "2", "1"], key=_number) == ["x", "1", "2", "10"]


def test_a_fold_tells_how_many_are_new() -> None:
    fold = TargetIds()
    added = [fold.add(dict.fromkeys(each)) for each in ("ab", "bc", "abc", "")]
    assert (added, len(fold)) == ([2, 1, 0, 0], 3)


def test_a_list_is_whole_whatever_the_size_of_a_page(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(*range(20)))
        members = await world.provider.reads.gateways(str(world.rollout("line").id))
        assert sorted(members) == ids(*range(20))

    on(tmp_path, body, page_size=7)


def test_a_server_that_cuts_pages_shorter_is_read_to_its_end(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(*range(20)))

        def shorter(asked: Asked) -> Fault | None:
            if int(asked.query.get("limit", 0)) > 3:
                asked.query["limit"] = "3"
            return None

        world.server.fault = shorter
        members = await world.provider.reads.gateways(str(world.rollout("line").id))
        assert sorted(members) == ids(*range(20))

    on(tmp_path, body, page_size=7)


def test_a_plan_without_changes_reads_each_page_once(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(*range(20)))
        world.server.seen.clear()
        assert await world.plan(line(*range(20))) == []
        rollout = world.rollout("line").id
        [tag] = world.server.world.tags
        counted = world.server.calls("GET")
        assert counted.count(f"GET /rest/v1/targettags/{tag}/assigned") == 3
        assert counted.count("GET /rest/v1/actions") == 3
        assert counted.count(f"GET /rest/v1/rollouts/{rollout}") == 2
        assert len(counted) <= 14, counted
        assert world.server.calls() == []

    on(tmp_path, body, page_size=7)


def test_names_are_compared_exactly(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, more="name: Line"))
        reads = world.provider.reads
        assert [c.name for c in await reads.campaigns(["Line"])] == ["Line"]
        for other in ("line", "LINE", "Lin*", "*", "Lin", "Line "):
            assert await reads.campaigns([other]) == ()
        assert await reads.packages(["FW.BIN"]) == ()
        assert [p.name for p in await reads.packages(["fw.bin", "nothing"])] == ["fw.bin"]

    on(tmp_path, body)


@pytest.mark.parametrize("campaign_id", ["nobody", "999", "", "-1", "1/../2"])
def test_what_isn_t_there_is_none(tmp_path: Path, campaign_id: str) -> None:
    async def body(world: HawkbitWorld) -> None:
        reads = world.provider.reads
        assert await reads.campaign(campaign_id) is None
        assert await reads.package(campaign_id) is None
        with pytest.raises(Refused):
            await reads.gateways(campaign_id)

    on(tmp_path, body)


def test_a_hidden_rollout_is_none(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1))
        key = str(world.rollout("line").id)
        world.server.world.rollouts[int(key)].status = "deleting"
        assert await world.provider.reads.campaign(key) is None
        world.server.settle()
        assert world.server.world.rollouts[int(key)].deleted
        assert await world.provider.reads.campaign(key) is None
        assert await world.provider.reads.campaigns() == ()

    on(tmp_path, body)


def test_content_is_told_by_the_hash_of_the_file_and_not_by_what_is_said(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1))
        [module] = world.server.world.modules.values()
        sha256 = module.artifacts[0].hashes["sha256"]
        found = await world.provider.reads.packages_of([sha256, "0" * 64])
        assert {sha: [p.id for p in them] for sha, them in found.items()} == {
            sha256: [str(module.id)],
            "0" * 64: [],
        }
        module.artifacts[0].hashes = {**module.artifacts[0].hashes, "sha256": "f" * 64}
        assert (await world.provider.reads.packages_of([sha256]))[sha256] == ()

    on(tmp_path, body)


# --- rollouts that people made ---------------------------------------------------------------------------


def test_a_rollout_made_by_hand_is_read_by_its_groups_then_by_its_actions(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2))
        bundle = next(iter(world.server.world.bundles))
        made = _by_hand(world, bundle, "id==gw-1*")
        reads = world.provider.reads
        live = await reads.campaign(made)
        assert live is not None
        assert (live.name, live.phase) == ("by hand", Phase.READY)
        assert sorted(await reads.gateways(made)) == ids(*range(10, 20))
        world.server.world.rollouts[int(made)].status = "starting"
        world.server.settle()
        assert sorted(await reads.gateways(made)) == ids(*range(10, 20))
        # Nobody can be added to it, and that is said before anything is sent.
        text = line(*range(9, 20), more="name: by hand").replace("{name: line}", "{name: hand}")
        applied = await world.run(await world.make_plan(text, adopt=True))
        assert "static" in " ".join(outcome.message for outcome in applied.outcomes)

    on(tmp_path, body)


def _by_hand(world: HawkbitWorld, bundle: int, query: str) -> str:
    import httpx

    body = {"name": "by hand", "distributionSetId": bundle, "targetFilterQuery": query, "amountGroups": 2}
    made = httpx.post(f"{world.server.url}/rest/v1/rollouts", json=body, auth=("admin", "admin"))
    world.server.settle()
    return str(made.raise_for_status().json()["id"])
