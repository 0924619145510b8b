"""From the wire to the model: every answer of the API reference, in every shape that servers give it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Generic, NamedTuple, TypeVar

from reconciler.model import CampaignSummary, DistributionList, Json, LiveCampaign, LivePackage
from reconciler.providers.console import CampaignCounts
from reconciler.providers.pulse.codec.marks import read_mark
from reconciler.providers.pulse.codec.shape import (
    ID_KEYS,
    Unexpected,
    flag,
    identity,
    mapping,
    sequence,
    text,
    whole,
)
from reconciler.providers.pulse.lifecycle import phase

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A part of a list: id → item. ``rows`` counts repetitions; None is what the server doesn't say."""

    items: Mapping[str, Item]
    rows: int
    number: int | None = None
    total: int | None = None


class GatewayRow(NamedTuple):
    """A line of a campaign's list of gateways."""

    state: str
    closed: bool


@dataclass(frozen=True, slots=True)
class ListShape(Generic[Item]):
    """What a list holds: the key that its items may stand under, and how one is read."""

    what: str
    keys: tuple[str, ...]
    read: Callable[[Any], tuple[str, Item]]
    quick: Callable[[Sequence[Any]], Mapping[str, Item] | None] = lambda _: None
    """Reads all rows at once when they look as the reference says; None when they don't."""


# --- lists ---------------------------------------------------------------------------------------

_PAGE_KEYS = ("page", "pageResponse", "pageInfo")
_NUMBER_KEYS = ("number", "page", "pageNumber")
_FLAT_KEYS = ("totalElements", "totalPages", "number", "size", "page", "pageSize", "pageNumber")


def page(value: Json, shape: ListShape[Item]) -> Page[Item]:
    """A page of a list; its items under a key named after the kind, `content`, `items`, or bare."""
    if isinstance(value, list):
        info: Mapping[str, Any] = {}
        rows = value
    else:
        answer = mapping(value, f"a list of {shape.what}")
        info = _page_info(answer)
        rows = list(sequence(_rows(answer, shape, bool(info)), f"the list of {shape.what}"))
    items = shape.quick(rows)
    if items is None:
        items = dict(shape.read(row) for row in rows)
    number = next((n for k in _NUMBER_KEYS if (n := whole(info.get(k), "the page number")) is not None), None)
    return Page(items, len(rows), number, whole(info.get("totalElements"), "totalElements"))


def _page_info(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in _PAGE_KEYS:
        if isinstance(answer.get(key), Mapping):
            info: Mapping[str, Any] = answer[key]
            return info or {key: None}
    return {key: answer[key] for key in _FLAT_KEYS if key in answer}


def _rows(answer: Mapping[str, Any], shape: ListShape[Item], paged: bool) -> object:
    for key in (*shape.keys, "content", "items"):
        if key in answer:
            return answer[key]
    # An empty list may be left out, but something quite different must not pass for an empty list.
    if paged or not answer:
        return ()
    raise Unexpected(f"a list of {shape.what}", answer)


def _campaign_line(row: Any) -> tuple[str, CampaignSummary]:
    record = mapping(row, "a campaign")
    campaign_id = identity(record, "a campaign")
    name, status = text(record.get("name"), "its name"), text(record.get("status"), "its status")
    return campaign_id, CampaignSummary(campaign_id, name, status)


def _gateway_line(row: Any) -> tuple[str, GatewayRow]:
    if isinstance(row, str) and row:
        return row, GatewayRow("", closed=False)
    record = mapping(row, "a gateway")
    gateway_id = identity(record, "a gateway", ("gatewayId", "uuid", "id"))
    return gateway_id, GatewayRow(state(record.get("state")), flag(record.get("closed"), "closed"))


def _gateway_lines(rows: Sequence[Any]) -> Mapping[str, GatewayRow] | None:
    """A million rows come in a few kinds: one `GatewayRow` serves all of a kind."""
    try:
        ids = [row["gatewayId"] for row in rows]
        states = {row["state"] for row in rows}
        closed = {row["closed"] for row in rows}
    except (KeyError, TypeError):
        return None
    if not (_all_of(str, ids) and _all_of(str, states) and _all_of(bool, closed)) or "" in ids:
        return None
    if len(states) == len(closed) == 1:
        return dict.fromkeys(ids, GatewayRow(*states, *closed))
    kinds = {kind: GatewayRow(*kind) for kind in product(states, closed)}
    return {row["gatewayId"]: kinds[row["state"], row["closed"]] for row in rows}


def _all_of(kind: type, values: Iterable[object]) -> bool:
    return set(map(type, values)) == {kind}


def package(value: Any) -> LivePackage:
    """*Get Package Information*, and a line of *List Packages*."""
    record = mapping(value, "a package")
    description = text(record.get("description"), "its description")
    return LivePackage(
        identity(record, "a package"),
        text(record.get("name"), "its name"),
        description,
        read_mark(description),
    )


def _package_line(row: Any) -> tuple[str, LivePackage]:
    read = package(row)
    return read.id, read


CAMPAIGNS: ListShape[CampaignSummary] = ListShape("campaigns", ("campaigns",), _campaign_line)
GATEWAYS: ListShape[GatewayRow] = ListShape(
    "gateways", ("gateways", "devices"), _gateway_line, _gateway_lines
)
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
        phase=phase(status),
        description=text(record.get("description"), "its description"),
        packages=package_ids(record.get("packages")),
    )


def package_ids(value: object) -> tuple[str, ...]:
    """Packages as a list or as ``{packages: [...]}``, of ids or of objects with one; absent: none."""
    if isinstance(value, Mapping):
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


def state(value: object) -> str:
    """A gateway's state, as text or as ``{state: ...}``; left out: empty."""
    if isinstance(value, Mapping):
        value = value.get("state")
    return text(value, "a gateway's state")


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
    match found:
        case str() if found.strip():
            return found.strip()
        case bool():
            return None
        case int() | float():
            return str(found)
        case _:
            return None
