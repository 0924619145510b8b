"""What a look at rollouts sends by itself, and what it leaves to a reviewed apply."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.model import OnRemove, RolloutStatus, Severity
from reconciler.plan import Plan
from reconciler.plan.looking import LEFT, only_rollouts
from reconciler.rollout.gate import WaitFor
from reconciler.rollout.views import RolloutView
from reconciler.state.base import OnRemoveSet, RolloutNoted, State
from tests.fakes import rid
from tests.rollout.test_rollout_stage import HOUR, joined, look, project, put, view
from tests.world import World, run


def operations(plan: Plan) -> list[str]:
    return [step.operation.name for step in plan.steps()]


def left(plan: Plan) -> list[str]:
    return [finding.message for finding in plan.findings if finding.code == LEFT]


async def begun(world: World, text: str) -> None:
    """The canary is in, and done for long enough."""
    await look(world, text)
    await put(world, ["gw-03", "gw-05"], "ACTIVATION_COMPLETE")
    await look(world, text)
    world.now += HOUR


def test_a_wave_opens_in_a_campaign_of_which_nothing_else_differs(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            text = project()
            await begun(world, text)
            plan = await world.make_plan(text, rollouts_only=True)
            whole = await world.make_plan(text)
            assert (plan.groups, plan.changes, plan.records) == (whole.groups, whole.changes, whole.records)
            assert plan.impact.requests == whole.impact.requests
            assert not left(plan)
            await world.run(plan)
            assert view(await world.make_plan(text)).entered == 10

    run(body())


def test_a_campaign_that_is_not_there_is_left_to_the_apply(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            plan = await world.make_plan(project(), rollouts_only=True)
            assert (plan.groups, plan.records, plan.changes) == ((), (), ())
            assert plan.impact.campaigns == ()
            (message,) = left(plan)
            assert message.startswith("Campaign/c differs in ")
            assert "nobody joins it before" in message

    run(body())


def test_where_something_else_differs_no_wave_opens_and_it_is_named(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await begun(world, project())
            plan = await world.make_plan(project(description="two"), rollouts_only=True)
            assert (operations(plan), joined(plan), plan.changes) == ([], [], ())
            found = view(plan)
            assert (found.opens, found.joins, found.wave) == (0, 0, 1)
            assert [wait.reason for wait in found.waits] == [WaitFor.APPLY]
            (finding,) = [each for each in plan.findings if each.code == LEFT]
            assert "description" in finding.message
            assert finding.severity is Severity.WARNING
            await world.run(plan)
            # Nothing is lost: the reviewed apply opens it.
            assert view(await world.make_plan(project(description="two"))).opens == 2

    run(body())


def test_who_leaves_is_left_to_the_apply(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await begun(world, project())
            fewer = project().replace("gw-03, ", "", 1)
            plan = await world.make_plan(fewer, rollouts_only=True)
            assert operations(plan) == []
            assert left(plan)

    run(body())


def test_soaks_are_noted_also_where_something_else_differs(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await look(world, project())
            await put(world, ["gw-03", "gw-05"], "ACTIVATION_COMPLETE")
            plan = await world.make_plan(project(description="two"), rollouts_only=True)
            (record,) = plan.records
            assert isinstance(record, RolloutNoted)
            assert record.rollout is not None
            assert record.rollout.reached == world.now

    run(body())


@pytest.mark.parametrize("description", ["one", "two"])
def test_an_abort_goes_out_whatever_else_differs(tmp_path: Path, description: str) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            policy = "  onFailure: stop"
            await look(world, project(policy=policy))
            await put(world, ["gw-03", "gw-05"], "FAILED")
            plan = await world.make_plan(project(policy=policy, description=description), rollouts_only=True)
            assert operations(plan) == ["stop-campaign"]
            (record,) = (each for each in plan.records if isinstance(each, RolloutNoted))
            assert record.rollout is not None
            assert record.rollout.status is RolloutStatus.ABORTED
            assert bool(left(plan)) is (description == "two")
            (row,) = plan.impact.campaigns
            assert (row.stops, row.starts, row.gained) == (True, False, 0)
            applied = await world.run(plan)
            assert not applied.failed

    run(body())


FREEZE = """
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: nights}
spec:
  timezone: UTC
  freezes: [{name: move, begin: 2027-01-15T09:00+00:00, end: 2027-01-15T12:00+00:00}]
