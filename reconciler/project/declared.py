"""What a project file says in one environment, and where.

Tests: `tests/project/test_project_loader.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.loading import Document, MarkedMap
from reconciler.model import Place


@dataclass(frozen=True, slots=True)
class Given:
    """A value, and who gave it: a flag, a variable (then without place) or the project file."""

    value: Any
    origin: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """A project file, with an environment laid over it; also none at all, which says nothing.

    A value is looked up in the environment first. So ``server`` and ``guards`` merge field by field, while
    lists and ``auth``, which are asked for as a whole, are replaced as a whole.
    """

    document: Document | None = None
    environment: str | None = None

    def get(self, *path: str) -> Given | None:
        """The value at `path` below ``spec``; None when neither layer has it."""
        return next(self._layers(path), None)

    def merged(self, *path: str) -> Mapping[str, Any]:
        """The mapping at `path`, of both layers together."""
        merged: dict[str, Any] = {}
        for given in reversed(list(self._layers(path))):
            merged |= given.value
        return merged

    def unsure(self, *path: str) -> bool:
        """Whether something was left out, in either layer, that may have stood at `path`."""
        paths = (("kind",), *(("spec", *layer, *path) for layer in self._layer_paths()))
        return any(map(self._lost, paths))

    def place(self, *path: str, key: bool = False) -> Place | None:
        """Where `path` below ``spec`` stands, the environment aside; the deepest part of it that exists."""
        return None if self.document is None else self.document.place(("spec", *path), key=key)

    def _layers(self, path: tuple[str, ...]) -> Iterator[Given]:
        """What the environment says, then what the project says."""
        if self.document is None:
            return
        for layer in self._layer_paths():
            whole = ("spec", *layer, *path)
            node: Any = self.document.value
            for segment in whole:
                node = node.get(segment) if isinstance(node, Mapping) else None
            if node is not None:
                yield Given(node, ".".join(whole[1:]), self.document.place(whole))

    def _layer_paths(self) -> Sequence[tuple[str, ...]]:
        return [("environments", self.environment), ()] if self.environment else [()]

    def _lost(self, path: tuple[str, ...]) -> bool:
        node: Any = None if self.document is None else self.document.value
        for segment in path:
            if not isinstance(node, MarkedMap):
                return False
            if segment in node.gaps or node.lost(segment):
                return True
            node = node.get(segment)
        return False


def is_there(path: Path, *, as_file: bool = False) -> bool:
    """Whether there is a file (or folder) at `path` as far as one can see."""
    try:
        return path.is_file() if as_file else path.exists()
    except OSError:
        return False
