"""Reading requests: JSON body, path, query. Whatever is wrong with them is a `CallRefused`, status 400."""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, QueryParams

from reconciler.embedded.errors import CallRefused

if TYPE_CHECKING:
    from reconciler.embedded.context import Context

Json = dict[str, object]
Body = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """One request, read and inside its transaction: what a handler needs, and no HTTP."""

    context: "Context"
    db: sqlite3.Connection
    path: Mapping[str, str]
    query: QueryParams
    headers: Headers
    body: Body
    lag_ms: int = 0
    """How old an answer of campaigns and packages is: what was made since isn't in it."""

    @property
    def shown_ms(self) -> int | None:
        """Until when something must have been made to be shown, epoch milliseconds; None: it needn't."""
        return self.context.now_ms() - self.lag_ms if self.lag_ms else None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list: `number` from 1, `size` at least 1."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size

    def answer(self, total: int, key: str, items: list[Json]) -> Json:
        """The list as the reference prints it: totals are strings."""
        return {
            "pageResponse": {
                "totalPages": str(-(-total // self.size)),
                "totalElements": str(total),
                "page": self.number,
                "pageSize": self.size,
            },
            key: items,
        }


def parse_body(raw: bytes) -> Body:
    """The JSON object of a request; no body at all is an empty one."""
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise CallRefused(400, f"The body is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise CallRefused(400, "The body must be a JSON object.")
    return value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON value")


def check_text(value: object, what: str) -> str:
    """`value` as text that can be stored; 400 for anything else."""
    if not isinstance(value, str):
        raise CallRefused(400, f"{what} must be a string.")
    if "\0" in value or not _encodable(value):
        raise CallRefused(
            400, f"{what} holds a character that is not allowed (NUL or half of a surrogate pair)."
        )
    return value


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def text(body: Body, key: str) -> str:
    """A string that must be there and not be blank."""
    value = optional_text(body, key)
    if not value.strip():
        raise CallRefused(400, f"`{key}` is required and must not be blank.")
    return value


def optional_text(body: Body, key: str) -> str:
    """A string; absent or null is empty."""
    value = body.get(key)
    return "" if value is None else check_text(value, f"`{key}`")


def texts(body: Body, key: str) -> list[str]:
    """A list of strings, none blank; absent or null is empty."""
    values = objects(body, key)
    found = [check_text(value, f"Each item of `{key}`") for value in values]
    if not all(value.strip() for value in found):
        raise CallRefused(400, f"An item of `{key}` is blank.")
    return found


def distinct_texts(body: Body, key: str) -> list[str]:
    """A list of strings with at least one item and none twice."""
    found = texts(body, key)
    if not found:
        raise CallRefused(400, f"`{key}` must have at least one item.")
    often, times = Counter(found).most_common(1)[0]
    if times > 1:
        raise CallRefused(400, f"`{key}` names {often!r} more than once.")
    return found


def objects(body: Body, key: str) -> list[object]:
    """A list of anything; absent or null is empty."""
    value = body.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise CallRefused(400, f"`{key}` must be a list.")
    return value


def mapping(body: Body, key: str) -> Body:
    """An object; absent or null is empty."""
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CallRefused(400, f"`{key}` must be an object.")
    return value


def digits(body: Body, key: str) -> str:
    """A whole number that isn't negative, as decimal digits; strings and JSON numbers are both taken."""
    value = body.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,18}", value):
        raise CallRefused(
            400, f"`{key}` is required: a whole number as a decimal string of at most 18 digits."
        )
    return value


def page(query: QueryParams, max_size: int) -> PageRequest:
    """`page.number` (from 1, default 1) and `page.size` (default 10, at most `max_size`)."""
    return PageRequest(_count(query, "page.number", 1), min(_count(query, "page.size", 10), max_size))


def _count(query: QueryParams, key: str, default: int) -> int:
    value = query.get(key)
    if value is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) < 1:
        raise CallRefused(400, f"`{key}` must be a whole number from 1 to 999999999, not {value[:40]!r}.")
    return int(value)


def filters(query: QueryParams, *keys: str) -> list[str | None]:
    """The values of these filters, None for one that isn't given or is empty."""
    return [check_text(query[key], f"`{key}`") if query.get(key) else None for key in keys]


Handler = Callable[[ReceivedCall], Json]
