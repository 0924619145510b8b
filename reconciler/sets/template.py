"""The template of a set: text with placeholders, and what it becomes with the values of a row. Pure.

| written                    | becomes                                                                      |
|----------------------------|------------------------------------------------------------------------------|
| `a-${site}`                | text, with the value as it is written in the row                             |
| `${n}` and nothing else    | the value itself: a number, a list or `true` of a list of rows               |
| the same, from a CSV file  | text; where the field takes none: the number or boolean that it reads as     |
| `$${`                      | `${`                                                                         |
| `${` in a key, or unclosed | refused                                                                      |

What a row gives is never looked at for placeholders again, so that nothing can grow by itself.

Tests: `tests/sets/test_sets_expanding.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from reconciler.findings import Findings
from reconciler.loading.nodes import Document, LaidMap, MarkedList, MarkedMap, resource_of
from reconciler.loading.scalars import canonical, resolve
from reconciler.model import Kind, Place, RowPlace
from reconciler.sets.generators import Cell, SetRow
from reconciler.text import quoted

Path = tuple[str | int, ...]
Takes = Callable[[Kind, Path], frozenset[str]]
"""Which types, as JSON Schema calls them, a resource takes at a path; none when that isn't known."""

KINDS: Final[Mapping[str, Kind]] = {"template": Kind.CAMPAIGN, "gatewayList": Kind.GATEWAY_LIST}
"""The templates of a set by their fields, and what they make."""

_PLACEHOLDER: Final = re.compile(r"\$\$\{|\$\{([^{}$\n]*)\}|\$\{")
_HINT: Final = "write ${name}, with a name of the rows; $${ stands for ${ itself"

Fill = Callable[[SetRow, "Filling"], object]
"""What a node becomes with the values of a row."""


@dataclass(slots=True)
class Filling:
    """One campaign that is being made; counts the characters that were filled in."""

    filled_by: FilledBy
    characters: int = 0


@dataclass(frozen=True, slots=True)
class Filled:
    """A template with the values of a row."""

    value: MarkedMap
    characters: int
    """How long its texts with placeholders are together."""


@dataclass(frozen=True, slots=True)
class FilledBy:
    """Where the values of one campaign's texts stand: file and mark in the template → places in the row."""

    uses: Mapping[tuple[str, int], tuple[str, ...]]
    row: SetRow

    def __call__(self, file: str, mark: int) -> tuple[RowPlace, ...]:
        return self.row.places(self.uses.get((file, mark), ()))


