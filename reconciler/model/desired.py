"""What Git asks for. None: not managed; empty: managed and empty.

Tests: `tests/resolve/test_resolve_campaigns.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from reconciler.model.rollouts import Calendar, DesiredRollout, NextWindow, RolloutRecord
from reconciler.model.words import Place, ResourceId, SettingValue


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
    """The one live package of exactly this name, and of this version and type where they are said."""

    name: str
    place: Place | None = field(default=None, compare=False)
    version: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A local file that the server should have. Its content, ``sha256`` (64 hex digits), identifies it."""

    sha256: str
    """The digest of its content, hex."""
    path: Path = field(compare=False)
    """Where it is."""
    name: str = field(compare=False)
    """Its name on the server."""
    size: int = field(compare=False)
    """Bytes."""
    resource: ResourceId = field(compare=False)
    """The PackageSet that declares it (first)."""
    description: str = field(default="", compare=False)
    """Its description on the server."""
    mode: UploadMode = field(default=UploadMode.MULTIPART, compare=False)
    """How it is uploaded."""
    version: str | None = field(default=None, compare=False)
    """The version that people give this content; None: not given."""
    type: str | None = field(default=None, compare=False)
    """The kind of software, in the server's words."""
    vendor: str | None = field(default=None, compare=False)
    """Who made it."""
    first: bool = field(default=True, compare=False)
    """Whether it is the first package of its PackageSet."""
    place: Place | None = field(default=None, compare=False)


PackageRef = PackageById | PackageByName | PackageFile


@dataclass(frozen=True, slots=True)
class SetName:
    """The name of a campaign's packages together: a PackageSet, and the version of its content."""

    name: str
    """Of the PackageSet."""
    version: str | None = None
    """None: not given."""


class Force(StrEnum):
    """Whether a gateway has to update, or may choose when."""

    NEVER = "never"
    ALWAYS = "always"
    AFTER = "after"


class Only(StrEnum):
    """The part of an update that a campaign is about."""

    DOWNLOAD = "download"
    ALL = "all"
    """What a server tells where no part is left out; files say nothing then."""


@dataclass(frozen=True, slots=True)
class DeliveryTerms:
    """How gateways get their packages. None: not managed. Times are epoch milliseconds."""

    force: Force | None = None
    """Whether they must install them."""
    force_after: int | None = None
    """From when on they must install them."""
    only: Only | None = None
    """The only part of an update that is done; none: all of it."""
    confirm: bool | None = None
    """Whether somebody at the gateway has to agree."""
    start_at: int | None = None
    """When the server starts the campaign by itself."""


