"""When waves open: at the earliest, and, by a rehearsal, about when. Pure; times are epoch milliseconds.

The earliest takes updates as instant: it is a bound. What is expected rests on how long devices took in a
rehearsal, and is never before that.

Tests: `tests/rollout/test_rollout_forecast.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.model import DesiredRollout, RolloutRecord, RolloutStatus
from reconciler.rollout.calendars import opening
from reconciler.rollout.situation import Situation


@dataclass(frozen=True, slots=True)
class RehearsedPace:
    """How long the waves of a rollout took in a rehearsal."""

    waves: tuple[str, ...]
    """Their names, in order."""
    took: tuple[int | None, ...]
    """Milliseconds from a wave's opening until it met its gate; None: it never did, or nobody was in it."""

    def fits(self, wish: DesiredRollout) -> bool:
        """Whether it is of these waves."""
        return self.waves == tuple(wave.name for wave in wish.waves)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a rehearsal lets one expect; None where nobody knows."""

    openings: tuple[int | None, ...]
    """When each wave opens that isn't open."""
    end: int | None = None
    """When the rollout is complete."""


def forecast(wish: DesiredRollout, record: RolloutRecord, seen: Situation) -> Sequence[int | None]:
    """When each wave that isn't open can open at the earliest, updates taken as instant."""
    at: int | None = seen.now
    begun = record.wave > 0 or bool(seen.entered)
    if record.status is not RolloutStatus.PROGRESSING or wish.paused or (seen.before and not begun):
        at = None  # a person decides, or others come first
    elif record.wave:
        at = (record.reached or seen.now) + wish.waves[record.wave - 1].soak
    found: list[int | None] = []
    for number, (wave, size) in enumerate(zip(wish.waves, seen.waves.sizes, strict=True), start=1):
        if number <= record.wave or at is None or not size:
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
    last = max((n for n, size in enumerate(seen.waves.sizes) if size), default=None)
    if last is None:
        return None
    if last < record.wave:
        return (record.reached or seen.now) + wish.waves[last].soak
    opens = earliest[last]
    return None if opens is None else opens + wish.waves[last].soak


def expected(
    wish: DesiredRollout, record: RolloutRecord, seen: Situation, pace: RehearsedPace | None
) -> Expected:
    """When waves open if devices are as quick as in a rehearsal. Nothing is expected of a person's word."""
    nothing: tuple[int | None, ...] = (None,) * len(wish.waves)
    begun = record.wave > 0 or bool(seen.entered)
    stands = record.status is not RolloutStatus.PROGRESSING or wish.paused or wish.behind or wish.way_back
    if pace is None or not pace.fits(wish) or stands or record.edited or (seen.before and not begun):
        return Expected(nothing)
    at: int | None = seen.now
    if record.wave:
        at = _met(wish, record, seen, pace)
    openings = list(nothing)
    for number, (wave, size) in enumerate(zip(wish.waves, seen.waves.sizes, strict=True), start=1):
        if number <= record.wave or not size:
            continue
        waits = wave.approval and wish.approved < number and not _promoted(record, number)
        if at is None or waits:
            return Expected(tuple(openings))
        at = openings[number - 1] = _opens(wish, max(at, seen.now))
        took = pace.took[number - 1]
        at = None if at is None or took is None else at + took + wave.soak
    return Expected(tuple(openings), at)


def _met(wish: DesiredRollout, record: RolloutRecord, seen: Situation, pace: RehearsedPace) -> int | None:
    """When the wave that is open has met its gate and soaked."""
    soak = wish.waves[record.wave - 1].soak
    if record.reached is not None:
        return record.reached + soak
    took = pace.took[record.wave - 1]
    return None if took is None else max(seen.now, (record.since or seen.now) + took) + soak


def _promoted(record: RolloutRecord, number: int) -> bool:
    return any(each.wave == number for each in record.promoted)


def _opens(wish: DesiredRollout, at: int) -> int | None:
    """The first instant from `at` on at which some gateway may join."""
    from zoneinfo import ZoneInfo

    zones = list(wish.zones) or ["UTC"]
    told = [opening(wish.calendars, ZoneInfo(zone), at) for zone in zones]
    if any(each.open for each in told):
        return at
    return min((each.opens for each in told if each.opens is not None), default=None)
