"""Campaigns that are the way back from another one, against a real server."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.model import Kind, ResourceId, RolloutStatus
from reconciler.options import Targets
from reconciler.plan import Plan
from reconciler.providers.base import Facts, Stage
from reconciler.rollout.situation import WaitFor
from reconciler.rollout.views import RolloutView
from reconciler.state.base import RolloutNoted
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


async def aborted(world: World, declared: str) -> None:
    """The first one has begun, and its rollout is aborted."""
    await world.apply(declared)
    await put(world, FIRST, BROKEN)
    await world.apply(declared)


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
            await aborted(world, paused)
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
            assert codes(plan) == ["rollback-under-way", "rollback-waits"]
            assert plan.empty

    run(body())


def test_nobody_joins_it_where_the_other_one_is_not_looked_at(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await aborted(world, text())
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
            await aborted(world, text())
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
            await aborted(world, text())
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
            await aborted(world, text())
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


# --- only one of them runs ------------------------------------------------------------------------


async def status_of(world: World, resource: ResourceId) -> str:
    return (await world.provider.reads.campaign(world.store.load().campaigns[resource].id)).status


def said(world: World, resource: ResourceId, **changes: Any) -> None:
    """A person's word of a rollout."""
    record = world.store.load().campaigns[resource].rollout
    assert record is not None
    with world.store.locked(world.provider.server, "rollout") as session:
        session.record(RolloutNoted(resource, replace(record, **changes)))


GOES_ON = {"status": RolloutStatus.PROGRESSING, "revision": "", "stops": False}


async def begun(world: World, rollout: str = IN_WAVES, **broken: str) -> None:
    """The first one stands aborted, and somebody is on the way back."""
    await world.apply(text(rollout))
    await put(world, FIRST, broken or BROKEN)
    await world.apply(text(rollout))
    await world.apply(text(rollout))


async def close_in(world: World, resource: ResourceId, state: str = "ACTIVATION_COMPLETE") -> None:
    """Everybody who is in it ends so."""
    await put(world, resource, dict.fromkeys(await members(world, resource), state))


@pytest.mark.parametrize("rollout", [IN_WAVES, ""])
@pytest.mark.parametrize("running", [True, False])
def test_the_first_one_does_not_go_on_beside_its_way_back(
    tmp_path: Path, rollout: str, *, running: bool
) -> None:
    """Also where the way back doesn't run yet, but is about to."""

    async def body() -> None:
        async with World.open(tmp_path) as world:
            await begun(world, rollout)
            if not running:
                back = world.store.load().campaigns[BACK]
                await by_hand(world, back.id, "stop")
            said(world, FIRST, **GOES_ON, limit=None)
            await put(world, FIRST, {"gw-0": "ACTIVATION_COMPLETE"})
            plan = await world.make_plan(text(rollout), resume=not running)
            sent = [step.id for step in plan.steps()]
            assert not any("first" in each for each in sent), sent
            assert "rollback-under-way" in codes(plan)
            first = next(each for each in plan.rollouts if each.resource == FIRST)
            assert [wait.reason for wait in first.waits] == [WaitFor.WAY_BACK]
            (finding,) = (each for each in plan.findings if each.code == "rollback-under-way")
            assert "Campaign/first" in finding.message
            assert "Campaign/back" in finding.message
            assert finding.hint is not None
            assert "rollout abort back --stop" in finding.hint
            await world.run(plan)
            assert await status_of(world, FIRST) == "STOPPED"
            assert await status_of(world, BACK) == "STARTED"

    run(body())


@pytest.mark.parametrize("rollout", [IN_WAVES, ""])
def test_the_first_one_goes_on_once_its_way_back_is_complete(tmp_path: Path, rollout: str) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await begun(world, rollout)
            for _ in range(3):
                await close_in(world, BACK)
                await world.apply(text(rollout))
            said(world, FIRST, **GOES_ON)
            await put(world, FIRST, {"gw-0": "ACTIVATION_COMPLETE"})
            assert await world.apply(text(rollout)) == ["start-campaign"]
            assert await status_of(world, FIRST) == "STARTED"

    run(body())


@pytest.mark.parametrize("how", ["stopped by hand", "aborted with its stop", "stopped in Git"])
def test_the_first_one_goes_on_once_its_way_back_was_ended(tmp_path: Path, how: str) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await begun(world)
            wish = text()
            match how:
                case "stopped by hand":
                    await by_hand(world, world.store.load().campaigns[BACK].id, "stop")
                case "stopped in Git":
                    head, _, tail = wish.rpartition("STARTED")
                    wish = f"{head}STOPPED{tail}"
                case _:
                    said(world, BACK, status=RolloutStatus.ABORTED, stops=True)
            await world.apply(wish)
            assert await status_of(world, BACK) == "STOPPED"
            said(world, FIRST, **GOES_ON)
            await put(world, FIRST, {"gw-0": "ACTIVATION_COMPLETE"})
            assert "start-campaign" in await world.apply(wish)
            assert (await status_of(world, FIRST), await status_of(world, BACK)) == ("STARTED", "STOPPED")
            # What was ended doesn't begin again beside it, whoever asks for it.
            plan = await world.make_plan(text(), resume=True)
            assert not any("back" in step.id for step in plan.steps())

    run(body())


