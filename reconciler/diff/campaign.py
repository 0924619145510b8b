"""One declared campaign against its live side, part by part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from reconciler.diff.attachments import diff_callbacks, diff_distribution
from reconciler.diff.declares import declared_now, packages_declared
from reconciler.diff.delivery import differing_terms, shown_terms
from reconciler.diff.membership import diff_closed, diff_gateways
from reconciler.diff.model import CampaignDiff, Run, Transition
from reconciler.diff.overrides import diff_overrides
from reconciler.diff.packages import Bound, shown_packages
from reconciler.diff.schedules import diff_schedules
from reconciler.diff.settings import diff_settings, shown
from reconciler.diff.status import transition_for_new, transition_of
from reconciler.diff.things import diff_things
from reconciler.diff.view import EMPTY, Part, View, together
from reconciler.model import (
    BoundPackage,
    CampaignFields,
    Change,
    DesiredCampaign,
    DesiredStatus,
    Finding,
    GatewayChange,
    Json,
    LiveCampaign,
    Membership,
    Reason,
    sorted_ids,
)
from reconciler.model.sets import joined
from reconciler.providers.base import Changing, Field, Stage
from reconciler.state.applied import FINISHED
from reconciler.state.base import MembersForgotten, Owned
from reconciler.state.declared import packages_list, text_value


def diff_new(view: View, reason: Reason) -> CampaignDiff:
    """A campaign that is to be created: every managed field is a change."""
    campaign, bound = view.campaign, view.bound
    packages = _bind(campaign, bound)
    gained = sorted_ids((campaign.gateways or EMPTY) - (campaign.closed or EMPTY))
    members = frozenset(gained)
    view = replace(view, members=members, joining=members)
    rows: list[tuple[str, Json]] = [(Field.NAME, campaign.name)]
    if campaign.description is not None:
        rows.append((Field.DESCRIPTION, campaign.description))
    if packages is not None:
        rows.append((Field.PACKAGES, shown_packages(packages, bound)))
    rows += ((f"{Field.SETTINGS}.{key}", shown(v)) for key, v in sorted((campaign.settings or {}).items()))
    if campaign.delivery is not None:
        rows.append((Field.DELIVERY, shown_terms(campaign.delivery)))
    distribution = diff_distribution(view)
    rows += ((change.field, change.after) for change in distribution.changes)
    if campaign.status is DesiredStatus.STARTED:
        rows.append((Field.STATUS, campaign.status.value))
    changes = [Change(campaign.resource, name, None, after, reason) for name, after in rows]
    if gained:
        change = GatewayChange(0, len(gained), gained=gained)
        changes.append(Change(campaign.resource, Field.GATEWAYS, None, None, reason, change))
    declares = declared_now(view, packages, changed=frozenset(name for name, _ in rows))
    made_with_list = view.ask.facts.changing(Field.DISTRIBUTION) is Changing.REPLACED
    difference = CampaignDiff(
        desired=campaign,
        live=None,
        fields=CampaignFields(
            campaign.name,
            campaign.description,
            packages,
            campaign.settings,
            campaign.package_set,
            campaign.delivery,
            campaign.distribution if made_with_list else None,
            sorted_ids(campaign.closed or EMPTY) if made_with_list and campaign.distribution else (),
        ),
        changes=tuple(changes),
        gained=gained,
        distribution=None if made_with_list else next(iter(distribution.todo), None),
        transition=transition_for_new(campaign),
        findings=distribution.findings,
        declares=declares,
    )
    return _with_parts(difference, view, ())


def diff_live(view: View, live: LiveCampaign, owned: Owned) -> CampaignDiff:
    """A campaign that is ours, or becomes ours by this plan."""
    campaign, bound = view.campaign, view.bound
    packages = _bind(campaign, bound)
    membership = diff_gateways(campaign, live, owned)
    joining = frozenset(membership.gained)
    leaving = frozenset(membership.lost)
    members = _members(campaign, live, owned, joining, leaving)
    if members or joining or leaving:
        view = replace(view, members=members, joining=joining, leaving=leaving)
    settings = diff_settings(view)
    transition = transition_of(campaign, live, owned, view.ask.options, adopting=view.adopting)
    fields = _field_changes(view, live, packages)
    stays = [change for change in fields if not (change.after or _clearable(view, change))]
    edits = [*(change for change in fields if change not in stays), *settings.changes]
    distribution = diff_distribution(view)
    lossy = [settings.lossy] if edits and settings.lossy else []
    difference = CampaignDiff(
        desired=campaign,
        live=live,
        fields=CampaignFields(campaign.name, campaign.description, packages, settings.send),
        changes=(
            *edits,
            *distribution.changes,
            *membership.changes,
            *_status_changes(campaign, live, transition),
        ),
        edit=bool(edits),
        gained=membership.gained,
        lost=membership.lost,
        distribution=next(iter(distribution.todo), None),
        transition=transition,
        findings=(
            *settings.findings,
            *lossy,
            *(_not_emptied(view, change) for change in stays),
            *distribution.findings,
            *membership.findings,
            *transition.findings,
        ),
        records=(
            *settings.records,
            *transition.records,
            *distribution.records,
            *_running_again(view, live, owned),
        ),
        declares=declared_now(
            view,
            packages,
            changed=frozenset(
                change.field for change in (*fields, *distribution.changes, *membership.changes)
            ),
        ),
        refused=membership.refused or _by_list(view, live),
    )
    return _with_parts(difference, view, live.packages)


def _by_list(view: View, live: LiveCampaign) -> Finding | None:
    """Why gateways can't be declared of a campaign whose list alone decides who is in it."""
    campaign, found = view.campaign, live.distribution
    if not view.ask.facts.lists_decide or found is None or campaign.gateways is None:
        return None
    return Finding(
        "fixed-field",
        f"{campaign.resource} was made with the distribution list {found.id!r}, which alone decides who is in"
        " it: its gateways can't be declared",
        campaign.place_of("gatewayLists"),
        "declare that distributionList, or the gateways in a campaign of another name",
        campaign.resource,
    )


