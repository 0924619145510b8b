"""The words of the project as frozen data.

    Desired --+
              +-- diff --> Change --> Action --lower--> StepGroup --> Step --run--> Outcome
    Live -----+

Everything here is neutral: no word of a particular server, of YAML or of HTTP. Ids of gateways,
campaigns and packages are opaque strings. Times are epoch milliseconds, UTC. ``None`` in a desired
field means *not managed*; an empty value means *managed and empty*.
"""

from __future__ import annotations

import hashlib
import hmac
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

API_VERSION = "reconciler/v1"

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


class Kind(StrEnum):
    """The kinds of resource."""

    PACKAGE_SET = "PackageSet"
    GATEWAY_LIST = "GatewayList"
    SCHEDULE = "Schedule"
    CALLBACK_SET = "CallbackSet"
    CAMPAIGN = "Campaign"


@dataclass(frozen=True, slots=True, order=True)
class ResourceId:
    """Kind and name of a resource; ``str()`` gives ``Campaign/line-3``."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> ResourceId:
        """The inverse of ``str()``; ValueError when `text` names no kind."""
        kind, slash, name = text.partition("/")
        if not slash or not name:
            raise ValueError(f"{text!r} is not KIND/NAME")
        return cls(Kind(kind), name)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Severity(StrEnum):
    """How bad a finding is. Only an error stops a run."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know: what, where, and what to do next.

    ``code`` is stable and kebab-case. ``place`` points at the value to change, ``resource`` names what
    it is about; at least one of them is set, unless the finding is about the run as a whole.
    """

    code: str
    message: str
    place: Place | None = None
    hint: str | None = None
    resource: ResourceId | None = None
    severity: Severity = Severity.ERROR

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    def sort_key(self) -> tuple[str, int, int, str, str, str]:
        """Files in order, then places in them, then findings without a place."""
        where = self.place or Place("\uffff", 0, 0)
        return (where.file, where.line, where.column, str(self.resource or ""), self.code, self.message)


class Secret:
    """A value that never shows: not in ``str``, ``repr``, a plan, state, log or error.

    ``source`` says where it comes from (``environment variable LINE3_KEY``). The value is None where it
    was not asked for, as in ``validate``, which must work without secrets.
    """

    __slots__ = ("_value", "source")

    def __init__(self, source: str, value: str | None = None) -> None:
        self.source = source
        self._value = value

    @property
    def known(self) -> bool:
        """Whether the value was read."""
        return self._value is not None

    def reveal(self) -> str:
        """The value, for the wire only."""
        if self._value is None:
            raise ValueError(f"the secret from {self.source} was not read")
        return self._value

    def digest(self, salt: str) -> str:
        """A salted SHA-256 of the value, hex: tells whether it changed and nothing else."""
        return hmac.new(salt.encode(), self.reveal().encode(), hashlib.sha256).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self.source, self._value) == (other.source, other._value)

    def __hash__(self) -> int:
        return hash(self.source)

    def __repr__(self) -> str:
        return f"Secret({self.source})"


SettingValue = str | Secret


# --- desired -------------------------------------------------------------------------------------


class UploadMode(StrEnum):
    """How a package file travels: the two uploads of the API."""

    MULTIPART = "multipart"
    STREAMING = "streaming"


@dataclass(frozen=True, slots=True)
class PackageById:
    """A package that is on the server, by its id there."""

    id: str
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class PackageByName:
    """The one live package of exactly this name."""

    name: str
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A local file that the server is to hold. Identity is the content, ``sha256`` (64 hex digits)."""

    sha256: str
    path: Path = field(compare=False)
    name: str = field(compare=False)
    size: int = field(compare=False)
    resource: ResourceId = field(compare=False)
    """The PackageSet that declares it (first)."""
    description: str = field(default="", compare=False)
    mode: UploadMode = field(default=UploadMode.MULTIPART, compare=False)
    place: Place | None = field(default=None, compare=False)


