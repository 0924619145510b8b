"""What stands before the routes: the time of answers, a record of calls, and paths as they were sent.

Tests: `tests/embedded/test_embedded_control.py`.
"""

import json
from collections import deque
from dataclasses import dataclass
from email.utils import formatdate

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler.embedded.clock import Clock

# Larger bodies aren't kept for tests to read, e.g. uploads that claim to be JSON.
MAX_RECORDED_BODY = 64 << 20


@dataclass(slots=True)
class Seen:
    """One call: `body` is its JSON or None, `status` 0 until it is answered."""

    method: str
    path: str
    query: str
    status: int = 0
    body: object = None


class RequestLog:
    """The last `limit` calls in order of arrival, while it is `enabled`. Controls are not recorded."""

    def __init__(self, *, enabled: bool, limit: int) -> None:
        self.seen: deque[Seen] = deque(maxlen=limit)
        self.enabled = enabled

    def configure(self, *, enabled: bool, limit: int) -> None:
        self.enabled = enabled
        if limit != self.seen.maxlen:
            self.seen = deque(self.seen, maxlen=limit)


class Record:
    """Tells the recorder of each call and its answer."""

    def __init__(self, app: ASGIApp, *, recorder: RequestLog) -> None:
        self._app = app
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._recorder.enabled or scope["path"].startswith("/_embedded/"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        seen = Seen(scope["method"], raw_path(scope), scope["query_string"].decode("latin-1"))
        self._recorder.seen.append(seen)
        body = bytearray()
        is_json = headers.get(b"content-type", b"").startswith(b"application/json")

        async def listen() -> Message:
            message = await receive()
            if is_json and len(body) < MAX_RECORDED_BODY:
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    seen.body = _json(bytes(body))
            return message

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
            await send(message)

        await self._app(scope, listen, tell)


def _json(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def raw_path(scope: Scope) -> str:
    """The path as it was sent."""
    raw: bytes = scope["raw_path"]
    return raw.decode("ascii", "replace")


class Dated:
    """Each answer says when it was given (`Date`), by the clock of this server."""

    def __init__(self, app: ASGIApp, *, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = http_time(self._clock.now_ms())
                others = [(name, value) for name, value in message["headers"] if name.lower() != b"date"]
                message = {**message, "headers": [*others, *([(b"date", date)] if date else [])]}
            await send(message)

        await self._app(scope, receive, tell if scope["type"] == "http" else send)


def http_time(milliseconds: int) -> bytes:
    """``Mon, 01 Mar 2027 09:00:00 GMT``; empty for a time that no calendar has."""
    try:
        return formatdate(milliseconds / 1000, usegmt=True).encode("ascii")
    except (OverflowError, ValueError, OSError):
        return b""


class RawPath:
    """Routes see the path as it was sent, so that an id may hold an encoded slash."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": raw_path(scope)}
        await self._app(scope, receive, send)