class SchedulePhase(StrEnum):
    """The phases that a window can gate, in the order a gateway goes through them."""

    DOWNLOAD = "download"
    EXECUTION = "execution"
    ACTIVATION = "activation"


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A slice of time, [begin, end), epoch milliseconds."""

    begin: int
    """Its begin."""
    end: int
    """Its end, exclusive."""


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
    """The id of the notification destination."""
    states: frozenset[str] | None = None
    """The states that are tracked."""


@dataclass(frozen=True, slots=True)
class DistributionList:
    """A saved filter that the server evaluates; interval in seconds, None when not managed."""

    id: str
    """Its id."""
    interval: int | None = None
    """Seconds between two evaluations; None: not managed, or not reported."""
    also: tuple[str, ...] = ()
    """Other names that the server has for the same list, sorted."""

    def is_called(self, name: str) -> bool:
        """Whether `name` means this list."""
        return name == self.id or name in self.also


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
    schedule: str | None = field(default=None, compare=False)
    """The name of the Schedule."""
    timezone: str | None = field(default=None, compare=False)
    """The zone in which people wrote its times (IANA), where they did."""
    calendars: Mapping[SchedulePhase, NextWindow] = field(default_factory=dict)
    """Phases whose window is the next one of a calendar: until a look says which that is."""


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
    package_set: SetName | None = None
    """What they are called together."""
    delivery: DeliveryTerms | None = None
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
    rollout: DesiredRollout | None = None
    """None: its gateways join all at once."""
    rollback_of: ResourceId | None = None
    """The campaign that this one is the way back from; ``gateways`` are then those of that one."""
    whole: frozenset[str] | None = None
    """All declared gateways, where ``gateways`` are those that the rollout has released; None: where it has
    released all of them."""
    revised: bool = False
    """The live campaign is of an earlier revision of the rollout, and can't be changed: a successor begins
    with ``gateways``, which may be none, and nobody else goes over to it."""
    staying: frozenset[str] = frozenset()
    """Those not among ``gateways`` that stay in the campaigns of earlier revisions until their wave."""
    rests: bool = False
    """Git wishes that all of it stands still, earlier revisions too."""
    halts: frozenset[str] = frozenset()
    """Campaigns (ids) of earlier revisions that a freeze stops now."""
    thaws: frozenset[str] = frozenset()
    """Campaigns (ids) of earlier revisions that a freeze stopped, and that are started again now."""
    calendars: tuple[Calendar, ...] = ()
    """The project's: nothing reaches devices unless all of them are open."""
    zones: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Zone → its gateways, where a calendar asks for the zone of each."""
    begun: RolloutRecord | None = None
    """What a state learns of the rollout, once the campaign is created."""
    labels: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)
    """Field name → where its value stands, for findings."""

    @property
    def declared(self) -> frozenset[str]:
        """All declared gateways, whether the rollout has released them or not."""
        return self.whole if self.whole is not None else self.gateways or frozenset()

    def place_of(self, field_name: str) -> Place:
        """Where `field_name` is declared; the document when it is left out."""
        return self.places.get(field_name, self.place)


@dataclass(frozen=True, slots=True)
class Focus:
    """The part of a project that a run is about; nothing else is planned, or read where it can't matter."""

    asked: tuple[str, ...]
    """What the person asked for, as on the command line."""
    excluded: tuple[DesiredCampaign, ...] = ()
    """Declared campaigns that are left alone."""
    removed: frozenset[ResourceId] = frozenset()
    """Owned campaigns that are no longer declared, and were asked for by name."""


@dataclass(frozen=True, slots=True)
class Desired:
    """What the resources ask for, sorted by resource name."""

    campaigns: tuple[DesiredCampaign, ...] = ()
    packages: tuple[PackageRef, ...] = ()
    """Every package of every PackageSet, used by a campaign or not, without repetition."""
    complete: bool = True
    """Whether every resource of the project is known. Nothing is ever deleted otherwise."""
    focus: Focus | None = None
    """None: the run is about everything."""
    calendars: tuple[Calendar, ...] = ()
    """Every Calendar, named by a policy or not."""
    keep: Mapping[ResourceId, int] = field(default_factory=dict)
    """PackageSet → how many uploads that it no longer declares survive a prune; the newest ones."""

    @property
    def declared(self) -> frozenset[ResourceId]:
        """Every declared campaign, also one that the run leaves alone."""
        excluded = self.focus.excluded if self.focus else ()
        return frozenset(campaign.resource for campaign in (*self.campaigns, *excluded))

    def removed(self, owned: Iterable[ResourceId]) -> frozenset[ResourceId]:
        """Which owned campaigns are no longer declared, where that is known and this run's business."""
        if not self.complete:
            return frozenset()
        removed = frozenset(owned) - self.declared
        return removed & self.focus.removed if self.focus else removed


def used_packages(campaigns: Iterable[DesiredCampaign]) -> tuple[PackageRef, ...]:
    """Every package that some campaign is to have, without repetition."""
    refs: dict[PackageRef, None] = {}
    for campaign in campaigns:
        refs.update(dict.fromkeys(campaign.packages or ()))
        for override in campaign.overrides or ():
            refs.update(dict.fromkeys(override.packages))
    return tuple(refs)
