"""What a look at a rollout sees, and what it decides: values.

Tests: `tests/rollout/test_rollout_gate.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model import RolloutRecord
from reconciler.model.waves import Waves
from reconciler.rollout.calendars import Opening
from reconciler.rollout.counts import Tally


class WaitFor(StrEnum):
    """What a rollout waits for."""

    SUCCESS = "success"
    SOAK = "soak"
    APPROVAL = "approval"
    CALENDAR = "calendar"
    CHECK = "check"
    BUDGET = "budget"
    PAUSED = "paused"
    PAUSED_IN_GIT = "paused-in-git"
    ABORTED = "aborted"
    HELD = "held"
    NOT_RUNNING = "not-running"
    STILL_RUNS = "still-runs"
    """For the campaign that it is the way back from: that has to stop before."""
    WAY_BACK = "way-back"
    """For the way back from it, which is under way."""
    AFTER = "after"
    """For campaigns that come before it."""
    APPLY = "apply"
    """For something else of the campaign, which only a reviewed apply sends."""


class CheckVerdict(StrEnum):
    """What a check answered."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """The answer of one check."""

    name: str
    verdict: CheckVerdict
    text: str = ""
    aborts: bool = True
    """Whether *fail* ends the rollout; it waits otherwise."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a rollout waits for, and until when; ``until`` None: unknown."""

    reason: WaitFor
    """What it waits for."""
    until: int | None = None
    """When the wait ends."""
    text: str = ""
    """Details."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a look knows."""

    now: int
    waves: Waves
    """The gateways of each wave, disjoint."""
    entered: frozenset[str]
    """Declared gateways that are members."""
    done: frozenset[str] = frozenset()
    """Of those: the ones that closed their work in this campaign."""
    failed: frozenset[str] = frozenset()
    """Of those, too."""
    idle: frozenset[str] = frozenset()
    """Of those, too."""
    forgiven: frozenset[str] = frozenset()
    """Failures that a person no longer counts."""
    refused: frozenset[str] = frozenset()
    """Ids that the server will not take; they are tried again when a wave opens."""
    running: bool = True
    """Whether the campaign runs."""
    held: bool = False
    """Stopped by a person."""
    stays: bool = False
    """Git wants it stopped."""
    before: str = ""
    """Which campaigns come before it and aren't complete yet; empty: none."""
    openings: Mapping[str, Opening] = field(default_factory=dict)
    """Zone → what the calendars say; ``""`` for gateways whose zone doesn't matter."""
    above: Mapping[str, Opening] = field(default_factory=dict)
    """The same of the project's calendars alone, which no promotion passes."""
    checks: Sequence[CheckAnswer] | None = None
    """None: nobody asked them."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one look decides."""

    record: RolloutRecord
    opens: int = 0
    """The wave that opens, from 1 on; 0: none."""
    release: frozenset[str] = frozenset()
    """Who joins now."""
    waits: tuple[Wait, ...] = ()
    tallies: tuple[Tally, ...] = ()
    left_out: int = 0
    """Idle gateways that a deadline no longer counts."""
    promoted: bool = False
    """The wave that opens passes the calendar of its policy, by a person's word."""
