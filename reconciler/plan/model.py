"""A plan: what would be called, in which order, why, and what it means for devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Final

from reconciler.model import Change, Finding, Json, Place, ResourceId, Server, Step, StepGroup
from reconciler.rollout.views import RolloutView
from reconciler.state.base import Event

_FEW: Final = 4


@dataclass(frozen=True, slots=True)
class Devices:
    """How many gateways something happens to, as things are when the plan is made; none: unknown."""

    members: int | None = None
    """Gateways in the campaign once the plan is done; of a deleted one, those that were in it."""
    join: int | None = None
    """Gateways that join."""
    leave: int | None = None
    """Gateways that leave, or whose campaign is deleted."""
    start: int | None = None
    """Open and not final, where the campaign is started; 0 where the start closes a bracket."""
    stop: int | None = None
    """Open and not final, where the campaign is stopped for good."""
    interrupt: int | None = None
    """In flight when they are stopped, deleted, removed or closed."""
    update: int | None = None
    """Gateways that get packages: those that join, and, where packages change, open ones that aren't final.
    """
    finished: int | None = None
    """Final ones, done or failed, whose packages change."""


@dataclass(frozen=True, slots=True)
class Packages:
    """Packages of a campaign by name and version; by id if the name is unknown."""

    before: tuple[str, ...] = ()
    """The current ones; empty for a campaign that is created."""
    after: tuple[str, ...] = ()
    """The future ones; empty for a campaign that is deleted."""


@dataclass(frozen=True, slots=True)
class PlannedWindow:
    """When its schedules allow a phase of a campaign."""

    phase: str
    """The phase."""
    begin: int
    """Epoch milliseconds."""
    end: int
    """Its end, exclusive, epoch milliseconds."""
    timezone: str | None = None
    """The time zone in which it was written (IANA), if given."""


@dataclass(frozen=True, slots=True)
class CampaignImpact:
    """What a plan does to the devices of one campaign. Counts are exact."""

    resource: ResourceId
    """The resource of the campaign."""
    name: str
    """Its name on the server."""
    gained: int = 0
    """Gateways that join."""
    lost: int = 0
    """Gateways that leave."""
    created: bool = False
    """It is created."""
    deleted: bool = False
    """It is deleted."""
    starts: bool = False
    """It starts."""
    stops: bool = False
    """It stops."""
    interrupted: bool = False
    """It is stopped and started again, so that it can be edited."""
    replaced: tuple[str, ...] = ()
    """The fields that the server can't edit, so that a successor takes its place."""
    ends: int = 0
    """Predecessors that an earlier run left behind and that this plan ends."""
    revision: bool = False
    """A successor begins with the gateways that join; the others stay for now."""
    stay: int = 0
    """Gateways that stay in the campaigns of earlier revisions, with their packages, until their wave."""
    shared: Mapping[ResourceId, int] = field(default_factory=dict)
    """Other running campaign, declared or owned → how many gateways it shares with this one."""
    devices: Devices = Devices()
    """What happens to its gateways."""
    packages: Packages = Packages()
    """What they get."""
    place: Place | None = None
    """Where it is declared."""
    windows: tuple[PlannedWindow, ...] = ()
    """When it may happen: the first windows of its schedules, by phase."""


@dataclass(frozen=True, slots=True)
class Impact:
    """What a plan does to devices and to the server. ``requests`` counts the calls of its steps."""

    campaigns: tuple[CampaignImpact, ...] = ()
    """The campaigns that something happens to."""
    requests: int = 0
    """How many calls its steps make."""
    permissions: tuple[str, ...] = ()
    """The permissions that the token needs."""
    devices: Devices = Devices()
    """What happens to gateways in total. Each counts once, however many campaigns it is in."""

    @property
    def gained(self) -> int:
        return sum(campaign.gained for campaign in self.campaigns)

    @property
    def lost(self) -> int:
        return sum(campaign.lost for campaign in self.campaigns)


@dataclass(frozen=True, slots=True)
class Partial:
    """A plan for part of the project: what was asked for, and how many campaigns that selects."""

    asked: tuple[str, ...]
    """As on the command line."""
    campaigns: int
    """How many that is."""
    total: int
    """How many there are."""