PackageRef = PackageById | PackageByName | PackageFile


class SchedulePhase(StrEnum):
    """The phases that a window can gate, in the order a gateway goes through them."""

    DOWNLOAD = "download"
    EXECUTION = "execution"
    ACTIVATION = "activation"


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A slice of time, [begin, end), epoch milliseconds."""

    begin: int
    end: int


class CallbackEvent(StrEnum):
    """What a campaign can call back about."""

    COMPLETED = "completed"
    WAKE_UP = "wakeUp"
    STATE_CHANGE = "stateChange"
    EXECUTION_PROGRESS = "executionProgress"
    DOWNLOAD_PROGRESS = "downloadProgress"


@dataclass(frozen=True, slots=True)
class Callback:
    """Where a callback goes; ``states`` only for ``stateChange``."""

    destination: str
    states: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class DistributionList:
    """A saved filter that the server evaluates; interval in seconds, None when not managed."""

    id: str
    interval: int | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """Packages that these gateways get instead of the campaign's."""

    gateways: frozenset[str]
    packages: tuple[PackageRef, ...]
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Assignment:
    """Windows for these gateways; ``gateways`` None means every gateway of the campaign."""

    windows: Mapping[SchedulePhase, Window]
    gateways: frozenset[str] | None = None
    place: Place | None = field(default=None, compare=False)


class DesiredStatus(StrEnum):
    """What Git may ask for. STOPPED is satisfied by any status that isn't running."""

    STARTED = "STARTED"
    STOPPED = "STOPPED"


class Joining(StrEnum):
    """What happens to a started campaign when gateways with settings of their own join it."""

    PAUSE = "pause"
    DIRECT = "direct"


class OnRemove(StrEnum):
    """What becomes of the live campaign when its resource is removed, given ``--prune``."""

    DELETE = "delete"
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class DesiredCampaign:
    """A campaign as Git wants it, references resolved. None: not managed."""

    resource: ResourceId
    name: str
    place: Place
    description: str | None = None
    packages: tuple[PackageRef, ...] | None = None
    settings: Mapping[str, SettingValue] | None = None
    gateways: frozenset[str] | None = None
    distribution: DistributionList | None = None
    overrides: tuple[Override, ...] | None = None
    schedules: tuple[Assignment, ...] | None = None
    callbacks: Mapping[CallbackEvent, Callback] | None = None
    closed: frozenset[str] | None = None
    things: Mapping[str, tuple[str, ...]] | None = None
    approve: bool = False
    status: DesiredStatus | None = None
    joining: Joining = Joining.PAUSE
    on_remove: OnRemove = OnRemove.DELETE
    labels: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)
    """Field name → where its value stands, for findings."""

    def place_of(self, field_name: str) -> Place:
        """Where `field_name` is declared; the document when it is left out."""
        return self.places.get(field_name, self.place)


@dataclass(frozen=True, slots=True)
class Desired:
    """What the resources ask for, sorted by resource name."""

    campaigns: tuple[DesiredCampaign, ...] = ()
    packages: tuple[PackageRef, ...] = ()
    """Every package of every PackageSet, used by a campaign or not, without repetition."""
    complete: bool = True
    """Whether every resource of the project is in it. Nothing is ever deleted otherwise."""


# --- live ----------------------------------------------------------------------------------------


