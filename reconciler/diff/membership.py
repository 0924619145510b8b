"""Who is to join a campaign, who is to leave it, and for whom it is closed.

| a live gateway that no list declares      | no distribution list | a distribution list is set or declared |
|-------------------------------------------|----------------------|----------------------------------------|
| added by us, as the state says            | removed              | removed, with a word: it may come back |
| added by anybody else                     | removed              | stays, with a word: the server decides |

Where a gateway is to join and one of nearly the same id is in the campaign undeclared, both are probably one
device: a server may fold ids. Then nothing is done to the campaign, and both spellings are named.

Closing can be read, and can't be undone.

| declared closed | live                        | what happens                                       |
|-----------------|-----------------------------|----------------------------------------------------|
| yes             | a member, not closed        | closed, unless it leaves                           |
| yes             | closed, or no member        | nothing: who isn't in it stays out                 |
| no              | closed                      | stays closed, with a word                          |
| left out        | any                         | not managed                                        |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.diff.view import EMPTY, Part, View, count
from reconciler.model import (
    Change,
    DesiredCampaign,
    Finding,
    GatewayChange,
    LiveCampaign,
    Reason,
    Severity,
    sorted_ids,
)
from reconciler.model.spellings import Spellings, how_they_differ, respelled
from reconciler.providers.base import Field
from reconciler.state.applied import MEMBERSHIP
from reconciler.state.base import Owned
from reconciler.text import and_more, quoted


@dataclass(frozen=True, slots=True)
class MembershipDiff:
    """Sorted ids that join and leave."""

    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    refused: Finding | None = None
    """Why nothing may be done to the campaign."""


def diff_gateways(campaign: DesiredCampaign, live: LiveCampaign, owned: Owned) -> MembershipDiff:
    """Set differences of declared and live gateways. Closed gateways are not added."""
    if campaign.gateways is None or live.gateways is None:
        return MembershipDiff()
    gained, lost = live.gateways.against(campaign.gateways)
    gained -= campaign.closed or EMPTY
    if pairs := respelled(gained, lost):
        return MembershipDiff(refused=_respelled(campaign, pairs))
    findings: list[Finding] = []
    if lost and (live.distribution or campaign.distribution):
        ours = EMPTY.union(*owned.members.get(MEMBERSHIP, {}).values())
        if spared := lost - ours:
            what = f"declared by no list, and left to the distribution list: {count(spared)}"
            findings.append(_note(campaign, "membership-by-distribution-list", what))
        lost &= ours
        if lost:
            what = f"added by us and removed now; the distribution list may add again: {count(lost)}"
            findings.append(_note(campaign, "may-come-back", what))
    if not (gained or lost):
        return MembershipDiff(findings=tuple(findings))
    before = len(live.gateways)
    joining, leaving = sorted_ids(gained), sorted_ids(lost)
    change = GatewayChange(before, before + len(gained) - len(lost), joining, leaving)
    reason = Reason.DIFFERS if gained and lost else Reason.JOINS if gained else Reason.LEAVES
    changed = Change(campaign.resource, Field.GATEWAYS, None, None, reason, change)
    return MembershipDiff(joining, leaving, (changed,), tuple(findings))


def diff_closed(view: View) -> Part[str]:
    """Members that are to be closed, sorted. Who isn't a member stays out, which is closed enough."""
    wanted = view.campaign.closed
    if wanted is None or view.live is None or view.live.gateways is None:
        return Part()
    members = view.live.gateways
    todo = sorted_ids(wanted - members.lacking(wanted) - members.closed - view.leaving)
    reopened = members.closed - wanted
    findings: tuple[Finding, ...] = ()
    if reopened:
        message = f"closed, not declared so, and never to be opened again: {count(reopened)}"
        findings = (view.note("cannot-undo", message, Field.CLOSED),)
    if not todo:
        return Part(findings=findings)
    change = Change(view.campaign.resource, Field.CLOSED, False, True, Reason.CLOSES, members=todo)
    return Part(todo, (change,), findings)


def _respelled(campaign: DesiredCampaign, pairs: Sequence[Spellings]) -> Finding:
    declared, live = pairs[0]
    return Finding(
        "gateway-spelling",
        f"{campaign.resource} declares the gateway {quoted(declared)}, and the server has {quoted(live)}"
        f"{and_more(len(pairs) - 1)}: they differ only in {how_they_differ(declared, live)}, so they are"
        " probably one device, and nothing is done to the campaign",
        campaign.place_of("gatewayLists"),
        "write the id as the server has it; if these are two devices, let the one leave by an apply of its"
        " own before the other joins",
        campaign.resource,
    )


def _note(campaign: DesiredCampaign, code: str, message: str) -> Finding:
    where, resource = campaign.place_of("gatewayLists"), campaign.resource
    return Finding(code, f"{resource}: {message}", where, None, resource, Severity.NOTE)
