"""Whom the parts of a campaign are for, as far as that is known.

Tests: `tests/resolve/test_resolve_campaigns.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.loading.nodes import unsure
from reconciler.resolve.gateway_lists import GatewayList
from reconciler.resolve.ids import Ids, check_ids
from reconciler.resolve.source import ResourceSource

Path = tuple[str | int, ...]
"""Where something stands below the ``spec``."""


@dataclass(frozen=True, slots=True)
class Group:
    """Gateways that are named at one place: one by one, or by the name of a list (``ids`` None)."""

    path: Path
    gateways: frozenset[str]
    ids: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class ListEntry:
    """An override or a schedule of a campaign, and its gateways; ``every``: those of the campaign."""

    path: Path
    groups: tuple[Group, ...] = ()
    gateways: frozenset[str] = frozenset()
    every: bool = False


def entries(source: ResourceSource, section: str, lists: Mapping[str, GatewayList]) -> tuple[ListEntry, ...]:
    """The entries of ``packageOverrides`` or ``schedules``; a list that isn't known counts for nothing."""
    made = []
    for index, item in enumerate(source.spec.get(section) or ()):
        groups = _groups(source, (section, index), item, lists)
        # None named means all. Only schedules may do that: an override without gateways has a finding.
        every = not groups and not any(
            key in item or unsure(item, key) for key in ("gatewayLists", "gateways")
        )
        made.append(ListEntry((section, index), groups, union(group.gateways for group in groups), every))
    return tuple(made)


def named_inline(source: ResourceSource, path: Path, ids: Sequence[str]) -> Group:
    """The gateways that stand one by one at `path`."""
    good, _ = check_ids(source, Ids(ids, lambda index: source.place(*path, index)))
    return Group(path, good, ids)


def union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    """All of `sets`; a single one is shared, not copied."""
    members = [members for members in sets if members]
    return members[0] if len(members) == 1 else frozenset().union(*members)


def _groups(
    source: ResourceSource,
    path: Path,
    item: Mapping[str, Any],
    lists: Mapping[str, GatewayList],
) -> tuple[Group, ...]:
    groups = [
        Group((*path, "gatewayLists", index), lists[name].gateways)
        for index, name in enumerate(item.get("gatewayLists") or ())
        if name in lists
    ]
    if "gateways" in item:
        groups.append(named_inline(source, (*path, "gateways"), item["gateways"]))
    return tuple(groups)
