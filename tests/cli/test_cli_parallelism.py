"""`--parallelism` is how many requests are under way at a server at a time: of reads, and of writes."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.providers.canned_server import Connection, raw_server

COUNT = 60
GATEWAYS = [f"gw-{number:03}" for number in range(COUNT)]


class Busy:
    """A server that answers single reads (of packages) and writes (closings) only once `expected` are there.

    It counts how many there are, and goes on when no more come.
    """

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.full = {"GET": asyncio.Event(), "PUT": asyncio.Event()}
        self.open = {"GET": 0, "PUT": 0}
        self.most = {"GET": 0, "PUT": 0}

    async def __call__(self, connection: Connection) -> None:
        seen = connection.seen
        single = seen.path.endswith(("/close", "/file-info"))
        if single:
            self.open[seen.method] += 1
            self.most[seen.method] = max(self.most[seen.method], self.open[seen.method])
            if self.open[seen.method] >= self.expected:
                self.full[seen.method].set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.full[seen.method].wait(), 5)
            await asyncio.sleep(0.05)  # whoever comes too early is counted, too
            self.open[seen.method] -= 1
        await connection.reply(200, self.answer(seen.path))

    @staticmethod
    def answer(path: str) -> object:
        if path.endswith("/devices"):
            rows = [{"gatewayId": each, "state": "INSTANTIATED", "closed": False} for each in GATEWAYS]
            return {"gateways": rows, "page": {"totalElements": COUNT, "number": 0}}
        if path == "/api/campaigns":
            return {"campaigns": [{"id": "c1", "name": "line", "status": "CREATED"}]}
        if path.endswith("/file-info"):
            return {"id": path.split("/")[-2], "name": "x"}
        return {"id": "c1", "name": "line", "status": "CREATED", "packages": []}


@contextmanager
def serving(handler: Busy) -> Iterator[str]:
    """The URL of a server over TCP, in a thread of its own."""
    started, ended = threading.Event(), asyncio.Event()
    urls: list[str] = []

    async def main() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        async with raw_server(handler) as raw:
            urls.append(raw.url)
            started.set()
            await ended.wait()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    loop: asyncio.AbstractEventLoop
    thread = threading.Thread(target=asyncio.run, args=[main()], daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
@pytest.mark.parametrize("parallelism", [2, 16, 40])
def test_as_many_requests_are_under_way_as_was_asked_for(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch, engine: str, parallelism: int
) -> None:
    busy = Busy(parallelism)
    ids = "".join(f"  - {{id: p-{number}}}\n" for number in range(COUNT))
    (tmp_path / "line.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: PackageSet\nmetadata: {name: p}\nspec:\n  packages:\n"
        + ids
        + "---\napiVersion: reconciler/v1\nkind: Campaign\nmetadata: {name: line}\n"
        + f"spec: {{packageSet: p, gatewayLists: [l], closedGateways: {json.dumps(GATEWAYS)}}}\n"
        + "---\napiVersion: reconciler/v1\nkind: GatewayList\nmetadata: {name: l}\n"
        + f"spec: {{gateways: {json.dumps(GATEWAYS)}}}\n"
    )
    with serving(busy) as url:
        (tmp_path / "reconciler.yaml").write_text(
            "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: p}\n"
            f"spec: {{server: {{url: '{url}', engine: {engine}, apiVersion: '1'}},"
            " guards: {mayLoseSettings: true}}\n"
        )
        monkeypatch.chdir(tmp_path)
        ran = run("apply", "--adopt", "--auto-approve", "--parallelism", str(parallelism))
    assert ran.code == 0, ran
    assert busy.most == {"GET": parallelism, "PUT": parallelism}
