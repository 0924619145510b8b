"""A log whose lines hold on to each other: none is changed, lost, added or moved without a break.

A line is JSON with sorted keys and without blanks. ``number`` is its place in the log, from 1 on; ``hash`` is
the SHA-256 of the line without it; ``previous`` is the ``hash`` of the line before, null in the first one.
``run`` counts the runs that wrote. A log that is cut off after a whole line shows no break: for that a hash
is noted elsewhere.

A line that a crash cut short stays where it is. The line after it has the type ``torn``, says what stands
there, and goes on from the last whole line.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from json.encoder import encode_basestring_ascii as _quoted

from reconciler.errors import StateError
from reconciler.model import Json

TORN = "torn"
"""The type of the line that follows one that was cut short."""

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
_SIZE = 32
"""Bytes of a hash."""


@dataclass(frozen=True, slots=True)
class ChainLink:
    """What the next line goes on from: the last line's number, run and hash."""

    number: int = 0
    run: int = 0
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A line that is whole and has its own hash; whether it stands where it belongs is another question."""

    link: ChainLink
    previous: str | None
    data: Mapping[str, Json]
    """What stands in it, except for its hash."""

    def follows(self, tail: ChainLink, steps: int = 1) -> bool:
        """Whether it belongs `steps` places behind `tail`."""
        return (self.link.number, self.previous) == (tail.number + steps, tail.hash)


def encode(data: Mapping[str, Json], after: ChainLink, *, run: int) -> tuple[str, ChainLink]:
    """The line of `data` after the one that `after` stands for, and its own link."""
    return _form(tuple(data)).line(data, after, run=run)


def link_of(tail: str | None) -> ChainLink:
    """What the line after the last one goes on from; StateError when `tail` isn't as it was written."""
    if tail is None:
        return ChainLink()
    if entry := decode(tail):
        return entry.link
    raise StateError(
        "the last line of the audit log isn't as it was written, so nothing can go on from it",
        hint="`reconciler audit verify` says where it breaks. Find out why, and keep the log; once that is"
        " moved away, the next run begins a new one.",
    )


def torn_line(rest: bytes, after: ChainLink) -> str:
    """The line that says that `rest`, behind the line of `after`, was cut short."""
    data: dict[str, Json] = {"type": TORN, TORN: _torn(rest)}
    # A line that was cut short has a number, too: numbers are positions in the file.
    line, _ = _form(tuple(data)).numbered(data, after.hash, number=after.number + 2, run=after.run)
    return line


def decode(line: str) -> AuditEntry | None:
    """A line by itself; None when it isn't what `encode` makes."""
    try:
        data: Json = json.loads(line)
        if not isinstance(data, dict) or canonical(data) != line:
            return None
    except (ValueError, RecursionError):
        return None
    match data:
        case {"hash": str(own), "number": int(number), "previous": None | str() as previous, "run": int(run)}:
            body = {name: value for name, value in data.items() if name != "hash"}
            if own == _hash(canonical(body)):
                return AuditEntry(ChainLink(number, run, own), previous, body)
    return None


