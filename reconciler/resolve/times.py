"""ISO 8601 to epoch milliseconds, and nothing that could mean two instants.

| written                            | zone      | is                                              |
|------------------------------------|-----------|-------------------------------------------------|
| 2024-05-01T22:00:00Z, …+02:00      | any       | that instant                                    |
| 2024-05-01 22:00                   | IANA name | that time in the zone                           |
| 2024-05-01 22:00                   | none      | refused: no zone                                |
| 2024-05-01                         | any       | refused: no time of day                         |
| 2024-03-31T02:30 (never happened)  | Berlin    | refused, with the instants beside the gap       |
| 2024-10-27T02:30 (happened twice)  | Berlin    | refused, with both instants                     |
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING

from reconciler.loading.referenced_files import Problem
from reconciler.text import did_you_mean, quoted
from reconciler.walltime import EPOCH, MILLISECOND, ahead_of_utc, change_between, since_epoch

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:[.,]([0-9]{1,3})0*)?"
    r"(?: ?([Zz]|([+-])([0-9]{2})(?::?([0-5][0-9]))?))?"
)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
EXAMPLE = "write it as 2024-05-01T22:00:00+02:00, or without the offset beside a timezone"
FORM = (
    "of ISO 8601, YYYY-MM-DDThh:mm is read, then if wanted :ss and .fff, then Z, +hh:mm, or nothing beside a "
    "timezone: 2024-05-01T22:00:00+02:00"
)

LAST = (datetime(9999, 12, 31, 23, 59, 59, 999_000) - EPOCH) // MILLISECOND  # noqa: DTZ001


def parse_time(text: str, zone: ZoneInfo | None) -> int | Problem:
    """The instant that `text` names, epoch milliseconds; a time without offset is local in `zone`."""
    match = TIME.fullmatch(text)
    if match is None:
        if DATE.fullmatch(text):
            return Problem(
                "time-format", f"{quoted(text)} is a day, not a time", f"add a time of day: {text}T00:00"
            )
        return Problem("time-format", f"{quoted(text)} is not a time in the form that is read here", FORM)
    date, clock, seconds, fraction, offset, sign, hours, minutes = match.groups()
    try:
        local = datetime.fromisoformat(f"{date}T{clock}{seconds or ':00'}.{(fraction or '0').ljust(3, '0')}")
        if offset is None:
            instant = _in_zone(text, local, zone)
        else:
            ahead = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
            if ahead >= timedelta(hours=24):
                return Problem("time-format", f"{quoted(text)} has an offset of a day or more", EXAMPLE)
            instant = since_epoch(local, -ahead if sign == "-" else ahead)
    except ValueError as error:
        return Problem("time-format", f"{quoted(text)} is not a time: {error}", EXAMPLE)
    if isinstance(instant, int) and not 0 <= instant <= LAST:
        return Problem("time-range", f"{quoted(text)} is out of range", "times go from 1970 to 9999, in UTC")
    return instant


def is_local(text: str) -> bool:
    """Whether a time has no offset, so that it needs a zone."""
    match = TIME.fullmatch(text)
    return match is not None and match[5] is None


UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def duration(text: object) -> int:
    """Milliseconds of ``30m``, which passed the schema."""
    return int(str(text)[:-1]) * UNITS[str(text)[-1]]


def parse_zone(name: str) -> ZoneInfo | Problem:
    """The IANA time zone of that name.

    Known are the names of the tz database only: files that a machine keeps beside it (``localtime``,
    ``right/…``) would mean something else elsewhere.
    """
    from zoneinfo import ZoneInfo

    if name in zone_names():
        return ZoneInfo(name)
    return Problem("unknown-timezone", f"there is no time zone {quoted(name)}", _zone_hint(name))


@cache
def zone_names() -> frozenset[str]:
    """The names of the tz database."""
    from importlib.resources import files

    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="ascii").split())


def _zone_hint(name: str) -> str:
    city = name.casefold().replace(" ", "_")
    for known in sorted(zone_names()):
        if known.rpartition("/")[2].casefold() == city:
            return f"did you mean {quoted(known)}?"
    return (
        did_you_mean(name, sorted(zone_names())) or "zones are called as in the tz database: `Europe/Berlin`"
    )


def _in_zone(text: str, local: datetime, zone: ZoneInfo | None) -> int | Problem:
    if zone is None:
        return Problem(
            "time-without-zone",
            f"{quoted(text)} doesn't say in which time zone",
            "add an offset (Z, +02:00) to the time, or a timezone to the schedule",
        )
    first, second = (ahead_of_utc(local, zone, fold) for fold in (0, 1))
    if first == second:
        return since_epoch(local, first)
    if first > second:
        both = " or ".join(_iso(local - ahead, zone) for ahead in (first, second))
        return Problem(
            "time-doubled",
            f"{quoted(text)} happens twice in {zone.key}: clocks are set back",
            f"write {both}",
        )
    # In a gap: with fold 0 the offset of before holds, with fold 1 the one of after.
    change = change_between(local - second, local - first, zone)
    before, after = _iso(change - timedelta(seconds=1), zone), _iso(change, zone)
    return Problem(
        "time-skipped",
        f"{quoted(text)} never happens in {zone.key}: clocks are set forward",
        f"write {before} (before the change) or {after} (after it)",
    )


def _iso(instant: datetime, zone: ZoneInfo) -> str:
    """An instant (UTC without tzinfo) as a time that `parse_time` takes and that is unambiguous."""
    there = instant.replace(tzinfo=UTC).astimezone(zone)
    ahead = there.utcoffset() or timedelta()
    # Offsets before 1972 may have seconds; ISO 8601 has none.
    there = there.astimezone(UTC if ahead % timedelta(minutes=1) else timezone(ahead))
    text = there.isoformat(timespec="milliseconds" if there.microsecond else "seconds")
    return text.replace("+00:00", "Z")
