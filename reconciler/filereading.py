"""Reading a file whole that somebody else wrote: within bounds of size, and without waiting for ever.

What is too large, a device, or a pipe that nobody writes to is an OSError like any other, which whoever reads
files reports already.

Tests: `tests/loading/test_loading_walk.py`.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 64 << 20
"""How large a text may be that is read whole: three million gateway ids fit."""
PATIENCE: Final = 5.0
"""Seconds that a named pipe may say nothing: perhaps nobody writes to it, ever."""

_PIECE: Final = 1 << 20
_SMALL: Final = 1 << 12
"""Room for a small file, and for one that doesn't say how large it is."""


def read_whole(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of the file or pipe at `path`, at most `most` bytes; OSError when it can't be read."""
    # A named pipe would block the opening until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if stat.S_ISFIFO(status.st_mode):
            return _from_pipe(descriptor, path, most)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "It is a device or a socket, not a file", str(path))
        if status.st_size > most:
            raise _too_large(path, most)
        return _rest(descriptor, path, most, piece=status.st_size + 1)
    finally:
        os.close(descriptor)


def only_a_file(path: Path) -> None:
    """OSError when `path` is there and no regular file: whoever opens a pipe may wait for ever."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a folder says what it is
        raise OSError(errno.EINVAL, "It is a pipe, a device or a socket, not a file", str(path))


def _from_pipe(descriptor: int, path: Path, most: int) -> bytes:
    """All that is written to a pipe. One without a name has its writer already, which may take its time."""
    named = not os.path.realpath(path).startswith("/proc/")
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(PATIENCE * 1000 if named else None):
        raise OSError(errno.ETIMEDOUT, f"It is a pipe, and nobody wrote to it for {PATIENCE:g} s", str(path))
    os.set_blocking(descriptor, True)
    return _rest(descriptor, path, most)


def _rest(descriptor: int, path: Path, most: int, *, piece: int = _PIECE) -> bytes:
    """What is left to read; `piece`: bytes to read at once, as far as that is sensible."""
    pieces, total, size = [], 0, min(max(piece, _SMALL), _PIECE)
    while found := os.read(descriptor, size):
        total += len(found)
        if total > most:
            raise _too_large(path, most)
        pieces.append(found)
    return b"".join(pieces)


def _too_large(path: Path, most: int) -> OSError:
    size = f"{most >> 20:,} MiB" if most >= 1 << 20 else f"{most:,} bytes"
    return OSError(errno.EFBIG, f"It is larger than {size}", str(path))
