"""Which campaigns come after which: what their policies say of that has to have an end.

Tests: `tests/rollout/test_rollout_order.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Final

from reconciler.loading.nodes import unsure
from reconciler.model import Kind, ResourceId
from reconciler.resolve.source import ResourceSource
from reconciler.text import quoted

_FEW: Final = 6
"""How many policies of a circle are named."""


SetsByName = Mapping[str, Sequence[ResourceId]]
"""Set → its campaigns."""


def campaigns_of_sets(campaigns: Iterable[ResourceSource]) -> SetsByName:
    """Which campaigns each set has become."""
    found: dict[str, list[ResourceId]] = {}
    for campaign in campaigns:
        if campaign.document.made_by is not None:
            found.setdefault(campaign.document.made_by, []).append(campaign.identity)
    return found


def come_first(source: ResourceSource, sets: SetsByName) -> Iterator[tuple[int, ResourceId]]:
    """The campaigns that come before those of a policy, each with the index of the item that says so."""
    for at, item in enumerate(source.spec.get("after", ())):
        if isinstance(item, str):
            yield at, ResourceId(Kind.CAMPAIGN, str(item))
        else:
            yield from ((at, each) for each in sets.get(item.get("set", ""), ()))


def check_order(
    policies: Sequence[ResourceSource], campaigns: Sequence[ResourceSource], sets: SetsByName
) -> None:
    """Each campaign that others come after has a rollout, and none comes after itself.

    All campaigns of a policy come after those that it names: so one policy after another tells it all.
    """
    policy_of: dict[str, str] = {}
    without: set[str] = set()
    for campaign in campaigns:
        name = campaign.identity.name
        if isinstance(policy := campaign.spec.get("rollout", {}).get("policy"), str):
            policy_of[name] = policy
        elif not unsure(campaign.spec, "rollout"):
            without.add(name)
    before: dict[str, dict[str, int]] = {}
    known: dict[str, ResourceSource] = {}
    for source in policies:
        known[source.identity.name] = source
        refused: set[int] = set()
        for at, name in ((at, each.name) for at, each in come_first(source, sets)):
            if name in without and at not in refused:
                refused.add(at)
                message = f"Campaign {quoted(name)} has no rollout, so it is never complete"
                hint = "give it a `rollout`, or take it out"
                source.error("after-without-rollout", message, source.place("after", at), hint)
            elif name in policy_of:
                before.setdefault(source.identity.name, {}).setdefault(policy_of[name], at)
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        # In this order each policy names the one behind it in its `after`.
        around: list[str] = error.args[1][::-1]
        source, at = known[around[0]], before[around[0]][around[1]]
        names = " after ".join(map(quoted, around[:_FEW])) + (" …" if len(around) > _FEW else "")
        message = f"these policies come after each other, so none of their campaigns ever begins: {names}"
        source.error("rollout-cycle", message, source.place("after", at), "take one of the names out")
