"""HTTP of a controller, read-only: health, metrics, the state of things as JSON, and the pages that come in.

| path          | answer                                                                            |
|---------------|-----------------------------------------------------------------------------------|
| `/healthz`    | 200 while the loop goes round, else 503                                           |
| `/readyz`     | 200 when the last look went well, or another replica looks; else 503              |
| `/metrics`    | Prometheus text                                                                   |
| `/api/status` | what `status --output json` prints; 503 before anything was read                  |

It knows nobody and has no button: who may read is a matter of the address it listens on, or of a proxy.

Tests: `tests/controller/test_controller_web.py`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler.controller.shown import Board
from reconciler.report.status_report import status_document
from reconciler.report.statuses import StatusReport

_MISSED: Final = 3
"""So many intervals may go by without a sign of the loop."""
_LONGEST_LOOK: Final = 3_600_000
"""Milliseconds that one look may take."""
LOCAL_NAMES: Final = frozenset({"localhost", "ip6-localhost", "localhost.localdomain"})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def application(
    board: Board,
    clock: Callable[[], int],
    *,
    metrics: Callable[[], tuple[bytes, str]] | None = None,
    pages: Sequence[BaseRoute] = (),
    names: Collection[str] | None = LOCAL_NAMES,
) -> Starlette:
    """The app. Its routes find the `Board` as ``request.app.state.board``.

    `clock` gives epoch milliseconds, `metrics` a body and its media type. `names`: under which names it may
    be called, beside addresses; None: any.
    """
    routes = [
        Route("/healthz", _healthz),
        Route("/readyz", _readyz),
        Route("/api/status", _Documents(board).answer),
        *pages,
    ]
    if metrics is not None:
        routes.append(Route("/metrics", _metrics))
    stack = [Middleware(_Guarded), Middleware(_Known, names=names)]
    app = Starlette(routes=routes, middleware=stack)
    app.state.board, app.state.clock, app.state.metrics = board, clock, metrics
    return app


async def _healthz(request: Request) -> Response:
    shown, now = request.app.state.board.shown, request.app.state.clock()
    looking = shown.next_look is None
    allowed = max(_MISSED * shown.interval, _LONGEST_LOOK if looking else 0)
    if now - max(shown.ticked, shown.began) > allowed:
        return PlainTextResponse("the loop has not gone round for too long\n", 503)
    return PlainTextResponse("ok\n")


async def _readyz(request: Request) -> Response:
    shown = request.app.state.board.shown
    if not shown.looks:
        return PlainTextResponse("the first look is not over\n", 503)
    last = shown.looks[0]
    if shown.standby or last.result.well:
        return PlainTextResponse(f"{last.result.value}\n")
    return PlainTextResponse(f"the last look: {last.result.value}\n", 503)


def _metrics(request: Request) -> Response:
    """In a thread: of many campaigns it takes a while, and others are answered meanwhile."""
    body, media_type = request.app.state.metrics()
    return Response(body, headers={"Content-Type": media_type})


class _Documents:
    """`/api/status`, made once for each status, in a thread as `_metrics`."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._made: tuple[StatusReport, bytes] | None = None

    def answer(self, _: Request) -> Response:
        """The document of the last look."""
        status, made = self._board.shown.status, self._made
        if status is None:
            return JSONResponse({"message": "nothing was read yet"}, 503)
        if made is None or made[0] is not status:
            # A lone surrogate can't be written as UTF-8, so it is escaped as in JSON.
            text = status_document(status, indent=None)
            made = self._made = status, text.encode(errors="backslashreplace")
        return Response(made[1], media_type="application/json")


class _Guarded:
    """The headers that keep what others said from being more than text in a browser."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded if scope["type"] == "http" else send)


class _Known:
    """Refuses calls under a name that isn't its own: that of a site which leads a browser here."""

    def __init__(self, app: ASGIApp, *, names: Collection[str] | None) -> None:
        self._app = app
        self._names = None if names is None else frozenset(name.lower().rstrip(".") for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._names is not None:
            hosts = [value for name, value in scope["headers"] if name.lower() == b"host"]
            if len(hosts) != 1 or not self._is_known(hosts[0].decode("latin-1").strip()):
                refusal = PlainTextResponse(
                    "Call it by its address, or run it with --allow-host NAME.\n", 421
                )
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_known(self, host: str) -> bool:
        assert self._names is not None
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names or name.endswith(".localhost")
        return True  # nobody can make an address lead elsewhere
