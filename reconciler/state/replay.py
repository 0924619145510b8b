"""A snapshot and the journal that extends it, as one state; and what is said when they don't fit together.

A journal extends the snapshot of the serial it names. One of an older serial was folded in already.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.codec import parse_shared
from reconciler.errors import StateError
from reconciler.state.base import State, new_state
from reconciler.state.folding import fold
from reconciler.state.journal import Damaged, Journal, decode_journal
from reconciler.state.state_format import decode_state


@dataclass(frozen=True, slots=True)
class StorePlaces:
    """How messages call the two, and what they advise."""

    snapshot: str
    journal: str
    restore: str
    """A sentence: how the snapshot before this one comes back."""
    remove: str
    """How the journal goes away: ``move the journal away``."""


@dataclass(frozen=True, slots=True)
class JournalPart:
    """A piece of a journal, as it was kept: whole lines, and what messages call it."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class StoredState:
    """What is kept of a state: the snapshot, if there is one, and the journal that extends it."""

    snapshot: State | None
    journal: Journal | None

    @property
    def state(self) -> State:
        return fold(self.snapshot or new_state(), self.journal.events if self.journal else ())

    @property
    def whole(self) -> bool:
        """Whether a session may begin its own journal on the snapshot.

        Not what a crash left behind: only a session's own journal is appended to.
        """
        return self.journal is None and self.snapshot is not None and self.snapshot.server is not None


def snapshot_of(data: str | bytes | None, place: StorePlaces) -> State | None:
    """The snapshot in `data`, if there is one; StateError when it is none, or a newer reconciler's."""
    if data is None:
        return None
    try:
        text = data if isinstance(data, str) else data.decode(json.detect_encoding(data), "surrogatepass")
        del data
        return decode_state(parse_shared(text, "gateways"))
    except (ValueError, RecursionError) as error:
        raise StateError(
            f"the state {place.snapshot} is damaged: {error}",
            hint=f"{place.restore} If there is a journal, {place.remove}, too: it goes on from the damaged"
            " one. Or remove both, and start anew with `apply --adopt`.",
        ) from error
    except StateError as error:
        raise _named(place.snapshot, error) from error


def kept(snapshot: State | None, parts: Sequence[JournalPart], place: StorePlaces) -> StoredState:
    """What a snapshot and the parts of a journal say together; StateError when they can't be trusted."""
    journal = _decode_parts(parts, place)
    if journal is None or (snapshot and _follows(snapshot, journal)):
        return StoredState(snapshot, journal)
    if snapshot is None:
        raise StateError(
            f"{place.journal} is there, but the snapshot {place.snapshot} that it extends is not",
            hint=f"Put the snapshot back. {place.restore} Or {place.remove}, too, and start anew with"
            " `apply --adopt`.",
        )
    if snapshot.lineage == journal.lineage and journal.base < snapshot.serial:
        return StoredState(snapshot, None)
    raise StateError(
        f"{place.journal} extends another snapshot (serial {journal.base} of {journal.lineage}) than"
        f" {place.snapshot} is (serial {snapshot.serial} of {snapshot.lineage})",
        hint=f"Put the newer snapshot back, or {place.remove} to go on from this one: what was"
        " recorded since is then missing, and `apply --adopt` finds it again on the server.",
    )


def _follows(snapshot: State, journal: Journal) -> bool:
    return (journal.lineage, journal.base) == (snapshot.lineage, snapshot.serial)


def _decode_parts(parts: Sequence[JournalPart], place: StorePlaces) -> Journal | None:
    try:
        return decode_journal(b"".join(part.data for part in parts))
    except Damaged as error:
        whole = error.line - 1
        lines = "line" if whole == 1 else f"{whole} lines"
        only = f"keep only its first {lines}, or " if whole else ""
        raise StateError(
            f"{_place_of(error.line, parts)}: the journal of the state is damaged: {error}",
            hint=f"Put an intact copy back; or {only}{place.remove} to go on from the snapshot. What"
            " was recorded from that line on is then missing; `apply --adopt` finds it again.",
        ) from error
    except StateError as error:
        raise _named(place.journal, error) from error


def _named(name: str, error: StateError) -> StateError:
    """A newer reconciler's state, and where it is."""
    return StateError(f"{name}: {error.message}", hint=error.hint)


def _place_of(line: int, parts: Sequence[JournalPart]) -> str:
    """``part:line:column`` of a line of the whole journal."""
    *before, last = parts
    for part in before:
        if line <= (count := part.data.count(b"\n")):
            return f"{part.name}:{line}:1"
        line -= count
    return f"{last.name}:{line}:1"
