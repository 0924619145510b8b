"""The seam to a state store, and what a state says.

A state is a fold over events: a snapshot, then a journal of what happened since. `fold` is the only place
where a state changes. Times are epoch seconds.

Tests: `tests/contract/test_state_store.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from reconciler.errors import WrongServer
from reconciler.model import Json, OnRemove, ResourceId, RolloutRecord, Server
from reconciler.text import id_form

FORMAT_VERSION = 1
PLANS_KEPT = 100
"""How many of the plan files that were applied last are known."""


class Origin(StrEnum):
    """How a campaign became ours."""

    CREATED = "created"
    ADOPTED = "adopted"


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A campaign that a successor replaced, and that may still exist."""

    id: str
    """The server's id."""
    ended: bool = False
    """It never runs again, and nothing that it started is under way: the successor may start."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A campaign that this project made or adopted."""

    resource: ResourceId
    """The resource of the campaign."""
    id: str
    """The server's id."""
    origin: Origin
    """How it became ours."""
    on_remove: OnRemove = OnRemove.DELETE
    """What ``--prune`` does with it when its resource is removed."""
    status: str | None = None
    """The declared status that was last reached. If the live status has changed since, somebody else changed
    it.
    """
    return_to: str | None = None
    """Set while a bracket is open: the status to return to."""
    applied: Mapping[str, Json] = field(default_factory=dict)
    """Field that can't be read back → the value last applied; secrets as ``{"digest": …}``."""
    members: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    """Field → value → the gateways it was last applied to. A window for 100,000 gateways is one entry."""
    replacing: bool = False
    """A successor is about to be created. The campaign may already have been renamed to make room."""
    predecessors: tuple[Predecessor, ...] = ()
    """The campaigns that it replaced, oldest first."""
    since: int | None = field(default=None, compare=False)
    """When it was created, epoch seconds. A server may show it only after a while."""
    declared: Mapping[str, Json] = field(default_factory=dict)
    """Field that can be read → the value last applied; for gateways, their number and a digest."""
    kept: Mapping[str, Json] = field(default_factory=dict)
    """Field → what the server keeps for the value last applied, if that differs."""
    rollout: RolloutRecord | None = None
    """The progress of its rollout; None: it has no rollout."""

    def succeeded(self, event: CampaignReplaced) -> Owned:
        """What is owned once a successor has taken the place of this one."""
        return Owned(
            self.resource,
            event.id,
            Origin.CREATED,
            self.on_remove,
            return_to=event.return_to,
            applied=event.applied,
            since=event.since,
            predecessors=(*self.predecessors, Predecessor(self.id)),
            declared=self.declared,
            kept=self.kept,
            rollout=self.rollout,
        )


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A package file that we uploaded (or adopted by its mark); ``sha256`` has 64 hex digits."""

    sha256: str
    """The digest of the file's content, hex."""
    id: str
    """The server's id."""
    name: str
    """Its name on the server."""
    resource: ResourceId
    """The PackageSet that first asked for it."""
    left_behind: bool = False
    """Gateways of an abandoned campaign have it as their own package, which can't be seen from outside."""
    description: str | None = None
    """Its description on the server, without the mark of its content; None: unknown."""
    since: int | None = field(default=None, compare=False)
    """When it was uploaded, epoch seconds. A server may show it only after a while."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A create or upload that is about to be sent, and whose answer isn't recorded yet.

    ``key`` is the resource (``Campaign/line-3``) or ``sha256:…`` of an upload; ``name`` is the name on
    the server.
    """

    key: str
    """The resource, or for an upload ``sha256:`` and its digest."""
    name: str
    """The name on the server."""
    applied: Mapping[str, Json] = field(default_factory=dict)
    """The values of a create that can't be read back: recorded as applied if its answer was lost."""
    replaces: str | None = None
    """For the create of a successor: the id of the campaign that it replaces."""
    return_to: str | None = None
    """The status that the created campaign must reach in any case."""
    since: int | None = field(default=None, compare=False)
    """When it was noted, epoch seconds; None: possibly long ago."""
    ended: bool = field(default=False, compare=False)
    """Whether the run that sent it saw the call end by then: it is no longer under way, but may still appear
    late.
    """
    others: tuple[str, ...] = ()
    """For an upload: ids of packages that already had the content before it was sent, sorted. It is none of
    them.
    """

    def made(self, ids: Iterable[str]) -> list[str]:
        """Which of `ids`, which all hold what was to be uploaded, that upload may have made."""
        others = set(map(id_form, self.others))
        return [each for each in ids if id_form(each) not in others]