def test_a_way_back_that_has_nobody_yet_does_not_begin_once_the_first_one_goes_on(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await aborted(world, text())
            plan = await world.make_plan(text())
            with world.store.locked(world.provider.server, "apply") as session:
                session.record(*plan.records)  # and there it dies
            said(world, FIRST, **GOES_ON)
            await put(world, FIRST, {"gw-0": "ACTIVATION_COMPLETE"})
            assert await world.apply(text()) == ["start-campaign"]
            assert BACK not in world.store.load().campaigns

    run(body())


def test_a_person_who_resumes_what_stands_aborted_begins_no_way_back_beside_it(tmp_path: Path) -> None:
    """An abort that only pauses, and a stop by hand: `--resume` starts that one again."""

    async def body() -> None:
        async with World.open(tmp_path) as world:
            paused = text(on_failure="pause")
            await aborted(world, paused)
            await by_hand(world, world.store.load().campaigns[FIRST].id, "stop")
            plan = await world.make_plan(paused, resume=True)
            assert [step.operation.name for step in plan.steps()] == ["start-campaign"]

    run(body())


def test_it_is_not_looked_at_and_may_run(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await begun(world)
            said(world, FIRST, **GOES_ON)
            await put(world, FIRST, {"gw-0": "ACTIVATION_COMPLETE"})
            alone = await world.make_plan(text(), targets=Targets((FIRST,)))
            assert alone.empty
            assert codes(alone) == ["rollback-under-way"]

    run(body())


# --- a look begins it, too ------------------------------------------------------------------------

WITH_FILE = """
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: old}
spec: {packages: [{file: old.bin}]}
"""
CALLBACKS = """
---
apiVersion: reconciler/v1
kind: CallbackSet
metadata: {name: told}
spec: {completed: {notificationDestinationId: d-1}}
"""


def with_file(rollout: str) -> str:
    more = rollout + ", packageSet: old, callbackSet: told"
    return text(more) + WITH_FILE + CALLBACKS


@pytest.mark.parametrize("rollout", [IN_WAVES, ""])
def test_a_look_at_rollouts_begins_it_and_goes_on_with_it(tmp_path: Path, rollout: str) -> None:
    async def body() -> None:
        (tmp_path / "old.bin").write_bytes(b"old")
        wish = with_file(rollout)
        async with World.open(tmp_path) as world:
            await world.apply(wish)
            uploaded = bool(world.store.load().packages)
            await put(world, FIRST, BROKEN)
            assert await world.apply(wish, rollouts_only=True) == ["stop-campaign"]
            writes = await world.apply(wish, rollouts_only=True)
            whole = ["create-campaign", "register-completed-callback", "add-gateways", "start-campaign"]
            assert [each for each in writes if "upload" not in each] == whole
            assert any("upload" in each for each in writes) is not uploaded
            for _ in range(3):
                await close_in(world, BACK)
                await world.apply(wish, rollouts_only=True)
            assert await members(world, BACK) == {"gw-0", "gw-1", "gw-3"}
            # More are taken, also where it has no waves.
            await put(world, FIRST, {"gw-2": "FAILED"})
            await world.apply(wish, rollouts_only=True)
            assert await members(world, BACK) == {"gw-0", "gw-1", "gw-2", "gw-3"}

    run(body())


def test_a_look_goes_on_with_what_a_crash_left_of_it(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            wish = text(IN_WAVES + ", callbackSet: told") + CALLBACKS
            await world.apply(wish)
            await put(world, FIRST, BROKEN)
            await world.apply(wish, rollouts_only=True)
            plan = await world.make_plan(wish, rollouts_only=True)
            create = tuple(g for g in plan.groups if g.operation.name == "create-campaign")
            await world.run(replace(plan, groups=create))
            rest = await world.make_plan(wish, rollouts_only=True)
            names = [step.operation.name for step in rest.steps()]
            assert names == ["register-completed-callback", "add-gateways", "start-campaign"]
            assert "left-to-apply" not in {each.code for each in rest.findings}

    run(body())


def test_once_it_ran_an_edit_of_it_is_left_to_the_apply(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await begun(world)
            await close_in(world, BACK)
            wish = text(IN_WAVES + ", description: other")
            plan = await world.make_plan(wish, rollouts_only=True)
            assert plan.empty
            assert "left-to-apply" in {each.code for each in plan.findings}

    run(body())
