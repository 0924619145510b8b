"""A server that doesn't know some of the gateways: the others get all that is theirs, now and not later."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import log2
from pathlib import Path

from reconciler.model import OutcomeStatus
from reconciler.providers.http.engine import open_engine
from reconciler.providers.http.transport import Request, Response, Transport
from reconciler.providers.pulse.kind import connect
from tests.world import World, run

GATEWAYS = [f"gw-{number:03}" for number in range(250)]
STRANGERS = {"gw-007", "gw-123", "gw-124"}


@dataclass
class Picky:
    """A transport to a server that takes no batch with a stranger in it."""

    inner: Transport
    strangers: set[str]
    sent: int = 0
    refused: list[str] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        if request.path.endswith("/devices") and request.method != "GET":
            assert isinstance(request.body, bytes)
            self.sent += 1
            for gateway in json.loads(request.body)["gatewayIds"]:
                if gateway in self.strangers:
                    self.refused.append(gateway)
                    said = json.dumps({"message": f"There is no gateway {gateway!r}."})
                    return Response(422, {}, said.encode())
        return await self.inner.send(request)


def resources(*, lists: str = "[all]") -> str:
    return f"""
apiVersion: reconciler/v1
kind: GatewayList
metadata: {{name: all}}
spec: {{gateways: [{", ".join(GATEWAYS)}]}}
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {{name: night}}
spec:
  download: {{begin: 2027-02-01T00:00:00Z, end: 2027-02-01T06:00:00Z}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: line}}
spec:
  gatewayLists: {lists}
  schedules: [{{schedule: night}}]
  desiredStatus: STARTED
"""


@asynccontextmanager
async def picky(folder: Path, strangers: set[str]) -> AsyncIterator[tuple[World, Picky]]:
    async with World.open(folder) as world, open_engine("embedded:", app=world.app) as engine:
        transport = Picky(engine, strangers)
        async with connect(world.settings, transport=transport) as world.provider:
            yield world, transport


def test_three_strangers_hold_up_nobody_else(tmp_path: Path) -> None:
    async def body() -> None:
        async with picky(tmp_path, set(STRANGERS)) as (world, transport):
            plan = await world.make_plan(resources())
            applied = await world.run(plan)

            (campaign,) = await world.provider.reads.campaigns()
            assert set(await world.provider.reads.gateways(campaign.id)) == set(GATEWAYS) - STRANGERS
            left = {g for outcome in applied.outcomes for g in outcome.left}
            assert left == STRANGERS
            # Three batches; of the two that have strangers, no more than it takes to find them.
            assert transport.sent <= 3 + 2 * 1 * log2(100) + 2 * 2 * log2(100)
            said = " ".join(o.message for o in applied.outcomes if o.status is OutcomeStatus.FAILED)
            assert all(f"{gateway}: 422 There is no gateway {gateway!r}." in said for gateway in STRANGERS)
            windows = [o for o in applied.outcomes if o.step.operation.name == "schedule-download"]
            assert {o.step.gateways[0] for o in windows if o.status is OutcomeStatus.SKIPPED} == STRANGERS
            assert applied.count(OutcomeStatus.DONE) == len(GATEWAYS) - len(STRANGERS) + 2
            assert campaign.status == "CREATED", "a campaign that lacks somebody isn't started by itself"

            # Asked again: only those, and what waited for them.
            again = await world.make_plan(resources())
            steps = [step.operation.name for step in again.steps()]
            assert steps == ["add-gateways", *["schedule-download"] * 3, "start-campaign"]
            transport.strangers.clear()
            assert not (await world.run(again)).failed
            assert await world.plan(resources()) == []

    run(body())


def test_who_can_not_be_removed_holds_up_nobody_else(tmp_path: Path) -> None:
    async def body() -> None:
        async with picky(tmp_path, set()) as (world, transport):
            await world.run(await world.make_plan(resources()))
            transport.strangers |= STRANGERS
            applied = await world.run(
                await world.make_plan(resources(lists="[]").replace("STARTED", "STOPPED"))
            )
            (campaign,) = await world.provider.reads.campaigns()
            assert set(await world.provider.reads.gateways(campaign.id)) == STRANGERS
            assert {g for outcome in applied.outcomes for g in outcome.left} == STRANGERS

    run(body())


def test_a_campaign_that_takes_nobody_is_asked_for_one_batch_only(tmp_path: Path) -> None:
    async def body() -> None:
        async with picky(tmp_path, set(GATEWAYS)) as (world, transport):
            applied = await world.run(await world.make_plan(resources()))
            assert transport.sent == 3 + 2 * 100 - 2, "three batches, and all parts of the first"
            failed = [o for o in applied.outcomes if o.status is OutcomeStatus.FAILED]
            assert [o.left for o in failed] == [(), (), ()]
            assert all("422 There is no gateway" in o.message for o in failed)

    run(body())
