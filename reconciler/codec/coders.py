"""How values of a type become JSON, and JSON values of it: made once for each type and format.

| type                                | JSON                                                            |
|-------------------------------------|-----------------------------------------------------------------|
| text, number, boolean, None, `Json` | itself; whole numbers are natural ones                          |
| enum                                | its text                                                        |
| dataclass                           | an object: see `reconciler.codec.formats`                       |
| one of several dataclasses          | the same, with a member that says which                         |
| text or a dataclass                 | text or an object                                               |
| tuple, set (sorted)                 | an array                                                        |
| mapping                             | an object, sorted by key                                        |
| one of these three with many items  | ``"list:7"`` where a format says so; those of a mapping as pairs |
| anything else                       | as the format says: `Scalar`                                    |

Reading is strict: what is missing, unknown or of another type is `Malformed`.

Tests: `tests/codec/test_codec_shapes.py`, `tests/codec/test_codec_refusals.py`.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from functools import cache
from operator import attrgetter

# The types are only known while the program runs, so what is made from them can't be typed more closely.
from typing import Any, get_args, get_origin

from reconciler.codec.formats import (
    Decode,
    Each,
    Encode,
    Form,
    Format,
    Keyed,
    Lifted,
    Merged,
    Pairs,
    WrittenAs,
)
from reconciler.codec.malformed import JsonObject, Malformed
from reconciler.codec.members import Member, is_json, members_of, tag_of, variants
from reconciler.codec.parts import (
    FIRST,
    JSON,
    SIMPLE,
    Made,
    enum_of,
    itself,
    mapping,
    paired,
    read_members,
    sequence,
    unread,
)
from reconciler.model import Json


@dataclass(frozen=True, slots=True)
class Coder:
    """How values of one type are written, and read (Malformed); each with the context of a `Format`."""

    encode: Encode
    decode: Decode

    def encode_object(self, value: Any, context: Any) -> JsonObject:
        """`encode`, of a type that becomes an object."""
        made = self.encode(value, context)
        assert isinstance(made, dict)
        return made


@cache
def coder(form: Format, kind: Any) -> Coder:
    """How values of the type `kind` are written and read in a format."""
    made = _made(form, kind)
    return Coder(made.encode or itself, made.decode)


def _made(form: Format, kind: Any) -> Made:
    """What is known of `kind` except for a form of its own."""
    if kind in form.scalars:
        return Made(form.scalars[kind].encode, form.scalars[kind].decode)
    if kind in SIMPLE:
        return SIMPLE[kind]
    classes, optional = variants(kind)
    if is_json(classes):
        return JSON
    made = _class(form, kind) if classes == [kind] else _union(form, classes)
    return _optional(made) if optional else made


def _class(form: Format, kind: Any) -> Made:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return sequence(form, _made(form, arguments[0]), tuple)
    if origin in (frozenset, Set):
        return sequence(form, _made(form, arguments[0]), frozenset)
    if origin is not None:
        key, value = arguments
        return mapping(_made(form, key), _made(form, value), form.long)
    if issubclass(kind, Enum):
        return enum_of(kind)
    encode, decode = _object(form, kind)
    return Made(encode, lambda value, context: decode(value, context, None))


def _formed(form: Format, kind: Any, own: Form | None) -> Made:
    """What is known of `kind` in a form of its own."""
    match own:
        case None:
            return _made(form, kind)
        case Keyed(by):
            key, value = get_args(kind)
            return _keyed(form, key, value, by)
        case Pairs():
            key, value = get_args(kind)
            return paired(_made(form, key), _made(form, value), own)
        case Each(inner):
            key, value = get_args(kind)
            return mapping(_made(form, key), _formed(form, value, inner), form.long)
        case WrittenAs(write):
            return Made(lambda value, _: write(value), unread)
        case Merged() | Lifted():
            raise AssertionError("only an object has such a member")


# --- unions --------------------------------------------------------------------------------------


def _optional(made: Made) -> Made:
    encode, decode = made.encode, made.decode

    def decode_optional(value: Any, context: Any) -> Any:
        return None if value is None else decode(value, context)

    if encode is None:
        return Made(None, decode_optional, made.exact)
    return Made(lambda v, context: None if v is None else encode(v, context), decode_optional, made.exact)


def _union(form: Format, classes: Sequence[Any]) -> Made:
    if len(classes) == 1:
        return _made(form, classes[0])
    if str in classes:
        (other,) = (each for each in classes if each is not str)
        return _text_or(coder(form, other))
    return _tagged(form, classes)


def _text_or(other: Coder) -> Made:
    return Made(
        lambda value, context: value if isinstance(value, str) else other.encode(value, context),
        lambda value, context: value if isinstance(value, str) else other.decode(value, context),
        str,
    )


def _tagged(form: Format, classes: Sequence[type]) -> Made:
    member, names = tag_of(form, classes)
    made = {each: _object(form, each, head={member: name}) for each, name in names.items()}
    encoders = {each: encode for each, (encode, _) in made.items()}
    decoders = {names[each]: decode for each, (_, decode) in made.items()}

    def encode(value: Any, context: Any) -> Json:
        return encoders[type(value)](value, context)

    def decode(value: Any, context: Any) -> Any:
        if not isinstance(value, dict):
            raise Malformed.wrong("an object")
        if member not in value:
            raise Malformed.missing(member)
        name = value[member]
        found = decoders.get(name) if isinstance(name, str) else None
        if found is None:
            raise Malformed.wrong(" or ".join(decoders) if isinstance(name, str) else "a string").within(
                member
            )
        return found(value, context, None)

    return Made(encode, decode)


# --- objects -------------------------------------------------------------------------------------


def _keyed(form: Format, key: Any, value: Any, by: str) -> Made:
    encode_value, decode_value = _object(form, value, outside=by)
    made = _made(form, key)
    encode_key, decode_key = made.encode or itself, made.decode

    def encode(mapping: Any, context: Any) -> Json:
        pairs: Iterator[Any] = ((encode_key(getattr(v, by), context), v) for v in mapping.values())
        return {name: encode_value(v, context) for name, v in sorted(pairs, key=FIRST)}

    def decode(found: Any, context: Any) -> Any:
        if not isinstance(found, dict):
            raise Malformed.wrong("an object")
        known, name = {}, ""
        try:
            for name, each in found.items():
                decoded = decode_key(name, context)
                known[decoded] = decode_value(each, context, {by: decoded})
        except Malformed as error:
            error.within(name)
            raise
        return known

    return Made(encode, decode)


_NO_HEAD: Mapping[str, Json] = types.MappingProxyType({})
_DecodeObject = Callable[[Any, Any, Mapping[str, Any] | None], Any]
"""As `Decode`; and with the values of fields that stand elsewhere."""


def _object(
    form: Format, kind: Any, *, outside: str | None = None, head: Mapping[str, Json] = _NO_HEAD
) -> tuple[Encode, _DecodeObject]:
    """``outside``: a field that stands elsewhere. ``head``: members before all others, which others read."""
    members = [each for each in members_of(form, kind) if each.field.name != outside]
    head = {**head, **form.shape(kind).constants}
    beside = [each for each in members if isinstance(each.form, Merged | Lifted)]
    decode = _decoder(form, kind, members, head.keys())
    return _encoder(form, members, head), _apart(form, decode, beside) if beside else decode


def _encoder(form: Format, members: Sequence[Member], head: Mapping[str, Json]) -> Encode:
    columns = [column for member in members for column in _columns(form, member)]
    names = tuple(member.name for member, _, _ in columns)
    paths = [path for _, path, _ in columns]
    get = attrgetter(*paths) if len(paths) > 1 else (lambda value: [attrgetter(p)(value) for p in paths])
    defaults = [(member.name, member.default) for member, _, _ in columns if member.optional]
    encoders = [(member.name, encode) for member, _, encode in columns if encode]
    names = (*head, *names)
    before = tuple(head.values())

    def encode_always(value: Any, context: Any) -> Any:
        made = dict(zip(names, (*before, *get(value)), strict=True))
        for name, encode_member in encoders:
            made[name] = encode_member(made[name], context)
        return made

    def encode(value: Any, context: Any) -> Any:
        made = dict(zip(names, (*before, *get(value)), strict=True))
        for name, default in defaults:
            if made[name] == default:
                del made[name]
        for name, encode_member in encoders:
            if name in made:
                made[name] = encode_member(made[name], context)
        return made

    return encode if defaults else encode_always


def _columns(form: Format, member: Member) -> Iterator[tuple[Member, str, Encode | None]]:
    """The members that a field becomes, where each is found from the object, and how it is written."""
    path = member.field.name
    match member.form:
        case Merged():
            for each in members_of(form, member.kind):
                for inner, below, encode in _columns(form, each):
                    yield inner, f"{path}.{below}", encode
        case Lifted(name):
            lifted = _lifted(form, member.kind, name)
            yield member, path, _object(form, member.kind, outside=lifted.field.name)[0]
            yield lifted, f"{path}.{lifted.field.name}", _made(form, lifted.kind).encode
        case own:
            yield member, path, _formed(form, member.kind, own).encode


def _lifted(form: Format, kind: Any, name: str) -> Member:
    return next(each for each in members_of(form, kind) if each.name == name)


def _decoder(form: Format, kind: Any, members: Sequence[Member], skipped: Set[str]) -> _DecodeObject:
    mine = [each for each in members if not isinstance(each.form, Merged | Lifted)]
    inner = {each.name: (each.field.name, _formed(form, each.kind, each.form)) for each in mine}
    table = {name: (field, made.exact, made.decode) for name, (field, made) in inner.items()}
    required = {each.field.name: each.name for each in mine if not each.optional}
    fixed = {n: left.value for n, left in form.shape(kind).without.items() if left.value is not ...}

    def decode(value: Any, context: Any, given: Mapping[str, Any] | None) -> Any:
        made = read_members(value, context, table, skipped)
        if not required.keys() <= made.keys():
            raise Malformed.missing(next(name for field, name in required.items() if field not in made))
        if given:
            made.update(given)
        return kind(**made, **fixed)

    return decode


def _apart(form: Format, decode: _DecodeObject, beside: Sequence[Member]) -> _DecodeObject:
    """`decode`, once members of members are back."""
    parts = [(each, *_part(form, each)) for each in beside]

    def gathered(value: Any, context: Any, given: Mapping[str, Any] | None) -> Any:
        if not isinstance(value, dict):
            raise Malformed.wrong("an object")
        rest, made = value, dict(given or {})
        for member, names, read in parts:
            made[member.field.name] = read({k: v for k, v in rest.items() if k in names}, context)
            rest = {k: v for k, v in rest.items() if k not in names}
        return decode(rest, context, made)

    return gathered


def _part(form: Format, member: Member) -> tuple[Set[str], Decode]:
    """The members that make a merged or lifted one, and how they are read."""
    if isinstance(member.form, Merged):
        inner = _made(form, member.kind)
        return {each.name for each in members_of(form, member.kind)}, inner.decode
    assert isinstance(member.form, Lifted)
    lifted = _lifted(form, member.kind, member.form.member)
    _, decode = _object(form, member.kind, outside=lifted.field.name)
    key = _made(form, lifted.kind)

    def read(found: Any, context: Any) -> Any:
        for name in (member.name, lifted.name):
            if name not in found:
                raise Malformed.missing(name)
        try:
            given = {lifted.field.name: key.decode(found[lifted.name], context)}
        except Malformed as error:
            error.within(lifted.name)
            raise
        try:
            return decode(found[member.name], context, given)
        except Malformed as error:
            error.within(member.name)
            raise

    return {member.name, lifted.name}, read
