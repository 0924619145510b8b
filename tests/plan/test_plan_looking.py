"""What a look at rollouts sends by itself, and what it leaves to a reviewed apply."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.model import (
    Change,
    Finding,
    GatewayChange,
    Need,
    OnRemove,
    Place,
    Reason,
    ResourceId,
    RolloutRecord,
    RolloutStatus,
    Severity,
    StepGroup,
    Verb,
)
from reconciler.plan import Plan
from reconciler.plan.looking import LEFT, only_rollouts
from reconciler.plan.model import CampaignImpact, Impact
from reconciler.rollout.situation import Wait, WaitFor
from reconciler.rollout.views import RolloutView, WavePhase, WaveView
from reconciler.state.base import (
    BracketClosed,
    CampaignForgotten,
    CampaignOwned,
    Event,
    FieldApplied,
    MembersApplied,
    MembersForgotten,
    OnRemoveSet,
    Origin,
    Owned,
    PredecessorEnded,
    PredecessorForgotten,
    RolloutNoted,
    State,
    StatusSet,
)
from tests.actions import action
from tests.fakes import PULSE, rid
from tests.memory_provider import SERVER
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


# --- each rule by itself, of plans made by hand ---------------------------------------------------------

LINE, OTHER = rid("line"), rid("other")
HELD_UP = RolloutView(LINE, "careful", RolloutStatus.PROGRESSING, 10, 2, place=Place("line.yaml", 3, 1))


def rolled(verb: Verb, resource: ResourceId = LINE, **values: Any) -> StepGroup:
    needs = values.pop("needs", ())
    made = action(verb, resource, **values)
    lowered = PULSE.lower(made)
    key = f"{verb.value}:{resource.name}"
    return StepGroup(key, made, lowered.operation, lowered.per_call, tuple(map(Need, needs)), lowered.also)


def looked(
    *groups: StepGroup,
    views: Sequence[RolloutView] = (HELD_UP,),
    before: RolloutRecord | None = None,
    **values: Any,
) -> Plan:
    owned = {LINE: Owned(LINE, "1", Origin.CREATED, rollout=before)}
    state = State("lineage", "5a17", campaigns=owned)
    return only_rollouts(Plan(SERVER, groups, rollouts=tuple(views), **values), state)


def keys(plan: Plan) -> list[str]:
    return [group.key for group in plan.groups]


JOIN = rolled(Verb.ADD, gateways=("a", "b"), by_wave=True)
FIRST = replace(HELD_UP, opens=1, joins=2)
THAW = {"before": RolloutRecord(frozen=True), "records": (RolloutNoted(LINE, RolloutRecord(frozen=False)),)}

SENT: list[tuple[StepGroup, dict[str, Any], bool]] = [
    (JOIN, {}, True),
    (rolled(Verb.ADD, gateways=("a", "b")), {}, False),
    (rolled(Verb.REMOVE, gateways=("a",)), {}, False),
    (rolled(Verb.EDIT), {}, False),
    (rolled(Verb.CREATE), {}, False),
    (rolled(Verb.DISTRIBUTE), {}, False),
    (rolled(Verb.APPROVE), {}, False),
    # a start: the first wave joins, or joined and never ran; or a freeze is over
    (rolled(Verb.START), {}, False),
    (rolled(Verb.START), {"views": [FIRST]}, True),
    (rolled(Verb.START), {"views": [replace(HELD_UP, opens=2)]}, False),
    (rolled(Verb.START), {"before": RolloutRecord(wave=1)}, True),
    (rolled(Verb.START), {"before": RolloutRecord(wave=0)}, False),
    (rolled(Verb.START), {"before": RolloutRecord(wave=1, since=5)}, False),
    (rolled(Verb.START), THAW, True),
    (rolled(Verb.START), {**THAW, "before": RolloutRecord(frozen=False)}, False),
    (rolled(Verb.START), {**THAW, "before": None}, False),
    (rolled(Verb.START, target="1"), {"before": RolloutRecord(stopped=("1",))}, True),
    (rolled(Verb.START, target="1"), {"before": RolloutRecord(stopped=("2",))}, False),
    (rolled(Verb.START, target="1"), {"before": RolloutRecord(stopped=("1",), frozen=True)}, False),
    (rolled(Verb.START), {"before": RolloutRecord(frozen=True)}, False),
    (
        rolled(Verb.START),
        {**THAW, "records": (RolloutNoted(LINE, RolloutRecord(frozen=True)),)},
        False,
    ),
    # a stop: the policy wants it
    (rolled(Verb.STOP), {}, False),
    (rolled(Verb.STOP), {"views": [replace(HELD_UP, stops=True)]}, True),
    # a bracket is for those who join
    (rolled(Verb.STOP, bracket=True), {}, False),
    (rolled(Verb.START, bracket=True), {}, False),
    (rolled(Verb.STOP, bracket=True), {"views": [replace(HELD_UP, stops=True)]}, False),
]


@pytest.mark.parametrize(("group", "known", "sent"), SENT)
def test_what_a_look_sends_of_a_campaign_with_a_rollout(
    group: StepGroup, known: dict[str, Any], sent: bool
) -> None:
    plan = looked(group, **known)
    assert keys(plan) == ([group.key] if sent else [])
    assert len(left(plan)) == (not sent)
    # Of one without a rollout nothing is sent.
    plan = looked(group, **{**known, "views": ()})
    assert keys(plan) == []


@pytest.mark.parametrize("verb", [Verb.OVERRIDE, Verb.SCHEDULE, Verb.THINGS])
@pytest.mark.parametrize(("gateways", "sent"), [("a", True), ("ab", True), ("abc", False), ("c", False)])
def test_who_joins_gets_what_is_theirs(verb: Verb, gateways: str, sent: bool) -> None:
    single = rolled(verb, gateways=tuple(gateways))
    assert keys(looked(JOIN, single)) == ([JOIN.key, single.key] if sent else [])
    alone = looked(rolled(Verb.ADD, gateways=("a", "b")), single)
    assert keys(alone) == [], "nobody is let in by a wave"


def test_of_those_who_get_something_only_who_joins_is_let_in() -> None:
    """Whoever has a window isn't taken for one who joins."""
    single = rolled(Verb.SCHEDULE, gateways=("c",))
    assert keys(looked(single)) == []
    assert keys(looked(JOIN, single, rolled(Verb.OVERRIDE, gateways=("c",)))) == []


