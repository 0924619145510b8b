"""A distribution list on hawkBit: a saved target filter, whose query is the one of the rollout."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.loading import load
from reconciler.model import DistributionList, OutcomeStatus
from reconciler.resolve import resolve
from reconciler.validation import validate
from tests.hawkbit_standin.app import Asked, Fault
from tests.providers.hawkbit_world import HawkbitWorld, ids

Body = Callable[[HawkbitWorld], Awaitable[None]]

TEXT = """\
apiVersion: reconciler/v1
kind: PackageSet
metadata: {{name: firmware}}
spec: {{packages: [{{file: {file}}}]}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: line}}
spec:
  packageSet: firmware
  desiredStatus: {status}
  distributionList: {{distributionListId: "{named}"}}
"""


def listed(named: str = "hall 3", *, status: str = "STARTED", file: str = "fw.bin", more: str = "") -> str:
    text = TEXT.format(named=named, status=status, file=file)
    return text + "".join(f"  {each}\n" for each in more.splitlines())


def on(folder: Path, body: Body, **settings: Any) -> None:
    async def main() -> None:
        async with HawkbitWorld.open(folder, **settings) as world:
            await body(world)

    asyncio.run(main())


def save(world: HawkbitWorld, name: str, query: str) -> str:
    """The id of a new target filter."""
    call = {"json": {"name": name, "query": query}, "auth": ("admin", "admin")}
    answer = httpx.post(f"{world.server.url}/rest/v1/targetfilters", **call)  # type: ignore[arg-type]
    return str(answer.raise_for_status().json()["id"])


def edit(world: HawkbitWorld, key: str, **values: str) -> None:
    url = f"{world.server.url}/rest/v1/targetfilters/{key}"
    httpx.put(url, json=values, auth=("admin", "admin")).raise_for_status()


def cancel(world: HawkbitWorld, target: str, action: int) -> None:
    where = f"{world.server.url}/rest/v1/targets/{target}/actions/{action}"
    httpx.delete(where, auth=("admin", "admin")).raise_for_status()


def test_who_matches_gets_it_also_later(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        save(world, "hall 3", "id==gw-0*")
        assert await world.apply(listed()) == ["upload-artifact", "create-rollout", "start-rollout"]
        rollout = world.rollout("line")
        assert (rollout.query, rollout.dynamic) == ("id==gw-0*", True)
        assert not world.server.world.tags, "no tag is made for it"
        assert len(await world.provider.reads.gateways(str(rollout.id))) == 10
        world.server.add_targets(["gw-0x"])
        world.server.settle()
        assert "gw-0x" in await world.provider.reads.gateways(str(rollout.id))
        assert await world.plan(listed()) == []

    on(tmp_path, body)


@pytest.mark.parametrize("by", ["id", "another name"])
def test_a_filter_is_named_by_any_name_that_means_its_query(tmp_path: Path, by: str) -> None:
    async def body(world: HawkbitWorld) -> None:
        key = save(world, "b", "id==gw-01")
        save(world, "a", "id==gw-01")
        named = key if by == "id" else "b"
        await world.apply(listed(named))
        found = await world.provider.reads.distribution_list(str(world.rollout("line").id))
        assert found is not None
        assert (found.id, found.interval) == ("a", None)
        assert found.is_called(named)

    on(tmp_path, body)


def test_another_filter_and_an_edited_one_take_a_successor(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        key = save(world, "hall 3", "id==gw-01")
        save(world, "hall 4", "id==gw-02")
        await world.apply(listed())
        first = world.rollout("line").id
        done = await world.apply(listed("hall 4"))
        assert done == ["edit-rollout", "create-rollout", "stop-rollout", "start-rollout"]
        assert world.rollout("line").query == "id==gw-02"
        assert world.server.world.rollouts[first].status == "stopped"
        await world.apply(listed())
        edit(world, key, query="id==gw-03")
        assert await world.apply(listed()) == done
        assert world.rollout("line").query == "id==gw-03"

    on(tmp_path, body)


def test_other_packages_keep_the_filter_though_nobody_declares_it(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        save(world, "hall 3", "id==gw-01")
        await world.apply(listed())
        plain = "\n".join(row for row in listed(file="fx.bin").splitlines() if "distribution" not in row)
        await world.apply(plain)
        assert world.rollout("line").query == "id==gw-01"

    on(tmp_path, body)


@pytest.mark.parametrize("after", [True, False])
def test_a_lost_answer_makes_no_second_rollout(tmp_path: Path, after: bool) -> None:
    async def body(world: HawkbitWorld) -> None:
        save(world, "hall 3", "id==gw-01")
        lost = 0

        def lose(asked: Asked) -> Fault | None:
            nonlocal lost
            if asked.method != "POST" or not asked.path.endswith("/rollouts") or lost:
                return None
            lost += 1
            return Fault(502, after=after)

        world.server.fault = lose
        await world.apply(listed())
        assert (lost, len(world.server.world.rollouts)) == (1, 1)

    on(tmp_path, body)


def test_a_filter_that_is_not_there_is_named(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        save(world, "Hall 3", "id==gw-01")
        applied = await world.run(await world.make_plan(listed()))
        assert not world.server.world.rollouts
        [failed] = [o for o in applied.outcomes if o.status is OutcomeStatus.FAILED]
        assert "there is no target filter 'hall 3'" in failed.message

    on(tmp_path, body)


def test_a_closed_gateway_stays_in_the_filter_and_gets_nothing(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        save(world, "hall 3", "id==gw-0*")
        await world.apply(listed())
        await world.apply(listed(more=f"closedGateways: {ids(1)}"))
        assert world.devices("success", [1, 2]) == {"gw-01": "canceled", "gw-02": "success"}

    on(tmp_path, body)


def test_who_is_closed_is_never_let_in_nor_by_a_successor(tmp_path: Path) -> None:
    """Declared so from the start, or closed on the server by whomever."""

    async def body(world: HawkbitWorld) -> None:
        save(world, "hall 3", "id==gw-01,id==gw-02,id==gw-03")
        closed = f"closedGateways: {ids(1)}"
        await world.apply(listed(more=closed))
        key = world.rollout("line").id
        assert world.rollout("line").query == "(id==gw-01,id==gw-02,id==gw-03);id=out=('gw-01')"
        assert sorted(await world.provider.reads.gateways(str(key))) == ids(2, 3)
        cancel(world, "gw-02", world.server.world.rollouts[key].actions["gw-02"].id)
        world.devices("success")
        await world.apply(listed(file="fx.bin", more=closed))
        assert world.rollout("line").id != key
        assert world.devices("success") == {"gw-03": "success"}

    on(tmp_path, body)


def test_who_cannot_be_left_out_is_said_before_anything_is_made(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        save(world, "hall 3", "id==gw-01")
        many = [f"gateway-{n:04}" for n in range(90)]
        applied = await world.run(await world.make_plan(listed(more=f"closedGateways: {many}")))
        assert not world.server.world.rollouts
        assert "in the filter itself" in " ".join(outcome.message for outcome in applied.outcomes)

    on(tmp_path, body)


LIST = """\
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall}
spec: {gateways: [gw-01]}
"""


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (listed(more="gatewayLists: [hall]") + LIST, "a distributionList alone decides who is in it"),
        (
            listed().replace('"}', '", reevaluationIntervalSeconds: 60}'),
            "reevaluationIntervalSeconds is declared, but",
        ),
    ],
)
def test_what_cannot_be_said_of_a_filter_is_named_in_validate(tmp_path: Path, text: str, what: str) -> None:
    async def body(world: HawkbitWorld) -> None:
        (tmp_path / "all.yaml").write_text(text)
        valid = validate(load([tmp_path / "all.yaml"], base=tmp_path).documents)
        found = resolve(valid.documents, world.provider.facts, root=tmp_path, environ={}).findings
        [error] = [finding for finding in found if finding.is_error]
        assert error.code == "unsupported-field"
        assert what in error.message

    on(tmp_path, body)


def test_gateways_cannot_take_over_from_a_filter(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        save(world, "hall 3", "id==gw-01")
        await world.apply(listed())
        row = '  distributionList: {distributionListId: "hall 3"}\n'
        assert await world.plan(listed().replace(row, "  gatewayLists: [hall]\n") + LIST) == []
        assert [f.code for f in world.findings if f.is_error] == ["fixed-field"]

    on(tmp_path, body)


def test_a_list_is_called_by_all_its_names() -> None:
    assert DistributionList("a", also=("7",)).is_called("7")
    assert not DistributionList("a", also=("7",)).is_called("A")
