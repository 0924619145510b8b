"""What may be on the server without being shown yet.

Tests: `tests/apply/test_apply_doubt.py`, `tests/observe/test_observe_doubt.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Missing(StrEnum):
    """Why something is looked for that wasn't found."""

    MAY_BE_MADE = "may-be-made"
    """It was asked for, and no answer says whether it was made."""
    JUST_MADE = "just-made"
    """The server gave its id a moment ago, or lists it, and doesn't answer for it."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """``what`` is looked for, for at most so many seconds: a resource, or a file."""

    what: str
    why: Missing
    seconds: float


OnDoubt = Callable[[Doubt], None]


def unheard(doubt: Doubt) -> None:
    """Nobody is told."""
