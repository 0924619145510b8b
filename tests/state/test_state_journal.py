"""The lines of a journal, and what becomes of those that are not whole."""

import json
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from state_strategies import journals

from reconciler.codec import JsonObject
from reconciler.errors import StateError
from reconciler.model import Kind, ResourceId
from reconciler.state.base import (
    CampaignOwned,
    Event,
    FieldApplied,
    Intent,
    IntentNoted,
    Origin,
    Owned,
    new_state,
)
from reconciler.state.file import layout
from reconciler.state.folding import fold
from reconciler.state.journal import Damaged, Journal, decode_journal, encode_line
from reconciler.state.leased import document_of
from reconciler.state.state_format import encode_event, encode_state

CAMPAIGN = ResourceId(Kind.CAMPAIGN, "line-3")
NOTED: list[Event] = [IntentNoted(Intent(f"Campaign/{number}", "näme\u2028")) for number in range(4)]


def lines_of(calls: list[list[Event]], lineage: str = "l", base: int = 3) -> list[bytes]:
    lines, check = [], 0
    for call in calls:
        line, check = encode_line(list(map(encode_event, call)), lineage=lineage, base=base, check=check)
        lines.append(line)
    return lines


WHOLE = lines_of([[event] for event in NOTED])


def line_of(entry: object, check: int = 0) -> bytes:
    """An intact line of anything at all."""
    body = json.dumps(entry).encode()[1:]
    return b'{"check": "%08x", %s\n' % (crc32(body, check), body)


@given(st.lists(journals.filter(bool), max_size=4), st.integers(0, 2**70), st.text(max_size=3))
def test_a_journal_survives(calls: list[list[Event]], base: int, lineage: str) -> None:
    data = b"".join(lines_of(calls, lineage, base))
    told = tuple(event for call in calls for event in call)
    assert decode_journal(data) == (Journal(lineage, base, told) if calls else None)


def test_each_line_is_json_of_one_line() -> None:
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in WHOLE)
    entry = json.loads(WHOLE[1])
    assert list(entry) == ["check", "version", "lineage", "base", "events"]
    assert entry["events"] == [encode_event(NOTED[1])]


def test_a_last_line_torn_at_any_byte_is_dropped() -> None:
    before, last = b"".join(WHOLE[:-1]), WHOLE[-1]
    for end in range(len(last) - 1):
        assert decode_journal(before + last[:end]) == Journal("l", 3, tuple(NOTED[:-1])), end
    # Only the line feed is missing: everything is there.
    assert decode_journal(before + last[:-1]) == Journal("l", 3, tuple(NOTED))


def test_a_lost_power_may_leave_zeros_behind() -> None:
    assert decode_journal(WHOLE[0] + b"\0" * 512) == Journal("l", 3, tuple(NOTED[:1]))
    assert decode_journal(b"\0" * 512) is None


@given(st.integers(0, len(b"".join(WHOLE[:-1])) - 1), st.integers(1, 255))
def test_a_changed_byte_in_any_other_line_is_noticed(at: int, change: int) -> None:
    data = bytearray(b"".join(WHOLE))
    data[at] ^= change
    with pytest.raises(Damaged) as caught:
        decode_journal(bytes(data))
    changed = b"".join(WHOLE)[:at].count(b"\n") + 1
    assert caught.value.line == changed


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ([1, 2, 3], 1),
        ([0, 2, 3], 2),
        ([0, 2, 1, 3], 2),
        ([0, 0, 1, 2, 3], 2),
    ],
    ids=["first lost", "one lost", "two swapped", "one twice"],
)
def test_lines_that_are_lost_or_moved_are_noticed(lines: list[int], line: int) -> None:
    with pytest.raises(Damaged, match="changed, or a line before it is missing") as caught:
        decode_journal(b"".join(WHOLE[number] for number in lines))
    assert caught.value.line == line


def test_lines_of_two_journals_are_noticed() -> None:
    one, check = encode_line([encode_event(NOTED[0])], lineage="l", base=3)
    two, _ = encode_line([encode_event(NOTED[1])], lineage="l", base=4, check=check)
    with pytest.raises(Damaged, match="another snapshot") as caught:
        decode_journal(one + two)
    assert caught.value.line == 2


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_json_is_never_written(number: float) -> None:
    """Nobody could read it again."""
    event = FieldApplied(CAMPAIGN, "settings", number)
    with pytest.raises(ValueError, match="JSON compliant"):
        encode_line([encode_event(event)], lineage="l", base=3)
    owned = CampaignOwned(Owned(CAMPAIGN, "c-1", Origin.CREATED, applied={"settings": number}))
    state = fold(new_state(), [owned])
    with pytest.raises(ValueError, match="JSON compliant"):
        document_of(state)
    with pytest.raises(ValueError, match="JSON compliant"):
        layout(encode_state(state))


WRONG: dict[str, JsonObject] = {
    "nothing in it": {},
    "no events": {"version": 1, "lineage": "l", "base": 1},
    "events that are none": {"version": 1, "lineage": "l", "base": 1, "events": [{"event": "status-set"}]},
    "a version in words": {"version": "1", "lineage": "l", "base": 1, "events": []},
    "a lineage that is none": {"version": 1, "lineage": 1, "base": 1, "events": []},
    "a base in words": {"version": 1, "lineage": "l", "base": "1", "events": []},
    "no list of events": {"version": 1, "lineage": "l", "base": 1, "events": {}},
    "an old version": {"version": 0, "lineage": "l", "base": 1, "events": [{"event": "status-set"}]},
}


@pytest.mark.parametrize("entry", WRONG.values(), ids=WRONG)
def test_an_intact_line_of_another_shape_is_damage(entry: JsonObject) -> None:
    with pytest.raises(Damaged):
        decode_journal(line_of(entry))


def test_a_line_of_a_newer_reconciler_is_refused_as_such() -> None:
    entry = {"version": 99, "lineage": "l", "base": 1, "events": [{"event": "new"}]}
    with pytest.raises(StateError, match="format version 99"):
        decode_journal(line_of(entry))
