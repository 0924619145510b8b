"""Rules between the parts of one campaign: what one gateway would get twice, and gateways from nowhere.

Everything is sets: a finding names the first gateway and counts the others. What isn't known is in none of
them, so that nothing is said of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from reconciler.model import SchedulePhase, several
from reconciler.model.spellings import spelled_twice
from reconciler.resolve.ids import HINT_SPELLING, MOST, said_twice
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
    members: frozenset[str] = frozenset()
    """What several lists declare, where each alone spells its ids in one way."""


def check_overlaps(source: ResourceSource, campaign: Composition) -> None:
    """All rules for `campaign`."""
    if len(campaign.overrides) > 1:
        _overrides(source, campaign.overrides)
    if len(campaign.schedules) > 1:
        _schedules(source, campaign.schedules)
    if campaign.members and (pairs := spelled_twice(campaign.members)):
        source.error("gateway-spelling", said_twice(pairs), source.place("gatewayLists"), HINT_SPELLING)
    if campaign.gateways is not None:
        for what, groups in campaign.named:
            for group in groups:
                _outside(source, what, group, campaign.gateways)


def _overrides(source: ResourceSource, overrides: Sequence[tuple[ListEntry, PackageMembers]]) -> None:
    """An override that disagrees with earlier ones: with the first that gives a gateway other packages."""
    twice = several(entry.gateways for entry, _ in overrides)
    given: dict[str, list[int]] = defaultdict(list)
    """Gateway → the overrides for it that may agree, each with other packages than those before."""
    for at, (entry, packages) in enumerate(overrides if twice else ()):
        common: dict[int, set[str]] = defaultdict(set)
        for gateway in twice & entry.gateways:
            earlier = given[gateway]
            if (other := _surely_other(packages, earlier, overrides)) is not None:
                common[other].add(gateway)
            elif all(overrides[each][1] != packages for each in earlier):
                earlier.append(at)
        for other, gateways in sorted(common.items()):
            source.error(
                "override-overlap",
                f"{_first(gateways)} would get other packages by the override at"
                f" {source.place(*overrides[other][0].path)}",
                source.place(*entry.path),
                "let each gateway be in one override only, or give both the same packageSet",
            )


def _surely_other(
    packages: PackageMembers, earlier: Sequence[int], overrides: Sequence[tuple[ListEntry, PackageMembers]]
) -> int | None:
    return next((each for each in earlier if packages.surely_other_than(overrides[each][1])), None)


def _schedules(source: ResourceSource, schedules: Sequence[tuple[ListEntry, Timetable]]) -> None:
    phases: dict[tuple[int, int], list[SchedulePhase]] = {}
    gateways: dict[tuple[int, int], str] = {}
    for phase in SchedulePhase:
        given = [(at, entry) for at, (entry, timetable) in enumerate(schedules) if phase in timetable.phases]
        for earlier, later, who in _same_gateways(given):
            phases.setdefault((earlier, later), []).append(phase)
            gateways[earlier, later] = who
    for (earlier, later), twice in sorted(phases.items()):
        source.error(
            "schedule-overlap",
            f"{gateways[earlier, later]} would get {' and '.join(twice)} also by the schedule at "
            f"{source.place(*schedules[earlier][0].path)}",
            source.place(*schedules[later][0].path),
            "let one schedule give a gateway a phase; an entry without gatewayLists is for all of them",
        )


def _same_gateways(given: Sequence[tuple[int, ListEntry]]) -> Iterator[tuple[int, int, str]]:
    """(the first that has a gateway, a later one that has it, who that is), for entries of one phase."""
    twice = several(entry.gateways for _, entry in given)
    first: dict[str, int] = {}
    every: int | None = None
    listed: list[tuple[int, frozenset[str]]] = []
    for at, entry in given:
        if entry.every:
            if every is not None:
                yield every, at, "every gateway"
                continue
            every = at
            yield from ((earlier, at, _first(gateways)) for earlier, gateways in listed)
        elif entry.gateways:
            if every is not None:
                yield every, at, _first(entry.gateways)
            common: dict[int, set[str]] = defaultdict(set)
            for gateway in twice & entry.gateways if twice else ():
                if (earlier := first.setdefault(gateway, at)) != at:
                    common[earlier].add(gateway)
            for earlier, who in sorted(common.items()):
                yield earlier, at, _first(who)
            listed.append((at, entry.gateways))


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


def _first(gateways: Collection[str]) -> str:
    return f"gateway {quoted(min(gateways))}{and_more(len(gateways) - 1)}"
