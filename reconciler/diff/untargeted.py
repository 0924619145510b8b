"""Where a run is about some campaigns: what those can't do without the declared ones that are left alone.

| a targeted campaign …                                    | then                                           |
|----------------------------------------------------------|------------------------------------------------|
| gains gateways that a running one is to lose             | is left out of the plan: they must leave first |
| is to have the name of one that gives it up              | is left out of the plan                        |
| is not declared, and one left alone has its name now     | is not deleted: it moves                       |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from reconciler.diff.membership import diff_gateways
from reconciler.diff.model import CampaignDiff
from reconciler.diff.view import EMPTY, count
from reconciler.model import Desired, DesiredCampaign, Finding, Live, LiveCampaign, Phase, ResourceId
from reconciler.state.base import State


@dataclass(frozen=True, slots=True)
class Untargeted:
    """A running campaign that is left alone, the gateways that it is to lose, and those that it declares."""

    resource: ResourceId
    lost: frozenset[str]
    declared: frozenset[str]


def untargeted(desired: Desired, live: Live, state: State) -> tuple[Untargeted, ...]:
    """Those that were read, for gateways join a targeted campaign."""
    found: list[Untargeted] = []
    for campaign in _excluded(desired):
        owned = state.campaigns.get(campaign.resource)
        theirs = live.by_id.get(owned.id) if owned else None
        if owned and theirs and theirs.phase is Phase.RUNNING:
            lost = frozenset(diff_gateways(campaign, theirs, owned).lost)
            found.append(Untargeted(campaign.resource, lost, campaign.gateways or EMPTY))
    return tuple(found)


def takes(others: Iterable[Untargeted]) -> Callable[[CampaignDiff], Finding | None]:
    """Tells why gateways can't join a campaign, if they are still in running ones that are left alone."""
    losing: dict[str, list[ResourceId]] = defaultdict(list)
    for other in others:
        for gateway in other.lost:
            losing[gateway].append(other.resource)

    def taken_by(found: CampaignDiff) -> Finding | None:
        taken: dict[ResourceId, set[str]] = defaultdict(set)
        for gateway in found.gained if losing else ():
            for other in losing.get(gateway, ()):
                taken[other].add(gateway)
        return _takes(found.desired, taken) if taken else None

    return taken_by


def _takes(campaign: DesiredCampaign, taken: Mapping[ResourceId, Collection[str]]) -> Finding:
    each = ", ".join(f"{count(gateways)} from {resource}" for resource, gateways in sorted(taken.items()))
    return Finding(
        "needs-target",
        f"{campaign.resource} would take {each}, which runs, loses them, and is not targeted:"
        " they have to leave first",
        campaign.place_of("gatewayLists"),
        _too(taken),
        campaign.resource,
    )


def keepers(desired: Desired, state: State) -> Mapping[str, ResourceId]:
    """Campaign id → the owner that is left alone. Names are unique, so a name that it shares it gives up."""
    owned = state.campaigns
    return {owned[c.resource].id: c.resource for c in _excluded(desired) if c.resource in owned}


def name_kept(campaign: DesiredCampaign, keeper: ResourceId) -> Finding:
    """That `campaign` can't have its name yet."""
    return Finding(
        "needs-target",
        f"{campaign.resource} can't have the name {campaign.name!r} yet: on the server {keeper} has it,"
        " which gives it up and is not targeted",
        campaign.place_of("name"),
        _too([keeper]),
        campaign.resource,
    )


def heirs(desired: Desired, state: State) -> Mapping[str, ResourceId]:
    """Name → the campaign that is left alone and has yet to take over the live one that bears it."""
    ours = state.campaigns
    return {c.name: c.resource for c in reversed(_excluded(desired)) if c.resource not in ours}


def not_deleted(resource: ResourceId, live: LiveCampaign, heir: ResourceId) -> Finding:
    """That `live` moves to another resource."""
    return Finding(
        "needs-target",
        f"{resource} (id {live.id}) is not deleted: {heir} declares its name now, and takes it over",
        hint=f"target {heir} instead",
        resource=resource,
    )


def _too(resources: Iterable[ResourceId]) -> str:
    return f"target {' and '.join(map(str, sorted(resources)))}, too"


def _excluded(desired: Desired) -> tuple[DesiredCampaign, ...]:
    return desired.focus.excluded if desired.focus else ()
