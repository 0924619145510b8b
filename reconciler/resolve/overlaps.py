"""Rules between the parts of one campaign: what one gateway would get twice, and gateways from nowhere.

Everything is sets: a finding names the first gateway and counts the others. What isn't known is in none of
them, so that nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from reconciler.model import SchedulePhase
from reconciler.resolve.ids import MOST
from reconciler.resolve.members import Group, ListEntry
from reconciler.resolve.package_sets import PackageMembers
from reconciler.resolve.source import ResourceSource
from reconciler.resolve.timetables import Timetable
from reconciler.text import and_more, quoted

HINT_OUTSIDE = "add a list that holds it to gatewayLists, or remove it here"


@dataclass(frozen=True, slots=True)
class Composition:
    """The parts of a campaign that have to go together."""

    overrides: Sequence[tuple[ListEntry, PackageMembers]]
    schedules: Sequence[tuple[ListEntry, Timetable]]
    named: Sequence[tuple[str, Sequence[Group]]]
    """What names gateways (``this override``, ``closedGateways``), and which."""
    gateways: frozenset[str] | None
    """Every gateway that the campaign can have; None where that isn't known."""


def check_overlaps(source: ResourceSource, campaign: Composition) -> None:
    """All rules for `campaign`."""
    _overrides(source, campaign.overrides)
    _schedules(source, campaign.schedules)
    if campaign.gateways is not None:
        for what, groups in campaign.named:
            for group in groups:
                _outside(source, what, group, campaign.gateways)


def meeting(sets: Sequence[frozenset[str]]) -> Iterator[tuple[int, int, frozenset[str]]]:
    """Each pair (earlier, later, common) of sets that have something in common; linear where none has."""
    seen: set[str] = set()
    for later, members in enumerate(sets):
        if not seen.isdisjoint(members):
            for earlier in range(later):
                if not sets[earlier].isdisjoint(members):
                    yield earlier, later, sets[earlier] & members
        seen |= members


def _overrides(source: ResourceSource, overrides: Sequence[tuple[ListEntry, PackageMembers]]) -> None:
    for earlier, later, common in meeting([entry.gateways for entry, _ in overrides]):
        (first, other), (second, packages) = overrides[earlier], overrides[later]
        if packages.surely_other_than(other):
            source.error(
                "override-overlap",
                f"{_first(common)} would get other packages by the override at {source.place(*first.path)}",
                source.place(*second.path),
                "let each gateway be in one override only, or give both the same packageSet",
            )


def _schedules(source: ResourceSource, schedules: Sequence[tuple[ListEntry, Timetable]]) -> None:
    phases: dict[tuple[int, int], list[SchedulePhase]] = {}
    gateways: dict[tuple[int, int], str] = {}
    entries = [entry for entry, _ in schedules]
    for phase in SchedulePhase:
        given = [index for index, (_, timetable) in enumerate(schedules) if phase in timetable.phases]
        for earlier, later, who in _same_gateways(entries, given):
            phases.setdefault((earlier, later), []).append(phase)
            gateways[earlier, later] = who
    for (earlier, later), twice in phases.items():
        source.error(
            "schedule-overlap",
            f"{gateways[earlier, later]} would get {' and '.join(twice)} also by the schedule at "
            f"{source.place(*entries[earlier].path)}",
            source.place(*entries[later].path),
            "let one schedule give a gateway a phase; an entry without gatewayLists is for all of them",
        )


def _same_gateways(entries: Sequence[ListEntry], given: Sequence[int]) -> Iterator[tuple[int, int, str]]:
    """Each pair of `given` entries that has a gateway in common, and who that is."""
    listed = [index for index in given if not entries[index].every]
    for earlier, later, common in meeting([entries[index].gateways for index in listed]):
        yield listed[earlier], listed[later], _first(common)
    for index in given:
        if entries[index].every:
            for other in given:
                if entries[other].every and index < other:
                    yield index, other, "every gateway"
                elif members := entries[other].gateways:
                    yield min(index, other), max(index, other), _first(members)


def _outside(source: ResourceSource, what: str, group: Group, gateways: frozenset[str]) -> None:
    """Gateways of `group` that are in no list: each where it stands, or all where their list is named."""
    foreign = group.gateways - gateways
    if not foreign:
        return
    nowhere = f"in no list of the campaign at {source.place('gatewayLists')}"
    if group.ids is None:
        is_ = "is" if len(foreign) == 1 else "are"
        message = f"{_first(foreign)} of {what} {is_} {nowhere}"
        source.error("gateway-outside", message, source.place(*group.path), HINT_OUTSIDE)
        return
    each = ((index, id_) for index, id_ in enumerate(group.ids) if id_ in foreign)
    for index, id_ in islice(each, MOST):
        message = f"gateway {quoted(id_)} of {what} is {nowhere}"
        source.error("gateway-outside", message, source.place(*group.path, index), HINT_OUTSIDE)
    for index, _ in each:
        message = f"{len(foreign) - MOST:,} more gateways of {what} are {nowhere}; this is the first of them"
        source.note("more-findings", message, source.place(*group.path, index), HINT_OUTSIDE)
        break


def _first(gateways: frozenset[str]) -> str:
    return f"gateway {quoted(min(gateways))}{and_more(len(gateways) - 1)}"
