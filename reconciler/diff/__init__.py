"""Desired against live against last applied: what differs. Pure."""

from __future__ import annotations

from dataclasses import replace

from reconciler.diff.campaign import diff_new
from reconciler.diff.duplicates import duplicates
from reconciler.diff.model import CampaignDiff, Diff, Former, Removal, Run, Transition
from reconciler.diff.packages import bind
from reconciler.diff.refusals import left_by_others, refusal, settle_names
from reconciler.diff.removal import (
    REMOVED_CAMPAIGN,
    campaign_removed,
    lost_uploads,
    package_removed,
    remove_campaigns,
    remove_packages,
)
from reconciler.diff.replacement import diff_there, formers_of, inheriting, with_formers
from reconciler.diff.untargeted import keepers, takes, untargeted
from reconciler.diff.view import Ask, View
from reconciler.diff.whose import attributed
from reconciler.model import Desired, Finding, Live, Ownership, Reason, ResourceId, used_packages
from reconciler.ownership import owned_by, removable_packages
from reconciler.state.base import Event, State

__all__ = [
    "REMOVED_CAMPAIGN",
    "Ask",
    "CampaignDiff",
    "Diff",
    "Former",
    "Removal",
    "Run",
    "Transition",
    "diff",
]


def diff(desired: Desired, live: Live, state: State, ask: Ask) -> Diff:
    """Everything that differs between `desired` and `live`, given what `state` says of ours.

    A campaign that can't be compared (not ours, ambiguous, a package that can't be found) is left out
    and has a finding; the others are compared all the same.
    """
    options = ask.options
    bound = bind(desired, live, state, adopt=options.adopt)
    others, kept = untargeted(desired, live, state), keepers(desired, state)
    by_id = {owned.id: owned for owned in state.campaigns.values()}
    compared: dict[ResourceId, CampaignDiff] = {}
    findings: list[Finding] = [*bound.findings]
    taken_by = takes(others)
    for campaign in desired.campaigns:
        resource, claim = campaign.resource, live.claims[campaign.resource]
        if trouble := refusal(campaign, claim, kept) or left_by_others(campaign, live, state):
            findings.append(trouble)
        elif all(ref in bound.packages for ref in used_packages([campaign])):
            owned, tied = owned_by(campaign, claim, state, by_id)
            there = live.campaigns[resource] if owned else None
            adopting = claim.ownership is Ownership.ADOPTED
            wanted = inheriting(campaign, owned, live) if owned else campaign
            view = View(wanted, there, owned, adopting, ask, bound, state.salt)
            about: tuple[Event, ...] = ()
            gone = resource in live.gone
            if owned and there:
                formers, about = formers_of(owned, live)
                found = with_formers(diff_there(view, there, owned), formers)
            else:
                found = diff_new(view, Reason.GONE_FROM_SERVER if gone else Reason.NOT_ON_SERVER)
                found = replace(found, gone=state.campaigns[resource].id if gone else None)
            if found.changes or tied or about:
                view = replace(view, joining=frozenset(found.gained))
                changes = attributed(view, found.changes, found.fields.packages, gone=gone)
                found = replace(found, changes=changes, records=(*tied, *about, *found.records))
            if trouble := found.refused or taken_by(found):
                findings.append(trouble)
            else:
                compared[resource] = found

    removals, about_removals, forgotten = remove_campaigns(desired, live, state, options)
    taken = settle_names(compared.values(), removals, live, kept)
    for finding in taken:
        assert finding.resource is not None
        del compared[finding.resource]
    campaigns = tuple(compared.values())
    candidates = removable_packages(desired, state, options)
    packages, about_packages, lost = remove_packages(
        live, state, candidates, campaigns, removals, keep=desired.keep, given_up=forgotten
    )
    about_uploads, unsent = lost_uploads(desired, live, state)
    return Diff(
        campaigns=campaigns,
        removals=removals,
        uploads=bound.uploads,
        package_removals=packages,
        changes=(
            *bound.changes,
            *(change for found in campaigns for change in found.changes),
            *map(campaign_removed, removals),
            *map(package_removed, packages),
        ),
        findings=(
            *findings,
            *taken,
            *duplicates(campaigns, desired, live, state),
            *(finding for found in campaigns for finding in found.findings),
            *about_removals,
            *about_packages,
            *about_uploads,
        ),
        records=(
            *bound.records,
            *(record for found in campaigns for record in found.records),
            *forgotten,
            *lost,
            *unsent,
        ),
        prune=options.prune,
        untargeted={other.resource: other.declared for other in others},
    )
