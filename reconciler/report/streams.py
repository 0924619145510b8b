"""Streams for people and pipes: what can't be said is dropped, for telling changes nothing of what is done.

Tests: `tests/e2e/test_e2e_telling.py`.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TextIO

_NOBODY: Final = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EIO})
"""Whoever read has gone: a pipe, a socket, a terminal."""


class Dropping:
    """`stream`, which raises nothing: from its first fault on, all that is written to it is dropped.

    ``lost`` is that fault.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lost: OSError | ValueError | None = None

    @property
    def wanted(self) -> bool:
        """Whether something was lost that somebody still waits for, as where a disk is full."""
        return self.lost is not None and getattr(self.lost, "errno", None) not in _NOBODY

    def write(self, text: str) -> int:
        """Write `text`, or drop it."""
        if self.lost is not None and type(text) is str:
            return len(text)
        try:
            return self.stream.write(text)
        except UnicodeError:
            raise
        except (OSError, ValueError) as error:
            self._drop(error)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Send what is still here."""
        if self.lost is None:
            try:
                self.stream.flush()
            except (OSError, ValueError) as error:
                self._drop(error)

    def _drop(self, error: OSError | ValueError) -> None:
        self.lost = error
        silence(self.stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def silence(stream: TextIO) -> None:
    """Send what is still buffered nowhere, so that the interpreter doesn't complain at its end."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)


def open_descriptors() -> None:
    """Descriptors 0 to 2 that were closed at the start lead nowhere.

    Else the next file that is opened, as a state, would get their number, and whatever is written to stderr.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


@contextmanager
def told() -> Iterator[tuple[Dropping, Dropping]]:
    """stdout and stderr that drop what can't be said, for as long as the block runs."""
    before = sys.stdout, sys.stderr
    out, err = map(Dropping, before)
    for stream in before:
        # A name that the terminal's encoding lacks is no reason to fail.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = out, err
    try:
        yield out, err
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before
