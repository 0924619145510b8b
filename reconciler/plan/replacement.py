"""The actions that put a successor in the place of a campaign that the server can't edit.

    (gateways gather) → retire the old → create → … → approve → end the old → start → (delete the old)

The old one runs until its successor is there and approved. What is left of it by an interrupted run comes
before the start of the successor, however that was made.

Tests: `tests/scenarios/test_replacement.py`.
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
    ResourceId,
    RetireCampaign,
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
        for former in (*found.formers, *_itself(found)):
            if former.live and not former.ended:
                yield EndCampaign(
                    resource, Reason.REPLACED, former.id, successor=successor, before_start=starts
                )


def deletions_of(resource: ResourceId, formers: Iterable[Former]) -> Iterator[DeleteCampaign]:
    """What deletes those that were replaced."""
    for former in formers:
        if former.live:
            yield DeleteCampaign(resource, Reason.REPLACED, former.id, predecessor=True)


def all_formers(found: CampaignDiff) -> tuple[Former, ...]:
    """Those that were replaced, and the one that is."""
    return (*found.formers, *_itself(found))


def _itself(found: CampaignDiff) -> Iterator[Former]:
    if found.successor and found.live:
        yield Former(found.live.id, found.live, found.live.phase is Phase.FINISHED)


def _over(found: CampaignDiff) -> bool:
    """Whether a successor that is not to start now has taken over already, or is to stand still."""
    live = found.live
    assert live is not None
    if live.phase not in (Phase.READY, Phase.WAITING):
        return True
    runs = any(each.live and each.live.phase in (Phase.RUNNING, Phase.BUSY) for each in found.formers)
    wish = found.desired.status
    return wish is DesiredStatus.STOPPED or (wish is None and not runs)
