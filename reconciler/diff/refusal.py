"""Campaigns that can't be compared: somebody else's, or not to be told apart."""

from __future__ import annotations

from reconciler.model import Claim, Desired, DesiredCampaign, Finding, Live, Tie


def refusal(campaign: DesiredCampaign, claim: Claim, live: Live, desired: Desired) -> Finding | None:
    """Why `campaign` is left out of the plan; None when it isn't."""
    match claim.tie:
        case Tie.NOT_OURS:
            return Finding(
                "not-ours",
                f"a live campaign has the name {campaign.name!r} (id {claim.ids[0]}),"
                " and this project didn't make it",
                campaign.place_of("name"),
                "take it over with --adopt, or give the resource another name",
                campaign.resource,
            )
        case Tie.AMBIGUOUS:
            return Finding(
                "ambiguous-name",
                f"{len(claim.ids)} live campaigns have the name {campaign.name!r}:"
                f" ids {', '.join(claim.ids)}",
                campaign.place_of("name"),
                "rename or delete all but one on the server",
                campaign.resource,
            )
        case _:
            return _name_taken(campaign, live, desired)


def _name_taken(campaign: DesiredCampaign, live: Live, desired: Desired) -> Finding | None:
    """A rename to a name that another live campaign has, unless that one gives it up in this plan."""
    current = live.campaigns.get(campaign.resource)
    if current is None or current.name == campaign.name:
        return None
    leaving = {
        live.campaigns[other.resource].id
        for other in desired.campaigns
        if other.resource in live.campaigns and other.name != campaign.name
    }
    taken = [n.id for n in live.namesakes.get(campaign.name, ()) if n.id not in leaving | {current.id}]
    if not taken:
        return None
    return Finding(
        "name-taken",
        f"{campaign.resource} (id {current.id}) is to be renamed to {campaign.name!r},"
        f" but the live campaign {', '.join(taken)} has that name",
        campaign.place_of("name"),
        "choose another name, or rename the other campaign",
        campaign.resource,
    )
