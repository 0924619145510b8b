"""How carefully, and when, a campaign reaches its gateways: policies and calendars.

Times are epoch milliseconds, durations milliseconds, times of day minutes since midnight.

Tests: `tests/rollout/test_rollout_calendars.py`, `tests/rollout/test_rollout_gate.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model.words import Place, ResourceId, SettingValue

THOUSANDTHS = 100_000
"""A share is counted in thousandths of a percent: all of them are so many."""
GATEWAY_ZONE = "gateway"
"""The zone of a calendar that means each gateway's own."""


@dataclass(frozen=True, slots=True)
class DailyWindow:
    """Open from ``begin`` on these days (0 is Monday) until ``end``, on the next day when it isn't later."""

    begin: int
    end: int
    days: frozenset[int] = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class OneFreeze:
    """Nothing in [begin, end)."""

    begin: int
    end: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class YearlyFreeze:
    """Nothing from the first to the last day, (month, day) each, both included; a year may end between."""

    first: tuple[int, int]
    last: tuple[int, int]
    name: str = ""


Freeze = OneFreeze | YearlyFreeze


@dataclass(frozen=True, slots=True)
class Calendar:
    """When gateways may be released."""

    name: str
    zone: str
    """An IANA name, or `GATEWAY_ZONE`."""
    windows: tuple[DailyWindow, ...] | None = None
    """None: always, except for freezes; empty: never."""
    freezes: tuple[Freeze, ...] = ()
    place: Place | None = field(default=None, compare=False)

    @property
    def of_gateways(self) -> bool:
        """Whether its times are read in the zone of each gateway."""
        return self.zone == GATEWAY_ZONE


