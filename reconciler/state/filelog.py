"""The audit log beside a state in a file: one line behind the other, and never taken back.

What a crash cut short stays where it is; the next line that is written comes behind one that says so.

Tests: `tests/state/test_file_log.py`.
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
        self._held: list[str] = []
        """Lines that could not be written so far."""
        self._whole: int | None = None
        """Where the file ended before a write that failed and left something there."""

    @property
    def tail(self) -> str | None:
        """See `Session.audit_tail`. StateError when the file can't be read, or ends in what nobody wrote."""
        return self._held[-1] if self._held else self._ended()[1]

    def append(self, lines: Sequence[str], *, sync: bool) -> None:
        """See `Session.audit`."""
        self._held += lines
        if self._held:
            self._write(sync=sync)

    def close(self) -> None:
        """Let go of the file; what could not be written so far is tried once more."""
        try:
            self.append((), sync=True)
        finally:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = None

    def lines(self) -> Iterator[str]:
        """See `StateStore.audit_lines`; also what a crash cut short, as a line of its own."""
        with (
            explained("read the audit log", self._path),
            suppress(FileNotFoundError),
            durable.opened(self._path) as file,
        ):
            for line in file:
                yield _text(line.removesuffix(b"\n"))

    def _write(self, *, sync: bool) -> None:
        mending, _ = self._ended()
        data = mending + b"".join(b"%s\n" % _bytes(line) for line in self._held)
        with explained("write the audit log", self._path):
            descriptor = self._opened()
            if self._whole is not None:
                os.ftruncate(descriptor, self._whole)
            # If the append fails, its remains have to be cut off: nothing may be written behind them.
            self._whole = os.fstat(descriptor).st_size
            durable.append(descriptor, data, sync=sync)
        self._whole = None
        self._end = b"", self._held[-1]
        self._held.clear()

    def _opened(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | durable.NOFOLLOW, 0o600
            )
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
    with suppress(FileNotFoundError), durable.opened(path) as file:
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
