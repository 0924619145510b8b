"""One declared campaign against its live side, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.diff.callbacks import diff_callbacks
from reconciler.diff.closing import diff_closed
from reconciler.diff.detail import details
from reconciler.diff.membership import diff_gateways
from reconciler.diff.model import CampaignDiff, Run, Transition
from reconciler.diff.overrides import diff_overrides
from reconciler.diff.packages import Bound, shown_packages
from reconciler.diff.schedules import diff_schedules
from reconciler.diff.settings import diff_settings, shown
from reconciler.diff.status import transition_for_new, transition_of
from reconciler.diff.things import diff_things
from reconciler.diff.view import EMPTY, Ask, Part, View
from reconciler.model import (
    BoundPackage,
    CampaignFields,
    Change,
    DesiredCampaign,
    DesiredStatus,
    DistributionList,
    Finding,
    GatewayChange,
    Json,
    LiveCampaign,
    Membership,
    Ownership,
    Reason,
    sorted_ids,
)
from reconciler.providers.base import Field
from reconciler.state.base import Event, Owned
from reconciler.state.values import ADDED, MEMBERSHIP


@dataclass(frozen=True, slots=True)
class ComparedCampaign:
    """A campaign's difference, what to say about it, and what the state learns without a call."""

    difference: CampaignDiff
    findings: tuple[Finding, ...] = ()
    records: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Against:
    """What all campaigns of a run are compared with: bound packages, the question, the salt of digests."""

    bound: Bound
    ask: Ask
    salt: str


def diff_new(campaign: DesiredCampaign, reason: Reason, against: Against) -> ComparedCampaign:
    """A campaign that is to be created: every managed field is a change."""
    bound, ask = against.bound, against.ask
    packages = _bind(campaign, bound)
    gained = sorted_ids((campaign.gateways or EMPTY) - (campaign.closed or EMPTY))
    rows: list[tuple[str, Json]] = [(Field.NAME, campaign.name)]
    if campaign.description is not None:
        rows.append((Field.DESCRIPTION, campaign.description))
    if packages is not None:
        rows.append((Field.PACKAGES, shown_packages(packages, bound)))
    rows += ((f"{Field.SETTINGS}.{key}", shown(v)) for key, v in sorted((campaign.settings or {}).items()))
    distribution = _distribution_to_set(campaign, None)
    if distribution is not None:
        rows.append((Field.DISTRIBUTION, _distribution(distribution)))
    if campaign.status is DesiredStatus.STARTED:
        rows.append((Field.STATUS, campaign.status.value))
    changes = [Change(campaign.resource, name, None, after, reason) for name, after in rows]
    if gained:
        change = GatewayChange(0, len(gained), gained=gained)
        changes.append(Change(campaign.resource, Field.GATEWAYS, None, None, reason, change))
    members = frozenset(gained)
    view = View(campaign, None, None, adopting=False, members=members, joining=members, ask=ask)
    difference = CampaignDiff(
        desired=campaign,
        live=None,
        fields=CampaignFields(campaign.name, campaign.description, packages, campaign.settings),
        changes=tuple(changes),
        gained=gained,
        distribution=distribution,
        transition=transition_for_new(campaign),
    )
    found = _with_parts(difference, view, bound, ())
    return replace(found, findings=(*_lacks_interval(campaign, None), *found.findings))


def diff_live(
    campaign: DesiredCampaign, live: LiveCampaign, owned: Owned, tie: Ownership, against: Against
) -> ComparedCampaign:
    """A campaign that is ours, or becomes ours by this plan."""
    bound, ask = against.bound, against.ask
    packages = _bind(campaign, bound)
    membership = diff_gateways(campaign, live, owned)
    joining = frozenset(membership.gained)
    leaving = frozenset(membership.lost)
    members = _members(campaign, live, owned, joining, leaving)
    view = View(campaign, live, owned, tie is Ownership.ADOPTED, members, joining, ask, leaving)
    settings = diff_settings(view, against.salt)
    transition = transition_of(campaign, live, owned, ask.options)
    edits = [*_field_changes(campaign, live, packages, bound), *settings.changes]
    distribution = _distribution_to_set(campaign, live.distribution)
    difference = CampaignDiff(
        desired=campaign,
        live=live,
        fields=CampaignFields(campaign.name, campaign.description, packages, settings.send),
        changes=(
            *edits,
            *_distribution_changes(campaign, live, distribution),
            *membership.changes,
            *_status_changes(campaign, live, transition),
        ),
        edit=bool(edits),
        gained=membership.gained,
        lost=membership.lost,
        distribution=distribution,
        transition=transition,
    )
    lossy = [settings.lossy] if edits and settings.lossy else []
    kept = (*_distribution_kept(view), *_lacks_interval(campaign, live.distribution))
    found = _with_parts(difference, view, bound, live.packages)
    return ComparedCampaign(
        found.difference,
        (*settings.findings, *lossy, *kept, *membership.findings, *transition.findings, *found.findings),
        (*settings.records, *transition.records, *_ours_so_far(view, distribution), *found.records),
    )


