"""A server in a thread that counts what comes, by path; slow, unwilling or busy where it is told so."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

ANSWERS = {"/api/versions": {"currentApiVersion": "0.17"}, "/api/campaigns": {"campaigns": []}}


@dataclass
class CountingServer:
    """``seen``: how often each path was put to; ``times``: when, in order."""

    seen: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    tokens: Counter[str] = field(default_factory=Counter)
    refused: frozenset[str] = frozenset()
    """Gateways that are not known."""
    most: float | None = None
    """Calls in a second, more of which are too many."""
    complaints: int = 0
    seconds: float = 0.0
    """How long an answer takes."""
    token: str | None = None
    asks: float | None = None
    """Seconds to wait that go with a complaint."""
    url: str = ""
    members: dict[str, list[str]] = field(default_factory=dict)
    """Campaign → who is in it, to be read in pages."""
    answers: dict[str, tuple[int, object, str]] = field(default_factory=dict)
    """Campaign → what is answered instead: status, body, a header."""
    asked: Counter[str] = field(default_factory=Counter)
    """How often each page was answered as it is."""

    def gateways(self) -> Counter[str]:
        """How often each gateway was taken."""
        return Counter({path.split("/")[5]: count for path, count in self.seen.items()})

    def answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, object, str]:
        said = headers.get("authorization", "").removeprefix("Bearer ")
        self.tokens[said] += 1
        if self.token is not None and said != self.token and path != "/api/versions":
            return 401, {"message": "who are you?"}, ""
        if method == "GET" and path.partition("?")[0].endswith("/devices"):
            return self._page(path)
        if method == "GET":
            return 200, ANSWERS.get(path.partition("?")[0], {"message": "nothing"}), ""
        if complaint := self._complaint():
            return complaint
        if path.split("/")[5] in self.refused:
            return 404, {"message": "there is no such gateway"}, ""
        self.times.append(time.monotonic())
        self.seen[path] += 1
        return 200, {}, ""

    def _complaint(self) -> tuple[int, object, str] | None:
        now = time.monotonic()
        if self.most is None or sum(now - at < 1.0 for at in self.times[-int(self.most) - 1 :]) < self.most:
            return None
        self.complaints += 1
        return 429, {"message": "too often"}, f"Retry-After: {self.asks}\r\n" if self.asks else ""

    def _page(self, path: str) -> tuple[int, object, str]:
        """A page of who is in a campaign."""
        if complaint := self._complaint():
            return complaint
        self.times.append(time.monotonic())
        self.asked[path] += 1
        parts = urlsplit(path)
        campaign = parts.path.split("/")[3]
        if campaign in self.answers:
            return self.answers[campaign]
        query = dict(parse_qsl(parts.query))
        number, size, ids = int(query.get("page.number", 1)), int(query["page.size"]), self.members[campaign]
        rows = [
            {"gatewayId": each, "state": "INSTANTIATED", "closed": False}
            for each in ids[(number - 1) * size : number * size]
        ]
        info = {
            "totalPages": -(-len(ids) // size),
            "totalElements": len(ids),
            "page": number,
            "pageSize": size,
        }
        return 200, {"pageResponse": info, "gateways": rows}, ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                method, path, _ = line.decode().split(" ", 2)
                headers: dict[str, str] = {}
                while (text := (await reader.readline()).decode().strip()) != "":
                    name, _, value = text.partition(":")
                    headers[name.lower()] = value.strip()
                await reader.readexactly(int(headers.get("content-length", 0)))
                status, body, more = self.answer(method, path, headers)
                if self.seconds:
                    await asyncio.sleep(self.seconds)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                kind = f"Content-Type: application/json\r\n{more}Content-Length: {len(data)}\r\n\r\n"
                writer.write(f"HTTP/1.1 {status} X\r\n{kind}".encode() + data)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@contextmanager
def counting_server(**values: Any) -> Iterator[CountingServer]:
    """A server on loopback, as long as the block runs."""
    counting, started, ended = CountingServer(**values), threading.Event(), threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        over = asyncio.Event()
        server = await asyncio.start_server(counting.serve, "127.0.0.1", 0)
        counting.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        loops.append((asyncio.get_running_loop(), over))
        started.set()
        await over.wait()
        server.close()

    thread = threading.Thread(target=lambda: (asyncio.run(main()), ended.set()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield counting
    finally:
        loop, over = loops[0]
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
