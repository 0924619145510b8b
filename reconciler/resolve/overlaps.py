"""Rules between the parts of one campaign: what one gateway would get twice, and gateways from nowhere.

Everything is sets: a finding names the first gateway and counts the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model import Assignment, DesiredCampaign, Place, SchedulePhase
from reconciler.resolve.source import Findings, Source
from reconciler.resolve.words import and_more, shown

HINT_OUTSIDE = "add a list that holds it to gatewayLists, or remove it here"


def check_overlaps(source: Source, campaign: DesiredCampaign, findings: Findings, *, sound: bool) -> None:
    """All rules for `campaign`. `sound` False: its gateways are not all known, so none is called foreign."""
    _overrides(source, campaign, findings)
    _schedules(source, campaign, findings)
    if sound and campaign.gateways is not None and campaign.distribution is None:
        _outside(source, campaign, campaign.gateways, findings)


def meeting(sets: Sequence[frozenset[str]]) -> Iterator[tuple[int, int, frozenset[str]]]:
    """Each pair (earlier, later, common) of sets that have something in common; linear where none has."""
    seen: set[str] = set()
    for later, members in enumerate(sets):
        if not seen.isdisjoint(members):
            for earlier in range(later):
                if not sets[earlier].isdisjoint(members):
                    yield earlier, later, sets[earlier] & members
        seen |= members


def _overrides(source: Source, campaign: DesiredCampaign, findings: Findings) -> None:
    overrides = campaign.overrides or ()
    for earlier, later, common in meeting([override.gateways for override in overrides]):
        if overrides[earlier].packages != overrides[later].packages:
            findings.error(
                source,
                _place(campaign, overrides[later].place),
                "override-overlap",
                f"{_first(common)} would get other packages by the override at {overrides[earlier].place}",
                "let each gateway be in one override only, or give both the same packageSet",
            )


def _schedules(source: Source, campaign: DesiredCampaign, findings: Findings) -> None:
    schedules = campaign.schedules or ()
    phases: dict[tuple[int, int], list[SchedulePhase]] = {}
    gateways: dict[tuple[int, int], str] = {}
    for phase in SchedulePhase:
        entries = [index for index, entry in enumerate(schedules) if phase in entry.windows]
        for earlier, later, who in _same_gateways(schedules, entries):
            phases.setdefault((earlier, later), []).append(phase)
            gateways[earlier, later] = who
    for (earlier, later), twice in phases.items():
        findings.error(
            source,
            _place(campaign, schedules[later].place),
            "schedule-overlap",
            f"{gateways[earlier, later]} would get {' and '.join(twice)} also by the schedule at "
            f"{schedules[earlier].place}",
            "let one schedule give a gateway a phase; an entry without gatewayLists is for all of them",
        )


def _same_gateways(schedules: Sequence[Assignment], entries: Sequence[int]) -> Iterator[tuple[int, int, str]]:
    """Each pair of `entries` that has a gateway in common, and who that is. No gateways means every one."""
    listed = [(index, gateways) for index in entries if (gateways := schedules[index].gateways) is not None]
    for earlier, later, common in meeting([gateways for _, gateways in listed]):
        yield listed[earlier][0], listed[later][0], _first(common)
    for index in entries:
        if schedules[index].gateways is None:
            for other in entries:
                members = schedules[other].gateways
                if members is None and index < other:
                    yield index, other, "every gateway"
                elif members:
                    yield min(index, other), max(index, other), _first(members)


def _outside(source: Source, campaign: DesiredCampaign, gateways: frozenset[str], findings: Findings) -> None:
    lists = campaign.place_of("gatewayLists")
    for what, entries in (("override", campaign.overrides), ("schedule", campaign.schedules)):
        for entry in entries or ():
            if foreign := (entry.gateways or frozenset()) - gateways:
                message = (
                    f"{_first(foreign)} of this {what} {_are(foreign)} in no list of the campaign at {lists}"
                )
                findings.error(
                    source, _place(campaign, entry.place), "gateway-outside", message, HINT_OUTSIDE
                )
    if foreign := (campaign.closed or frozenset()) - gateways:
        first = next(index for index, id_ in enumerate(source.spec["closedGateways"]) if id_ in foreign)
        message = f"{_first(foreign)} of closedGateways {_are(foreign)} in no list of the campaign at {lists}"
        findings.error(
            source, source.place("closedGateways", first), "gateway-outside", message, HINT_OUTSIDE
        )


def _first(gateways: frozenset[str]) -> str:
    return f"gateway {shown(min(gateways))}{and_more(len(gateways) - 1)}"


def _are(gateways: frozenset[str]) -> str:
    return "is" if len(gateways) == 1 else "are"


def _place(campaign: DesiredCampaign, place: Place | None) -> Place:
    return place or campaign.place