@dataclass(frozen=True, slots=True)
class GuardTrip:
    """A guard that the plan trips: ``found`` is more than ``limit``. Nothing is sent while a guard isn't
    ``waived``.
    """

    guard: str
    """As in the project file: ``maxDeletes``."""
    message: str
    """What happens to devices, with exact numbers; names the campaign if it is about one."""
    resource: ResourceId | None = None
    """The campaign, if it is about one."""
    found: int = 0
    """How many."""
    limit: int = 0
    """How many are allowed."""
    waived: str | None = None
    """The reason given for going on."""
    place: Place | None = None
    """The value that caused it, if there is one."""
    counts: Mapping[ResourceId, int] = field(default_factory=dict)
    """Campaign → its part of `found`, if the guard can cover several."""
    until: int | None = None
    """When the waiver expires, epoch milliseconds; set if the waiver is in Git."""
    waived_at: Place | None = None
    """Where the waiver is in Git."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The snapshot that a plan was computed from instead of the server: when it was taken, its age then."""

    taken: int
    """Epoch milliseconds."""
    age: int
    """Seconds."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The part of a campaign that waits for a calendar, and is in no step."""

    resource: ResourceId
    """The resource of the campaign."""
    what: tuple[str, ...]
    """What waits: verbs, or ``replace`` for a successor."""
    gateways: int = 0
    """How many gateways wait to join, or for something of their own."""
    until: int | None = None
    """When part of it can be sent, epoch milliseconds; None: unknown."""
    calendars: tuple[str, ...] = ()
    """The calendars that are closed; none: it waits for what another campaign waits for."""
    frozen: str | None = None
    """The name of the freeze in force; none: the calendar is only closed."""


@dataclass(frozen=True)
class Plan:
    """Ordered groups of steps, and what they were computed from.

    ``groups`` stand in an order in which every need comes before what needs it. ``records`` are facts
    for the state that take no call: adoptions, and objects found again after a lost answer.
    """

    server: Server
    groups: tuple[StepGroup, ...] = ()
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    impact: Impact = field(default_factory=Impact)
    records: tuple[Event, ...] = ()
    unreadable: Mapping[ResourceId, tuple[str, ...]] = field(default_factory=dict)
    """Campaign → managed fields that can't be read back: compared with what was last applied."""
    declares: Mapping[ResourceId, Mapping[str, Json]] = field(default_factory=dict, compare=False)
    """Campaign → field → what is declared, for the state to know once that is so."""
    guards: tuple[GuardTrip, ...] = ()
    partial: Partial | None = None
    """None: the plan is about everything."""
    snapshot: Snapshot | None = None
    """Set when no server was asked."""
    rollouts: tuple[RolloutView, ...] = ()
    """Where each rollout stands."""
    waits: tuple[HeldBack, ...] = ()
    """What is held back until a calendar opens."""
    package_names: Mapping[str, str] = field(default_factory=dict)
    """Package id → what it is called, of those that the plan speaks of and whose name is known; the digest of
    the content stands for the id of one that is still to be uploaded. No two are called alike.
    """

    @property
    def tripped(self) -> tuple[GuardTrip, ...]:
        """The guards that stand against it, and that nobody waived: while there is one nothing is sent."""
        return tuple(trip for trip in self.guards if trip.waived is None)

    @property
    def empty(self) -> bool:
        """Whether there is no step."""
        return not self.groups

    @property
    def size(self) -> int:
        """How many steps there are."""
        return sum(map(len, self.groups))

    def steps(self) -> Iterator[Step]:
        """Every step in order, made one by one."""
        for group in self.groups:
            yield from group

    @cached_property
    def by_key(self) -> Mapping[str, StepGroup]:
        return {group.key: group for group in self.groups}

    def needs(self, group: StepGroup) -> Iterator[tuple[Step, tuple[Step, ...]]]:
        """Each step of `group`, with every step that it comes after, without repetition."""
        whole = [self.by_key[need.group] for need in group.needs if not need.by_gateway]
        single = [self.by_key[need.group] for need in group.needs if need.by_gateway]
        # A few needs are followed step by step; for many a table avoids looking at each one again and again.
        table = _arrows(group, single) if len(single) > _FEW else None
        for step in group:
            if table is None:
                own = [Step(each, index) for each in single for index in each.steps_with(step.gateways)]
            else:
                own = table.get(step.index, [])
            yield step, (*chain.from_iterable(whole), *own)


def _arrows(group: StepGroup, needed: Iterable[StepGroup]) -> Mapping[int, list[Step]]:
    """Index of a step of `group` → the steps of those `needed` that carry one of its gateways."""
    found: dict[int, dict[tuple[str, int], Step]] = {}
    for other in needed:
        for gateway in min(group.gateways, other.gateways, key=len):
            here, there = group.index_of(gateway), other.index_of(gateway)
            if here is not None and there is not None:
                found.setdefault(here, {})[other.key, there] = Step(other, there)
    return {index: list(steps.values()) for index, steps in found.items()}
