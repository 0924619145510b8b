"""What `calendar show` answers.

Tests: `tests/cli/test_cli_calendar.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from reconciler.model import Calendar, OneFreeze, Window, YearlyFreeze
from reconciler.report.command_answers import Answer
from reconciler.report.table import table
from reconciler.report.terminal import Paint
from reconciler.rollout.calendars import Opening
from reconciler.text import clean


def calendar_shown(calendar: Calendar, found: Sequence[Window], now: Opening, zone: ZoneInfo) -> Answer:
    """The windows, as clocks in `zone` read them, and in UTC."""

    def lines(paint: Paint) -> Iterator[str]:
        yield f"Calendar/{clean(calendar.name)}: {_now(now, zone)}"
        rows = [
            (_wall(each.begin, zone), _wall(each.end, zone), _wall(each.begin, ZoneInfo("UTC")))
            for each in found
        ]
        if rows:
            yield from table((f"OPENS ({zone.key})", "CLOSES", "OPENS (UTC)"), rows, paint)
        for freeze in calendar.freezes:
            match freeze:
                case OneFreeze():
                    what = f"{_wall(freeze.begin, zone)} to {_wall(freeze.end, zone)}"
                case YearlyFreeze():
                    what = f"each year from {_day(freeze.first)} to {_day(freeze.last)}"
            yield f"freeze{f' {clean(freeze.name)}' if freeze.name else ''}: {what}"

    data = {
        "calendar": calendar.name,
        "timezone": zone.key,
        "open": now.open,
        "until": now.until,
        "opens": now.opens,
        "windows": [{"begin": each.begin, "end": each.end} for each in found],
    }
    return Answer(data, lines)


def _now(now: Opening, zone: ZoneInfo) -> str:
    if now.open:
        return f"open until {_wall(now.until, zone)}" if now.until is not None else "open"
    why = f" for the freeze {clean(now.frozen)}" if now.frozen else ""
    opens = f", opens {_wall(now.opens, zone)}" if now.opens is not None else ", and does not open"
    return f"closed{why}{opens}"


def _wall(instant: int, zone: ZoneInfo) -> str:
    there = datetime.fromtimestamp(instant / 1000, UTC).astimezone(zone)
    return there.strftime("%a %d %b %Y %H:%M")


def _day(day: tuple[int, int]) -> str:
    return f"{day[0]:02}-{day[1]:02}"
