"""Doubt from end to end: over TCP, on both engines, on a server whose lists lag by its own clock.

The clock of the server stands, except for the waits of the run: each steps it by as much.
"""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.pipeline import draft
from reconciler.apply import Applied, apply_plan
from reconciler.embedded import Running
from reconciler.lookout import Lookout
from reconciler.model import OutcomeStatus, Step
from reconciler.options import Options
from reconciler.pacing import Settling
from reconciler.plan import Plan
from reconciler.providers.base import Bindings, Provider, Readback, Result
from reconciler.providers.opening import opened
from reconciler.settings import Engine, ServerSettings
from reconciler.state.base import State
from tests.apply.apply_script import no_delay
from tests.fakes import NOW, MemorySession, campaign, desired, file

SETTLE = 30.0
CUTS: dict[str, dict[str, object]] = {
    "cut": {"effect": "cut", "when": "after"},
    "504": {"effect": "status", "status": 504, "when": "after"},
    "303": {"effect": "status", "status": 303, "when": "after"},
    "a page": {"effect": "html", "when": "after"},
    "half": {"effect": "half"},
}
LAGS = {"lists": ["list-campaigns", "list-packages"], "all": []}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with Running() as running:
        yield running


class Ground:
    """A server of a paused clock, a state, and the waits that step that clock."""

    def __init__(self, server: Running, provider: Provider, folder: Path) -> None:
        self.server, self.provider, self.folder = server, provider, folder
        self.waited = 0.0
        self.session = MemorySession(State("lineage", "5a17", server=provider.server))

    @property
    def settling(self) -> Settling:
        return Settling(SETTLE, lambda: self.waited, self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.waited += seconds
        await self.control("POST", "clock/step", {"seconds": max(1, round(seconds))})

    async def control(self, method: str, path: str, body: object) -> None:
        url, data = f"{self.server.url}/_embedded/{path}", json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).close())

    async def faults(self, *rules: dict[str, object]) -> None:
        await self.control("PUT", "faults", {"rules": rules})

    def wanted(self) -> Any:
        content = file("the content", "fw.bin")
        path = self.folder / "fw.bin"
        path.write_text("the content")
        return desired(campaign("line", packages=(replace(content, path=path),)))

    async def plan(self, *, age: int = 0) -> Plan:
        """A plan, made `age` seconds after what the state knows of."""
        lookout = Lookout(self.settling, NOW // 1000 + age)
        source, state = self.provider, self.session.state
        return (await draft(self.wanted(), state, source, Options(), now=NOW, lookout=lookout)).plan

    async def apply(self, plan: Plan, writes: Any = None) -> Applied:
        return await apply_plan(
            plan,
            writes or self.provider.writes,
            self.session,  # type: ignore[arg-type]
            delay=no_delay,
            parallelism=2,
            settling=self.settling,
            now=lambda: NOW / 1000,
        )

    async def there(self) -> tuple[int, int]:
        """How many campaigns and packages the server really has."""
        await self.faults()
        reads = self.provider.reads
        return len(await reads.campaigns()), len(await reads.packages())


@asynccontextmanager
async def ground(server: Running, folder: Path, engine: str) -> AsyncIterator[Ground]:
    settings = ServerSettings(url=server.url, engine=Engine(engine))
    async with opened(settings) as provider:
        made = Ground(server, provider, folder)
        await made.control("PUT", "clock", {"paused": True})
        try:
            yield made
        finally:
            await made.faults()
            for each in await provider.reads.campaigns():
                await provider.reads.delete_campaign(each.id)  # type: ignore[attr-defined]
            for package in await provider.reads.packages():
                await provider.reads.delete_package(package.id)  # type: ignore[attr-defined]


On = Callable[[Callable[[Ground], Coroutine[Any, Any, None]]], None]


@pytest.fixture(params=["httpx", "aiohttp"])
def on(server: Running, tmp_path: Path, request: pytest.FixtureRequest) -> On:
    def run(body: Callable[[Ground], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            async with ground(server, tmp_path, request.param) as made:
                await body(made)

        asyncio.run(whole())

    return run


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("cut", CUTS)
def test_nothing_is_doubled_within_the_settle_time(on: On, cut: str, lag: str) -> None:
    async def body(at: Ground) -> None:
        plan = await at.plan()
        await at.faults(
            {"effect": "lag", "milliseconds": 20_000, "operations": LAGS[lag]},
            {**CUTS[cut], "operations": ["create-campaign", "upload-package"]},
        )
        applied = await at.apply(plan)
        assert [outcome.status for outcome in applied.outcomes] == [OutcomeStatus.DONE] * 2
        assert await at.there() == (1, 1)
        assert 40 <= at.waited < 60, "20 seconds for each"
        again = await at.plan()
        assert (again.empty, again.findings) == (True, ())

    on(body)


def test_a_longer_lag_doubles_and_every_plan_says_so(on: On) -> None:
    async def body(at: Ground) -> None:
        plan = await at.plan()
        makers = {"operations": ["create-campaign", "upload-package"]}
        lag = {"effect": "lag", "milliseconds": 45_000, "operations": LAGS["lists"]}
        await at.faults(
            lag, {**CUTS["504"], **makers, "count": 1}, {**CUTS["cut"], "count": 1, "skip": 0, **makers}
        )
        applied = await at.apply(plan)
        assert not applied.failed
        campaigns, packages = await at.there()
        assert max(campaigns, packages) == 2
        for _ in range(2):
            found = [each for each in (await at.plan()).findings if each.code == "possible-duplicate"]
            assert len(found) == campaigns + packages - 2

    on(body)


class Killed(BaseException):
    """The process is no more."""


class Dying:
    """Writes of a process that dies right after its so-manieth call, before any answer."""

    def __init__(self, real: Any, after: int) -> None:
        self.real, self.left = real, after

    async def run(self, step: Step, bindings: Bindings) -> Result:
        self.left -= 1
        made: Result = await self.real.run(step, bindings)
        if not self.left:
            raise Killed
        return made

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        found: Readback = await self.real.verify(step, bindings)
        return found


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("calls", [1, 2])
def test_a_run_right_after_a_killed_one_doubles_nothing(on: On, calls: int, lag: str) -> None:
    async def body(at: Ground) -> None:
        plan = await at.plan()
        await at.faults({"effect": "lag", "milliseconds": 20_000, "operations": LAGS[lag]})
        with pytest.raises(Killed):
            await at.apply(plan, Dying(at.provider.writes, calls))
        assert at.waited == 0
        applied = await at.apply(await at.plan())
        assert not applied.failed
        assert await at.there() == (1, 1)
        assert (await at.plan()).empty

    on(body)


def test_a_call_that_is_done_after_its_answer_is_waited_for(on: On) -> None:
    """By the real clock, and so with a settle time that is over as soon as it is there."""

    async def body(at: Ground) -> None:
        plan = await at.plan()
        makers: dict[str, object] = {"operations": ["create-campaign", "upload-package"]}
        await at.faults({"effect": "status", "status": 504, "when": "later", "milliseconds": 50, **makers})
        settling = Settling(20.0)
        applied = await apply_plan(
            plan,
            at.provider.writes,
            at.session,  # type: ignore[arg-type]
            delay=no_delay,
            parallelism=2,
            settling=settling,
        )
        assert not applied.failed
        assert await at.there() == (1, 1)

    on(body)
