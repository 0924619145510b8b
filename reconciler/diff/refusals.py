"""Campaigns that are left out of a plan: somebody else's, not to be told apart, or of a taken name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from reconciler.diff.model import CampaignDiff, Removal
from reconciler.diff.untargeted import name_kept
from reconciler.model import Claim, DesiredCampaign, Finding, Live, LiveCampaign, Ownership, Phase, ResourceId
from reconciler.rollout.revisions import NOBODY_STAYS
from reconciler.state.base import State


def refusal(campaign: DesiredCampaign, claim: Claim, keepers: Mapping[str, ResourceId]) -> Finding | None:
    """Why `campaign` is left out of the plan; None when it isn't. `keepers`: see `untargeted`."""
    match claim.ownership:
        case Ownership.NOT_OURS if keeper := keepers.get(claim.ids[0]):
            return name_kept(campaign, keeper)
        case Ownership.NOT_OURS:
            return Finding(
                "not-ours",
                f"a live campaign has the name {(claim.name or campaign.name)!r} (id {claim.ids[0]}),"
                f" and it isn't this resource's{_REPLACED if claim.name else ''}",
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
        case Ownership.UNREADABLE:
            return not_answering(campaign.resource, claim.ids[0], campaign)
        case _:
            return None


_REPLACED: Final = "; by that name, it is one that is being replaced"


def not_answering(resource: ResourceId, campaign_id: str, campaign: DesiredCampaign | None = None) -> Finding:
    """Nothing is concluded while the server contradicts itself."""
    return Finding(
        "not-answering",
        f"{resource} is campaign {campaign_id}: the server lists it, and says that there is no such campaign",
        campaign.place_of("name") if campaign else None,
        "plan again once the server is at rest; `reconciler campaign show` asks for it",
        resource,
    )


def left_by_others(campaign: DesiredCampaign, live: Live, state: State) -> Finding | None:
    """Why a campaign that is gone isn't made anew: gateways would be in it and in an earlier revision."""
    owned = state.campaigns.get(campaign.resource)
    if owned is None or campaign.resource not in live.gone or not (campaign.rollout or owned.rollout):
        return None
    known = ((each, live.by_id.get(each.id)) for each in owned.predecessors if not each.ended)
    left = [each.id for each, there in known if there and there.phase not in NOBODY_STAYS]
    if not left:
        return None
    return Finding(
        "earlier-revisions-left",
        f"{campaign.resource} was deleted from the server, and earlier revisions of it go on there:"
        f" {', '.join(left)}",
        campaign.place_of("name"),
        "end these on the server, too, then plan again: it is made anew, from the first wave on",
        campaign.resource,
    )


def settle_names(
    campaigns: Collection[CampaignDiff],
    removals: Iterable[Removal],
    live: Live,
    keepers: Mapping[str, ResourceId],
) -> tuple[Finding, ...]:
    """A finding for each campaign that can't have its name; without those, every other one can have its.

    A name is taken only when whoever has it gives it up in the same plan: renamed, or deleted.

    `keepers`: see `untargeted`.
    """
    wanting: dict[str, list[int]] = defaultdict(list)
    """Live campaign → who is to have a name that it has now, by their place in `order`."""
    order = [found for found in campaigns if found.renamed]
    holders = [_holders(found, live) for found in order]
    for at, held in enumerate(holders):
        for each in held:
            wanting[each].append(at)
    giving = {removal.live.id for removal in removals if _known(removal.live)}
    giving |= {found.live.id for found in order if found.live and _known(found.live) and not found.keeps_name}
    findings: list[Finding] = []
    refused: set[int] = set()
    turn = [at for at, held in enumerate(holders) if held - giving]
    while turn:
        refused.update(turn)
        for at in turn:
            staying = holders[at] - giving
            keeper = next((keepers[each] for each in sorted(staying) if each in keepers), None)
            findings.append(name_kept(order[at].desired, keeper) if keeper else _taken(order[at], staying))
        # A campaign that stays as it is also keeps its name.
        stays = {theirs.id for at in turn if (theirs := order[at].live)} & giving
        giving -= stays
        turn = sorted({at for each in stays for at in wanting[each]} - refused)
    return tuple(findings)


def _known(live: LiveCampaign) -> bool:
    return live.phase is not Phase.UNKNOWN


def _holders(found: CampaignDiff, live: Live) -> set[str]:
    """The live campaigns, other than itself, that have the name now."""
    itself = {found.live.id} if found.live else set()
    return {summary.id for summary in live.namesakes.get(found.desired.name, ())} - itself


def _taken(found: CampaignDiff, holders: Iterable[str]) -> Finding:
    campaign = found.desired
    itself = f" (id {found.live.id})" if found.live else ""
    return Finding(
        "name-taken",
        f"{campaign.resource}{itself} is to have the name {campaign.name!r},"
        f" but the live campaign {', '.join(sorted(holders))} has it and keeps it",
        campaign.place_of("name"),
        "choose another name, or rename the other campaign",
        campaign.resource,
    )
