"""From the wire to the console's words: answers that people look at and no plan depends on.

So what can't be read of a number or a time is left out here, where a plan's answers would be refused.

Tests: `tests/providers/test_shape_tables.py`, `tests/providers/test_pulse_progress.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from reconciler.model import Json
from reconciler.providers.base.questions import CampaignProgress, GatewayStatus, PackageInfo, PackageProgress
from reconciler.providers.http.listing import ListShape
from reconciler.providers.http.shape import (
    ID_KEYS,
    Unexpected,
    identity,
    mapping,
    sequence,
    text,
    whole,
)
from reconciler.providers.pulse.codec.answers import PACKAGES, package
from reconciler.providers.pulse.codec.marks import mark_of
from reconciler.providers.pulse.codec.members import state

_PROGRESS_KEYS = ("packagesProgress", "packages_progress", "packages")


def campaign_progress(value: Json) -> CampaignProgress:
    """*Get Overall Campaign Status*."""
    record = mapping(value, "a campaign's status")

    def count(key: str) -> int:
        return whole(record.get(key), key) or 0

    return CampaignProgress(
        id=identity(record, "a campaign's status", ("campaignId", *ID_KEYS)),
        name=text(record.get("name"), "its name"),
        status=text(record.get("status"), "its status"),
        description=text(record.get("description"), "its description"),
        gateways=count("totalNumberOfGateways"),
        packages=count("totalNumberOfPackages"),
        states={
            "DOWNLOAD_COMPLETE": count("numberOfGatewaysInDownloadCompleteState"),
            "EXECUTION_COMPLETE": count("numberOfGatewaysInExecutionCompleteState"),
            "ACTIVATION_COMPLETE": count("numberOfGatewaysInActivationCompleteState"),
        },
        created=instant(record.get("creationTime")),
        modified=instant(record.get("modificationTime")),
    )


def gateway_status(value: Json, gateway_id: str) -> GatewayStatus:
    """*Get Campaign Status Per Gateway*, of the gateway that was asked for."""
    record = mapping(value, "a gateway's status")
    if not record:
        raise Unexpected("a gateway's status", value)
    where = record.get("campaignState", record.get("state"))
    inner = where if isinstance(where, Mapping) else {}
    return GatewayStatus(
        gateway=gateway_id,
        state=state(where),
        changed=instant(record.get("timestamp")),
        downloads=download_progress(_either(record, "downloadProgress", "download_progress")),
        execution=execution_progress(_either(record, "executionProgress", "execution_progress")),
        cause=_cause(_either(record, "causedBy", "caused_by")) or _cause(inner.get("causedBy")),
    )


def download_progress(value: Json) -> tuple[PackageProgress, ...]:
    """*Get Download Progress*: of each package, in the server's order; absent: none."""
    if isinstance(value, Mapping):
        value = _list_of(value, _PROGRESS_KEYS, "a list of packages' progress")
    return tuple(map(_package_progress, sequence(value, "packages' progress")))


def execution_progress(value: Json) -> tuple[str, ...]:
    """*Get Execution Progress*: lines as the server says them; one line may come without a list."""
    if isinstance(value, Mapping):
        value = _list_of(value, ("progress",), "a list of progress")
    if isinstance(value, str | int):
        return (str(value),) if value != "" else ()
    return tuple(text(line, "a line of progress") for line in sequence(value, "progress"))


def gateway_state(value: Json) -> str:
    """*Get Campaign State*: of one gateway in the campaign."""
    if isinstance(value, Mapping) and value and "state" not in value:
        raise Unexpected("a gateway's state", value)
    return state(value)


def active_campaigns(value: Json) -> tuple[str, ...]:
    """*Get Active Campaigns for a Gateway*: their ids; absent: none."""
    if isinstance(value, Mapping):
        value = _list_of(value, ("campaignId", "campaignIds", "campaigns"), "a list of campaign ids")
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(
        text(row, "a campaign's id") if isinstance(row, str | int) else identity(row, "a campaign")
        for row in sequence(value, "campaign ids")
    )


def package_info(value: Json) -> PackageInfo:
    """*Get Package Information*, and a line of *List Packages*."""
    read, record = package(value), mapping(value, "a package")
    by = record.get("createdBy")
    created_by, created = by if isinstance(by, str) else "", instant(record.get("createdOn"))
    return PackageInfo(read, created_by, created, mark_of(read))


def instant(value: object) -> int | None:
    """A time, from milliseconds as a number or digits, or ISO 8601; None when it is something else."""
    try:
        return whole(value, "a time")
    except Unexpected:
        pass
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value.strip())
        return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
    except ValueError:
        return None


def _package_progress(row: Any) -> PackageProgress:
    record = mapping(row, "a package's progress")
    package_id = identity(record, "a package's progress", ("id", "uuid", "packageId"))
    return PackageProgress(package_id, _amount(record.get("progress")), _amount(record.get("total")))


def _amount(value: object) -> int | None:
    """How much; nothing, where zeros are left out, is 0, and None is what can't be read."""
    try:
        return whole(value, "an amount") or 0
    except Unexpected:
        return None


def _cause(value: object) -> str:
    """A cause of failure, as text or as an object with one."""
    if isinstance(value, Mapping):
        found = (value.get(key) for key in ("message", "cause", "causedBy", "reason", "description"))
        value = next((it for it in found if isinstance(it, str) and it), "")
    return value if isinstance(value, str) else ""


def _either(record: Mapping[str, Any], *keys: str) -> Any:
    return next((record[key] for key in keys if key in record), None)


def _list_of(record: Mapping[str, Any], keys: tuple[str, ...], what: str) -> Any:
    """The list under one of `keys`; what is quite different must not pass for an empty one."""
    if record and not any(key in record for key in keys):
        raise Unexpected(what, record)
    return _either(record, *keys)


def _info_line(row: Any) -> tuple[str, PackageInfo]:
    read = package_info(row)
    return read.package.id, read


PACKAGE_INFOS: Final[ListShape[PackageInfo]] = ListShape("packages", PACKAGES.keys, _info_line)
