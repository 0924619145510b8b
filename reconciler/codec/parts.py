"""How values that are no objects become JSON, and the reverse; of many values, given how one of them does.

Tests: `tests/codec/test_codec_shapes.py`.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from operator import itemgetter
from typing import Any, Protocol

from reconciler.codec.formats import Decode, Encode, Format, Pairs
from reconciler.codec.malformed import Malformed, plain
from reconciler.model import Json

_REFERENCE = re.compile(r"list:([1-9][0-9]{0,9})")


class Keeper(Protocol):
    """The context of a format whose long lists stand elsewhere."""

    def keep(self, items: Sequence[Json]) -> int:
        """The number under which `items` are written down; the same items may have the same one."""
        ...

    def kept(self, number: int) -> tuple[Any, ...]:
        """What is written down under it; Malformed."""
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """``encode`` None: it is written as it is. ``exact``: a JSON value of that class is read as it is."""

    encode: Encode | None
    decode: Decode
    exact: type | None = None


def itself(value: Any, _: Any) -> Any:
    return value


def _text(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise Malformed.wrong("a string")
    return value


def _natural(value: Any, _: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Malformed.wrong("a natural number")
    return value


def _boolean(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise Malformed.wrong("true or false")
    return value


def _number(value: Any, _: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Malformed.wrong("a number")
    return value


JSON = Made(lambda value, _: plain(value), itself)
SIMPLE: Mapping[type, Made] = types.MappingProxyType(
    {
        str: Made(None, _text, str),
        int: Made(None, _natural),
        bool: Made(None, _boolean, bool),
        float: Made(None, _number, float),
    }
)


def unread(_: Any, __: Any) -> Any:
    raise Malformed.wrong("nothing that is read")


def enum_of(kind: type[Enum]) -> Made:
    words = {each.value: each for each in kind}
    wanted = " or ".join(words)

    def decode(value: Any, _: Any) -> Any:
        if not isinstance(value, str):
            raise Malformed.wrong("a string")
        try:
            return words.get(value) or kind(value)  # an enum may know older words
        except ValueError:
            raise Malformed.wrong(wanted) from None

    return Made(lambda value, _: value.value, decode)


# --- many ----------------------------------------------------------------------------------------


def sequence(form: Format, inner: Made, make: type) -> Made:
    """A tuple or a set as an array, of a set sorted."""
    encode = _array(form, inner.encode, unordered=make is frozenset)
    read = _texts if inner is SIMPLE[str] else _items_of(inner.decode)

    def decode(value: Any, context: Any) -> Any:
        if form.long is not None and isinstance(value, str):
            value = _referred(value, context)
        # A tuple isn't copied: it may have a million items.
        made = make(read(value, context))
        if len(made) < len(value):
            raise Malformed.wrong("an array of items that differ")
        return made

    return Made(encode, _one_for_one(decode) if form.shared and make is frozenset else decode)


def _array(form: Format, encode_item: Encode | None, *, unordered: bool) -> Encode:
    if not unordered and encode_item is None and form.long is None:
        return lambda value, _: list(value)

    def encode(value: Any, context: Any) -> Json:
        items = sorted(value) if unordered else value
        if encode_item:
            items = [encode_item(each, context) for each in items]
        if form.long is not None and len(items) > form.long:
            return _reference(items, context)
        return items if isinstance(items, list) else list(items)

    return _one_for_one(encode) if form.shared and unordered else encode


def _one_for_one(made: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """One list for one set, and the reverse: a campaign's gateways have a window of each phase."""

    def shared(value: Any, context: Any) -> Any:
        if context is None:
            return made(value, context)
        # The context keeps every value alive, so an id() is never used twice.
        if id(value) not in context:
            context[id(value)] = made(value, context)
        return context[id(value)]

    return shared


def _texts(value: Any, _: Any) -> Any:
    """In one pass: there may be a million of them."""
    if not isinstance(value, list | tuple) or not set(map(type, value)) <= _TEXT:
        raise Malformed.wrong(f"{'a list' if isinstance(value, tuple) else 'an array'} of strings")
    return value


_TEXT = {str}


