"""What a YAML document becomes: plain Python values that still know where they stood.

Mappings are `MarkedMap` (a dict), lists `MarkedList` (a list); both carry their places as one packed array,
so that a list of a million ids costs eight bytes more an id. Scalars are str, int, float, bool and None.
Two of them remember more: `Ambiguous` text and `SourceFloat`.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from reconciler.model import Place

COLUMN_BITS = 32
"""A packed mark is ``line << COLUMN_BITS | column``, both counted from 0 as the parser does."""
_COLUMN_MASK = (1 << COLUMN_BITS) - 1


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


class SourceFloat(float):
    """A number that remembers how it was written, so that a hint can say ``write "1.10"``."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> SourceFloat:
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __reduce__(self) -> tuple[type[SourceFloat], tuple[str]]:
        return SourceFloat, (self.text,)


class MarkedList(list[object]):
    """A list, and the packed mark of each item."""

    __slots__ = ("marks", "start")

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start = start
        self.marks = array("Q")

    def mark(self, index: int) -> int:
        return self.marks[index]


class MarkedMap(dict[str, object]):
    """A mapping, and two packed marks an entry in order of insertion: of the key, of the value."""

    __slots__ = ("_order", "marks", "start")

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start = start
        self.marks = array("Q")
        self._order: dict[str, int] = {}

    def mark(self, key: str, *, of_key: bool = False) -> int:
        """Where the value of `key` stands, or the key itself."""
        order = self._order
        for known in islice(self, len(order), None):  # what was added since the last question
            order[known] = len(order)
        return self.marks[2 * order[key] + (not of_key)]


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: a mapping that knows its places.

    ``file`` is how places show the file, ``path`` its absolute path (relative paths in the document are
    relative to its folder), ``index`` counts the documents of the file from 0.
    """

    file: str
    path: Path
    value: Mapping[str, object]
    index: int = 0

    def place(self, path: Sequence[str | int] = (), *, key: bool = False) -> Place:
        """Where the node at `path` stands, or its key; where it doesn't exist, the deepest that does."""
        node: object = self.value
        mark = getattr(node, "start", 0)
        last = len(path) - 1
        for depth, segment in enumerate(path):
            if isinstance(node, MarkedMap) and isinstance(segment, str) and segment in node:
                mark = node.mark(segment, of_key=key and depth == last)
                node = node[segment]
            elif isinstance(node, MarkedList) and isinstance(segment, int) and 0 <= segment < len(node):
                mark = node.mark(segment)
                node = node[segment]
            else:
                break
        return place_of(self.file, mark)


def place_of(file: str, mark: int) -> Place:
    """A packed mark as a place, counted from 1."""
    return Place(file, (mark >> COLUMN_BITS) + 1, (mark & _COLUMN_MASK) + 1)
