"""A name is taken only when whoever has it gives it up in the same plan: renamed, or deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from reconciler.diff.model import CampaignDiff, Removal
from reconciler.diff.untargeted import name_kept
from reconciler.model import Finding, Live, LiveCampaign, Phase, ResourceId


def settle_names(
    campaigns: Collection[CampaignDiff],
    removals: Iterable[Removal],
    live: Live,
    keepers: Mapping[str, ResourceId],
) -> tuple[Finding, ...]:
    """A finding for each campaign that can't have its name; without those, every other one can have its.

    `keepers`: see `untargeted`.
    """
    left = {found.desired.resource: found for found in campaigns}
    deleted = {removal.live.id for removal in removals if _known(removal.live)}
    findings: list[Finding] = []
    while True:
        leaving = {f.live.id for f in left.values() if f.live and _renamed(f) and _known(f.live)}
        refused = [
            (found, holders)
            for found in left.values()
            if _renamed(found) and (holders := _holders(found, live) - leaving - deleted)
        ]
        if not refused:
            return tuple(findings)
        for found, holders in refused:
            del left[found.desired.resource]
            keeper = next((keepers[each] for each in sorted(holders) if each in keepers), None)
            findings.append(name_kept(found.desired, keeper) if keeper else _taken(found, holders))


def _renamed(found: CampaignDiff) -> bool:
    return found.live is None or found.live.name != found.desired.name


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
