"""From the wire to the model: every answer of the API reference, in every shape that servers give it.

Tests: `tests/providers/test_shape_tables.py`, `tests/providers/test_pulse_shapes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from reconciler.model import CampaignSummary, DistributionList, Json, LiveCampaign, LivePackage
from reconciler.providers.base.facts import phase_of
from reconciler.providers.base.questions import CampaignCounts
from reconciler.providers.http.listing import ListShape
from reconciler.providers.http.shape import (
    ID_KEYS,
    Unexpected,
    identity,
    is_object,
    mapping,
    sequence,
    text,
    whole,
)
from reconciler.providers.pulse.codec.statuses import PHASES

Item = TypeVar("Item")


# --- lists ---------------------------------------------------------------------------------------


def _campaign_line(row: Any) -> tuple[str, CampaignSummary]:
    record = mapping(row, "a campaign")
    campaign_id = identity(record, "a campaign")
    name, status = text(record.get("name"), "its name"), text(record.get("status"), "its status")
    return campaign_id, CampaignSummary(campaign_id, name, status)


def package(value: Any) -> LivePackage:
    """*Get Package Information*, and a line of *List Packages*."""
    record = mapping(value, "a package")
    return LivePackage(
        identity(record, "a package"),
        text(record.get("name"), "its name"),
        text(record.get("description"), "its description"),
    )


def _package_line(row: Any) -> tuple[str, LivePackage]:
    read = package(row)
    return read.id, read


CAMPAIGNS: ListShape[CampaignSummary] = ListShape("campaigns", ("campaigns",), _campaign_line)
PACKAGES: ListShape[LivePackage] = ListShape("packages", ("programs", "packages"), _package_line)


# --- single objects ------------------------------------------------------------------------------


def new_id(value: Json) -> str:
    """The id that *Create Campaign* and the uploads answer with."""
    return identity(value, "the id of what was made")


def campaign(value: Json) -> LiveCampaign:
    """*Get Campaign*, without what other calls answer."""
    record = mapping(value, "a campaign")
    status = text(record.get("status"), "its status")
    return LiveCampaign(
        id=identity(record, "a campaign"),
        name=text(record.get("name"), "its name"),
        status=status,
        phase=phase_of(status, PHASES),
        description=text(record.get("description"), "its description"),
        packages=package_ids(record.get("packages")),
    )


def package_ids(value: object) -> tuple[str, ...]:
    """Packages as a list or as ``{packages: [...]}``, of ids or of objects with one; absent: none."""
    if is_object(value):
        if "packages" not in value and value:
            raise Unexpected("a list of packages", value)
        value = value.get("packages")
    return tuple(
        text(row, "a package's id")
        if isinstance(row, int) or (isinstance(row, str) and row)
        else identity(row, "a package", ("uuid", "id", "packageId"))
        for row in sequence(value, "packages")
    )


def distribution_list(value: Json) -> DistributionList | None:
    """*Get Campaign Distribution List*; None when it isn't set: null, ``{}`` or empty values."""
    if value is None:
        return None
    record = mapping(value, "a distribution list")
    list_id = text(record.get("distributionListId"), "distributionListId")
    if not list_id:
        if not record.keys() <= {"distributionListId", "reevaluationIntervalSeconds", *ID_KEYS}:
            raise Unexpected("a distribution list", value)
        return None
    interval = whole(record.get("reevaluationIntervalSeconds"), "reevaluationIntervalSeconds")
    return DistributionList(list_id, interval)


def unprocessed_things(value: Json) -> tuple[str, ...]:
    """*Run a Campaign on Thing Devices*: things that it names as not processed, wherever it names them."""
    found: list[str] = []
    open_values: list[object] = [value]
    while open_values:
        match open_values.pop():
            case Mapping() as record:
                left = record.get("not_processed_thing_ids")
                found += [thing for thing in left if isinstance(thing, str)] if isinstance(left, list) else ()
                open_values += record.values()
            case list() as rows:
                open_values += rows
            case _:
                pass
    return tuple(sorted(set(found)))


def campaign_counts(value: Json) -> CampaignCounts:
    """*Get Campaign Count by Status*. The reference spells ``aproved``; the right spelling is read, too."""
    record = mapping(value, "campaign counts")

    def count(*keys: str) -> int:
        return next((n for key in keys if (n := whole(record.get(key), key)) is not None), 0)

    return CampaignCounts(
        ready=count("noApprovalNeededReadyToStartCount"),
        waiting=count("waitingApprovalCount"),
        approved=count("aprovedNotStartedCount", "approvedNotStartedCount"),
        started=count("startedCount"),
        stopped=count("stoppedCount"),
    )


# --- access --------------------------------------------------------------------------------------


def access_token(value: Json) -> str | None:
    """The token that a sign-in answers; None when there is none."""
    if isinstance(value, Mapping):
        for key in ("accessToken", "access_token", "token"):
            found = value.get(key)
            if isinstance(found, str) and found:
                return found
    return None


def current_version(value: Json) -> str | None:
    """``currentApiVersion``; None when the answer has none."""
    if not isinstance(value, Mapping):
        return None
    found = value.get("currentApiVersion")
    if isinstance(found, int | float) and not isinstance(found, bool):
        return str(found)
    return found.strip() or None if isinstance(found, str) else None
