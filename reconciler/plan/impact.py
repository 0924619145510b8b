"""What a plan means for devices and for the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final

from reconciler.diff import REMOVED_CAMPAIGN, CampaignDiff, Diff, Removal, Run
from reconciler.model import (
    Action,
    Change,
    DesiredCampaign,
    GatewayChange,
    Live,
    Operation,
    Phase,
    ResourceId,
    SchedulePhase,
    StartCampaign,
    StepGroup,
    StopCampaign,
    Verb,
    several,
    sorted_ids,
)
from reconciler.plan.model import CampaignImpact, Impact, PlannedWindow
from reconciler.providers.base import Field

_WINDOWS: Final = 12
"""How many windows of a campaign are told."""


def impact(difference: Diff, planned: Sequence[CampaignDiff], groups: Sequence[StepGroup]) -> Impact:
    """Exact counts for each campaign that a plan touches, and what the plan asks of the server."""
    verbs: dict[ResourceId, set[Verb]] = {}
    for group in groups:
        found = verbs.setdefault(group.action.resource, set())
        if not stands_or_goes_on(group.action):
            found.add(group.action.verb)
    shared = _shared(planned, difference.untargeted)
    touched = [
        _of_campaign(found, verbs[found.desired.resource], shared.get(found.desired.resource, {}))
        for found in planned
        if found.desired.resource in verbs
    ]
    touched += [
        _of_removal(removal, verbs[removal.owned.resource])
        for removal in difference.removals
        if removal.owned.resource in verbs
    ]
    return Impact(
        campaigns=tuple(sorted(touched, key=lambda row: row.resource)),
        requests=sum(len(group) * (1 + len(group.also)) for group in groups),
        permissions=_permissions(each for group in groups for each in (group.operation, *group.also)),
    )


def stands_or_goes_on(action: Action) -> bool:
    """Whether it stops or starts what an earlier revision is in: that is no start or stop of its campaign."""
    return isinstance(action, StartCampaign | StopCampaign) and action.predecessor


def with_reads(found: Impact, reads: Iterable[str], operations: Mapping[str, Operation]) -> Impact:
    """The same with what the `reads` that were made for the plan need: names of `operations`, or others."""
    needed = _permissions(operations[name] for name in reads if name in operations)
    return replace(found, permissions=tuple(sorted({*found.permissions, *needed})))


def _permissions(operations: Iterable[Operation]) -> tuple[str, ...]:
    return tuple(sorted({name for each in operations for name in each.permissions}))


def with_removed(found: Impact, live: Live) -> Impact:
    """The same with the gateways of campaigns that are deleted: they are read once the plan is known."""
    rows = []
    for row in found.campaigns:
        there = live.campaigns.get(row.resource) if row.deleted else None
        rows.append(replace(row, lost=len(there.gateways)) if there and there.gateways else row)
    return replace(found, campaigns=tuple(rows))


def telling_removed(changes: Iterable[Change], found: Impact, live: Live) -> tuple[Change, ...]:
    """`changes`, and after each campaign that is deleted who was in it.

    That is told, and no guard asks: of those who leave a campaign that stays, one does.
    """
    deleted = {row.resource for row in found.campaigns if row.deleted}
    told = []
    for change in changes:
        told.append(change)
        there = live.campaigns.get(change.resource) if change.field == REMOVED_CAMPAIGN else None
        if there and there.gateways and change.resource in deleted:
            left = GatewayChange(len(there.gateways), 0, lost=sorted_ids(there.gateways))
            told.append(replace(change, field=Field.GATEWAYS, before=None, gateways=left))
    return tuple(told)


def _of_campaign(found: CampaignDiff, verbs: set[Verb], shared: Mapping[ResourceId, int]) -> CampaignImpact:
    bracket = {Verb.START, Verb.STOP} <= verbs
    again = bool(found.successor) and found.live is not None and found.live.phase is Phase.RUNNING
    begins = found.successor if found.desired.revised else None
    return CampaignImpact(
        resource=found.desired.resource,
        name=found.desired.name,
        gained=len(begins.gained if begins else found.gained),
        lost=len(found.lost),
        created=found.create,
        starts=Verb.START in verbs and not bracket and not (again and not begins),
        stops=Verb.STOP in verbs and not bracket,
        interrupted=bracket,
        replaced=tuple(name.value for name in found.replaced),
        ends=sum(1 for each in found.formers if each.live and not each.ended and not each.staying)
        if Verb.END in verbs
        else 0,
        revision=begins is not None,
        stay=len(found.desired.staying),
        shared=shared,
        place=found.desired.place,
        windows=_windows(found.desired),
    )


def _windows(campaign: DesiredCampaign) -> tuple[PlannedWindow, ...]:
    order = {phase: number for number, phase in enumerate(SchedulePhase)}
    told = {
        (order[phase], window, assignment.timezone or "")
        for assignment in campaign.schedules or ()
        for phase, window in assignment.windows.items()
    }
    phases = list(SchedulePhase)
    return tuple(
        PlannedWindow(phases[at].value, window.begin, window.end, zone or None)
        for at, window, zone in sorted(told)[:_WINDOWS]
    )


def _of_removal(removal: Removal, verbs: set[Verb]) -> CampaignImpact:
    return CampaignImpact(
        resource=removal.owned.resource,
        name=removal.live.name,
        deleted=True,
        stops=Verb.STOP in verbs,
    )


def _shared(
    campaigns: Iterable[CampaignDiff], untargeted: Mapping[ResourceId, frozenset[str]]
) -> Mapping[ResourceId, Mapping[ResourceId, int]]:
    """Campaign → other campaign that runs, or will → how many of the gateways it gains are in both."""
    campaigns = tuple(campaigns)
    running = {c.desired.resource: c.desired.gateways or frozenset() for c in campaigns if _runs(c)}
    gaining = [found for found in campaigns if found.gained]
    having = {**untargeted, **running}
    waiting = (frozenset(f.gained) for f in gaining if f.desired.resource not in running)
    repeated = several((*having.values(), *waiting)) if gaining else frozenset[str]()
    joining: dict[str, list[int]] = {}
    """Gateway → who gains it, by their place in `gaining`."""
    for at, found in enumerate(gaining if repeated else ()):
        for gateway in repeated.intersection(found.gained):
            joining.setdefault(gateway, []).append(at)
    shared: dict[ResourceId, dict[ResourceId, int]] = {}
    for other, gateways in having.items() if joining else ():
        both = (joining[gateway] for gateway in repeated & gateways if gateway in joining)
        for at, count in Counter(chain.from_iterable(both)).items():
            if (resource := gaining[at].desired.resource) != other:
                shared.setdefault(resource, {})[other] = count
    return shared


def _runs(found: CampaignDiff) -> bool:
    """Whether the campaign runs once the plan is done."""
    runs = found.live is not None and found.live.phase is Phase.RUNNING
    return found.transition.run is Run.START or (runs and found.transition.run is Run.KEEP)
