"""JSON that is what it should be, or `Malformed` with the place where it isn't.

Tests: `tests/codec/test_codec_refusals.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from math import isfinite
from typing import NoReturn

from reconciler.model import Json

JsonObject = dict[str, Json]


class Malformed(ValueError):
    """JSON that doesn't have our shape; the message says where in it and why.

    The place grows on the way out: who reads a member adds its name to what went wrong within.
    """

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self._said = said
        self._path: list[str] = []

    @classmethod
    def wrong(cls, wanted: str) -> Malformed:
        """Something else stands where `wanted` belongs."""
        return cls(f": {wanted} belongs here")

    @classmethod
    def missing(cls, name: str) -> Malformed:
        return cls(" is missing").within(name)

    @classmethod
    def unknown(cls, name: str) -> Malformed:
        return cls(" is not known").within(name)

    def within(self, place: str | int) -> Malformed:
        """The same, in the member of that name, or at that index; a place already known stays as it is."""
        self._path.append(f"[{place}]" if isinstance(place, int) else place)
        return self

    def __str__(self) -> str:
        path = "".join(each if each[:1] == "[" else f".{each}" for each in reversed(self._path))
        return path.removeprefix(".") + self._said if path else self._said.removeprefix(": ")


def parse(text: str | bytes) -> Json:
    """JSON as its standard has it; Malformed when it is none.

    Beyond what `json` refuses: NaN and infinities, numbers too large to be held, a member that stands there
    twice, nesting without end.
    """
    return _parsed(text, _unique)


def parse_shared(text: str, member: str) -> Json:
    """As `parse`. A value of `member` that is the same as the one before it becomes the same object.

    Long lists that stand there several times are read once: a million ids, of three windows, would be three
    million strings before it is seen that they are the same.
    """
    parts, lists = _apart(text, member)
    short, made, before = "".join(parts), dict[str, Json](), None
    if len(parts) > 1:
        # Free the text early: `lists` has most of it by now.
        del text

    def shared(pairs: list[tuple[str, Json]]) -> JsonObject:
        nonlocal before
        found = _unique(pairs)
        if member in found:
            value = found[member]
            if isinstance(value, str) and value in made:
                found[member] = made[value]
            elif value == before:
                found[member] = before
            before = found[member]
        return found

    try:
        for array, name in lists.items():
            made[json.loads(name)] = _parsed(array, shared)
        return _parsed(short, shared)
    except Malformed:
        # Parse the whole text, so that the error's position is right.
        names = {name: array for array, name in lists.items()}
        return _parsed("".join(names.get(part, part) for part in parts), shared)


_LONG = 4096
"""Characters of a list from which on it is worth while to see whether it stands there again."""
_NUL = "\\u0000"
"""Begins what stands in a list's place. A text that holds it is read as it is."""


def _apart(text: str, member: str) -> tuple[list[str], dict[str, str]]:
    """`text` in parts, with a name in the place of each long list under `member`; and list → name.

    A list is taken out only where its end is sure: it ends at the first bracket, and all quotes are closed.
    """
    parts: list[str] = []
    lists: dict[str, str] = {}
    key, done, at = f'"{member}": ', 0, 0
    if _NUL in text:
        return [text], {}
    while (at := text.find(f"{key}[", at)) >= 0:
        ours = text[at - 1 : at] != "\\"  # else it is the end of a longer key
        at += len(key)
        end = text.find("]", at) + 1
        if end - at < _LONG or not ours:
            continue
        array = text[at:end]
        if "\\" in array or "[" in array[1:] or array.count('"') % 2:
            continue
        parts += (text[done:at], lists.setdefault(array, f'"{_NUL}{len(lists)}"'))
        at = done = end
    parts.append(text[done:])
    return parts, lists


def plain(value: Json) -> Json:
    """A copy of `value` made of what a JSON parser would give: lists and dicts only."""
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value]


_SCALARS = (str, int, float)


def _parsed(text: str | bytes, hook: object) -> Json:
    try:
        found: Json = json.loads(
            text,
            object_pairs_hook=hook,  # type: ignore[arg-type]
            parse_constant=_constant,
            parse_float=_finite,
        )
    except Malformed:
        raise
    except ValueError as error:
        raise Malformed(str(error)) from error
    except RecursionError as error:
        raise Malformed("it is nested too deep") from error
    return found


def _unique(pairs: list[tuple[str, Json]]) -> JsonObject:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
    raise Malformed(f"the member {twice!r} appears twice")


def _constant(name: str) -> NoReturn:
    raise Malformed(f"{name} isn't JSON")


def _finite(text: str) -> float:
    found = float(text)
    if not isfinite(found):
        raise Malformed(f"the number {text[:20]} is too large")
    return found
