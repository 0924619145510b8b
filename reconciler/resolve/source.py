"""One resource with where it stands, and where findings about it are gathered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.loading import Document, MarkedMap
from reconciler.loading.nodes import resource_of
from reconciler.model import Finding, Kind, Place, ResourceId, Severity
from reconciler.resolve.words import Problem


@dataclass(frozen=True, slots=True)
class ResourceSource:
    """A document of a known kind, or what is sound of it. Paths are relative to its ``spec``.

    Any field may be missing. Where something would follow from that, `unsure` (of the mapping and the field)
    says whether it was left out because something is wrong with it.
    """

    document: Document
    kind: Kind
    resource: ResourceId | None
    """None: its name isn't known."""
    spec: Mapping[str, Any]

    @classmethod
    def of(cls, document: Document) -> ResourceSource:
        """`document` as a resource; it has passed the schema of its kind, perhaps with gaps."""
        value: Any = document.value
        return cls(document, Kind(value["kind"]), resource_of(document), value.get("spec", _UNKNOWN))

    @property
    def identity(self) -> ResourceId:
        """`resource` for types that need one: without a name there is an error, and nobody will ask."""
        return self.resource or ResourceId(self.kind, "")

    @property
    def labels(self) -> Mapping[str, str]:
        value: Any = self.document.value
        labels = value.get("metadata", {}).get("labels", {})
        return {str(key): str(label) for key, label in labels.items()}

    def place(self, *path: str | int, key: bool = False) -> Place:
        """Where the value at `path` stands, or its key."""
        return self.document.place(("spec", *path), key=key)

    def giver(self, *path: str | int) -> Document:
        """The document that gives the value at `path`: the resource's own, or an overlay. Files that the
        value names are relative to it.
        """
        return self.document.giver(("spec", *path))


_UNKNOWN = MarkedMap(0).left({}, (None,))
"""A spec of which nothing is known."""


@dataclass(slots=True)
class Findings:
    """Gathers what is found in one run."""

    found: list[Finding] = field(default_factory=list)

    def error(
        self, source: ResourceSource, place: Place, code: str, message: str, hint: str | None = None
    ) -> None:
        self.found.append(Finding(code, _named(source, place, message), place, hint, source.resource))

    def warning(
        self, source: ResourceSource, place: Place, code: str, message: str, hint: str | None = None
    ) -> None:
        said = _named(source, place, message)
        self.found.append(Finding(code, said, place, hint, source.resource, Severity.WARNING))

    def note(
        self, source: ResourceSource, place: Place, code: str, message: str, hint: str | None = None
    ) -> None:
        said = _named(source, place, message)
        self.found.append(Finding(code, said, place, hint, source.resource, Severity.NOTE))

    def problem(self, source: ResourceSource, place: Place, problem: Problem) -> None:
        self.error(source, place, problem.code, problem.message, problem.hint)

    def sorted(self) -> tuple[Finding, ...]:
        return tuple(sorted(self.found, key=Finding.sort_key))


def by_name(sources: Iterable[ResourceSource], kind: Kind) -> Sequence[ResourceSource]:
    """The resources of one kind, in the order in which everything is emitted; the nameless ones come last."""
    of_kind = (source for source in sources if source.kind is kind)
    return sorted(of_kind, key=lambda source: (source.resource is None, str(source.resource)))


def _named(source: ResourceSource, place: Place, message: str) -> str:
    """In a data file, a word of which resource refers to it: the place doesn't tell."""
    who = source.resource or f"{source.kind} at {source.document.place()}"
    return message if place.file == source.document.file else f"{who}: {message}"
