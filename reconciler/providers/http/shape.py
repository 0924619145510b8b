"""Reading JSON that may look one way or another: primitives of the codec.

Other servers leave out zero values, send numbers as strings and strings as numbers, and sometimes answer
with HTML. Whatever can't be read is `Unexpected`: what was expected, and a short look at what came.

Tests: `tests/providers/test_shape_tables.py`, `tests/providers/test_pulse_shapes.py`.
"""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeGuard

from reconciler.model import Json

try:
    from orjson import loads as _quick
except ImportError:
    _quick = None  # type: ignore[assignment]

EXCERPT = 120

_LARGE = 4 << 20
MOST_VALUES = 8_000_000
"""Values that an answer may hold: a page of a million gateways has some four million."""

ID_KEYS = ("uuid", "id", "campaignId")


Hide = Callable[[str], str]
"""Takes what must not be shown out of a text."""
_LOOKED_AT = 10_000
"""Characters of a text, and keys of an object, of which a glimpse may show some."""


_DIGITS = re.compile(r"[+-]?[0-9]{1,20}(\.0+)?").fullmatch


class Unexpected(Exception):
    """An answer of a shape that can't be read. The text says what was expected and what came."""

    def __init__(self, expected: str, got: object) -> None:
        super().__init__(f"expected {expected}, but got {glimpse(got)}")
        self._expected = expected
        self._got = got

    def without(self, hide: Hide) -> str:
        """The text, without what `hide` takes out."""
        return f"expected {self._expected}, but got {glimpse(self._got, hide)}"

    @property
    def in_private(self) -> str:
        """The text, without anything of what came."""
        return f"expected {self._expected}; what came may hold secrets, and isn't shown"


class NotJson(Unexpected):
    """An answer that isn't JSON at all: cut short, or from something other than the server."""


def parse(body: bytes, *, exact: bool = True) -> Json:
    """The JSON of an answer; NotJson if it isn't any.

    Not `exact` is quicker, where orjson is there: whole numbers beyond 64 bits may become floats.
    """
    if len(body) > _LARGE and sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        # Each value takes a few bytes of the answer, and some fifty in memory.
        raise NotJson(f"JSON of at most {MOST_VALUES:,} values", body[:EXCERPT])
    if not exact and _quick is not None:
        try:
            quick: Json = _quick(body)
        except ValueError:
            pass  # whoever reads it exactly says what is wrong with it
        else:
            return quick
    try:
        value: Json = json.loads(body)
    except UnicodeDecodeError:
        raise NotJson("JSON in UTF-8, which the bytes of this answer are not", body) from None
    except json.JSONDecodeError:
        raise NotJson("JSON", body) from None
    except RecursionError:
        raise NotJson("JSON that isn't nested so deep", body) from None
    except ValueError:
        digits = sys.get_int_max_str_digits()
        raise NotJson(f"JSON with numbers of at most {digits:,} digits", body) from None
    return value


def glimpse(got: object, hide: Hide = str) -> str:
    """A short, printable look at what came: an HTML page by its title, JSON by its keys."""
    match got:
        case bytes():
            return in_words(got, hide) or "an empty answer"
        case Mapping():
            keys = hide(", ".join(str(key) for key in islice(got, _LOOKED_AT))[:_LOOKED_AT])
            return clip(f"an object with {keys}") if keys else "an empty object"
        case None:
            return "null"
        case bool():
            return "true" if got else "false"
        case str():
            return clip(f"the text {hide(got[:_LOOKED_AT])!r}") if got else "an empty text"
        case int() | float():
            return f"the number {clip(str(got))}"
        case Sequence():
            return f"a list of {len(got)}"
        case _:
            return type(got).__name__


def is_html(body: bytes) -> bool:
    """Whether a person's page came where the API should have answered."""
    return re.match(rb"\s*<(!doctype|html|\?xml|head|body)", body, re.IGNORECASE) is not None


def in_words(body: bytes, hide: Hide = str) -> str:
    """What an error's body says to a person, in one short line; empty when it says nothing."""
    text = body[:65_536].decode("utf-8", "replace").strip()
    if is_html(body):
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        said = clip(hide(html.unescape(title[1][:_LOOKED_AT]))) if title else ""
        return f"an HTML page titled {said!r}" if said else "an HTML page"
    try:
        said = _message(json.loads(text))
    except (ValueError, RecursionError):
        said = text
    return clip(hide(said[:_LOOKED_AT]))


def clip(text: str, limit: int = EXCERPT) -> str:
    """`text` on one line, printable, no longer than `limit`."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _message(value: object) -> str:
    """The message in an error's JSON, wherever servers put it; the JSON itself where there is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        for key in ("message", "errorMessage", "error_description", "detail", "error", "title", "reason"):
            inner = value.get(key)
            if isinstance(inner, str) and inner.strip():
                return inner
            if isinstance(inner, Mapping) and (said := _message(inner)):
                return said
        return json.dumps(value) if value else ""
    return json.dumps(value)


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is an object of JSON; nearly all are plain ones, which is told ten times as fast."""
    return type(value) is dict or isinstance(value, Mapping)


def mapping(value: object, what: str) -> Mapping[str, Any]:
    """`value` as an object."""
    if is_object(value):
        return value
    raise Unexpected(f"{what} as an object", value)


def sequence(value: object, what: str) -> Sequence[Any]:
    """`value` as a list; null is an empty one."""
    if value is None:
        return ()
    if type(value) is list or (isinstance(value, Sequence) and not isinstance(value, str | bytes)):
        return value
    raise Unexpected(f"{what} as a list", value)


def text(value: object, what: str) -> str:
    """`value` as a string; numbers are one too, null is an empty one."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Unexpected(f"{what} as a string", value)


def whole(value: object, what: str) -> int | None:
    """`value` as a whole number, from a number or its digits; None when it is null or empty."""
    match value:
        case None:
            return None
        case bool():
            pass
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str() if not value.strip():
            return None
        # A longer one would be refused by int(), and counts nothing that exists.
        case str() if _DIGITS(value.strip()):
            return int(value.strip().partition(".")[0])
        case _:
            pass
    raise Unexpected(f"{what} as a whole number", value)


def flag(value: object, what: str) -> bool:
    """`value` as true or false; null and empty are false."""
    match value:
        case None | "":
            return False
        case bool():
            return value
        case 0 | 1:
            return value == 1
        case str() if value.strip().lower() in ("true", "false", "1", "0"):
            return value.strip().lower() in ("true", "1")
        case _:
            raise Unexpected(f"{what} as true or false", value)


def identity(value: object, what: str, keys: Iterable[str] = ID_KEYS) -> str:
    """The id of an object under any of its names."""
    record = mapping(value, what)
    for key in keys:
        found = record.get(key)
        if found is not None and found != "":
            return text(found, f"the id of {what}")
    raise Unexpected(f"{what} with an id ({', '.join(keys)})", value)
