"""What is kept of settings."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import StateError
from reconciler.model import Json, Secret, SettingValue
from reconciler.state.applied import changed_settings, known_plain, recorded_settings

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
