"""Colour, when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


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
