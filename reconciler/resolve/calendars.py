"""Calendars: when gateways may be released.

Tests: `tests/resolve/test_resolve_rollouts.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from reconciler.loading.referenced_files import Problem
from reconciler.model import GATEWAY_ZONE, Calendar, DailyWindow, Freeze, OneFreeze, YearlyFreeze
from reconciler.resolve.source import ResourceSource
from reconciler.resolve.times import parse_time, parse_zone
from reconciler.text import quoted

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def resolve_calendar(source: ResourceSource) -> Calendar | None:
    """The calendar of a document; None when its zone isn't known. Each wrong window or freeze is left out."""
    name = str(source.spec.get("timezone", ""))
    zone = None if name == GATEWAY_ZONE else parse_zone(name)
    if isinstance(zone, Problem):
        if name:
            source.problem(zone, source.place("timezone"))
        return None
    windows = tuple(_windows(source)) if "windows" in source.spec else None
    if windows == () and not source.spec["windows"]:
        message = "the calendar has an empty list of windows, so it is never open"
        hint = "add a window, or leave `windows` out: then it is open except for its freezes"
        source.warning("never-open", message, source.place("windows"), hint)
    return Calendar(
        source.identity.name, name, windows, tuple(_freezes(source, zone)), source.document.place(())
    )


def _windows(source: ResourceSource) -> Iterator[DailyWindow]:
    for index, item in enumerate(source.spec["windows"]):
        if "from" not in item or "to" not in item:
            continue
        begin, end = _minute(item["from"]), _minute(item["to"])
        if begin == end:
            message = f"the window begins and ends at {item['from']}, so it is empty"
            hint = 'write from "00:00" to "24:00" for a whole day'
            source.error("window-empty", message, source.place("windows", index, "to"), hint)
            continue
        days = frozenset(DAYS.index(str(day)) for day in item.get("days", DAYS))
        yield DailyWindow(begin, end, days)


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _freezes(source: ResourceSource, zone: ZoneInfo | None) -> Iterator[Freeze]:
    for index, item in enumerate(source.spec.get("freezes", ())):
        name = str(item.get("name", ""))
        if "yearly" in item:
            first, last = (_day(source, index, key) for key in ("from", "to"))
            if first and last:
                yield YearlyFreeze(first, last, name)
            continue
        begin, end = (_instant(source, index, item, key, zone) for key in ("begin", "end"))
        if begin is None or end is None:
            continue
        if end <= begin:
            message = f"the freeze ends {'when' if end == begin else 'before'} it begins"
            place = source.place("freezes", index, "end")
            source.error("freeze-backwards", message, place, "the end must be after the begin")
            continue
        yield OneFreeze(begin, end, name)


def _instant(source: ResourceSource, index: int, item: Any, key: str, zone: ZoneInfo | None) -> int | None:
    if key not in item:
        return None
    instant = parse_time(str(item[key]), zone)
    if not isinstance(instant, Problem):
        return instant
    if instant.code == "time-without-zone":
        hint = "add an offset (Z, +02:00) to the time: this calendar is read in the zone of each gateway"
        instant = Problem(instant.code, instant.message, hint)
    source.problem(instant, source.place("freezes", index, key))
    return None


def _day(source: ResourceSource, index: int, key: str) -> tuple[int, int] | None:
    text = source.spec["freezes"][index]["yearly"].get(key)
    if text is None:
        return None
    month, day = map(int, text.split("-"))
    if day > _LENGTHS[month - 1]:
        place = source.place("freezes", index, "yearly", key)
        source.error("time-format", f"there is no day {quoted(text)}", place, "write month and day: 12-18")
        return None
    return month, day
