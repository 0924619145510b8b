"""A server that is no bottleneck: answers in the reference's shapes, rendered before they are asked for.

    python -m benchmarks.canned --campaigns 100 --gateways 10000

It speaks as much HTTP/1.1 as our clients do, and prints its URL. Reads are pages of `campaigns` campaigns
with `gateways` members each; every write answers ``{}``. `GET /_seen` answers how many requests there were.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from functools import lru_cache
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

CAMPAIGN = "c-{:05d}"
GATEWAY = "gw-{:05d}-{:07d}"
NAME = "Campaign {:05d}"
MIXED = (*["ACTIVATION_COMPLETE"] * 45, *["INSTANTIATED"] * 4, "FAILED")
"""As fleets stand in the middle of a rollout: of fifty 45 are done, 4 idle, and one failed."""


class World:
    """What there is, as bytes ready to be sent."""

    def __init__(
        self,
        campaigns: int,
        gateways: int,
        *,
        status: str = "CREATED",
        ids: Sequence[str] | None = None,
        states: Sequence[str] = ("INSTANTIATED",),
    ) -> None:
        self.campaigns = campaigns
        self.gateways = gateways
        self.status = status
        self.ids = ids
        self.states = states
        """The members of the first campaign, where they are not simply the first ones."""
        self.seen = 0
        self.answer = lru_cache(maxsize=1 << 17)(self._answer)

    def _answer(self, target: str) -> bytes:
        parts = urlsplit(target)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        match unquote(parts.path).strip("/").split("/"):
            case ["api", "versions"]:
                return _whole({"currentApiVersion": "0.17"})
            case ["api", "campaigns"]:
                wanted = query.get("name")
                rows = [n for n in range(self.campaigns) if wanted in (None, NAME.format(n))]
                return _whole(self._page("campaigns", [self._campaign(n) for n in rows], len(rows), query))
            case ["api", "campaigns", campaign]:
                return _whole(self._campaign(_number(campaign)))
            case ["api", "campaigns", campaign, "devices"]:
                return _whole(self._members(_number(campaign), query))
            case _:
                return _whole({"message": f"nothing at {target}"}, "404 Not Found")

    def _campaign(self, number: int) -> dict[str, object]:
        return {
            "id": CAMPAIGN.format(number),
            "name": NAME.format(number),
            "status": self.status,
            "creationTime": "1700000000000",
            "description": "",
            "packages": {"packages": []},
        }

    def _members(self, campaign: int, query: dict[str, str]) -> dict[str, object]:
        number, size = int(query.get("page.number", 1)), int(query.get("page.size", 10))
        here = slice((number - 1) * size, number * size)
        if self.ids is None:
            total, page = self.gateways, [GATEWAY.format(campaign, n) for n in range(self.gateways)[here]]
        else:
            total, page = len(self.ids), list(self.ids[here])
        states = cycle(self.states)
        rows = [{"gatewayId": each, "state": next(states), "closed": False} for each in page]
        return self._info(total, number, size) | {"gateways": rows}

    def _page(self, key: str, rows: list[object], total: int, query: dict[str, str]) -> dict[str, object]:
        number, size = int(query.get("page.number", 1)), int(query.get("page.size", 10))
        return self._info(total, number, size) | {key: rows[(number - 1) * size : number * size]}

    @staticmethod
    def _info(total: int, number: int, size: int) -> dict[str, object]:
        pages = -(-total // size)
        return {
            "pageResponse": {
                "totalPages": str(pages),
                "totalElements": str(total),
                "page": number,
                "pageSize": size,
            }
        }


def _number(text: str) -> int:
    return int(text.rpartition("-")[2])


def _whole(value: object, status: str = "200 OK") -> bytes:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


DONE = _whole({})


class Connection(asyncio.Protocol):
    """One connection; requests are answered in their order."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._data = b""

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end]
            length = _length(head)
            if len(self._data) < end + 4 + length:
                return
            self._data = self._data[end + 4 + length :]
            method, target, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
            if target == b"/_seen":
                self._transport.write(_whole({"seen": self._world.seen}))
                continue
            self._world.seen += 1
            if method == b"GET":
                self._transport.write(self._world.answer(target.decode()))
            else:
                self._transport.write(DONE)


def _length(head: bytes) -> int:
    at = head.lower().find(b"\r\ncontent-length:")
    return int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def _serve(world: World) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(world), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until the process is ended."""
    import uvloop

    parser = argparse.ArgumentParser()
    parser.add_argument("--campaigns", type=int, default=1)
    parser.add_argument("--gateways", type=int, default=1)
    parser.add_argument("--status", default="CREATED")
    parser.add_argument("--ids", type=Path)
    parser.add_argument("--mixed", action="store_true", help="most are done, some idle, a few failed")
    asked = parser.parse_args()
    ids = asked.ids.read_text().split() if asked.ids else None
    states = MIXED if asked.mixed else ("INSTANTIATED",)
    world = World(asked.campaigns, asked.gateways, status=asked.status, ids=ids, states=states)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(world))


if __name__ == "__main__":
    main()
