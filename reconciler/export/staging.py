"""Files that an export wrote, and whether they are still as it wrote them.

A file begins with a digest of what follows. While that is true, nobody has changed the file, and an export
may write it anew; else it is somebody's work and stays. New files are made in a hidden folder first and moved
to their places only when all of them are there, so that an export that fails leaves nothing behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

FIRST: Final = "# Written by `reconciler export`, which writes it anew only while nobody has changed it.\n"
_DIGEST: Final = "# sha256:"


@dataclass(slots=True)
class Difference:
    """What an export would change in a folder; paths are relative to it, sorted."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    """As an earlier export wrote them, and out of date."""
    unchanged: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    """Made or changed by somebody else, and other than the export wants them."""


@dataclass(slots=True)
class Staging:
    """The files of an export before they are in their places."""

    stage: Path
    target: Path
    paths: set[str] = field(default_factory=set)

    def write(self, path: str, lines: Iterable[str]) -> None:
        """A new file of these lines (without line ends)."""
        staged = self.stage / path
        staged.parent.mkdir(parents=True, exist_ok=True)
        body = "".join(f"{line}\n" for line in lines).encode()
        staged.write_bytes(_head(body) + body)
        self.paths.add(path)

    def compare(self) -> Difference:
        """How the target differs from what was written here."""
        found = Difference()
        for path in sorted(self.paths):
            there = self.target / path
            if there.is_symlink():
                # A link that isn't ours: --force replaces the link, never the file that it points to.
                found.foreign.append(path)
                continue
            data = there.read_bytes() if there.exists() else None
            if data is None:
                found.new.append(path)
            elif data == (self.stage / path).read_bytes():
                found.unchanged.append(path)
            elif intact(data):
                found.changed.append(path)
            else:
                found.foreign.append(path)
        return found

    def stale(self, folders: Iterable[str]) -> list[str]:
        """What an earlier export wrote into `folders` and nobody changed, and that is not written here."""
        there = (path for folder in folders for path in (self.target / folder).glob("[!.]*"))
        others = {
            path.relative_to(self.target).as_posix(): path
            for path in there
            if path.is_file() and not path.is_symlink()
        }
        return [path for path in sorted(others.keys() - self.paths) if intact(others[path].read_bytes())]

    def move(self, paths: Iterable[str]) -> None:
        """Put these files in their places."""
        for path in paths:
            there = self.target / path
            there.parent.mkdir(parents=True, exist_ok=True)
            (self.stage / path).replace(there)


def intact(data: bytes) -> bool:
    """Whether a file is as an export wrote it."""
    if not data.startswith(FIRST.encode()):
        return False
    *_, body = data.split(b"\n", 2)
    return data == _head(body) + body


def _head(body: bytes) -> bytes:
    return f"{FIRST}{_DIGEST}{hashlib.sha256(body).hexdigest()}\n".encode()
