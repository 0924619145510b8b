"""The published JSON Schemas: where they are, and as values."""

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


def inline(value: Any, definitions: Schema | None = None) -> Any:
    """A schema with every reference to its own `$defs` replaced by what it refers to.

    Words beside a reference win over those of its target. No schema here refers to itself.
    """
    if isinstance(value, list):
        return [inline(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    definitions = value.get("$defs", definitions)
    rest = {key: inline(item, definitions) for key, item in value.items() if key not in ("$ref", "$defs")}
    if "$ref" not in value:
        return rest
    name = value["$ref"].removeprefix("#/$defs/")
    return {**inline((definitions or {})[name], definitions), **rest}


def union() -> Schema:
    """One schema for every file of resources, for editors: what ``schemas/resource.json`` holds."""
    schemas = {kind.value: schema(kind) for kind in Kind}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://reconciler.dev/schemas/v1/resource.json",
        "title": "Resource",
        "description": "A document of any kind; `kind` says which.",
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
        "$defs": {kind: _embedded(kind, published) for kind, published in schemas.items()},
    }


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
