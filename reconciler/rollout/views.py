"""Where rollouts stand, as plans keep it and reports show it.

Tests: `tests/rollout/test_rollout_stage.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model import DesiredRollout, Place, ResourceId, RolloutStatus
from reconciler.rollout.gate import Decision, Wait


class WavePhase(StrEnum):
    """Where a wave stands."""

    PASSED = "passed"
    OPEN = "open"
    OPENS = "opens"
    """By this look."""
    LATER = "later"


@dataclass(frozen=True, slots=True)
class WaveView:
    """One wave, counted. Times are epoch milliseconds."""

    name: str
    """Its name."""
    gateways: int
    """How many are in it."""
    entered: int = 0
    """Of those: how many are in the campaign."""
    done: int = 0
    """How many are done."""
    failed: int = 0
    """How many failed."""
    idle: int = 0
    """How many have not begun."""
    refused: int = 0
    """How many the server will not take."""
    phase: WavePhase = WavePhase.LATER
    """Where it stands."""
    not_before: int | None = None
    """When it can open at the earliest; None: it is open, or nobody knows."""
    approval: bool = False
    """Whether it still wants a person's word."""
    expected: int | None = None
    """When it is expected to open, by a rehearsal; None: nobody knows."""
    soak: int = 0
    """How long it soaks once its gate is met, milliseconds."""
    approved: bool = False
    """It wants a person's word, and that was given."""


@dataclass(frozen=True, slots=True)
class RolloutView:
    """Where one rollout stands. Times are epoch milliseconds."""

    resource: ResourceId
    """Whose rollout it is."""
    policy: str
    """The name of its policy."""
    status: RolloutStatus
    """Whether it goes on."""
    total: int
    """Declared gateways."""
    entered: int
    """Of those: how many are in."""
    joins: int = 0
    """How many this look releases."""
    failed: int = 0
    """How many of them failed, except for those that a person forgave."""
    all_failed: int = 0
    """How many members failed in all, declared or not."""
    wave: int = 0
    """The wave that is open, from 1 on; 0: none yet."""
    opens: int = 0
    """The wave that this look opens; 0: none."""
    why: str = ""
    """Why it does not go on."""
    by: str = ""
    """Whose word that was."""
    at: int = 0
    """Since when."""
    reached: int | None = None
    """Since when the gate is met."""
    since: int = 0
    """When its last wave opened on a running campaign; 0: it doesn't run yet."""
    waves: tuple[WaveView, ...] = ()
    """Its waves, in order."""
    waits: tuple[Wait, ...] = ()
    """What it waits for."""
    next_look: int | None = None
    """When a look may find something else; None: when a device or a person does something."""
    ends: int | None = None
    """When it can be complete at the earliest."""
    open_until: int | None = None
    """When the calendar closes for somebody who joins now; None: it doesn't."""
    stops: bool = False
    """Its policy stops the campaign now: it is aborted, or a freeze holds."""
    changed: bool = False
    """What it rolls out was changed while gateways are in: the edit waits for a person."""
    with_before: int = 0
    """How many are done with what was there before that change."""
    moves: int = 0
    """Of those that this look releases: how many come from an earlier revision."""
    earlier: int = 0
    """Declared gateways that stay in earlier revisions, with the packages of those, until their wave."""
    place: Place | None = None
    """Where it is declared."""
    now: int = 0
    """When that was so."""
    zone: str = ""
    """The zone in which its calendars are read, where that is one for all; empty: none is."""
    expected_end: int | None = None
    """When it is expected to be complete, by a rehearsal; None: nobody knows."""
    checks: tuple[str, ...] = ()
    """Those that an apply asks before the next wave opens; empty: this look has asked them."""

    @property
    def aborted(self) -> bool:
        """Whether it stands aborted."""
        return self.status is RolloutStatus.ABORTED

    @property
    def where(self) -> str:
        """``wave 3 of 5 (10%)``."""
        at = self.opens or self.wave
        if not at:
            return f"none of {len(self.waves)} waves"
        # A plan file may say anything.
        name = f" ({self.waves[at - 1].name})" if 0 < at <= len(self.waves) else ""
        return f"wave {at} of {len(self.waves)}{name}"


def wave_views(
    wish: DesiredRollout,
    decision: Decision,
    earliest: Sequence[int | None],
    expected: Sequence[int | None],
) -> Iterator[WaveView]:
    """Every wave of a rollout; `earliest` is its `forecast`, `expected` when they open by a rehearsal."""
    opened = decision.record.wave
    passed = opened - (0 if decision.record.status is RolloutStatus.COMPLETE else 1)
    for number, (wave, tally) in enumerate(zip(wish.waves, decision.tallies, strict=True), start=1):
        if number == decision.opens:
            phase = WavePhase.OPENS
        elif number <= opened:
            phase = WavePhase.PASSED if number <= passed else WavePhase.OPEN
        else:
            phase = WavePhase.LATER
        given = wish.approved >= number or any(each.wave == number for each in decision.record.promoted)
        yield WaveView(
            wave.name,
            tally.total,
            tally.entered,
            tally.done,
            tally.failed,
            tally.idle,
            tally.refused,
            phase,
            earliest[number - 1],
            wave.approval and number > opened and not given,
            expected[number - 1] if number > opened else None,
            wave.soak,
            wave.approval and given,
        )
