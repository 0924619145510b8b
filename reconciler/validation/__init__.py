"""Documents → what is sound of them, and everything that is wrong with the rest.

First each document by the JSON Schema of its kind, then the rules across documents. All findings of a run
are made at once: a node with a finding is left out, and what stands beside it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconciler.findings import Findings
from reconciler.loading.nodes import Document
from reconciler.model import Finding, Kind
from reconciler.validation.document_rules import Rules, project_findings
from reconciler.validation.keywords import build, compiled
from reconciler.validation.schemas import PROJECT, Schema, inline, schema

__all__ = ["Validated", "validate", "validate_project"]


@dataclass(frozen=True, slots=True)
class Validated:
    """The documents of known kinds, in order, and all findings, sorted.

    A document without a schema error is as it came; of another, there are the parts that are sound.
    """

    documents: tuple[Document, ...] = ()
    findings: tuple[Finding, ...] = ()


def validate(documents: Sequence[Document], *, unread: Sequence[Finding] = ()) -> Validated:
    """Checks resources, each by itself and against each other.

    `unread`: why some files could not be loaded. References may point into those: none is called dangling.
    """
    checks = _Checks()
    findings = Findings()
    sound = [checks.of(document).sound(document, findings) for document in documents]
    findings.add(Rules(sound, unread).findings())
    kept = tuple(document for document in sound if document.value.get("kind") in _KINDS)
    return Validated(kept, findings.sorted())


def validate_project(document: Document) -> Validated:
    """Checks the project file: what is sound of it, and sorted findings, none when all is well."""
    findings = Findings()
    sound = _Check(inline(schema(PROJECT))).sound(document, findings)
    findings.add(project_findings(document))
    return Validated((sound,), findings.sorted())


class _Check:
    """One schema, ready to be used: as a quick test, and slowly for what is wrong."""

    def __init__(self, inlined: Schema) -> None:
        self._schema = inlined
        self._accepts = compiled(inlined)
        self._slowly: Any = None

    def sound(self, document: Document, findings: Findings) -> Document:
        """What is sound of `document`; what is wrong with the rest goes to `findings`."""
        if self._accepts(document.value):
            return document
        from reconciler.validation.messages import findings as said
        from reconciler.validation.sound import keeping

        self._slowly = self._slowly or (build(self._schema), keeping(self._schema))
        validator, keeps = self._slowly
        findings.add(said(document, validator.iter_errors(document.value)))
        return replace(document, value=keeps(document.value))


class _Checks:
    """The check of each kind, made when the first document of that kind comes."""

    def __init__(self) -> None:
        self._made: dict[str, _Check] = {}

    def of(self, document: Document) -> _Check:
        kind = document.value.get("kind")
        known = str(kind) if isinstance(kind, str) and kind in _KINDS else ""
        if known not in self._made:
            self._made[known] = _Check(inline(schema(known)) if known else _envelope())
        return self._made[known]


_KINDS = frozenset(kind.value for kind in Kind)


def _envelope() -> Schema:
    """What is the same in every kind, for a document of which the kind isn't known."""
    any_kind = inline(schema(Kind.CAMPAIGN))
    kind = {"enum": [kind.value for kind in Kind], "description": f"one of {', '.join(Kind)}"}
    properties = {**any_kind["properties"], "kind": kind, "spec": {"type": "object"}}
    return {**any_kind, "properties": properties}
