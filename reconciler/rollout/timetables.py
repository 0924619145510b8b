"""Which window of a calendar a gateway is to have: it stays the same from one look to the next. Pure.

| a gateway                                                  | is to have                                   |
|------------------------------------------------------------|----------------------------------------------|
| has a window of the calendar that hasn't ended             | that one                                     |
| joins, has none, or another one                            | the first with enough left, in its zone      |
| had one that has ended                                     | the same; who is past the phase gets no more |
| is in no zone that is known, or its calendar doesn't open  | none, and that is said                       |

So nothing is sent between the sending of a window and its end. Freezes are cut out of windows.

Tests: `tests/rollout/test_rollout_timetables.py`, `tests/scenarios/test_schedule_calendars.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from reconciler.model import (
    Assignment,
    Calendar,
    Desired,
    DesiredCampaign,
    Finding,
    Live,
    LiveCampaign,
    NextWindow,
    SchedulePhase,
    Severity,
    Window,
)
from reconciler.ownership import owned_by
from reconciler.providers.base import Facts, Field
from reconciler.rollout.calendars import DAY, HORIZON, windows
from reconciler.state.applied import schedule_field, window_of
from reconciler.state.base import Owned, State
from reconciler.text import and_more, quoted

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_LOOKS: Final = (2 * DAY, 9 * DAY, 60 * DAY, HORIZON)
_NOBODY: Final[frozenset[str]] = frozenset()
Windows = Mapping[tuple[str, Window], frozenset[str]]
"""Zone and window → the gateways that are to have it."""


@dataclass(frozen=True, slots=True)
class Timed:
    """`Desired`, in which every schedule says from when to when."""

    desired: Desired
    findings: tuple[Finding, ...] = ()


def timed(desired: Desired, live: Live, state: State, facts: Facts, now: int) -> Timed:
    """The windows of calendars, for each gateway; `now` in epoch milliseconds."""
    if not any(each.calendars for campaign in desired.campaigns for each in campaign.schedules or ()):
        return Timed(desired)
    by_id = {owned.id: owned for owned in state.campaigns.values()}
    calendars = _Windows(now)
    campaigns: list[DesiredCampaign] = []
    findings: list[Finding] = []
    for campaign in desired.campaigns:
        if not any(each.calendars for each in campaign.schedules or ()):
            campaigns.append(campaign)
            continue
        claim = live.claims.get(campaign.resource)
        owned = owned_by(campaign, claim, state, by_id)[0] if claim is not None else None
        there = live.campaigns.get(campaign.resource) if owned else None
        timing = _Timing(campaign, there, owned, facts, calendars)
        campaigns.append(replace(campaign, schedules=tuple(timing.assignments())))
        findings += timing.findings
    return Timed(replace(desired, campaigns=tuple(campaigns)), tuple(findings))


@dataclass(slots=True)
class _Windows:
    """The windows of calendars, each found once."""

    now: int
    _first: dict[tuple[NextWindow, str], Window | None] = field(default_factory=dict)
    _known: dict[tuple[Calendar, str, Window], bool] = field(default_factory=dict)

    def first(self, wish: NextWindow, zone: str) -> Window | None:
        """The first with enough left of it."""
        if (wish, zone) not in self._first:
            self._first[wish, zone] = self._found(wish, zone)
        return self._first[wish, zone]

    def _found(self, wish: NextWindow, zone: str) -> Window | None:
        for look in _LOOKS:
            for each in windows(wish.calendar, _zone(zone), self.now, self.now + look):
                if each.end - max(each.begin, self.now) >= max(wish.at_least, 1):
                    return each
        return None

    def still(self, wish: NextWindow, zone: str, window: Window) -> bool:
        """Whether `window` is one of the calendar that hasn't ended."""
        if window.end <= self.now:
            return False
        key = (wish.calendar, zone, window)
        if key not in self._known:
            found = windows(wish.calendar, _zone(zone), window.begin, window.end)
            self._known[key] = window in found
        return self._known[key]


def _zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


class _Timing:
    """One campaign."""

    def __init__(
        self,
        campaign: DesiredCampaign,
        there: LiveCampaign | None,
        owned: Owned | None,
        facts: Facts,
        calendars: _Windows,
    ) -> None:
        self._campaign, self._there, self._owned = campaign, there, owned
        self._facts, self._calendars = facts, calendars
        members = there.gateways if there else None
        self._members = frozenset(members) if members is not None else _NOBODY
        self.findings: list[Finding] = []

    def assignments(self) -> Iterator[Assignment]:
        """All of the campaign, with windows."""
        for assignment in self._campaign.schedules or ():
            if assignment.windows or not assignment.calendars:
                yield replace(assignment, calendars={})
            for phase, wish in assignment.calendars.items():
                for (zone, window), gateways in self._windows(assignment, phase, wish).items():
                    yield replace(
                        assignment, windows={phase: window}, gateways=gateways, timezone=zone, calendars={}
                    )

    def _windows(self, assignment: Assignment, phase: SchedulePhase, wish: NextWindow) -> Windows:
        recorded = {window_of(value): ids for value, ids in self._recorded(phase).items()}
        found: dict[tuple[str, Window], frozenset[str]] = {}
        never: set[str] = set()
        left = self._meant(assignment)
        for zone, there in self._by_zone(wish, left):
            gateways = there
            left -= there
            for window, having in sorted(recorded.items()):
                keep = gateways & having & self._members
                if keep and self._calendars.still(wish, zone, window):
                    found[zone, window] = keep
                    gateways -= keep
            if gateways and (first := self._calendars.first(wish, zone)):
                found[zone, first] = found.get((zone, first), _NOBODY) | gateways
            else:
                never |= gateways
        why = f"no window of the calendar {wish.calendar.name} is to come"
        self._tell("never-open", why, never, assignment)
        self._tell("timezone-missing", "their time zone isn't known", left, assignment)
        return found

    def _recorded(self, phase: SchedulePhase) -> Mapping[str, frozenset[str]]:
        """The windows that gateways have: as the server tells, or else as they were last sent."""
        key = schedule_field(phase)
        if self._there is not None and self._facts.readable(Field.SCHEDULES):
            return self._there.gateways.values.get(key, {}) if self._there.gateways else {}
        return self._owned.members.get(key, {}) if self._owned else {}

    def _meant(self, assignment: Assignment) -> frozenset[str]:
        campaign = self._campaign
        if assignment.gateways is not None:
            return assignment.gateways
        closed = campaign.closed or _NOBODY
        if campaign.gateways is not None and not campaign.distribution:
            return campaign.gateways - closed
        return (self._members | (campaign.gateways or _NOBODY)) - closed

    def _by_zone(self, wish: NextWindow, gateways: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
        if not wish.calendar.of_gateways:
            yield wish.calendar.zone, gateways
            return
        for zone, members in sorted(self._campaign.zones.items()):
            if here := gateways & members:
                yield zone, here

    def _tell(self, code: str, why: str, gateways: frozenset[str] | set[str], assignment: Assignment) -> None:
        if gateways:
            who = f"gateway {quoted(min(gateways))}{and_more(len(gateways) - 1)}"
            message = f"{self._campaign.resource}: no window for {who}: {why}"
            resource = self._campaign.resource
            self.findings.append(Finding(code, message, assignment.place, None, resource, Severity.WARNING))
