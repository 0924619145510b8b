"""Schedules: a window of time for each phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.loading.nodes import unsure
from reconciler.loading.referenced_files import Problem
from reconciler.model import Calendar, DailyWindow, NextWindow, SchedulePhase, Window
from reconciler.resolve.source import ResourceSource
from reconciler.resolve.times import duration, is_local, parse_time, parse_zone
from reconciler.text import quoted
from reconciler.walltime import DAY_MINUTES

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

UNKNOWN_ZONE = "UTC"
"""Stands for a zone that isn't known. Local times that are right stand in the same order in every zone."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """The windows of a Schedule in the order of the phases; what has an error is left out of ``windows``."""

    windows: Mapping[SchedulePhase, Window] = field(default_factory=dict)
    phases: frozenset[SchedulePhase] = frozenset()
    """Those that it has a window for, also one with an error."""
    calendars: Mapping[SchedulePhase, NextWindow] = field(default_factory=dict)
    """Phases whose window is the next one of a calendar."""
    timezone: str | None = None
    """The zone in which its times are written (IANA), where that is known."""


@dataclass(frozen=True, slots=True)
class _Clock:
    """How the times of a schedule are read."""

    zone: ZoneInfo | None
    known: bool = True


@dataclass(frozen=True, slots=True)
class _Moment:
    """Epoch milliseconds; ``floating``: of a local time in a zone that isn't known."""

    at: int
    floating: bool

    def before(self, other: _Moment) -> bool:
        """Whether it surely is."""
        return self.floating is other.floating and self.at < other.at


def resolve_schedule(source: ResourceSource, calendars: Mapping[str, Calendar | None]) -> Timetable:
    """The windows of a Schedule, each by itself and then in their order."""
    clock = _clock(source)
    phases = [phase for phase in SchedulePhase if phase in source.spec]
    if not phases and not any(unsure(source.spec, phase) for phase in SchedulePhase):
        hint = f"add one of {', '.join(SchedulePhase)}"
        source.error("missing-field", "the schedule has no phase", source.place(), hint)
    windows: dict[SchedulePhase, Window] = {}
    begins: dict[SchedulePhase, _Moment] = {}
    for phase in phases:
        begin, end = (_moment(source, phase, key, clock) for key in ("begin", "end"))
        if begin:
            _in_order(source, phase, begin, begins)
            begins[phase] = begin
        if begin and end and _ends_after(source, phase, begin, end):
            windows[phase] = Window(begin.at, end.at)
    following = {
        phase: following
        for phase in phases
        if (calendar := calendars.get(source.spec[phase].get("calendar", "")))
        and (following := _following(source, phase, calendar))
    }
    timezone = clock.zone.key if clock.zone and clock.known else None
    return Timetable(windows, frozenset(phases), following, timezone)


def _following(source: ResourceSource, phase: SchedulePhase, calendar: Calendar) -> NextWindow | None:
    """The next window of `calendar`; None when there can be none."""
    at_least = duration(source.spec[phase].get("atLeast", "0s"))
    place = source.place(phase, "calendar")
    if calendar.windows is None:
        message = f"the calendar {quoted(calendar.name)} has no windows, so there is no next one of them"
        source.error("calendar-without-windows", message, place, "give it windows, or name another calendar")
        return None
    longest = max((_minutes(rule) for rule in calendar.windows), default=0)
    if longest * 60_000 < at_least or not longest:
        message = f"the calendar {quoted(calendar.name)} is never open"
        hint = "give it windows"
        if longest:
            message += f" for as long as {source.spec[phase]['atLeast']}"
            place, hint = source.place(phase, "atLeast"), "write a shorter time, or give it a longer window"
        source.error("never-open", message, place, hint)
        return None
    return NextWindow(calendar, at_least)


def _minutes(rule: DailyWindow) -> int:
    later = rule.end if rule.end > rule.begin else rule.end + DAY_MINUTES
    return later - rule.begin


def _clock(source: ResourceSource) -> _Clock:
    if "timezone" in source.spec:
        zone = parse_zone(str(source.spec["timezone"]))
        if not isinstance(zone, Problem):
            return _Clock(zone)
        source.problem(zone, source.place("timezone"))
    elif not unsure(source.spec, "timezone"):
        return _Clock(None)
    from zoneinfo import ZoneInfo

    return _Clock(ZoneInfo(UNKNOWN_ZONE), known=False)


def _moment(source: ResourceSource, phase: SchedulePhase, key: str, clock: _Clock) -> _Moment | None:
    if key not in source.spec[phase]:
        return None
    text = str(source.spec[phase][key])
    instant = parse_time(text, clock.zone)
    if isinstance(instant, Problem):
        source.problem(instant, source.place(phase, key))
        return None
    return _Moment(instant, not clock.known and is_local(text))


def _in_order(
    source: ResourceSource,
    phase: SchedulePhase,
    begin: _Moment,
    begins: Mapping[SchedulePhase, _Moment],
) -> None:
    """A phase doesn't begin before one that comes first."""
    later = [earlier for earlier, moment in begins.items() if begin.before(moment)]
    if later:
        source.warning(
            "phases-out-of-order",
            f"{phase} begins before {later[-1]}, which comes first",
            source.place(phase, "begin"),
            "a gateway that is not done with one phase doesn't begin the next",
        )


def _ends_after(source: ResourceSource, phase: SchedulePhase, begin: _Moment, end: _Moment) -> bool:
    if begin.before(end) or begin.floating is not end.floating:
        return True
    message = f"the {phase} window ends {'when' if end == begin else 'before'} it begins"
    source.error("end-before-begin", message, source.place(phase, "end"), "the end must be after the begin")
    return False
