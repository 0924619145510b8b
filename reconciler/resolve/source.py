"""One resource with where it stands, and where findings about it are gathered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.loading import Document
from reconciler.model import Finding, Kind, Place, ResourceId, Severity
from reconciler.resolve.words import Problem


@dataclass(frozen=True, slots=True)
class Source:
    """A document of a known kind. Paths are relative to its ``spec``."""

    document: Document
    resource: ResourceId
    spec: Mapping[str, Any]

    @classmethod
    def of(cls, document: Document) -> Source:
        """`document` as a resource; it has passed the schema of its kind."""
        value: Any = document.value
        resource = ResourceId(Kind(value["kind"]), str(value["metadata"]["name"]))
        return cls(document, resource, value.get("spec") or {})

    @property
    def labels(self) -> Mapping[str, str]:
        value: Any = self.document.value
        return {str(key): str(label) for key, label in (value["metadata"].get("labels") or {}).items()}

    def place(self, *path: str | int, key: bool = False) -> Place:
        """Where the value at `path` stands, or its key."""
        return self.document.place(("spec", *path), key=key)


@dataclass(slots=True)
class Findings:
    """Gathers what is found in one run."""

    found: list[Finding] = field(default_factory=list)

    def error(self, source: Source, place: Place, code: str, message: str, hint: str | None = None) -> None:
        self.found.append(Finding(code, _named(source, place, message), place, hint, source.resource))

    def warning(self, source: Source, place: Place, code: str, message: str, hint: str | None = None) -> None:
        said = _named(source, place, message)
        self.found.append(Finding(code, said, place, hint, source.resource, Severity.WARNING))

    def note(self, source: Source, place: Place, code: str, message: str, hint: str | None = None) -> None:
        said = _named(source, place, message)
        self.found.append(Finding(code, said, place, hint, source.resource, Severity.NOTE))

    def problem(self, source: Source, place: Place, problem: Problem) -> None:
        self.error(source, place, problem.code, problem.message, problem.hint)

    def sorted(self) -> tuple[Finding, ...]:
        return tuple(sorted(self.found, key=Finding.sort_key))


def by_name(sources: Iterable[Source], kind: Kind) -> Sequence[Source]:
    """The resources of one kind, in the order in which everything is emitted."""
    return sorted(
        (source for source in sources if source.resource.kind is kind), key=lambda source: source.resource
    )


def _named(source: Source, place: Place, message: str) -> str:
    """In a data file, a word of which resource refers to it: the place doesn't tell."""
    return message if place.file == source.document.file else f"{source.resource}: {message}"
