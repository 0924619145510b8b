"""The time zone of every gateway of a campaign, as its lists say, where a calendar asks for it.

Tests: `tests/resolve/test_resolve_rollouts.py`, `tests/resolve/test_resolve_project_calendars.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.loading.nodes import unsure
from reconciler.model import several
from reconciler.resolve.gateway_lists import ZONE_COLUMN, GatewayList
from reconciler.resolve.source import ResourceSource
from reconciler.text import and_more, quoted


@dataclass(frozen=True, slots=True)
class Fleet:
    """The gateways of a campaign, and what its lists say of them."""

    lists: Sequence[GatewayList]
    declared: frozenset[str]
    """All that its lists have."""
    gateways: frozenset[str]
    """Those that aren't closed."""
    whole: bool
    """Whether these are surely all."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose zone calendars ask for: all, or `some`; `others` are lists that name some of those."""

    everyone: bool
    some: frozenset[str] = frozenset()
    others: Sequence[GatewayList] = ()


def zones_of(source: ResourceSource, fleet: Fleet, whose: Whose) -> Mapping[str, frozenset[str]]:
    """Zone → its gateways, where calendars ask for some; else nothing."""
    if not (whose.everyone or whose.some):
        return {}
    zones: dict[str, frozenset[str]] = {}
    fleet = replace(fleet, lists=[*fleet.lists, *(each for each in whose.others if each not in fleet.lists)])
    for each in fleet.lists:
        for zone, members in each.zones.items():
            zones[zone] = zones.get(zone, frozenset()) | members
    place = source.place("gatewayLists")
    if whose.everyone and _undeclared(source):
        message = "a calendar is read in the zone of each gateway, and whose these are is left to the server"
        hint = "give that calendar a time zone of its own, or declare the gateways with gatewayLists"
        source.error("timezone-missing", message, source.place(), hint)
        return {}
    if twice := sorted(several(zones.values())):
        message = f"gateway {quoted(twice[0])}{and_more(len(twice) - 1)} is in lists of different time zones"
        hint = f"{_places(fleet, twice[0])}; keep one zone for each gateway"
        source.error("timezone-conflict", message, place, hint)
        for zone in sorted(zones):
            zones[zone] -= frozenset(twice) if zone != min(zones) else frozenset()
    needed = fleet.gateways if whose.everyone else whose.some
    known = fleet.whole or not whose.everyone
    if known and (lacking := sorted(needed.difference(*zones.values()))):
        message = (
            f"the calendar is read in the zone of each gateway, and {len(lacking):,} gateways have none,"
            f" first {quoted(lacking[0])}"
        )
        hint = f"give their list a `timezone`, or its CSV file a column {quoted(ZONE_COLUMN)}"
        source.error("timezone-missing", message, place, hint)
    return zones


def _undeclared(source: ResourceSource) -> bool:
    """Whether the campaign surely has gateways that no list declares; a rollout needs lists anyway."""
    spec = source.spec
    if "rollout" in spec:
        return False
    known = any(name in spec or unsure(spec, name) for name in ("gatewayLists", "rollbackOf"))
    return "distributionList" in spec or not known


def _places(fleet: Fleet, gateway: str) -> str:
    named = [
        f"{zone} by {each.source.resource} at {each.source.place()}"
        for each in fleet.lists
        for zone, members in each.zones.items()
        if gateway in members and each.source
    ]
    return "it is in " + " and in ".join(named)
