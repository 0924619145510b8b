"""What a calendar says of the next days: its windows, and its freezes. No server is asked.

Tests: `tests/cli/test_cli_calendar.py`.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from reconciler.app.pipeline import check
from reconciler.app.workspace import Workspace
from reconciler.errors import InvalidInput, ReconcilerError, UsageError
from reconciler.loading.referenced_files import Problem
from reconciler.report.calendar_answers import calendar_shown
from reconciler.report.command_answers import Answer
from reconciler.resolve.times import parse_zone
from reconciler.rollout.calendars import DAY, opening, windows
from reconciler.text import did_you_mean


def show(workspace: Workspace, name: str, *, days: int, zone: str | None, now: int) -> Answer:
    """The windows of the next `days`, as clocks in `zone` read them."""
    checked = check(workspace, offline=True)
    if not checked.sound:
        raise InvalidInput(checked.findings)
    known = {calendar.name: calendar for calendar in checked.desired.calendars}
    if name not in known:
        hint = did_you_mean(name, known) or (
            f"There are: {', '.join(sorted(known))}." if known else "No Calendar is declared."
        )
        raise ReconcilerError(f"there is no calendar {name!r}", hint=hint)
    calendar = known[name]
    if calendar.of_gateways and zone is None:
        hint = "Name a zone with --timezone: it is read in the zone of each gateway."
        raise UsageError(f"the calendar {name!r} has no zone of its own", hint=hint)
    where = zone or calendar.zone
    found = parse_zone(where)
    if isinstance(found, Problem):
        raise UsageError(found.message, hint=found.hint)
    own = found if calendar.of_gateways else ZoneInfo(calendar.zone)
    stretch = windows(calendar, own, now, now + days * DAY)
    return calendar_shown(calendar, stretch, opening([calendar], own, now), found)
