"""Writing files so that they are there after a crash, and saying clearly why they can't be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from reconciler.errors import StateError
from reconciler.filereading import only_a_file

NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
"""Nobody may plant a link where we write, and have us write elsewhere."""

_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NOT_A_FOLDER = frozenset({errno.ENOTDIR, errno.EEXIST, errno.EISDIR})
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def explained(doing: str, path: Path) -> Iterator[None]:
    """Turns an OSError into a StateError: "can't `doing` `path`", why, and what to do about it."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"can't {doing} {path}: {error.strerror or error}", hint=_what_to_do(error.errno)
        ) from error


def _what_to_do(number: int | None) -> str:
    if number in _NOT_ALLOWED:
        return "Let this user read and write that file and its folder, or keep the state elsewhere (--state)."
    if number == errno.ELOOP:
        return "A link stands there, and links are not followed where we write: remove it."
    if number in _NOT_A_FOLDER:
        return (
            "A file stands in a folder's place, or the reverse: move it,"
            " or keep the state elsewhere (--state)."
        )
    if number in _NO_SPACE:
        return "Make room on that disk, then run the same command again."
    return "Fix that, or keep the state elsewhere (--state)."


def read_bytes(path: Path) -> bytes | None:
    """What is in the file; None when there is none."""
    with explained("read", path):
        try:
            with opened(path) as file:
                return file.read()
        except FileNotFoundError:
            return None


def opened(path: Path) -> BinaryIO:
    """The file at `path`, to be read; OSError for a link, a pipe or a device."""
    only_a_file(path)
    return os.fdopen(os.open(path, os.O_RDONLY | NOFOLLOW), "rb")


def make_folder(folder: Path) -> None:
    """`folder` and those above it that are missing, for nobody but this user."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        # Somebody else may make it at the same moment.
        each.mkdir(0o700, exist_ok=True)
        sync_folder(each.parent)


def replace(path: Path, data: bytes) -> None:
    """Writes the file `path` (mode 0600) whole or not at all, also when the machine loses power.

    The caller holds the lock that makes it the only writer, so the temporary name can be a fixed one, and
    what a killed process left under it is removed first, and so is a link, unfollowed.
    """
    temporary = _beside(path)
    _write_new(temporary, data)
    temporary.replace(path)
    sync_folder(path.parent)


def check_replaceable(path: Path) -> None:
    """OSError when `replace` would surely fail, or when `path` is read-only; leaves nothing behind."""
    if path.exists():
        # A rename doesn't ask whether the old file may be written; who made it read-only meant it. The
        # mode is asked, too, for root may write everything.
        if not os.access(path, os.W_OK) or not path.stat().st_mode & 0o222:
            raise PermissionError(errno.EACCES, "it is read-only", str(path))
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = _beside(path)
    _write_new(temporary, b"\n")
    temporary.unlink()


def sync_folder(folder: Path) -> None:
    """Makes names in `folder` durable: new ones, replaced ones, removed ones."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append(descriptor: int, data: bytes, *, sync: bool = True) -> None:
    """Writes all of `data`; durable on return, with `sync` also against the end of the machine."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    if sync:
        os.fsync(descriptor)


def _write_new(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW, 0o600)
    try:
        append(descriptor, data)
    finally:
        os.close(descriptor)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")