class Fault(StrEnum):
    """What is wrong with a line."""

    CHANGED = "changed"
    LOST = "lost"
    ADDED = "added"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Break:
    """The first line, from 1 on, that isn't as it was written; ``why`` in words."""

    line: int
    fault: Fault
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found. ``last`` is the hash that the next line goes on from; None of an empty log."""

    lines: int = 0
    last: str | None = None
    torn: tuple[int, ...] = ()
    """Lines that a crash cut short, and that a later line owns up to."""
    broken: Break | None = None
    noted: int | None = None
    """The line whose hash was asked for."""


class ChainVerifier:
    """Gives the lines of a log on as entries, in order, and holds them against each other on the way.

    Behind a break it still gives what is intact by itself. ``verdict`` is whole once all are read.
    """

    def __init__(self, lines: Iterable[str], *, expect: str | None = None) -> None:
        self._lines = iter(lines)
        self._expect = expect
        self._ahead: deque[str] = deque()
        self._tail = ChainLink()
        self._torn: list[int] = []
        self._noted: int | None = None
        self._suspect: _Suspect | None = None
        self._read = 0
        self._hashes = bytearray()
        """Of all lines so far; none of one that was cut short."""

    def __iter__(self) -> Iterator[AuditEntry]:
        while (line := self._next()) is not None:
            entry = decode(line)
            if self._suspect is not None:
                self._suspect.look(entry, self._read)
            elif entry is not None and entry.follows(self._tail):
                self._go_on(entry.link)
            elif entry is None and (owned := self._owned_up(line)):
                self._torn.append(self._read)
                self._hashes += bytes(_SIZE)
                self._go_on(owned.link)
                self._next()
                entry = owned
            else:
                twice = entry is not None and self._stood(entry.link)
                self._suspect = _Suspect(self._read, entry, self._tail, twice=twice)
            if entry is not None:
                yield entry

    @property
    def verdict(self) -> Verdict:
        """What the lines that were read so far are worth."""
        broken = self._suspect.named() if self._suspect else None
        return Verdict(self._read, self._tail.hash, tuple(self._torn), broken, self._noted)

    def _go_on(self, link: ChainLink) -> None:
        self._tail = link
        self._hashes += _digest(link)
        if link.hash == self._expect:
            self._noted = link.number

    def _stood(self, link: ChainLink) -> bool:
        """Whether that line has already stood in its place."""
        at = (link.number - 1) * _SIZE
        return self._hashes[at : at + _SIZE] == _digest(link)

    def _next(self) -> str | None:
        line = self._ahead.popleft() if self._ahead else next(self._lines, None)
        self._read += line is not None
        return line

    def _owned_up(self, line: str) -> AuditEntry | None:
        """The line after `line`, when it says that `line` was cut short."""
        following = next(self._lines, None)
        if following is None:
            return None
        self._ahead.append(following)
        entry = decode(following)
        rest = line.encode("utf-8", "surrogateescape")
        if entry is None or not entry.follows(self._tail, 2) or entry.data.get(TORN) != _torn(rest):
            return None
        return entry


def verify(lines: Iterable[str], *, expect: str | None = None) -> Verdict:
    """Whether `lines` are as they were written, and where the line with the hash `expect` stands."""
    verifier = ChainVerifier(lines, expect=expect)
    deque(verifier, maxlen=0)
    return verifier.verdict


class _Suspect:
    """The first line that doesn't go on from the one before; what comes after it tells why."""

    def __init__(self, place: int, entry: AuditEntry | None, tail: ChainLink, *, twice: bool) -> None:
        self._place = place
        self._entry = entry
        self._tail = tail
        self._twice = twice
        self._belongs: int | None = None

    def look(self, entry: AuditEntry | None, place: int) -> None:
        """Is this the line that belongs where the suspect stands?"""
        if self._belongs is None and entry is not None and entry.follows(self._tail):
            self._belongs = place

    def named(self) -> Break:
        place, entry, belongs = self._place, self._entry, self._belongs
        number = entry.link.number if entry else 0
        if belongs is not None and number > place:
            why = f"line {number} stands here, and what belongs here stands at line {belongs}"
            return Break(place, Fault.MOVED, why)
        if belongs is not None:
            return Break(place, Fault.ADDED, f"what belongs here stands at line {belongs}")
        if entry is None:
            return Break(place, Fault.CHANGED, "it isn't what was written: it was changed, or cut short")
        if number > place:
            many = f"lines {place} to {number - 1}" if number - 1 > place else f"line {place}"
            return Break(place, Fault.LOST, f"{many} should stand before line {number}, which stands here")
        if self._twice:
            return Break(place, Fault.ADDED, f"it is line {number} once more")
        if number < place:
            return Break(number, Fault.ADDED, f"line {place} says that it is line {number}")
        if place == 1:
            return Break(place, Fault.CHANGED, "it goes on from a line that isn't there")
        return Break(place - 1, Fault.CHANGED, f"line {place} goes on from another one than stands here now")


def canonical(value: Json) -> str:
    """JSON as a line of the log has it: one spelling of one value, in ASCII."""
    return _CANONICAL.encode(value)


class LineForm:
    """Lines that all say `same`, which is encoded once; each has values of its own for `names`."""

    def __init__(self, same: Mapping[str, Json], names: Iterable[str]) -> None:
        told = {*names, "number", "previous", "run"}
        fields = sorted(told.union(same))
        # In two parts: the hash is made of both and written between them.
        at = bisect_left(fields, "hash")
        self._before, self._behind = (
            [name for name in part if name in told] for part in (fields[:at], fields[at:])
        )
        texts = [
            f"{_quoted(name)}:".replace("%", "%%")
            + ("%s" if name in told else _text(same[name]).replace("%", "%%"))
            for name in fields
        ]
        self._first = "".join(f"{text}," for text in texts[:at])
        self._last = ",".join(texts[at:])

    def line(self, data: Mapping[str, Json], after: ChainLink, *, run: int) -> tuple[str, ChainLink]:
        """See `encode`; `data` has a value for each name."""
        return self.numbered(data, after.hash, number=after.number + 1, run=run)

    def numbered(
        self, data: Mapping[str, Json], previous: str | None, *, number: int, run: int
    ) -> tuple[str, ChainLink]:
        """The same, where the number isn't that of the next line."""
        body: dict[str, Json] = {**data, "number": number, "previous": previous, "run": run}
        first = self._first % tuple([_text(body[name]) for name in self._before])
        last = self._last % tuple([_text(body[name]) for name in self._behind])
        own = _hash(f"{{{first}{last}}}")
        return f'{{{first}"hash":"{own}",{last}}}', ChainLink(number, run, own)


@lru_cache(maxsize=64)
def _form(names: tuple[str, ...]) -> LineForm:
    """Lines that have nothing in common but their names."""
    return LineForm({}, names)


def _text(value: Json) -> str:
    """As `canonical`: what most of a line is made of goes past the encoder, which is made anew each time."""
    if type(value) is str:
        return _quoted(value)
    if type(value) is int:
        return repr(value)
    if isinstance(value, tuple | list):
        return f"[{','.join(map(_text, value))}]"
    return canonical(value)


def _hash(body: str) -> str:
    return sha256(body.encode()).hexdigest()


def _digest(link: ChainLink) -> bytes:
    return bytes.fromhex(link.hash or "")


def _torn(rest: bytes) -> dict[str, Json]:
    return {"bytes": len(rest), "sha256": sha256(rest).hexdigest()}
