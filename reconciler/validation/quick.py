"""A schema as one quick test: does the value keep to it?

Nearly every document does, and then nothing more has to be known. Only for one that doesn't, jsonschema and
the keywords of `keywords` say what is wrong; that takes some ten times as long, and the import of jsonschema
as long as a start of the tool. Both read the same schemas with the same idea of types, and tests hold them
against each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.loading.nodes import Ambiguous, MarkedMap, stands
from reconciler.validation.schemas import Schema

Accepts = Callable[[Any], bool]

_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
_NOTES = frozenset({"$schema", "$id", "title", "description", "examples", "default", "x-unquoted"})
_TEXT = frozenset({"type", "pattern", "minLength", "maxLength", "not"})


def is_text(value: object, schema: Schema) -> bool:
    """Whether `value` may stand where text belongs: `Ambiguous` text only with `x-unquoted`."""
    return isinstance(value, str) and (not isinstance(value, Ambiguous) or "x-unquoted" in schema)


def fits(value: object, types: str | Sequence[str], schema: Schema) -> bool:
    """Whether `value` is of one of the `types`, as a schema calls them."""
    return any(_is(value, wanted, schema) for wanted in ([types] if isinstance(types, str) else types))


def _is(value: object, wanted: str, schema: Schema) -> bool:
    if wanted == "string":
        return is_text(value, schema)
    return isinstance(value, _TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool))


def compiled(schema: Schema) -> Accepts:
    """The test for an inlined schema. KeyError for a keyword that is not known here."""
    words = [word for word in schema if word not in _NOTES]
    if schema.get("type") == "string" and _TEXT.issuperset(words):
        return _text(schema)
    tests = [_TESTS[word](schema[word], schema) for word in words]

    def accepts(value: Any) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs as much as the tests
            if not test(value):
                return False
        return True

    return accepts


def _text(schema: Schema) -> Accepts:
    matches = re.compile(schema.get("pattern", "")).search
    least, most = schema.get("minLength", 0), schema.get("maxLength", float("inf"))
    refused = schema.get("not", {}).get("const")
    unquoted = "x-unquoted" in schema

    def accepts(value: Any) -> bool:
        return (
            (type(value) is str or (unquoted and isinstance(value, str)))
            and matches(value) is not None
            and least <= len(value) <= most
            and value != refused
        )

    return accepts


def _type(types: Any, schema: Schema) -> Accepts:
    if isinstance(types, str) and types not in ("string", "integer", "number"):
        wanted = _TYPES[types]
        return lambda value: isinstance(value, wanted)
    return lambda value: fits(value, types, schema)


def _properties(rules: dict[str, Schema], _: Schema) -> Accepts:
    tests = {name: compiled(rule) for name, rule in rules.items()}

    def accepts(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        for name, item in value.items():
            test = tests.get(name)
            if test is not None and not test(item):
                return False
        return True

    return accepts


def _additional(rule: Any, schema: Schema) -> Accepts:
    known = frozenset(schema.get("properties", ()))
    if rule is False:
        return lambda value: not isinstance(value, dict) or value.keys() <= known
    test = compiled(rule)
    return lambda value: (
        not isinstance(value, dict) or all(name in known or test(item) for name, item in value.items())
    )


def _property_names(rule: Schema, _: Schema) -> Accepts:
    test = compiled({"type": "string", **rule})
    return lambda value: not isinstance(value, dict) or all(map(test, value))


def _items(rule: Schema, _: Schema) -> Accepts:
    test = compiled(rule)
    return lambda value: not isinstance(value, list) or all(map(test, value))


def unique(value: Any) -> bool:
    """Whether no text stands twice in a list."""
    if not isinstance(value, list):
        return True
    texts = [item for item in value if isinstance(item, str)]
    return len(set(texts)) == len(texts)


def _required(names: list[str], _: Schema) -> Accepts:
    needed = frozenset(names)
    return lambda value: (
        not isinstance(value, dict) or needed <= value.keys() or all(stands(name, value) for name in names)
    )


def _any_of(branches: list[Schema], _: Schema) -> Accepts:
    tests = [compiled(branch) for branch in branches]
    return lambda value: any(test(value) for test in tests)


def _one_of(branches: list[Schema], _: Schema) -> Accepts:
    tests = [compiled(branch) for branch in branches]

    def accepts(value: Any) -> bool:
        fitting = sum(test(value) for test in tests)
        # What was left out of a mapping may have said which one is meant.
        return fitting == 1 or (fitting > 1 and isinstance(value, MarkedMap) and bool(value.gaps))

    return accepts


@dataclass(frozen=True, slots=True)
class Choice:
    """What the fields of a mapping say about the branches of a `oneOf`: which one is meant."""

    branch: Schema | None
    marks: Sequence[Sequence[str]]
    """Branch for branch, the fields that only it requires."""
    found: Sequence[str]
    """Those of them that stand in the mapping."""
    known: Collection[str]
    """The fields of all branches."""

    @classmethod
    def of(cls, branches: Sequence[Schema], value: Mapping[str, object]) -> Choice:
        shared = frozenset.intersection(*(frozenset(branch["required"]) for branch in branches))
        marks = [tuple(name for name in branch["required"] if name not in shared) for branch in branches]
        known = {name for branch in branches for name in branch["properties"]}
        found = [name for names in marks for name in names if name in value]
        telling = set(found) or (value.gaps.intersection(known) if isinstance(value, MarkedMap) else set())
        fitting = (
            branch
            for branch, names in zip(branches, marks, strict=True)
            if not telling.isdisjoint(names) and telling.issubset(branch["properties"])
        )
        return cls(next(fitting, None), marks, found, known)


def _number(holds: Callable[[Any], bool]) -> Accepts:
    return lambda value: isinstance(value, bool) or not isinstance(value, int | float) or holds(value)


def _string(holds: Callable[[Any], bool], schema: Schema) -> Accepts:
    return lambda value: not is_text(value, schema) or holds(value)


_TESTS: dict[str, Callable[[Any, Schema], Accepts]] = {
    "type": _type,
    "enum": lambda allowed, _: lambda value: isinstance(value, str) and value in allowed,
    "const": lambda wanted, _: lambda value: value == wanted,
    "not": lambda refused, _: lambda value: value != refused["const"],
    "pattern": lambda pattern, schema: _string(lambda value: re.search(pattern, value) is not None, schema),
    "minLength": lambda least, schema: _string(lambda value: len(value) >= least, schema),
    "maxLength": lambda most, schema: _string(lambda value: len(value) <= most, schema),
    "minimum": lambda least, _: _number(lambda value: value >= least),
    "exclusiveMinimum": lambda bound, _: _number(lambda value: value > bound),
    "maximum": lambda most, _: _number(lambda value: value <= most),
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _property_names,
    "items": _items,
    "uniqueItems": lambda _, __: unique,
    "anyOf": _any_of,
    "oneOf": _one_of,
}
