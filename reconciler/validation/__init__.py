"""Documents → those that may be resolved, and everything that is wrong with the others.

First each document by the JSON Schema of its kind, then the rules across documents. All findings of a run
are made at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.loading.nodes import Document
from reconciler.model import Finding, Kind
from reconciler.validation.quick import compiled
from reconciler.validation.rules import Rules, project_findings
from reconciler.validation.schemas import PROJECT, Schema, inline, schema

__all__ = ["Validated", "validate", "validate_project"]


@dataclass(frozen=True, slots=True)
class Validated:
    """The documents without an error of their own, in order, and all findings, sorted."""

    documents: tuple[Document, ...] = ()
    findings: tuple[Finding, ...] = ()


def validate(documents: Sequence[Document], *, complete: bool = True) -> Validated:
    """Checks resources, each by itself and against each other.

    `complete` says whether all files could be loaded: else references may point into those that could not,
    and are not called dangling.
    """
    checks = _Checks()
    found: list[tuple[Document, Finding]] = []
    for document in documents:
        found += ((document, finding) for finding in checks.findings(document))
    found += Rules(documents, complete).findings()
    broken = {id(document) for document, finding in found if finding.is_error}
    sound = tuple(document for document in documents if id(document) not in broken)
    return Validated(sound, tuple(sorted((finding for _, finding in found), key=Finding.sort_key)))


def validate_project(document: Document) -> tuple[Finding, ...]:
    """Checks the project file; sorted findings, none when all is well."""
    check = _Check(inline(schema(PROJECT)))
    return tuple(sorted((*check.findings(document), *project_findings(document)), key=Finding.sort_key))


class _Check:
    """One schema, ready to be used: as a quick test, and slowly for what is wrong."""

    def __init__(self, inlined: Schema) -> None:
        self._schema = inlined
        self._accepts = compiled(inlined)
        self._validator: Any = None

    def findings(self, document: Document) -> Iterable[Finding]:
        if self._accepts(document.value):
            return ()
        from reconciler.validation.keywords import build
        from reconciler.validation.messages import findings

        self._validator = self._validator or build(self._schema)
        return findings(document, self._validator.iter_errors(document.value))


class _Checks:
    """The check of each kind, made when the first document of that kind comes."""

    def __init__(self) -> None:
        self._made: dict[str, _Check] = {}

    def findings(self, document: Document) -> Iterable[Finding]:
        kind = document.value.get("kind")
        known = str(kind) if isinstance(kind, str) and kind in _KINDS else ""
        if known not in self._made:
            self._made[known] = _Check(inline(schema(known)) if known else _envelope())
        return self._made[known].findings(document)


_KINDS = frozenset(kind.value for kind in Kind)


def _envelope() -> Schema:
    """What is the same in every kind, for a document of which the kind isn't known."""
    any_kind = inline(schema(Kind.CAMPAIGN))
    kind = {"enum": [kind.value for kind in Kind], "description": f"one of {', '.join(Kind)}"}
    properties = {**any_kind["properties"], "kind": kind, "spec": {"type": "object"}}
    return {**any_kind, "properties": properties}
