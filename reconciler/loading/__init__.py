"""YAML files → documents that know the line and column of every node, and findings; nothing is raised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.findings import Findings
from reconciler.loading.builder import REFUSED, Builder
from reconciler.loading.foreign import UNSURE, is_foreign, may_be_ours, passed_over
from reconciler.loading.nodes import Ambiguous, Document, MarkedList, MarkedMap, place_of
from reconciler.loading.syntax import SyntaxFault, decode, events
from reconciler.loading.walk import PROJECT_FILE, SourceFile, Walk, is_project_file, read
from reconciler.model import Finding, Place, Severity

__all__ = ["Ambiguous", "Document", "Loaded", "MarkedList", "MarkedMap", "load", "load_text"]

_WITHIN = frozenset({"duplicate-key", "non-string-key", "yaml-alias", "yaml-tag"})
"""Errors about a part of a document: the rest of it was read."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Every document that could be read, in order, and what was found on the way."""

    documents: tuple[Document, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def unread(self) -> tuple[Finding, ...]:
        """Why whole files, folders or documents are missing."""
        return tuple(found for found in self.findings if found.is_error and found.code not in _WITHIN)

    @property
    def complete(self) -> bool:
        """Whether every document was read, though perhaps with gaps."""
        return not self.unread


def load(
    paths: Sequence[Path], *, base: Path, excluded: Sequence[Path] = (), ours_only: bool = False
) -> Loaded:
    """The resources in files and folders.

    `ours_only`: nobody said that all in the folders are resources, so what is plainly of something else is
    passed over, which a note says.

    Folders are read recursively and sorted, ``*.yaml`` and ``*.yml`` in any case, hidden entries skipped; a
    file that is named is read whatever its suffix. Relative paths are relative to `base`, and findings show
    them so.
    A project file among them is left out, and so is what is to be set `excluded`, as are the
    overlays of other projects below. Everything that goes wrong is a finding.
    """
    findings = Findings()
    walk = Walk(base.absolute(), excluded, _overlays_of, findings)
    documents: list[Document] = []
    passed: dict[str, int] = {}
    for source in walk.sources(paths):
        data = read(source)
        if isinstance(data, Finding):
            findings.add([data])
            continue
        choosy = ours_only and not source.named
        loaded = load_text(data, source.file, source.path)
        if choosy and not may_be_ours(data):
            if unsure := [each for each in loaded.findings if each.code in UNSURE]:
                findings.add(unsure)
            else:
                passed[source.file] = 0
            continue
        findings.add(loaded.findings)
        for document in loaded.documents:
            if choosy and is_foreign(document.value):
                passed[source.file] = passed.get(source.file, 0) + 1
                continue
            if document.value.get("kind") != "Project":
                documents.append(document)
            elif not is_project_file(source.path):
                findings.add([_misplaced(document)])
    if passed:
        findings.add([passed_over(passed)])
    return Loaded(tuple(documents), tuple(findings.found))


def load_text(data: str | bytes, file: str, path: Path) -> Loaded:
    """The documents of one file: `file` is how places show it, `path` where it is.

    What has a finding is left out of its document; the others count. Raises nothing.
    """
    builder = Builder(file)
    documents: list[Document] = []
    count = 0
    try:
        text = decode(data, file)
        for root in builder.documents(events(text, file)):
            if root.blank:
                continue
            count += 1
            if isinstance(root.value, MarkedMap):
                spelled = builder.spelled
                documents.append(Document(file, path.absolute(), root.value, count - 1, spelled))
            elif root.value is not REFUSED:
                what = "a list" if isinstance(root.value, MarkedList) else "a single value"
                message = f"the document is {what} where a resource belongs"
                hint = "a resource is a mapping that begins with `apiVersion: reconciler/v1`"
                builder.findings.error("not-a-mapping", message, place_of(file, root.mark), hint)
    except SyntaxFault as fault:
        builder.findings.add([fault.finding])
    if not count and not builder.findings.found:
        message, hint = "the file holds no document", "delete it, or write a resource"
        builder.findings.warning("empty-file", message, Place(file, 1, 1), hint)
    return Loaded(tuple(documents), tuple(builder.findings.found))


def _overlays_of(file: Path) -> Sequence[Path] | None:
    """The overlays of all environments of a project file, as far as it is sound; None when it is none."""
    data = read(SourceFile(file.name, file))
    documents = () if isinstance(data, Finding) else load_text(data, file.name, file).documents
    project = next((each.value for each in documents if each.value.get("kind") == "Project"), None)
    if project is None:
        return None
    every = _mapping(_mapping(project.get("spec")).get("environments")).values()
    lists = (_mapping(each).get("overlays") for each in every)
    return [
        Path(each) for names in lists if isinstance(names, list) for each in names if isinstance(each, str)
    ]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _misplaced(document: Document) -> Finding:
    message = f"a Project isn't a resource; it belongs in a file called {PROJECT_FILE}"
    hint = "move it there, or name it with `--project` and keep it out of the resources"
    place = document.place(["kind"])
    return Finding("misplaced-project", message, place, hint, severity=Severity.WARNING)