class Phase(StrEnum):
    """What a server's status means to a plan. The provider maps its own words to these."""

    READY = "ready"
    """Not running yet; may be started."""
    WAITING = "waiting"
    """Needs an approval before it may be started."""
    RUNNING = "running"
    PAUSED = "paused"
    """Ran, and may be started again."""
    UNKNOWN = "unknown"
    """A word that nobody told us about; nothing is concluded from it."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The gateways of a campaign, grouped by state so that a million of them stay a few sets."""

    states: Mapping[str, frozenset[str]] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return sum(map(len, self.states.values()))

    def __contains__(self, gateway: object) -> bool:
        return any(gateway in members for members in self.states.values())

    def __iter__(self) -> Iterator[str]:
        for members in self.states.values():
            yield from members

    def lacking(self, wanted: frozenset[str]) -> frozenset[str]:
        """Which of `wanted` are not members."""
        return wanted.difference(*self.states.values())

    def beyond(self, wanted: frozenset[str]) -> frozenset[str]:
        """Which members are not `wanted`."""
        return frozenset().union(*(members - wanted for members in self.states.values()))

    def state_of(self, gateway: str) -> str | None:
        """The state of a member; None for a stranger."""
        return next((state for state, members in self.states.items() if gateway in members), None)


@dataclass(frozen=True, slots=True)
class CampaignSummary:
    """A line of the server's list of campaigns."""

    id: str
    name: str
    status: str


@dataclass(frozen=True, slots=True)
class LiveCampaign:
    """A campaign as the server says. ``status`` is the server's own word."""

    id: str
    name: str
    status: str
    phase: Phase
    description: str = ""
    packages: tuple[str, ...] = ()
    gateways: Membership | None = None
    """None: not read, for nothing needed it."""
    distribution: DistributionList | None = None
    """None: not set, or not read (``distribution_read``)."""
    distribution_read: bool = False
    overrides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Gateway → effective packages, of those gateways that were asked about."""


@dataclass(frozen=True, slots=True)
class LivePackage:
    """A package as the server says; ``mark`` holds the 16 hex digits of the digest in its description."""

    id: str
    name: str
    description: str = ""
    mark: str | None = None


class Tie(StrEnum):
    """How a declared campaign is tied to a live one."""

    OWNED = "owned"
    """The state says so."""
    MOVED = "moved"
    """Owned by a resource that is no longer declared, under the name that this one declares."""
    RECOVERED = "recovered"
    """A create of ours whose answer was never recorded."""
    ADOPTED = "adopted"
    """Somebody else's, taken by ``--adopt``."""
    NONE = "none"
    """Nothing live: to be created."""
    NOT_OURS = "not-ours"
    AMBIGUOUS = "ambiguous"
    """Several live campaigns could be meant."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A declared campaign's tie to the server; ``ids`` are the live campaigns that it is about."""

    tie: Tie
    ids: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether the campaign is ours, or becomes ours by this plan."""
        return self.tie in (Tie.OWNED, Tie.MOVED, Tie.RECOVERED, Tie.ADOPTED)


@dataclass(frozen=True, slots=True)
class Live:
    """What was read of the server: exactly what desired and owned things need."""

    campaigns: Mapping[ResourceId, LiveCampaign] = field(default_factory=dict)
    """Campaigns that are ours or become ours, declared or not."""
    claims: Mapping[ResourceId, Claim] = field(default_factory=dict)
    """Every declared campaign's tie to the server."""
    gone: frozenset[ResourceId] = frozenset()
    """Owned, but the server no longer has them."""
    namesakes: Mapping[str, tuple[CampaignSummary, ...]] = field(default_factory=dict)
    """Declared name → live campaigns of exactly that name, for names that had to be looked up."""
    package_ids: Mapping[str, bool] = field(default_factory=dict)
    """Package id → whether the server has it; for ids that matter."""
    named_packages: Mapping[str, tuple[LivePackage, ...]] = field(default_factory=dict)
    """Name → packages of exactly that name, for every name that was looked up."""
    marked_packages: Mapping[str, tuple[LivePackage, ...]] = field(default_factory=dict)
    """The first 16 digits of a digest → packages that bear them as a mark, for all that were looked up."""
    users: Mapping[str, frozenset[str]] | None = None
    """Package → ids of the live campaigns that use it; None when the whole list was not read."""


# --- changes, actions, steps ---------------------------------------------------------------------


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


