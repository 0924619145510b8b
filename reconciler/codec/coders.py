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
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from operator import attrgetter, itemgetter

# The types are only known while the program runs, so what is made from them can't be typed more closely.
from typing import Any, Protocol, Union, get_args, get_origin, get_type_hints

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
    Written,
)
from reconciler.codec.malformed import JsonObject, Malformed, plain
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
    return Coder(made.encode or _itself, made.decode)


@dataclass(frozen=True, slots=True)
class Member:
    """A field of a dataclass, as a format has it."""

    field: Field[Any]
    name: str
    kind: Any
    form: Form | None
    optional: bool
    """Left out at its default."""

    @property
    def default(self) -> Any:
        """A fresh one where it is made anew; MISSING where there is none."""
        made = self.field.default_factory
        return self.field.default if made is MISSING else made()


def members_of(form: Format, kind: type) -> list[Member]:
    """The members of the objects that values of `kind` become, in their order; also those of merged fields.

    AssertionError when the format names a field that there isn't: a name that was forgotten here.
    """
    assert is_dataclass(kind), f"there is no way to write {kind}"
    shape, hints = form.shape(kind), get_type_hints(kind)
    known = {each.name: each for each in fields(kind)}
    named = {*shape.names, *shape.always, *shape.first, *shape.without, *shape.forms}
    assert named <= known.keys(), f"{kind.__name__} has no field {sorted(named - known.keys())[0]}"
    order = (*shape.first, *(name for name in known if name not in shape.first))
    return [
        Member(
            known[name],
            shape.names.get(name, camel(name)),
            hints[name],
            shape.forms.get(name),
            optional=_has_default(known[name]) and name not in shape.always,
        )
        for name in order
        if name not in shape.without
    ]


def tag_of(form: Format, classes: Sequence[type]) -> tuple[str, Mapping[type, str]]:
    """The member that tells `classes` apart, and the name of each."""
    tags = {frozenset(get_args(union)): tag for union, tag in form.tags.items()}
    tag = tags.get(frozenset(classes))
    assert tag, f"nothing tells {', '.join(each.__name__ for each in classes)} apart"
    return tag.member, {each: tag.names.get(each, kebab(each)) for each in classes}


def variants(kind: Any) -> tuple[list[Any], bool]:
    """The types that a union is made of but for None, and whether that is one; of any other type itself."""
    if get_origin(kind) not in (Union, types.UnionType):
        return [kind], False
    others = [each for each in get_args(kind) if each is not type(None)]
    return others, len(others) < len(get_args(kind))


def is_json(classes: Sequence[Any]) -> bool:
    """Whether a union of these is `Json`."""
    return {bool, float} <= set(classes)


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def kebab(kind: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


@dataclass(frozen=True, slots=True)
class _Made:
    """``encode`` None: it is written as it is. ``exact``: a JSON value of that class is read as it is."""

    encode: Encode | None
    decode: Decode
    exact: type | None = None


def _itself(value: Any, _: Any) -> Any:
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


_JSON = _Made(lambda value, _: plain(value), _itself)
_SIMPLE: Mapping[type, _Made] = types.MappingProxyType(
    {
        str: _Made(None, _text, str),
        int: _Made(None, _natural),
        bool: _Made(None, _boolean, bool),
        float: _Made(None, _number, float),
    }
)


def _made(form: Format, kind: Any) -> _Made:
    """What is known of `kind` but for a form of its own."""
    if kind in form.scalars:
        return _Made(form.scalars[kind].encode, form.scalars[kind].decode)
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    classes, optional = variants(kind)
    if is_json(classes):
        return _JSON
    made = _class(form, kind) if classes == [kind] else _union(form, classes)
    return _optional(made) if optional else made


def _class(form: Format, kind: Any) -> _Made:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _sequence(form, arguments[0], tuple)
    if origin in (frozenset, Set):
        return _sequence(form, arguments[0], frozenset)
    if origin is not None:
        return _mapping(form, *arguments)
    if issubclass(kind, Enum):
        return _enum(kind)
    encode, decode = _object(form, kind)
    return _Made(encode, lambda value, context: decode(value, context, None))


def _formed(form: Format, kind: Any, own: Form | None) -> _Made:
    """What is known of `kind` in a form of its own."""
    match own:
        case None:
            return _made(form, kind)
        case Keyed(by):
            return _keyed(form, *get_args(kind), by)
        case Pairs():
            return _pairs(form, *get_args(kind), own)
        case Each(inner):
            key, value = get_args(kind)
            return _members(_made(form, key), _formed(form, value, inner), form.long)
        case Written(write):
            return _Made(lambda value, _: write(value), _unread)
        case Merged() | Lifted():
            raise AssertionError("only an object has such a member")


def _unread(_: Any, __: Any) -> Any:
    raise Malformed.wrong("nothing that is read")


def _enum(kind: type[Enum]) -> _Made:
    words = {each.value: each for each in kind}
    wanted = " or ".join(words)

    def decode(value: Any, _: Any) -> Any:
        found = words.get(value) if isinstance(value, str) else None
        if found is None:
            raise Malformed.wrong(wanted if isinstance(value, str) else "a string")
        return found

    return _Made(lambda value, _: value.value, decode)


# --- unions --------------------------------------------------------------------------------------


def _optional(made: _Made) -> _Made:
    encode, decode = made.encode, made.decode

    def decode_optional(value: Any, context: Any) -> Any:
        return None if value is None else decode(value, context)

    if encode is None:
        return _Made(None, decode_optional, made.exact)
    return _Made(lambda v, context: None if v is None else encode(v, context), decode_optional, made.exact)


def _union(form: Format, classes: Sequence[Any]) -> _Made:
    if len(classes) == 1:
        return _made(form, classes[0])
    if str in classes:
        (other,) = (each for each in classes if each is not str)
        return _text_or(coder(form, other))
    return _tagged(form, classes)


def _text_or(other: Coder) -> _Made:
    return _Made(
        lambda value, context: value if isinstance(value, str) else other.encode(value, context),
        other.decode,
        str,
    )


def _tagged(form: Format, classes: Sequence[type]) -> _Made:
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

    return _Made(encode, decode)


# --- many ----------------------------------------------------------------------------------------


def _sequence(form: Format, item: Any, make: type) -> _Made:
    inner = _made(form, item)
    encode = _array(form, inner.encode, unordered=make is frozenset)
    read = _texts if item is str else _items_of(inner.decode)

    def decode(value: Any, context: Any) -> Any:
        if form.long is not None and isinstance(value, str):
            value = _referred(value, context)
        # Of a tuple no copy is made: there may be a million of them.
        made = make(read(value, context))
        if len(made) < len(value):
            raise Malformed.wrong("an array of items that differ")
        return made

    return _Made(encode, _one_for_one(decode) if form.shared and make is frozenset else decode)


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
        # Who holds the context holds all the values: no other takes the place of one.
        if id(value) not in context:
            context[id(value)] = made(value, context)
        return context[id(value)]

    return shared


def _texts(value: Any, _: Any) -> Any:
    """In one pass: there may be a million of them."""
    if not isinstance(value, list | tuple) or not set(map(type, value)) <= _TEXT:
        raise Malformed.wrong("an array of strings")
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


def _mapping(form: Format, key: Any, value: Any) -> _Made:
    inner = _made(form, value)
    if inner is _JSON and key is str and form.long is None:
        return _Made(lambda found, _: {name: plain(found[name]) for name in sorted(found)}, _json_object)
    return _members(_made(form, key), inner, form.long)


def _json_object(value: Any, _: Any) -> Any:
    if not isinstance(value, dict):
        raise Malformed.wrong("an object")
    return value


def _members(key: _Made, value: _Made, long: int | None) -> _Made:
    """A mapping as an object, sorted by key."""
    encode_key, encode_value = key.encode or _itself, value.encode or _itself
    decode_key, decode_value = key.decode, value.decode

    def encode(mapping: Any, context: Any) -> Json:
        pairs = [(encode_key(k, context), encode_value(v, context)) for k, v in mapping.items()]
        pairs.sort(key=_FIRST)
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

    return _Made(encode, decode)


def _pair(value: Any, _: Any) -> Any:
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str):
        raise Malformed.wrong("a pair of a key and its value")
    return value


