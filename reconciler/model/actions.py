"""What differs, and what is to be done about it: still in words of any server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.desired import (
    Callback,
    CallbackEvent,
    DistributionList,
    OnRemove,
    PackageFile,
    SchedulePhase,
    Window,
)
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
    WANTS_APPROVAL = "wants-approval"
    MAY_WANT_APPROVAL = "may-want-approval"
    STOP_TO_EDIT = "stop-to-edit"
    STOP_TO_DELETE = "stop-to-delete"
    START_AGAIN = "start-again"
    FINISH_INTERRUPTED = "finish-interrupted"
    RESUMED = "resumed"
    REASSERTED = "reasserted"
    TAKEN_BACK = "taken-back"
    CLOSES = "closes"
    STOP_TO_JOIN = "stop-to-join"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class GatewayChange:
    """The before and after of a membership: exact counts, and only the ids that differ, sorted."""

    before: int
    after: int
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between live and desired. ``before`` None: it was not there, or is not readable."""

    resource: ResourceId
    field: str
    before: Json
    after: Json
    reason: Reason
    gateways: GatewayChange | None = None
    """Set for membership instead of ``before`` and ``after``."""
    members: tuple[str, ...] = ()
    """The gateways whose value it is, sorted; none when it is the campaign's."""


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
    DELETE = "delete"
    DELETE_PACKAGE = "delete-package"


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """A package that an upload of this plan will bring; bound to its id when that is done."""

    sha256: str


BoundPackage = str | PendingUpload


@dataclass(frozen=True, slots=True)
class CampaignFields:
    """What create and edit carry. None: not managed; an edit then sends the live value it just read."""

    name: str
    description: str | None = None
    packages: tuple[BoundPackage, ...] | None = None
    settings: Mapping[str, SettingValue] | None = None
    """None: nothing is known of the settings, so none are sent."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do to one object, before a provider turns it into calls.

    ``target`` is the server's id of the campaign or package, None when this plan creates it.
    ``gateways`` is sorted; a provider may spread them over several calls.
    The other values belong to the verb: ``fields`` to create and edit, ``file`` to upload,
    ``packages`` to override, ``window`` and ``phase`` to schedule, ``callback`` and ``event`` to
    callback, ``distribution`` to distribute (and to add: the list that membership is shared with),
    ``things`` to things, ``approve`` to start.
    """

    verb: Verb
    resource: ResourceId
    reason: Reason
    target: str | None = None
    gateways: tuple[str, ...] = ()
    fields: CampaignFields | None = None
    file: PackageFile | None = None
    packages: tuple[BoundPackage, ...] | None = None
    phase: SchedulePhase | None = None
    window: Window | None = None
    event: CallbackEvent | None = None
    callback: Callback | None = None
    distribution: DistributionList | None = None
    things: Mapping[str, tuple[str, ...]] | None = None
    approve: bool = False
    only_if_waiting: bool = False
    """Approve only when the server asks for it: the outcome is *not needed* otherwise."""
    bracket: bool = False
    """A stop that opens a bracket, or the start that closes it."""
    on_remove: OnRemove = OnRemove.DELETE
    """Create: what Git wants of the campaign should its resource be removed one day."""
    sha256: str | None = None
    """Delete a package: the content that it holds."""
