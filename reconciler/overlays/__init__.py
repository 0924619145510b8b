"""Resources → the same with the overlays of an environment laid over them, before anything is validated.

An overlay is a document with the `kind` and `metadata.name` of a resource, and only the fields to change. The
entries of `overlays` are layers, laid one after the other in their order. A whole new resource is marked with
`overlay: new`. Without layers nothing is touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.findings import Findings
from reconciler.loading import Document, Loaded, load
from reconciler.loading.nodes import resource_of, stands
from reconciler.model import API_VERSION, Finding, Kind, Place, ResourceId
from reconciler.overlays.merge import MARK, lay, whole
from reconciler.text import did_you_mean, printable, quoted

__all__ = ["about", "overlaid", "read_layers"]

NEW = "new"

_MOST_SUGGESTIONS = 100
"""How many misspelt names get a suggestion: each is compared with every name there is."""


def read_layers(entries: Sequence[Path], *, base: Path) -> tuple[Loaded, ...]:
    """What each file or folder of `overlays` holds, in their order; `base` as for `load`."""
    return tuple(load([entry], base=base) for entry in entries)


def overlaid(read: Loaded, layers: Sequence[Loaded], *, part: bool = False) -> Loaded:
    """`read` with `layers` over it, and all findings. Pure; without layers it is `read` itself.

    `part`: only some files of the project were read. Overlays of others are left out then, and new resources.
    """
    if not layers:
        return read
    laying = _Laying(list(read.documents), lenient=part or not read.complete, part=part)
    for loaded in (read, *layers):
        laying.findings.add(loaded.findings)
    for layer in layers:
        laying.add(layer)
    return Loaded(tuple(laying.documents), tuple(laying.findings.found))


def about(resource: ResourceId, read: Loaded, layers: Sequence[Loaded]) -> tuple[Document, ...]:
    """The documents about `resource`: the declaring one, then what is laid over it, in order."""
    each = (
        next((document for document in loaded.documents if resource_of(document) == resource), None)
        for loaded in (read, *layers)
    )
    return tuple(document for document in each if document is not None)


@dataclass(slots=True)
class _Laying:
    """Documents as layers are laid over them. `lenient`: a resource that isn't there may be elsewhere."""

    documents: list[Document]
    lenient: bool
    part: bool
    findings: Findings = field(default_factory=Findings)
    _index: dict[ResourceId, int] = field(default_factory=dict)
    _files: dict[Path, int] = field(default_factory=dict)
    _layers: int = 0
    _suggestions: int = 0

    def __post_init__(self) -> None:
        for index, document in enumerate(self.documents):
            if resource := resource_of(document):
                self._index.setdefault(resource, index)

    def add(self, layer: Loaded) -> None:
        """Lay every document of `layer`; a resource may stand in it once."""
        self._layers += 1
        first: dict[ResourceId, Document] = {}
        for document in layer.documents:
            if self._files.setdefault(document.path, self._layers) != self._layers:
                self.findings.error(
                    "duplicate-overlay", "this overlay is read already", document.place(), _ONCE
                )
                continue
            resource = resource_of(document)
            faults = tuple(_faults(document))
            if (
                faults or resource is None
            ):  # which it is, without a fault, when that was refused while loading
                self.findings.add(faults)
                continue
            if first.setdefault(resource, document) is not document:
                where = first[resource].place(("metadata", "name"))
                message = f"{_shown(resource)} is changed twice in one overlay, first at {where}"
                self.findings.error("duplicate-overlay", message, _name(document), _TWICE, resource)
            else:
                self._lay(resource, document)

    def _lay(self, resource: ResourceId, document: Document) -> None:
        index = self._index.get(resource)
        if MARK in document.value:
            if index is not None:
                where = self.documents[index].place(("metadata", "name"))
                message = f"{_shown(resource)} is marked as new, and is declared already, at {where}"
                hint = f"leave out `{MARK}: {NEW}` to change it, or choose another name"
                self.findings.error("duplicate-resource", message, document.place((MARK,)), hint, resource)
            elif not self.part:
                self._index[resource] = len(self.documents)
                self.documents.append(whole(document))
        elif index is not None:
            self.documents[index] = lay(self.documents[index], document)
        elif not self.lenient:
            message = f"there is no {resource.kind} of the name {quoted(resource.name)} to change"
            self.findings.error(
                "overlay-without-resource", message, _name(document), self._hint(resource), resource
            )

    def _hint(self, resource: ResourceId) -> str:
        fresh = f"write `{MARK}: {NEW}` if it is a whole new resource"
        self._suggestions += 1
        meant = None
        if self._suggestions <= _MOST_SUGGESTIONS:
            known = [one.name for one in self._index if one.kind is resource.kind]
            meant = did_you_mean(resource.name, known)
        return (
            f"{meant.rstrip('?')}, or {fresh}?"
            if meant
            else f"declare it among the {resource.kind}s, or {fresh}"
        )


_ONCE = "name each file and folder once in `overlays`"
_TWICE = "put both changes into one document, or into two entries of `overlays`: the later one wins"


def _faults(document: Document) -> Iterator[Finding]:
    """What keeps us from telling what `document` is for; all else is validated once it is laid."""
    value, kinds = document.value, ", ".join(Kind)
    if not stands("apiVersion", value):
        hint = f"add `apiVersion: {API_VERSION}`"
        yield Finding("missing-field", "the overlay lacks the field `apiVersion`", document.place(), hint)
    if resource_of(document) is None:
        kind = value.get("kind")
        if not stands("kind", value):
            hint = f"name the kind of resource that it changes: {kinds}"
            yield Finding("missing-field", "the overlay lacks the field `kind`", document.place(), hint)
        elif "kind" in value and (not isinstance(kind, str) or kind not in frozenset(Kind)):
            meant = did_you_mean(kind, Kind) if isinstance(kind, str) else None
            hint = meant or f"known are {kinds}"
            place = document.place(("kind",))
            yield Finding("unknown-kind", "`kind` is not a kind of resource that is known here", place, hint)
        if _nameless(value):
            place, hint = _name(document), "name the resource that it changes"
            yield Finding("missing-field", "the overlay lacks `metadata.name`", place, hint)
    if MARK in value and value[MARK] != NEW:
        message, hint = f"`{MARK}` is not `{NEW}`", f"write `{MARK}: {NEW}` in a whole new resource only"
        yield Finding("unknown-value", message, document.place((MARK,)), hint)


def _nameless(value: Mapping[str, object]) -> bool:
    """Whether it surely names no resource."""
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        return "metadata" in value or not stands("metadata", value)
    name = metadata.get("name")
    return not (isinstance(name, str) and name) and ("name" in metadata or not stands("name", metadata))


def _name(document: Document) -> Place:
    return document.place(("metadata", "name"))


def _shown(resource: ResourceId) -> str:
    return printable(str(resource), 200)
