"""The published JSON Schemas: where they are, and as values.

Tests: `tests/schemas/test_schemas_published.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.errors import ReconcilerError
from reconciler.model import Kind

PROJECT = "Project"

Schema = Mapping[str, Any]


def schema_directory() -> Path:
    """The folder of the schemas: in the installed package, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "schemas", package.parent / "schemas"):
        if (folder / f"{PROJECT}.json").is_file():
            return folder
    raise ReconcilerError(
        f"the JSON Schemas of this installation are missing: there is no {package / 'schemas'}",
        hint="install the package again",
    )


def schema_names() -> tuple[str, ...]:
    """What `schema` can be asked for, sorted."""
    return tuple(sorted(path.stem for path in schema_directory().glob("*.json")))


def schema(kind: str) -> Schema:
    """The JSON Schema (2020-12) of a kind of document, of the plan or of `resource`: all kinds in one."""
    folder = schema_directory()
    path = folder / f"{kind}.json"
    if path.parent != folder or not path.is_file():
        raise ReconcilerError(
            f"there is no schema of {kind!r}", hint=f"there are {', '.join(schema_names())}"
        )
    read: Schema = json.loads(path.read_text("utf-8"))
    return read


def inline(value: Any, root: Any = None) -> Any:
    """A schema with every reference to its own `$defs` replaced by what it refers to.

    Words beside a reference win over those of its target. No schema here refers to itself. `root`: the
    schema that `value` is a part of; itself when left out.
    """
    root = value if root is None else root
    if isinstance(value, list):
        return [inline(item, root) for item in value]
    if not isinstance(value, dict):
        return value
    rest = {key: inline(item, root) for key, item in value.items() if key not in ("$ref", "$defs")}
    if "$ref" not in value:
        return rest
    target = root
    for part in value["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return {**inline(target, root), **rest}


def union() -> Schema:
    """One schema for every file of resources, for editors: what ``schemas/resource.json`` holds."""
    schemas = {kind.value: _embedded(kind, schema(kind)) for kind in Kind}
    return _any_kind("resource", "Resource", "A document of any kind; `kind` says which.", schemas)


def overlay() -> Schema:
    """One schema for every file of overlays, for editors: what ``schemas/overlay.json`` holds."""
    schemas = {kind.value: _overlay(inline(schema(kind))) for kind in Kind}
    described = (
        "What is different about a resource in one environment: its `kind`, its name, fields to change."
    )
    return _any_kind("overlay", "Overlay", described, schemas)


def _any_kind(name: str, title: str, description: str, schemas: Schema) -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://reconciler.dev/schemas/v1/{name}.json",
        "title": title,
        "description": description,
        "type": "object",
        "properties": {
            "kind": {
                "title": "Kind",
                "description": "What the document declares.",
                "enum": list(schemas),
                "examples": list(schemas)[-1:],
            }
        },
        "required": ["kind"],
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"#/$defs/{kind}"},
            }
            for kind in schemas
        ],
        "$defs": dict(schemas),
    }


def _overlay(whole: Schema) -> Schema:
    """A kind as an overlay has it: any field may be left out, and null unsets it."""
    named = whole["properties"]["metadata"]
    metadata = {**_partly(named), "required": named["required"]}
    metadata["properties"]["name"] = named["properties"]["name"]
    mark = {
        "title": "New",
        "description": "Marks a whole new resource, which only this environment has.",
        "const": "new",
        "examples": ["new"],
    }
    known = whole["properties"]
    return {
        **{key: value for key, value in whole.items() if key not in ("$schema", "$id", "examples")},
        "properties": {**known, "metadata": metadata, "spec": _partly(known["spec"]), "overlay": mark},
        "required": ["apiVersion", "kind", "metadata"],
    }


def _partly(rule: Schema) -> dict[str, Any]:
    """A mapping of which only some fields are given; lists and single values are given as a whole.

    So are choices of mappings, except for those that an overlay merges, too (``x-merged``).
    """
    if rule.get("x-merged"):
        fields = [field for branch in rule["oneOf"] for field in branch["properties"].items()]
        said = {key: value for key, value in rule.items() if key not in ("oneOf", "x-merged")}
        known = {name: _or_null(_partly(field)) for name, field in fields}
        return {**said, "properties": known, "additionalProperties": False}
    if rule.get("type") != "object" or "oneOf" in rule:
        return dict(rule)
    made = {key: value for key, value in rule.items() if key not in ("required", "anyOf")}
    if "properties" in rule:
        made["properties"] = {name: _or_null(_partly(field)) for name, field in rule["properties"].items()}
    if isinstance(rule.get("additionalProperties"), Mapping):
        made["additionalProperties"] = _or_null(_partly(rule["additionalProperties"]))
    return made


def _or_null(rule: dict[str, Any]) -> dict[str, Any]:
    if "type" not in rule and "enum" not in rule:
        said: dict[str, Any] = {key: rule[key] for key in ("title", "description", "examples") if key in rule}
        return {**said, "anyOf": [rule, {"type": "null"}]}
    made = {**rule, "type": [rule["type"], "null"]} if "type" in rule else dict(rule)
    return {**made, "enum": [*rule["enum"], None]} if "enum" in rule else made


def _embedded(kind: str, published: Schema) -> Any:
    """A schema as a definition of another one: without an identity of its own, its references moved."""

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: f"#/$defs/{kind}{item[1:]}" if key == "$ref" else moved(item) for key, item in value.items()
        }

    return {key: moved(value) for key, value in published.items() if key not in ("$schema", "$id")}
