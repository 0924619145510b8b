"""The routes of pages for people, over whatever looks at a fleet. There is GET, and nothing else.

| path              | page                                                   |
|-------------------|--------------------------------------------------------|
| `/`               | all campaigns; `?find=TEXT`, `?page=N`, `?refresh=off` |
| `/campaigns/NAME` | one campaign                                           |
| `/style.css`      | the style of all pages                                 |

Tests: `tests/app/test_app_pages.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from reconciler.report.web.fleet import FleetShown, campaign_page, message_page, overview_page
from reconciler.report.web.rendering import PAGE_POLICY, STYLE_PATH, prepared, stylesheet

Look = Callable[[Request], Awaitable[FleetShown | Response]]
"""What there is to see, or what is to be answered in its place."""

_HEADERS: Final = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_LONGEST: Final = 100
"""Characters of what somebody looks for."""


def page_routes(look: Look) -> Sequence[BaseRoute]:
    """The routes; ReconcilerError without the extra `controller`."""
    prepared()

    async def overview(request: Request) -> Response:
        fleet = await look(request)
        if isinstance(fleet, Response):
            return fleet
        asked = request.query_params
        number, text = asked.get("page", ""), asked.get("find", "")[:_LONGEST]
        shown = int(number) if number.isdecimal() and len(number) < 10 else 1
        return page(overview_page(fleet, number=shown, text=text, refresh=_refreshes(request)))

    async def campaign(request: Request) -> Response:
        fleet = await look(request)
        if isinstance(fleet, Response):
            return fleet
        found = campaign_page(fleet, request.path_params["key"], refresh=_refreshes(request))
        if found is not None:
            return page(found)
        return said("There is no such campaign", "It may have been deleted, or go by another name.", 404)

    async def style(request: Request) -> Response:
        del request
        return Response(
            stylesheet(), media_type="text/css", headers={**_HEADERS, "Cache-Control": "no-cache"}
        )

    async def icon(request: Request) -> Response:
        del request
        return Response(status_code=204)

    return [
        Route("/", overview),
        Route("/campaigns/{key:path}", campaign),
        Route(STYLE_PATH, style),
        Route("/favicon.ico", icon),
    ]


def page(html: str, status: int = 200) -> Response:
    """`html` with the headers of a page. A half of a character isn't text that could be sent."""
    return HTMLResponse(html.encode("utf-8", "backslashreplace"), status, headers=_HEADERS)


def said(heading: str, text: str, status: int, *, refresh: bool = False) -> Response:
    """A page that only says something."""
    return page(message_page(heading, text, refresh=refresh), status)


def _refreshes(request: Request) -> bool:
    return request.query_params.get("refresh") != "off"