# Events. Each says one thing that happened; replaying one twice changes nothing.


@dataclass(frozen=True, slots=True)
class _AboutCampaign:
    resource: ResourceId
    """The resource of the campaign."""


@dataclass(frozen=True, slots=True)
class IntentNoted:
    """A create or upload is about to be sent."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class IntentDropped:
    """The call was answered, or never sent."""

    key: str
    """The resource, or for an upload ``sha256:`` and its digest."""


@dataclass(frozen=True, slots=True)
class CampaignOwned:
    """Created or adopted; ends the intent."""

    owned: Owned


@dataclass(frozen=True, slots=True)
class CampaignForgotten(_AboutCampaign):
    """The campaign is no longer ours, or is gone."""


@dataclass(frozen=True, slots=True)
class CampaignAbandoned(_AboutCampaign):
    """The campaign is no longer ours, but stays on the server. Its gateways keep these uploads (SHA-256) as
    their own.
    """

    uploads: tuple[str, ...] = ()
    """Contents of packages, SHA-256."""


@dataclass(frozen=True, slots=True)
class StatusSet(_AboutCampaign):
    """We set that status, or saw that it was reached; None: Git no longer declares one."""

    status: str | None
    """The status that was reached; None: no longer declared."""


@dataclass(frozen=True, slots=True)
class BracketOpened(_AboutCampaign):
    """Written before the stop."""

    return_to: str
    """The status to return to."""


@dataclass(frozen=True, slots=True)
class BracketClosed(_AboutCampaign):
    """The campaign is back in its status."""


@dataclass(frozen=True, slots=True)
class ReplacementBegun(_AboutCampaign):
    """Written before anything is done to the campaign that is to be replaced."""


@dataclass(frozen=True, slots=True)
class CampaignReplaced(_AboutCampaign):
    """A successor was created, and is the campaign from now on; ends the intent.

    What was the campaign so far is a predecessor.
    """

    replaces: str
    """The server's id of the campaign that was replaced. If the resource has another campaign, this event was
    recorded before.
    """
    id: str
    """The server's id of the successor."""
    return_to: str | None = None
    """The status that it must reach."""
    applied: Mapping[str, Json] = field(default_factory=dict)
    """Field that can't be read back → the value it was created with."""
    since: int | None = field(default=None, compare=False)
    """When it was created, epoch seconds."""


@dataclass(frozen=True, slots=True)
class PredecessorEnded(_AboutCampaign):
    """It never runs again, and nothing that it started is under way."""

    id: str
    """The server's id."""


@dataclass(frozen=True, slots=True)
class FreezeEnded(_AboutCampaign):
    """A campaign that we stopped for a freeze was started again."""

    id: str
    """The server's id."""


@dataclass(frozen=True, slots=True)
class PredecessorForgotten(_AboutCampaign):
    """The server no longer has it."""

    id: str
    """The server's id."""


@dataclass(frozen=True, slots=True)
class FieldApplied(_AboutCampaign):
    """The value sent for a field that can't be read back; None forgets it."""

    field: str
    """Which field."""
    value: Json
    """What was sent; None forgets it."""


@dataclass(frozen=True, slots=True)
class FieldsDeclared(_AboutCampaign):
    """The campaign has these values now: each was sent, or was there already."""

    fields: Mapping[str, Json]
    """Field → what is declared."""
    kept: Mapping[str, Json] = field(default_factory=dict)
    """Field, one of these or another → what the server keeps for it, if that differs."""