"""


@pytest.mark.parametrize("description", ["one", "two"])
def test_a_freeze_stops_and_starts_whatever_else_differs(tmp_path: Path, description: str) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            policy = "  calendar: nights\n  duringFreeze: stop"
            await look(world, project(policy=policy, more=FREEZE))
            text = project(policy=policy, more=FREEZE, description=description)
            world.now += 2 * HOUR
            plan = await world.make_plan(text, rollouts_only=True)
            assert operations(plan) == ["stop-campaign"]
            await world.run(plan)
            assert operations(await world.make_plan(text, rollouts_only=True)) == []
            world.now += 3 * HOUR
            plan = await world.make_plan(text, rollouts_only=True)
            assert operations(plan) == ["start-campaign"]
            await world.run(plan)
            assert operations(await world.make_plan(text, rollouts_only=True)) == []

    run(body())


def test_campaigns_without_a_rollout_are_left_unread(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            plan = await world.make_plan(project(rollout=None), rollouts_only=True)
            assert operations(plan) == []
            assert not left(plan)
            assert world.reads() == []

    run(body())


def test_giving_a_rollout_up_is_left_to_the_apply(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await begun(world, project())
            plan = await world.make_plan(project(rollout=None), rollouts_only=True)
            assert (operations(plan), plan.records) == ([], ())

    run(body())


def calls(world: World, name: str) -> int:
    return world.reads().count(name)


def test_a_look_reads_only_campaigns_whose_rollout_goes_on(tmp_path: Path) -> None:
    others = "\n---\n".join(
        f"""apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: {name}}}
spec: {{gatewayLists: [line], desiredStatus: STARTED{rollout}}}"""
        for name, rollout in (("plain", ""), ("over", ", rollout: {policy: quick}"))
    )
    quick = """
---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: quick}
spec: {waves: [{}], gate: {minSuccessPercent: 1}}
"""

    async def body() -> None:
        async with World.open(tmp_path) as world:
            text = project(more=others + quick)
            await world.run(await world.make_plan(text))
            over = await world.make_plan(text)
            [found] = [each for each in over.rollouts if each.resource.name == "over"]
            with world.store.locked(world.provider.server, "test") as session:
                record = session.state.campaigns[found.resource].rollout
                assert record is not None
                session.record(RolloutNoted(found.resource, replace(record, status=RolloutStatus.COMPLETE)))
            await world.run(await world.make_plan(text))
            world.seen.clear()
            await world.make_plan(text)
            assert (calls(world, "list-gateways"), calls(world, "get-campaign")) == (3, 3)
            world.seen.clear()
            plan = await world.make_plan(text, rollouts_only=True)
            assert (calls(world, "list-gateways"), calls(world, "get-campaign")) == (1, 1)
            assert [each.resource.name for each in plan.rollouts] == ["c"]
            # Whom no run has added may still have to join.
            more = text.replace("gateways: [", "gateways: [gw-99, ", 1)
            plan = await world.make_plan(more, rollouts_only=True)
            assert [each.resource.name for each in plan.rollouts] == ["c", "over"]

    run(body())


def test_what_only_the_state_is_to_learn_is_no_difference() -> None:
    """It isn't sent, so nothing is left to name, and nobody waits for it."""
    line = rid("line")
    going = RolloutView(line, "p", RolloutStatus.PROGRESSING, 5, 5)
    made = replace(Plan(None), rollouts=(going,), records=(OnRemoveSet(line, OnRemove.DELETE),))
    found = only_rollouts(made, State("lineage", "5a17"))
    assert (found.rollouts, found.records, found.findings) == ((going,), (), ())