def _items_of(decode_item: Decode) -> Decode:
    def items(value: Any, context: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise Malformed.wrong("an array")
        return _items(value, decode_item, context)

    return items


def _items(value: Sequence[Any], decode: Decode, context: Any) -> list[Any]:
    made: list[Any] = []
    at = 0
    try:
        for at, item in enumerate(value):  # noqa: B007 - where it was is told
            made.append(decode(item, context))
    except Malformed as error:
        error.within(at)
        raise
    return made


def _json_object(value: Any, _: Any) -> Any:
    if not isinstance(value, dict):
        raise Malformed.wrong("an object")
    return value


def mapping(key: Made, value: Made, long: int | None) -> Made:
    """A mapping as an object, sorted by key."""
    if value is JSON and key is SIMPLE[str] and long is None:
        return Made(lambda found, _: {name: plain(found[name]) for name in sorted(found)}, _json_object)
    encode_key, encode_value = key.encode or itself, value.encode or itself
    decode_key, decode_value = key.decode, value.decode

    def encode(mapping: Any, context: Any) -> Json:
        pairs: list[Any] = [(encode_key(k, context), encode_value(v, context)) for k, v in mapping.items()]
        pairs.sort(key=FIRST)
        return _reference(pairs, context) if long is not None and len(pairs) > long else dict(pairs)

    def decode(found: Any, context: Any) -> Any:
        if long is not None and isinstance(found, str):
            pairs = _items(_referred(found, context), _pair, context)
        elif isinstance(found, dict):
            pairs = list(found.items())
        else:
            raise Malformed.wrong("an object")
        made, name = {}, ""
        try:
            for name, each in pairs:
                made[decode_key(name, context)] = decode_value(each, context)
        except Malformed as error:
            error.within(name)
            raise
        return made

    return Made(encode, decode)


def _pair(value: Any, _: Any) -> Any:
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str):
        raise Malformed.wrong("a pair of a key and its value")
    return value


def paired(first: Made, second: Made, own: Pairs) -> Made:
    """A mapping as an array of objects: see `Pairs`."""
    encode_key, encode_value = first.encode or itself, second.encode or itself
    table = {own.key: (0, first.exact, first.decode), own.value: (1, second.exact, second.decode)}

    def encode(mapping: Any, context: Any) -> Json:
        pairs = [(encode_key(k, context), encode_value(v, context)) for k, v in mapping.items()]
        if not own.ordered:
            pairs.sort(key=FIRST)
        return [{own.key: k, own.value: v} for k, v in pairs]

    def decode_item(found: Any, context: Any) -> Any:
        made = read_members(found, context, table, frozenset())
        for name, (slot, *_) in table.items():
            if slot not in made:
                raise Malformed.missing(name)
        return made[0], made[1]

    def decode(found: Any, context: Any) -> Any:
        if not isinstance(found, list):
            raise Malformed.wrong("an array")
        pairs = _items(found, decode_item, context)
        made = dict(pairs)
        if len(made) < len(pairs):
            last = {key: at for at, (key, _) in enumerate(pairs)}
            raise (
                Malformed(" stands there before")
                .within(own.key)
                .within(next(last[key] for at, (key, _) in enumerate(pairs) if at < last[key]))
            )
        return made

    return Made(encode, decode)


def _reference(items: Sequence[Json], context: Keeper) -> Json:
    return f"list:{context.keep(items if isinstance(items, tuple) else tuple(items))}"


def _referred(value: str, context: Keeper) -> tuple[Any, ...]:
    """The items that stand elsewhere."""
    found = _REFERENCE.fullmatch(value)
    if not found:
        raise Malformed.wrong("a list")
    return context.kept(int(found[1]))


FIRST = itemgetter(0)


Table = Mapping[str, tuple[Any, type | None, Decode]]
"""Member → where its value goes, and how it is read."""


def read_members(value: Any, context: Any, table: Table, skipped: Set[str]) -> dict[Any, Any]:
    """The members of an object, read."""
    if not isinstance(value, dict):
        raise Malformed.wrong("an object")
    made: dict[Any, Any] = {}
    key = ""
    try:
        for key, item in value.items():
            found = table.get(key)
            if found is not None:
                slot, exact, decode = found
                made[slot] = item if type(item) is exact else decode(item, context)
            elif key not in skipped:
                raise Malformed(" is not known")
    except Malformed as error:
        error.within(key)
        raise
    return made