def _with_parts(
    difference: CampaignDiff, view: View, bound: Bound, current: tuple[str, ...]
) -> ComparedCampaign:
    """The same with callbacks and all that is about single gateways."""
    packages = difference.fields.packages
    callbacks = diff_callbacks(view)
    edits = packages is not None and set(packages) != set(current)
    overrides = diff_overrides(view, bound, packages, edits_packages=edits)
    schedules, things, closed = diff_schedules(view), diff_things(view), diff_closed(view)
    parts: tuple[Part[Any], ...] = (callbacks, overrides, schedules, things, closed)
    return ComparedCampaign(
        replace(
            difference,
            changes=(*difference.changes, *(change for part in parts for change in part.changes)),
            callbacks=callbacks.todo,
            overrides=overrides.todo,
            schedules=schedules.todo,
            things=dict(things.todo),
            closes=closed.todo,
        ),
        tuple(finding for part in parts for finding in part.findings),
        tuple(record for part in parts for record in part.records),
    )


def _members(
    campaign: DesiredCampaign,
    live: LiveCampaign,
    owned: Owned,
    joining: frozenset[str],
    leaving: frozenset[str],
) -> frozenset[str]:
    """Who is in the campaign after this plan and not closed; empty where nothing asks for it."""
    per_gateway = (campaign.overrides, campaign.schedules, campaign.things)
    if all(part is None for part in per_gateway) and not owned.members:
        return EMPTY
    current = live.gateways or Membership()
    everyone = campaign.gateways
    if everyone is None or live.distribution or campaign.distribution:
        everyone = (frozenset(current) - leaving) | joining
    closed = (campaign.closed or EMPTY) | current.closed
    return everyone - closed if closed else everyone


def _bind(campaign: DesiredCampaign, bound: Bound) -> tuple[BoundPackage, ...] | None:
    if campaign.packages is None:
        return None
    return tuple(dict.fromkeys(bound.packages[ref] for ref in campaign.packages))


def _field_changes(
    campaign: DesiredCampaign, live: LiveCampaign, packages: tuple[BoundPackage, ...] | None, bound: Bound
) -> list[Change]:
    """Fields that can be read and that an edit sets. The order of packages means nothing."""
    rows: list[tuple[str, Json, Json]] = []
    if campaign.name != live.name:
        rows.append((Field.NAME, live.name, campaign.name))
    if campaign.description is not None and campaign.description != live.description:
        rows.append((Field.DESCRIPTION, live.description, campaign.description))
    if packages is not None and set(packages) != set(live.packages):
        rows.append((Field.PACKAGES, list(live.packages), shown_packages(packages, bound)))
    return [Change(campaign.resource, name, before, after, Reason.DIFFERS) for name, before, after in rows]


def _distribution_to_set(
    campaign: DesiredCampaign, current: DistributionList | None
) -> DistributionList | None:
    """What to set. The call needs an interval: a declared one, or that of the list that is set."""
    wanted = campaign.distribution
    if wanted is None or _lacks_interval(campaign, current):
        return None
    if wanted.interval is None and current is not None:
        wanted = DistributionList(wanted.id, current.interval)
    return None if wanted == current else wanted


def _lacks_interval(campaign: DesiredCampaign, current: DistributionList | None) -> tuple[Finding, ...]:
    """An error when a list is to be set and nobody says how often it is evaluated."""
    wanted = campaign.distribution
    if wanted is None or wanted.interval is not None or (current and current.interval is not None):
        return ()
    finding = Finding(
        "interval-needed",
        f"{campaign.resource}: the distribution list {wanted.id!r} can't be set without an interval",
        campaign.place_of(Field.DISTRIBUTION),
        "write reevaluationIntervalSeconds",
        campaign.resource,
    )
    return (finding,)


def _ours_so_far(view: View, distribution: DistributionList | None) -> tuple[Event, ...]:
    """Declared members before the first distribution list is set: they are there by us, not by the list."""
    live, declared = view.live, view.campaign.gateways
    if distribution is None or declared is None or live is None or live.gateways is None or live.distribution:
        return ()
    ours = declared - live.gateways.lacking(declared)
    return (view.applied(MEMBERSHIP, ADDED, ours),) if ours else ()


def _distribution_changes(
    campaign: DesiredCampaign, live: LiveCampaign, wanted: DistributionList | None
) -> list[Change]:
    if wanted is None:
        return []
    after = _distribution(wanted)
    if live.distribution is None:
        return [Change(campaign.resource, Field.DISTRIBUTION, None, after, Reason.DIFFERS)]
    return [
        Change(campaign.resource, f"{Field.DISTRIBUTION}.{path}", old, new, Reason.DIFFERS)
        for path, old, new in details(_distribution(live.distribution), after)
    ]


def _distribution_kept(view: View) -> tuple[Finding, ...]:
    """A distribution list of ours that YAML no longer names stays set."""
    if view.campaign.distribution is not None or not view.owned:
        return ()
    if Field.DISTRIBUTION not in view.owned.applied:
        return ()
    message = "the distribution list is no longer declared, but stays set: it can't be taken back"
    return (view.note("cannot-undo", message, Field.DISTRIBUTION),)


def _distribution(value: DistributionList) -> Mapping[str, Json]:
    interval = {} if value.interval is None else {"reevaluationIntervalSeconds": value.interval}
    return {"distributionListId": value.id, **interval}


def _status_changes(campaign: DesiredCampaign, live: LiveCampaign, transition: Transition) -> list[Change]:
    targets = {Run.START: "STARTED", Run.STOP: "STOPPED"}
    after = targets.get(transition.run, "APPROVED" if transition.approve else None)
    return [Change(campaign.resource, Field.STATUS, live.status, after, transition.reason)] if after else []
