"""Files that resources refer to. Nothing outside the project is opened, and each file is read once."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from reconciler.loading.nodes import Document
from reconciler.loading.stand_ins import HEAD, StandIn, stand_in
from reconciler.text import control_character, did_you_mean, quoted
from reconciler.trust.folders import Astray, Home

Content = TypeVar("Content")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a value, before it is known where the value stands."""

    code: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 (64 hex digits) and size in bytes of a file."""

    sha256: str
    size: int
    instead: StandIn | None = None
    """What the file seems to be in place of its content."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one run. ``root`` is the folder that a path may not leave."""

    root: Path
    digests: dict[Path, Digest | Problem] = field(default_factory=dict)
    homes: dict[Path, Home] = field(default_factory=dict)
    """Document → what its paths may not leave: ten thousand resources may stand in one file."""
    folders: dict[Path, str] = field(default_factory=dict)
    """Document → the real name of its folder."""

    def find(self, document: Document, name: str) -> Path | Problem:
        """The file that `document`, which gives the name, calls `name`; symlinks are resolved."""
        if control_character(name) or posixpath.isabs(name):
            return Problem(
                "bad-path", f"{quoted(name)} is not a relative path", "write it relative to this YAML file"
            )
        path, mode = self._real(document, name)
        if why := self._home(document).strays(path):
            return astray(name, why)
        try:
            mode = path.stat().st_mode if mode is None else mode
        except (FileNotFoundError, NotADirectoryError):
            return Problem(
                "missing-file",
                f"there is no file {quoted(name)}",
                did_you_mean(path.name, _names(path.parent), lambda near: quoted(_in_its_place(name, near))),
            )
        except OSError as error:
            return unreadable(name, error)
        if not stat.S_ISREG(mode):
            return Problem("unreadable-file", f"{quoted(name)} is {_what(mode)}, not a file")
        return path

    def digest(self, name: str, path: Path) -> Digest | Problem:
        """Digest and size of the file at `path`; `name` is what the resource calls it."""
        if path not in self.digests:
            self.digests[path] = reading(name, lambda: _digest(path))
        return self.digests[path]

    def _real(self, document: Document, name: str) -> tuple[Path, int | None]:
        """Where `name` leads, and the mode of what is there where that had to be looked at."""
        if document.path not in self.folders:
            self.folders[document.path] = os.path.realpath(document.path.parent)
        folder = self.folders[document.path]
        if "/" not in name and name not in ("", ".", ".."):
            with suppress(OSError, ValueError):
                mode = os.lstat(path := f"{folder}/{name}").st_mode
                if stat.S_ISREG(mode):
                    return Path(path), mode
        return Path(os.path.realpath(f"{folder}/{name}")), None

    def _home(self, document: Document) -> Home:
        if document.path not in self.homes:
            self.homes[document.path] = Home(self._home_of(document.path.parent))
        return self.homes[document.path]

    def _home_of(self, folder: Path) -> Path:
        """What a path may not leave. A document that stands outside the project has its own folder for it."""
        folder, root = (Path(os.path.abspath(path)) for path in (folder, self.root))  # noqa: PTH100
        if folder.is_relative_to(root) or folder.resolve().is_relative_to(root.resolve()):
            return root.resolve()
        return folder.resolve()


def astray(name: str, why: Astray) -> Problem:
    """That a file is none of the project."""
    hint = "keep the file in the project folder, also behind links, and out of .git and .reconciler"
    return Problem(why.code, f"{quoted(name)} {why.words}", hint)


def reading(name: str, read: Callable[[], Content]) -> Content | Problem:
    """What `read` gives, or why the file can't be read."""
    try:
        return read()
    except OSError as error:
        return unreadable(name, error)


def unreadable(name: str, error: OSError) -> Problem:
    """Why a file can't be read, in the words of the system."""
    return Problem("unreadable-file", f"{quoted(name)} can't be read: {error.strerror or error}")


def beside(document: Document, name: str) -> str:
    """How reports call the file `name` of `document`: as they call the document, up to its folder."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(document.file), name))


def _digest(path: Path) -> Digest:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        instead = stand_in(file.read(HEAD), name=path.name, size=size)
        file.seek(0)
        return Digest(hashlib.file_digest(file, "sha256").hexdigest(), size, instead)


def _in_its_place(name: str, other: str) -> str:
    """A file beside the file `name`, as a resource would call it."""
    return name[: name.rfind("/") + 1] + other


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []


def _what(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "a device, a pipe or a socket"
