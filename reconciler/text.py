"""How text for people reads: names, counts, lists, times; and what others said, made fit to be shown.

Nothing here knows what it speaks about, and nothing heavy is imported before it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import tzinfo

CONTROLS: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
"""Control characters, line separators and halves of characters, to stand in the brackets of a pattern: they
have no place in a name.
"""

INVISIBLE: Final = (
    r"\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    r"\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0001\U000e0020-\U000e007f"
    # No format characters by their category, and as invisible: fillers, selectors, the joiner of graphemes.
    r"\u034f\u115f\u1160\u17b4\u17b5\u2065\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
)
"""What nobody sees (Unicode category Cf and its like: zero width, soft hyphen, byte order mark,
direction), to stand in the brackets of a pattern: with it, one name looks like another.
"""
_JOINERS: Final = "\u200c\u200d\ufe0e\ufe0f"
"""Between letters of some scripts and in emoji they belong to the text."""

# --- what others said ------------------------------------------------------------------------------


_SECRET: Final = re.compile(
    r"passw|passphrase|\bpwd|secret|token|credential|(?:api|private|access|signing|encryption)[-_. ]?key",
    re.IGNORECASE,
)


def clean(text: str) -> str:
    """`text` on one line; what could steer a terminal is spelled out, as YAML spells it in double quotes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cut(text: str, most: int) -> str:
    """`text` in at most `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def printable(text: str, most: int = 60) -> str:
    """At most `most` characters of `text`, cleaned; for a value of unknown length."""
    return clean(cut(text, most))


def control_character(text: str) -> str | None:
    """``U+0007``: the first of `CONTROLS` in `text`; None where there is none."""
    from re import search

    found = search(f"[{CONTROLS}]", text)
    return f"U+{ord(found[0]):04X}" if found else None


def invisible_character(text: str, *, in_prose: bool = False) -> tuple[int, str] | None:
    """Where the first of `INVISIBLE` is in `text`, and ``U+200B``; None where there is none.

    `in_prose`: joiners behind a letter or sign that isn't ASCII are left alone, for people write them.
    """
    if text.isascii():
        return None
    from re import finditer

    for found in finditer(f"[{INVISIBLE}]", text):
        at = found.start()
        if in_prose and found[0] in _JOINERS and at and not text[at - 1].isascii():
            continue
        return at, f"U+{ord(found[0]):04X}"
    return None


def quoted(text: str) -> str:
    """A name in a sentence: printable, in backticks."""
    return f"`{printable(text)}`"


def excerpt(text: str, most: int) -> str:
    """Prose on one line, at most `most` characters; what isn't printable becomes a blank."""
    return cut(" ".join("".join(c if c.isprintable() else " " for c in text).split()), most)


# --- counts and lists --------------------------------------------------------------------------------


def smells_secret(name: str) -> bool:
    """Whether a value under a key of this name is likely to be a secret."""
    return _SECRET.search(name) is not None


def plural(count: int, noun: str, many: str | None = None) -> str:
    """``1 step``, ``2,000 steps``; `many` where that isn't `noun` with an s."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def and_more(count: int) -> str:
    """`` and 41 more``; nothing when there is no more."""
    return f" and {count:,} more" if count > 0 else ""


def first(names: Sequence[str], most: int, show: Callable[[str], str] = clean) -> str:
    """``a, b and 41 more``: the first `most` names, and how many more there are."""
    return ", ".join(map(show, names[:most])) + and_more(len(names) - most)


def first_lines(lines: Sequence[str], most: int, bullet: str = "") -> Iterator[str]:
    """The first `most` lines, and one that says how many more there are, behind `bullet`."""
    yield from lines[:most]
    if len(lines) > most:
        yield f"{bullet}and {len(lines) - most:,} more"


# --- what may have been meant ------------------------------------------------------------------------


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that was probably meant, upper and lower case alike."""
    from difflib import get_close_matches

    by_folded = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold()[:200], by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str], show: Callable[[str], str] = quoted) -> str | None:
    """``did you mean `packages`?``; None when nothing known is near."""
    near = nearest(word, known)
    return None if near is None else f"did you mean {show(near)}?"


def sentence(text: str) -> str:
    """`text` with a capital at its begin."""
    return text[:1].upper() + text[1:]


# --- times -------------------------------------------------------------------------------------------

_LAST: Final = 253_402_300_799_999
"""The last millisecond that a calendar has."""
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def timestamp(milliseconds: int | None) -> str:
    """``2027-01-10T21:00:00Z``, for columns, ``-`` for none; the number itself where no calendar has it."""
    return "-" if milliseconds is None else _utc(milliseconds, "%Y-%m-%dT%H:%M:%SZ")


