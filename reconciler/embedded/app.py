"""The ASGI application: from HTTP to a handler inside one transaction, and back. Every answer is JSON.

Tests: `tests/embedded/test_embedded_server.py`.
"""

import json
import logging
import re
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from reconciler.embedded.clock import Clock
from reconciler.embedded.context import Context, Credentials
from reconciler.embedded.dialects import REFERENCE, Dialect, Speech, answer, offers, perform, refused
from reconciler.embedded.errors import CallRefused, EmbeddedError
from reconciler.embedded.faults import LAG, Faults, Inject
from reconciler.embedded.handlers.access import check_bearer, check_permission
from reconciler.embedded.middleware import Dated, RawPath, Record, RequestLog
from reconciler.embedded.openapi import document
from reconciler.embedded.openapi.schemas import Schema
from reconciler.embedded.operations import ACCESS, API, CONTROL, Endpoint, finder
from reconciler.embedded.simulation import settings as simulation
from reconciler.embedded.simulation.driver import Driver
from reconciler.embedded.store import Store
from reconciler.embedded.strangers import NoStrangers, is_loopback, names_of
from reconciler.embedded.tables import settings
from reconciler.embedded.wire import Body, Json, ReceivedCall, check_text, parse_body

# A million gateway ids fit in one call; an endless body doesn't.
MAX_BODY: Final = 64 << 20
_JSON: Final = re.compile(r"application/(?:[\w.!#$&^+-]+\+)?json")

logger = logging.getLogger(__name__)


