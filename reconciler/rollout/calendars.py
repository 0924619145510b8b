"""When a calendar is open.

A window belongs to the day on which it begins: [B, E), B the first instant that reads its begin on that
day, E the first one from B on that reads its end, on the next day when the end isn't later. A time that
clocks skip is the instant after the gap. A freeze ends at the last instant that reads its end. Several
calendars: all must be open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from reconciler.model import Calendar, DailyWindow, Freeze, OneFreeze, Window, YearlyFreeze
from reconciler.walltime import DAY_MINUTES, day_of, reading

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAY: Final = 86_400_000
HORIZON: Final = 400 * DAY
"""Nobody looks further: every freeze of a year has been, and with it every window."""
_LOOKS: Final = (3 * DAY, 30 * DAY, HORIZON)


@dataclass(frozen=True, slots=True)
class Opening:
    """What calendars say at one instant."""

    open: bool
    until: int | None = None
    """When it closes, if it is open; None: not within `HORIZON`."""
    opens: int | None = None
    """When it opens, if it is closed; None: not within `HORIZON`."""
    frozen: str | None = None
    """The freeze that holds now, by its name; ``""`` when it has none."""
    closed: tuple[str, ...] = ()
    """The calendars that are closed, by their names."""


def opening(calendars: Sequence[Calendar], zone: ZoneInfo, now: int) -> Opening:
    """Whether all `calendars` are open at `now`, for gateways in `zone`, and when that changes."""
    return opening_everywhere(calendars, (zone,), now)


def opening_everywhere(calendars: Sequence[Calendar], zones: Iterable[ZoneInfo], now: int) -> Opening:
    """Whether all `calendars` are open at `now` in every one of `zones` at once, and when that changes."""
    return _told(tuple(calendars), tuple(zones), now)


@lru_cache(maxsize=256)
def _told(calendars: tuple[Calendar, ...], zones: tuple[ZoneInfo, ...], now: int) -> Opening:
    """Thousands of campaigns ask the same at one look."""
    asked = _asked(calendars, zones)
    if not asked:
        return Opening(True)
    frozen = next((name for calendar, zone in asked for name in _freezes_at(calendar, zone, now)), None)
    for look in _LOOKS:
        end = now + look
        stretch = next((each for each in _stretches(asked, now, end) if each.end > now), None)
        if stretch is None:
            continue
        if stretch.begin > now:
            return Opening(False, opens=stretch.begin, frozen=frozen, closed=_closed(asked, now))
        if stretch.end < end:
            return Opening(True, until=stretch.end)
        if look == HORIZON:
            return Opening(True)
    return Opening(False, frozen=frozen, closed=_closed(asked, now))


def openings(calendars: Sequence[Calendar], zones: Iterable[str], now: int) -> Mapping[str, Opening]:
    """Zone → what `calendars` say there at `now`; only ``""`` where the zone of a gateway doesn't matter."""
    from zoneinfo import ZoneInfo

    if any(calendar.of_gateways for calendar in calendars):
        return {zone: opening(calendars, ZoneInfo(zone), now) for zone in zones}
    return {"": opening(calendars, ZoneInfo("UTC"), now)}


def stretches(calendars: Sequence[Calendar], zone: ZoneInfo, begin: int, end: int) -> list[Window]:
    """When all `calendars` are open in [begin, end): disjoint and in order, cut at both ends."""
    return _stretches(_asked(calendars, (zone,)), begin, end)


_Asked = Sequence[tuple[Calendar, "ZoneInfo"]]
"""Calendars, and the zone in which each is read."""


def _asked(calendars: Sequence[Calendar], zones: Iterable[ZoneInfo]) -> _Asked:
    places = list(zones)
    return list(
        dict.fromkeys((calendar, zone_of(calendar, zone)) for calendar in calendars for zone in places)
    )


def _stretches(asked: _Asked, begin: int, end: int) -> list[Window]:
    found = [Window(begin, end)]
    for calendar, zone in asked:
        found = _common(found, _united(_open(calendar, zone, begin, end)))
    return found


def _closed(asked: _Asked, now: int) -> tuple[str, ...]:
    closed = (calendar.name for calendar, zone in asked if not _open(calendar, zone, now, now + 1))
    return tuple(dict.fromkeys(closed))


