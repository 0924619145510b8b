"""The floor: the fastest raw client that does the same reading or writing and nothing else.

    python -m benchmarks.floor members URL FOLDER CAMPAIGNS   every page; each campaign's set against a file
    python -m benchmarks.floor campaigns URL CAMPAIGNS SIZE   every campaign and its one page of members
    python -m benchmarks.floor writes URL COUNT               so many small PUTs

aiohttp on uvloop, 16 at a time, orjson.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import uvloop

from benchmarks.canned import CAMPAIGN, GATEWAY

WIDTH = 16
PAGE = 500
HEADERS = {"Accept": "application/json;api-version=0.17", "Authorization": "Bearer token"}


async def _all(jobs: Iterable[Awaitable[Any]]) -> None:
    remaining = iter(jobs)

    async def worker() -> None:
        for job in remaining:
            await job

    await asyncio.gather(*(worker() for _ in range(WIDTH)))


async def _get(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as answer:
        return orjson.loads(await answer.read())


async def _members(session: aiohttp.ClientSession, campaign: int, wanted: set[str]) -> None:
    name = CAMPAIGN.format(campaign)
    await _get(session, f"/api/campaigns/{name}")
    path = f"/api/campaigns/{name}/devices?page.size={PAGE}"
    first = await _get(session, path)
    live = {row["gatewayId"] for row in first["gateways"]}
    pages = int(first["pageResponse"]["totalPages"])
    for number in range(2, pages + 1):
        page = await _get(session, f"{path}&page.number={number}")
        live.update(row["gatewayId"] for row in page["gateways"])
    assert live == wanted


async def members(session: aiohttp.ClientSession, folder: str, campaigns: str) -> None:
    """Every campaign against the ids of its file."""
    await _all(
        _members(session, n, set((Path(folder) / f"{CAMPAIGN.format(n)}.txt").read_text().split()))
        for n in range(int(campaigns))
    )


async def campaigns(session: aiohttp.ClientSession, count: str, size: str) -> None:
    """Many small campaigns against ids that need no file."""
    await _all(
        _members(session, n, {GATEWAY.format(n, m) for m in range(int(size))}) for n in range(int(count))
    )


async def writes(session: aiohttp.ClientSession, count: str) -> None:
    """Windows, as `schedule-download` sends them."""

    async def put(number: int) -> None:
        gateway = GATEWAY.format(0, number)
        body = orjson.dumps({"begin": "1", "end": "2", "gatewayId": gateway, "campaignId": "c"})
        path = f"/api/campaigns/c/devices/{gateway}/scheduled-download"
        async with session.put(path, data=body, headers={"Content-Type": "application/json"}) as answer:
            assert await answer.read() == b"{}"

    await _all(put(n) for n in range(int(count)))


MODES: dict[str, Callable[..., Awaitable[None]]] = {
    "members": members,
    "campaigns": campaigns,
    "writes": writes,
}


async def _main(mode: str, url: str, *arguments: str) -> None:
    connector = aiohttp.TCPConnector(limit=WIDTH)
    async with aiohttp.ClientSession(url, connector=connector, headers=HEADERS) as session:
        await MODES[mode](session, *arguments)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(*sys.argv[1:]))
