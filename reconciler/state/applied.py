"""What a state keeps of what was applied.

Of single gateways and callbacks that is a short text for each value. The gateways of a value stand together,
so the text is what tells two values apart. Of settings: plain values as they are, secrets as salted digests.

    {"LOG_LEVEL": {"value": "debug"}, "API_KEY": {"digest": "9f86…"}}

A secret's value never comes here in the open, so it can't be lost from here. Where even the digest may not
go, as in a snapshot for others to plan on, it is *withheld*: ``{"withheld": true}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from reconciler.errors import StateError
from reconciler.model import Callback, CallbackEvent, Json, SchedulePhase, Secret, SettingValue, Window

WITHHELD: Final[Mapping[str, Json]] = MappingProxyType({"withheld": True})
"""In the place of a secret's digest."""
_UNCLEAR = "?"

ASSUMED_SETTINGS = "settings.assumed"
"""The field that says that the recorded settings were never sent, so that there may be others."""
MEMBERSHIP = "gateways"
"""The field that says who was added by us, where a distribution list adds gateways, too."""
ADDED = "added"
ROLLOUT = "rollout"
"""The field that groups gateways of a rollout: those `FORGIVEN` and those `REFUSED`."""
FORGIVEN = "forgiven"
"""Their failures no longer count."""
REFUSED = "refused"
"""The server doesn't take them."""
ROLLBACK = "rollback"
"""The field that says, by the name of a campaign that is the way back, whom that one has taken."""
FINISHED = "finished"
"""The field that says which gateways were done or failed, with which packages, when those changed."""


# --- single gateways and callbacks ---------------------------------------------------------------


def callback_field(event: CallbackEvent) -> str:
    """The field of one callback."""
    return f"callbackSet.{event}"


def callback_value(callback: Callback) -> Mapping[str, Json]:
    """A callback as states and changes hold it."""
    states = {} if callback.states is None else {"trackedStates": sorted(callback.states)}
    return {"notificationDestinationId": callback.destination, **states}


def schedule_field(phase: SchedulePhase) -> str:
    """The field of the windows of one phase."""
    return f"schedules.{phase}"


def window_value(window: Window) -> str:
    """``begin/end``, epoch milliseconds."""
    return f"{window.begin}/{window.end}"


def window_end(value: str) -> int:
    """When a window ends, epoch milliseconds. StateError when `value` is none of `window_value`."""
    end = value.partition("/")[2]
    if not re.fullmatch("-?[0-9]{1,19}", end):
        raise _damaged("a window")
    return int(end)


def window_of(value: str) -> Window:
    """The inverse of `window_value`; StateError when `value` is none of it."""
    begin = value.partition("/")[0]
    if not re.fullmatch("-?[0-9]{1,19}", begin):
        raise _damaged("a window")
    return Window(int(begin), window_end(value))


def packages_value(ids: Iterable[str]) -> str:
    """Package ids as a sorted JSON array: their order means nothing."""
    return json.dumps(sorted(set(ids)))


def packages_of(value: str) -> frozenset[str]:
    """The inverse of `packages_value`; StateError when `value` is none of it."""
    ids = _decoded(value)
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise _damaged("the packages of a gateway")
    return frozenset(ids)


def _decoded(value: str) -> Any:
    """A value as JSON; None where it is none."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def things_value(ids: Iterable[str]) -> str:
    """Thing ids as a sorted JSON array."""
    return json.dumps(sorted(set(ids)))


def finished_value(ids: Iterable[str], names: Mapping[str, str]) -> str:
    """Packages by id and, for people, by name: as JSON, since the server may lose them."""
    ordered = sorted(set(ids))
    return json.dumps({"ids": ordered, "names": [names.get(each, each) for each in ordered]})


def finished_of(value: str) -> Mapping[str, str]:
    """Id → name of the packages of `finished_value`, in one order; StateError when `value` is none of it."""
    match _decoded(value):
        case {"ids": [*ids], "names": [*names]} if len(ids) == len(names):
            return dict(zip(map(str, ids), map(str, names), strict=True))
    raise _damaged("gateways that have finished")


def unclear(value: str) -> str:
    """`value`, sent without a clear answer so far."""
    return _UNCLEAR + value


# --- settings ------------------------------------------------------------------------------------


def recorded_settings(
    settings: Mapping[str, SettingValue], salt: str, *, unread: Json = None
) -> dict[str, Json]:
    """`settings` as a state keeps them, sorted by key.

    `unread` stands for secrets that were not read; without it, one is a ValueError.
    """
    return {key: _recorded(settings[key], salt, unread) for key in sorted(settings)}


def changed_settings(recorded: Json, settings: Mapping[str, SettingValue], salt: str) -> frozenset[str]:
    """The keys whose value isn't the recorded one: added, removed and changed.

    `recorded` None says that nothing was recorded, so every key counts. Values are compared, not how
    they are kept: a plain value that became a secret of the same value is no difference to the server
    (though ``recorded_settings`` then gives something else to keep). What can't be told counts as
    unchanged. StateError when `recorded` isn't what `recorded_settings` makes.
    """
    before = dict(_entries(recorded))
    same = {
        key
        for key in before.keys() & settings.keys()
        if not _tells(before[key], settings[key]) or _is_value(before[key], settings[key], salt)
    }
    return frozenset((before.keys() | settings.keys()) - same)


def untold_settings(recorded: Json, settings: Mapping[str, SettingValue]) -> frozenset[str]:
    """The keys that are both recorded and declared, of which nobody can tell here whether they changed.

    The secret was not read, or its digest is withheld.
    """
    before = dict(_entries(recorded))
    return frozenset(k for k in before.keys() & settings.keys() if not _tells(before[k], settings[k]))


def withheld(recorded: Json) -> Json:
    """`recorded`, or anything that holds such, without a digest in it."""
    if isinstance(recorded, Mapping):
        if recorded.keys() == {"digest"}:
            return dict(WITHHELD)
        return {key: withheld(value) for key, value in recorded.items()}
    if isinstance(recorded, list):
        return list(map(withheld, recorded))
    return recorded


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


def _recorded(value: SettingValue, salt: str, unread: Json) -> Json:
    if not isinstance(value, Secret):
        return {"value": value}
    return unread if unread and not value.known else {"digest": value.digest(salt)}


def _tells(before: tuple[str, str], value: SettingValue) -> bool:
    """Whether the two can be compared."""
    return before[0] != "withheld" and not (isinstance(value, Secret) and not value.known)


def _is_value(before: tuple[str, str], value: SettingValue, salt: str) -> bool:
    kind, text = before
    if kind == "value":
        return text == (value.reveal() if isinstance(value, Secret) else value)
    secret = value if isinstance(value, Secret) else Secret("", value)
    return text == secret.digest(salt)


def _entries(recorded: Json) -> Iterator[tuple[str, tuple[str, str]]]:
    """Key, and whether it is a ``value`` or a ``digest`` with its text, or ``withheld``."""
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
            case {"withheld": True, **others} if not others:
                yield key, ("withheld", "")
            case _:
                raise _damaged(f"the setting {key}")


def _damaged(what: str) -> StateError:
    return StateError(
        f"what the state keeps of {what} can't be read",
        hint="Put the backup of the state in its place, or let `apply --reassert` send the settings again.",
    )