def instant(milliseconds: int) -> str:
    """``2027-01-10T21:00:00Z``, with its milliseconds where it has some, as files say it."""
    text, part = timestamp(milliseconds), milliseconds % 1000
    return text.replace("Z", f".{part:03}Z") if part else text


def moment(milliseconds: int) -> str:
    """``2027-01-10 21:00:00 UTC``, for sentences; the number itself where no calendar has it."""
    return _utc(milliseconds, "%Y-%m-%d %H:%M:%S UTC")


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MINUTE: Final = 60_000
_NEAR: Final = 300 * 86_400_000
"""Milliseconds within which nobody asks which year is meant."""


def calendar_time(milliseconds: int, zone: str = "", now: int = 0) -> str:
    """``Thu 3 Dec 22:00 CET``, as people say times of a calendar; to the minute, never before what is meant.

    In `zone` (IANA), or, where there is none, in that of this machine. With the year where the time isn't
    near `now` (epoch milliseconds, as `milliseconds`).
    """
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    try:
        instant = datetime.fromtimestamp(-(-milliseconds // _MINUTE) * 60, UTC)
        found = instant.astimezone(ZoneInfo(zone) if zone else None)
    except (LookupError, OSError, ValueError, OverflowError):  # no such zone here, or no calendar has it
        return moment(milliseconds)
    year = "" if abs(milliseconds - now) < _NEAR else f" {found.year}"
    name = found.tzname() or ""
    if name[:1] in {"+", "-"}:  # a zone without letters: +0530, -03
        name = f"UTC{name[:3]}{':' if name[3:] else ''}{name[3:]}"
    date = f"{_DAYS[found.weekday()]} {found.day} {_MONTHS[found.month - 1]}{year}"
    return f"{date} {found.hour:02}:{found.minute:02} {name}".rstrip()


def span(milliseconds: int) -> str:
    """``3 h 12 m``: what is left, or how long; whole minutes, rounded up, the two largest units."""
    minutes = max(0, -(-milliseconds // _MINUTE))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "m")]
    said = [f"{count} {unit}" for count, unit in parts if count][:2]
    return " ".join(said) or "0 m"


def window(begin: int, end: int, timezone: str | None = None) -> str | None:
    """``2027-01-10 21:00 to 2027-01-11 05:00 UTC``, to the minute or as exact as it has to be.

    In a `timezone` (IANA): ``2027-01-10 22:00 to 2027-01-11 06:00 Europe/Berlin (21:00 to 05:00 UTC)``, with
    its dates where they are others. Epoch milliseconds; None for what is no window in a calendar.
    """
    from datetime import UTC

    if not 0 <= begin <= end <= _LAST:
        return None
    utc = [_clock(begin, UTC), _clock(end, UTC)]
    told = f"{' '.join(utc[0])} to {' '.join(utc[1])} UTC"
    if timezone is None or timezone in ("UTC", "Etc/UTC"):
        return told
    from zoneinfo import ZoneInfo

    try:
        zone = ZoneInfo(timezone)
        local = [_clock(begin, zone), _clock(end, zone)]
    except (LookupError, OSError, ValueError, OverflowError):  # no such zone here, or no calendar has it
        return told
    alike = all(here[0] == there[0] for here, there in zip(local, utc, strict=True))
    beside = f"{utc[0][1]} to {utc[1][1]} UTC" if alike else told
    return f"{' '.join(local[0])} to {' '.join(local[1])} {timezone} ({beside})"


def _clock(milliseconds: int, zone: tzinfo) -> tuple[str, str]:
    """Date and time in a zone."""
    from datetime import datetime, timedelta

    found = datetime.fromtimestamp(milliseconds // 1000, zone) + timedelta(milliseconds=milliseconds % 1000)
    precision = "minutes" if milliseconds % 60_000 == 0 else "auto"
    date, _, time = found.replace(tzinfo=None).isoformat(" ", precision).partition(" ")
    return date, time


def local_moment(seconds: float) -> str | None:
    """``2027-01-10 22:00:00+01:00``: here, for people of two time zones; None where no calendar has it."""
    from datetime import datetime

    try:
        return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")
    except (ValueError, OverflowError, OSError):
        return None


def duration(seconds: int) -> str:
    """``3 hours``: whole units of the largest kind that fits."""
    size, unit = next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])
    return plural(seconds // size, unit)


def _utc(milliseconds: int, form: str) -> str:
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime(form)
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)


def id_form(text: str) -> str:
    """What stays of an id however it is written: without case, and of a UUID the digits alone."""
    plain = text.strip().casefold().removeprefix("urn:uuid:").strip("{}")
    digits = plain.replace("-", "")
    return digits if len(digits) == 32 and re.fullmatch(r"[0-9a-f]{32}", digits) else plain
