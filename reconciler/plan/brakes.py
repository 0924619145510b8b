"""What of a plan holds rollouts up, which nothing may stand in the way of; and releases that came too late.

Tests: `tests/plan/test_plan_brakes.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from reconciler.model import (
    Finding,
    Live,
    RolloutRecord,
    RolloutStatus,
    StartCampaign,
    StopCampaign,
    of_former,
    target_of,
)
from reconciler.plan.model import Impact, Plan
from reconciler.plan.stale import CODE
from reconciler.providers.base import Facts, Stage
from reconciler.rollout.views import RolloutView
from reconciler.state.base import RolloutNoted
from reconciler.text import moment

_HELD_UP: Final = frozenset({RolloutStatus.ABORTED, RolloutStatus.PAUSED})
_JUDGED: Final = frozenset({RolloutStatus.PROGRESSING, RolloutStatus.PAUSED})
"""A look at one of these may abort it."""


def brakes(plan: Plan) -> Plan:
    """Only the stops that policies want, and what the state learns of rollouts that don't go on."""
    stopped = {view.resource for view in plan.rollouts if view.stops}
    groups = tuple(
        replace(group, needs=())
        for group in plan.groups
        if isinstance(group.action, StopCampaign) and group.action.resource in stopped
    )
    records = tuple(
        # What gateways are to have of their own is released by the apply that sends it.
        replace(record, rollout=replace(record.rollout, own=""))
        for record in plan.records
        if isinstance(record, RolloutNoted) and record.rollout
        if record.resource in stopped or _holds_up(record.rollout)
    )
    changes = tuple(change for change in plan.changes if change.resource in stopped)
    impact = Impact(requests=sum(map(len, groups)))
    return replace(
        plan, groups=groups, records=records, changes=changes, impact=impact, guards=(), declares={}
    )


def _holds_up(record: RolloutRecord) -> bool:
    # Recorded before it is sent, else the stop for a freeze would be taken for a person's.
    return record.status in _HELD_UP or record.frozen


def releasing(plan: Plan) -> Iterator[RolloutView]:
    """The rollouts of which `plan` lets devices begin: somebody joins, or the campaign starts."""
    started = {
        group.action.resource
        for group in plan.groups
        if isinstance(group.action, StartCampaign)
        and not group.action.bracket
        and not of_former(group.action)
    }
    for view in plan.rollouts:
        if view.joins or (view.resource in started and view.status in _JUDGED):
            yield view


def overtaken(plan: Plan, live: Live, facts: Facts, now: int) -> Iterator[Finding]:
    """A finding for each release that no longer holds: more failed, or the calendar has closed."""
    joining = {view.resource for view in plan.rollouts if view.joins and view.open_until is not None}
    ends = {
        group.action.resource: group.not_after
        for group in plan.groups
        if group.not_after is not None and group.action.resource not in joining
    }
    for resource, end in sorted(ends.items()):
        if end <= now:
            yield Finding(CODE, f"{resource}: the calendar closed at {moment(end)}", resource=resource)
    targets = {
        group.action.resource: target_of(group.action) for group in plan.groups if not of_former(group.action)
    }
    for view in releasing(plan):
        if view.joins and view.open_until is not None and view.open_until <= now:
            message = f"{view.where}: the calendar closed at {moment(view.open_until)}"
            yield Finding(CODE, message, resource=view.resource)
        target = targets.get(view.resource)
        there = live.by_id.get(target) if target else None
        failed = 0
        if there is not None and there.gateways is not None:
            states = there.gateways.states.items()
            failed = sum(len(members) for state, members in states if facts.stage(state) is Stage.FAILED)
        if failed > view.all_failed:
            message = f"{view.where}: {failed:,} failed by now, and {view.all_failed:,} when it was planned"
            yield Finding(CODE, message, resource=view.resource)
