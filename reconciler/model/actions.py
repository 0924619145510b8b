"""What differs, and what is to be done about it: still in words of any server."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from reconciler.model.desired import (
    Callback,
    CallbackEvent,
    DeliveryTerms,
    DistributionList,
    OnRemove,
    PackageFile,
    SchedulePhase,
    SetName,
    Window,
)
from reconciler.model.rollouts import RolloutRecord
from reconciler.model.words import Json, ResourceId, SettingValue


class Reason(StrEnum):
    """Why there is a change, a step, a skip or a finding. Shown, never steering."""

    NOT_ON_SERVER = "not-on-server"
    GONE_FROM_SERVER = "gone-from-server"
    DIFFERS = "differs"
    NOT_RECORDED = "not-recorded"
    DECLARED_SINCE = "declared-since"
    REMOVED_FROM_GIT = "removed-from-git"
    NO_LONGER_USED = "no-longer-used"
    JOINS = "joins"
    LEAVES = "leaves"
    WANTS_STARTED = "wants-started"
    WANTS_STOPPED = "wants-stopped"
    FREEZE = "freeze"
    FREEZE_OVER = "freeze-over"
    WANTS_APPROVAL = "wants-approval"
    MAY_WANT_APPROVAL = "may-want-approval"
    STOP_TO_EDIT = "stop-to-edit"
    STOP_TO_DELETE = "stop-to-delete"
    STOP_TO_CHANGE = "stop-to-change"
    START_AGAIN = "start-again"
    FINISH_INTERRUPTED = "finish-interrupted"
    RESUMED = "resumed"
    REASSERTED = "reasserted"
    TAKEN_BACK = "taken-back"
    CLOSES = "closes"
    STOP_TO_JOIN = "stop-to-join"
    ASKED = "asked"
    REPLACES = "replaces"
    MAKES_ROOM = "makes-room"
    REPLACED = "replaced"
    TAKES_OVER = "takes-over"
    MOVES = "moves"


class ChangedIn(StrEnum):
    """Who made a difference, told by what was last applied. Shown, never steering."""

    GIT = "git"
    """Git declares something other than was last applied, or declares it for the first time."""
    SERVER = "server"
    """Git declares what was last applied, and the server has something else."""
    BOTH = "both"
    """What was last applied is neither declared nor on the server."""
    NEVER = "never"
    """It was never applied."""


@dataclass(frozen=True, slots=True)
class GatewayChange:
    """The before and after of a membership: exact counts, and only the ids that differ, sorted."""

    before: int
    """How many there are."""
    after: int
    """How many there will be."""
    gained: tuple[str, ...] = ()
    """Who joins."""
    lost: tuple[str, ...] = ()
    """Who leaves."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between live and desired. ``before`` None: it didn't exist, or can't be read."""

    resource: ResourceId
    """The resource that has the field."""
    field: str
    """What differs."""
    before: Json
    """The live value."""
    after: Json
    """The declared value."""
    reason: Reason
    """Why."""
    gateways: GatewayChange | None = None
    """Set for membership instead of ``before`` and ``after``."""
    members: tuple[str, ...] = ()
    """The gateways that the value belongs to, sorted; none: it belongs to the campaign."""
    changed_in: ChangedIn | None = dataclasses.field(default=None, compare=False)
    """Who made the difference; none: unknown, as with an old state."""
    last: Json = dataclasses.field(default=None, compare=False)
    """What was last applied, if both changed it; for gateways, how many."""
    by: str | None = dataclasses.field(default=None, compare=False)
    """Who last changed the campaign, if it was changed on the server and the server reports that."""


class Verb(StrEnum):
    """What a plan can ask of any server."""

    UPLOAD = "upload"
    CREATE = "create"
    EDIT = "edit"
    CALLBACK = "callback"
    DISTRIBUTE = "distribute"
    REMOVE = "remove"
    ADD = "add"
    OVERRIDE = "override"
    SCHEDULE = "schedule"
    THINGS = "things"
    CLOSE = "close"
    APPROVE = "approve"
    START = "start"
    STOP = "stop"
    RETIRE = "retire"
    END = "end"
    DELETE = "delete"
    DELETE_PACKAGE = "delete-package"


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """A package that this plan uploads; it gets its id when that is done."""

    sha256: str
    """The digest of its content, hex."""


