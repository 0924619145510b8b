"""Where rollouts stand, as plans keep it and reports show it.

Tests: `tests/rollout/test_rollout_stage.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model import DesiredRollout, Place, ResourceId, RolloutStatus
from reconciler.rollout.situation import Decision, Wait


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
    """How many of them are in the campaign."""
    done: int = 0
    """How many are done."""
    failed: int = 0
    """How many failed."""
    idle: int = 0
    """How many have not begun."""
    refused: int = 0
    """How many the server refuses."""
    phase: WavePhase = WavePhase.LATER
    """Its phase."""
    not_before: int | None = None
    """When it can open at the earliest; None: it is open, or this is unknown."""
    approval: bool = False
    """Whether it still needs an approval."""
    expected: int | None = None
    """When a rehearsal expects it to open; None: unknown."""
    soak: int = 0
    """How long it soaks once its gate is met, milliseconds."""
    approved: bool = False
    """It needed an approval, and has it."""


@dataclass(frozen=True, slots=True)
class RolloutView:
    """The progress of one rollout. Times are epoch milliseconds."""

    resource: ResourceId
    """The campaign of the rollout."""
    policy: str
    """The name of its policy."""
    status: RolloutStatus
    """Whether it goes on."""
    total: int
    """Declared gateways."""
    entered: int
    """How many of them are in."""
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
    """Who paused or aborted it."""
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
    """When another look may find a change; None: when a device or a person does something."""
    ends: int | None = None
    """When it can be complete at the earliest."""
    open_until: int | None = None
    """When the calendar closes for a gateway that joins now; None: it doesn't."""
    stops: bool = False
    """Its policy stops the campaign now: the rollout is aborted, or a freeze is in force."""
    changed: bool = False
    """What it rolls out was changed while gateways are in. The edit waits for a person."""
    with_before: int = 0
    """How many finished with what was there before that change."""
    moves: int = 0
    """How many of the gateways that this look lets in come from an earlier revision."""
    earlier: int = 0
    """Declared gateways that stay in earlier revisions, with the packages of those, until their wave."""
    place: Place | None = None
    """Where it is declared."""
    now: int = 0
    """The time of this view."""
    zone: str = ""
    """The time zone of its calendars, if they share one; empty: they don't."""
    expected_end: int | None = None
    """When a rehearsal expects it to be complete; None: unknown."""
    checks: tuple[str, ...] = ()
    """The checks that an apply asks before the next wave opens; empty: this look has asked them."""

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
