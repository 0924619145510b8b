"""What holds rollouts up goes out alone; a release that came too late is refused."""

from dataclasses import replace

import pytest

from reconciler.model import (
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
from reconciler.plan.brakes import brakes, overtaken
from reconciler.plan.model import GuardTrip, Plan
from reconciler.rollout.views import RolloutView
from reconciler.state.base import RolloutNoted, StatusSet
from tests.fakes import NOW, PULSE, rid

LINE, OTHER = rid("line"), rid("other")


def group(action: StopCampaign | StartCampaign) -> StepGroup:
    return StepGroup(f"{action.verb}:{action.resource.name}", action, PULSE.lower(action).operation)


def plan(server: object, **parts: object) -> Plan:
    return replace(Plan(server), **parts)  # type: ignore[arg-type]


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
        (9, NOW, 0, []),
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
