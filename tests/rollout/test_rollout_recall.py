"""Campaigns that are the way back from another one, against a real server."""

from pathlib import Path

import httpx
import pytest

from reconciler.model import Kind, ResourceId, RolloutStatus
from reconciler.options import Targets
from reconciler.plan import Plan
from reconciler.providers.base import Facts, Stage
from reconciler.rollout.gate import WaitFor
from reconciler.rollout.views import RolloutView
from tests.fakes import PULSE
from tests.memory_provider import FACTS
from tests.world import World, run

FIRST, BACK = (ResourceId(Kind.CAMPAIGN, name) for name in ("first", "back"))
NAMES = [f"gw-{number}" for number in range(8)]
TEXT = """
apiVersion: reconciler/v1
kind: GatewayList
metadata: {{name: line}}
spec: {{gateways: [{names}]}}
---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {{name: careful}}
spec:
  waves: [{{name: canary, gateways: [gw-0, gw-1, gw-2, gw-3]}}, {{}}]
  gate: {{maxFailed: 0}}
  onFailure: {on_failure}
---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {{name: quick}}
spec: {{waves: [{{upTo: 1}}, {{}}], gate: {{minSuccessPercent: 100}}}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: first}}
spec: {{gatewayLists: [line], rollout: {{policy: careful}}, desiredStatus: STARTED}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: back}}
spec: {{rollbackOf: first{rollout}, desiredStatus: STARTED}}
"""
IN_WAVES = ", rollout: {policy: quick}"


def text(rollout: str = IN_WAVES, on_failure: str = "stop") -> str:
    return TEXT.format(names=", ".join(NAMES), rollout=rollout, on_failure=on_failure)


async def put(world: World, resource: ResourceId, states: dict[str, str]) -> None:
    owned = world.store.load().campaigns[resource]
    for name, state in states.items():
        await world.control(f"campaigns/{owned.id}/devices/{name}", {"state": state})


def view(plan: Plan) -> RolloutView:
    return next(each for each in plan.rollouts if each.resource == BACK)


def codes(plan: Plan) -> list[str]:
    return [each.code for each in plan.findings if each.code.startswith("rollback")]


async def members(world: World, resource: ResourceId) -> set[str]:
    owned = world.store.load().campaigns[resource]
    membership = await world.provider.reads.gateways(owned.id)
    return {gateway for states in membership.states.values() for gateway in states}


async def by_hand(world: World, campaign: str, word: str) -> None:
    transport = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://embedded") as client:
        (await client.put(f"/api/campaigns/{campaign}/{word}")).raise_for_status()


BROKEN = {
    "gw-0": "FAILED",
    "gw-1": "ACTIVATION_COMPLETE",
    "gw-2": "WAITING_FOR_DOWNLOAD",
    "gw-3": "WAITING_FOR_EXECUTION",
}


