"""Holds, approvals, brackets, moves, distribution lists, and what can't be undone."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import Refused
from reconciler.model import DistributionList, Outcome, OutcomeStatus, Step
from reconciler.providers.base import Bindings, Result
from reconciler.providers.pulse.entry import STATUSES
from tests.actions import needs_of
from tests.world import World, run

START, STOP, EDIT, APPROVE = "start-campaign", "stop-campaign", "edit-campaign", "approve-campaign"
ADD, REMOVE, CREATE = "add-gateways", "remove-gateways", "create-campaign"


def campaign(name: str = "c", gateways: str = "gw-1, gw-2, gw-3", **fields: str) -> str:
    """A campaign with a list of its own; a field's value is YAML, '' leaves it out."""
    spec = {"desiredStatus": "STARTED", "gatewayLists": f"[{name}-list]", **fields}
    lines = "\n".join(f"  {key}: {value}" for key, value in spec.items() if value)
    return f"""
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {{name: {name}-list}}
spec: {{gateways: [{gateways}]}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: {name}}}
spec:
{lines}
"""


STARTED, STOPPED, WHATEVER = campaign(), campaign(desiredStatus="STOPPED"), campaign(desiredStatus="")


async def codes(world: World, text: str, **options: bool) -> list[str]:
    return [finding.code for finding in (await world.make_plan(text, **options)).findings]


async def only_id(world: World) -> str:
    [found] = await world.provider.reads.campaigns()
    return found.id


async def status(world: World) -> str:
    [found] = await world.provider.reads.campaigns()
    return found.status


# --- holds ---------------------------------------------------------------------------------------