def test_a_bracket_goes_with_those_who_join() -> None:
    stop, start = rolled(Verb.STOP, bracket=True), rolled(Verb.START, bracket=True)
    assert keys(looked(stop, JOIN, start)) == [stop.key, JOIN.key, start.key]


@pytest.mark.parametrize("edited", [False, True])
def test_a_brake_needs_nothing_and_takes_nothing_with_it(edited: bool) -> None:
    stop = rolled(Verb.STOP, needs=["upload:x"])
    more = (rolled(Verb.EDIT, needs=[stop.key]),) if edited else ()
    changes = (
        Change(LINE, "status", "RUNNING", "STOPPED", Reason.DIFFERS),
        Change(LINE, "description", "a", "b", Reason.DIFFERS),
        Change(OTHER, "status", "a", "b", Reason.DIFFERS),
    )
    view = replace(HELD_UP, stops=True)
    plan = looked(stop, *more, views=[view], changes=changes, declares={LINE: {"name": "line"}})
    assert plan.groups == (replace(stop, needs=()),)
    assert plan.changes == changes[:1]
    assert plan.declares == {}
    assert left(plan) == [
        "Campaign/line differs in description: that is left to an apply",
        "Campaign/other differs in status: that is left to an apply",
    ]


@pytest.mark.parametrize("verb", [Verb.STOP, Verb.START])
def test_a_brake_alone_leaves_nothing(verb: Verb) -> None:
    view = replace(HELD_UP, stops=verb is Verb.STOP)
    status = Change(LINE, "status", "a", "b", Reason.DIFFERS)
    brake = rolled(verb, needs=["upload:x"])
    plan = looked(brake, views=[view], changes=(status,), **THAW)
    assert (keys(plan), plan.changes, left(plan)) == ([brake.key], (status,), [])


