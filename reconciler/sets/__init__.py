"""Sets → the resources that they stand for: a campaign for each row, and perhaps a list of gateways.

This happens before anything is validated.

The overlays of sets are laid over them first, those of campaigns over what the sets became. A set stays among
the documents, so that validation checks its form; what doesn't fit is passed over here, and said there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from reconciler.findings import Findings
from reconciler.loading import Document, Loaded
from reconciler.loading.nodes import LaidMap, MarkedMap, resource_of
from reconciler.loading.referenced_files import Files
from reconciler.model import API_VERSION, Finding, Kind, ResourceId
from reconciler.overlays import overlaid
from reconciler.sets.generators import MOST_ROWS, Generator, Generators, SetRow
from reconciler.sets.template import KINDS, FilledBy, Takes, Template

__all__ = ["MOST_SAID", "Takes", "expanded", "laid"]

MOST_SAID = 100
"""How many rows of one set are reported one by one for the same thing."""
MOST_TEXT = 100_000_000
"""How many characters a set may become."""
_NAME = ("metadata", "name")


def laid(read: Loaded, layers: Sequence[Loaded], files: Files, takes: Takes, *, part: bool = False) -> Loaded:
    """The resources of a run: sets expanded, and `layers` over all of it.

    `files`: what the tables of generators are found by. `takes`: see `Takes`. `part`: as for `overlaid`.
    """
    whole, rest = expanded(read, layers, files, takes, part=part)
    return overlaid(whole, rest, part=part)


def expanded(
    read: Loaded, layers: Sequence[Loaded], files: Files, takes: Takes, *, part: bool = False
) -> tuple[Loaded, Sequence[Loaded]]:
    """`read` with what its sets become, and what is still to be laid over it."""
    if not any(map(_is_set, (each for loaded in (read, *layers) for each in loaded.documents))):
        return read, layers
    over = [Loaded(tuple(filter(_is_set, layer.documents))) for layer in layers]
    sets = Loaded(tuple(filter(_is_set, read.documents)), read.findings)
    changed = overlaid(sets, over, part=part)
    findings = Findings(list(changed.findings))
    remaining = iter(changed.documents)
    documents: list[Document] = []
    for document in read.documents:
        if _is_set(document):
            documents += _with_its_own(next(remaining), files, takes, findings)
        else:
            documents.append(document)
    for added in remaining:  # new in an overlay
        documents += _with_its_own(added, files, takes, findings)
    rest = [
        replace(layer, documents=tuple(each for each in layer.documents if not _is_set(each)))
        for layer in layers
    ]
    return Loaded(tuple(documents), tuple(findings.found)), rest


def _is_set(document: Document) -> bool:
    return document.value.get("kind") == Kind.CAMPAIGN_SET


def _with_its_own(document: Document, files: Files, takes: Takes, findings: Findings) -> Iterator[Document]:
    yield document
    if document.value.get("apiVersion") == API_VERSION:
        yield from _Expansion(document, Generators(document, files, findings), takes).resources()


@dataclass(slots=True)
class _Expansion:
    """One set."""

    document: Document
    reading: Generators
    takes: Takes
    _said: dict[str, int] = field(default_factory=dict)
    _characters: int = 0

    def resources(self) -> Iterator[Document]:
        """What its templates become, in the order of the rows; nothing of a set whose form is wrong."""
        templates = tuple(self._templates())
        generators = self.reading.generators()
        if not templates or not generators:
            return
        self._placeholders(templates, generators)
        if any(template.broken for template in templates):
            return
        count = sum(generator.count for generator in generators)
        if count > MOST_ROWS:
            message = f"the set has {count:,} rows, but {MOST_ROWS:,} is the most"
            self._error("set-too-large", message, ("spec", "generators"), "make several sets of it")
            return
        fixed = [template for template in templates if count > 1 and not template.varies(_NAME)]
        for template in fixed:
            message = f"the name holds no placeholder, so all {count:,} resources would be one"
            hint = "write a placeholder that differs in each row: ${site}"
            self._error("fixed-name", message, ("spec", template.at, *_NAME), hint)
        if fixed:
            return
        for generator in generators:
            yield from self._of(templates, generator)
        self._more()

    def _templates(self) -> Iterator[Template]:
        spec = self.document.value.get("spec")
        for key in KINDS:
            value = spec.get(key) if isinstance(spec, MarkedMap) else None
            if isinstance(value, MarkedMap):
                yield Template(self.document, key, value, self.takes, self.reading.findings)

    def _of(self, templates: Sequence[Template], generator: Generator) -> Iterator[Document]:
        names = {name for template in templates for name in template.names}
        if not names <= generator.names.keys():
            return  # it is said already that no row has them
        inside = frozenset().union(*(template.inside for template in templates))
        for row in generator.rows():
            if not self._fits(row, sorted(names), inside):
                continue
            for template in templates:
                filled = template.filled(row)
                self._characters += filled.characters
                by = FilledBy(template.uses, row)
                whole = self._whole(filled.value, template.kind, by)
                yield replace(self.document, value=whole, filled_from=by, made_by=self._name)
            if self._characters > MOST_TEXT:
                message = f"what the set becomes has more than {MOST_TEXT:,} characters of text"
                self._error("set-too-large", message, ("spec", "template"), "make several sets of it")
                return

    def _whole(self, filled: MarkedMap, kind: Kind, by: FilledBy) -> MarkedMap:
        """The resource as it would stand in a file of its own."""
        outer = self.document.value
        assert isinstance(outer, MarkedMap), "documents are loaded from files"
        made = LaidMap(filled.start)
        made["apiVersion"], made["kind"] = API_VERSION, kind.value
        for key in ("apiVersion", "kind"):
            made.marks.extend((outer.mark(key, of_key=True), outer.mark(key)))
        for key in ("metadata", "spec"):
            if key in filled:
                made[key] = filled[key]
                made.marks.extend((filled.mark(key, of_key=True), filled.mark(key)))
                if isinstance(filled, LaidMap) and key in filled.givers:
                    made.givers[key] = replace(filled.givers[key], filled_from=by)
        made.gaps = filled.gaps
        return made

    @property
    def _name(self) -> str | None:
        resource = resource_of(self.document)
        return resource.name if resource else None

    # --- what is said ----------------------------------------------------------------------------

    def _placeholders(self, templates: Sequence[Template], generators: Iterable[Generator]) -> None:
        """Names that rows don't have, and those that no template uses."""
        names = {name: template for template in reversed(templates) for name in template.names}
        for generator in generators:
            for name in sorted(names.keys() - generator.names.keys()):
                self.reading.unknown(name, names[name].place_of(name), generator)
            self.reading.unused(names, generator)

    def _fits(self, row: SetRow, names: Sequence[str], inside: Collection[str]) -> bool:
        """Whether the row has a usable value for each placeholder; else that is said."""
        good = True
        for name in names:
            if found := self.reading.wrong(row, name, inside=name in inside):
                good = False
                count = self._said[found.code] = self._said.get(found.code, 0) + 1
                if count <= MOST_SAID:
                    self.reading.findings.add([found])
            elif odd := self.reading.odd(row, name):
                count = self._said[odd.code] = self._said.get(odd.code, 0) + 1
                if count <= MOST_SAID:
                    self.reading.findings.add([odd])
        return good

    def _more(self) -> None:
        rest = sum(max(0, count - MOST_SAID) for count in self._said.values())
        if rest:
            message = f"{rest:,} more values of the rows are missing, wrong or odd"
            self.reading.findings.note(
                "more-findings", message, self.document.place(("spec", "generators")), "fix those first"
            )

    def _error(self, code: str, message: str, path: Sequence[str | int], hint: str) -> None:
        resource: ResourceId | None = resource_of(self.document)
        self.reading.findings.add([Finding(code, message, self.document.place(path), hint, resource)])
