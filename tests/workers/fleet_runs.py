"""Runs of windows by workers, without files or a command line."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from reconciler.apply import Applied, apply_plan
from reconciler.model import FromEnv, Secret, StepGroup
from reconciler.pacing import RateLimiter, Settling
from reconciler.settings import Engine, ServerSettings, Token, WorkersAt
from reconciler.workers.access import ServerRef, ref_of
from reconciler.workers.cluster import fleet, session
from reconciler.workers.fleet import Orders, WorkerFleet
from tests.apply.apply_script import Memory, Script, group, no_delay, plan

TOKEN = "token-canary-77aa"


def server_ref(url: str, **values: Any) -> ServerRef:
    secret = Secret("environment variable PULSE_TOKEN", TOKEN, FromEnv("PULSE_TOKEN"))
    settings = {"engine": Engine.AIOHTTP, "timeout": 5.0, "settle": 0.0, **values}
    return ref_of(ServerSettings(url=url, auth=Token(secret), **settings))


def windows(count: int) -> StepGroup:
    gateways = [f"gw-{number:05}" for number in range(count)]
    return group("schedule-download", gateways=gateways, per_call=1, target="c-1")


@asynccontextmanager
async def workers(
    at: WorkersAt,
    ref: ServerRef,
    *,
    rate: float | None = None,
    until: Callable[[], float | None] = lambda: None,
    alone: bool = False,
) -> AsyncIterator[WorkerFleet]:
    orders = Orders(session(), ref, 8, until, worthwhile=1, alone=alone)
    async with fleet(at, orders, RateLimiter(rate)) as there:
        yield there


def carried(
    at: WorkersAt,
    ref: ServerRef,
    *groups: StepGroup,
    memory: Memory | None = None,
    meanwhile: Callable[[WorkerFleet], Any] | None = None,
    stop: asyncio.Event | None = None,
    **values: Any,
) -> Applied:
    """What becomes of `groups` by workers; nothing is sent from here. `meanwhile` runs beside it."""

    async def main() -> Applied:
        async with workers(at, ref, **values) as there:
            script = Script()
            beside = asyncio.ensure_future(meanwhile(there)) if meanwhile else None
            said = {"delay": no_delay, "parallelism": 4, "settling": Settling(0), "stop": stop}
            applied = await apply_plan(plan(*groups), script, memory or Memory(), sender=there, **said)  # type: ignore[arg-type]
            if beside:
                await beside
            assert script.log == []
            return applied

    return asyncio.run(asyncio.wait_for(main(), 100))


async def reached(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        await asyncio.sleep(0.02)
