"""What a rollout has to do, told a second time, from its description and from what files say.

Nothing here is the product's: who is in which wave, when a calendar is open and what ends a rollout are
counted anew, slowly and plainly, so that a soak doesn't repeat the product's own mistakes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NOBODY: frozenset[str] = frozenset()


# --- waves ---------------------------------------------------------------------------------------------


def line_up(gateways: Collection[str], seed: str) -> list[str]:
    """`gateways` in the order of the rollout."""
    key = blake2b(seed.encode(), digest_size=16).digest()
    return sorted(gateways, key=lambda each: (_hash(each, key), each))


def _hash(gateway: str, key: bytes) -> bytes:
    return blake2b(gateway.encode(), digest_size=8, key=key).digest()


def share_of(up_to: str | int, total: int) -> int:
    """How many of `total` it is: rounded up, and never more than there are."""
    if isinstance(up_to, int):
        return min(up_to, total)
    return ceil(Fraction(up_to.removesuffix("%")) * total / 100)


def waves_of(declared: Set[str], waves: Sequence[Mapping[str, Any]], seed: str) -> list[frozenset[str]]:
    """Who is in which wave, as the file declares `waves`."""
    found: list[frozenset[str]] = []
    for wave in waves:
        before = NOBODY.union(*found)
        meant = set(declared) & set(wave.get("gateways", declared))
        lacking = share_of(wave.get("upTo", "100%"), len(meant)) - len(meant & before)
        found.append(frozenset(line_up(meant - before, seed)[: max(0, lacking)]))
    return found


def level(waves: Sequence[Set[str]], entered: Set[str]) -> int:
    """How many leading waves are wholly in."""
    found = 0
    for number, wave in enumerate(waves, start=1):
        if not wave <= entered:
            break
        found = number if wave else found
    return found


# --- gates ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counted:
    """What the members of a campaign did; of declared ones only, failures that nobody has forgiven."""

    done: frozenset[str]
    failed: frozenset[str]


def is_met(group: Set[str], counted: Counted, gate: Mapping[str, Any]) -> bool:
    """Whether enough of `group` are done."""
    return bool(group) and len(group & counted.done) * 100 >= gate["minSuccessPercent"] * len(group)


def too_many_failed(counted: Counted, gate: Mapping[str, Any]) -> bool:
    """Whether more failed than the whole rollout may have."""
    return "maxFailed" in gate and len(counted.failed) > gate["maxFailed"]


def fails(group: Set[str], of: int, counted: Counted, gate: Mapping[str, Any]) -> bool:
    """Whether too large a share of `group`, which has `of` gateways, has failed."""
    most = gate.get("maxFailedPercent", 100 - gate["minSuccessPercent"])
    failed, done = len(group & counted.failed), len(group & counted.done)
    by_sample = failed + done >= gate["sample"] and failed * 100 > most * (failed + done)
    return by_sample or failed * 100 > most * of


# --- calendars -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Night:
    """A window of each of `days`, by the day on which it begins."""

    begin: str
    end: str
    days: tuple[str, ...] = DAYS


def wall(instant: int, zone: str) -> datetime:
    """What the clocks there read."""
    return datetime.fromtimestamp(instant / 1000, UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def is_open(instant: int, zone: str, night: Night) -> bool:
    """Whether `instant` is in a window there."""
    today = wall(instant, zone).date()
    days = (today + timedelta(days=by) for by in (-2, -1, 0, 1))
    return any(begin <= instant < end for day in days for begin, end in window_of(day, zone, night))


@lru_cache(maxsize=4096)
def window_of(day: date, zone: str, night: Night) -> tuple[tuple[int, int], ...]:
    """The window that begins on `day`, minute by minute: none where it has no length."""
    if DAYS[day.weekday()] not in night.days:
        return ()
    opens, closes = _clock(night.begin), _clock(night.end)
    begin = _first(_minutes(day, zone), zone, datetime.combine(day, datetime.min.time()) + opens)
    last = datetime.combine(day, datetime.min.time()) + closes
    if closes <= opens:
        last += timedelta(days=1)
    end = _first(range(begin, begin + 3 * DAY, MINUTE), zone, last)
    return ((begin, end),) if begin < end else ()


def _clock(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def _minutes(day: date, zone: str) -> range:
    noon = datetime.combine(day, datetime.min.time(), UTC)
    first = int(noon.timestamp() * 1000) - 15 * HOUR
    while wall(first, zone).date() < day:
        first += 15 * MINUTE
    while wall(first - MINUTE, zone).date() == day:
        first -= MINUTE
    return range(first, first + 3 * DAY, MINUTE)


def _first(instants: range, zone: str, reading: datetime) -> int:
    """The first of `instants` at which clocks read that, or have skipped it."""
    return next(instant for instant in instants if wall(instant, zone) >= reading)


def windows_of(zone: str, night: Night, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The windows that end after `begin` and begin before `end`, in order."""
    day = wall(begin, zone).date() - timedelta(days=2)
    while day <= wall(end, zone).date() + timedelta(days=1):
        yield from (each for each in window_of(day, zone, night) if each[1] > begin and each[0] < end)
        day += timedelta(days=1)
