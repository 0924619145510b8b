"""Campaigns: every field with its references resolved. What is left out stays None: not managed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reconciler.loading.nodes import unsure
from reconciler.loading.referenced_files import Files
from reconciler.model import (
    Assignment,
    Calendar,
    Callback,
    CallbackEvent,
    DesiredCampaign,
    DesiredStatus,
    DistributionList,
    Joining,
    Kind,
    OnRemove,
    Override,
    ResourceId,
)
from reconciler.resolve.campaign_settings import resolve_settings
from reconciler.resolve.delivery import resolve_delivery
from reconciler.resolve.gateway_lists import GatewayList
from reconciler.resolve.members import Group, ListEntry, entries, named_inline, union
from reconciler.resolve.overlaps import Composition, check_overlaps
from reconciler.resolve.package_sets import PackageMembers
from reconciler.resolve.policies import PolicyParts
from reconciler.resolve.rollouts import resolve_rollout
from reconciler.resolve.source import ResourceSource
from reconciler.resolve.supported import check_supported
from reconciler.resolve.timetables import Timetable
from reconciler.resolve.zones import Fleet, Whose, zones_of

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Parts:
    """What campaigns refer to, by name, and what their settings are read from.

    A name that is missing here was refused before: it is skipped, and nothing is concluded from that.
    """

    packages: Mapping[str, PackageMembers]
    lists: Mapping[str, GatewayList]
    schedules: Mapping[str, Timetable]
    callbacks: Mapping[str, Mapping[CallbackEvent, Callback]]
    policies: Mapping[str, PolicyParts]
    calendars: Sequence[Calendar]
    """Those of the whole project."""
    ways_back: Mapping[str, ResourceSource]
    """The campaigns that others are the way back from, by name."""
    files: Files
    environ: Mapping[str, str] | None


def resolve_campaign(source: ResourceSource, parts: Parts) -> DesiredCampaign:
    """The campaign as it is wanted, its parts checked against each other."""
    spec = source.spec
    lists = _lists(source, parts)
    overrides = entries(source, "packageOverrides", parts.lists)
    schedules = entries(source, "schedules", parts.lists)
    packages = list(_known(source, overrides, "packageSet", parts.packages))
    timetables = list(_known(source, schedules, "schedule", parts.schedules))
    closed = (
        named_inline(source, ("closedGateways",), spec["closedGateways"])
        if "closedGateways" in spec
        else None
    )
    fleet = _fleet(source, lists, closed)
    policy = parts.policies.get((spec.get("rollout") or {}).get("policy", ""))
    asking = [*parts.calendars, *([policy.calendar] if policy and policy.calendar else [])]
    zones = zones_of(source, fleet, _whose_zones(source, parts, asking, timetables))
    campaign = DesiredCampaign(
        resource=source.identity,
        name=str(spec.get("name", source.identity.name)),
        place=source.document.place(()),
        description=str(spec["description"]) if "description" in spec else None,
        packages=parts.packages[spec["packageSet"]].refs
        if spec.get("packageSet") in parts.packages
        else None,
        package_set=parts.packages[spec["packageSet"]].name
        if spec.get("packageSet") in parts.packages
        else None,
        delivery=resolve_delivery(source) if "delivery" in spec else None,
        settings=resolve_settings(source, parts.files, parts.environ) if "settings" in spec else None,
        gateways=fleet.declared if "gatewayLists" in spec or "rollbackOf" in spec else None,
        distribution=_distribution(spec.get("distributionList", {})),
        overrides=tuple(
            Override(entry.gateways, members.refs, source.place(*entry.path)) for entry, members in packages
        )
        if "packageOverrides" in spec
        else None,
        schedules=tuple(
            Assignment(
                timetable.windows,
                None if entry.every else entry.gateways,
                source.place(*entry.path),
                _scheduled_by(source, entry),
                timetable.timezone,
                timetable.calendars,
            )
            for entry, timetable in timetables
        )
        if "schedules" in spec
        else None,
        callbacks=parts.callbacks.get(spec["callbackSet"]) if "callbackSet" in spec else None,
        closed=None if closed is None else closed.gateways,
        things=_things(source, lists) if spec.get("runOnThings") else None,
        approve=bool(spec.get("approve", False)),
        status=DesiredStatus(spec["desiredStatus"]) if "desiredStatus" in spec else None,
        joining=Joining(spec.get("joinWhileStarted", Joining.DIRECT if "rollout" in spec else Joining.PAUSE)),
        on_remove=OnRemove(spec.get("onRemove", OnRemove.DELETE)),
        rollback_of=ResourceId(Kind.CAMPAIGN, str(spec["rollbackOf"])) if "rollbackOf" in spec else None,
        rollout=resolve_rollout(source, fleet, parts.policies, parts.calendars, zones),
        calendars=tuple(parts.calendars),
        zones=zones,
        labels=source.labels,
        places=source.places(),
    )
    named = [("this override", entry.groups) for entry in overrides]
    named += [("this schedule", entry.groups) for entry in schedules]
    named += [("closedGateways", (closed,))] if closed else []
    check_supported(source)
    every = campaign.gateways if _all_known(source, lists) else None
    together = campaign.gateways if campaign.gateways and len(lists) > 1 else frozenset()
    check_overlaps(source, Composition(packages, timetables, named, every, together))
    return campaign


def _fleet(source: ResourceSource, lists: Sequence[GatewayList], closed: Group | None) -> Fleet:
    """Whom a rollout is about: the declared gateways without the closed ones."""
    declared = union(found.gateways for found in lists)
    gateways = declared - closed.gateways if closed else declared
    whole = _all_known(source, lists) and not unsure(source.spec, "closedGateways")
    return Fleet(lists, declared, gateways, whole)


def _whose_zones(
    source: ResourceSource,
    parts: Parts,
    calendars: Iterable[Calendar],
    timetables: Iterable[tuple[ListEntry, Timetable]],
) -> Whose:
    """Whose zone the `calendars` that hold everybody back ask for, or those of schedules."""
    asking = [
        entry
        for entry, timetable in timetables
        if any(each.calendar.of_gateways for each in timetable.calendars.values())
    ]
    names = [name for each in asking for name in _listed(source, each) if name in parts.lists]
    everyone = any(calendar.of_gateways for calendar in calendars) or any(each.every for each in asking)
    return Whose(everyone, union(each.gateways for each in asking), [parts.lists[name] for name in names])


def _listed(source: ResourceSource, entry: ListEntry) -> Sequence[str]:
    section, index = entry.path
    return [str(name) for name in source.spec[str(section)][index].get("gatewayLists") or ()]


def _lists(source: ResourceSource, parts: Parts) -> Sequence[GatewayList]:
    """Its lists; of one that is a way back those of the other one."""
    other = parts.ways_back.get(source.spec.get("rollbackOf", ""))
    spec = other.spec if other else source.spec
    return [parts.lists[name] for name in spec.get("gatewayLists") or () if name in parts.lists]


def _known(
    source: ResourceSource, found: Iterable[ListEntry], key: str, parts: Mapping[str, Part]
) -> Iterator[tuple[ListEntry, Part]]:
    """Each entry with what its `key` refers to, where that is known."""
    for entry in found:
        section, index = entry.path
        name = source.spec[str(section)][index].get(key)
        if name in parts:
            yield entry, parts[name]


def _scheduled_by(source: ResourceSource, entry: ListEntry) -> str:
    section, index = entry.path
    return str(source.spec[str(section)][index]["schedule"])


def _all_lists(source: ResourceSource, lists: Sequence[GatewayList]) -> bool:
    """Whether `lists` are surely all that the campaign names."""
    named = source.spec.get("gatewayLists") or ()
    return len(lists) == len(named) and not unsure(source.spec, "gatewayLists")


def _all_known(source: ResourceSource, lists: Sequence[GatewayList]) -> bool:
    """Whether the campaign has lists, and surely no other gateways than theirs, which are all known."""
    spec = source.spec
    if "gatewayLists" not in spec or "distributionList" in spec or unsure(spec, "distributionList"):
        return False
    return _all_lists(source, lists) and all(found.whole for found in lists)


def _distribution(value: Mapping[str, object]) -> DistributionList | None:
    if "distributionListId" not in value:
        return None
    interval = value.get("reevaluationIntervalSeconds")
    return DistributionList(str(value["distributionListId"]), interval if isinstance(interval, int) else None)


def _things(source: ResourceSource, lists: Sequence[GatewayList]) -> Mapping[str, tuple[str, ...]]:
    """The things of every list together, sorted by gateway."""
    things: dict[str, dict[str, None]] = {}
    for found in lists:
        for gateway, ids in found.things.items():
            things.setdefault(gateway, {}).update(dict.fromkeys(ids))
    if not things and _all_lists(source, lists) and all(found.whole_things for found in lists):
        message = "runOnThings is true, but no list of the campaign names things"
        hint = "add things to a GatewayList, or leave runOnThings out"
        source.warning("no-things", message, source.place("runOnThings"), hint)
    return {gateway: tuple(things[gateway]) for gateway in sorted(things)}
