"""States, events and locks as JSON, and back."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from state_strategies import events, states

from reconciler.codec import Malformed
from reconciler.errors import StateError
from reconciler.model import Json
from reconciler.state.base import FORMAT_VERSION, Event, LockInfo, State
from reconciler.state.state_format import (
    MIGRATIONS,
    Migration,
    decode_event,
    decode_lock,
    decode_state,
    encode_event,
    encode_lock,
    encode_state,
)

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "state.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
EXAMPLE = SCHEMA["examples"][0]


def edited(change: tuple[tuple[str, ...], Json]) -> Any:
    """The example with another value at a path; a value of `...` removes it."""
    path, value = change
    document = json.loads(json.dumps(EXAMPLE))
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return document


@given(states)
def test_a_state_survives(state: State) -> None:
    document = json.loads(json.dumps(encode_state(state)))
    assert decode_state(document) == state
    VALIDATOR.validate(document)


def test_a_state_without_plans_is_what_it_was_before_there_were_any() -> None:
    assert "plans" not in EXAMPLE
    state = decode_state(EXAMPLE)
    assert state.plans == {}
    assert encode_state(state) == EXAMPLE


@given(events)
def test_an_event_survives(event: Event) -> None:
    assert decode_event(json.loads(json.dumps(encode_event(event)))) == event


@given(st.builds(LockInfo, st.text(), st.text(), st.text(), st.integers(0), st.text(), st.floats(0, 2e9)))
def test_a_lock_survives(info: LockInfo) -> None:
    assert decode_lock(json.loads(json.dumps(encode_lock(info)))) == info


def test_the_schema_is_one_and_its_example_is_a_state() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(EXAMPLE)
    assert encode_state(decode_state(EXAMPLE)) == EXAMPLE


BROKEN: dict[str, tuple[tuple[tuple[str, ...], Any], str]] = {
    "missing": ((("salt",), ...), "salt is missing"),
    "missing below": (
        (("campaigns", "Campaign/line-3", "origin"), ...),
        "campaigns.Campaign/line-3.origin is missing",
    ),
    "unknown": ((("extra",), 1), "extra is not known"),
    "unknown below": ((("server", "port"), 1), "server.port is not known"),
    "no string": ((("lineage",), 3), "lineage: a string belongs here"),
    "no number": ((("serial",), "3"), "serial: a natural number belongs here"),
    "negative": ((("serial",), -1), "serial: a natural number belongs here"),
    "bool": ((("serial",), True), "serial: a natural number belongs here"),
    "no object": ((("campaigns",), []), "campaigns: an object belongs here"),
    "no resource": ((("campaigns",), {"line": {}}), "campaigns.line: KIND/NAME belongs here"),
    "no kind": (
        (("packages",), {"a" * 64: {"id": "1", "name": "n", "resource": "Car/x"}}),
        f"packages.{'a' * 64}.resource: KIND/NAME belongs here",
    ),
    "no word": (
        (("campaigns", "Campaign/line-3", "origin"), "found"),
        "campaigns.Campaign/line-3.origin: created or adopted belongs here",
    ),
    "no list of plans": ((("plans",), {}), "plans: an array belongs here"),
    "no plan": ((("plans",), [{"digest": "a" * 64}]), "plans[0].whole is missing"),
    "a plan and a half": (
        (("plans",), [{"digest": "a" * 64, "whole": 1}]),
        "plans[0].whole: true or false belongs here",
    ),
    "no version": ((("formatVersion",), ...), "formatVersion is missing"),
    "no version there ever was": ((("formatVersion",), 0), "formatVersion: there never was a version 0"),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_not_a_state_is_refused_with_its_place(
    change: tuple[tuple[str, ...], Any], message: str
) -> None:
    document = edited(change)
    with pytest.raises(Malformed) as caught:
        decode_state(document)
    assert str(caught.value) == message
    assert not VALIDATOR.is_valid(document), "the schema says the same"


@pytest.mark.parametrize("document", [None, [], "x", 1])
def test_a_state_is_an_object(document: Json) -> None:
    with pytest.raises(Malformed, match=r"^an object belongs here$"):
        decode_state(document)


def test_until_when_a_lock_holds_is_for_its_place_to_say() -> None:
    info = LockInfo("1", "me", "here", 1, "apply", 2.5, expires=9.0)
    assert encode_lock(info) == encode_lock(replace(info, expires=None))
    assert "expires" not in encode_lock(info)


@pytest.mark.parametrize("since", ["now", True])
def test_a_lock_since_no_time_is_refused(since: Json) -> None:
    document = encode_lock(LockInfo("1", "me", "here", 1, "apply", 2.5)) | {"since": since}
    with pytest.raises(Malformed, match=r"^since: a number belongs here$"):
        decode_lock(document)


def test_a_newer_version_is_refused() -> None:
    newer = edited((("formatVersion",), FORMAT_VERSION + 1))
    with pytest.raises(StateError, match=f"format version {FORMAT_VERSION + 1}") as caught:
        decode_state({"formatVersion": newer["formatVersion"], "whatever": "it has"})
    assert caught.value.hint == "It was made by a newer reconciler: use that version or a later one."
    with pytest.raises(StateError, match=f"format version {FORMAT_VERSION + 1}"):
        decode_event({"event": "campaign-forgotten", "resource": "Campaign/a"}, FORMAT_VERSION + 1)


def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(StateError, match="'campaign-painted'") as caught:
        decode_event({"event": "campaign-painted", "resource": "Campaign/a"})
    assert caught.value.hint
    assert "newer reconciler" in caught.value.hint


@pytest.mark.parametrize(
    "document",
    [
        {"event": "campaign-forgotten"},
        {"event": "campaign-forgotten", "resource": "a"},
        {"event": "campaign-forgotten", "resource": "Campaign/a", "why": "so"},
        {"event": "status-set", "resource": "Campaign/a", "status": 1},
        {"event": 1},
        {},
        [],
    ],
)
def test_what_is_not_an_event_is_refused(document: Json) -> None:
    with pytest.raises(Malformed):
        decode_event(document)


def test_older_versions_are_migrated_one_by_one() -> None:
    """As if there had been a version that said `generation`, and one before it without salts."""
    current = FORMAT_VERSION
    migrations = {
        current - 2: Migration(
            state=lambda old: old | {"salt": "0" * 32}, event=lambda old: old | {"event": "campaign-lost"}
        ),
        current - 1: Migration(
            state=lambda old: (
                {("serial" if key == "generation" else key): old[key] for key in old}
                | {"formatVersion": current}
            ),
            event=lambda old: old | {"event": str(old["event"]).replace("lost", "forgotten")},
        ),
    }
    # The version is shifted up, so that the oldest stays a natural number.
    shifted = {version + 2: migration for version, migration in migrations.items()}
    old = {key: value for key, value in EXAMPLE.items() if key not in ("salt", "serial")}
    old |= {"formatVersion": current, "generation": 7}
    state = decode_state(old, migrations=shifted, version=current + 2)
    assert (state.serial, state.salt) == (7, "0" * 32)
    assert state.campaigns == decode_state(EXAMPLE).campaigns
    event = {"event": "?", "resource": "Campaign/a"}
    assert (
        encode_event(decode_event(event, current, migrations=shifted, version=current + 2))["event"]
        == "campaign-forgotten"
    )


def test_every_version_but_the_current_one_has_its_migration() -> None:
    assert set(MIGRATIONS) == set(range(1, FORMAT_VERSION))