def test_it_stands_by_until_the_other_rollout_is_aborted(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(text())
            await put(world, FIRST, {"gw-0": "WAITING_FOR_EXECUTION"})
            plan = await world.make_plan(text())
            assert codes(plan) == ["rollback-stands-by"]
            assert plan.empty
            assert BACK not in world.store.load().campaigns

    run(body())


@pytest.mark.parametrize("rollout", [IN_WAVES, ""])
def test_it_takes_those_whose_devices_may_have_changed(tmp_path: Path, rollout: str) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(text(rollout))
            await put(world, FIRST, BROKEN)
            assert await world.apply(text(rollout)) == ["stop-campaign"], "the abort stops it first"
            writes = await world.apply(text(rollout))
            assert writes == ["create-campaign", "add-gateways", "start-campaign"]
            if rollout:
                assert len(await members(world, BACK)) == 1
                (one,) = await members(world, BACK)
                await put(world, BACK, {one: "ACTIVATION_COMPLETE"})
                await world.apply(text(rollout))
            assert await members(world, BACK) == {"gw-0", "gw-1", "gw-3"}
            assert (await world.make_plan(text(rollout))).empty

    run(body())


def test_nobody_joins_it_while_the_other_one_runs(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            paused = text(on_failure="pause")
            await world.apply(paused)
            await put(world, FIRST, BROKEN)
            await world.apply(paused)
            plan = await world.make_plan(paused)
            assert codes(plan) == ["rollback-waits"]
            assert plan.empty
            owned = world.store.load().campaigns[FIRST]
            await by_hand(world, owned.id, "stop")
            assert "create-campaign" in await world.apply(paused)
            await by_hand(world, owned.id, "start")
            (one,) = await members(world, BACK)
            await put(world, BACK, {one: "ACTIVATION_COMPLETE"})
            plan = await world.make_plan(paused)
            assert [wait.reason for wait in view(plan).waits] == [WaitFor.STILL_RUNS]
            assert codes(plan) == ["rollback-waits"]
            assert plan.empty

    run(body())


def test_nobody_joins_it_where_the_other_one_is_not_looked_at(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(text())
            await put(world, FIRST, BROKEN)
            await world.apply(text())
            await world.make_plan(text())
            alone = await world.make_plan(text(), targets=Targets((BACK,)))
            assert alone.empty
            assert codes(alone) == ["rollback-stands-by"]
            await world.apply(text())
            (one,) = await members(world, BACK)
            await put(world, BACK, {one: "ACTIVATION_COMPLETE"})
            alone = await world.make_plan(text(), targets=Targets((BACK,)))
            assert alone.empty
            assert [wait.reason for wait in view(alone).waits] == [WaitFor.STILL_RUNS]

    run(body())


def test_whom_it_took_it_keeps(tmp_path: Path) -> None:
    """Also of those that no wave of its own has reached yet, and after the other one goes on."""

    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(text())
            await put(world, FIRST, BROKEN)
            await world.apply(text())
            await world.apply(text())
            await put(world, FIRST, dict.fromkeys(BROKEN, "INSTANTIATED"))
            plan = await world.make_plan(text())
            assert view(plan).total == 3
            assert not any(group.operation.name == "remove-gateways" for group in plan.groups)
            plan = await world.make_plan(text(), resume=True)
            assert view(plan).total == 3

    run(body())


def test_whom_it_takes_is_known_before_its_first_call(tmp_path: Path) -> None:
    """So a run that dies there loses nobody, whatever becomes of the other campaign's gateways."""

    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(text())
            await put(world, FIRST, BROKEN)
            await world.apply(text())
            plan = await world.make_plan(text())
            with world.store.locked(world.provider.server, "apply") as session:
                session.record(*plan.records)
            await put(world, FIRST, dict.fromkeys(BROKEN, "INSTANTIATED"))
            again = await world.make_plan(text())
            assert view(again).total == 3
            assert next(group.operation.name for group in again.groups) == "create-campaign"

    run(body())


def test_more_are_taken_while_it_stands_aborted(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(text())
            await put(world, FIRST, {"gw-0": "FAILED"})
            await world.apply(text())
            await world.apply(text())
            assert view(await world.make_plan(text())).total == 1
            await put(world, FIRST, {"gw-1": "FAILED"})
            assert view(await world.make_plan(text())).total == 2

    run(body())


def test_its_own_gate_aborts_it(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(text())
            await put(world, FIRST, BROKEN)
            await world.apply(text())
            await world.apply(text())
            (one,) = await members(world, BACK)
            await put(world, BACK, {one: "FAILED"})
            assert view(await world.make_plan(text())).status is RolloutStatus.ABORTED

    run(body())


@pytest.mark.parametrize("facts", [PULSE, FACTS], ids=["pulse", "memory"])
def test_what_a_provider_says_of_a_device(facts: Facts) -> None:
    for state, known in facts.states.items():
        assert facts.changed(state) is (known.stage is not Stage.IDLE and not known.loading)
    assert facts.changed("a word that nobody told us about")
    assert any(known.loading for known in facts.states.values())
    assert {known.stage for known in facts.states.values() if known.loading} == {Stage.UNDER_WAY}