def _running_again(view: View, live: LiveCampaign, owned: Owned) -> Iterator[MembersForgotten]:
    """Who had finished with other packages, and is on its way again: it will be done with those of now."""
    recorded = owned.members.get(FINISHED)
    if not recorded or live.gateways is None:
        return
    begun = (Stage.IDLE, Stage.UNDER_WAY)
    states = (ids for state, ids in live.gateways.states.items() if view.ask.facts.stage(state) in begun)
    again = joined(tuple(recorded.values())).intersection(frozenset().union(*states))
    if again:
        yield MembersForgotten(owned.resource, sorted_ids(again), FINISHED)


def _with_parts(difference: CampaignDiff, view: View, current: tuple[str, ...]) -> CampaignDiff:
    """The same with callbacks and all that is about single gateways."""
    packages = difference.fields.packages
    callbacks = diff_callbacks(view)
    edits = packages is not None and set(packages) != set(current)
    overrides = diff_overrides(view, packages, edits_packages=edits)
    schedules, things, closed = diff_schedules(view), diff_things(view), diff_closed(view)
    parts: tuple[Part[Any], ...] = (callbacks, overrides, schedules, things, closed)
    all_of_them = together(parts)
    if all_of_them.empty:
        return difference
    return replace(
        difference,
        changes=(*difference.changes, *all_of_them.changes),
        callbacks=callbacks.todo,
        overrides=overrides.todo,
        schedules=schedules.todo,
        things=dict(things.todo),
        closes=closed.todo,
        findings=(*difference.findings, *all_of_them.findings),
        records=(*difference.records, *all_of_them.records),
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


def _field_changes(view: View, live: LiveCampaign, packages: tuple[BoundPackage, ...] | None) -> list[Change]:
    """Fields that can be read and that an edit sets. The order of packages means nothing."""
    campaign = view.campaign
    rows: list[tuple[str, Json, Json]] = []
    for name, there, wanted in (
        (Field.NAME, live.name, campaign.name),
        (Field.DESCRIPTION, live.description, campaign.description),
    ):
        if wanted not in (None, there) and not view.kept(name, text_value(wanted), text_value(there)):
            rows.append((name, there, wanted))
    if packages is not None and set(packages) != set(live.packages):
        there_now = packages_list(live.packages)
        if not view.kept(Field.PACKAGES, packages_declared(packages), there_now):
            rows.append((Field.PACKAGES, list(live.packages), shown_packages(packages, view.bound)))
    if campaign.delivery and (terms := differing_terms(campaign.delivery, live.delivery)):
        rows.append((Field.DELIVERY, *terms))
    return [Change(campaign.resource, name, before, after, Reason.DIFFERS) for name, before, after in rows]


def _clearable(view: View, change: Change) -> bool:
    return view.ask.facts.clearable(Field(change.field))


def _not_emptied(view: View, change: Change) -> Finding:
    message = f"{change.field} is declared empty, but stays: the server can't take it back"
    return view.note("cannot-undo", message, change.field)


def _status_changes(campaign: DesiredCampaign, live: LiveCampaign, transition: Transition) -> list[Change]:
    targets = {Run.START: "STARTED", Run.STOP: "STOPPED"}
    after = targets.get(transition.run, "APPROVED" if transition.approve else None)
    return [Change(campaign.resource, Field.STATUS, live.status, after, transition.reason)] if after else []
