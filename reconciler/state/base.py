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
    """A campaign that was replaced by a successor, and that nobody saw to be gone."""

    id: str
    """The server's id."""
    ended: bool = False
    """It never runs again, and nothing that it set going is under way: the successor may start."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A campaign that this project made or adopted."""

    resource: ResourceId
    """Whose campaign it is."""
    id: str
    """The server's id."""
    origin: Origin
    """How it became ours."""
    on_remove: OnRemove = OnRemove.DELETE
    """What becomes of it when its resource is removed, given ``--prune``."""
    status: str | None = None
    """The wish for a status that was last met; a live status that left it since is somebody else's doing."""
    return_to: str | None = None
    """Set while a bracket is open: the status to return to."""
    applied: Mapping[str, Json] = field(default_factory=dict)
    """Field → what was last applied of what can't be read; secrets as ``{"digest": …}``."""
    members: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    """Field → value → the gateways it was last applied to. A window for 100,000 gateways is one entry."""
    replacing: bool = False
    """A successor is about to be created: it may have made room already, under another name."""
    predecessors: tuple[Predecessor, ...] = ()
    """Those that it is the successor of, oldest first."""
    since: int | None = field(default=None, compare=False)
    """When it was created, epoch seconds: a server may show it only after a while."""
    declared: Mapping[str, Json] = field(default_factory=dict)
    """Field → what was last applied of what can be read; of gateways how many, and a digest."""
    kept: Mapping[str, Json] = field(default_factory=dict)
    """Field → what the server keeps for what was last applied, where that is something else."""
    rollout: RolloutRecord | None = None
    """Where its rollout stands; None: it has none."""

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
    """Gateways of an abandoned campaign have it of their own, which nobody can see from outside."""
    description: str | None = None
    """Its description on the server, without the mark of its content; None where it isn't known."""
    since: int | None = field(default=None, compare=False)
    """When it was uploaded, epoch seconds: a server may show it only after a while."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A create or upload that is about to be sent and whose answer isn't recorded yet.

    ``key`` is the resource (``Campaign/line-3``) or ``sha256:…`` of an upload; ``name`` is the name on
    the server.
    """

    key: str
    """The resource, or ``sha256:`` and the digest of an upload."""
    name: str
    """The name on the server."""
    applied: Mapping[str, Json] = field(default_factory=dict)
    """What a create carries of what can't be read: recorded as applied when its answer was lost."""
    replaces: str | None = None
    """Of the create of a successor: the id of the campaign that it replaces."""
    return_to: str | None = None
    """The status that what is created is to be brought to, whatever else."""
    since: int | None = field(default=None, compare=False)
    """When it was noted, epoch seconds; None: long ago, perhaps."""
    ended: bool = field(default=False, compare=False)
    """Whether the run that sent it saw the call end by then: it is no longer under way, and may only lag."""
    others: tuple[str, ...] = ()
    """Of an upload: ids of packages that held the content before it was sent, sorted. None of them is it."""

    def made(self, ids: Iterable[str]) -> list[str]:
        """Which of `ids`, which all hold what was to be uploaded, that upload may have made."""
        others = set(map(id_form, self.others))
        return [each for each in ids if id_form(each) not in others]


# Events. Each says one thing that happened; replaying one twice changes nothing.


@dataclass(frozen=True, slots=True)
class _AboutCampaign:
    resource: ResourceId
    """Whose campaign it is."""


@dataclass(frozen=True, slots=True)
class IntentNoted:
    """About to be sent."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class IntentDropped:
    """It was answered, or never sent."""

    key: str
    """The resource, or ``sha256:`` and the digest of an upload."""


@dataclass(frozen=True, slots=True)
class CampaignOwned:
    """Created or adopted; ends the intent."""

    owned: Owned


@dataclass(frozen=True, slots=True)
class CampaignForgotten(_AboutCampaign):
    """It is no longer ours, or gone."""


@dataclass(frozen=True, slots=True)
class CampaignAbandoned(_AboutCampaign):
    """Given up while the server has it; its gateways keep these uploads (SHA-256) of their own."""

    uploads: tuple[str, ...] = ()
    """Contents of packages, SHA-256."""


@dataclass(frozen=True, slots=True)
class StatusSet(_AboutCampaign):
    """We set that status, or saw our wish for it met; None: Git no longer wants any."""

    status: str | None
    """The wish that was met; None: there is none any more."""


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
    """The server's id of that one. Where another is the campaign, this was said before."""
    id: str
    """The server's id of the successor."""
    return_to: str | None = None
    """The status that it is to be brought to."""
    applied: Mapping[str, Json] = field(default_factory=dict)
    """Field → what it was created with of what can't be read."""
    since: int | None = field(default=None, compare=False)
    """When it was created, epoch seconds."""


