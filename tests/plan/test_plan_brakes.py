"""What holds rollouts up goes out alone; a release that came too late is refused."""

from dataclasses import replace

import pytest

from reconciler.model import (
    Change,
    Finding,
    Live,
    LiveCampaign,
    Membership,
    Need,
    Phase,
    Reason,
    RolloutRecord,
    RolloutStatus,
    StartCampaign,
    StepGroup,
    StopCampaign,
)
from reconciler.plan.brakes import brakes, overtaken, releasing
from reconciler.plan.model import CampaignImpact, GuardTrip, Impact, Plan
from reconciler.rollout.views import RolloutView, WaveView
from reconciler.state.base import Event, RolloutNoted, StatusSet
from reconciler.text import moment
from tests.fakes import NOW, PULSE, rid

LINE, OTHER = rid("line"), rid("other")


def group(action: StopCampaign | StartCampaign) -> StepGroup:
    return StepGroup(f"{action.verb}:{action.resource.name}", action, PULSE.lower(action).operation)


def plan(server: object, **parts: object) -> Plan:
    return replace(Plan(server), **parts)  # type: ignore[arg-type]


START = group(StartCampaign(LINE, Reason.WANTS_STARTED, "1"))


def test_only_what_holds_up_is_left() -> None:
    stop = group(StopCampaign(LINE, Reason.WANTS_STOPPED, "1"))
    groups = (
        replace(stop, needs=(Need("start:other"),)),
        group(StopCampaign(OTHER, Reason.WANTS_STOPPED, "2")),
        group(StartCampaign(OTHER, Reason.WANTS_STARTED, "2")),
    )
    aborted = RolloutNoted(LINE, RolloutRecord(status=RolloutStatus.ABORTED))
    made = plan(
        None,
        groups=groups,
        records=(aborted, RolloutNoted(OTHER, RolloutRecord(wave=2)), StatusSet(OTHER, None)),
        rollouts=(
            RolloutView(LINE, "p", RolloutStatus.ABORTED, 5, 5, stops=True),
            RolloutView(OTHER, "p", RolloutStatus.PROGRESSING, 5, 5),
        ),
        guards=(GuardTrip("maxDeletes", "too many"),),
    )
    left = brakes(made)
    assert left.groups == (stop,), "it waits for nothing that isn't sent"
    assert left.records == (aborted,)
    assert not left.tripped


@pytest.mark.parametrize(
    ("failed", "until", "joins", "said"),
    [
        (2, None, 5, []),
        (3, None, 5, ["3 failed by now, and 2 when it was planned"]),
        (2, NOW, 5, ["the calendar closed"]),
        (2, NOW + 1, 5, []),
        (9, NOW, 0, ["9 failed by now, and 2 when it was planned"]),
        (2, NOW, 0, []),
    ],
)
def test_a_release_that_came_too_late(failed: int, until: int | None, joins: int, said: list[str]) -> None:
    states = {"FAILED": frozenset(f"gw-{n}" for n in range(failed))}
    live = LiveCampaign("1", "line", "STARTED", Phase.RUNNING, gateways=Membership(states))
    view = RolloutView(
        LINE, "p", RolloutStatus.PROGRESSING, 9, 4, joins=joins, all_failed=2, open_until=until
    )
    made = plan(None, groups=(group(StartCampaign(LINE, Reason.WANTS_STARTED, "1")),), rollouts=(view,))
    found = list(overtaken(made, Live(by_id={"1": live}), PULSE, NOW))
    assert [text for text in said for each in found if text in each.message] == said
    assert len(found) == len(said)


@pytest.mark.parametrize(("now", "late"), [(NOW - 1, False), (NOW, True)])
def test_what_reaches_devices_after_the_calendar_closed_is_stale(now: int, late: bool) -> None:
    start = replace(group(StartCampaign(LINE, Reason.WANTS_STARTED, "1")), not_after=NOW)
    stop = group(StopCampaign(OTHER, Reason.WANTS_STOPPED, "2"))
    found = list(overtaken(plan(None, groups=(stop, start)), Live(), PULSE, now))
    assert [(each.code, each.resource) for each in found] == ([("stale-plan", LINE)] if late else [])


