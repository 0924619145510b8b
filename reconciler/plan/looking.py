"""What of a plan a look at rollouts sends by itself: everything else is for a reviewed apply.

| of a campaign                                                   | is sent                      |
|-----------------------------------------------------------------|------------------------------|
| a stop that its policy wants: it is aborted, or a freeze holds   | always                       |
| the start when the freeze that stopped it is over                | always                       |
| gateways that join, with what is theirs alone, and the first start | where nothing else differs |
| what is theirs alone and a killed run didn't send, and the start it owes | where nothing else differs |
| that they leave earlier revisions, and the end of one that is empty | where nothing else differs |
| a way back that never ran, whole: uploads, its creation, its first start | where it takes somebody back |
| anything else                                                   | never; it is named           |

What was reviewed of a way back is that it begins when its time has come, so that belongs to the look.

Tests: `tests/plan/test_plan_looking.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from reconciler.model import (
    Action,
    AddGateways,
    AssignPackages,
    Change,
    DesiredCampaign,
    DesiredStatus,
    EndCampaign,
    Finding,
    RemoveGateways,
    ResourceId,
    RolloutRecord,
    RolloutStatus,
    RunOnThings,
    ScheduleWindow,
    Severity,
    StartCampaign,
    StepGroup,
    StopCampaign,
    UploadPackage,
    Verb,
)
from reconciler.plan.impact import stands_or_goes_on
from reconciler.plan.model import CampaignImpact, Impact, Plan
from reconciler.providers.base import Field
from reconciler.rollout.situation import Wait, WaitFor
from reconciler.rollout.views import RolloutView, WavePhase
from reconciler.state.applied import ROLLBACK, schedule_field
from reconciler.state.base import (
    BracketClosed,
    Event,
    FieldApplied,
    MembersApplied,
    MembersForgotten,
    PredecessorEnded,
    PredecessorForgotten,
    RolloutNoted,
    State,
    StatusSet,
)

LEFT: Final = "left-to-apply"
"""The code of the finding that something differs which a look doesn't send."""
_HELD_UP: Final = frozenset({RolloutStatus.ABORTED, RolloutStatus.PAUSED})
_FIELDS: Final = 4


def only_rollouts(plan: Plan, state: State, ways_back: Collection[DesiredCampaign] = ()) -> Plan:
    """`plan` without all that a look at rollouts doesn't send by itself; pure.

    `ways_back`: those that take somebody back, or wait to.
    """
    return _Looking(plan, state, ways_back).plan()