def test_what_needs_something_that_is_not_sent_is_not_sent_either() -> None:
    """Nor what needs that in turn."""
    upload = rolled(Verb.UPLOAD, rid("firmware"))
    second = replace(JOIN, key="second", action=replace(JOIN.action, resource=OTHER), needs=(Need(JOIN.key),))
    views = [HELD_UP, replace(HELD_UP, resource=OTHER)]
    held = replace(JOIN, needs=(Need(upload.key),))
    assert keys(looked(upload, held, second, views=views)) == []
    assert keys(looked(JOIN, second, views=views)) == [JOIN.key, "second"]
    within = rolled(Verb.SCHEDULE, gateways=("a",), needs=[JOIN.key])
    assert keys(looked(JOIN, within)) == [JOIN.key, within.key]


# --- what the plan then says ----------------------------------------------------------------------------


def moved(gained: str, lost: str = "") -> Change:
    change = GatewayChange(2, 2 + len(gained) - len(lost), tuple(gained), tuple(lost))
    return Change(LINE, "gateways", None, None, Reason.DIFFERS, change)


@pytest.mark.parametrize(
    ("change", "released"),
    [
        (moved("ab"), True),
        (moved("a"), True),
        (moved("abc"), False),
        (moved("ab", "c"), False),
        (Change(LINE, "schedules", None, None, Reason.DIFFERS, members=("a", "b")), True),
        (Change(LINE, "schedules", None, None, Reason.DIFFERS, members=("a", "c")), False),
        (Change(LINE, "status", "a", "b", Reason.DIFFERS), True),
        (Change(LINE, "name", "a", "b", Reason.DIFFERS), False),
    ],
)
def test_a_change_is_about_those_who_join_or_is_left(change: Change, released: bool) -> None:
    plan = looked(JOIN, changes=(change,), declares={LINE: {"name": "line"}})
    assert keys(plan) == ([JOIN.key] if released else [])
    assert plan.changes == ((change,) if released else ())
    assert plan.declares == ({LINE: {"name": "line"}} if released else {})
    assert bool(left(plan)) is not released


RECORD = RolloutRecord(wave=1, since=5)


@pytest.mark.parametrize(
    ("record", "sent"),
    [
        (RolloutNoted(LINE, RolloutRecord(wave=2)), True),
        (RolloutNoted(LINE, None), False),
        (StatusSet(LINE, None), True),
        (BracketClosed(LINE), True),
        (FieldApplied(LINE, "callbacks", None), True),
        (MembersApplied(LINE, "members", "added", ("a",)), True),
        (MembersForgotten(LINE, ("a",)), True),
        (CampaignForgotten(LINE), False),
        (PredecessorForgotten(LINE, "0"), True),
        (PredecessorEnded(LINE, "0"), True),
        (OnRemoveSet(LINE, OnRemove.DELETE), False),
        (CampaignOwned(Owned(LINE, "1", Origin.ADOPTED)), False),
    ],
)
def test_what_the_state_learns_of_more_than_the_rollout_is_left(record: Event, sent: bool) -> None:
    plan = looked(JOIN, records=(record,))
    assert keys(plan) == ([JOIN.key] if sent else [])
    assert (record in plan.records) is sent


@pytest.mark.parametrize(
    ("before", "now", "noted"),
    [
        # held up: always
        (None, replace(RECORD, status=RolloutStatus.ABORTED), "now"),
        (None, replace(RECORD, status=RolloutStatus.PAUSED), "now"),
        (RECORD, replace(RECORD, wave=2, status=RolloutStatus.ABORTED), "now"),
        # what nobody knew of it is learned by the apply that sends it
        (None, RECORD, ""),
        # how it stands, while no wave opens and nothing else is rolled out
        (RECORD, replace(RECORD, reached=9), "now"),
        (RECORD, RECORD, ""),
        (RECORD, replace(RECORD, wave=2), ""),
        (RECORD, replace(RECORD, revision="x", reached=9), ""),
        # and that a freeze holds
        (RECORD, replace(RECORD, wave=2, frozen=True, stopped=("1",)), "frozen"),
    ],
)
def test_of_one_that_is_left_only_how_it_stands_is_noted(
    before: RolloutRecord | None, now: RolloutRecord, noted: str
) -> None:
    plan = looked(rolled(Verb.EDIT), before=before, records=(RolloutNoted(LINE, now),))
    expected = {"now": [now], "frozen": [replace(RECORD, frozen=True, stopped=("1",))], "": []}[noted]
    assert [each.rollout for each in plan.records if isinstance(each, RolloutNoted)] == expected