def _keyed(form: Format, key: Any, value: Any, by: str) -> _Made:
    encode_value, decode_value = _object(form, value, outside=by)
    made = _made(form, key)
    encode_key, decode_key = made.encode or _itself, made.decode

    def encode(mapping: Any, context: Any) -> Json:
        pairs = ((encode_key(getattr(v, by), context), v) for v in mapping.values())
        return {name: encode_value(v, context) for name, v in sorted(pairs, key=_FIRST)}

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

    return _Made(encode, decode)


def _pairs(form: Format, key: Any, value: Any, own: Pairs) -> _Made:
    first, second = _made(form, key), _made(form, value)
    encode_key, encode_value = first.encode or _itself, second.encode or _itself
    table = {own.key: (0, first.exact, first.decode), own.value: (1, second.exact, second.decode)}

    def encode(mapping: Any, context: Any) -> Json:
        pairs = [(encode_key(k, context), encode_value(v, context)) for k, v in mapping.items()]
        if not own.ordered:
            pairs.sort(key=_FIRST)
        return [{own.key: k, own.value: v} for k, v in pairs]

    def decode_item(found: Any, context: Any) -> Any:
        made = _read(found, context, table, frozenset())
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

    return _Made(encode, decode)


def _reference(items: Sequence[Json], context: Keeper) -> Json:
    return f"list:{context.keep(items if isinstance(items, tuple) else tuple(items))}"


def _referred(value: str, context: Keeper) -> tuple[Any, ...]:
    """The items that stand elsewhere."""
    found = _REFERENCE.fullmatch(value)
    if not found:
        raise Malformed.wrong("a list")
    return context.kept(int(found[1]))


_FIRST = itemgetter(0)


# --- objects -------------------------------------------------------------------------------------

_NO_HEAD: Mapping[str, Json] = types.MappingProxyType({})
_Table = Mapping[str, tuple[Any, type | None, Decode]]
"""Member → where its value goes, and how it is read."""
_DecodeObject = Callable[[Any, Any, Mapping[str, Any] | None], Any]
"""As `Decode`; and with the values of fields that stand elsewhere."""


def _read(value: Any, context: Any, table: _Table, skipped: Set[str]) -> dict[Any, Any]:
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
    encoders = [(member, encode) for member, _, encode in columns if encode]
    always = [(member.name, encode) for member, encode in encoders if not member.optional]
    sometimes = [(member.name, encode) for member, encode in encoders if member.optional]
    before = dict(head)

    def encode(value: Any, context: Any) -> Json:
        made = before.copy()
        made.update(zip(names, get(value), strict=True))
        for name, default in defaults:
            if made[name] == default:
                del made[name]
        for name, encode_member in always:
            made[name] = encode_member(made[name], context)
        for name, encode_member in sometimes:
            if name in made:
                made[name] = encode_member(made[name], context)
        return made

    return encode


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
        made = _read(value, context, table, skipped)
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
