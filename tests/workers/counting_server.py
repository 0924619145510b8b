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

    def gateways(self) -> Counter[str]:
        """How often each gateway was taken."""
        return Counter({path.split("/")[5]: count for path, count in self.seen.items()})

    def answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, object, str]:
        said = headers.get("authorization", "").removeprefix("Bearer ")
        self.tokens[said] += 1
        if self.token is not None and said != self.token and path != "/api/versions":
            return 401, {"message": "who are you?"}, ""
        if method == "GET":
            return 200, ANSWERS.get(path.partition("?")[0], {"message": "nothing"}), ""
        now = time.monotonic()
        if (
            self.most is not None
            and sum(now - at < 1.0 for at in self.times[-int(self.most) - 1 :]) >= self.most
        ):
            self.complaints += 1
            return 429, {"message": "too often"}, f"Retry-After: {self.asks}\r\n" if self.asks else ""
        if path.split("/")[5] in self.refused:
            return 404, {"message": "there is no such gateway"}, ""
        self.times.append(now)
        self.seen[path] += 1
        return 200, {}, ""

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
                data = json.dumps(body).encode()
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