@pytest.mark.parametrize(
    ("view", "said", "severity"),
    [
        (HELD_UP, "", Severity.NOTE),
        (replace(HELD_UP, opens=2), "; nobody joins it before", Severity.WARNING),
        (replace(HELD_UP, joins=1), "; nobody joins it before", Severity.WARNING),
    ],
)
def test_what_is_left_is_named_where_it_is_declared(view: RolloutView, said: str, severity: Severity) -> None:
    fields = ["name", "packages", "name", "description", "status", "settings.a"]
    changes = tuple(Change(LINE, name, "a", "b", Reason.DIFFERS) for name in fields)
    plan = looked(rolled(Verb.EDIT), views=[view], changes=changes)
    (finding,) = (each for each in plan.findings if each.code == LEFT)
    assert finding == Finding(
        LEFT,
        f"Campaign/line differs in name, packages, description, status, …: that is left to an apply{said}",
        Place("line.yaml", 3, 1),
        "run `reconciler apply` without --rollouts-only, as after a merge",
        LINE,
        severity,
    )
    plan = looked(rolled(Verb.EDIT), views=[view], changes=changes[1:5])
    assert left(plan) == [
        f"Campaign/line differs in packages, name, description, status: that is left to an apply{said}"
    ]


def test_where_no_field_differs_the_calls_are_named() -> None:
    assert left(looked(rolled(Verb.EDIT), rolled(Verb.DISTRIBUTE))) == [
        "Campaign/line differs in edit, distribute: that is left to an apply"
    ]


def test_a_wave_that_waits_for_the_apply_is_not_counted() -> None:
    waves = (
        WaveView("one", 2, phase=WavePhase.OPEN),
        WaveView("two", 3, phase=WavePhase.OPENS),
        WaveView("three", 5, phase=WavePhase.LATER),
    )
    view = replace(HELD_UP, wave=2, opens=2, joins=3, waves=waves, waits=(Wait(WaitFor.SOAK),), next_look=7)
    plan = looked(JOIN, rolled(Verb.EDIT), views=[view], before=RolloutRecord(wave=1))
    waiting = replace(
        view,
        wave=1,
        opens=0,
        joins=0,
        waves=(waves[0], replace(waves[1], phase=WavePhase.LATER), waves[2]),
        waits=(Wait(WaitFor.SOAK), Wait(WaitFor.APPLY)),
        next_look=None,
    )
    assert plan.rollouts == (waiting,)
    assert looked(JOIN, rolled(Verb.EDIT), views=[view]).rollouts == (replace(waiting, wave=0),)
    # One that releases nobody stands as it stood, and so does one that is sent.
    idle = replace(view, opens=0, joins=0)
    assert looked(rolled(Verb.EDIT), views=[idle], before=RolloutRecord(wave=1)).rollouts == (idle,)
    assert looked(JOIN, views=[view], before=RolloutRecord(wave=1)).rollouts == (view,)


@pytest.mark.parametrize("released", [False, True])
def test_the_impact_is_that_of_what_is_sent(released: bool) -> None:
    row = CampaignImpact(LINE, "line", gained=2, stops=True, starts=True, place=Place("line.yaml", 1, 1))
    other = CampaignImpact(OTHER, "other", gained=5)
    join = replace(JOIN, per_call=1)
    stop = rolled(Verb.STOP)
    groups = (stop, join) if released else (stop, join, rolled(Verb.EDIT))
    view = replace(HELD_UP, stops=True)
    plan = looked(*groups, views=[view], impact=Impact(campaigns=(row, other), requests=99))
    kept = row if released else CampaignImpact(LINE, "line", stops=True, place=Place("line.yaml", 1, 1))
    assert plan.impact.campaigns == (kept,)
    assert plan.impact.requests == (3 if released else 1)
    permissions = {*stop.operation.permissions, *(join.operation.permissions if released else ())}
    assert plan.impact.permissions == tuple(sorted(permissions))


def test_calls_that_go_with_others_are_counted_and_asked_for() -> None:
    with_more = replace(JOIN, per_call=1, also=(rolled(Verb.DELETE).operation,))
    plan = looked(with_more)
    assert plan.impact.requests == 4
    assert set(rolled(Verb.DELETE).operation.permissions) <= set(plan.impact.permissions)
