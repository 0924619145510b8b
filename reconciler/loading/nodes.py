"""What a YAML document becomes: plain Python values that still know where they stood.

Mappings are `MarkedMap` (a dict), lists `MarkedList` (a list); both carry their places as one packed array,
so that a list of a million ids costs eight bytes more an id. Scalars are str, int, float, bool and None;
`Ambiguous` text remembers more.

What something is wrong with is left out, and leaves a gap: whoever would conclude something from its absence
asks first whether it is `unsure`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from reconciler.model import Kind, Place, ResourceId, RowPlace

COLUMN_BITS = 32
"""A packed mark is ``line << COLUMN_BITS | column``, both counted from 0 as the parser does."""
_COLUMN_MASK = (1 << COLUMN_BITS) - 1
_FEW = 8
"""Among so few keys of a mapping, one is found as fast without an index."""


class Ambiguous(str):
    """Text that other YAML readers take for something else: ``yes``, ``010``, ``2024-01-01``.

    ``reads_as`` completes the sentence *it reads as …*: ``true in YAML 1.1``, ``a date``.
    """

    __slots__ = ("reads_as",)
    reads_as: str

    def __new__(cls, text: str, reads_as: str) -> Ambiguous:
        made = super().__new__(cls, text)
        made.reads_as = reads_as
        return made

    def __reduce__(self) -> tuple[type[Ambiguous], tuple[str, str]]:
        return Ambiguous, (str(self), self.reads_as)


class MarkedList(list[object]):
    """A list, and the packed mark of each item. ``gap``: an item was left out."""

    __slots__ = ("gap", "marks", "start")

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start = start
        self.marks = array("Q")
        self.gap = False

    def mark(self, index: int) -> int:
        return self.marks[index]


class MarkedMap(dict[str, object]):
    """A mapping, and two packed marks an entry in order of insertion: of the key, of the value.

    ``gaps``: keys of which the value was left out or may be meant to be another, None for any key at all.
    """

    __slots__ = ("_order", "gaps", "marks", "start")

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start = start
        self.marks = array("Q")
        self.gaps: frozenset[str | None] = frozenset()
        self._order: dict[str, int] | None = None
        """Key → which of them it is, once somebody asked that in a large mapping."""

    def mark(self, key: str, *, of_key: bool = False) -> int:
        """Where the value of `key` stands, or the key itself."""
        if len(self) <= _FEW:
            return self.marks[2 * list(self).index(key) + (not of_key)]
        order = self._order = self._order or {}
        for known in islice(self, len(order), None):  # what was added since the last question
            order[known] = len(order)
        return self.marks[2 * order[key] + (not of_key)]

    def lost(self, key: str) -> bool:
        """Whether `key` isn't there, but may have been before something was left out."""
        return key not in self and not self.gaps.isdisjoint((key, None))

    def left(self, kept: Mapping[str, object], gaps: Collection[str | None]) -> MarkedMap:
        """Only the entries `kept`, with their new values and the old marks, and with more gaps."""
        made = self._empty()
        for key, value in kept.items():
            made[key] = value
            made.marks.extend((self.mark(key, of_key=True), self.mark(key)))
        made.gaps = self.gaps.union(gaps)
        return made

    def filled(self, values: Mapping[str, object]) -> MarkedMap:
        """The same entries where they stood, with these `values`, in the same order."""
        made = self._empty()
        made.update(values)
        made.marks, made.gaps = self.marks, self.gaps  # nobody changes those of a whole document
        made._order = self._order  # noqa: SLF001 - its own class
        return made

    def _empty(self) -> MarkedMap:
        return MarkedMap(self.start)


def stands(name: str, holder: Mapping[str, object]) -> bool:
    """Whether a mapping has the field, or may have had it before something was left out."""
    return name in holder or (isinstance(holder, MarkedMap) and holder.lost(name))


def unsure(holder: Mapping[str, object], key: str) -> bool:
    """Whether `holder` doesn't tell all that stood at `key`: it, or something right in it, was left out."""
    if isinstance(holder, MarkedMap) and holder.gaps and (key in holder.gaps or holder.lost(key)):
        return True
    return gapped(holder.get(key))


def gapped(value: object) -> bool:
    """Whether something was left out right in a mapping or list."""
    return value.gap if isinstance(value, MarkedList) else isinstance(value, MarkedMap) and bool(value.gaps)