def test_a_plan_of_brakes_is_about_nothing_else() -> None:
    stop = group(StopCampaign(LINE, Reason.WANTS_STOPPED, "1"))
    status = Change(LINE, "status", "STARTED", "STOPPED", Reason.WANTS_STOPPED)
    made = plan(
        None,
        groups=(replace(stop, needs=(Need("start:other"),)), replace(stop, key="start", action=START.action)),
        changes=(status, replace(status, resource=OTHER)),
        rollouts=(RolloutView(LINE, "p", RolloutStatus.ABORTED, 5, 5, stops=True),),
        guards=(GuardTrip("maxDeletes", "too many"),),
        impact=Impact(requests=7, campaigns=(CampaignImpact(LINE, "line", gained=2),)),
        declares={LINE: {"name": "line"}},
    )
    assert brakes(made) == replace(
        made, groups=(stop,), changes=(status,), guards=(), impact=Impact(requests=1), declares={}
    )
    assert brakes(made).declares == {}


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        (RolloutNoted(LINE, RolloutRecord(status=RolloutStatus.ABORTED)), True),
        (RolloutNoted(LINE, RolloutRecord(status=RolloutStatus.PAUSED)), True),
        (RolloutNoted(LINE, RolloutRecord(frozen=True)), True),
        (RolloutNoted(LINE, RolloutRecord()), False),
        (RolloutNoted(LINE, RolloutRecord(status=RolloutStatus.COMPLETE)), False),
        (RolloutNoted(LINE, None), False),
        (StatusSet(LINE, None), False),
    ],
)
def test_of_records_those_are_left_that_hold_up(record: Event, kept: bool) -> None:
    assert brakes(plan(None, records=(record,))).records == ((record,) if kept else ())


JOINING = RolloutView(
    LINE, "p", RolloutStatus.PROGRESSING, 9, 4, joins=5, all_failed=2, waves=(WaveView("first", 9),), wave=1
)


def told(*groups: StepGroup, view: RolloutView, live: Live, now: int = NOW) -> list[Finding]:
    return list(overtaken(plan(None, groups=groups, rollouts=(view,)), live, PULSE, now))


def failing(count: int, gateways: bool = True) -> Live:
    states = {"FAILED": frozenset(f"gw-{n}" for n in range(count)), "INSTANTIATED": frozenset(["x"])}
    members = Membership(states) if gateways else None
    return Live(by_id={"1": LiveCampaign("1", "line", "STARTED", Phase.RUNNING, gateways=members)})


def test_what_came_too_late_is_said_once_and_whole() -> None:
    failed = Finding(
        "stale-plan", "wave 1 of 1 (first): 3 failed by now, and 2 when it was planned", resource=LINE
    )
    assert told(START, view=JOINING, live=failing(3)) == [failed]
    assert told(START, view=JOINING, live=failing(2)) == []
    assert told(START, view=JOINING, live=failing(3, gateways=False)) == []
    assert told(START, view=JOINING, live=Live()) == []
    assert told(START, view=JOINING, live=Live(by_id={"1": None})) == []
    assert told(view=JOINING, live=failing(3)) == [], "nothing of the plan is about it"
    closed = Finding(
        "stale-plan", f"wave 1 of 1 (first): the calendar closed at {moment(NOW)}", resource=LINE
    )
    joining = replace(JOINING, open_until=NOW)
    late = replace(START, not_after=NOW - 5)
    assert told(late, view=joining, live=failing(3)) == [closed, failed]


@pytest.mark.parametrize(
    ("start", "status", "stale"),
    [
        (START, RolloutStatus.PROGRESSING, True),
        (START, RolloutStatus.PAUSED, True),
        (START, RolloutStatus.ABORTED, False),
        (START, RolloutStatus.COMPLETE, False),
        (replace(START, action=replace(START.action, bracket=True)), RolloutStatus.PROGRESSING, False),
        (replace(START, action=replace(START.action, predecessor=True)), RolloutStatus.PROGRESSING, False),
        (group(StartCampaign(OTHER, Reason.WANTS_STARTED, "2")), RolloutStatus.PROGRESSING, False),
    ],
)
def test_a_start_lets_those_begin_who_are_in(start: StepGroup, status: RolloutStatus, stale: bool) -> None:
    view = replace(JOINING, joins=0, status=status)
    assert bool(told(start, view=view, live=failing(3))) == stale
    assert list(releasing(plan(None, groups=(start,), rollouts=(view,)))) == ([view] if stale else [])


def test_failures_are_counted_where_gateways_join_and_not_in_what_is_replaced() -> None:
    former = replace(START, action=replace(START.action, target="0", predecessor=True))
    assert told(START, former, view=JOINING, live=failing(3))


def test_what_has_an_end_of_its_own_is_said_in_the_order_of_names() -> None:
    said = f"Campaign/line: the calendar closed at {moment(NOW)}"
    ends = Finding("stale-plan", said, resource=LINE)
    line = replace(START, not_after=NOW)
    stop = replace(group(StopCampaign(OTHER, Reason.WANTS_STOPPED, "2")), not_after=NOW)
    found = told(stop, line, view=JOINING, live=Live())
    assert found[0] == ends
    assert [each.resource for each in found] == [LINE, OTHER]
    assert told(line, view=JOINING, live=Live(), now=NOW - 1) == []
    assert told(line, view=replace(JOINING, open_until=NOW, joins=0), live=Live()) == [ends]
