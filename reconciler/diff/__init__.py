"""Desired against live against last applied: what differs. Pure."""

from __future__ import annotations

from reconciler.diff.campaign import Against, diff_live, diff_new
from reconciler.diff.model import CampaignDiff, Diff, Removal, Run, RunWish
from reconciler.diff.packages import bind
from reconciler.diff.refusal import refusal
from reconciler.diff.removal import campaign_removed, package_removed, remove_campaigns, remove_packages
from reconciler.diff.view import Ask
from reconciler.model import Desired, Finding, Live, Reason
from reconciler.observe import removable_packages, used_packages
from reconciler.ownership import owned_by
from reconciler.state.base import Event, State

__all__ = ["Ask", "CampaignDiff", "Diff", "Removal", "Run", "RunWish", "diff"]


def diff(desired: Desired, live: Live, state: State, ask: Ask) -> Diff:
    """Everything that differs between `desired` and `live`, given what `state` says of ours.

    A campaign that can't be compared (not ours, ambiguous, a package that can't be found) is left out
    and has a finding; the others are compared all the same.
    """
    bound = bind(desired, live, state)
    against = Against(bound, ask, state.salt)
    options = ask.options
    campaigns: list[CampaignDiff] = []
    findings: list[Finding] = [*bound.findings]
    records: list[Event] = [*bound.records]
    for campaign in desired.campaigns:
        claim = live.claims[campaign.resource]
        if trouble := refusal(campaign, claim, live, desired):
            findings.append(trouble)
        elif all(ref in bound.packages for ref in used_packages([campaign])):
            owned, tied = owned_by(campaign, claim, state)
            if owned:
                current = live.campaigns[campaign.resource]
                found = diff_live(campaign, current, owned, claim.tie, against)
            else:
                gone = campaign.resource in live.gone
                reason = Reason.GONE_FROM_SERVER if gone else Reason.NOT_ON_SERVER
                found = diff_new(campaign, reason, against)
            campaigns.append(found.difference)
            findings += found.findings
            records += (*tied, *found.records)

    removals, about_removals, forgotten = remove_campaigns(desired, live, state, options)
    packages, about_packages, lost = remove_packages(
        live, removable_packages(desired, state, options), campaigns, removals
    )
    return Diff(
        campaigns=tuple(campaigns),
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
        records=(*records, *forgotten, *lost),
    )
