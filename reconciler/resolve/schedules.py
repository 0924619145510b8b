"""Schedules: a window of time for each phase."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from reconciler.model import SchedulePhase, Window
from reconciler.resolve.source import Findings, Source
from reconciler.resolve.times import parse_time, parse_zone
from reconciler.resolve.words import Problem

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

Windows = Mapping[SchedulePhase, Window]


def resolve_schedule(source: Source, findings: Findings) -> Windows:
    """The windows of a Schedule in the order of the phases; what has an error is left out."""
    zone: ZoneInfo | None = None
    if "timezone" in source.spec:
        found = parse_zone(str(source.spec["timezone"]))
        if isinstance(found, Problem):
            findings.problem(source, source.place("timezone"), found)
            return {}  # every time without an offset would be a finding that says nothing new
        zone = found
    phases = [phase for phase in SchedulePhase if phase in source.spec]
    if not phases:
        hint = f"add one of {', '.join(SchedulePhase)}"
        findings.error(source, source.place(), "missing-field", "the schedule has no phase", hint)
    windows = {phase: window for phase in phases if (window := _window(source, phase, zone, findings))}
    for (earlier, first), (later, second) in pairwise(windows.items()):
        if second.begin < first.begin:
            findings.warning(
                source,
                source.place(later, "begin"),
                "phases-out-of-order",
                f"{later} begins before {earlier}, which comes first",
                "a gateway that is not done with one phase doesn't begin the next",
            )
    return windows


def _window(source: Source, phase: SchedulePhase, zone: ZoneInfo | None, findings: Findings) -> Window | None:
    ends: list[int] = []
    for key in ("begin", "end"):
        instant = parse_time(str(source.spec[phase][key]), zone)
        if isinstance(instant, Problem):
            findings.problem(source, source.place(phase, key), instant)
        else:
            ends.append(instant)
    if len(ends) < 2:
        return None
    begin, end = ends
    if end <= begin:
        message = f"the {phase} window ends {'when' if end == begin else 'before'} it begins"
        findings.error(
            source, source.place(phase, "end"), "end-before-begin", message, "the end must be after the begin"
        )
        return None
    return Window(begin, end)
