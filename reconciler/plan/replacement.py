"""The actions that put a successor in the place of a campaign that the server can't edit.

    (gateways gather) → retire the old → create → … → approve → end the old → start → (delete the old)

The old one runs until its successor is there and approved. What is left of it by an interrupted run comes
before the start of the successor, however that was made.

Of a rollout the old one goes on for those whose turn is still to come, and only the others leave it:

| the successor          | who leaves the old one                                                      |
|------------------------|-----------------------------------------------------------------------------|
| is started by the plan | whoever is in it by then, right before the start                            |
| runs                   | each right before it joins; first of all those that a cut run left in both  |
| stands                 | nobody                                                                      |

Whom no list declares leaves in any case. When nobody stays the old one ends.

Tests: `tests/scenarios/test_replacement.py`, `tests/scenarios/test_revisions.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from reconciler.diff import CampaignDiff, Former, Run
from reconciler.model import (
    DeleteCampaign,
    DesiredStatus,
    Draft,
    EndCampaign,
    Phase,
    Reason,
    RemoveGateways,
    ResourceId,
    RetireCampaign,
    StartCampaign,
    StopCampaign,
    Verb,
    sorted_ids,
)
from reconciler.providers.base import Facts


def draft_of(replaces: str | None, gateways: Iterable[str]) -> Draft:
    """Where `gateways` (sorted) gather before their campaign is there."""
    digest, size = hashlib.sha256(repr(replaces).encode()), 0
    for gateway in gateways:
        digest.update(b"\0" + gateway.encode("utf-8", "surrogatepass"))
        size += 1
    return Draft(digest.hexdigest()[:12], size)


def room_for(found: CampaignDiff, facts: Facts) -> Iterator[RetireCampaign]:
    """What gives the name to the successor, where the server takes a name once."""
    live = found.live
    assert live is not None
    name = facts.retired_name(found.desired.name, live.id)
    if facts.knows(RetireCampaign.verb) and live.name != name:
        yield RetireCampaign(found.desired.resource, Reason.MAKES_ROOM, live.id, name=name)


def ends_of(found: CampaignDiff) -> Iterator[EndCampaign]:
    """What ends those that were replaced, and the one that is: before a successor starts, or runs already."""
    resource, live = found.desired.resource, found.live
    assert live is not None
    successor = None if found.successor else live.id
    starts = found.starts if found.successor else found.transition.run is Run.START
    if found.successor or starts or _over(found):
        for former in all_formers(found):
            if former.live and not (former.ended or former.staying):
                yield EndCampaign(
                    resource, Reason.REPLACED, former.id, successor=successor, before_start=starts
                )


def leaves_of(found: CampaignDiff) -> Iterator[RemoveGateways]:
    """Who leaves those that were replaced, and the one that is: by the table above."""
    resource, live, campaign = found.desired.resource, found.live, found.desired
    assert live is not None
    starts = found.starts if found.successor else found.transition.run is Run.START
    stops = found.transition.run is Run.STOP
    runs = not found.successor and live.phase is Phase.RUNNING and not stops
    for former in all_formers(found):
        if not former.live or former.ended or not former.leaving:
            continue
        if former.staying:
            leaving = former.leaving if starts or runs else former.leaving - campaign.declared
        else:
            # It ends only after its gateways have joined the successor.
            leaving = former.leaving.intersection(found.gained) if runs else frozenset[str]()
        if leaving:
            yield RemoveGateways(
                resource,
                Reason.MOVES if campaign.rollout else Reason.REPLACED,
                former.id,
                sorted_ids(leaving),
                moving=True,
                successor=None if found.successor else live.id,
                before_start=starts,
            )


def rests_of(found: CampaignDiff, facts: Facts) -> Iterator[StopCampaign]:
    """What stops those that go on for whoever stays, where a freeze or Git wants all to stand still.

    For Git they aren't started again: who is in them gets the new revision with its wave.
    """
    campaign = found.desired
    for former in found.formers:
        live = former.live
        stops = former.id in campaign.halts or (campaign.rests and former.staying)
        if live and stops and live.phase is Phase.RUNNING and facts.allows(Verb.STOP, live.phase):
            reason = Reason.WANTS_STOPPED if campaign.rests else Reason.FREEZE
            yield StopCampaign(campaign.resource, reason, former.id, predecessor=True)


def thaws_of(found: CampaignDiff, facts: Facts) -> Iterator[StartCampaign]:
    """What starts those again that a freeze stopped, where somebody stays in them."""
    for former in all_formers(found):
        live = former.live
        thaws = live and former.staying and former.id in found.desired.thaws
        if live and thaws and facts.allows(Verb.START, live.phase):
            yield StartCampaign(found.desired.resource, Reason.FREEZE_OVER, former.id, predecessor=True)


def deletions_of(resource: ResourceId, formers: Iterable[Former]) -> Iterator[DeleteCampaign]:
    """What deletes those that were replaced."""
    for former in formers:
        if former.live and not former.staying:
            yield DeleteCampaign(resource, Reason.REPLACED, former.id, predecessor=True)


def all_formers(found: CampaignDiff) -> tuple[Former, ...]:
    """Those that were replaced, and the one that is."""
    return (*found.formers, found.itself) if found.itself else found.formers


def _over(found: CampaignDiff) -> bool:
    """Whether a successor that is not to start now has taken over already, or is to stand still."""
    live = found.live
    assert live is not None
    if live.phase not in (Phase.READY, Phase.WAITING):
        return True
    runs = any(each.live and each.live.phase in (Phase.RUNNING, Phase.BUSY) for each in found.formers)
    wish = found.desired.status
    return wish is DesiredStatus.STOPPED or (wish is None and not runs)
