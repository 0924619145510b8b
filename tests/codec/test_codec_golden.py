"""The formats that others read, and that we wrote before: they stay what they are, to the byte."""

import json

from state_sample import EVENTS, LOCK, STATE

from reconciler.codec import parse, parse_shared
from reconciler.state.file import layout
from reconciler.state.journal import Journal, decode_journal, encode_line
from reconciler.state.leased import document_of
from reconciler.state.state_format import (
    EVENTS as NAMES,
)
from reconciler.state.state_format import (
    decode_lock,
    decode_state,
    encode_event,
    encode_lock,
    encode_state,
)
from tests.conftest import Golden


def test_a_snapshot(golden: Golden) -> None:
    text = layout(encode_state(STATE))
    golden("state.json", text)
    assert decode_state(parse_shared(text, "gateways")) == STATE
    assert list(decode_state(parse(text)).plans) == list(STATE.plans), "the oldest comes first"
    assert document_of(STATE) == json.dumps(json.loads(text), sort_keys=True).encode()


def test_a_journal(golden: Golden) -> None:
    lines, check = [], 0
    for event in EVENTS:
        line, check = encode_line([encode_event(event)], lineage=STATE.lineage, base=12, check=check)
        lines.append(line)
    data = b"".join(lines)
    golden("state.json.journal", data.decode())
    assert decode_journal(data) == Journal(STATE.lineage, 12, tuple(EVENTS))
    assert {encode_event(event)["event"] for event in EVENTS} == NAMES, "each event is here"


def test_a_lock(golden: Golden) -> None:
    text = json.dumps(encode_lock(LOCK)) + "\n"
    golden("state.json.lock", text)
    assert decode_lock(parse(text)) == LOCK
