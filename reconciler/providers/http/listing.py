"""A page of a list, wherever the server puts the items and what it says of the pages.

Tests: `tests/providers/test_shape_tables.py`, `tests/providers/test_pulse_paging.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from reconciler.model import Json
from reconciler.providers.http.shape import Unexpected, is_object, mapping, sequence, whole

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A part of a list: id → item. ``rows`` counts repetitions; None is what the server doesn't say."""

    items: Mapping[str, Item]
    rows: int
    number: int | None = None
    total: int | None = None
    size: int = 0
    """Bytes of the answer."""


@dataclass(frozen=True, slots=True)
class ListShape(Generic[Item]):
    """What a list holds: the key that its items may stand under, and how one is read."""

    what: str
    keys: tuple[str, ...]
    read: Callable[[Any], tuple[str, Item]]
    quick: Callable[[Sequence[Any]], Mapping[str, Item] | None] = lambda _: None
    """Reads all rows at once when they look as the reference says; None when they don't."""


ANY_LIST = ("content", "items")
"""Keys under which items of any kind may stand."""
_PAGE_KEYS = ("page", "pageResponse", "pageInfo")
_NUMBER_KEYS = ("number", "page", "pageNumber")
_FLAT_KEYS = ("totalElements", "totalPages", "number", "size", "page", "pageSize", "pageNumber")


def page(value: Json, shape: ListShape[Item], size: int = 0) -> Page[Item]:
    """A page of a list; its items under a key named after the kind, `content`, `items`, or bare.

    `size`: bytes of the answer.
    """
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
    return Page(items, len(rows), number, whole(info.get("totalElements"), "totalElements"), size)


def _page_info(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in _PAGE_KEYS:
        info = answer.get(key)
        if is_object(info):
            return info or {key: None}
    return {key: answer[key] for key in _FLAT_KEYS if key in answer}


def _rows(answer: Mapping[str, Any], shape: ListShape[Item], paged: bool) -> object:
    for key in (*shape.keys, *ANY_LIST):
        if key in answer:
            return answer[key]
    # An empty list may be left out, but something quite different must not pass for an empty list.
    if paged or not answer:
        return ()
    raise Unexpected(f"a list of {shape.what}", answer)
