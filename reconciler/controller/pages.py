"""The pages of a controller: the last look, for people.

Tests: `tests/controller/test_controller_pages.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.app.pages import page_routes, said
from reconciler.controller.shown import Board, CalendarShown, PastLook, Shown
from reconciler.report.web.fleet import CalendarSeen, FleetShown, LookSeen
from reconciler.rollout.calendars import Opening
from reconciler.text import plural

if TYPE_CHECKING:
    from reconciler.report.statuses import StatusReport

_AGAIN = "The page asks again by itself."


def controller_pages(board: Board) -> Sequence[BaseRoute]:
    """The routes of the pages of what hangs on `board`; ReconcilerError without the extra `controller`."""
    made: tuple[Shown, FleetShown] | None = None

    async def look(request: Request) -> FleetShown | Response:
        nonlocal made
        del request
        shown = board.shown
        if made is not None and made[0] is shown:
            return made[1]
        if shown.status is None:
            return _nothing_yet(shown)
        fleet = fleet_of(shown, shown.status)
        made = shown, fleet
        return fleet

    return page_routes(look)


def fleet_of(shown: Shown, status: StatusReport) -> FleetShown:
    """What a controller shows, as its pages show it."""
    return FleetShown(
        status,
        shown.at if shown.at is not None else shown.ticked,
        environment=shown.environment,
        project=shown.project,
        calendars=tuple(map(_calendar, shown.calendars)),
        looks=tuple(map(_look, shown.looks)),
        next_look=shown.next_look,
        role="standby: another process looks" if shown.standby else "",
        commit=shown.commit or "",
    )


def _nothing_yet(shown: Shown) -> Response:
    """Before anything was read."""
    if shown.looks and shown.looks[0].why:
        return said(
            f"{shown.project}: nothing was read yet", f"{shown.looks[0].why}. {_AGAIN}", 503, refresh=True
        )
    return said(f"{shown.project}: the first look is not over", _AGAIN, 503, refresh=True)


def _look(past: PastLook) -> LookSeen:
    message = past.why or (plural(past.steps, "call") if past.steps else "")
    return LookSeen(past.at, past.result.value, int(past.seconds * 1000), message)


def _calendar(shown: CalendarShown) -> CalendarSeen:
    if shown.open is None:
        return CalendarSeen(shown.name, None)
    until, opens = (shown.turns, None) if shown.open else (None, shown.turns)
    return CalendarSeen(shown.name, Opening(shown.open, until, opens, shown.frozen))
