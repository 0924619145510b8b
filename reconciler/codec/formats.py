"""What a format says beside the types that it is made of, as data.

Without a word of it a dataclass is an object whose members are its fields in camel case; one that has its
default is left out, and need not be there when it is read. So a field that is added later, with a default,
is written as soon as it says something, and older files are read as they are.

Tests: `tests/codec/test_codec_shapes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# What a type is made of is only known while the program runs, so values can't be typed more closely.
from typing import Any

from reconciler.codec.malformed import Malformed
from reconciler.model import Json, ResourceId

Encode = Callable[[Any, Any], Json]
"""From a value and the context of the writing to JSON."""
Decode = Callable[[Any, Any], Any]
"""From JSON and the context of the reading to a value; Malformed."""


@dataclass(frozen=True, slots=True)
class Left:
    """A field that isn't written: why, and what it is once it is read (``...``: its default)."""

    why: str
    value: Any = ...


@dataclass(frozen=True, slots=True)
class Keyed:
    """A mapping whose keys are a field of its values: that field isn't written again."""

    by: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """A mapping as an array of objects with two members, sorted by key unless its order says something."""

    key: str
    value: str
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Each:
    """A mapping whose values have a form of their own."""

    form: Form


@dataclass(frozen=True, slots=True)
class Merged:
    """An object whose members stand among those of the one that it is a part of."""


@dataclass(frozen=True, slots=True)
class Lifted:
    """An object of which one member stands beside it."""

    member: str


@dataclass(frozen=True, slots=True)
class WrittenAs:
    """A value that is written in words of its own, and never read."""

    write: Callable[[Any], Json]


Form = Keyed | Pairs | Each | Merged | Lifted | WrittenAs


@dataclass(frozen=True, slots=True)
class Shape:
    """In what the JSON of one type differs from its fields; every name is that of a field."""

    names: Mapping[str, str] = field(default_factory=dict)
    """Field → its member, where that isn't its name in camel case."""
    always: frozenset[str] = frozenset()
    """Fields that are written, and have to be there, also when they have their default."""
    first: tuple[str, ...] = ()
    """Fields that come before the others."""
    without: Mapping[str, Left] = field(default_factory=dict)
    forms: Mapping[str, Form] = field(default_factory=dict)
    constants: Mapping[str, Json] = field(default_factory=dict)
    """Members before all others, which somebody else reads."""


@dataclass(frozen=True, slots=True)
class Tag:
    """How JSON says which class of a union it is."""

    member: str
    names: Mapping[type, str] = field(default_factory=dict)
    """Class → its name, where that isn't its own in kebab case."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A type that is written in its own way: one that types don't tell."""

    encode: Encode
    decode: Decode


@dataclass(frozen=True, eq=False)
class Format:
    """A format of files: what it says beside the types.

    ``long``: more items than these stand elsewhere; the context is then a `Keeper`. ``shared``: what is one
    set stays one list, and the reverse; the context is then a dict, or None.
    """

    shapes: Mapping[type, Shape] = field(default_factory=dict)
    tags: Mapping[Any, Tag] = field(default_factory=dict)
    """Union → how its classes are told apart."""
    scalars: Mapping[type, Scalar] = field(default_factory=dict)
    long: int | None = None
    shared: bool = False

    def shape(self, kind: type) -> Shape:
        """That of `kind`, or of what it is derived from."""
        return next((self.shapes[each] for each in kind.__mro__ if each in self.shapes), Shape())


def _resource(value: Any, _: Any) -> ResourceId:
    try:
        return ResourceId.parse(value)
    except (ValueError, AttributeError):
        raise Malformed.wrong("KIND/NAME" if isinstance(value, str) else "a string") from None


RESOURCE = Scalar(lambda value, _: str(value), _resource)
