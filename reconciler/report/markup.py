"""Pieces of Markdown that hold texts of others: there a pipe, a tag or an ``@mention`` is just text.

Tests: `tests/report/test_report_markdown.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from reconciler.text import clean, cut, first_lines, plural

RESERVE: Final = 600
"""Characters that are kept free for the lines that say what was left out."""
LONGEST: Final = 240
"""Characters of a code span."""
BLOCK: Final = 6_000
"""Characters of a fenced block."""


class MarkdownPage:
    """Pieces of text that together stay below a number of characters."""

    def __init__(self, limit: int) -> None:
        self._left = limit - RESERVE
        self._kept = RESERVE
        self._pieces: list[str] = []

    def add(self, piece: str) -> bool:
        """Add `piece` and a line break, unless it is too long for what is left."""
        if len(piece) + 1 > self._left:
            return False
        self._left -= len(piece) + 1
        self._pieces.append(piece)
        return True

    def fill(self, pieces: Iterable[str]) -> int:
        """Add pieces up to the first that doesn't fit; how many were added."""
        added = 0
        for piece in pieces:
            if not self.add(piece):
                break
            added += 1
        return added

    def keep(self, characters: int) -> None:
        """Keep room for so much more at the end."""
        self._left -= characters + 1
        self._kept += characters + 1

    def end(self, piece: str) -> None:
        """Add a last short `piece`, for which room is kept."""
        self._left += self._kept
        self._kept = 0
        if piece:
            self.add(piece)

    def __str__(self) -> str:
        return "\n".join(self._pieces) + "\n"


def listed(lines: Sequence[str], most: int, bullet: str = "- ") -> str:
    return "\n".join([*first_lines(lines, most, bullet), ""])


def fenced(lines: Sequence[str], language: str, limit: int, noun: str) -> str:
    """A block in which nothing is markup, cut at `limit` characters."""
    shown: list[str] = []
    left = limit
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            shown.append(f"and {plural(len(lines) - len(shown), f'more {noun}')}")
            break
        shown.append(line)
    fence = "`" * max(3, _backticks("\n".join(shown)) + 1)
    return "\n".join([f"{fence}{language}", *shown, fence, ""])


def _backticks(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def code_span(text: str, *, table: bool = False, limit: int = LONGEST) -> str:
    """`text` as an inline code span, cut; in a table its pipes are escaped, which only tables understand."""
    inner = cut(clean(text), limit)
    fence = "`" * (_backticks(inner) + 1)
    if inner.startswith("`") or inner.endswith("`") or not inner.strip():
        inner = f" {inner} "
    if table:
        inner = inner.replace("|", "\\|")
    return f"{fence}{inner}{fence}"


def fenced_text(text: str, limit: int = BLOCK) -> str:
    """`text` of somebody else in a block in which nothing is markup, cut at `limit` characters."""
    return fenced([clean(line) for line in text.splitlines()], "text", limit, "line")
