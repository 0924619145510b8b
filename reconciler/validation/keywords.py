"""The keywords of JSON Schema as our documents need them, on top of jsonschema's validator.

They differ from jsonschema's own in three ways. Values know more than JSON does: `Ambiguous` text is no text,
save where the schema says `x-unquoted`. Items of lists that pass the quick test of `quick` are not looked at.
And no error holds a printed copy of what it is about: an error is a keyword, its argument, and a path, from
which `messages` makes a finding. A path that ends in a `Key` is about the key and not about its value.
"""

# ruff: noqa: ARG001 - jsonschema calls every keyword with the same four arguments

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from reconciler.loading.nodes import MarkedMap, stands
from reconciler.validation.quick import Choice, compiled, fits, is_text, unique
from reconciler.validation.schemas import Schema

Errors = Iterator[ValidationError]


class Key(str):
    """A segment of a path that means the key, not its value."""

    __slots__ = ()


def build(schema: Schema) -> Any:
    """A validator of an inlined schema."""
    checker: Any = extend
    return checker(Draft202012Validator, KEYWORDS)(schema)


def _error(
    keyword: str, argument: object, instance: object, path: Sequence[str | int] = ()
) -> ValidationError:
    return ValidationError("", validator=keyword, validator_value=argument, instance=instance, path=path)


def _type(_: Any, types: Any, instance: object, schema: Schema) -> Errors:
    if not fits(instance, types, schema):
        yield _error("type", [types] if isinstance(types, str) else types, instance)


def _enum(_: Any, allowed: list[object], instance: object, schema: Schema) -> Errors:
    if not isinstance(instance, str) or instance not in allowed:
        yield _error("enum", allowed, instance)


def _const(_: Any, wanted: object, instance: object, schema: Schema) -> Errors:
    if instance != wanted:
        yield _error("const", wanted, instance)


def _pattern(_: Any, pattern: str, instance: object, schema: Schema) -> Errors:
    if isinstance(instance, str) and is_text(instance, schema) and not re.search(pattern, instance):
        yield _error("pattern", pattern, instance)


def _min_length(_: Any, least: int, instance: object, schema: Schema) -> Errors:
    if isinstance(instance, str) and is_text(instance, schema) and len(instance) < least:
        yield _error("minLength", least, instance)


def _max_length(_: Any, most: int, instance: object, schema: Schema) -> Errors:
    if isinstance(instance, str) and is_text(instance, schema) and len(instance) > most:
        yield _error("maxLength", most, instance)


def _minimum(_: Any, least: float, instance: object, schema: Schema) -> Errors:
    if fits(instance, "number", schema) and instance < least:  # type: ignore[operator]
        yield _error("minimum", least, instance)


def _exclusive_minimum(_: Any, bound: float, instance: object, schema: Schema) -> Errors:
    if fits(instance, "number", schema) and instance <= bound:  # type: ignore[operator]
        yield _error("exclusiveMinimum", bound, instance)


def _maximum(_: Any, most: float, instance: object, schema: Schema) -> Errors:
    if fits(instance, "number", schema) and instance > most:  # type: ignore[operator]
        yield _error("maximum", most, instance)


def _not(_: Any, refused: Schema, instance: object, schema: Schema) -> Errors:
    if instance == refused["const"]:
        yield _error("not", refused["const"], instance)


def _required(_: Any, names: list[str], instance: object, schema: Schema) -> Errors:
    if isinstance(instance, dict):
        for name in names:
            if not stands(name, instance):
                yield _error("required", name, instance)


def _additional(validator: Any, allowed: Any, instance: object, schema: Schema) -> Errors:
    if not isinstance(instance, dict):
        return
    known = schema.get("properties", {})
    for key, value in instance.items():
        if key in known:
            continue
        if allowed is False:
            yield _error("additionalProperties", list(known), value, [Key(key)])
        else:
            yield from validator.descend(value, allowed, path=key)


def _property_names(validator: Any, rule: Schema, instance: object, schema: Schema) -> Errors:
    if not isinstance(instance, dict):
        return
    text = {"type": "string", **rule}
    accepts = compiled(text)
    for key in instance:
        if not accepts(key):
            yield from validator.descend(key, text, path=Key(key))


def _items(validator: Any, rule: Schema, instance: object, schema: Schema) -> Errors:
    if not isinstance(instance, list):
        return
    accepts = compiled(rule)
    for index, item in enumerate(instance):
        if not accepts(item):
            yield from validator.descend(item, rule, path=index)


def _unique(_: Any, wanted: bool, instance: object, schema: Schema) -> Errors:
    if unique(instance):
        return
    assert isinstance(instance, list)
    first: dict[str, int] = {}
    for index, item in enumerate(instance):
        if isinstance(item, str) and first.setdefault(item, index) != index:
            yield _error("uniqueItems", first[item], item, [index])


def _any_of(_: Any, branches: list[Schema], instance: object, schema: Schema) -> Errors:
    """Only ever *one of these fields at least*."""
    names = [branch["required"][0] for branch in branches]
    if isinstance(instance, dict) and not any(stands(name, instance) for name in names):
        yield _error("anyOf", names, instance)


def _one_of(validator: Any, branches: list[Schema], instance: object, schema: Schema) -> Errors:
    """The errors of the one branch that is meant, or what keeps us from telling which."""
    if "type" in schema and not fits(instance, schema["type"], schema):
        return  # said by `type`
    fitting = [branch for branch in branches if fits(instance, branch["type"], branch)]
    if not fitting:
        yield _error("type", [branch["type"] for branch in branches], instance)
    elif not isinstance(instance, dict):
        yield from validator.descend(instance, fitting[0])
    else:
        yield from _meant(validator, fitting, instance)


def _meant(validator: Any, branches: list[Schema], instance: dict[str, object]) -> Errors:
    choice = Choice.of(branches, instance)
    if choice.branch is not None:
        for error in validator.descend(instance, choice.branch):
            # A field of another branch isn't unknown: it doesn't go with what stands here.
            if error.validator == "additionalProperties" and error.path and error.path[-1] in choice.known:
                error.validator = "beside"
                error.validator_value = _needing(error.path[-1], branches, choice.marks)
            yield error
        return
    unknown = [name for name in instance if name not in choice.known]
    if choice.found or not (unknown or (isinstance(instance, MarkedMap) and instance.gaps)):
        yield _error("oneOf", (choice.marks, choice.found), instance)
    for name in unknown:
        yield _error("additionalProperties", sorted(choice.known), instance[name], [Key(name)])


def _needing(name: object, branches: list[Schema], marks: Sequence[Sequence[str]]) -> list[str]:
    return [
        " and ".join(names)
        for branch, names in zip(branches, marks, strict=True)
        if name in branch["properties"]
    ]


KEYWORDS: dict[str, Any] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "minLength": _min_length,
    "maxLength": _max_length,
    "minimum": _minimum,
    "exclusiveMinimum": _exclusive_minimum,
    "maximum": _maximum,
    "not": _not,
    "required": _required,
    "additionalProperties": _additional,
    "propertyNames": _property_names,
    "items": _items,
    "uniqueItems": _unique,
    "anyOf": _any_of,
    "oneOf": _one_of,
}
"""Every keyword that the schemas of documents use, but for `properties`, which is jsonschema's."""
