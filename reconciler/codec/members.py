"""What the objects of a format consist of, as the fields of dataclasses say.

Tests: `tests/codec/test_codec_new_field.py`.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass

# The types are only known while the program runs, so what is made from them can't be typed more closely.
from typing import Any, Union, get_args, get_origin, get_type_hints

from reconciler.codec.formats import Form, Format
from reconciler.model import Json


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
    shape, hints = form.shape(kind), hints_of(kind)
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


def hints_of(kind: Any) -> Mapping[str, Any]:
    """The types of the fields of a dataclass; of `Json`, which names itself, also where nobody imports it."""
    return get_type_hints(kind, localns={"Json": Json})


def tag_of(form: Format, classes: Sequence[type]) -> tuple[str, Mapping[type, str]]:
    """The member that tells `classes` apart, and the name of each."""
    tags = {frozenset(get_args(union)): tag for union, tag in form.tags.items()}
    tag = tags.get(frozenset(classes))
    assert tag, f"nothing tells {', '.join(each.__name__ for each in classes)} apart"
    return tag.member, {each: tag.names.get(each, kebab(each)) for each in classes}


def variants(kind: Any) -> tuple[list[Any], bool]:
    """The types that a union is made of but None, and whether that is one; of any other type itself."""
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
