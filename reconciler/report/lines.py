"""Lines of text that know how to fit a terminal: words go on below words, rows of tables lose columns.

A line is a string as long as it is. Only who writes it knows how wide the terminal is, and asks for `fitted`.

Tests: `tests/report/test_report_lines.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Self

from reconciler.report.terminal import columns

_ESCAPE = re.compile(r"(\x1b\[[0-9;]*m)")
_BEGIN = re.compile(r"[ ]*(?:[-+~!→•] +)?")
_OFF = "\x1b[0m"
_STEP = 2


class Line(str):
    """A line; what is too long for the terminal goes on below its column `hang`."""

    hang: int

    def __new__(cls, text: str, hang: int) -> Self:
        made = super().__new__(cls, text)
        made.hang = hang
        return made

    def within(self, width: int) -> Iterator[str]:
        """The same in lines of `width` columns, as far as its words allow that."""
        return wrapped(self, width, self.hang)


def fitted(lines: Iterable[str], width: int | None) -> Iterator[str]:
    """`lines` for a terminal of `width` columns; None: as they are."""
    for line in lines:
        if width is None:
            yield line
        else:
            yield from line.within(width) if isinstance(line, Line) else wrapped(line, width)


def wrapped(line: str, width: int, hang: int | None = None) -> Iterator[str]:
    """`line` in lines of `width` columns, broken between words; a word that is longer stays whole.

    All but the first begin at column `hang`, where that leaves room: else, and without it, a little behind
    the beginning of the first.
    """
    if columns(bare(line)) <= width:
        yield line
        return
    begin = _BEGIN.match(bare(line))
    own = (begin.end() if begin else 0) + _STEP
    indent = " " * (hang if hang is not None and hang <= width // 2 else min(own, width // 2))
    # Words in their colours: a colour that goes on over a break is taken up again behind it.
    made, used, colour, blank = "", 0, "", ""
    empty = True
    for word, tone in _words(line):
        if not word.strip(" "):
            blank += word
            continue
        size = columns(word)
        if not empty and blank and used + len(blank) + size > width:
            yield made + (_OFF if colour else "")
            made, used, colour, blank = indent, len(indent), "", ""
        if tone != colour:
            made += _OFF if colour else ""
            # A blank between two words of one colour has that colour, any other has none.
            made += blank + tone
        else:
            made += blank
        made += word
        used += len(blank) + size
        colour, blank, empty = tone, "", False
    yield made + (_OFF if colour else "")


def bare(line: str) -> str:
    """`line` without its colours."""
    return _ESCAPE.sub("", line) if "\x1b" in line else line


def _words(line: str) -> Iterator[tuple[str, str]]:
    """Words and the blanks between them, each with the colour that it has."""
    colour = ""
    for part in _ESCAPE.split(line):
        if part.startswith("\x1b["):
            colour = "" if part == _OFF else part
            continue
        for piece in re.findall(r" +|[^ ]+", part):
            yield piece, colour
