"""From what the reference prints to how a dialect says it. Pure: JSON in, JSON out.

Tests: `tests/embedded/test_embedded_dialects.py`.
"""

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import QueryParams

from reconciler.embedded.dialects.model import (
    MAX_PAGE_SIZE,
    Dialect,
    Filters,
    IdKey,
    ItemsShape,
    PackagesShape,
    PageObject,
    Refusals,
    Repeated,
    Spelled,
    Written,
)
from reconciler.embedded.errors import Already, CallRefused
from reconciler.embedded.wire import Json

LISTS: Final = {"list-campaigns": "campaigns", "list-gateways": "gateways", "list-packages": "programs"}
"""Operation → the key that the reference's list has its items under."""

_OF_CAMPAIGNS: Final = frozenset({"get-campaign", "list-campaigns", "create-campaign", "edit-campaign"})
_MAKES: Final = frozenset({"create-campaign", "edit-campaign", "upload-package", "stream-package"})
_HAS_AN_ID: Final = frozenset({"get-campaign", "get-package", "list-campaigns", "list-packages"})

_TIMES: Final = frozenset({"creationTime", "modificationTime", "createdOn", "timestamp"})
_COUNTS: Final = frozenset(
    {
        "numberOfGatewaysInActivationCompleteState",
        "numberOfGatewaysInExecutionCompleteState",
        "numberOfGatewaysInDownloadCompleteState",
        "totalNumberOfGateways",
        "totalNumberOfPackages",
        "reevaluationIntervalSeconds",
        "aprovedNotStartedCount",
        "startedCount",
        "stoppedCount",
        "waitingApprovalCount",
        "noApprovalNeededReadyToStartCount",
        "progress",
        "total",
    }
)
_FILTERS: Final = frozenset(
    {"id", "name", "status", "description", "creationTime", "packages", "preDeliveryCallback"}
    | {"postDeliveryCallback"}
)


def offers(dialect: Dialect, operation: str) -> bool:
    """Whether a server of this dialect has the operation at all."""
    return dialect.versions or operation != "get-versions"


def query(dialect: Dialect, operation: str, asked: QueryParams) -> QueryParams:
    """What was asked for, in the words of the reference: pages count from 1."""
    if operation not in LISTS:
        return asked
    found = {
        key: value
        for key, value in asked.items()
        if dialect.filters is not Filters.IGNORED or key not in _FILTERS
    }
    number = found.get("page.number", "")
    if dialect.counts_from_zero and number.isascii() and number.isdigit():
        found["page.number"] = str(int(number[:10]) + 1)
    size = found.get("page.size", "10")
    if dialect.max_page_size < MAX_PAGE_SIZE and size.isascii() and size.isdigit() and len(size) < 10:
        found["page.size"] = str(min(int(size), dialect.max_page_size))
    return QueryParams(found)


def answer(dialect: Dialect, operation: str, value: Json) -> object:
    """The answer of `operation`, as the reference prints it, in the words of `dialect`."""
    if operation in LISTS:
        return _list(dialect, operation, value)
    return _object(dialect, operation, value)


def refused(dialect: Dialect, refusal: CallRefused) -> tuple[int, object]:
    """The status of a refusal, and its body: JSON, or text."""
    status = refusal.status
    if isinstance(refusal, Already) and dialect.repeated in (Repeated.CONFLICT, Repeated.MISSING):
        status = 409 if dialect.repeated is Repeated.CONFLICT else 404
    return status, refusal.message if dialect.refusals is Refusals.TEXT else {"message": refusal.message}


def _list(dialect: Dialect, operation: str, value: Json) -> object:
    kind = LISTS[operation]
    page, rows = value["pageResponse"], value[kind]
    assert isinstance(page, dict)
    assert isinstance(rows, list)
    said = [_object(dialect, operation, row) for row in rows]
    if dialect.items is ItemsShape.BARE:
        return said
    key = kind if dialect.items is ItemsShape.KIND else dialect.items.value
    info = _page(dialect, page)
    match dialect.page_object:
        case PageObject.NONE:
            parts: Json = {key: said}
        case PageObject.FLAT:
            parts = {**info, key: said}
        case name:
            parts = {name.value: info, key: said}
    return _without_zero(parts) if dialect.omits_zero else parts


def _page(dialect: Dialect, page: Mapping[str, object]) -> Json:
    """The page object. `pageResponse` counts in `page` and `pageSize`, the others in `number` and `size`."""
    ours = dialect.page_object is PageObject.PAGE_RESPONSE
    number, size = ("page", "pageSize") if ours else ("number", "size")
    first = 0 if dialect.counts_from_zero else 1
    info: Json = {}
    if dialect.totals is not Written.ABSENT:
        for key in ("totalPages", "totalElements"):
            total = str(page[key])
            info[key] = total if dialect.totals is Written.STRING else int(total)
    if dialect.page_number is not Written.ABSENT:
        for key, count in ((number, int(str(page["page"])) - 1 + first), (size, int(str(page["pageSize"])))):
            info[key] = str(count) if dialect.page_number is Written.STRING else count
    return _without_zero(info) if dialect.omits_zero else info


def _object(dialect: Dialect, operation: str, value: Json) -> Json:
    """An object with its ids, packages, numbers and spelling as the dialect has them."""
    found = _numbers(dialect, value)
    if operation in _MAKES:
        found = _renamed(found, "uuid", _id_key(dialect.created_id, operation))
    if operation in _HAS_AN_ID:
        found = _renamed(found, "id", _id_key(dialect.ids, operation))
    if operation in _OF_CAMPAIGNS and dialect.packages is PackagesShape.LIST and "packages" in found:
        inner = found["packages"]
        found["packages"] = inner.get("packages", []) if isinstance(inner, dict) else inner
    if dialect.spells_approved:
        found = _renamed(found, "aprovedNotStartedCount", "approvedNotStartedCount")
    return _without_zero(found) if dialect.omits_zero else found


def _id_key(key: IdKey, operation: str) -> str:
    if key is IdKey.CAMPAIGN_ID and operation not in _OF_CAMPAIGNS:
        return IdKey.ID.value
    return key.value


def _renamed(value: Json, before: str, after: str) -> Json:
    return {after if key == before else key: inner for key, inner in value.items()}


def _numbers(dialect: Dialect, value: Json) -> Json:
    """`value` with its counts and times as numbers, where the dialect writes them so; at any depth."""

    def said(key: str, inner: object) -> object:
        if isinstance(inner, dict):
            return _numbers(dialect, inner)
        if isinstance(inner, list):
            return [_numbers(dialect, one) if isinstance(one, dict) else one for one in inner]
        spelled = dialect.times if key in _TIMES else dialect.counts if key in _COUNTS else Spelled.STRING
        if spelled is Spelled.NUMBER and isinstance(inner, str) and inner.isdecimal():
            return int(inner)
        return inner

    return {key: said(key, inner) for key, inner in value.items()}


def _without_zero(value: Json) -> Json:
    """`value` without its fields of zero value, at any depth; a zero that is written as a string counts."""

    def said(inner: object) -> object:
        if isinstance(inner, dict):
            return _without_zero(inner)
        if isinstance(inner, list):
            return [_without_zero(one) if isinstance(one, dict) else one for one in inner]
        return inner

    return {
        key: said(inner)
        for key, inner in value.items()
        if not (inner in ("", False, 0, []) or (inner == "0" and (key in _COUNTS or key in _NUMBERS)))
    }


_NUMBERS: Final = _TIMES | {"totalPages", "totalElements", "number", "page", "size", "pageSize"}
