"""A value without what others may change: as if it had been written and read again, at a part of the cost.

Tests: `tests/codec/test_codec_shapes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

from reconciler.codec.malformed import plain
from reconciler.codec.members import hints_of, is_json, variants

_T = TypeVar("_T")
_Detach = Callable[[Any], Any]


def detached(value: _T) -> _T:
    """`value`, a dataclass, with copies of all mappings and lists in it; itself where there is none."""
    detach = _of(value)
    made: _T = detach(value) if detach else value
    return made


def _of(value: Any) -> _Detach | None:
    kind: Any = type(value)
    return _detacher(kind)


@cache
def _detacher(kind: Any) -> _Detach | None:
    """How values of a type are copied; None when nobody can change them."""
    classes, optional = variants(kind)
    if is_json(classes):
        return plain
    if classes != [kind]:
        return _of_several(classes, optional=optional)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        item = _detacher(arguments[0])
        return item and (lambda value: tuple(map(item, value)))
    if origin is not None and issubclass(origin, Mapping):
        each = _detacher(arguments[1]) or _itself
        return lambda value: {key: each(item) for key, item in value.items()}
    return _of_fields(kind) if is_dataclass(kind) else None


def _of_several(classes: Sequence[Any], *, optional: bool) -> _Detach | None:
    if not any(map(_detacher, classes)):
        return None
    if len(classes) == 1:
        only = _detacher(classes[0]) or _itself
        return lambda value: None if optional and value is None else only(value)
    return lambda value: (_of(value) or _itself)(value)


def _of_fields(kind: Any) -> _Detach | None:
    hints = hints_of(kind)
    found = [(each.name, detach) for each in fields(kind) if (detach := _detacher(hints[each.name]))]
    if not found:
        return None
    return lambda value: replace(value, **{name: detach(getattr(value, name)) for name, detach in found})


def _itself(value: Any) -> Any:
    return value
