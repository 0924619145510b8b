"""One document laid over another. Pure.

| below   | over          | becomes                                                      |
|---------|---------------|--------------------------------------------------------------|
| mapping | mapping       | merged, field by field                                       |
| any     | null          | unset: left out, so not managed                              |
| nothing | null          | null, which validation refuses: a typo, or nothing to unset  |
| any     | anything else | replaced: lists and single values as a whole                 |

A setting of a campaign is one value, also when it is a mapping: `fromFile` replaces `fromEnv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconciler.loading.nodes import Document, LaidMap, MarkedMap

MARK = "overlay"
"""The field of an overlay that marks a whole new resource."""

Path = tuple[str, ...]


def lay(below: Document, over: Document) -> Document:
    """`below` with the fields of `over`; both declare the same resource, which stays where it is declared."""
    value, laid = below.value, over.value
    assert isinstance(value, MarkedMap), "documents are loaded from files"
    assert isinstance(laid, MarkedMap), "documents are loaded from files"
    return replace(below, value=_merged(value, laid, over, ()))


@dataclass(slots=True)
class _Entry:
    """A field with its marks; ``giver`` None: given by whoever gave the mapping."""

    value: Any
    key_mark: int
    mark: int
    giver: Document | None


def _merged(below: MarkedMap, over: MarkedMap, by: Document, path: Path) -> LaidMap:
    unset = dict(below.unset) if isinstance(below, LaidMap) else {}
    entries = {
        key: _Entry(value, below.mark(key, of_key=True), below.mark(key), _giver(below, key))
        for key, value in below.items()
    }
    for key, value in over.items():
        giver = _giver(over, key) or by
        here = (*path, key)
        if here in IDENTITY or (here == ("apiVersion",) and value == below.get(key)):
            continue
        key_mark = over.mark(key, of_key=True)
        if value is None and (key in entries or key in unset):
            entries.pop(key, None)
            unset[key] = (giver, key_mark)
            continue
        unset.pop(key, None)
        entry = entries.get(key)
        if entry and isinstance(entry.value, MarkedMap) and isinstance(value, MarkedMap) and not is_one(here):
            entry.value = _merged(entry.value, value, giver, here)
        else:
            entries[key] = _Entry(value, key_mark, over.mark(key), giver)
    return _made(below.start, entries, unset, (below.gaps - over.keys()) | over.gaps)


def _giver(holder: MarkedMap, key: str) -> Document | None:
    return holder.givers.get(key) if isinstance(holder, LaidMap) else None


IDENTITY = frozenset({("kind",), ("metadata", "name"), (MARK,)})
"""What says which resource is meant, and nothing about it."""


def is_one(path: Sequence[object]) -> bool:
    """Whether the value at `path` is one value, though it may be a mapping."""
    return len(path) == 3 and tuple(path[:2]) == ("spec", "settings")


def _made(
    start: int,
    entries: dict[str, _Entry],
    unset: dict[str, tuple[Document, int]],
    gaps: frozenset[str | None],
) -> LaidMap:
    made = LaidMap(start)
    made.unset, made.gaps = unset, gaps
    for key, entry in entries.items():
        made[key] = entry.value
        made.marks.append(entry.key_mark)
        made.marks.append(entry.mark)
        if entry.giver is not None:
            made.givers[key] = entry.giver
    return made


def whole(document: Document) -> Document:
    """A whole new resource without its mark."""
    value = document.value
    assert isinstance(value, MarkedMap), "documents are loaded from files"
    entries = {
        key: _Entry(item, value.mark(key, of_key=True), value.mark(key), None)
        for key, item in value.items()
        if key != MARK
    }
    return replace(document, value=_made(value.start, entries, {}, value.gaps))