BoundPackage = str | PendingUpload


@dataclass(frozen=True, slots=True)
class CampaignFields:
    """What create and edit carry. None: not managed; an edit then sends the live value it just read.

    The create of a successor takes what is None from the campaign that it replaces, as far as it can be read.
    """

    name: str
    """Its name on the server."""
    description: str | None = None
    """The description."""
    packages: tuple[BoundPackage, ...] | None = None
    """Its packages."""
    settings: Mapping[str, SettingValue] | None = None
    """None: the settings are unknown, so none are sent."""
    package_set: SetName | None = None
    """The PackageSet of the packages."""
    delivery: DeliveryTerms | None = None
    """How gateways get them."""
    distribution: DistributionList | None = None
    """The list that decides which gateways are in it, if the campaign is created with one."""
    closed: tuple[str, ...] = ()
    """The gateways that the list must not let in, sorted."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Gateways that gather before their campaign exists, on a server that wants them first.

    A provider keeps them under a name that it makes of the resource and ``key``; other members, or another
    predecessor, are another draft. The campaign that is created of it has exactly these.
    """

    key: str
    """Different from every other draft of the resource."""
    size: int
    """How many gateways it has once all have joined."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What all actions have in common."""

    resource: ResourceId
    """The resource that the campaign or package belongs to."""
    reason: Reason
    """Why."""


@dataclass(frozen=True, slots=True)
class _OnCampaign(_Asked):
    """``target`` is the server's id of the campaign, None when this plan creates it."""

    target: str | None = None
    """The server's id of the campaign; none when this plan creates it."""


@dataclass(frozen=True, slots=True)
class _OnGateways(_OnCampaign):
    """``gateways`` is sorted; a provider may spread them over several calls."""

    gateways: tuple[str, ...] = ()
    """Which gateways."""


@dataclass(frozen=True, slots=True)
class UploadPackage(_Asked):
    verb: ClassVar[Verb] = Verb.UPLOAD
    file: PackageFile