@dataclass(frozen=True, slots=True)
class MembersApplied(_AboutCampaign):
    """These gateways now have this value of a field, whatever they had before."""

    field: str
    """Which field."""
    value: str
    """What was applied."""
    gateways: tuple[str, ...]
    """The gateways that have it."""


@dataclass(frozen=True, slots=True)
class MembersForgotten(_AboutCampaign):
    """The recorded values of these gateways are forgotten, of one field or (None) of all fields."""

    gateways: tuple[str, ...]
    """Who."""
    field: str | None = None
    """Which field; None: all of them."""


@dataclass(frozen=True, slots=True)
class OnRemoveSet(_AboutCampaign):
    """Git wants something else for the campaign if its resource is removed."""

    on_remove: OnRemove
    """What ``--prune`` does with it when its resource is removed."""


@dataclass(frozen=True, slots=True)
class PackageUploaded:
    """Uploaded, or recognised by its mark; ends the intent."""

    uploaded: Uploaded


@dataclass(frozen=True, slots=True)
class PackageForgotten:
    """The package is gone, or is no longer ours."""

    sha256: str
    """The digest of its content, hex."""


@dataclass(frozen=True, slots=True)
class SaltChosen:
    """The salt for a new state: the one that was used in the plan, before there was a state."""

    salt: str
    """Used in the digests of secrets."""


@dataclass(frozen=True, slots=True)
class PlanApplied:
    """An apply of the plan file with this digest began; ``whole``: every step of it is settled."""

    digest: str
    """The digest that closes the file."""
    whole: bool
    """Whether every step of it is settled; otherwise it was begun, and a new plan does the rest."""


@dataclass(frozen=True, slots=True)
class RolloutNoted(_AboutCampaign):
    """The progress of a campaign's rollout was recorded."""

    rollout: RolloutRecord | None
    """None: it no longer has a rollout."""


@dataclass(frozen=True, slots=True)
class NoticeNoted:
    """A notice about something that lasts is about to be sent, or (``at`` None) it is over."""

    notice: str
    """What it is about, such as ``guard:maxDeletes``."""
    at: int | None
    """Since when, epoch milliseconds; None: it is over, and a new notice is sent if it comes back."""


Event = (
    IntentNoted
    | IntentDropped
    | CampaignOwned
    | CampaignForgotten
    | CampaignAbandoned
    | StatusSet
    | BracketOpened
    | BracketClosed
    | ReplacementBegun
    | CampaignReplaced
    | PredecessorEnded
    | FreezeEnded
    | PredecessorForgotten
    | FieldApplied
    | FieldsDeclared
    | MembersApplied
    | MembersForgotten
    | OnRemoveSet
    | RolloutNoted
    | PackageUploaded
    | PackageForgotten
    | SaltChosen
    | PlanApplied
    | NoticeNoted
)


def upload_key(sha256: str) -> str:
    """The key of the intent to upload that content."""
    return f"sha256:{sha256}"


@dataclass(frozen=True, slots=True)
class State:
    """What this project owns on one server, and what it last applied there.

    ``server`` is None until the first apply. ``salt`` (hex) makes the digests of secrets.
    """

    lineage: str
    """Chosen when the state is created; two states of one lineage are versions of each other."""
    salt: str
    """Used in the digests of secrets."""
    serial: int = 0
    """Counts the snapshots of this lineage."""
    server: Server | None = None
    """The server that this state belongs to, set by the first apply; any other is refused."""
    campaigns: Mapping[ResourceId, Owned] = field(default_factory=dict)
    """Resource → the campaign that this project made or adopted for it."""
    packages: Mapping[str, Uploaded] = field(default_factory=dict)
    """sha256 → upload."""
    intents: Mapping[str, Intent] = field(default_factory=dict)
    """Key → a call that was about to be sent, and whose answer isn't recorded: the next run looks for its
    result.
    """
    plans: Mapping[str, bool] = field(default_factory=dict)
    """Digest of an applied plan file → whether all of it was applied; the most recent ones, oldest first."""

    told: Mapping[str, int] = field(default_factory=dict)
    """What lasts and a notice was sent about → since when, epoch milliseconds."""

    @property
    def begun(self) -> bool:
        """Whether anything was ever recorded."""
        return self.serial > 0

    def owner_of(self, campaign_id: str) -> ResourceId | None:
        """Which resource owns that live campaign, however its id is written."""
        form = id_form(campaign_id)
        return next((owned.resource for owned in self.campaigns.values() if id_form(owned.id) == form), None)


