"""Ids that are spelled in two ways and may well be one device: to a server that folds them they are.

Tests: `tests/diff/test_diff_spellings.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from unicodedata import normalize

_ADDRESS = re.compile(r"(?:[0-9a-f]{2}[-:.]?){5,7}[0-9a-f]{2}|(?:[0-9a-f]{4}[-:.]?){2,3}[0-9a-f]{4}")
"""A MAC address or an EUI, with or without what stands between its digits."""

Spellings = tuple[str, str]


def folded(id_: str) -> str:
    """The same for ids that differ in case, or in the width or composition of their characters."""
    return id_.lower() if id_.isascii() else normalize("NFKC", normalize("NFKC", id_).casefold())


def _one_device(id_: str) -> str:
    """The same also for numbers with zeros in front, and for addresses with other separators."""
    form = folded(id_).strip()
    if form.isdecimal():
        return form.lstrip("0")
    return re.sub("[-:.]", "", form) if _ADDRESS.fullmatch(form) else form


def spelled_twice(ids: Collection[str], text: str | None = None) -> tuple[Spellings, ...]:
    """Pairs of `ids` that differ in case or width only, sorted; cheap for a million that don't.

    `text`: all of them in a row, where that was made already.
    """
    together = "".join(ids) if text is None else text
    # Where no id has capitals, folding changes nothing, so no two can collide.
    if together.isascii() and (together.lower() == together or together.upper() == together):
        return ()
    if len(set(map(folded, ids))) == len(ids):
        return ()
    return _pairs(ids, sorted(ids), folded)


def respelled(some: Collection[str], others: Collection[str]) -> tuple[Spellings, ...]:
    """(one of `some`, one of `others`) that are probably one device, sorted; both sides share no id."""
    return _pairs(some, others, _one_device) if some and others else ()


def _pairs(some: Iterable[str], others: Iterable[str], fold: Callable[[str], str]) -> tuple[Spellings, ...]:
    by_form: dict[str, str] = {}
    for id_ in sorted(some):
        by_form.setdefault(fold(id_), id_)
    found = ((by_form.get(fold(id_), id_), id_) for id_ in others)
    return tuple(sorted(pair for pair in found if pair[0] != pair[1]))


def how_they_differ(one: str, other: str) -> str:
    """In what two spellings differ, to follow *they differ only in*."""
    if one.casefold() == other.casefold():
        return "upper and lower case"
    if folded(one) == folded(other):
        return "the width or the composition of their characters"
    if folded(one).strip().isdecimal():
        return "zeros in front"
    return "what stands between their digits"