@dataclass(frozen=True, slots=True)
class CreateCampaign(_Asked):
    verb: ClassVar[Verb] = Verb.CREATE
    fields: CampaignFields
    on_remove: OnRemove = OnRemove.DELETE
    """What Git wants for the campaign if its resource is removed."""
    draft: Draft | None = None
    """Its gateways, where the server wants them first."""
    replaces: str | None = None
    """The server's id of the campaign that it replaces, not of the one that is created."""
    starts: bool = False
    """The campaign that it replaces runs, or should run: a start follows, in this run or the next."""
    rollout: RolloutRecord | None = None
    """The progress of its rollout from then on; None: it has no rollout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditCampaign(_OnCampaign):
    verb: ClassVar[Verb] = Verb.EDIT
    fields: CampaignFields


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterCallback(_OnCampaign):
    verb: ClassVar[Verb] = Verb.CALLBACK
    event: CallbackEvent
    """The event that it reports."""
    callback: Callback | None = None
    """None: the registered callback is removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDistributionList(_OnCampaign):
    verb: ClassVar[Verb] = Verb.DISTRIBUTE
    distribution: DistributionList


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveGateways(_OnGateways):
    verb: ClassVar[Verb] = Verb.REMOVE
    moving: bool = False
    """They leave a campaign that is replaced wave by wave, while others stay. Nothing that it started for
    them is still under way, even if its successor has the same packages.
    """
    successor: str | None = None
    """For gateways that move: the campaign that they move to; None: the one that this plan creates."""
    before_start: bool = False
    """For gateways that move: see `EndCampaign.before_start`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddGateways(_OnGateways):
    verb: ClassVar[Verb] = Verb.ADD
    distribution: DistributionList | None = None
    """The distribution list that also decides on membership, if there is one."""
    draft: Draft | None = None
    """The draft that they gather in, if they come before the campaign; there is no ``target`` yet then."""
    by_wave: bool = False
    """A rollout releases them: gateways that the server refuses are recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignPackages(_OnGateways):
    verb: ClassVar[Verb] = Verb.OVERRIDE
    packages: tuple[BoundPackage, ...]
    """What the gateways get."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleWindow(_OnGateways):
    verb: ClassVar[Verb] = Verb.SCHEDULE
    phase: SchedulePhase
    """What the window gates."""
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOnThings(_OnGateways):
    verb: ClassVar[Verb] = Verb.THINGS
    things: Mapping[str, tuple[str, ...]]
    """The things of each gateway."""


@dataclass(frozen=True, slots=True)
class CloseGateways(_OnGateways):
    verb: ClassVar[Verb] = Verb.CLOSE


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveCampaign(_OnCampaign):
    verb: ClassVar[Verb] = Verb.APPROVE
    only_if_waiting: bool = False
    """Only if the server asks for approval; otherwise the outcome is *not needed*."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCampaign(_OnCampaign):
    verb: ClassVar[Verb] = Verb.START
    approve: bool = False
    """Whether to approve first if the server asks for it."""
    bracket: bool = False
    """It closes a bracket."""
    predecessor: bool = False
    """It is a campaign that is replaced wave by wave, and that a freeze stopped; it goes on for who stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopCampaign(_OnCampaign):
    verb: ClassVar[Verb] = Verb.STOP
    bracket: bool = False
    """It opens a bracket: a start follows."""
    predecessor: bool = False
    """It is a campaign that is replaced wave by wave, not the resource's current one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireCampaign(_OnCampaign):
    """Makes room for a successor: the campaign goes on unchanged, under another name."""

    verb: ClassVar[Verb] = Verb.RETIRE
    name: str
    """Its new name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCampaign(_OnCampaign):
    """Ends a campaign for good: it never runs again, and nothing that it started is still under way."""

    verb: ClassVar[Verb] = Verb.END
    successor: str | None = None
    """The campaign that takes its place; None: the one that this plan creates for the resource."""
    before_start: bool = False
    """The successor is started next. If it waits for an approval, the outcome is *waiting*; if the server is
    still working on it, *not executed*; and the old campaign runs on.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteCampaign(_OnCampaign):
    verb: ClassVar[Verb] = Verb.DELETE
    predecessor: bool = False
    """It is a campaign that was replaced, not the resource's current one."""


@dataclass(frozen=True, slots=True)
class DeletePackage(_Asked):
    verb: ClassVar[Verb] = Verb.DELETE_PACKAGE
    target: str
    """The server's id of the package."""
    sha256: str | None = None
    """Its content, if known."""


Action = (
    UploadPackage
    | CreateCampaign
    | EditCampaign
    | RegisterCallback
    | SetDistributionList
    | RemoveGateways
    | AddGateways
    | AssignPackages
    | ScheduleWindow
    | RunOnThings
    | CloseGateways
    | ApproveCampaign
    | StartCampaign
    | StopCampaign
    | RetireCampaign
    | EndCampaign
    | DeleteCampaign
    | DeletePackage
)
"""One thing to do to one object, before a provider turns it into calls. A class for each verb."""


def target_of(action: Action) -> str | None:
    """The server's id of the campaign or package; None where there is none yet."""
    return None if isinstance(action, UploadPackage | CreateCampaign) else action.target


def of_former(action: Action) -> bool:
    """Whether it is about a campaign that isn't what its resource is before the plan is done."""
    match action:
        case EndCampaign(successor=successor):
            return successor is not None
        case RemoveGateways(moving=moving):
            return moving
        case DeleteCampaign(predecessor=predecessor) | StopCampaign(predecessor=predecessor):
            return predecessor
        case StartCampaign(predecessor=predecessor):
            return predecessor
    return False


def gateways_of(action: Action) -> tuple[str, ...]:
    """The gateways that it is about, sorted; none when it is about the campaign or a package."""
    return action.gateways if isinstance(action, _OnGateways) else ()


def carried_by(action: Action) -> tuple[BoundPackage, ...]:
    """The packages that campaigns or gateways get by it."""
    match action:
        case CreateCampaign() | EditCampaign():
            return action.fields.packages or ()
        case AssignPackages():
            return action.packages
        case _:
            return ()
