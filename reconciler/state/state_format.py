"""The format of a state: snapshots, events and locks as JSON, and back; the same for every store.

Formats of older versions are migrated forward, one version at a time; a newer one is refused.

Tests: `tests/state/test_state_codec.py`, `tests/codec/test_codec_golden.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final, get_args

from reconciler.codec import (
    RESOURCE,
    Coder,
    Each,
    Format,
    JsonObject,
    Keyed,
    Left,
    Lifted,
    Malformed,
    Merged,
    Pairs,
    Shape,
    Tag,
    coder,
)
from reconciler.codec.members import kebab
from reconciler.errors import StateError
from reconciler.model import Json, ResourceId, Server
from reconciler.state.base import (
    FORMAT_VERSION,
    BracketOpened,
    CampaignAbandoned,
    CampaignOwned,
    Event,
    FieldApplied,
    FieldsDeclared,
    Intent,
    IntentNoted,
    LockInfo,
    MembersApplied,
    MembersForgotten,
    NoticeNoted,
    OnRemoveSet,
    Owned,
    PackageUploaded,
    RolloutNoted,
    State,
    StatusSet,
)

STATE_FORMAT: Final = Format(
    scalars={ResourceId: RESOURCE},
    tags={Event: Tag("event")},
    shared=True,
    shapes={
        State: Shape(
            constants={"formatVersion": FORMAT_VERSION},
            always=frozenset({"serial", "server", "campaigns", "packages", "intents"}),
            forms={
                "campaigns": Keyed("resource"),
                "packages": Keyed("sha256"),
                "intents": Keyed("key"),
                # The oldest comes first.
                "plans": Pairs("digest", "whole", ordered=True),
                "told": Pairs("notice", "since"),
            },
        ),
        Server: Shape(always=frozenset({"organization"})),
        Owned: Shape(
            always=frozenset({"on_remove", "status", "return_to", "applied", "members"}),
            forms={"members": Each(Pairs("value", "gateways"))},
        ),
        Intent: Shape(always=frozenset({"applied"})),
        IntentNoted: Shape(forms={"intent": Merged()}),
        CampaignOwned: Shape(names={"owned": "campaign"}, forms={"owned": Lifted("resource")}),
        CampaignAbandoned: Shape(always=frozenset({"uploads"})),
        PackageUploaded: Shape(forms={"uploaded": Merged()}),
        StatusSet: Shape(first=("status",)),
        BracketOpened: Shape(first=("return_to",)),
        FieldApplied: Shape(first=("field", "value")),
        FieldsDeclared: Shape(first=("fields",)),
        MembersApplied: Shape(first=("field", "value", "gateways")),
        MembersForgotten: Shape(first=("field", "gateways"), always=frozenset({"field"})),
        RolloutNoted: Shape(always=frozenset({"rollout"})),
        NoticeNoted: Shape(always=frozenset({"at"})),
        OnRemoveSet: Shape(first=("on_remove",)),
        LockInfo: Shape(without={"expires": Left("the place that keeps the lock tells it")}),
    },
)

EVENTS: Final = frozenset(map(kebab, get_args(Event)))
"""The names of the events."""


@dataclass(frozen=True, slots=True)
class Migration:
    """From one format version to the next: what becomes of a snapshot, and of one event."""

    state: Callable[[JsonObject], JsonObject]
    event: Callable[[JsonObject], JsonObject]


MIGRATIONS: Mapping[int, Migration] = MappingProxyType({})
"""Version → the migration from it to the one after it. Empty, because there is only one version so far."""


def encode_state(state: State) -> JsonObject:
    """The snapshot of `state`, as ``schemas/state.json`` describes it."""
    return coder(STATE_FORMAT, State).encode_object(state, {}) | {"formatVersion": FORMAT_VERSION}


def encode_event(event: Event) -> JsonObject:
    """One event, under ``event`` its name."""
    made: Any = _events().encode(event, None)
    document: JsonObject = made
    return document


def encode_lock(info: LockInfo) -> JsonObject:
    """A lock, as a store keeps it for others to read."""
    return coder(STATE_FORMAT, LockInfo).encode_object(info, None)


def decode_state(
    document: Json, *, migrations: Mapping[int, Migration] = MIGRATIONS, version: int = FORMAT_VERSION
) -> State:
    """The inverse of `encode_state`; Malformed, or StateError when a newer reconciler made it.

    Lists of gateways that are one object become one set.
    """
    found = _object_of(document)
    if "formatVersion" not in found:
        raise Malformed.missing("formatVersion")
    made_by = found["formatVersion"]
    if not isinstance(made_by, int) or isinstance(made_by, bool) or made_by < 0:
        raise Malformed.wrong("a natural number").within("formatVersion")
    for migration in _path_from(made_by, migrations, version):
        found = migration.state(found)
    state: State = coder(STATE_FORMAT, State).decode(found, {})
    return state


def decode_event(
    document: Json,
    made_by: int = FORMAT_VERSION,
    *,
    migrations: Mapping[int, Migration] = MIGRATIONS,
    version: int = FORMAT_VERSION,
) -> Event:
    """The inverse of `encode_event`; `made_by` is the format version that the event was written in.

    Malformed, or StateError when it is of a newer version or of a name that this version doesn't know.
    """
    if made_by != version:
        for migration in _path_from(made_by, migrations, version):
            document = migration.event(_object_of(document))
    name = document.get("event") if isinstance(document, dict) else None
    if isinstance(name, str) and name not in EVENTS:
        raise StateError(
            f"the journal of the state has an event {name!r} that this version doesn't know",
            hint="It was made by a newer reconciler: use that version or a later one.",
        )
    event: Event = _events().decode(document, None)
    return event


def decode_lock(document: Json) -> LockInfo:
    """The inverse of `encode_lock`; Malformed."""
    info: LockInfo = coder(STATE_FORMAT, LockInfo).decode(document, None)
    return info


def _object_of(document: Json) -> JsonObject:
    if not isinstance(document, dict):
        raise Malformed.wrong("an object")
    return document


def _path_from(made_by: int, migrations: Mapping[int, Migration], version: int) -> Iterator[Migration]:
    """The migrations from `made_by` to `version`, in order."""
    if made_by > version:
        raise StateError(
            f"the state has format version {made_by}, and this reconciler knows versions up to {version}",
            hint="It was made by a newer reconciler: use that version or a later one.",
        )
    for step in range(made_by, version):
        if step not in migrations:
            raise Malformed(f"formatVersion: there never was a version {made_by}")
        yield migrations[step]


@cache
def _events() -> Coder:
    """Looked up once: events come by the ten thousand."""
    return coder(STATE_FORMAT, Event)
