"""What hypothesis draws, as YAML files that a process can read, in the time that it really is."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from reconciler.model import (
    Assignment,
    Desired,
    DesiredCampaign,
    Joining,
    OnRemove,
    PackageById,
    PackageByName,
    PackageRef,
    Secret,
    SettingValue,
    Window,
)
from tests.properties.prop_strategies import CONTENTS
from tests.world import NOW

Value = TypeVar("Value")
Document = dict[str, Any]

CANARY = "-canary-5d1e"
"""Every secret ends in it, and nothing that is said or kept may hold it."""
GENEROUS = {
    "maxGatewaysRemovedPercent": 100,
    "maxDeletes": 1000,
    "maxStarts": 1000,
    "maxInFlightInterrupted": 1000,
    "allowEmpty": True,
    "mayLoseSettings": True,
    "mayLeaveBehind": True,
    "allowAllMissing": True,
}
STREAMED = CONTENTS[0]
"""The content that goes up by streaming, the others as multipart."""


def drawn(strategy: SearchStrategy[Value], seed: object) -> Value:
    """A value of `strategy`; the same one for the same seed and hypothesis."""
    found: list[Value] = []

    @settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def keep(value: Value) -> None:
        found.append(value)

    attempt = 0
    while not found:  # some choices of bytes are no value
        keep.hypothesis.fuzz_one_input(Random(f"{seed}/{attempt}").randbytes(1 << 13))
        attempt += 1
    return found[0]


def in_real_time(desired: Desired, now: int) -> Desired:
    """`desired`, drawn for a clock at `NOW`, for one at `now`; its secrets end in the canary."""
    delta = now - NOW

    def moved(assignment: Assignment) -> Assignment:
        windows = {phase: Window(w.begin + delta, w.end + delta) for phase, w in assignment.windows.items()}
        return replace(assignment, windows=windows)

    def whole(campaign: DesiredCampaign) -> DesiredCampaign:
        values: dict[str, Any] = {}
        if campaign.schedules is not None:
            values["schedules"] = tuple(moved(s) for s in campaign.schedules if s.gateways != frozenset())
        if campaign.overrides is not None:
            values["overrides"] = tuple(o for o in campaign.overrides if o.gateways)
        if campaign.settings is not None:
            values["settings"] = {key: _marked(value) for key, value in campaign.settings.items()}
        return replace(campaign, **values)

    return replace(desired, campaigns=tuple(map(whole, desired.campaigns)))


def _marked(value: SettingValue) -> SettingValue:
    return Secret(value.source, value.reveal() + CANARY) if isinstance(value, Secret) else value


def environment_of(desired: Desired) -> dict[str, str]:
    """The variables that hold the secrets."""
    values = (value for campaign in desired.campaigns for value in (campaign.settings or {}).values())
    return {_variable(value): value.reveal() for value in values if isinstance(value, Secret)}


def _variable(secret: Secret) -> str:
    return f"SECRET_{secret.reveal().removesuffix(CANARY).upper()}"


def write_project(folder: Path, url: str, *, batch: int, page: int, **more: Any) -> None:
    """The project file, with `more` about the server, and the files that packages are made of."""
    server = {"url": url, "batchSize": batch, "pageSize": page, "timeoutSeconds": 20, **more}
    spec = {
        "resources": ["resources.yaml"],
        "server": server,
        "state": {"url": "file:state.json"},
        "guards": GENEROUS,
    }
    (folder / "reconciler.yaml").write_text(json.dumps(_document("Project", "soak", spec)))
    for content in CONTENTS:
        (folder / f"{content}.bin").write_text(content)


def yaml_of(desired: Desired) -> str:
    """The resources that ask for `desired`."""
    return "\n---\n".join(map(json.dumps, _documents(desired)))


def _document(kind: str, name: str, spec: Document) -> Document:
    return {"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _documents(desired: Desired) -> Iterator[Document]:
    yield _package_set("declared", desired.packages)
    for campaign in desired.campaigns:
        yield from _campaign(campaign)


def _campaign(campaign: DesiredCampaign) -> Iterator[Document]:
    """A campaign, after all that it refers to."""
    name = campaign.resource.name
    spec: Document = {"name": campaign.name, "approve": campaign.approve}
    if campaign.joining is not Joining.PAUSE:
        spec["joinWhileStarted"] = campaign.joining.value
    if campaign.on_remove is not OnRemove.DELETE:
        spec["onRemove"] = campaign.on_remove.value
    if campaign.description is not None:
        spec["description"] = campaign.description
    if campaign.status is not None:
        spec["desiredStatus"] = campaign.status.value
    if campaign.packages is not None:
        yield _package_set(name, campaign.packages)
        spec["packageSet"] = name
    if campaign.settings is not None:
        spec["settings"] = {
            key: {"fromEnv": _variable(value)} if isinstance(value, Secret) else value
            for key, value in campaign.settings.items()
        }
    if campaign.gateways is not None:
        yield _document("GatewayList", name, _members(campaign))
        spec["gatewayLists"] = [name]
    if campaign.things is not None:
        spec["runOnThings"] = True
    if campaign.distribution is not None:
        spec["distributionList"] = {"distributionListId": campaign.distribution.id}
        if campaign.distribution.interval is not None:
            spec["distributionList"]["reevaluationIntervalSeconds"] = campaign.distribution.interval
    if campaign.closed is not None:
        spec["closedGateways"] = sorted(campaign.closed)
    if campaign.callbacks is not None:
        yield _document("CallbackSet", name, _callbacks(campaign))
        spec["callbackSet"] = name
    if campaign.overrides is not None:
        spec["packageOverrides"] = []
        for number, override in enumerate(campaign.overrides):
            yield _package_set(f"{name}-{number}", override.packages)
            entry = {"gateways": sorted(override.gateways), "packageSet": f"{name}-{number}"}
            spec["packageOverrides"].append(entry)
    if campaign.schedules is not None:
        spec["schedules"] = []
        for number, assignment in enumerate(campaign.schedules):
            windows = {
                phase.value: {"begin": _time(window.begin), "end": _time(window.end)}
                for phase, window in assignment.windows.items()
            }
            yield _document("Schedule", f"{name}-{number}", windows)
            entry = {"schedule": f"{name}-{number}"}
            if assignment.gateways is not None:
                members = {"gateways": sorted(assignment.gateways)}
                yield _document("GatewayList", f"{name}-window-{number}", members)
                entry["gatewayLists"] = [f"{name}-window-{number}"]
            spec["schedules"].append(entry)
    yield _document("Campaign", name, spec)


def _members(campaign: DesiredCampaign) -> Document:
    spec: Document = {"gateways": sorted(campaign.gateways or ())}
    if campaign.things:
        spec["things"] = {gateway: list(things) for gateway, things in campaign.things.items()}
    return spec


def _callbacks(campaign: DesiredCampaign) -> Document:
    spec: Document = {}
    for event, callback in (campaign.callbacks or {}).items():
        spec[event.value] = {"notificationDestinationId": callback.destination}
        if callback.states is not None:
            spec[event.value]["trackedStates"] = sorted(callback.states)
    return spec


def _package_set(name: str, packages: Sequence[PackageRef]) -> Document:
    return _document("PackageSet", name, {"packages": [_package(ref) for ref in packages]})


def _package(ref: PackageRef) -> Document:
    match ref:
        case PackageById():
            return {"id": ref.id}
        case PackageByName():
            return {"name": ref.name}
        case _:
            mode = "streaming" if ref.path.stem == STREAMED else "multipart"
            return {"file": ref.path.name, "upload": mode}


def _time(milliseconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