def create_app(
    database: Path | str,
    *,
    token: str | None = None,
    username: str | None = None,
    password: str | None = None,
    approval_needed: bool | None = None,
    record: bool = False,
    dialect: Dialect = REFERENCE,
    simulate: float | None = None,
    host: str | None = None,
    allowed_hosts: Collection[str] = (),
) -> Starlette:
    """The server over `database`, a file that is made when it isn't there, or ":memory:".

    Without `token` and `username` everybody may call; else a call needs that token, or one that
    `GET /api/tokens` gave for the user. `approval_needed` None keeps what the database says (at first off).
    `host`: the address that it listens on, None for calls in process. Over TCP only calls under its own names
    and `allowed_hosts` are answered, and where everybody may call from elsewhere, nobody may set where
    callbacks go.
    `record` keeps the calls that come in, for `/_embedded/calls`. `dialect`: in what shapes it answers.
    `simulate`: gateways are simulated, and the clock runs so many times as fast; None keeps both.
    `app.state.context.store.close()` closes the database before the app ends. Raises EmbeddedError when the
    database can't be used.
    """
    if (username is None) != (password is None):
        raise EmbeddedError("The embedded server needs a user name and a password, or neither.")
    store = Store(database)
    with store.transaction(write=True) as db:
        found = settings.load(db)
        if approval_needed is not None:
            found = replace(found, approval_needed=approval_needed)
            settings.save(db, found)
        clock = Clock.load(db)
        if simulate is not None:
            simulation.save(db, replace(simulation.load(db), enabled=True))
            clock.change(factor=simulate)
            clock.save(db)
    driver = Driver(store, clock)
    context = Context(
        store=store,
        recorder=RequestLog(enabled=record, limit=found.max_recorded_calls),
        credentials=Credentials(token, username, password),
        clock=clock,
        driver=driver,
        new_id=lambda: str(uuid.uuid4()),
        speech=Speech(dialect),
        faults=Faults(),
        callbacks_allowed=host is None or is_loopback(host) or bool(token or username),
    )
    names = None if host is None else names_of(host) | {name.lower() for name in allowed_hosts}

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        driver.start()
        yield
        await driver.close()
        store.close()

    app = Starlette(
        routes=_routes(context, (*ACCESS, *API, *CONTROL)),
        middleware=[
            Middleware(Dated, clock=clock),
            Middleware(NoStrangers, names=names),
            Middleware(Record, recorder=context.recorder),
            Middleware(Inject, faults=context.faults, find=finder()),
            Middleware(RawPath),
        ],
        exception_handlers={HTTPException: _http_error},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.context = context
    return app


def runs_again(app: Starlette) -> bool:
    """Whether gateways that are done run again when packages change (`rerunAfterEdit`)."""
    context: Context = app.state.context
    with context.store.transaction(write=False) as db:
        return settings.load(db).rerun_after_edit


def api_document() -> Schema:
    """What the server answers to, as an OpenAPI document."""
    return document(API)


def _routes(context: Context, operations: Iterable[Endpoint]) -> list[Route]:
    """One route a path, so that 405 names all that it allows; a slash at the end makes no difference."""
    paths: dict[str, list[Endpoint]] = {}
    for operation in operations:
        paths.setdefault(operation.path.rstrip("/"), []).append(operation)
    return [
        Route(
            path + slash, _endpoint(context, found), methods=sorted({operation.method for operation in found})
        )
        for path, found in paths.items()
        for slash in ("", "/")
    ]


def _endpoint(context: Context, operations: Sequence[Endpoint]) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        content = request.headers.get("content-type", "").lower()
        operation = next(
            one for one in operations if one.method == method and content.startswith(one.content)
        )
        try:
            return JSONResponse(await _run(context, operation, request))
        except CallRefused as refusal:
            return _answer(*refused(_dialect(context, operation.path), refusal))
        except sqlite3.Error as error:
            # The disk is full, or another process holds the file: the transaction is rolled back.
            return _no(503, f"The database of the embedded server does not answer: {error}.")
        except ClientDisconnect:
            return _no(400, "The request ended early.")
        except HTTPException:
            raise
        except Exception:
            logger.exception("%s failed", operation.name)
            return _no(500, f"The embedded server has a defect in {operation.name}; its log has the details.")

    return endpoint


def _dialect(context: Context, path: str) -> Dialect:
    """What is spoken at `path`: the controls always speak as the reference does."""
    return context.speech.dialect if path.startswith("/api/") else REFERENCE


async def _run(context: Context, operation: Endpoint, request: Request) -> object:
    """The way of every call."""
    dialect = _dialect(context, operation.path)
    if not offers(dialect, operation.name):
        raise CallRefused(404, f"There is nothing at {operation.path}.")
    if operation.needs_token:
        granted = check_bearer(context, request.headers.get("authorization", ""))
        check_permission(granted, operation.permission, control=operation.path.startswith("/_embedded/"))
    if operation.raw is not None:
        return answer(dialect, operation.name, await operation.raw(context, request))
    handler = operation.handler
    assert handler is not None
    writes = operation.method != "GET"
    body = await _body(request) if writes else {}
    await context.driver.before_call()

    def run(query: QueryParams, body: Body) -> Json:
        with context.store.transaction(write=writes) as db:
            return handler(
                ReceivedCall(
                    context=context,
                    db=db,
                    path={key: unquote(value) for key, value in request.path_params.items()},
                    query=query,
                    headers=request.headers,
                    body=body,
                    lag_ms=request.scope.get(LAG, 0),
                )
            )

    found = perform(dialect, operation.name, request.query_params, body, run)
    if writes:
        context.driver.after_call()
    return found


async def _body(request: Request) -> Body:
    pieces = bytearray()
    async for piece in request.stream():
        pieces += piece
        if len(pieces) > MAX_BODY:
            raise CallRefused(413, f"The body is larger than {MAX_BODY} bytes.")
    body = parse_body(bytes(pieces))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if pieces.strip() and not _JSON.fullmatch(kind):
        check_text(json.dumps(body, ensure_ascii=False), "The body")
        # Pages of any other site may send other types without a preflight request.
        raise CallRefused(415, f"The body must be application/json, not {kind[:60] or 'of no type'}.")
    return body


def _no(status: int, message: str) -> Response:
    return _answer(status, {"message": message})


def _answer(status: int, body: object) -> Response:
    """A refusal: JSON, or a text as it is."""
    headers = {"WWW-Authenticate": "Bearer, Basic"} if status == 401 else None
    if isinstance(body, str):
        return PlainTextResponse(body, status_code=status, headers=headers)
    return JSONResponse(body, status_code=status, headers=headers)


async def _http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses by itself: no such path, no such method, a multipart body that is broken."""
    assert isinstance(error, HTTPException)
    message = {
        404: f"There is nothing at {request.url.path}.",
        405: f"{request.method} is not possible at {request.url.path}.",
    }.get(error.status_code, error.detail)
    dialect = _dialect(request.app.state.context, request.url.path)
    _, body = refused(dialect, CallRefused(error.status_code, message))
    response = _answer(error.status_code, body)
    response.headers.update(error.headers or {})
    return response
