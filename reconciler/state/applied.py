"""What is kept of settings: plain values as they are, secrets as salted digests.

    {"LOG_LEVEL": {"value": "debug"}, "API_KEY": {"digest": "9f86…"}}

A secret's value never comes here in the open, so it can't be lost from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.errors import StateError
from reconciler.model import Json, Secret, SettingValue


def recorded_settings(settings: Mapping[str, SettingValue], salt: str) -> dict[str, Json]:
    """`settings` as a state keeps them, sorted by key. ValueError when a secret was not read."""
    return {key: _recorded(settings[key], salt) for key in sorted(settings)}


def changed_settings(recorded: Json, settings: Mapping[str, SettingValue], salt: str) -> frozenset[str]:
    """The keys whose value isn't the recorded one: added, removed and changed.

    `recorded` None says that nothing was recorded, so every key counts. Values are compared, not how
    they are kept: a plain value that became a secret of the same value is no difference to the server
    (though ``recorded_settings`` then gives something else to keep). ValueError when a secret was not
    read, StateError when `recorded` isn't what `recorded_settings` makes.
    """
    before = dict(_entries(recorded))
    same = {key for key in before.keys() & settings.keys() if _is_value(before[key], settings[key], salt)}
    return frozenset((before.keys() | settings.keys()) - same)


def known_plain(recorded: Json) -> tuple[dict[str, str], frozenset[str]]:
    """The plain values of `recorded`, and the keys of its secrets, whose values nobody can tell.

    StateError when `recorded` isn't what `recorded_settings` makes; None holds nothing.
    """
    plain: dict[str, str] = {}
    secret: set[str] = set()
    for key, (kind, text) in _entries(recorded):
        if kind == "value":
            plain[key] = text
        else:
            secret.add(key)
    return plain, frozenset(secret)


def _recorded(value: SettingValue, salt: str) -> Json:
    return {"digest": value.digest(salt)} if isinstance(value, Secret) else {"value": value}


def _is_value(before: tuple[str, str], value: SettingValue, salt: str) -> bool:
    kind, text = before
    if kind == "value":
        return text == (value.reveal() if isinstance(value, Secret) else value)
    secret = value if isinstance(value, Secret) else Secret("", value)
    return text == secret.digest(salt)


def _entries(recorded: Json) -> Iterator[tuple[str, tuple[str, str]]]:
    """Key, and whether it is a ``value`` or a ``digest`` with its text."""
    if recorded is None:
        return
    if not isinstance(recorded, Mapping):
        raise _damaged("settings")
    for key, entry in recorded.items():
        match entry:
            case {"value": str(text), **others} if not others:
                yield key, ("value", text)
            case {"digest": str(text), **others} if not others:
                yield key, ("digest", text)
            case _:
                raise _damaged(f"the setting {key}")


def _damaged(what: str) -> StateError:
    return StateError(
        f"what the state keeps of {what} can't be read",
        hint="Put the backup of the state in its place, or let `apply --reassert` send the settings again.",
    )
