"""Looks that are over.

Tests: `tests/controller/test_controller_web.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LookResult(StrEnum):
    """How a look ended."""

    APPLIED = "applied"
    NOTHING = "nothing"
    """Everything is as declared."""
    WAITING = "waiting"
    """What remains waits for a time, for devices or for a person."""
    PARTLY = "partly"
    FAILED = "failed"
    GUARD = "guard"
    ABORTED = "aborted"
    NOT_OURS = "not-ours"
    STANDBY = "standby"
    """Somebody else held the lock."""

    @property
    def well(self) -> bool:
        """Whether the server was read, and all that was to be sent went through."""
        return self not in (LookResult.PARTLY, LookResult.FAILED, LookResult.STANDBY)


@dataclass(frozen=True, slots=True)
class PastLook:
    """A look that is over."""

    at: int
    """When it began."""
    seconds: float
    """How long it took."""
    result: LookResult
    """How it ended."""
    steps: int = 0
    """Calls of its plan that were sent."""
    why: str = ""
    """Why it failed; of a standby, who held the lock."""
