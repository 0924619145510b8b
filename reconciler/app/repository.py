"""The repository around a project: code hosts name files from its root, and run workflows from there only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_WORKSPACES: Final = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Variables in which runners say where the repository is."""


def repository_root(folder: Path, environ: Mapping[str, str]) -> Path:
    """Where the repository begins in which `folder` is: as the runner says, else the top folder of Git, links
    resolved; `folder` itself where it is in none.
    """
    real = Path(os.path.realpath(folder))
    for name in _WORKSPACES:
        if said := environ.get(name):
            root = Path(os.path.realpath(said))
            if real.is_relative_to(root):
                return root
    return next((each for each in (real, *real.parents) if os.path.lexists(each / ".git")), real)


def from_root(file: str, folder: Path, root: Path) -> str:
    """How `file`, which is relative to `folder`, is called from `root`; as it is when it isn't below."""
    path = Path(os.path.realpath(folder)) / file
    # Its name stays as it is, links and all: that is what stands in the repository.
    where = Path(os.path.normpath(path if not Path(file).is_absolute() else _real(Path(file))))
    return where.relative_to(root).as_posix() if where.is_relative_to(root) else file


def _real(file: Path) -> Path:
    """The same file in a folder whose links are resolved."""
    return Path(os.path.realpath(file.parent)) / file.name
