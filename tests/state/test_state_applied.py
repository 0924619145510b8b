"""What is kept of settings."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import StateError
from reconciler.model import (
    Callback,
    CallbackEvent,
    Json,
    SchedulePhase,
    Secret,
    SettingValue,
    Window,
)
from reconciler.state.applied import (
    WITHHELD,
    callback_field,
    callback_value,
    changed_settings,
    finished_of,
    finished_value,
    known_plain,
    packages_of,
    packages_value,
    recorded_settings,
    schedule_field,
    things_value,
    unclear,
    untold_settings,
    window_end,
    window_of,
    window_value,
    withheld,
)

SALT = "5a" * 16
SETTINGS: dict[str, SettingValue] = {
    "LEVEL": "debug",
    "EMPTY": "",
    "KEY": Secret("environment variable LINE3_KEY", "canary-7f3a"),
}
values = st.text(max_size=3) | st.builds(Secret, st.just("x"), st.text(max_size=3))
settings = st.dictionaries(st.sampled_from("abcd"), values)


def shown(value: SettingValue) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def test_plain_values_are_kept_and_secrets_only_as_digests() -> None:
    recorded = recorded_settings(SETTINGS, SALT)
    assert list(recorded) == ["EMPTY", "KEY", "LEVEL"]
    assert recorded["LEVEL"] == {"value": "debug"}
    assert recorded["EMPTY"] == {"value": ""}
    assert recorded["KEY"] == {"digest": Secret("", "canary-7f3a").digest(SALT)}
    assert "canary" not in json.dumps(recorded)


def test_the_salt_keeps_two_states_from_being_compared() -> None:
    assert recorded_settings(SETTINGS, SALT)["KEY"] != recorded_settings(SETTINGS, "00" * 16)["KEY"]


def test_added_removed_and_changed_keys_differ() -> None:
    recorded = recorded_settings(SETTINGS, SALT)
    now = {"LEVEL": "info", "KEY": Secret("elsewhere", "canary-8888"), "NEW": ""}
    assert changed_settings(recorded, now, SALT) == {"LEVEL", "EMPTY", "KEY", "NEW"}


def test_the_source_of_a_secret_does_not_matter() -> None:
    recorded = recorded_settings(SETTINGS, SALT)
    assert changed_settings(recorded, SETTINGS | {"KEY": Secret("file", "canary-7f3a")}, SALT) == frozenset()


def test_a_value_that_becomes_a_secret_is_the_same_value() -> None:
    plain: dict[str, SettingValue] = {"a": "same"}
    secret: dict[str, SettingValue] = {"a": Secret("env", "same")}
    for before, after in ((plain, secret), (secret, plain)):
        assert changed_settings(recorded_settings(before, SALT), after, SALT) == frozenset()
    assert recorded_settings(plain, SALT) != recorded_settings(secret, SALT)


@given(settings, settings)
def test_what_differs_is_what_has_another_value(
    before: dict[str, SettingValue], after: dict[str, SettingValue]
) -> None:
    recorded: Json = json.loads(json.dumps(recorded_settings(before, SALT)))
    old, new = ({key: shown(value) for key, value in each.items()} for each in (before, after))
    assert changed_settings(recorded, after, SALT) == {
        key for key in old | new if old.get(key) != new.get(key)
    }


@given(settings)
def test_what_is_known_is_what_was_plain(given_settings: dict[str, SettingValue]) -> None:
    plain, secret = known_plain(recorded_settings(given_settings, SALT))
    assert plain == {key: value for key, value in given_settings.items() if isinstance(value, str)}
    assert secret == given_settings.keys() - plain.keys()


def test_nothing_recorded_is_nothing_known() -> None:
    assert changed_settings(None, SETTINGS, SALT) == SETTINGS.keys()
    assert changed_settings({}, {}, SALT) == frozenset()
    assert known_plain(None) == ({}, frozenset())


def test_a_secret_that_was_not_read_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="was not read"):
        recorded_settings({"KEY": Secret("env")}, SALT)


@pytest.mark.parametrize(
    "recorded",
    [
        [],
        "x",
        {"a": "x"},
        {"a": {}},
        {"a": {"value": 1}},
        {"a": {"digest": None}},
        {"a": {"value": "x", "y": 1}},
    ],
)
def test_what_was_never_recorded_so_is_an_error(recorded: Json) -> None:
    with pytest.raises(StateError, match="can't be read") as caught:
        known_plain(recorded)
    assert caught.value.hint
    with pytest.raises(StateError):
        changed_settings(recorded, {}, SALT)


def test_what_can_not_be_told_counts_as_unchanged() -> None:
    """A secret that was not read, or whose digest is withheld."""
    unread = Secret("env")
    recorded: Json = {
        "A": {"value": "x"},
        "B": {"digest": "9f"},
        "C": {"withheld": True},
        "D": {"value": "x"},
    }
    now: dict[str, SettingValue] = {"A": unread, "B": unread, "C": "new", "D": "y", "E": unread}
    assert changed_settings(recorded, now, SALT) == {"D", "E"}
    assert untold_settings(recorded, now) == {"A", "B", "C"}
    assert untold_settings(None, now) == frozenset()
    assert known_plain(recorded) == ({"A": "x", "D": "x"}, {"B", "C"})


def test_in_the_place_of_a_secret_that_was_not_read() -> None:
    known, unread = Secret("env", "canary"), Secret("env")
    settings: dict[str, SettingValue] = {"B": unread, "A": known, "C": "plain"}
    assert recorded_settings(settings, SALT, unread=dict(WITHHELD)) == {
        "A": {"digest": known.digest(SALT)},
        "B": {"withheld": True},
        "C": {"value": "plain"},
    }


def test_no_digest_is_left_where_digests_may_not_go() -> None:
    one: Json = {"K": {"digest": "9f"}, "L": {"value": "x"}, "digest": {"value": "d"}}
    without: Json = {"K": {"withheld": True}, "L": {"value": "x"}, "digest": {"value": "d"}}
    assert withheld(one) == without
    assert withheld({"settings": one, "more": [one, 1], "none": None}) == {
        "settings": without,
        "more": [without, 1],
        "none": None,
    }
    assert withheld({"digest": "9f", "more": 1}) == {"digest": "9f", "more": 1}, "it isn't a secret"


def test_texts_of_values() -> None:
    assert packages_value(["b", "a", "b"]) == '["a", "b"]' == things_value(("b", "a", "a"))
    assert packages_of('["a", "b"]') == {"a", "b"}
    many = [f"p-{number}" for number in range(10)]
    assert packages_value(reversed(many)) == json.dumps(many) == things_value(many[5:] + many)
    assert window_of("-10/20") == Window(-10, 20)
    assert window_value(Window(10, 20)) == "10/20"
    assert window_end("10/20") == 20
    assert unclear("x") == "?x"
    assert schedule_field(SchedulePhase.DOWNLOAD) == "schedules.download"
    assert callback_field(CallbackEvent.COMPLETED) == "callbackSet.completed"
    assert callback_value(Callback("d-1")) == {"notificationDestinationId": "d-1"}
    with_states = Callback("d-1", frozenset({"B", "A"}))
    assert callback_value(with_states) == {"notificationDestinationId": "d-1", "trackedStates": ["A", "B"]}
    assert callback_value(Callback("d-1", frozenset()))["trackedStates"] == []


def test_who_has_finished_with_which_packages() -> None:
    many = [f"p-{number}" for number in range(10)]
    value = finished_value(reversed(many * 2), {"p-3": "three"})
    names = {each: "three" if each == "p-3" else each for each in many}
    assert list(finished_of(value).items()) == list(names.items())
    assert value == finished_value(many, {"p-3": "three"}), "one value, whatever the order"
    assert finished_of('{"ids": [1], "names": [2]}') == {"1": "2"}


DAMAGED: dict[str, tuple[Callable[[str], object], list[str]]] = {
    "a window": (window_of, ["", "5", "/6", "x/6", "5/x", "5/6/7", "5/" + 20 * "9", 20 * "9" + "/5", "5/6 "]),
    "the packages of a gateway": (packages_of, ["", "{", "{}", "[1]", '["a", 1]', '"a"', "[" * 100_000]),
    "gateways that have finished": (
        finished_of,
        [
            "",
            "{",
            "[]",
            '{"ids": []}',
            '{"ids": ["a"], "names": []}',
            '{"ids": "a", "names": "b"}',
            "[" * 100_000,
        ],
    ),
}


@pytest.mark.parametrize(
    ("what", "value"), [(what, v) for what, (_, values) in DAMAGED.items() for v in values]
)
def test_what_is_damaged_is_named(what: str, value: str) -> None:
    with pytest.raises(StateError, match=f"{what} can't be read"):
        DAMAGED[what][0](value)


@pytest.mark.parametrize(
    "entry", [{"withheld": True, "x": 1}, {"withheld": False}, {"digest": "x", "y": 1}, None]
)
def test_of_what_is_damaged_the_setting_is_named(entry: Json) -> None:
    with pytest.raises(StateError, match="of the setting KEY can't be read"):
        known_plain({"KEY": entry})
    with pytest.raises(StateError, match="of settings can't be read"):
        known_plain([])