@dataclass(slots=True)
class Template:
    """A template, read once for all rows; what is wrong with its placeholders goes to ``findings``."""

    document: Document
    at: str
    """Its field of the set."""
    value: MarkedMap
    takes: Takes
    findings: Findings
    names: dict[str, Path] = field(default_factory=dict)
    """The names of placeholders, and where each stands first."""
    inside: set[str] = field(default_factory=set)
    """Names that stand in the middle of a text."""
    uses: dict[tuple[str, int], tuple[str, ...]] = field(default_factory=dict)
    broken: bool = False
    _varying: set[Path] = field(default_factory=set)
    _fill: Fill | None = None

    def __post_init__(self) -> None:
        self._fill = self._node(self.value, (), self.document.giver(("spec", self.at)).file)

    @property
    def kind(self) -> Kind:
        """What it makes."""
        return KINDS[self.at]

    def varies(self, path: Path) -> bool:
        """Whether the text at `path` holds a placeholder."""
        return path in self._varying

    def place_of(self, name: str) -> Place:
        """Where a placeholder of that name stands first."""
        return self._place(self.names[name])

    def filled(self, row: SetRow) -> Filled:
        """The template with the values of `row`, which has all ``names``."""
        filling = Filling(FilledBy(self.uses, row))
        value = self._fill(row, filling) if self._fill else self.value
        assert isinstance(value, MarkedMap), "a template is a mapping"
        return Filled(value, filling.characters)

    def _place(self, path: Path, *, key: bool = False) -> Place:
        return self.document.place(("spec", self.at, *path), key=key)

    # --- reading it --------------------------------------------------------------------------------

    def _node(self, node: object, path: Path, file: str) -> Fill | None:
        """How to fill a node; None: it holds no placeholder, and is the same in every campaign."""
        if isinstance(node, MarkedMap):
            return self._mapping(node, path, file)
        if isinstance(node, MarkedList):
            fills = [self._item(node.mark(at), item, (*path, at), file) for at, item in enumerate(node)]
            return _list(node, fills) if any(fills) else None
        return None

    def _mapping(self, node: MarkedMap, path: Path, file: str) -> Fill | None:
        fills: dict[str, Fill | None] = {}
        givers = node.givers if isinstance(node, LaidMap) else {}
        for key, value in node.items():
            if "${" in key:
                self._refuse(f"the key {quoted(key)} holds a placeholder", (*path, key), key=True)
            giver = givers[key].file if key in givers else file
            fills[key] = self._item(node.mark(key), value, (*path, key), giver)
        return _map(node, fills) if givers or any(fills.values()) else None

    def _item(self, mark: int, value: object, path: Path, file: str) -> Fill | None:
        if not isinstance(value, str):
            return self._node(value, path, file)
        if "${" not in value:
            return None
        return self._text(value, mark, path, file)

    def _text(self, text: str, mark: int, path: Path, file: str) -> Fill | None:
        parts: list[str] = []
        names: list[str] = []
        end = 0
        for found in _PLACEHOLDER.finditer(text):
            parts.append(text[end : found.start()])
            end = found.end()
            if found[0] == "$${":
                parts[-1] += "${"
                names.append("")
                continue
            name = (found[1] or "").strip()
            if not name:
                self._refuse("a placeholder has no name, or isn't closed", path)
                return None
            names.append(name)
            self.names.setdefault(name, path)
        parts.append(text[end:])
        known = tuple(dict.fromkeys(filter(None, names)))
        if known:
            self.uses[file, mark] = known
            self._varying.add(path)
        if len(known) == len(names) == 1 and parts == ["", ""]:
            return _whole(known[0], mark, self.takes(self.kind, path))
        self.inside.update(known)
        return _within(parts, names)

    def _refuse(self, message: str, path: Path, *, key: bool = False) -> None:
        self.broken = True
        hint = "placeholders stand in values" if key else _HINT
        place = self._place(path, key=key)
        self.findings.error("bad-placeholder", message, place, hint, resource_of(self.document))


def _map(node: MarkedMap, fills: Mapping[str, Fill | None]) -> Fill:
    def fill(row: SetRow, filling: Filling) -> object:
        values = {key: each(row, filling) if (each := fills[key]) else value for key, value in node.items()}
        made = node.filled(values)
        if isinstance(made, LaidMap):
            givers = made.givers.items()
            made.givers = {key: replace(giver, filled_from=filling.filled_by) for key, giver in givers}
        return made

    return fill


def _list(node: MarkedList, fills: list[Fill | None]) -> Fill:
    def fill(row: SetRow, filling: Filling) -> object:
        made = MarkedList(node.start)
        made.extend(each(row, filling) if each else item for each, item in zip(fills, node, strict=True))
        made.marks, made.gap = node.marks, node.gap
        return made

    return fill


def _within(parts: list[str], names: list[str]) -> Fill:
    def fill(row: SetRow, filling: Filling) -> object:
        pieces = [parts[0]]
        for name, part in zip(names, parts[1:], strict=True):
            if name:
                pieces.append(row.text(name))
            pieces.append(part)
        made = "".join(pieces)
        filling.characters += len(made)
        return made

    return fill


def _whole(name: str, mark: int, types: frozenset[str]) -> Fill:
    def fill(row: SetRow, filling: Filling) -> object:
        value = row.values[name]
        if isinstance(value, Cell):
            filling.characters += len(value)
            return _as(value, types)
        if isinstance(value, list):
            made = MarkedList(mark)
            for item in value:
                filling.characters += len(str(item))
                made.append(item)
                made.marks.append(mark)
            return made
        filling.characters += len(canonical(value))
        return value

    return fill


def _as(cell: Cell, types: frozenset[str]) -> object:
    """A cell as what a field takes: text, if it takes any."""
    if not types or "string" in types:
        return str(cell)
    read = resolve(cell)
    if isinstance(read, bool):
        return read if "boolean" in types else str(cell)
    if isinstance(read, int | float) and not types.isdisjoint(("integer", "number")):
        return read
    return str(cell)
