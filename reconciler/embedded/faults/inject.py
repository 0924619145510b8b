"""The middleware that lets faults strike. Over TCP a cut is a cut; in process, a ConnectionResetError.

Tests: `tests/embedded/test_embedded_faults.py`.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NoReturn, Protocol

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler.embedded.faults.rules import PASSING, Effect, Faults, Rule

CONNECTION: Final = "reconciler.connection"
"""The ASGI extension that holds the connection of a request; absent in process."""

LAG: Final = "reconciler.lag"
"""In the scope of a request: by how many milliseconds its answer lags."""

FindOperation = Callable[[Scope], str | None]

_PAGE: Final = (
    "<!DOCTYPE html>\n<html><head><title>Please sign in</title></head>"
    "<body><h1>Please sign in</h1></body></html>\n"
)
_TEXT: Final = "Unknown internal server error"


class Connection(Protocol):
    """What a cut needs of an asyncio transport."""

    def abort(self) -> None: ...

    def close(self) -> None: ...


class Cut(ConnectionResetError):
    """A fault cut the connection, and there is none: the app is called in process."""


@dataclass(slots=True)
class _Answer:
    """An answer held back. `body` grows while it is sent."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")

    async def send(self, send: Send, body: bytes, *, length: int, more: bool) -> None:
        """The answer with another body, and with that length said."""
        headers = [pair for pair in self.headers if pair[0].lower() != b"content-length"]
        headers.append((b"content-length", b"%d" % length))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": more})


class Inject:
    """Asks the rules about every call of the API, and does what strikes it."""

    def __init__(self, app: ASGIApp, *, faults: Faults, find: FindOperation) -> None:
        self._app = app
        self._faults = faults
        self._find = find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._faults.armed:
            await self._app(scope, receive, send)
            return
        operation = self._find(scope)
        path = scope["raw_path"].decode("ascii", "replace")
        for rule in self._faults.strike(operation, path) if operation else ():
            if rule.effect not in PASSING:
                await self._strike(rule, scope, receive, send)
                return
            if rule.effect is Effect.LAG:
                scope = {**scope, LAG: rule.milliseconds}
            elif rule.after:
                send = _later(send, rule.milliseconds / 1000)
            else:
                await asyncio.sleep(rule.milliseconds / 1000)
        await self._app(scope, receive, send)

    async def _strike(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer()
        if rule.later:
            body = await _kept(receive)
            if body is not None:
                self._do_later(rule, scope, body)
        elif rule.after:
            await self._app(scope, receive, answer.take)
        else:
            await _read(receive)
        match rule.effect:
            case Effect.CUT:
                await _cut(scope, receive)
            case Effect.TRUNCATE:
                await _truncate(answer, scope, receive, send)
            case Effect.HALF:
                half = bytes(answer.body[: len(answer.body) // 2])
                await answer.send(send, half, length=len(half), more=False)
            case _:
                await _wrong(rule)(scope, receive, send)

    def _do_later(self, rule: Rule, scope: Scope, body: bytes) -> None:
        """What was asked for is done after its answer: as behind a proxy that gave up on it."""
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def done() -> None:
            await asyncio.sleep(rule.milliseconds / 1000)
            with suppress(Exception):  # nobody is there to be told
                await self._app(dict(scope), receive, _Answer().take)

        task = asyncio.ensure_future(done())
        self._faults.under_way.add(task)
        task.add_done_callback(self._faults.under_way.discard)


def _later(send: Send, seconds: float) -> Send:
    async def later(message: Message) -> None:
        if message["type"] == "http.response.start":
            await asyncio.sleep(seconds)
        await send(message)

    return later


async def _read(receive: Receive) -> None:
    """The whole of the request, as a server does that falls over its contents."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


async def _kept(receive: Receive) -> bytes | None:
    """The whole of the request, kept; None where the caller went away half-way: nobody asked for that."""
    pieces, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)


def _connection(scope: Scope) -> Connection | None:
    found: Connection | None = (scope.get("extensions") or {}).get(CONNECTION)
    return found


async def _cut(scope: Scope, receive: Receive) -> None:
    connection = _connection(scope)
    if connection is None:
        _raise()
    connection.abort()
    await _gone(receive)


async def _truncate(answer: _Answer, scope: Scope, receive: Receive, send: Send) -> None:
    connection = _connection(scope)
    if connection is None:
        # In process nothing compares Content-Length with the body, so a part would pass for the whole.
        _raise()
    length = max(len(answer.body), 2)
    await answer.send(send, bytes(answer.body[: length // 2]), length=length, more=True)
    connection.close()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    """Until the server below has seen it: else it would complain of a call without an answer."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _raise() -> NoReturn:
    raise Cut("a fault cut the connection")


def _wrong(rule: Rule) -> Response:
    headers = {} if rule.retry_after is None else {"Retry-After": rule.retry_after}
    match rule.effect:
        case Effect.STATUS:
            content = {"message": f"A fault was asked for: {rule.status}."}
            return JSONResponse(content, status_code=rule.status, headers=headers)
        case Effect.HTML:
            return HTMLResponse(_PAGE, status_code=rule.status, headers=headers)
        case _:
            return PlainTextResponse(_TEXT, status_code=rule.status, headers=headers)