class _Looking:
    def __init__(self, plan: Plan, state: State, ways_back: Collection[DesiredCampaign]) -> None:
        self._plan = plan
        self._back = frozenset(campaign.resource for campaign in ways_back)
        self._begins = frozenset(each.resource for each in ways_back if _never_ran(each, state))
        self._uploads = {g.key for g in plan.groups if isinstance(g.action, UploadPackage)}
        self._views = {view.resource: view for view in plan.rollouts}
        self._owned = state.campaigns
        self._before = {r: owned.rollout for r, owned in state.campaigns.items() if owned.rollout is not None}
        self._after = {each.resource: each.rollout for each in plan.records if isinstance(each, RolloutNoted)}
        self._groups: defaultdict[ResourceId, list[StepGroup]] = defaultdict(list)
        for group in plan.groups:
            self._groups[group.action.resource].append(group)
        self._changes: defaultdict[ResourceId, list[Change]] = defaultdict(list)
        for change in plan.changes:
            self._changes[change.resource].append(change)
        self._records: defaultdict[ResourceId, list[Event]] = defaultdict(list)
        for record in plan.records:
            if (resource := _about(record)) is not None:
                self._records[resource].append(record)

    def plan(self) -> Plan:
        released = self._released()
        brought = self._brought(released & self._begins)
        groups: list[StepGroup] = []
        for group in self._plan.groups:
            if group.action.resource in released or group.key in brought:
                groups.append(group)
            elif self._braking(group):
                groups.append(replace(group, needs=()))
        braked = {group.action.resource for group in groups} - released
        uploaded = {group.action.resource for group in groups if group.key in brought}
        touched = dict.fromkeys((*self._groups, *self._changes, *self._views))
        left = {r: self._left(r, brought) for r in touched if r not in released}
        left = {resource: fields for resource, fields in left.items() if fields}
        views = tuple(_waiting(view) if view.resource in left else view for view in self._plan.rollouts)
        views = tuple(self._as_before(view) for view in views)
        changes = tuple(
            change
            for change in self._plan.changes
            if change.resource in released
            or (change.resource in braked and change.field == Field.STATUS)
            or (change.resource in uploaded and change.resource not in left)
        )
        findings = (*self._plan.findings, *(self._named(*each) for each in sorted(left.items())))
        return replace(
            self._plan,
            groups=tuple(groups),
            changes=changes,
            records=tuple(self._noted(released)),
            findings=tuple(sorted(findings, key=Finding.sort_key)),
            impact=_impact(self._plan.impact, groups, released),
            declares={r: told for r, told in self._plan.declares.items() if r in released},
            rollouts=views,
        )

    # --- what is sent --------------------------------------------------------------------------

    def _released(self) -> frozenset[ResourceId]:
        """The campaigns of which nothing differs but who joins, and that need nothing that isn't sent."""
        known = (*self._views, *self._back)
        released = {resource for resource in known if resource in self._begins or self._in_sync(resource)}
        while True:
            keys = {group.key for resource in released for group in self._groups[resource]}
            keys |= self._brought(released & self._begins)
            needs = {r: {need.group for group in self._groups[r] for need in group.needs} for r in released}
            bound = {resource for resource, needed in needs.items() if not needed <= keys}
            if not bound:
                return frozenset(released)
            released -= bound

    def _brought(self, begins: Collection[ResourceId]) -> frozenset[str]:
        """The uploads that ways back which begin need."""
        needed = (need.group for r in begins for group in self._groups[r] for need in group.needs)
        return frozenset(self._uploads.intersection(needed))

    def _in_sync(self, resource: ResourceId) -> bool:
        if any(_structural(record) for record in self._records[resource]):
            return False
        groups = self._groups[resource]
        joining = frozenset(
            gateway
            for group in groups
            if isinstance(group.action, AddGateways) and self._by_look(group.action)
            for gateway in group.gateways
        )
        unfinished = (group.gateways for group in groups if self._unfinished(group))
        reached = joining.union(*unfinished)
        return all(self._of_release(group, reached) for group in groups) and all(
            _of_joining(change, reached if change.members else joining) for change in self._changes[resource]
        )

    def _unfinished(self, group: StepGroup) -> bool:
        """Whether it gives gateways that were released what they never got, though Git didn't change that."""
        resource, field = group.action.resource, _own_field(group.action)
        before, after = self._before.get(resource), self._record(resource)
        if field is None or before is None or after is None or not before.own or before.own != after.own:
            return False
        owned = self._owned.get(resource)
        recorded = owned.members.get(field, {}).values() if owned else ()
        return all(ids.isdisjoint(group.gateways) for ids in recorded)

    def _of_release(self, group: StepGroup, joining: frozenset[str]) -> bool:
        match group.action:
            case AddGateways():
                return self._by_look(group.action)
            case AssignPackages() | ScheduleWindow() | RunOnThings():
                return joining.issuperset(group.gateways)
            case RemoveGateways(moving=moving):
                return moving
            case EndCampaign(successor=successor):
                return successor is not None
            case StopCampaign(bracket=True) | StartCampaign(bracket=True):
                return bool(joining) or self._closes(group.action)
            case StartCampaign(resource):
                return self._first_start(resource) or self._thaws(group.action)
            case StopCampaign(resource):
                return resource in self._views and self._views[resource].stops
            case _:
                return False

    def _closes(self, action: Action) -> bool:
        """Whether it starts what a run stopped for a while, and was killed before it started it again."""
        owned = self._owned.get(action.resource)
        return isinstance(action, StartCampaign) and owned is not None and owned.return_to is not None

    def _by_look(self, action: AddGateways) -> bool:
        """Whether those who join are for a look to release: by a wave, or by a way back without waves."""
        return action.by_wave or action.resource in self._back

    def _braking(self, group: StepGroup) -> bool:
        match group.action:
            case StopCampaign(resource, bracket=False):
                return resource in self._views and self._views[resource].stops
            case StartCampaign(resource, bracket=False):
                return resource in self._views and self._thaws(group.action)
            case _:
                return False

    def _first_start(self, resource: ResourceId) -> bool:
        """Whether its first wave joins, or has joined without that it ever ran."""
        if resource not in self._views:
            return False
        view, record = self._views[resource], self._record(resource)
        return view.opens == 1 or (record is not None and record.wave > 0 and not record.since)

    def _thaws(self, start: StartCampaign) -> bool:
        """Whether a freeze is over for which we stopped it."""
        before, after = self._before.get(start.resource), self._record(start.resource)
        if before is None or after is None or after.frozen:
            return False
        return before.frozen or start.target in before.stopped

    def _record(self, resource: ResourceId) -> RolloutRecord | None:
        return self._after.get(resource, self._before.get(resource))

    # --- what the state learns -----------------------------------------------------------------

    def _noted(self, released: frozenset[ResourceId]) -> Iterator[Event]:
        for record in self._plan.records:
            resource = _about(record)
            if resource in released or _of_way_back(record):
                yield record
            elif isinstance(record, RolloutNoted) and record.rollout is not None:
                noted = self._alone(record.resource, record.rollout)
                if noted is not None and noted != self._before.get(record.resource):
                    yield RolloutNoted(record.resource, noted)

    def _alone(self, resource: ResourceId, record: RolloutRecord) -> RolloutRecord | None:
        """What is to be known of a campaign of which something else differs, too."""
        before = self._before.get(resource)
        record = replace(record, own=before.own if before else "")
        if before is None or record.status in _HELD_UP:
            return record if record.status in _HELD_UP else None
        if (record.wave, record.revision) == (before.wave, before.revision):
            return record
        # No wave opens here; the apply that sends a revision records it.
        return replace(before, frozen=record.frozen, stopped=record.stopped)

    # --- what is left --------------------------------------------------------------------------

    def _left(self, resource: ResourceId, brought: Collection[str]) -> Sequence[str]:
        """What differs of it and isn't sent; empty: nothing."""
        if (groups := self._groups[resource]) and all(group.key in brought for group in groups):
            return ()
        rest = [group for group in groups if not self._braking(group)]
        braked = len(rest) < len(self._groups[resource])
        fields = [
            change.field
            for change in self._changes[resource]
            if not (braked and change.field == Field.STATUS)
        ]
        if not fields and not rest:
            return ()
        return list(dict.fromkeys(fields)) or [group.action.verb.value for group in rest]

    def _named(self, resource: ResourceId, fields: Sequence[str]) -> Finding:
        view = self._views.get(resource)
        few = ", ".join(fields[:_FIELDS]) + (", …" if len(fields) > _FIELDS else "")
        held_up = view is not None and (view.opens or view.joins)
        waits = "; nobody joins it before" if held_up else ""
        return Finding(
            LEFT,
            f"{resource} differs in {few}: that is left to an apply{waits}",
            view.place if view else None,
            "run `reconciler apply` without --rollouts-only, as after a merge",
            resource,
            Severity.WARNING if held_up else Severity.NOTE,
        )

    def _as_before(self, view: RolloutView) -> RolloutView:
        """The wave that doesn't open now, not counted."""
        if not any(wait.reason is WaitFor.APPLY for wait in view.waits):
            return view
        before = self._before.get(view.resource)
        return replace(view, wave=before.wave if before else 0)


