"""Where a path leads: whether it stays in a project, and whether a link stands in its way."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.errors import ReconcilerError
from reconciler.text import clean

PRIVATE: Final = frozenset({".git", ".reconciler", "git~1"})
"""Folders that no file may name: sign-ins of Git, what we keep. Windows knows the first as the last."""
_LINKS: Final = 40
"""How many links one path may have, as for the system."""


@dataclass(frozen=True, slots=True)
class Astray:
    """Why a path isn't a file of the project: the code of a finding, and words behind the path."""

    code: str
    words: str


class Home:
    """The folder of a project, for many paths: what of it has to be read is read once."""

    def __init__(self, folder: Path) -> None:
        self._root = Path(os.path.realpath(folder))
        self._git = _git_folder(self._root)
        self._sound: set[str] = set()
        """Real folders of which nothing strays but by its own name."""

    def strays(self, path: Path) -> Astray | None:
        """Why `path`, a real path, isn't a file of the project; None when it is one."""
        folder, name = os.path.split(path)
        if folder in self._sound and _folded(name) not in PRIVATE:
            return None
        if not path.is_relative_to(self._root):
            return Astray("outside-project", "leads out of the project")
        if private := private_part(path.relative_to(self._root)):
            return Astray("private-path", f"leads into {clean(private)}")
        if self._git and path.is_relative_to(self._git):
            return Astray("private-path", "leads into what Git keeps")
        if not (self._git and self._git.parent == path.parent):
            self._sound.add(folder)
        return None


def strays(path: Path, home: Path) -> Astray | None:
    """Why `path`, a real path, isn't a file of the project in the folder `home`; None when it is one."""
    return Home(home).strays(path)


def private_part(path: Path) -> str | None:
    """The part of a relative `path` that is private, in whatever case or disguise."""
    return next((part for part in path.parts if _folded(part) in PRIVATE), None)


def checkout_of(folder: Path) -> Path:
    """The folder that a branch may fill: the nearest from `folder` upwards that Git knows, else itself."""
    real = Path(os.path.realpath(folder))
    return next((each for each in (real, *real.parents) if os.path.lexists(each / ".git")), real)


def link_in(path: Path, home: Path) -> Path | None:
    """The first link inside `home` on the way to `path`, itself included; None when there is none.

    Links elsewhere are the system's or the person's, and followed.
    """
    real_home = os.path.realpath(home)
    here, waiting, links = "/", list(reversed(Path(os.path.join(os.getcwd(), path)).parts)), 0  # noqa: PTH109, PTH118
    while waiting:
        part = waiting.pop()
        if part in ("/", "."):
            here = "/" if part == "/" else here
            continue
        if part == "..":
            here = os.path.dirname(here)  # noqa: PTH120 - a real path
            continue
        found = os.path.join(here, part)  # noqa: PTH118
        if not os.path.islink(found):  # noqa: PTH114
            here = found
            continue
        links += 1
        if links > _LINKS or Path(here).is_relative_to(real_home):
            return Path(found)
        waiting += reversed(Path(os.readlink(found)).parts)  # noqa: PTH115
    return None


def refuse_links(path: Path, *homes: Path, what: str) -> None:
    """ReconcilerError when `path` is a link, or stands behind one that a branch may have planted in `homes`.

    `what` is to be written there, as ``the plan``.
    """
    found = path if path.is_symlink() else None
    found = found or next(filter(None, (link_in(path, checkout_of(home)) for home in homes)), None)
    if found is not None:
        raise ReconcilerError(
            f"{what} can't be written to {path}: {found} is a link, and links are not followed there",
            hint="Remove the link if you didn't make it; else name the place that it leads to.",
        )


def _folded(part: str) -> str:
    """A name as the most forgiving file system reads it."""
    if part.isascii():
        return part.casefold().partition(":")[0].rstrip(" .")
    seen = "".join(c for c in unicodedata.normalize("NFKC", part) if unicodedata.category(c) != "Cf")
    return seen.casefold().partition(":")[0].rstrip(" .")


def _git_folder(root: Path) -> Path | None:
    """Where Git keeps what it knows of `root`, when that isn't ``.git`` itself."""
    try:
        text = (root / ".git").read_text("utf-8", "replace") if (root / ".git").is_file() else ""
    except OSError:
        return None
    where = text.strip().removeprefix("gitdir:").strip()
    return Path(os.path.realpath(root / where)) if where and where != text.strip() else None
