"""Campaigns: every field with its references resolved. What is left out stays None: not managed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.model import (
    Assignment,
    Callback,
    CallbackEvent,
    DesiredCampaign,
    DesiredStatus,
    DistributionList,
    Joining,
    OnRemove,
    Override,
    PackageRef,
)
from reconciler.resolve.files import Files
from reconciler.resolve.gateways import GatewayList
from reconciler.resolve.ids import Ids, check_ids
from reconciler.resolve.overlaps import check_overlaps
from reconciler.resolve.schedules import Windows
from reconciler.resolve.settings import resolve_settings
from reconciler.resolve.source import Findings, Source


@dataclass(frozen=True, slots=True)
class Parts:
    """What campaigns refer to, by name, and what their settings are read from.

    A name that is missing here was refused before: it is skipped, and nothing is concluded from that.
    """

    packages: Mapping[str, tuple[PackageRef, ...]]
    lists: Mapping[str, GatewayList]
    schedules: Mapping[str, Windows]
    callbacks: Mapping[str, Mapping[CallbackEvent, Callback]]
    files: Files
    environ: Mapping[str, str] | None


def resolve_campaign(source: Source, parts: Parts, findings: Findings) -> DesiredCampaign:
    """The campaign as it is wanted, its parts checked against each other."""
    spec = source.spec
    lists = _lists(spec["gatewayLists"], parts) if "gatewayLists" in spec else None
    campaign = DesiredCampaign(
        resource=source.resource,
        name=str(spec.get("name", source.resource.name)),
        place=source.document.place(()),
        description=str(spec["description"]) if "description" in spec else None,
        packages=parts.packages.get(spec["packageSet"]) if "packageSet" in spec else None,
        settings=resolve_settings(source, parts.files, parts.environ, findings)
        if "settings" in spec
        else None,
        gateways=None if lists is None else _union(found.gateways for found in lists),
        distribution=_distribution(spec["distributionList"]) if "distributionList" in spec else None,
        overrides=_overrides(source, parts, findings) if "packageOverrides" in spec else None,
        schedules=_assignments(source, parts, findings) if "schedules" in spec else None,
        callbacks=parts.callbacks.get(spec["callbackSet"]) if "callbackSet" in spec else None,
        closed=_inline(source, ("closedGateways",), findings) if "closedGateways" in spec else None,
        things=_things(source, lists or (), findings) if spec.get("runOnThings") else None,
        approve=bool(spec.get("approve", False)),
        status=DesiredStatus(spec["desiredStatus"]) if "desiredStatus" in spec else None,
        joining=Joining(spec.get("joinWhileStarted", Joining.PAUSE)),
        on_remove=OnRemove(spec.get("onRemove", OnRemove.DELETE)),
        labels=source.labels,
        places={key: source.place(key) for key in spec},
    )
    sound = (
        lists is not None and len(lists) == len(spec["gatewayLists"]) and all(found.sound for found in lists)
    )
    check_overlaps(source, campaign, findings, sound=sound)
    return campaign


def _lists(names: Iterable[str], parts: Parts) -> Sequence[GatewayList]:
    return [parts.lists[name] for name in names if name in parts.lists]


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    """All of `sets`; a single one is shared, not copied."""
    members = [members for members in sets if members]
    return members[0] if len(members) == 1 else frozenset().union(*members)


def _inline(source: Source, path: tuple[str | int, ...], findings: Findings) -> frozenset[str]:
    """The ids that stand in YAML at `path`."""
    ids: object = source.spec
    for segment in path:
        ids = ids[segment]  # type: ignore[index]
    return check_ids(source, Ids(ids, lambda index: source.place(*path, index)), findings)  # type: ignore[arg-type]


def _named(source: Source, key: str, index: int, parts: Parts, findings: Findings) -> frozenset[str] | None:
    """The gateways of entry `index` of `key`, of its lists and its own; None when it has neither field."""
    entry = source.spec[key][index]
    if "gatewayLists" not in entry and "gateways" not in entry:
        return None
    sets = [found.gateways for found in _lists(entry.get("gatewayLists", ()), parts)]
    if "gateways" in entry:
        sets.append(_inline(source, (key, index, "gateways"), findings))
    return _union(sets)


def _overrides(source: Source, parts: Parts, findings: Findings) -> tuple[Override, ...]:
    return tuple(
        Override(
            _named(source, "packageOverrides", index, parts, findings) or frozenset(),
            parts.packages[entry["packageSet"]],
            source.place("packageOverrides", index),
        )
        for index, entry in enumerate(source.spec["packageOverrides"])
        if entry["packageSet"] in parts.packages
    )


def _assignments(source: Source, parts: Parts, findings: Findings) -> tuple[Assignment, ...]:
    return tuple(
        Assignment(
            parts.schedules[entry["schedule"]],
            _named(source, "schedules", index, parts, findings),
            source.place("schedules", index),
        )
        for index, entry in enumerate(source.spec["schedules"])
        if entry["schedule"] in parts.schedules
    )


def _distribution(value: Mapping[str, object]) -> DistributionList:
    interval = value.get("reevaluationIntervalSeconds")
    return DistributionList(str(value["distributionListId"]), interval if isinstance(interval, int) else None)


def _things(
    source: Source, lists: Iterable[GatewayList], findings: Findings
) -> Mapping[str, tuple[str, ...]]:
    """The things of every list together, sorted by gateway."""
    things: dict[str, dict[str, None]] = {}
    for found in lists:
        for gateway, ids in found.things.items():
            things.setdefault(gateway, {}).update(dict.fromkeys(ids))
    if not things:
        message = "runOnThings is true, but no list of the campaign names things"
        hint = "add things to a GatewayList, or leave runOnThings out"
        findings.warning(source, source.place("runOnThings"), "no-things", message, hint)
    return {gateway: tuple(things[gateway]) for gateway in sorted(things)}
