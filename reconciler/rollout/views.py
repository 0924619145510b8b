"""Where rollouts stand, as plans keep it and reports show it; and when waves can open at the earliest.

Tests: `tests/rollout/test_rollout_stage.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model import DesiredRollout, Place, ResourceId, RolloutRecord, RolloutStatus
from reconciler.rollout.calendars import opening
from reconciler.rollout.gate import Decision, Situation, Wait


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
    """How many of them failed, but for those that a person forgave."""
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
    wish: DesiredRollout, decision: Decision, earliest: Sequence[int | None]
) -> Iterator[WaveView]:
    """Every wave of a rollout; `earliest` is its `forecast`."""
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
        )


def forecast(wish: DesiredRollout, record: RolloutRecord, seen: Situation) -> Sequence[int | None]:
    """When each wave that isn't open can open at the earliest, updates taken as instant."""
    at: int | None = seen.now
    begun = record.wave > 0 or bool(seen.entered)
    if record.status is not RolloutStatus.PROGRESSING or wish.paused or (seen.before and not begun):
        at = None  # a person decides, or others come first
    elif record.wave:
        at = (record.reached or seen.now) + wish.waves[record.wave - 1].soak
    found: list[int | None] = []
    for number, (wave, members) in enumerate(zip(wish.waves, seen.waves, strict=True), start=1):
        if number <= record.wave or at is None or not members:
            found.append(None)
            continue
        at = _opens(wish, max(at, seen.now))
        found.append(at)
        at = None if at is None else at + wave.soak
    return found


def ends(
    wish: DesiredRollout, record: RolloutRecord, seen: Situation, earliest: Sequence[int | None]
) -> int | None:
    """When the last wave can have soaked at the earliest; None where nobody knows, or it is over.

    `earliest` is its `forecast`.
    """
    if record.status is not RolloutStatus.PROGRESSING or wish.paused:
        return None
    last = max((n for n, members in enumerate(seen.waves) if members), default=None)
    if last is None:
        return None
    if last < record.wave:
        return (record.reached or seen.now) + wish.waves[last].soak
    opens = earliest[last]
    return None if opens is None else opens + wish.waves[last].soak


def _opens(wish: DesiredRollout, at: int) -> int | None:
    """The first instant from `at` on at which some gateway may join."""
    from zoneinfo import ZoneInfo

    zones = list(wish.zones) or ["UTC"]
    told = [opening(wish.calendars, ZoneInfo(zone), at) for zone in zones]
    if any(each.open for each in told):
        return at
    return min((each.opens for each in told if each.opens is not None), default=None)
