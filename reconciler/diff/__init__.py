"""Desired against live against last applied: what differs. Pure."""

from __future__ import annotations

from dataclasses import replace

from reconciler.diff.campaign import Against, ComparedCampaign, diff_live, diff_new
from reconciler.diff.model import CampaignDiff, Diff, Removal, Run, Transition
from reconciler.diff.names import settle_names
from reconciler.diff.packages import bind
from reconciler.diff.refusal import refusal
from reconciler.diff.removal import campaign_removed, package_removed, remove_campaigns, remove_packages
from reconciler.diff.untargeted import keepers, takes, untargeted
from reconciler.diff.view import Ask
from reconciler.model import Claim, Desired, DesiredCampaign, Finding, Live, Reason, ResourceId
from reconciler.observe import removable_packages, used_packages
from reconciler.ownership import owned_by
from reconciler.state.base import State

__all__ = ["Ask", "CampaignDiff", "Diff", "Removal", "Run", "Transition", "diff"]


def diff(desired: Desired, live: Live, state: State, ask: Ask) -> Diff:
    """Everything that differs between `desired` and `live`, given what `state` says of ours.

    A campaign that can't be compared (not ours, ambiguous, a package that can't be found) is left out
    and has a finding; the others are compared all the same.
    """
    bound = bind(desired, live, state)
    against = Against(bound, ask, state.salt)
    options = ask.options
    others, kept = untargeted(desired, live, state), keepers(desired, state)
    compared: dict[ResourceId, ComparedCampaign] = {}
    findings: list[Finding] = [*bound.findings]
    for campaign in desired.campaigns:
        claim = live.claims[campaign.resource]
        if trouble := refusal(campaign, claim, kept):
            findings.append(trouble)
        elif all(ref in bound.packages for ref in used_packages([campaign])):
            found = _compare(campaign, claim, live, state, against)
            if trouble := takes(found.difference, others):
                findings.append(trouble)
            else:
                compared[campaign.resource] = found

    removals, about_removals, forgotten = remove_campaigns(desired, live, state, options)
    taken = settle_names([found.difference for found in compared.values()], removals, live, kept)
    for finding in taken:
        assert finding.resource is not None
        del compared[finding.resource]
    campaigns = tuple(found.difference for found in compared.values())
    candidates = removable_packages(desired, state, options)
    packages, about_packages, lost = remove_packages(
        live, state, candidates, campaigns, removals, given_up=forgotten
    )
    findings += (*taken, *(finding for found in compared.values() for finding in found.findings))
    records = (record for found in compared.values() for record in found.records)
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
        findings=(*findings, *about_removals, *about_packages),
        records=(*bound.records, *records, *forgotten, *lost),
        untargeted={other.resource: other.declared for other in others},
    )


def _compare(
    campaign: DesiredCampaign, claim: Claim, live: Live, state: State, against: Against
) -> ComparedCampaign:
    owned, tied = owned_by(campaign, claim, state)
    if owned is None:
        gone = campaign.resource in live.gone
        return diff_new(campaign, Reason.GONE_FROM_SERVER if gone else Reason.NOT_ON_SERVER, against)
    found = diff_live(campaign, live.campaigns[campaign.resource], owned, claim.ownership, against)
    return replace(found, records=(*tied, *found.records))
