"""Where a time on the wall stands among all instants: local times of a zone, doubled and skipped ones, too.

Instants are epoch milliseconds; local times are naive.

Tests: `tests/rollout/test_rollout_calendars.py`, `tests/resolve/test_resolve_times.py`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - arithmetic on local times, without any zone
MILLISECOND: Final = timedelta(milliseconds=1)
DAY_MINUTES: Final = 24 * 60
_SECOND: Final = timedelta(seconds=1)


def since_epoch(local: datetime, ahead: timedelta) -> int:
    """The instant at which clocks that are `ahead` of UTC read `local`."""
    return (local - EPOCH - ahead) // MILLISECOND


def ahead_of_utc(local: datetime, zone: ZoneInfo, fold: int) -> timedelta:
    """How far clocks that read `local` are ahead of UTC; of two readings, ``fold`` says which."""
    ahead = local.replace(tzinfo=zone, fold=fold).utcoffset()
    assert ahead is not None, "a ZoneInfo knows the offset of every time"
    return ahead


def change_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The first second in (low, high], UTC without tzinfo, at which the offset of `high` holds."""

    def ahead(instant: datetime) -> timedelta | None:
        return instant.replace(tzinfo=UTC).astimezone(zone).utcoffset()

    after = ahead(high)
    while high - low > _SECOND:
        middle = low + (high - low) // timedelta(seconds=2) * _SECOND
        low, high = (low, middle) if ahead(middle) == after else (middle, high)
    return high.replace(microsecond=0)


@lru_cache(maxsize=4096)
def reading(day: date, minute: int, zone: ZoneInfo, *, last: bool = False) -> int:
    """The first (or last) instant at which clocks in `zone` read `minute` of `day`; 1440 is its end.

    A time that clocks skip is the instant after the gap.
    """
    local = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    first, second = (ahead_of_utc(local, zone, fold) for fold in (0, 1))
    if first < second:  # in a gap: with fold 0 the offset of before holds, with fold 1 the one of after
        return since_epoch(change_between(local - second, local - first, zone), timedelta())
    return since_epoch(local, second if last else first)


def day_of(instant: int, zone: ZoneInfo) -> date:
    """Which day it is in `zone`."""
    return (EPOCH + instant * MILLISECOND).replace(tzinfo=UTC).astimezone(zone).date()
