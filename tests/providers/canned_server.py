"""Servers that none of the code under test was written against: scripted transports and raw TCP.

`Canned` answers in process, at the transport seam. `RawServer` speaks HTTP over a real socket, byte by
byte as told, so that it can cut, stall, lie about lengths and redirect.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from reconciler.model import Secret
from reconciler.pacing import Backoff, RateLimiter
from reconciler.providers.base import Provider
from reconciler.providers.http.filebody import FileBody
from reconciler.providers.http.transport import Request, Response
from reconciler.providers.http.watched import Watched
from reconciler.providers.http.wire import Wire
from reconciler.providers.pulse.client import PulseClient
from reconciler.providers.pulse.entry import wire_of
from reconciler.providers.pulse.kind import provider_of
from reconciler.providers.pulse.questions import PulseQuestions
from reconciler.settings import ServerSettings, Token

TOKEN = Token(Secret("environment variable THE_TOKEN", "s3cr3t-token"))
SETTINGS = ServerSettings(url="http://pulse.example.com", api_version="0.17", auth=TOKEN)

Reply = Response | Exception | Callable[[Request], Response]


def answer(value: object, status: int = 200, **headers: str) -> Response:
    """A JSON answer; bytes are sent as they are."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Response(status, {name.replace("_", "-"): text for name, text in headers.items()}, body)


def body_of(request: Request) -> Any:
    """The JSON of a request."""
    assert isinstance(request.body, bytes)
    return json.loads(request.body)


class Canned:
    """A transport that gives the scripted replies in turn (the last one for ever) and keeps what it got."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.seen: list[Request] = []

    async def send(self, request: Request) -> Response:
        self.seen.append(request)
        await asyncio.sleep(0)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply(request) if callable(reply) else reply

    @property
    def lines(self) -> list[str]:
        return [str(request) for request in self.seen]


@dataclass
class Waits:
    """A clock and a sleep that take no time, and what was slept."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


def wire(
    transport: Any, settings: ServerSettings = SETTINGS, waits: Waits | None = None, **more: Any
) -> Wire:
    """A wire that never really waits."""
    waits = waits or Waits()
    limiter = RateLimiter(settings.max_requests_per_second, clock=waits.clock, sleep=waits.sleep)
    backoff = more.pop("backoff", Backoff(random=lambda: 1.0))
    return wire_of(
        transport, settings, backoff=backoff, limiter=limiter, clock=waits.clock, sleep=waits.sleep, **more
    )


def client(transport: Any, settings: ServerSettings = SETTINGS, **more: Any) -> PulseClient:
    return PulseClient(wire(transport, settings, **more), page_size=settings.page_size)


def questions(transport: Any, settings: ServerSettings = SETTINGS, **more: Any) -> PulseQuestions:
    watched = Watched(transport)
    return PulseQuestions(wire(watched, settings, **more), watched, page_size=settings.page_size)


def provider(transport: Any, settings: ServerSettings = SETTINGS, **more: Any) -> Provider:
    watched = Watched(transport)
    return provider_of(settings, wire(watched, settings, **more), watched)


# --- raw TCP -------------------------------------------------------------------------------------


@dataclass
class Seen:
    """A request as it came over the wire."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Connection:
    """One request to be answered: write what you like, or cut."""

    seen: Seen
    writer: asyncio.StreamWriter

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def reply(
        self, status: int = 200, value: object = None, headers: Mapping[str, str] | None = None
    ) -> None:
        body = value if isinstance(value, bytes) else json.dumps({} if value is None else value).encode()
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {text}" for name, text in (headers or {}).items()]
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def cut(self) -> None:
        """Reset the connection."""
        self.writer.transport.abort()


class RawServer:
    """HTTP/1.1 on loopback; `handler` answers each request in its own way."""

    def __init__(self, handler: Callable[[Connection], Awaitable[None]]) -> None:
        self.handler = handler
        self.seen: list[Seen] = []
        self.open = 0
        self.most_open = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                seen = await self.read(reader)
                if seen is None:
                    break
                self.seen.append(seen)
                self.open += 1
                self.most_open = max(self.most_open, self.open)
                try:
                    await self.handler(Connection(seen, writer))
                finally:
                    self.open -= 1
                if writer.is_closing():
                    break
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def read(self, reader: asyncio.StreamReader) -> Seen | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return None
        first, *rest = head.rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in rest)}
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        seen = Seen(method, unquote(parts.path), query, headers, b"")
        if length := int(headers.get("content-length", "0")):
            seen.body = await reader.readexactly(length)
        return seen

    def lines(self) -> list[str]:
        return [seen.line for seen in self.seen]


@asynccontextmanager
async def raw_server(handler: Callable[[Connection], Awaitable[None]]) -> AsyncIterator[RawServer]:
    """A `RawServer` for as long as the block runs."""
    raw = RawServer(handler)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield raw
    finally:
        server.close()
        await server.wait_closed()


async def whole(body: FileBody) -> bytes:
    """Everything that a file's body sends."""
    return b"".join([chunk async for chunk in body.chunks()])
