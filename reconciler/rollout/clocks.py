"""What time it is for rollouts and calendars, where the clocks of two machines differ. Pure.

A clock that is wrong must open no calendar early and cut no soak short, so the earlier of both counts. One
that went back waits: a rollout never goes by a time before those in its record.

Tests: `tests/rollout/test_rollout_clocks.py`.
"""

from __future__ import annotations

from typing import Final

from reconciler.model import Desired, Finding, Severity
from reconciler.providers.base import ALIKE
from reconciler.text import duration

_SKEWED: Final = 300.0
"""Seconds, from which on a person should know."""


def earlier(now: int, ahead: float | None) -> int:
    """The earlier of two clocks: `now` of this machine (milliseconds), the server's being `ahead` of it by so
    many seconds; None: nobody knows."""
    return now if ahead is None or ahead > -ALIKE else max(0, now + round(ahead * 1000))


def skew(desired: Desired, ahead: float | None) -> tuple[Finding, ...]:
    """A warning where the clocks are far apart, and something of `desired` goes by them."""
    by_clock = any(campaign.rollout or campaign.calendars for campaign in desired.campaigns)
    if ahead is None or abs(ahead) <= _SKEWED or not by_clock:
        return ()
    which = "ahead of" if ahead > 0 else "behind"
    message = (
        f"the clock of the server is {duration(round(abs(ahead)))} {which} the one of this machine:"
        " rollouts and calendars go by the earlier of both"
    )
    hint = (
        "set the clock that is wrong (a simulated server is ahead on purpose);"
        " `reconciler doctor` tells how far they are apart"
    )
    return (Finding("clock-skew", message, hint=hint, severity=Severity.WARNING),)