def _never_ran(campaign: DesiredCampaign, state: State) -> bool:
    """Whether a campaign that Git wants to run was never started."""
    owned = state.campaigns.get(campaign.resource)
    return campaign.status is DesiredStatus.STARTED and (owned is None or owned.status is None)


def _of_way_back(record: Event) -> bool:
    """Whether it says whom a way back takes: that is known before its first call, whoever makes it."""
    return isinstance(record, MembersApplied) and record.field == ROLLBACK


def _about(record: Event) -> ResourceId | None:
    found = getattr(record, "resource", None)
    if found is None:
        found = getattr(getattr(record, "owned", None), "resource", None)
    return found if isinstance(found, ResourceId) else None


def _own_field(action: Action) -> str | None:
    """The field that records which gateways got what an action gives to single ones."""
    match action:
        case AssignPackages():
            return Field.OVERRIDES
        case ScheduleWindow(phase=phase):
            return schedule_field(phase)
        case RunOnThings():
            return Field.THINGS
    return None


def _structural(record: Event) -> bool:
    """Whether it says more of a campaign than how its rollout stands."""
    if isinstance(record, RolloutNoted):
        return record.rollout is None
    told = StatusSet | BracketClosed | FieldApplied | MembersApplied | MembersForgotten
    return not isinstance(record, told | PredecessorEnded | PredecessorForgotten)


def _of_joining(change: Change, joining: frozenset[str]) -> bool:
    """Whether a change is about nobody but those who join."""
    if change.gateways is not None:
        return not change.gateways.lost and joining.issuperset(change.gateways.gained)
    if change.members:
        return joining.issuperset(change.members)
    return change.field == Field.STATUS


def _waiting(view: RolloutView) -> RolloutView:
    """`view` of a rollout that releases nobody before something else is applied."""
    if not (view.opens or view.joins):
        return view
    waves = tuple(
        replace(each, phase=WavePhase.LATER) if each.phase is WavePhase.OPENS else each for each in view.waves
    )
    waits = (*view.waits, Wait(WaitFor.APPLY))
    return replace(view, opens=0, joins=0, waves=waves, waits=waits, next_look=None)


def _impact(impact: Impact, groups: Iterable[StepGroup], released: frozenset[ResourceId]) -> Impact:
    kept = tuple(groups)
    told = (group.action for group in kept if not stands_or_goes_on(group.action))
    verbs = {(action.resource, action.verb) for action in told}
    rows = []
    for row in impact.campaigns:
        starts, stops = ((row.resource, verb) in verbs for verb in (Verb.START, Verb.STOP))
        if row.resource in released:
            rows.append(row)
        elif starts or stops:
            rows.append(CampaignImpact(row.resource, row.name, starts=starts, stops=stops, place=row.place))
    needed = {name for group in kept for each in (group.operation, *group.also) for name in each.permissions}
    return Impact(
        campaigns=tuple(rows),
        requests=sum(len(group) * (1 + len(group.also)) for group in kept),
        permissions=tuple(sorted(needed)),
    )