def test_a_persons_stop_survives_ten_applies_and_is_reported_each_time(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(STARTED)
            await world.provider.reads.stop_campaign(await only_id(world))
            for _ in range(10):
                assert await codes(world, STARTED) == ["held"]
                assert await world.apply(STARTED) == []
                assert await status(world) == "STOPPED"
            assert await world.apply(STARTED, resume=True) == [START]
            assert await codes(world, STARTED) == []

    run(body())


def test_a_hold_ends_with_a_new_wish_in_git(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            for other in (STOPPED, WHATEVER):
                await world.apply(STARTED)
                await world.provider.reads.stop_campaign(await only_id(world))
                assert await world.apply(STARTED) == []
                assert await world.apply(other) == []
                assert await world.apply(STARTED) == [START]

    run(body())


def test_a_held_campaign_is_edited_and_filled_all_the_same(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(STARTED)
            await world.provider.reads.stop_campaign(await only_id(world))
            changed = campaign(gateways="gw-1", description="new")
            assert await world.apply(changed) == [EDIT, REMOVE]
            assert await status(world) == "STOPPED"
            assert await codes(world, changed) == ["held"]

    run(body())


def test_who_is_stopped_between_plan_and_apply_is_left_stopped(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(STARTED)
            changed = campaign(description="new")
            plan = await world.make_plan(changed)
            await world.provider.reads.stop_campaign(await only_id(world))
            applied = await world.run(plan)
            assert [outcome.status for outcome in applied.outcomes] == [
                OutcomeStatus.NOT_NEEDED,
                OutcomeStatus.DONE,
                OutcomeStatus.NOT_NEEDED,
            ]
            assert await status(world) == "STOPPED"
            assert await codes(world, changed) == ["held"]

    run(body())


# --- approval ------------------------------------------------------------------------------------


def test_a_new_campaign_waits_for_an_approval_that_git_does_not_give(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path, approval_needed=True) as world:
            plan = await world.make_plan(STARTED)
            applied = await world.run(plan)
            assert [o.status for o in applied.outcomes][-1] is OutcomeStatus.WAITING
            assert not applied.failed
            assert await codes(world, STARTED) == ["waiting-for-approval"]
            assert await world.apply(STARTED) == []
            await world.provider.reads.approve_campaign(await only_id(world))
            assert await world.apply(STARTED) == [START]

    run(body())


@pytest.mark.parametrize("approval_needed", [True, False])
def test_git_gives_the_approval_where_the_server_asks_for_one(approval_needed: bool, tmp_path: Path) -> None:
    text = campaign(approve="true")

    async def body() -> None:
        async with World.open(tmp_path, approval_needed=approval_needed) as world:
            plan = await world.make_plan(text)
            assert [s.operation.name for s in plan.steps()] == [CREATE, ADD, APPROVE, START]
            applied = await world.run(plan)
            approved = next(o for o in applied.outcomes if o.step.operation.name == APPROVE)
            assert approved.status is (OutcomeStatus.DONE if approval_needed else OutcomeStatus.NOT_NEEDED)
            assert await status(world) == "STARTED"
            assert await world.plan(text) == []

    run(body())


@pytest.mark.parametrize("approve", [True, False])
def test_an_edit_that_brings_the_approval_back(approve: bool, tmp_path: Path) -> None:
    first = campaign(approve="true")
    second = campaign(approve=str(approve).lower(), description="new")

    async def body() -> None:
        async with World.open(tmp_path, approval_needed=True) as world:
            await world.apply(first)
            await world.control("settings", {"reapproveAfterEdit": True})
            assert await world.plan(second) == [STOP, EDIT, START]
            applied = await world.run(await world.make_plan(second))
            assert not applied.failed
            if approve:
                assert await status(world) == "STARTED"
                assert await world.plan(second) == []
            else:
                assert await status(world) == "APPROVAL_NEEDED"
                assert await codes(world, second) == ["waiting-for-approval"]
                await world.provider.reads.approve_campaign(await only_id(world))
                assert await world.apply(second) == [START]

    run(body())


# --- brackets ------------------------------------------------------------------------------------


def refusing(world: World, operation: str) -> None:
    """From now on the server refuses that operation."""
    real = world.provider.writes.run

    async def run_step(step: Step, bindings: Bindings) -> Result:
        if step.operation.name == operation:
            raise Refused("no", request=f"PUT {operation}", meaning=STATUSES.refusals[400])
        return await real(step, bindings)

    world.provider.writes.run = run_step  # type: ignore[method-assign]


def test_a_refused_edit_still_gets_its_closing_start(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(STARTED)
            refusing(world, EDIT)
            applied = await world.run(await world.make_plan(campaign(description="new", gateways="gw-1")))
            assert {o.step.operation.name: o.status for o in applied.outcomes} == {
                STOP: OutcomeStatus.DONE,
                EDIT: OutcomeStatus.FAILED,
                REMOVE: OutcomeStatus.SKIPPED,
                START: OutcomeStatus.DONE,
            }
            assert await status(world) == "STARTED"

    run(body())


@pytest.mark.parametrize("wish", [STARTED, WHATEVER])
def test_a_bracket_that_was_cut_is_finished_by_any_later_apply(wish: str, tmp_path: Path) -> None:
    edited = wish.replace("spec:\n", "spec:\n  description: new\n", 2).replace(
        "spec:\n  description: new\n  {", "spec: {"
    )

    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(STARTED)
            await world.apply(wish)
            plan = await world.make_plan(edited)
            assert [s.operation.name for s in plan.steps()] == [STOP, EDIT, START]
            await world.run(replace(plan, groups=plan.groups[:1]))
            assert await status(world) == "STOPPED"
            assert await world.plan(wish) == [START]
            assert await world.apply(edited) == [EDIT, START]
            assert await status(world) == "STARTED"
            assert await world.plan(edited) == []

    run(body())


def test_a_bracket_that_was_cut_is_closed_by_the_wish_to_stop(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(STARTED)
            plan = await world.make_plan(campaign(description="new"))
            await world.run(replace(plan, groups=plan.groups[:1]))
            assert await world.apply(STOPPED) == []
            assert await world.plan(WHATEVER) == []
            assert await status(world) == "STOPPED"

    run(body())


# --- moves and distribution lists ----------------------------------------------------------------


def test_a_gateway_leaves_a_started_campaign_before_it_joins_another(tmp_path: Path) -> None:
    before = campaign("a", "gw-1, gw-2") + campaign("b", "gw-3")
    after = campaign("a", "gw-1") + campaign("b", "gw-2, gw-3")

    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(before)
            plan = await world.make_plan(after)
            joining = next(step for step in plan.steps() if step.operation.name == ADD)
            assert [(s.operation.name, s.resource.name) for s in needs_of(plan, joining)] == [(REMOVE, "a")]
            assert await world.apply(after) == [REMOVE, ADD]
            assert await world.plan(after) == []

    run(body())


def test_two_campaigns_swap_gateways(tmp_path: Path) -> None:
    before = campaign("a", "gw-1") + campaign("b", "gw-2")
    after = campaign("a", "gw-2") + campaign("b", "gw-1")

    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(before)
            calls = await world.apply(after)
            assert sorted(calls) == [ADD, ADD, REMOVE, REMOVE]
            assert await world.plan(after) == []

    run(body())


LISTED = "{distributionListId: dl, reevaluationIntervalSeconds: 60}"


def test_while_a_distribution_list_is_set_only_gateways_that_we_added_leave(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(campaign(distributionList=LISTED))
            await world.provider.reads.add_gateways(await only_id(world), ["gw-by-list"])
            less = campaign(gateways="gw-1, gw-2", distributionList=LISTED)
            assert await codes(world, less) == ["may-come-back", "membership-by-distribution-list"]
            assert await world.apply(less) == [REMOVE]
            assert await codes(world, less) == ["membership-by-distribution-list"]
            members = await world.provider.reads.gateways(await only_id(world))
            assert set(members) == {"gw-1", "gw-2", "gw-by-list"}

    run(body())


def test_gateways_that_we_added_before_there_was_a_list_are_ours_too(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(STARTED)
            await world.apply(campaign(distributionList=LISTED))
            assert await world.plan(campaign(gateways="gw-1, gw-2", distributionList=LISTED)) == [REMOVE]

    run(body())


def test_somebody_elses_distribution_list_protects_undeclared_gateways(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(STARTED)
            client, live = world.provider.reads, await only_id(world)
            await client.set_distribution_list(live, DistributionList("theirs", 60))
            await client.add_gateways(live, ["gw-by-list"])
            assert await world.plan(STARTED) == []
            assert await codes(world, STARTED) == ["membership-by-distribution-list"]

    run(body())


def test_a_distribution_list_no_longer_declared_stays_and_is_said(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(campaign(distributionList=LISTED))
            assert await world.plan(STARTED) == []
            assert "cannot-undo" in await codes(world, STARTED)

    run(body())


# --- what can't be read, and a lost state --------------------------------------------------------


FULL = (
    campaign(
        description="d",
        settings="{A: b}",
        callbackSet="bells",
        schedules="[{schedule: night}]",
        runOnThings="true",
    ).replace("gw-3]}", "gw-3], things: {gw-1: [t-1]}}")
    + """
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: night}
spec:
  download: {begin: 2027-02-01T00:00:00Z, end: 2027-02-01T06:00:00Z}
---
apiVersion: reconciler/v1
kind: CallbackSet
metadata: {name: bells}
spec: {completed: {notificationDestinationId: d-1}}
"""
)


def test_with_the_state_lost_adopt_sends_nothing_and_then_plans_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(FULL)
            (tmp_path / "state.json").unlink()
            assert await codes(world, FULL) == ["not-ours"]
            assert set(await codes(world, FULL, adopt=True)) == {"assumed"}
            assert await world.apply(FULL, adopt=True) == []
            assert await world.plan(FULL) == []
            assert await codes(world, FULL) == []

    run(body())


def test_reassert_sends_what_was_only_assumed(tmp_path: Path) -> None:
    writes = ["register-completed-callback", "run-on-things", *["schedule-download"] * 3]

    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(FULL)
            (tmp_path / "state.json").unlink()
            assert sorted(await world.apply(FULL, adopt=True, reassert=True)) == sorted(
                [STOP, EDIT, START, *writes]
            )
            assert await world.plan(FULL) == []

    run(body())


def test_what_can_not_be_taken_back_is_said(tmp_path: Path) -> None:
    bare = campaign(description="d", settings="{A: b}")

    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(FULL)
            assert await world.plan(bare) == []
            assert await codes(world, bare) == ["cannot-undo", "cannot-undo"]
            after_the_window = replace(world, now=1_802_000_000_000)
            assert await codes(after_the_window, bare) == ["cannot-undo"]

    run(body())


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("INSTANTIATED", 3),
        ("WAITING_FOR_DOWNLOAD", 3),
        ("DOWNLOAD_COMPLETE", 2),
        ("ACTIVATION_COMPLETE", 2),
        ("FAILED", 2),
    ],
)
def test_a_gateway_past_a_phase_gets_no_window_for_it(state: str, expected: int, tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            bare = campaign(description="d", settings="{A: b}")
            await world.apply(bare)
            await world.control(f"campaigns/{await only_id(world)}/devices/gw-2", {"state": state})
            assert (await world.plan(FULL)).count("schedule-download") == expected

    run(body())


def test_an_unclear_answer_about_things_is_never_sent_again_by_itself(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(campaign(description="d", settings="{A: b}"))
            cut(world, "run-on-things")
            seen: list[Outcome] = []
            await world.run(await world.make_plan(FULL), seen.append)
            [things] = [o for o in seen if o.step.operation.name == "run-on-things"]
            assert things.status is OutcomeStatus.UNKNOWN
            restore(world)
            assert await world.plan(FULL) == []
            assert await codes(world, FULL) == ["unknown-outcome"]
            assert "run-on-things" in await world.plan(FULL, reassert=True)

    run(body())


def cut(world: World, operation: str) -> None:
    """The server does it, and the answer is lost."""
    from reconciler.errors import Unclear

    real = type(world.provider.writes).run

    async def run_step(step: Step, bindings: Bindings) -> Result:
        result = await real(world.provider.writes, step, bindings)
        if step.operation.name == operation:
            raise Unclear("cut", request=operation)
        return result

    world.provider.writes.run = run_step  # type: ignore[method-assign]


def restore(world: World) -> None:
    del world.provider.writes.run  # type: ignore[method-assign]
