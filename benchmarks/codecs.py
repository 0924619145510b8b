"""What the codec costs beside JSON itself: a state of 600,000 ids, a journal of 100,000 events.

Both are measured in one process, in turn: our figure is from values to text or back, the floor what `json`
takes for the same text.
"""

from __future__ import annotations

import gc
import json
import statistics
import time
from collections.abc import Callable, Mapping

from reconciler.codec import parse, parse_shared
from reconciler.model import Kind, ResourceId, SchedulePhase, Server
from reconciler.state.applied import schedule_field
from reconciler.state.base import (
    Event,
    FieldApplied,
    Intent,
    IntentNoted,
    MembersApplied,
    Origin,
    Owned,
    State,
    StatusSet,
)
from reconciler.state.state_format import decode_event, decode_state, encode_event, encode_state

_GATEWAYS = 200_000
_EVENTS = 100_000


def ratios(times: int) -> Mapping[str, tuple[float, float]]:
    """What was done → seconds of ours, and of the floor: medians of `times`."""
    state, events = _state(), _events()
    document = encode_state(state)
    text = json.dumps(document)
    lines = [json.dumps(encode_event(event)) for event in events]
    documents = list(map(json.loads, lines))
    return {
        "state of 600,000 ids, written": _in_turn(
            lambda: json.dumps(encode_state(state)), lambda: json.dumps(document), times
        ),
        "state of 600,000 ids, read": _in_turn(
            lambda: decode_state(parse_shared(text, "gateways")), lambda: json.loads(text), times
        ),
        "100,000 events, written": _in_turn(
            lambda: [json.dumps(encode_event(event)) for event in events],
            lambda: list(map(json.dumps, documents)),
            times,
        ),
        "100,000 events, read": _in_turn(
            lambda: [decode_event(parse(line)) for line in lines], lambda: list(map(json.loads, lines)), times
        ),
    }


def _state() -> State:
    """A campaign whose gateways have a window of each phase, and one whose windows differ."""
    found = {}
    for name, alike in (("alike", True), ("apart", False)):
        ids = [f"{name}-{number:07}" for number in range(_GATEWAYS // 2)]
        one = frozenset(ids)
        members = {
            schedule_field(phase): {"1/2": one if alike else frozenset(ids)} for phase in SchedulePhase
        }
        resource = ResourceId(Kind.CAMPAIGN, name)
        found[resource] = Owned(resource, name, Origin.CREATED, members=members)
    return State("bench", "ab" * 16, 1, Server("pulse", "https://pulse.example.com"), found)


def _events() -> list[Event]:
    """As an apply records them: half of them windows, each of one gateway."""
    line = ResourceId(Kind.CAMPAIGN, "line-3")
    others: list[Event] = [
        StatusSet(line, "STARTED"),
        FieldApplied(line, "settings", {"LOG_LEVEL": {"value": "debug"}}),
        IntentNoted(Intent(str(line), "Line 3")),
    ]
    return [
        others[number % len(others)]
        if number % 2
        else MembersApplied(line, "schedules.download", "1/2", (f"gw-{number:06}",))
        for number in range(_EVENTS)
    ]


def _in_turn(ours: Callable[[], object], floor: Callable[[], object], times: int) -> tuple[float, float]:
    seen: tuple[list[float], list[float]] = [], []
    for _ in range(times):
        for figures, run in zip(seen, (ours, floor), strict=True):
            gc.collect()
            began = time.process_time()
            run()
            figures.append(time.process_time() - began)
    return statistics.median(seen[0]), statistics.median(seen[1])