def windows(calendar: Calendar, zone: ZoneInfo, begin: int, end: int) -> list[Window]:
    """The windows of a calendar that end after `begin` and begin before `end`, whole; freezes are cut out.

    Of windows that overlap the later one begins when the earlier one ends.
    """
    # A window that passes a midnight began on the day before, and one before that may touch it.
    first, last = day_of(begin, zone) - timedelta(days=2), day_of(end, zone) + timedelta(days=2)
    margin = (reading(first, 0, zone), reading(last, 0, zone))
    found = _open(calendar, zone, *margin)
    return [each for each in found if each.end > begin and each.begin < end]


def zone_of(calendar: Calendar, own: ZoneInfo) -> ZoneInfo:
    """The zone in which its times are read, for gateways in the zone `own`."""
    from zoneinfo import ZoneInfo

    return own if calendar.of_gateways else ZoneInfo(calendar.zone)


def _open(calendar: Calendar, zone: ZoneInfo, begin: int, end: int) -> list[Window]:
    found = [Window(begin, end)]
    if calendar.windows is not None:
        found = _disjoint(sorted(_windows(calendar.windows, zone, begin, end)))
    for freeze in calendar.freezes:
        for frozen in _spans(freeze, zone, begin, end):
            found = [rest for each in found for rest in _without(each, frozen)]
    return _common(found, [Window(begin, end)])


def _windows(rules: Sequence[DailyWindow], zone: ZoneInfo, begin: int, end: int) -> Iterator[Window]:
    for day in _days(begin, end, zone):
        for rule in rules:
            if day.weekday() in rule.days:
                opens = reading(day, rule.begin, zone)
                later = rule.end if rule.end > rule.begin else rule.end + DAY_MINUTES
                closes = reading(day, later, zone)
                if opens < closes:
                    yield Window(opens, closes)


def _days(begin: int, end: int, zone: ZoneInfo) -> Iterator[date]:
    day, last = day_of(begin, zone) - timedelta(days=2), day_of(end, zone)
    while day <= last:
        yield day
        day += timedelta(days=1)


def _spans(freeze: Freeze, zone: ZoneInfo, begin: int, end: int) -> Iterator[Window]:
    match freeze:
        case OneFreeze():
            yield Window(freeze.begin, freeze.end)
        case YearlyFreeze():
            years = range(day_of(begin, zone).year - 1, day_of(end, zone).year + 1)
            for year in years:
                first = _day_in(year, freeze.first)
                last = _day_in(year + (freeze.last < freeze.first), freeze.last)
                yield Window(reading(first, 0, zone), reading(last, DAY_MINUTES, zone, last=True))


def _day_in(year: int, month_and_day: tuple[int, int]) -> date:
    """The 29th of February of a year that has none is the 28th."""
    try:
        return date(year, *month_and_day)
    except ValueError:
        return date(year, 2, 28)


def _freezes_at(calendar: Calendar, zone: ZoneInfo, now: int) -> Iterator[str]:
    for freeze in calendar.freezes:
        spans = _spans(freeze, zone, now, now)
        if any(each.begin <= now < each.end for each in spans):
            yield freeze.name


def _disjoint(found: Sequence[Window]) -> list[Window]:
    disjoint: list[Window] = []
    for each in found:
        begin = max(each.begin, disjoint[-1].end) if disjoint else each.begin
        if begin < each.end:
            disjoint.append(Window(begin, each.end))
    return disjoint


def _united(found: Sequence[Window]) -> list[Window]:
    """Windows that touch are one; they are disjoint and in order."""
    united: list[Window] = []
    for each in found:
        if united and each.begin == united[-1].end:
            united[-1] = Window(united[-1].begin, each.end)
        else:
            united.append(each)
    return united


def _without(window: Window, frozen: Window) -> Iterator[Window]:
    if frozen.end <= window.begin or window.end <= frozen.begin:
        yield window
        return
    if window.begin < frozen.begin:
        yield Window(window.begin, frozen.begin)
    if frozen.end < window.end:
        yield Window(frozen.end, window.end)


def _common(one: Sequence[Window], other: Sequence[Window]) -> list[Window]:
    """What stands in both; each disjoint and in order."""
    found: list[Window] = []
    at = start = 0
    while at < len(one) and start < len(other):
        begin, end = max(one[at].begin, other[start].begin), min(one[at].end, other[start].end)
        if begin < end:
            found.append(Window(begin, end))
        if one[at].end <= other[start].end:
            at += 1
        else:
            start += 1
    return found
