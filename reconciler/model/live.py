"""What the server says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model.desired import DeliveryTerms, DistributionList
from reconciler.model.scope import Scope
from reconciler.model.words import Json, ResourceId


class Phase(StrEnum):
    """What a server's status means to a plan. The provider maps its own words to these."""

    READY = "ready"
    """Not running yet; may be started."""
    WAITING = "waiting"
    """Needs an approval before it may be started."""
    RUNNING = "running"
    PAUSED = "paused"
    """Ran, and may be started again."""
    BUSY = "busy"
    """The server is still at work on it, and it will be in another phase soon. A step that is sent meanwhile
    waits for that: `Writes.run` says *not executed*."""
    FINISHED = "finished"
    """Ran, and is done: as good as running."""
    ENDED = "ended"
    """Was stopped or denied for good: it never runs again."""
    UNKNOWN = "unknown"
    """A word that nobody told us about; nothing is concluded from it."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The gateways of a campaign, grouped by state so that a million of them stay a few sets."""

    states: Mapping[str, Set[str]] = field(default_factory=dict)
    """State → its gateways; nobody changes such a set any more."""
    closed: frozenset[str] = frozenset()
    values: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    """Field → value → its gateways, as a state holds them: what the server tells of single gateways."""

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

    def against(self, wanted: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
        """What is lacking, and what is beyond; a set that is as wanted is gone through once."""
        lacking = self.lacking(wanted)
        alike = len(self) == len(wanted) - len(lacking)
        return lacking, frozenset() if alike else self.beyond(wanted)

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
    """A campaign as the server reports it. ``status`` is the server's own word."""

    id: str
    """The server's id."""
    name: str
    """Its name on the server."""
    status: str
    """The server's word."""
    phase: Phase
    description: str = ""
    """Its description."""
    packages: tuple[str, ...] = ()
    """Ids of packages, in the server's order."""
    gateways: Membership | None = None
    """None: not read, because nothing needed it."""
    distribution: DistributionList | None = None
    """None: not set, or not read (``distribution_read``)."""
    distribution_read: bool = False
    overrides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Gateway → effective packages, of those gateways that were asked about."""
    applied: Mapping[str, Json] = field(default_factory=dict)
    """Field → value, as in a state: what this server reports and others can't. It contains secrets."""
    delivery: DeliveryTerms | None = None
    """How gateways get their packages, if the server reports that; None for what it doesn't report."""
    modified_by: str | None = None
    """Who changed it last, if the server reports that."""


@dataclass(frozen=True, slots=True)
class LivePackage:
    """A package as the server reports it; ``sha256`` of its content (64 hex digits) if the server reports
    that.
    """

    id: str
    """The server's id."""
    name: str
    """Its name."""
    description: str = ""
    """Its description."""
    sha256: str | None = None
    """The SHA-256 of its content, if the server reports that."""
    version: str | None = None
    """Its version, if the server keeps one."""
    type: str | None = None
    """The kind of software, if the server reports that."""

    def described(self, sha256: str) -> str:
        """Its description, without the brackets at its end where they tell that its content is `sha256`."""
        at = self.description.rfind("[")
        tells = at >= 0 and sha256[:8] in self.description[at:].lower()
        return self.description[:at].strip() if tells else self.description


class Ownership(StrEnum):
    """How a declared campaign is tied to a live one."""

    OWNED = "owned"
    """The state says so."""
    MOVED = "moved"
    """Owned by a resource that is no longer declared, under the name that this one declares."""
    RECOVERED = "recovered"
    """A create of ours whose answer was never recorded."""
    SUCCEEDED = "succeeded"
    """Owned, and replaced by a successor whose creation was never recorded."""
    ADOPTED = "adopted"
    """Somebody else's, taken by ``--adopt``."""
    NONE = "none"
    """Nothing live: to be created."""
    NOT_OURS = "not-ours"
    AMBIGUOUS = "ambiguous"
    """Several live campaigns could be meant."""
    UNREADABLE = "unreadable"
    """Ours, and listed, but the server doesn't answer for its id."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A declared campaign's tie to the server; ``ids`` are the live campaigns that it is about.

    ``name``: the name of the one, where it isn't the declared one. ``predecessors``: those that it replaced,
    as their names say, of which no state tells; those in ``ended`` are no longer under way.
    """

    ownership: Ownership
    ids: tuple[str, ...] = ()
    name: str | None = None
    predecessors: tuple[str, ...] = ()
    ended: frozenset[str] = frozenset()

    @property
    def held(self) -> bool:
        """Whether the campaign is ours, or becomes ours by this plan."""
        return self.ownership in _HELD


_HELD = frozenset(
    {
        Ownership.OWNED,
        Ownership.MOVED,
        Ownership.RECOVERED,
        Ownership.SUCCEEDED,
        Ownership.ADOPTED,
    }
)


@dataclass(frozen=True, slots=True)
class Live:
    """What was read of the server: exactly what desired and owned things need."""

    scope: Scope = field(default_factory=Scope)
    """All that was read."""
    by_id: Mapping[str, LiveCampaign | None] = field(default_factory=dict)
    """Every campaign that was asked for by its id; None: there is none."""
    listed: tuple[CampaignSummary, ...] | None = None
    """All campaigns; None when they were not listed."""
    campaigns: Mapping[ResourceId, LiveCampaign] = field(default_factory=dict)
    """Campaigns that are ours or become ours, declared or not."""
    claims: Mapping[ResourceId, Claim] = field(default_factory=dict)
    """Every declared campaign's tie to the server."""
    gone: frozenset[ResourceId] = frozenset()
    """Owned, but the server no longer has them."""
    unreadable: frozenset[ResourceId] = frozenset()
    """Owned and listed, but the server doesn't answer for their ids."""
    namesakes: Mapping[str, tuple[CampaignSummary, ...]] = field(default_factory=dict)
    """Name → live campaigns of exactly that name, for names that had to be looked up."""
    package_ids: Mapping[str, bool] = field(default_factory=dict)
    """Package id → whether the server has it; for ids that matter."""
    spelled: Mapping[str, str] = field(default_factory=dict)
    """Package id → the id that the server answers, where it writes it otherwise: in small letters, say."""
    named_packages: Mapping[str, tuple[LivePackage, ...]] = field(default_factory=dict)
    """Name → packages of exactly that name, for every name that was looked up."""
    packages_by_content: Mapping[str, tuple[LivePackage, ...]] = field(default_factory=dict)
    """SHA-256 → packages that hold it as far as the server tells, for every content that was looked up."""
    users: Mapping[str, frozenset[str]] | None = None
    """Package → ids of the live campaigns that use it; None when nobody asked."""
    called: Mapping[str, LivePackage] = field(default_factory=dict)
    """Package id → the package, for each that was read by its id."""
