"""The lines of a journal: what was recorded since a snapshot, one line a call.

A line is JSON: ``{"check": "1f0c…", "version": 1, "lineage": …, "base": 7, "events": […]}``. ``base`` is the
serial of the snapshot that it extends: a journal whose snapshot has moved on was folded into it. ``check``
is a CRC-32 over the rest of the line that goes on from the line before, so a line that was changed, lost
or moved is noticed. A last line without its end is what a killed process leaves behind: it was never
reported as recorded, and is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from reconciler.codec import JsonObject, Malformed, parse
from reconciler.state.base import FORMAT_VERSION, Event
from reconciler.state.state_format import decode_event

_ENCODE = json.JSONEncoder(allow_nan=False).encode
_HEAD = b'{"check": "'
_BODY_AT = len(_HEAD) + len('01234567", ')


class Damaged(ValueError):
    """A line that isn't what was written; ``line`` counts from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


@dataclass(frozen=True, slots=True)
class Journal:
    """What was recorded since the snapshot with the serial ``base``."""

    lineage: str
    base: int
    events: tuple[Event, ...]


def encode_line(
    events: Sequence[JsonObject], *, lineage: str, base: int, check: int = 0
) -> tuple[bytes, int]:
    """A line of `events`, and its check, which the line after it takes as `check`."""
    entry = {"version": FORMAT_VERSION, "lineage": lineage, "base": base, "events": events}
    body = _ENCODE(entry).encode()[1:]
    check = crc32(body, check)
    return b'%s%08x", %s\n' % (_HEAD, check, body), check


def decode_journal(data: bytes) -> Journal | None:
    """The inverse, over all lines; None when there is not one whole line.

    Damaged when a line other than a torn last one isn't what was written; StateError when a newer
    reconciler wrote it.
    """
    *lines, rest = data.split(b"\n")
    check = 0
    first: tuple[str, int] | None = None
    events: list[Event] = []
    for number, line in enumerate([*lines, rest], 1):
        last = number > len(lines)
        if last and _check_of(line, check) is None:
            break
        if (followed := _check_of(line, check)) is None:
            raise Damaged(number, "it was changed, or a line before it is missing")
        check = followed
        lineage, base, found = _decode_line(line, number)
        if first not in (None, (lineage, base)):
            raise Damaged(number, "it belongs to another snapshot than the line before it")
        first = (lineage, base)
        events += found
    return Journal(*first, tuple(events)) if first else None


def _check_of(line: bytes, check: int) -> int | None:
    """The check of an intact `line` that follows a line with `check`; None when it isn't intact."""
    found = crc32(line[_BODY_AT:], check)
    return found if line[:_BODY_AT] == b'%s%08x", ' % (_HEAD, found) else None


def _decode_line(line: bytes, number: int) -> tuple[str, int, list[Event]]:
    """Lineage, base and events of an intact line."""
    try:
        match parse(line):
            case {
                "version": int(version),
                "lineage": str(lineage),
                "base": int(base),
                "events": list(events),
            }:
                return lineage, base, [decode_event(event, version) for event in events]
        raise Malformed("it lacks version, lineage, base or events")
    except (ValueError, RecursionError) as error:
        raise Damaged(number, str(error)) from error
