"""Which file set a value, and which earlier ones it replaced. Pure.

`documents` are always those about one resource: the declaring one, then what is laid over it, in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reconciler.loading.nodes import Document, MarkedMap
from reconciler.model import Place
from reconciler.overlays.merge import IDENTITY, is_one

Path = tuple[str, ...]
"""Of a field; an item of a list goes by its number, from 0."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one document says of a field. ``value`` None: it takes the field out."""

    place: Place
    value: object


def said(documents: Sequence[Document], path: Path) -> tuple[Said, ...]:
    """What each of `documents` says of the field at `path`; the last one counts."""
    return tuple(found for document in documents if (found := _said(document, path)))


def _said(document: Document, path: Path) -> Said | None:
    node: object = document.value
    at: list[str | int] = []
    for segment in path:
        if isinstance(node, MarkedMap) and segment in node:
            at.append(segment)
            node = node[segment]
        elif isinstance(node, list) and segment.isdecimal() and int(segment) < len(node):
            at.append(int(segment))
            node = node[int(segment)]
        elif isinstance(node, MarkedMap) and not is_one(at):
            return None
        else:  # what stands here replaces everything that the field could be in
            return Said(document.place(at), None)
    return Said(document.place(at), node)


def fields(documents: Sequence[Document], below: Path = ()) -> tuple[Path, ...]:
    """The fields that any of `documents` says something of, at `below` or in it; mappings by their fields."""
    found = (path for document in documents for path in _fields(document.value, ()))
    inside = dict.fromkeys(path for path in found if path[: len(below)] == below)
    return tuple(path for path in inside if path not in IDENTITY and path != ("apiVersion",))


def _fields(value: object, path: Path) -> Iterator[Path]:
    if isinstance(value, MarkedMap) and value and not is_one(path):
        for key in value:
            yield from _fields(value[key], (*path, key))
    else:
        yield path


def located(documents: Sequence[Document], text: str) -> Path:
    """The path that `text` means, its parts joined by dots: keys may have dots, too."""
    nodes: list[object] = [document.value for document in documents]
    path: list[str] = []
    while text:
        keys = {key for node in nodes if isinstance(node, MarkedMap) for key in node}
        meant = [key for key in keys if text == key or text.startswith(f"{key}.")]
        segment = max(meant, key=len) if meant else text.partition(".")[0]
        path.append(segment)
        text = text[len(segment) + 1 :]
        nodes = [node[segment] for node in nodes if isinstance(node, MarkedMap) and segment in node]
    return tuple(path)