class Session(Protocol):
    """A locked state that may be written. Every write is durable when the call returns."""

    @property
    def state(self) -> State:
        """The state after all that was recorded."""
        ...

    @property
    def until(self) -> float | None:
        """Epoch seconds until which nobody else gets the lock, whatever becomes of this process.

        It moves on as the lock is renewed. None: the lock is free as soon as this process has ended.
        """
        ...

    def record(self, *events: Event, sync: bool = True) -> None:
        """Append `events`, all or none of them; durable on return.

        Without `sync` they may be lost with the machine, and where a state is kept elsewhere those of the
        last second with this process: for facts whose loss costs no more than a call that may be repeated,
        and that come by the ten thousand. Without `events` it says whether this session may still write.

        StateError when that can't be done. What `events` say is then still in ``state``, and leaving the
        context tries once more to write it: they are facts, and facts are not taken back.
        """
        ...

    @property
    def audit_tail(self) -> str | None:
        """The last line of the audit log; None when there is none yet."""
        ...

    def audit(self, *lines: str, sync: bool = True) -> None:
        """Append `lines`, without line ends, to the audit log beside the state; durable as ``record`` is.

        StateError when that can't be done. They are then still the end of the log: the next call, and leaving
        the context, try once more to write them.
        """
        ...


@dataclass(frozen=True, slots=True)
class LockInfo:
    """Who holds a lock, since when (epoch seconds), for what.

    ``expires``: until when, unless its holder renews it; None where the operating system frees it.
    """

    id: str
    holder: str
    host: str
    pid: int
    operation: str
    since: float
    expires: float | None = None


class StateStore(Protocol):
    """Where a state is kept."""

    @property
    def url(self) -> str:
        """The address, without secrets, as reports show it."""
        ...

    def load(self) -> State:
        """The state as last recorded; a new empty one where there is none. Takes no lock, writes nothing.

        StateError when it can't be read or is damaged.
        """
        ...

    def locked(
        self, server: Server, operation: str, *, timeout: float = 0.0
    ) -> AbstractContextManager[Session]:
        """Lock, check that the state belongs to `server` (WrongServer), and open it for writing.

        StateLocked when somebody else still holds it after `timeout` seconds. Leaving the context folds
        the journal into the snapshot and unlocks, also after an error.
        """
        ...

    def audit_lines(self) -> Iterator[str]:
        """Every line of the audit log, oldest first; takes no lock."""
        ...

    def holder(self) -> LockInfo | None:
        """Who holds the lock at this moment; None also when all that is left of a holder is its trace.

        StateLocked when somebody holds it who can't be told.
        """
        ...

    def unlock(self, lock_id: str) -> None:
        """Break the lock of that id; StateError when it is held under another id, or can't be broken.

        Whoever held it writes nothing any more. Where nobody holds the lock there is nothing to do.
        """
        ...


def new_state() -> State:
    """An empty state with a lineage and a salt of its own."""
    from secrets import token_hex
    from uuid import uuid4

    return State(lineage=str(uuid4()), salt=token_hex(16))


def bound_to(state: State, server: Server, *, url: str) -> State:
    """`state`, belonging to `server` from now on; WrongServer when it belongs to another one."""
    if state.server is None:
        return replace(state, server=server)
    if state.server == server:
        return state
    raise WrongServer(
        f"the state {url} belongs to {_described(state.server)}, and this run is about {_described(server)}",
        hint="Give each server a state of its own (--state, or state.url in an environment), or correct the"
        " server's URL. Only if that server is gone: move the state away and run `apply --adopt`.",
    )


def _described(server: Server) -> str:
    return f"the {server.provider} server {server}" + ("" if server.organization else " (no organization)")
