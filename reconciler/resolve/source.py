"""One resource with where it stands, and with the findings of the run, to which it adds its own.

Tests: `tests/resolve/test_resolve_all_at_once.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.findings import Findings
from reconciler.loading import Document, MarkedMap
from reconciler.loading.nodes import resource_of
from reconciler.loading.referenced_files import Problem
from reconciler.model import Kind, Place, ResourceId
from reconciler.providers.base import Facts


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
    findings: Findings = field(repr=False)
    """Those of the run; what is found here goes there."""
    facts: Facts = field(repr=False)
    """Of the server that it is for."""

    @classmethod
    def of(cls, document: Document, findings: Findings, facts: Facts) -> ResourceSource:
        """`document` as a resource; it has passed the schema of its kind, perhaps with gaps."""
        value: Any = document.value
        resource = resource_of(document)
        kind = resource.kind if resource else Kind(value["kind"])
        return cls(document, kind, resource, value.get("spec", _UNKNOWN), findings, facts)

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

    def places(self) -> Mapping[str, Place]:
        """Where the value of each field of the ``spec`` stands."""
        return self.document.places(("spec",))

    def giver(self, *path: str | int) -> Document:
        """The document that gives the value at `path`: the resource's own, or an overlay. Files that the
        value names are relative to it.
        """
        return self.document.giver(("spec", *path))

    def error(self, code: str, message: str, place: Place, hint: str | None = None) -> None:
        """Something that has to be fixed."""
        self.findings.error(code, self._named(message, place), place, hint, self.resource)

    def warning(self, code: str, message: str, place: Place, hint: str | None = None) -> None:
        """Something that is probably not meant."""
        self.findings.warning(code, self._named(message, place), place, hint, self.resource)

    def note(self, code: str, message: str, place: Place, hint: str | None = None) -> None:
        """Something to know."""
        self.findings.note(code, self._named(message, place), place, hint, self.resource)

    def problem(self, problem: Problem, place: Place) -> None:
        """A problem, now that it is known where it is."""
        self.error(problem.code, problem.message, place, problem.hint)

    def _named(self, message: str, place: Place) -> str:
        """In a data file, a word of which resource refers to it: the place doesn't tell."""
        if place.file == self.document.file:
            return message
        return f"{self.resource or f'{self.kind} at {self.document.place()}'}: {message}"


_UNKNOWN = MarkedMap(0).left({}, (None,))
"""A spec of which nothing is known."""


def by_kind(sources: Iterable[ResourceSource]) -> Mapping[Kind, Sequence[ResourceSource]]:
    """The resources of each kind, in the order in which all is emitted; the nameless ones come last."""
    found: dict[Kind, list[ResourceSource]] = {kind: [] for kind in Kind}
    for source in sources:
        found[source.kind].append(source)
    for of_kind in found.values():
        of_kind.sort(key=lambda source: (source.resource is None, source.identity.name))
    return found
