"""From the model to the wire: request bodies exactly as the reference's input examples show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.model import Callback, DistributionList, Json, Secret, SettingValue, Window

MILLISECONDS_PER_UNIT: Final = 1
"""The unit of a schedule's ``begin`` and ``end``: the one place to change should a server count seconds."""


def campaign_spec(
    name: str,
    description: str | None,
    packages: Sequence[str] | None,
    settings: Mapping[str, SettingValue] | None,
) -> dict[str, Json]:
    """*Create Campaign*; what is None is left out. Settings that are known to be empty are sent as empty."""
    spec: dict[str, Json] = {"name": name}
    if description is not None:
        spec["description"] = description
    if packages is not None:
        spec["packages"] = list(packages)
    if settings is not None:
        spec["campaignSettings"] = {"settings": {key: _plain(value) for key, value in settings.items()}}
    return spec


def campaign_update(campaign_id: str, spec: Mapping[str, Json]) -> Json:
    """*Edit Campaign*."""
    return {"updateSpec": spec, "campaignId": campaign_id}


def of_campaign(campaign_id: str) -> Json:
    """*Start*, *Stop* and *Approve Campaign by ID*."""
    return {"campaignId": campaign_id}


def of_gateway(campaign_id: str, gateway_id: str) -> Json:
    """*Notify Gateway* and *Close Campaign for a Gateway*."""
    return {"gatewayId": gateway_id, "campaignId": campaign_id}


def of_gateways(campaign_id: str, gateways: Sequence[str]) -> Json:
    """*Add Gateways to a Campaign* and *Remove Gateways in a Campaign*; never an empty list."""
    if not gateways:
        raise ValueError("an empty list of gateways is never sent")
    return {"gatewayIds": list(gateways), "campaignId": campaign_id}


def gateway_packages(campaign_id: str, gateway_id: str, packages: Sequence[str]) -> Json:
    """*Assign Update Packages for the Target Gateway*."""
    return {"gatewayId": gateway_id, "packages": list(packages), "campaignId": campaign_id}


def distribution_list(campaign_id: str, wanted: DistributionList) -> Json:
    """*Set Campaign Distribution List*; an interval that isn't managed is left out."""
    body: dict[str, Json] = {"distributionListId": wanted.id}
    if wanted.interval is not None:
        body["reevaluationIntervalSeconds"] = str(wanted.interval)
    return {**body, "campaignId": campaign_id}


def window(wanted: Window) -> Json:
    """*Schedule Download*, *Schedule Execution* and *Schedule Activation*."""
    return {
        "begin": str(wanted.begin // MILLISECONDS_PER_UNIT),
        "end": str(wanted.end // MILLISECONDS_PER_UNIT),
    }


def callback(campaign_id: str, wanted: Callback) -> Json:
    """*Register … Callback*; tracked states only for state changes."""
    body: dict[str, Json] = {"notificationDestinationId": wanted.destination}
    if wanted.states is not None:
        body["trackedStates"] = sorted(wanted.states)
    return {**body, "campaignId": campaign_id}


def things(by_gateway: Mapping[str, Sequence[str]]) -> Json:
    """*Run a Campaign on Thing Devices*."""
    return {
        "gateway_things": [
            {"gateway_id": gateway, "thing_ids": list(ids)} for gateway, ids in by_gateway.items()
        ]
    }


def secrets_in(settings: Mapping[str, SettingValue] | None) -> tuple[str, ...]:
    """The secret values among `settings`, so that an answer that repeats one is never shown."""
    return tuple(_plain(value) for value in (settings or {}).values() if isinstance(value, Secret))


def _plain(value: SettingValue) -> str:
    return value.reveal() if isinstance(value, Secret) else value
