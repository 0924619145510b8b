"""Fields by their path in a schema: ``Campaign.spec.schedules.gatewayLists``.

Lists are gone through without a word, and ``spec`` may be left out. Where any name may stand, each will do.

Tests: `tests/cli/test_cli_explain.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.errors import UsageError
from reconciler.text import did_you_mean, printable, sentence
from reconciler.validation.schemas import Schema, inline, schema, schema_names

SPEC = "spec"


@dataclass(frozen=True, slots=True)
class SchemaField:
    """A field, or a kind as a whole. ``path`` begins with the kind; ``required``: it has to stand there."""

    path: tuple[str, ...]
    schema: Schema
    required: bool = False

    def __str__(self) -> str:
        return ".".join(self.path)


def find(path: str) -> SchemaField:
    """The field at `path`; UsageError with the nearest name when there is none."""
    kind, *names = path.split(".")
    known = schema_names()
    name = next((each for each in known if each.lower() == kind.lower()), None)
    if name is None:
        raise _unknown(f"there is no schema of {printable(kind)!r}", kind, known, "")
    field = SchemaField((name,), inline(schema(name)))
    if names and _step(field, names[0]) is None and (spec := _step(field, SPEC)):
        field = spec
    for each in names:
        found = _step(field, each)
        if found is None:
            raise _unknown(
                f"{field} has no field {printable(each)!r}", each, names_in(field.schema), f"{field}."
            )
        field = found
    return field


def fields(field: SchemaField) -> Iterator[SchemaField]:
    """What stands in it, each once."""
    for name in names_in(field.schema):
        found = _step(field, name)
        assert found is not None, "a name of the schema is found in it"
        yield found


def names_in(holder: Schema) -> tuple[str, ...]:
    """The names of the fields of a mapping, or of the mappings in a list; none where any name will do."""
    return tuple(dict.fromkeys(name for each in _mappings(holder) for name in each.get("properties", {})))


def _step(field: SchemaField, name: str) -> SchemaField | None:
    for each in _mappings(field.schema):
        if name in each.get("properties", {}):
            required = all(name in one.get("required", ()) for one in _branches(field.schema))
            return SchemaField((*field.path, name), each["properties"][name], required)
    for each in _mappings(field.schema):
        if name and isinstance(each.get("additionalProperties"), Mapping):
            return SchemaField((*field.path, name), each["additionalProperties"])
    return None


def _mappings(holder: Schema) -> Iterator[Schema]:
    """A schema without the lists around it, and its alternatives."""
    inner = element(holder)
    yield inner
    for branch in (*inner.get("oneOf", ()), *inner.get("anyOf", ())):
        yield from _mappings(branch)


def _branches(holder: Schema) -> Iterator[Schema]:
    """The alternatives that a mapping has to be one of; itself when there are none."""
    inner = element(holder)
    mappings = [each for each in inner.get("oneOf", ()) if each.get("type") == "object"]
    yield from mappings or [inner]


def element(holder: Schema) -> Schema:
    """What is in a list, or in a list of lists; anything else is itself."""
    while isinstance(holder.get("items"), Mapping):
        holder = holder["items"]
    return holder


def _unknown(message: str, word: str, known: tuple[str, ...], prefix: str) -> UsageError:
    meant = did_you_mean(word, known, f"{prefix}{{}}".format)
    there_are = f"There are: {', '.join(known)}." if known else "It has no fields."
    return UsageError(message, hint=sentence(meant) if meant else there_are)


def types_at(kind: str, path: Sequence[str | int]) -> frozenset[str]:
    """Which types, as JSON Schema calls them, the node at `path` may have; none: it isn't known."""
    field: SchemaField | None = SchemaField((kind,), inline(schema(kind)))
    for segment in path:
        if isinstance(segment, str):
            field = _step(field, segment) if field else None
    if field is None:
        return frozenset()
    # Items have no name of their own; they are described by their list.
    items = sum(isinstance(segment, int) for segment in path[-1:])
    rule = field.schema["items"] if items and "items" in field.schema else field.schema
    return frozenset(_types(rule))


def _types(rule: Any) -> Iterator[str]:
    given = rule.get("type", ())
    yield from [given] if isinstance(given, str) else given
    if "enum" in rule:
        yield "string"
    for branch in (*rule.get("oneOf", ()), *rule.get("anyOf", ())):
        yield from _types(branch)


def type_words(rule: Any) -> str:
    """``text``, ``list of text``, ``one of STARTED, STOPPED``, ``mapping``."""
    if "enum" in rule:
        return "one of " + ", ".join(map(str, rule["enum"]))
    if "const" in rule:
        return f"always {rule['const']}"
    types = rule.get("type")
    if "oneOf" in rule and types is None:
        return " or ".join(dict.fromkeys(map(type_words, rule["oneOf"])))
    if isinstance(types, list):
        return " or ".join(_TYPES[each] for each in types)
    if types == "array":
        inner = type_words(rule["items"]) if "items" in rule else ""
        return f"list of {_MANY.get(inner, inner)}" if inner else "list"
    if types == "object" and isinstance(rule.get("additionalProperties"), Mapping):
        return f"mapping of any names to {type_words(rule['additionalProperties'])}"
    return _TYPES.get(str(types), "any value")


_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "mapping",
    "null": "null",
}
_MANY = {"mapping": "mappings", "whole number": "whole numbers", "number": "numbers"}
