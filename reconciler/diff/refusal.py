"""Campaigns that can't be compared: somebody else's, or not to be told apart."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.diff.untargeted import name_kept
from reconciler.model import Claim, DesiredCampaign, Finding, Ownership, ResourceId


def refusal(campaign: DesiredCampaign, claim: Claim, keepers: Mapping[str, ResourceId]) -> Finding | None:
    """Why `campaign` is left out of the plan; None when it isn't. `keepers`: see `untargeted`."""
    match claim.ownership:
        case Ownership.NOT_OURS if keeper := keepers.get(claim.ids[0]):
            return name_kept(campaign, keeper)
        case Ownership.NOT_OURS:
            return Finding(
                "not-ours",
                f"a live campaign has the name {campaign.name!r} (id {claim.ids[0]}),"
                " and it isn't this resource's",
                campaign.place_of("name"),
                "take it over with --adopt, or give the resource another name",
                campaign.resource,
            )
        case Ownership.AMBIGUOUS:
            return Finding(
                "ambiguous-name",
                f"{len(claim.ids)} live campaigns have the name {campaign.name!r}:"
                f" ids {', '.join(claim.ids)}",
                campaign.place_of("name"),
                "rename or delete all but one on the server",
                campaign.resource,
            )
        case _:
            return None
