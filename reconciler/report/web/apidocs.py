"""An OpenAPI document as a page, which needs nothing from elsewhere.

Tests: `tests/report/test_web_apidocs.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reconciler.report.web.rendering import rendered

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_DEEP: Final = 4
"""How deep the parts of a value are told."""


@dataclass(frozen=True, slots=True)
class ApiValue:
    """A value that is sent or answered: a parameter, or a field of a body."""

    name: str
    type: str
    required: bool = False
    text: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is sent or answered: its media type or status, and its parts."""

    head: str
    text: str
    type: str
    parts: Sequence[ApiValue]


@dataclass(frozen=True, slots=True)
class OperationShown:
    """One operation."""

    id: str
    method: str
    path: str
    title: str
    text: str
    parameters: Sequence[ApiValue]
    bodies: Sequence[Exchange]
    answers: Sequence[Exchange]


def api_page(document: Mapping[str, Any], *, source: str = "") -> str:
    """The page of `document` (OpenAPI 3.1, its references inside); `source`: where it is as JSON."""
    operations = list(_operations(document))
    tags = [each["name"] for each in document.get("tags", ())]
    return rendered(
        "apidocs.html",
        info=document["info"],
        sections=[(tag, [shown for tag_of, shown in operations if tag_of == tag]) for tag in tags],
        source=source,
        back="/",
    )


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, OperationShown]]:
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                said = methods[method]
                yield (
                    said["tags"][0],
                    OperationShown(
                        said["operationId"],
                        method.upper(),
                        path,
                        said.get("summary", ""),
                        said.get("description", ""),
                        [_parameter(each, document) for each in said.get("parameters", ())],
                        list(_contents(said.get("requestBody", {}), document)),
                        list(_answers(said["responses"], document)),
                    ),
                )


def _parameter(said: Mapping[str, Any], document: Mapping[str, Any]) -> ApiValue:
    kind = _type(said.get("schema", {}), document)
    return ApiValue(said["name"], kind, bool(said.get("required")), said.get("description", ""), said["in"])


def _contents(said: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Exchange]:
    for media_type, content in said.get("content", {}).items():
        schema = content.get("schema", {})
        yield Exchange(media_type, "", _type(schema, document), list(_parts(schema, document)))


def _answers(said: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Exchange]:
    for status, answer in said.items():
        whole = _resolved(answer, document)
        contents = list(_contents(whole, document))
        kind, parts = (contents[0].type, contents[0].parts) if contents else ("", ())
        yield Exchange(status, whole.get("description", ""), kind, parts if status.startswith("2") else ())


def _parts(schema: Any, document: Mapping[str, Any], name: str = "", depth: int = 0) -> Iterator[ApiValue]:
    """The fields of an object, with those of what is in them: ``pages.items[].id``."""
    found = _resolved(schema, document)
    if depth >= _DEEP:
        return
    if "items" in found:
        yield from _parts(found["items"], document, f"{name}[]", depth)
        return
    for key, each in found.get("properties", {}).items():
        whole = f"{name}.{key}" if name else key
        text = _resolved(each, document).get("description", "")
        yield ApiValue(whole, _type(each, document), key in found.get("required", ()), text)
        yield from _parts(each, document, whole, depth + 1)


def _type(schema: Any, document: Mapping[str, Any]) -> str:
    """``list of text``, ``text: A, B or C``."""
    found = _resolved(schema, document)
    if "items" in found:
        return f"list of {_type(found['items'], document)}"
    for several in ("oneOf", "anyOf"):
        if several in found:
            return " or ".join(dict.fromkeys(_type(each, document) for each in found[several]))
    kind = found.get("type", "anything")
    kinds = [str(each) for each in kind] if isinstance(kind, list) else [str(kind)]
    words = " or ".join(_WORDS.get(each, each) for each in kinds)
    if "enum" in found:
        words += f": {', '.join(map(str, found['enum']))}"
    return f"{words} ({found['format']})" if "format" in found else words


_WORDS: Final[Mapping[str, str]] = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "array": "list",
}


def _resolved(schema: Any, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference of the document leads to."""
    for _ in range(_DEEP):
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            break
        place: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        schema = place
    return schema if isinstance(schema, Mapping) else {}
