"""The audit log beside a state in a file: one line behind the other, and never taken back.

What a crash cut short stays where it is; the next line that is written comes behind one that says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from reconciler.audit.chain import decode, link_of, torn_line
from reconciler.state import durable
from reconciler.state.durable import explained

_BLOCK = 1 << 16


class AuditFile:
    """The log in the file `path`, for the one who holds the lock to write, for everybody to read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._end: tuple[bytes, str | None] | None = None
        """What has to be written before anything else, and the last line once that is there."""

    @property
    def tail(self) -> str | None:
        """See `Session.audit_tail`. StateError when the file can't be read, or ends in what nobody wrote."""
        return self._ended()[1]

    def append(self, lines: Sequence[str], *, sync: bool) -> None:
        """See `Session.audit`."""
        if not lines:
            return
        mending, _ = self._ended()
        data = mending + b"".join(b"%s\n" % _bytes(line) for line in lines)
        self._end = None
        with explained("write the audit log", self._path):
            descriptor = self._opened()
            size = os.fstat(descriptor).st_size
            try:
                durable.append(descriptor, data, sync=sync)
            except OSError:
                # It was never reported as written, so it isn't part of the log yet.
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        self._end = b"", lines[-1]

    def lines(self) -> Iterator[str]:
        """See `StateStore.audit_lines`; also what a crash cut short, as a line of its own."""
        with (
            explained("read the audit log", self._path),
            suppress(FileNotFoundError),
            self._path.open("rb") as file,
        ):
            for line in file:
                yield _text(line.removesuffix(b"\n"))

    def close(self) -> None:
        """Let go of the file; nothing is left to write."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    def _opened(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            durable.sync_folder(self._path.parent)
        return self._descriptor

    def _ended(self) -> tuple[bytes, str | None]:
        if self._end is None:
            with explained("read the audit log", self._path):
                whole, rest = _last(self._path)
            self._end = _mended(whole, rest)
        return self._end


def _mended(whole: str | None, rest: bytes) -> tuple[bytes, str | None]:
    """What makes a file whole that ends in the line `whole` and then, without a line end, in `rest`."""
    if not rest:
        return b"", whole
    if decode(text := _text(rest)):
        return b"\n", text
    owns_up = torn_line(rest, link_of(whole))
    return b"\n%s\n" % _bytes(owns_up), owns_up


def _last(path: Path) -> tuple[str | None, bytes]:
    """The last line that has its end, and what stands behind that; not more is read than it takes."""
    data = b""
    with suppress(FileNotFoundError), path.open("rb") as file:
        start = file.seek(0, os.SEEK_END)
        while start and data.count(b"\n") < 2:
            block = min(start, _BLOCK)
            start = file.seek(start - block)
            data = file.read(block) + data
    *lines, rest = data.split(b"\n")
    return _text(lines[-1]) if lines else None, rest


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


def _bytes(line: str) -> bytes:
    return line.encode("utf-8", "surrogateescape")