class Repeat(StrEnum):
    """How an operation may be repeated after an unclear answer: a fact of the operation."""

    SAFE = "safe"
    LOOK_FIRST = "look-first"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a server's API.

    ``path`` may hold ``{campaign_id}``, ``{gateway_id}`` and ``{package_id}``; ``section`` is the
    heading in the API reference; ``permission`` is None where the reference names none.
    """

    name: str
    method: str
    path: str
    section: str
    permission: str | None
    repeat: Repeat
    destructive: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """An arrow to an earlier group: `group` is to be done first.

    ``by_gateway``: a step needs only those steps of the group that carry one of its gateways.
    ``even_failed``: it is enough that the group has ended (the start that closes a bracket).
    """

    group: str
    by_gateway: bool = False
    even_failed: bool = False


@dataclass(frozen=True, slots=True)
class StepGroup:
    """Steps of one operation that do the same to one object, differing in gateways only.

    A schedule for 100,000 gateways is one group: its steps are made when asked for. ``per_call`` is how
    many gateways a call carries; 0 when calls are not about gateways, and then there is one step.
    """

    key: str
    action: Action
    operation: Operation
    per_call: int = 0
    needs: tuple[Need, ...] = ()

    def __len__(self) -> int:
        return -(-len(self.action.gateways) // self.per_call) if self.per_call else 1

    def __iter__(self) -> Iterator[Step]:
        return (Step(self, index) for index in range(len(self)))

    def steps_with(self, gateways: Iterable[str]) -> Iterator[int]:
        """Indices of the steps that carry any of `gateways` (sorted), each once, ascending."""
        last = -1
        for gateway in gateways:
            at = bisect_left(self.action.gateways, gateway)
            if at < len(self.action.gateways) and self.action.gateways[at] == gateway:
                index = at // self.per_call
                if index != last:
                    last = index
                    yield index


@dataclass(frozen=True, slots=True)
class Step:
    """One API call of a plan."""

    group: StepGroup
    index: int

    @property
    def id(self) -> str:
        """Unique in the plan and stable between two plans of the same difference."""
        if not self.group.per_call:
            return self.group.key
        if self.group.per_call == 1:
            return f"{self.group.key}:{self.gateways[0]}"
        return f"{self.group.key}:{self.index + 1}"

    @property
    def gateways(self) -> tuple[str, ...]:
        """The gateways of this call, sorted."""
        size = self.group.per_call
        return self.group.action.gateways[self.index * size : (self.index + 1) * size]

    @property
    def operation(self) -> Operation:
        return self.group.operation

    @property
    def action(self) -> Action:
        return self.group.action

    @property
    def resource(self) -> ResourceId:
        return self.group.action.resource


class OutcomeStatus(StrEnum):
    """What became of a step."""

    DONE = "done"
    NOT_NEEDED = "not-needed"
    WAITING = "waiting"
    """Left for a person: the campaign waits for an approval that Git doesn't give."""
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    """The answer was unclear and the operation must never be repeated."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step, and why when it isn't done. ``created`` is an id the server gave."""

    step: Step
    status: OutcomeStatus
    message: str = ""
    attempts: int = 1
    created: str | None = None
    unclear: bool = False
    """An answer was unclear, so that a step that isn't done may have happened all the same."""

    @property
    def settled(self) -> bool:
        """Whether what needs this step may go on."""
        return self.status in (OutcomeStatus.DONE, OutcomeStatus.NOT_NEEDED)


@dataclass(frozen=True, slots=True)
class Server:
    """Which server a plan, a state or a report is about."""

    provider: str
    url: str
    organization: str | None = None

    def __str__(self) -> str:
        return f"{self.url} (organization {self.organization})" if self.organization else self.url


def sorted_ids(ids: Collection[str]) -> tuple[str, ...]:
    """Ids in the one order in which everything is emitted."""
    return tuple(sorted(ids))