@dataclass(frozen=True, slots=True)
class PredecessorEnded(_AboutCampaign):
    """It never runs again, and nothing of it is under way."""

    id: str
    """The server's id."""


@dataclass(frozen=True, slots=True)
class PredecessorForgotten(_AboutCampaign):
    """The server no longer has it."""

    id: str
    """The server's id."""


@dataclass(frozen=True, slots=True)
class FieldApplied(_AboutCampaign):
    """What was sent of a field that can't be read; None forgets it."""

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
    """Field, these or others → what the server keeps for it, where that is something else."""


@dataclass(frozen=True, slots=True)
class MembersApplied(_AboutCampaign):
    """These gateways have that value of a field now, whatever they had before."""

    field: str
    """Which field."""
    value: str
    """What was applied."""
    gateways: tuple[str, ...]
    """Who has it."""


@dataclass(frozen=True, slots=True)
class MembersForgotten(_AboutCampaign):
    """Nothing is known of these gateways any more: of one field, or (None) of all."""

    gateways: tuple[str, ...]
    """Who."""
    field: str | None = None
    """Which field; None: all of them."""


@dataclass(frozen=True, slots=True)
class OnRemoveSet(_AboutCampaign):
    """Git wants something else of the campaign should its resource be removed."""

    on_remove: OnRemove
    """What becomes of it when its resource is removed, given ``--prune``."""


@dataclass(frozen=True, slots=True)
class PackageUploaded:
    """Uploaded, or recognised by its mark; ends the intent."""

    uploaded: Uploaded


@dataclass(frozen=True, slots=True)
class PackageForgotten:
    """It is gone, or no longer ours."""

    sha256: str
    """The digest of its content, hex."""


@dataclass(frozen=True, slots=True)
class SaltChosen:
    """The salt of a state that is about to begin: of what was planned before there was a state."""

    salt: str
    """Goes into the digests of secrets."""


@dataclass(frozen=True, slots=True)
class PlanApplied:
    """A plan file, by its digest, was begun to be applied; ``whole``: and every step of it is settled."""

    digest: str
    """The digest that closes the file."""
    whole: bool
    """Whether every step of it is settled; else it was begun, and a new plan does the rest."""


@dataclass(frozen=True, slots=True)
class RolloutNoted(_AboutCampaign):
    """Where the rollout of a campaign stands now."""

    rollout: RolloutRecord | None
    """None: it has none any more."""


@dataclass(frozen=True, slots=True)
class NoticeNoted:
    """People are about to be told of something that lasts, or (``at`` None) it is over."""

    notice: str
    """What it is about: ``guard:maxDeletes``."""
    at: int | None
    """Since when, epoch milliseconds; None: it is over, and is told again when it comes back."""


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
    """Made when the state is begun; two states of one lineage are versions of each other."""
    salt: str
    """Goes into the digests of secrets."""
    serial: int = 0
    """Counts the snapshots of this lineage."""
    server: Server | None = None
    """The server that this state belongs to, bound by the first apply; another one is refused."""
    campaigns: Mapping[ResourceId, Owned] = field(default_factory=dict)
    """Resource → the campaign that this project made or adopted for it."""
    packages: Mapping[str, Uploaded] = field(default_factory=dict)
    """sha256 → upload."""
    intents: Mapping[str, Intent] = field(default_factory=dict)
    """Key → what was about to be sent and whose answer isn't recorded: the next run looks for it."""
    plans: Mapping[str, bool] = field(default_factory=dict)
    """Digest of a plan file that was applied → whether wholly; the last of them, oldest first."""

    told: Mapping[str, int] = field(default_factory=dict)
    """What lasts and people were told of → since when, epoch milliseconds."""

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
