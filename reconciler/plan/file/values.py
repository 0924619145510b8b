"""Values of the model as JSON, and back, as their types say.

| type                                | JSON                                                           |
|-------------------------------------|----------------------------------------------------------------|
| text, number, boolean, None, `Json` | itself                                                         |
| enum, `ResourceId`                  | its text                                                       |
| dataclass                           | an object; what has its default is left out                    |
| one of several dataclasses          | the same, and ``event`` (of actions: ``verb``) says which      |
| tuple, frozen set (sorted)          | an array                                                       |
| mapping                             | an object, sorted by key                                       |
| one of these three with many items  | ``"list:7"``: they stand elsewhere, those of a mapping as pairs |
| operation, path, secret             | as the other side says: types don't tell                        |

Reading is strict: what is missing, unknown or of another type is `Malformed`.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from operator import itemgetter
from pathlib import Path

# The types are only known while the program runs, so what is made from them can't be typed more closely.
from typing import Any, Protocol, Union, get_args, get_origin, get_type_hints

from reconciler.model import Json, Operation, ResourceId, Secret
from reconciler.state.nodes import Malformed, Node, plain

LONG = 100
"""More items than these stand in a list of their own."""

_REFERENCE = re.compile(r"list:([1-9][0-9]{0,9})")


class Outward(Protocol):
    """What writing knows beside the types."""

    def keep(self, items: Sequence[Json]) -> int:
        """The number under which `items` are written down; the same items may have the same one."""
        ...

    def path(self, path: Path) -> Json: ...

    def secret(self, secret: Secret) -> Json: ...


class Inward(Protocol):
    """What reading knows beside the types. Malformed when a node isn't what `Outward` made."""

    def kept(self, number: int, node: Node) -> tuple[Any, ...]: ...

    def path(self, node: Node) -> Path: ...

    def secret(self, node: Node) -> Secret: ...

    def operation(self, node: Node) -> Operation: ...


Encode = Callable[[Any, Outward], Json]
Decode = Callable[[Node, Inward], Any]
Coder = tuple[Encode, Decode]