@dataclass(frozen=True, slots=True)
class NextWindow:
    """The next window of a calendar of which at least so many milliseconds are left."""

    calendar: Calendar
    at_least: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """So many of those who are meant: a count, or thousandths of a percent of them, rounded up."""

    count: int | None = None
    thousandths: int = THOUSANDTHS

    def of(self, total: int) -> int:
        """How many of `total` it is."""
        if self.count is not None:
            return min(self.count, total)
        return -(-total * self.thousandths // THOUSANDTHS)


@dataclass(frozen=True, slots=True)
class Gate:
    """What a wave must reach before the next one opens, percents from 0 to 100."""

    min_success: float = 90.0
    """Of all gateways of the wave."""
    max_failed_percent: float = 10.0
    """Of its finished ones."""
    sample: int = 20
    """The share of failures counts from so many finished ones on."""
    max_failed: int | None = None
    """Of the whole rollout."""


@dataclass(frozen=True, slots=True)
class Wave:
    """One wave of a policy, for one campaign: who is meant, and how many of them once it is released."""

    name: str
    share: Share = field(default_factory=Share)
    """Of those who are meant, those of earlier waves counted."""
    candidates: frozenset[str] | None = None
    """Who is meant; None: every gateway of the campaign."""
    soak: int = 0
    deadline: int | None = None
    approval: bool = False
    gate: Gate = field(default_factory=Gate)


class OnFailure(StrEnum):
    """What an aborted rollout does to those that are under way."""

    PAUSE = "pause"
    STOP = "stop"


class OnDeadline(StrEnum):
    """What a wave does that is late."""

    PAUSE = "pause"
    SKIP_IDLE = "skipIdle"


class DuringFreeze(StrEnum):
    """What a freeze does to a running campaign."""

    HOLD = "hold"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Budget:
    """How many may be released and not done at once: in each group, or in the campaign without groups."""

    count: int | None = None
    thousandths: int = THOUSANDTHS
    """Of a group where ``count`` is None, rounded down, but at least one."""
    groups: Mapping[str, frozenset[str]] | None = None
    """Group → its gateways; None: all are one."""

    def of(self, size: int) -> int:
        """How many of a group of `size` it lets out."""
        return self.count if self.count is not None else max(1, size * self.thousandths // THOUSANDTHS)


class OnCheckFailure(StrEnum):
    """What a check that fails does."""

    ABORT = "abort"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class PrometheusQuery:
    """An instant query that gives one number."""

    query: str
    most: float | None = None
    """A larger number fails."""
    least: float | None = None
    """A smaller one fails."""
    empty_passes: bool = False
    """Whether no sample is good; else nobody knows."""


@dataclass(frozen=True, slots=True)
class HttpQuestion:
    """A request whose answer decides."""

    post: bool = False
    """Whether it carries where the rollout stands."""


@dataclass(frozen=True, slots=True)
class RolloutCheck:
    """What a policy asks somebody else before a wave opens.

    Secrets of its headers are read when it is asked.
    """

    name: str
    url: str
    how: PrometheusQuery | HttpQuestion
    headers: Mapping[str, SettingValue] = field(default_factory=dict)
    seconds: int = 10
    """How long the whole answer may take."""
    on_failure: OnCheckFailure = OnCheckFailure.ABORT
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ListedGateways:
    """Gateways, and a digest of them in the order of their lists, which is the same on every machine."""

    gateways: frozenset[str]
    digest: str


@dataclass(frozen=True, slots=True)
class DesiredRollout:
    """How a campaign reaches its gateways, the policy resolved for it."""

    policy: str
    waves: tuple[Wave, ...]
    seed: str
    budget: Budget | None = None
    calendars: tuple[Calendar, ...] = ()
    """All of them must be open."""
    zones: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Zone → its gateways, where a calendar asks for the zone of each."""
    on_failure: OnFailure = OnFailure.PAUSE
    on_deadline: OnDeadline = OnDeadline.PAUSE
    during_freeze: DuringFreeze = DuringFreeze.HOLD
    approved: int = 0
    """Git approves of so many waves, the first included."""
    paused: bool = False
    """Git pauses it."""
    after: tuple[ResourceId, ...] = ()
    """Campaigns whose rollouts have to be complete before this one begins."""
    checks: tuple[RolloutCheck, ...] = ()
    """What is asked before a wave opens."""
    listed: ListedGateways | None = None
    """The gateways as the lists of the campaign have them."""
    behind: str = ""
    """What has to stop before anybody joins; empty: nothing."""
    way_back: str = ""
    """The way back from it that is under way, so that nobody joins; empty: none."""
    place: Place | None = field(default=None, compare=False)


class RolloutStatus(StrEnum):
    """Where a rollout stands."""

    PROGRESSING = "progressing"
    PAUSED = "paused"
    ABORTED = "aborted"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Promotion:
    """A person opens a wave without waiting for what ``skips`` names."""

    wave: int
    """Which wave, from 1 on."""
    skips: tuple[str, ...] = ()
    """Any of ``success``, ``soak``, ``check`` and ``calendar``. No approval is needed."""


@dataclass(frozen=True, slots=True)
class RolloutRecord:
    """What a state keeps of a rollout. Counts are live, and never kept."""

    revision: str = ""
    """A salted digest of what it rolls out: packages and settings."""
    plan: str = ""
    """A digest of the waves and the seed."""
    edited: bool = False
    """They were changed: the next gate counts all gateways that are in as one wave."""
    wave: int = 0
    """How many waves are open."""
    since: int = 0
    """When the last one opened on a running campaign; 0: it doesn't run yet."""
    reached: int | None = None
    """Since when its gate has been met without a break."""
    status: RolloutStatus = RolloutStatus.PROGRESSING
    """Whether it goes on."""
    why: str = ""
    """Why it is paused or aborted."""
    by: str = ""
    """Who paused or aborted it; empty: its own rules."""
    at: int = 0
    """Since when it has had its status; 0: since it began."""
    limit: int | None = None
    """How many failures were allowed at the last look."""
    promoted: tuple[Promotion, ...] = ()
    """What a person allowed waves to skip, once."""
    stops: bool = False
    """A person aborted it, and wants its campaign stopped."""
    frozen: bool = False
    """We stopped its campaign for a freeze."""
    stopped: tuple[str, ...] = ()
    """The ids of its campaigns, those of earlier revisions too, that we stop for a freeze and that don't run
    again yet.
    """
    own: str = ""
    """A digest of what Git gave single gateways when some were last released: overrides, windows, things. As
    long as it stays, a look finishes what a run that was killed left undone for them.
    """
    lists: str = ""
    """A digest of the declared gateways when some last joined. When it changes, refused gateways are tried
    again.
    """
    ends: tuple[str, ...] = ()
    """Between whom the waves end, `reconciler.model.waves.Waves.ends`: a look that knows it hashes only those
    who stand otherwise than most.
    """
    ends_of: str = ""
    """A digest of all that decides the ends. They count for nothing as soon as it changes."""
