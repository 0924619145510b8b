"""A snapshot and the journal that extends it: what they say together, and when they can't be trusted."""

import json
from dataclasses import replace

import pytest

from reconciler.errors import StateError
from reconciler.model import Server
from reconciler.state.base import Event, Intent, IntentNoted, State
from reconciler.state.journal import encode_line
from reconciler.state.leased import document_of
from reconciler.state.replay import JournalPart, StoredState, StorePlaces, kept, snapshot_of
from reconciler.state.state_format import encode_event
from tests.codec.state_sample import STATE

PLACE = StorePlaces("the-snapshot", "the-journal", "Restore it.", "remove the journal")
SNAPSHOT = State("mine", "5a17", 7, Server("pulse", "https://pulse.example.com"))


def noted(number: int) -> Event:
    return IntentNoted(Intent(f"Campaign/{number}", "name"))


def journal(count: int, lineage: str = "mine", base: int = 7) -> list[bytes]:
    lines, check = [], 0
    for number in range(count):
        line, check = encode_line([encode_event(noted(number))], lineage=lineage, base=base, check=check)
        lines.append(line)
    return lines


def parts(*sizes: int, lines: list[bytes] | None = None) -> list[JournalPart]:
    """A journal in pieces of so many lines."""
    left = journal(sum(sizes)) if lines is None else list(lines)
    found = []
    for number, size in enumerate(sizes):
        found.append(JournalPart(f"part-{number}", b"".join(left[:size])))
        left = left[size:]
    return found


@pytest.mark.parametrize(
    ("snapshot", "found", "intents", "whole"),
    [
        (None, [], 0, False),
        (SNAPSHOT, [], 0, True),
        (SNAPSHOT, [JournalPart("empty", b"")], 0, True),
        # A lock may be taken where nothing was recorded: then a server is missing.
        (replace(SNAPSHOT, server=None), [], 0, False),
        (SNAPSHOT, parts(3), 3, False),
        (SNAPSHOT, parts(1, 0, 2), 3, False),
        # It was folded in already.
        (SNAPSHOT, parts(2, lines=journal(2, base=6)), 0, True),
        (SNAPSHOT, parts(2, lines=journal(2, base=0)), 0, True),
    ],
)
def test_what_they_say_together(
    snapshot: State | None, found: list[JournalPart], intents: int, whole: bool
) -> None:
    stored = kept(snapshot, found, PLACE)
    assert (stored.whole, stored.snapshot) == (whole, snapshot)
    assert list(stored.state.intents) == [f"Campaign/{number}" for number in range(intents)]
    if snapshot:
        assert (stored.state.lineage, stored.state.serial) == ("mine", 7)


def test_where_nothing_is_each_state_is_a_new_one() -> None:
    assert StoredState(None, None).state.lineage != StoredState(None, None).state.lineage


@pytest.mark.parametrize(
    ("snapshot", "lines", "message", "hint"),
    [
        (
            None,
            journal(1),
            "the-journal is there, but the snapshot the-snapshot that it extends is not",
            "Put the snapshot back. Restore it. Or remove the journal, too, and start anew",
        ),
        (
            SNAPSHOT,
            journal(1, base=8),
            "the-journal extends another snapshot (serial 8 of mine) than the-snapshot is (serial 7 of mine)",
            "Put the newer snapshot back, or remove the journal to go on from this one",
        ),
        (
            SNAPSHOT,
            journal(1, lineage="other", base=6),
            "extends another snapshot (serial 6 of other) than the-snapshot is (serial 7 of mine)",
            "Put the newer snapshot back",
        ),
        (SNAPSHOT, journal(1, lineage="other"), "(serial 7 of other)", "Put the newer snapshot back"),
    ],
)
def test_what_does_not_fit_together(
    snapshot: State | None, lines: list[bytes], message: str, hint: str
) -> None:
    with pytest.raises(StateError) as caught:
        kept(snapshot, parts(1, lines=lines), PLACE)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("line", "place", "keep"),
    [
        (1, "part-0:1:1", "Put an intact copy back; or remove the journal to go on"),
        (2, "part-0:2:1", "or keep only its first line, or remove the journal to go on"),
        (3, "part-2:1:1", "or keep only its first 2 lines, or remove the journal to go on"),
        (5, "part-3:1:1", "or keep only its first 4 lines, or remove the journal to go on"),
    ],
)
def test_a_damaged_line_is_named_by_the_piece_that_it_is_in(line: int, place: str, keep: str) -> None:
    lines = journal(6)
    lines[line - 1] = lines[line - 1].replace(b"name", b"nome")
    with pytest.raises(StateError) as caught:
        kept(SNAPSHOT, parts(2, 0, 2, 2, lines=lines), PLACE)
    assert caught.value.message.startswith(f"{place}: the journal of the state is damaged: ")
    assert keep in (caught.value.hint or "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_snapshot_is_text(encoding: str) -> None:
    text = document_of(SNAPSHOT).decode()
    assert snapshot_of(text, PLACE) == SNAPSHOT
    if encoding != "utf-8-sig":
        assert snapshot_of(text.encode(encoding), PLACE) == SNAPSHOT
    assert snapshot_of(None, PLACE) is None


@pytest.mark.parametrize("data", [b"", b"{", "{", b"[]", b"\xff\xfe", b"[" * 100_000, b"{}"])
def test_what_is_no_snapshot(data: str | bytes) -> None:
    with pytest.raises(StateError) as caught:
        snapshot_of(data, PLACE)
    assert caught.value.message.startswith("the state the-snapshot is damaged: ")
    hint = "Restore it. If there is a journal, remove the journal, too: it goes on from the damaged one."
    assert (caught.value.hint or "").startswith(hint)


def test_a_newer_version_is_named_with_its_place() -> None:
    newer = json.loads(document_of(SNAPSHOT)) | {"formatVersion": 9}
    with pytest.raises(StateError, match=r"^the-snapshot: the state has format version 9") as caught:
        snapshot_of(json.dumps(newer), PLACE)
    assert "use that version or a later one" in (caught.value.hint or "")
    line, _ = encode_line([{"event": "thought-of-later"}], lineage="mine", base=7)
    with pytest.raises(StateError, match=r"^the-journal: .*'thought-of-later'") as caught:
        kept(SNAPSHOT, [JournalPart("part-0", line)], PLACE)
    assert "use that version or a later one" in (caught.value.hint or "")


def test_gateways_that_are_the_same_are_one_set() -> None:
    """Of a million of them there are a few sets, and not one for each window."""
    resource, owned = next((each, it) for each, it in STATE.campaigns.items() if it.members)
    windows = {"0/1": frozenset({"a", "b"}), "1/2": frozenset({"b", "a"})}
    members = {"schedules.download": windows, "schedules.execution": dict(windows)}
    state = replace(STATE, campaigns={resource: replace(owned, members=members)})
    found = snapshot_of(document_of(state), PLACE)
    assert found == state
    sets = [each for field in found.campaigns[resource].members.values() for each in field.values()]
    assert len({id(each) for each in sets}) == 1
