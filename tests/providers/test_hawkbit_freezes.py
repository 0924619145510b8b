"""A freeze on hawkBit, over TCP: two revisions stand still for it and go on, wherever a run is killed."""

import asyncio
from pathlib import Path

import pytest

from reconciler.apply import apply_plan
from reconciler.providers.base import Provider
from tests.fakes import NOW
from tests.providers.hawkbit_world import HawkbitWorld, line
from tests.scenarios.test_replacement import Dying, Killed, killed_everywhere
from tests.world import AT_ONCE, no_delay

FLEET = (1, 2, 3, 4)
WAVES = """---
apiVersion: reconciler/v1
kind: Calendar
metadata: {{name: move}}
spec: {{timezone: UTC, freezes: [{freeze}]}}
---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {{name: careful}}
spec: {{waves: [{{name: canary, gateways: [gw-01]}}, {{}}], calendar: move, duringFreeze: stop}}
"""
assert NOW == 1_800_000_000_000, "2027-01-15T08:00Z: what the freezes below are told for"
OFF = '{begin: "2026-01-01T00:00Z", end: "2026-01-02T00:00Z"}'
ON = '{begin: "2027-01-15T00:00Z", end: "2027-01-16T00:00Z"}'


def text(freeze: str, package: str = "fx.bin") -> str:
    wanted = line(*FLEET, packages=f"{{file: {package}}}", more="rollout: {policy: careful}")
    return wanted + WAVES.format(freeze=freeze)


def statuses(world: HawkbitWorld) -> list[str]:
    world.server.settle()
    found = world.server.world.rollouts.values()
    return [each.status for each in found if not each.deleted]


async def half_way(world: HawkbitWorld) -> None:
    """One device is in the second revision, and three in the first: nobody has polled."""
    await world.apply(text(OFF, "fw.bin"))
    world.devices("success", [1])
    await world.apply(text(OFF, "fw.bin"))
    await world.run(await world.make_plan(text(OFF)))
    assert statuses(world) == ["running", "running"]


async def cut(world: HawkbitWorld, freeze: str, at: int, *, sent: bool) -> bool:
    """A look that is killed at a call; whether it was."""
    plan = await world.make_plan(text(freeze))
    writes = Dying(world.provider.writes, at, sent)
    try:
        await apply_plan(
            plan, writes, world.session, delay=no_delay, parallelism=1, settling=AT_ONCE.settling
        )
    except Killed:
        return True
    return False


@pytest.mark.parametrize("sent", [False, True])
def test_both_revisions_stand_still_and_go_on_wherever_a_run_is_killed(tmp_path: Path, sent: bool) -> None:
    async def life(folder: Path, at: int) -> bool:
        async with HawkbitWorld.open(folder) as world:
            await half_way(world)
            killed = await cut(world, ON, at, sent=sent)
            await world.apply(text(ON))
            assert statuses(world) == ["paused", "paused"]
            killed |= await cut(world, OFF, at, sent=sent)
            await world.apply(text(OFF))
            assert statuses(world) == ["running", "running"]
            [owned] = world.session.state.campaigns.values()
            await world.run(await world.make_plan(text(OFF)))
            record = world.session.state.campaigns[owned.resource].rollout
            assert record is not None
            assert record.stopped == ()
            return killed

    assert killed_everywhere(life, tmp_path) == 2


def test_what_a_person_paused_stays_so(tmp_path: Path) -> None:
    async def body() -> None:
        async with HawkbitWorld.open(tmp_path) as world:
            await half_way(world)
            await _pause(world.provider, world)
            await world.apply(text(ON))
            assert statuses(world) == ["paused", "paused"]
            await world.apply(text(OFF))
            assert statuses(world) == ["paused", "running"], "the first is a person's"

    asyncio.run(body())


async def _pause(provider: Provider, world: HawkbitWorld) -> None:
    """A person pauses the first revision on the server."""
    import httpx

    key = min(world.server.world.rollouts)
    async with httpx.AsyncClient(auth=("admin", "admin")) as client:
        answer = await client.post(f"{world.server.url}/rest/v1/rollouts/{key}/pause")
        answer.raise_for_status()
    world.server.settle()
