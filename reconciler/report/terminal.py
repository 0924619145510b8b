"""What a terminal shows: colours, widths in columns, and lines that are drawn again in their place."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TextIO


class Tone(StrEnum):
    """What a colour means; the value is its ANSI code."""

    ERROR = "31"
    WARNING = "33"
    GOOD = "32"
    STRONG = "1"
    QUIET = "2"


Paint = Callable[[str, Tone], str]


def plain(text: str, tone: Tone) -> str:
    """No colour."""
    del tone
    return text


def ansi(text: str, tone: Tone) -> str:
    """Colour for a terminal."""
    return f"\x1b[{tone.value}m{text}\x1b[0m"


def painter(colour: bool) -> Paint:
    """The paint to use."""
    return ansi if colour else plain


def columns(text: str) -> int:
    """How many columns `text` takes; wide letters take two, and marks above a letter none."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    width = wcswidth(text)
    return width if width >= 0 else len(text)


def padded(text: str, width: int) -> str:
    """`text`, and blanks up to `width` columns."""
    return text + " " * (width - columns(text))


Size = Callable[[], tuple[int, int]]
"""Columns and rows of the terminal."""

_ESCAPE = re.compile(r"(\x1b\[[0-9;]*m)")
_OFF = "\x1b[0m"
ANEW = "\r\x1b[K"
"""The line on which the cursor stands is empty, and it stands at its begin."""


class Screen:
    """Draws on `stream`, a terminal. What doesn't fit is cut while it is redrawn, and whole at the end."""

    def __init__(self, stream: TextIO, size: Size) -> None:
        self._stream = stream
        self._size = size
        self._drawn = 0

    def show(self, lines: Sequence[str]) -> None:
        """Draw `lines` over those that were drawn before."""
        width, height = self._size()
        room = max(height - 1, 1)
        shown = [clipped(line, width) for line in lines[:room]]
        if len(lines) > room:
            shown[-1] = clipped(f"… {len(lines) - room + 1:,} more lines", width)
        self._write(shown)
        self._drawn = len(shown)

    def end(self, lines: Sequence[str]) -> None:
        """Leave `lines` on the terminal, whole."""
        self._write(lines)
        self._drawn = 0

    def forget(self) -> None:
        """Whatever was drawn stays; the next is drawn below it."""
        self._drawn = 0

    def _write(self, lines: Sequence[str]) -> None:
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        self._stream.write("".join([up, "\r\x1b[J", *(f"{line}\n" for line in lines)]))
        self._stream.flush()


def clipped(line: str, width: int) -> str:
    """`line` in at most `width` columns; colours end where it is cut."""
    parts, left = [], width
    for part in _ESCAPE.split(line):
        if part.startswith("\x1b["):
            parts.append(part)
            continue
        for character in part:
            left -= columns(character)
            if left < 0:
                return "".join(parts) + (_OFF if _ESCAPE.search(line) else "")
            parts.append(character)
    return "".join(parts)


def fitting(line: str, width: int) -> str:
    """`line` in at most `width` columns, with a sign where it is cut."""
    return line if columns(line) <= width else clipped(line, width - 1) + "…"