@cache
def coder(kind: Any) -> Coder:
    """How values of the type `kind` are written and read."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is tuple:
        return _sequence(arguments[0], tuple)
    if origin is frozenset:
        return _sequence(arguments[0], frozenset)
    if origin is not None:
        return _mapping(*arguments)
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if issubclass(kind, Enum):
        return (lambda value, _: value.value), (lambda node, _: node.one_of(kind))
    return _object(kind)


def _resource(node: Node, _: Inward) -> ResourceId:
    try:
        return ResourceId.parse(node.text())
    except ValueError:
        raise node.wrong("KIND/NAME") from None


_JSON: Coder = (lambda value, _: plain(value)), (lambda node, _: node.value)
_SIMPLE: Mapping[type, Coder] = types.MappingProxyType(
    {
        str: ((lambda value, _: value), (lambda node, _: node.text())),
        int: ((lambda value, _: value), (lambda node, _: node.integer())),
        bool: ((lambda value, _: value), (lambda node, _: node.boolean())),
        ResourceId: ((lambda value, _: str(value)), _resource),
        Operation: ((lambda value, _: value.name), (lambda node, inward: inward.operation(node))),
        Path: ((lambda value, out: out.path(value)), (lambda node, inward: inward.path(node))),
        Secret: ((lambda value, out: out.secret(value)), (lambda node, inward: inward.secret(node))),
    }
)


def _union(members: tuple[Any, ...]) -> Coder:
    if {bool, float} <= set(members):
        return _JSON
    optional = type(None) in members
    others = [member for member in members if member is not type(None)]
    if str in others and len(others) > 1:
        (other,) = (member for member in others if member is not str)
        encode, decode = _text_or(coder(other))
    elif len(others) > 1:
        encode, decode = _tagged(others)
    else:
        encode, decode = coder(others[0])
    if not optional:
        return encode, decode
    return (
        (lambda value, out: None if value is None else encode(value, out)),
        (lambda node, inward: None if node.value is None else decode(node, inward)),
    )


def _text_or(other: Coder) -> Coder:
    encode, decode = other
    return (
        (lambda value, out: value if isinstance(value, str) else encode(value, out)),
        (lambda node, inward: node.value if isinstance(node.value, str) else decode(node, inward)),
    )


def _tagged(members: Sequence[Any]) -> Coder:
    tag = "verb" if all(hasattr(member, "verb") for member in members) else "event"
    names = {member: _kebab(member) if tag == "event" else member.verb.value for member in members}
    coders = {name: coder(member) for member, name in names.items()}

    def encode(value: Any, out: Outward) -> Json:
        name = names[type(value)]
        return {tag: name, **coders[name][0](value, out)}  # type: ignore[dict-item]

    def decode(node: Node, inward: Inward) -> Any:
        name = node.member(tag).text()
        if name not in coders:
            raise node.member(tag).wrong(" or ".join(coders))
        rest = {key: value for key, value in node.object().items() if key != tag}
        return coders[name][1](Node(rest, node.at), inward)

    return encode, decode


def _sequence(item: Any, made: type) -> Coder:
    encode_item, decode_item = coder(item)
    texts = item is str

    def encode(value: Any, out: Outward) -> Json:
        ordered = sorted(value) if made is frozenset else value
        items = ordered if texts else [encode_item(each, out) for each in ordered]
        return _reference(tuple(items), out) if len(items) > LONG else list(items)

    def decode(node: Node, inward: Inward) -> Any:
        if (number := _referred(node)) is not None:
            kept = inward.kept(number, node)
            if not texts:
                return made(decode_item(Node(each, node.at), inward) for each in kept)
            if not all(isinstance(each, str) for each in kept):
                raise node.wrong("a list of strings")
            # Shared, not copied: there may be a million of them.
            return made(kept)
        return made(node.texts() if texts else [decode_item(each, inward) for each in node.array()])

    return encode, decode


def _mapping(key: Any, value: Any) -> Coder:
    (encode_key, decode_key), (encode_value, decode_value) = coder(key), coder(value)

    def encode(mapping: Any, out: Outward) -> Json:
        pairs = [(str(encode_key(k, out)), encode_value(v, out)) for k, v in mapping.items()]
        pairs.sort(key=itemgetter(0))
        return _reference(tuple(pairs), out) if len(pairs) > LONG else dict(pairs)

    def decode(node: Node, inward: Inward) -> Any:
        pairs: Any = node.items()
        if (number := _referred(node)) is not None:
            kept = (Node(pair, node.at).array() for pair in inward.kept(number, node))
            pairs = ((name.text(), each) for name, each in kept)
        return {decode_key(Node(name, each.at), inward): decode_value(each, inward) for name, each in pairs}

    return encode, decode


def _reference(items: tuple[Json, ...], out: Outward) -> Json:
    return f"list:{out.keep(items)}"


def _referred(node: Node) -> int | None:
    """The number of the list that stands elsewhere; None where the items stand here."""
    if not isinstance(node.value, str):
        return None
    found = _REFERENCE.fullmatch(node.value)
    if not found:
        raise node.wrong("a list")
    return int(found[1])


def _object(kind: Any) -> Coder:
    assert is_dataclass(kind), f"there is no way to write {kind}"
    make: Any = kind
    hints = get_type_hints(kind)
    members = {_camel(each.name): (each, *coder(hints[each.name])) for each in fields(kind)}

    def encode(value: Any, out: Outward) -> Json:
        made: dict[str, Json] = {}
        for name, (member, encode_member, _) in members.items():
            found = getattr(value, member.name)
            if member.default is not MISSING:
                unsaid = found == member.default
            else:
                unsaid = member.default_factory is not MISSING and found == member.default_factory()
            if not unsaid:
                made[name] = encode_member(found, out)
        return made

    def decode(node: Node, inward: Inward) -> Any:
        made: dict[str, Any] = {}
        for name, each in node.items():
            if name not in members:
                raise Malformed(f"{each.at} is not known")
            member, _, decode_member = members[name]
            made[member.name] = decode_member(each, inward)
        for name, (member, _, _) in members.items():
            required = member.default is MISSING and member.default_factory is MISSING
            if required and member.name not in made:
                node.member(name)
        return make(**made)

    return encode, decode


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _kebab(kind: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()
