"""Campaigns that are the way back from another one: `rollbackOf`.

Tests: `tests/resolve/test_resolve_rollbacks.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.loading.nodes import unsure
from reconciler.model import DesiredCampaign, OnFailure, ResourceId
from reconciler.resolve.source import ResourceSource
from reconciler.text import quoted


def ways_back(sources: Sequence[ResourceSource]) -> Mapping[str, ResourceSource]:
    """The campaigns that others are the way back from, by name."""
    named = {source.spec["rollbackOf"] for source in sources if "rollbackOf" in source.spec}
    return {source.identity.name: source for source in sources if source.identity.name in named}


def check_rollbacks(
    sources: Sequence[ResourceSource], campaigns: Mapping[ResourceId, DesiredCampaign]
) -> None:
    """What is wrong with `rollbackOf` in any of them; one that isn't declared was refused before."""
    by_name = {source.identity.name: source for source in sources}
    first: dict[str, ResourceSource] = {}
    for source in sources:
        if "rollbackOf" not in source.spec:
            continue
        name, place = str(source.spec["rollbackOf"]), source.place("rollbackOf")
        for field in ("gatewayLists", "distributionList"):
            if field in source.spec:
                message = f"the gateways of a way back are those of {quoted(name)}, and not of {field}"
                source.error("rollback-with-lists", message, source.place(field), "keep one of them")
        before = first.setdefault(name, source)
        if before is not source:
            message = f"{before.identity} is the way back from {quoted(name)} already, at {before.place()}"
            source.error("rollback-twice", message, place, "keep one of them")
        other = by_name.get(name)
        if other is not None:
            _check_other(source, other, campaigns.get(other.identity))


def _check_other(source: ResourceSource, other: ResourceSource, campaign: DesiredCampaign | None) -> None:
    place, spec = source.place("rollbackOf"), other.spec
    if other is source or "rollbackOf" in spec:
        what = "itself" if other is source else "another way back"
        message = f"it is the way back from {what}"
        source.error("rollback-of-nothing", message, place, "name the campaign that brings the new packages")
        return
    if "rollout" not in spec and not unsure(spec, "rollout"):
        message = f"{other.identity} has no rollout, so nothing ever says that it went wrong"
        source.error("rollback-of-nothing", message, place, "give it a rollout")
        return
    wish = campaign.rollout if campaign else None
    if wish is not None and wish.on_failure is not OnFailure.STOP:
        message = (
            f"the rollout of {other.identity} doesn't stop it when it is aborted, and while that one runs"
            " nobody joins this one"
        )
        hint = f"write `onFailure: stop` in the policy {wish.policy}, or stop the campaign by hand then"
        source.warning("rollback-not-stopped", message, place, hint)