class LaidMap(MarkedMap):
    """A mapping over which others were laid; the marks of an entry are those of the file that gave it.

    ``givers``: entry → its document, where that isn't the one of the mapping. ``unset``: entries that were
    taken out again → by which document, and the mark of its key.
    """

    __slots__ = ("givers", "unset")

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.givers: dict[str, Document] = {}
        self.unset: dict[str, tuple[Document, int]] = {}

    def _empty(self) -> LaidMap:
        made = LaidMap(self.start)
        made.givers, made.unset = self.givers, self.unset
        return made


FilledFrom = Callable[[str, int], tuple[RowPlace, ...]]
"""File and packed mark of a text in a template → the values that were filled in, else the row as a whole."""


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: a mapping that knows its places.

    ``file`` is how places show the file, ``path`` its absolute path, ``index`` counts the documents of the
    file from 0. Values of other documents may be laid over it: places are theirs then. ``spelled``: packed
    mark → how a number or boolean is written there, where others would write it otherwise (``+1``, ``True``).
    """

    file: str
    path: Path
    value: Mapping[str, object]
    index: int = 0
    spelled: Mapping[int, str] = field(default_factory=dict, compare=False, repr=False)
    filled_from: FilledFrom | None = field(default=None, compare=False, repr=False)
    """Of a document that a set made of its template: where the values for a text of it stand."""
    made_by: str | None = field(default=None, compare=False, repr=False)
    """The name of that set."""

    def place(self, path: Sequence[str | int] = (), *, key: bool = False) -> Place:
        """Where the node at `path` stands, or its key; where it doesn't exist, the deepest that does.

        What an overlay unset stands where that says so.
        """
        giver, mark = self._find(path, key=key)
        rows = giver.filled_from(giver.file, mark) if giver.filled_from else ()
        return place_of(giver.file, mark, rows)

    def places(self, path: Sequence[str | int] = ()) -> Mapping[str, Place]:
        """The `place` of each value in the mapping at `path`, by its key; none where no mapping stands."""
        node: object = self.value
        for segment in path:
            node = node.get(segment) if isinstance(node, MarkedMap) and isinstance(segment, str) else None
        if type(node) is MarkedMap and self.filled_from is None:
            giver = self.giver(path)
            marks = islice(node.marks, 1, None, 2)
            return {key: place_of(giver.file, mark) for key, mark in zip(node, marks, strict=True)}
        return {key: self.place((*path, key)) for key in node} if isinstance(node, MarkedMap) else {}

    def written(self, path: Sequence[str | int]) -> str | None:
        """How the number or boolean at `path` is written, where that isn't how others would write it."""
        giver, mark = self._find(path)
        return giver.spelled.get(mark)

    def giver(self, path: Sequence[str | int]) -> Document:
        """The document whose file holds the node at `path`: relative paths are relative to its folder."""
        return self._find(path)[0]

    def _find(self, path: Sequence[str | int], *, key: bool = False) -> tuple[Document, int]:
        giver = self
        node: object = self.value
        mark = getattr(node, "start", 0)
        last = len(path) - 1
        for depth, segment in enumerate(path):
            if isinstance(node, MarkedMap) and isinstance(segment, str) and segment in node:
                mark = node.mark(segment, of_key=key and depth == last)
                giver = node.givers.get(segment, giver) if isinstance(node, LaidMap) else giver
                node = node[segment]
            elif isinstance(node, MarkedList) and isinstance(segment, int) and 0 <= segment < len(node):
                mark = node.mark(segment)
                node = node[segment]
            else:
                if isinstance(node, LaidMap) and isinstance(segment, str):
                    return node.unset.get(segment, (giver, mark))
                break
        return giver, mark


def resource_of(document: Document) -> ResourceId | None:
    """Which resource a document declares, as far as it can be told."""
    kind, metadata = document.value.get("kind"), document.value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if isinstance(kind, str) and kind in _KINDS and isinstance(name, str) and name:
        return ResourceId(_KINDS[kind], str(name))
    return None


_KINDS = {kind.value: kind for kind in Kind}


def place_of(file: str, mark: int, rows: tuple[RowPlace, ...] = ()) -> Place:
    """A packed mark as a place, counted from 1."""
    return Place(file, (mark >> COLUMN_BITS) + 1, (mark & _COLUMN_MASK) + 1, rows)
