"""A dialect: every way in which servers of this API are known to differ, each a field with few values."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, get_type_hints

from reconciler.embedded.errors import CallRefused

MAX_PAGE_SIZE: Final = 999_999_999


class PageObject(StrEnum):
    """Where a list says which part of it came; FLAT: beside the items, NONE: nowhere."""

    PAGE = "page"
    PAGE_RESPONSE = "pageResponse"
    PAGE_INFO = "pageInfo"
    FLAT = "flat"
    NONE = "none"


class ItemsShape(StrEnum):
    """Where the items of a list are. A BARE array has no place for a page object."""

    KIND = "kind"
    CONTENT = "content"
    ITEMS = "items"
    BARE = "bare"


class Written(StrEnum):
    """How a number is written, if at all."""

    STRING = "string"
    NUMBER = "number"
    ABSENT = "absent"


class Spelled(StrEnum):
    """How a number is written that is always there."""

    STRING = "string"
    NUMBER = "number"


class IdKey(StrEnum):
    """The key of an id. A package is never called `campaignId`: it has its `id` then."""

    UUID = "uuid"
    ID = "id"
    CAMPAIGN_ID = "campaignId"


class PastEnd(StrEnum):
    """What is on the page after the last: nothing, or the last page once more."""

    EMPTY = "empty"
    REPEAT = "repeat"


class PackagesShape(StrEnum):
    """The packages of a campaign: `{"packages": […]}` or the list itself."""

    OBJECT = "object"
    LIST = "list"


class Unset(StrEnum):
    """The answer for a distribution list that isn't set: 404, `{}`, or an object with empty values."""

    MISSING = "missing"
    OBJECT = "object"
    EMPTY = "empty"


class Filters(StrEnum):
    """How a list is filtered by text."""

    SUBSTRING = "substring"
    EXACT = "exact"
    IGNORED = "ignored"


class Refusals(StrEnum):
    """The body of an error: `{"message": …}` or the message alone."""

    JSON = "json"
    TEXT = "text"


class Repeated(StrEnum):
    """Start, stop, approve, close, add, remove of what has happened; REFERENCE: remove 404, others 409."""

    REFERENCE = "reference"
    CONFLICT = "conflict"
    MISSING = "missing"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to answer. As it is made without values: as the embedded server reads the reference."""

    page_object: PageObject = PageObject.PAGE_RESPONSE
    items: ItemsShape = ItemsShape.KIND
    counts_from_zero: bool = False
    page_number: Written = Written.NUMBER
    totals: Written = Written.STRING
    max_page_size: int = MAX_PAGE_SIZE
    past_end: PastEnd = PastEnd.EMPTY
    ids: IdKey = IdKey.ID
    created_id: IdKey = IdKey.UUID
    omits_zero: bool = False
    counts: Spelled = Spelled.STRING
    times: Spelled = Spelled.STRING
    spells_approved: bool = False
    packages: PackagesShape = PackagesShape.OBJECT
    unset_list: Unset = Unset.MISSING
    filters: Filters = Filters.SUBSTRING
    refusals: Refusals = Refusals.JSON
    repeated: Repeated = Repeated.REFERENCE
    versions: bool = True


REFERENCE: Final = Dialect()

PRESETS: Final[Mapping[str, Dialect]] = MappingProxyType(
    {
        "reference": REFERENCE,
        # The default answers of a Spring service.
        "spring": Dialect(
            page_object=PageObject.FLAT,
            items=ItemsShape.CONTENT,
            counts_from_zero=True,
            totals=Written.NUMBER,
            counts=Spelled.NUMBER,
            times=Spelled.NUMBER,
            ids=IdKey.UUID,
            created_id=IdKey.ID,
            packages=PackagesShape.LIST,
            unset_list=Unset.EMPTY,
            spells_approved=True,
            filters=Filters.EXACT,
            repeated=Repeated.CONFLICT,
        ),
        # Nothing but the items: no page object, no totals, no versions, no filters.
        "bare": Dialect(
            page_object=PageObject.NONE,
            items=ItemsShape.BARE,
            page_number=Written.ABSENT,
            totals=Written.ABSENT,
            ids=IdKey.CAMPAIGN_ID,
            created_id=IdKey.CAMPAIGN_ID,
            packages=PackagesShape.LIST,
            unset_list=Unset.OBJECT,
            filters=Filters.IGNORED,
            refusals=Refusals.TEXT,
            repeated=Repeated.MISSING,
            versions=False,
        ),
        # Every number is a string, every answer has all of its fields, and the last page never ends.
        "strings": Dialect(
            page_object=PageObject.PAGE,
            items=ItemsShape.ITEMS,
            page_number=Written.STRING,
            past_end=PastEnd.REPEAT,
            unset_list=Unset.EMPTY,
            refusals=Refusals.TEXT,
        ),
        # Fields of zero value are left out, pages count from 0, and what has happened is taken in silence.
        "terse": Dialect(
            page_object=PageObject.PAGE_INFO,
            counts_from_zero=True,
            totals=Written.NUMBER,
            max_page_size=3,
            omits_zero=True,
            counts=Spelled.NUMBER,
            unset_list=Unset.OBJECT,
            repeated=Repeated.SILENT,
        ),
        # As in the samples of the reference, where the first page has the number 0; totals aren't told.
        "silent": Dialect(
            page_object=PageObject.NONE,
            counts_from_zero=True,
            page_number=Written.ABSENT,
            totals=Written.ABSENT,
            max_page_size=4,
            past_end=PastEnd.REPEAT,
            omits_zero=True,
            created_id=IdKey.ID,
            filters=Filters.EXACT,
            repeated=Repeated.SILENT,
        ),
    }
)


class Speech:
    """The dialect that a running server speaks; it lasts as long as the process."""

    def __init__(self, dialect: Dialect = REFERENCE) -> None:
        self.dialect = dialect

    @property
    def exact(self) -> bool:
        """Whether text filters match in full only."""
        return self.dialect.filters is Filters.EXACT


def shown(dialect: Dialect) -> dict[str, object]:
    """A dialect as `/_embedded/dialect` shows it."""
    return {_wire_name(field.name): getattr(dialect, field.name) for field in fields(Dialect)}


def parse_dialect(body: Mapping[str, object], before: Dialect) -> Dialect:
    """`before`, or the one that `preset` names, with the values given; 400 for what isn't any."""
    values = dict(body)
    preset = values.pop("preset", None)
    if preset is not None:
        found = PRESETS.get(preset) if isinstance(preset, str) else None
        if found is None:
            raise CallRefused(400, f"There is no preset {preset!r}; there are {', '.join(PRESETS)}.")
        before = found
    kinds = get_type_hints(Dialect)
    names = {_wire_name(name): name for name in kinds}
    unknown = sorted(values.keys() - names)
    if unknown:
        raise CallRefused(400, f"A dialect has no {unknown[0]!r}; it has {', '.join([*names, 'preset'])}.")
    changes: dict[str, Any] = {
        names[key]: _read(key, value, kinds[names[key]]) for key, value in values.items()
    }
    return replace(before, **changes)


def _read(key: str, value: object, kind: type) -> object:
    if issubclass(kind, StrEnum):
        if not isinstance(value, str) or value not in list(kind):
            raise CallRefused(400, f"`{key}` must be {', '.join(kind)}.")
        return kind(value)
    # bool is a kind of int in Python, and must not pass for one.
    if type(value) is not kind or (isinstance(value, int) and not isinstance(value, bool) and value < 1):
        raise CallRefused(
            400, f"`{key}` must be {'true or false' if kind is bool else 'a whole number above 0'}."
        )
    return value


def _wire_name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
