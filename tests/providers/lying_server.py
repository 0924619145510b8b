"""A whole server over TCP whose answers a test may change: the embedded one, with a liar before it."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from reconciler.pacing import Backoff
from reconciler.providers.pulse.kind import connect
from reconciler.settings import Engine
from tests.providers.canned_server import Connection, Seen, raw_server
from tests.world import World, operation_of

Lie = Callable[[str, Seen, Any], Any]
"""(operation, request, the honest answer) → what is answered."""

QUICK = Backoff(base=0.001, random=lambda: 1.0, attempts=4)


class Undone(Exception):
    """Raised by a lie about a request: it is not carried out, and answered so."""

    def __init__(self, value: Any, status: int = 200) -> None:
        self.value = value
        self.status = status


@dataclass
class Liar:
    """Hands requests on to `app` and its answers to `lie`; ``before`` may keep a request from the app."""

    app: Any
    lie: Lie = lambda operation, seen, honest: honest
    before: Callable[[str, Seen], None] = lambda operation, seen: None
    hear: Callable[[str], str] = lambda text: text
    """How it understands paths and bodies."""
    writes: list[str] = field(default_factory=list)

    async def __call__(self, connection: Connection) -> None:
        seen = connection.seen
        operation = (
            "other" if seen.path in ("/api/versions", "/api/tokens") else operation_of(seen.method, seen.path)
        )
        if seen.method != "GET":
            self.writes.append(operation)
        try:
            self.before(operation, seen)
        except Undone as undone:
            await connection.reply(undone.status, undone.value)
            return
        kept = ("content-type", "content-disposition", "accept", "authorization")
        headers = {name: text for name, text in seen.headers.items() if name in kept}
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.request(
                seen.method,
                self.hear(seen.path),
                params=seen.query,
                headers=headers,
                content=self._body(seen),
            )
        if not answer.is_success or operation == "other":
            await connection.reply(answer.status_code, answer.content)
            return
        honest = json.loads(answer.content) if answer.content else None
        await connection.reply(answer.status_code, self.lie(operation, seen, honest))

    def _body(self, seen: Seen) -> bytes:
        json_body = seen.headers.get("content-type") == "application/json"
        return self.hear(seen.body.decode()).encode() if json_body else seen.body


@asynccontextmanager
async def lying_world(folder: Path, engine: Engine) -> AsyncIterator[tuple[World, Liar]]:
    """A world whose server is asked over TCP."""
    async with World.open(folder) as world:
        liar = Liar(world.app)
        async with raw_server(liar) as server:
            settings = replace(world.settings, url=server.url, engine=engine, api_version="0.17")
            async with connect(settings, backoff=QUICK, parallelism=4) as provider:
                world.provider = provider
                yield world, liar
