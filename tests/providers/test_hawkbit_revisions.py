"""A revision on hawkBit, wave by wave: each device installs it once, whatever ends a run in between."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from reconciler.apply import apply_plan
from reconciler.model import RolloutStatus
from tests.providers.hawkbit_world import HawkbitWorld, ids, line
from tests.scenarios.test_replacement import Dying, Killed, killed_everywhere
from tests.world import AT_ONCE, no_delay

FLEET = (1, 2, 3, 4)
WAVES = """---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: careful}
spec: {waves: [{name: canary, gateways: [gw-01]}, {}]}
"""
OLD = line(*FLEET)
NEW = line(*FLEET, packages="{file: fx.bin}", more="rollout: {policy: careful}") + WAVES


async def cut(world: HawkbitWorld, at: int) -> bool:
    """A look that ends early; whether it did."""
    plan = await world.make_plan(NEW)
    writes = Dying(world.provider.writes, at, sent=True)
    try:
        await apply_plan(
            plan, writes, world.session, delay=no_delay, parallelism=1, settling=AT_ONCE.settling
        )
    except Killed:
        return True
    finally:
        world.server.settle()
    return False


async def finish(world: HawkbitWorld, installed: Counter[str]) -> None:
    """Looks until it is complete, with devices that obey after each."""
    for _ in range(6):
        plan = await world.make_plan(NEW)
        applied = await world.run(plan)
        assert not applied.failed, [outcome for outcome in applied.outcomes if not outcome.settled]
        obey(world, installed)
        [owned] = world.session.state.campaigns.values()
        if owned.rollout is not None and owned.rollout.status is RolloutStatus.COMPLETE:
            return
    raise AssertionError("it doesn't come to its end")


def obey(world: HawkbitWorld, installed: Counter[str]) -> None:
    """Each device does what it is told, until it is told nothing more."""
    world.server.settle()
    while did := world.devices("success", FLEET):
        installed.update(device for device, what in did.items() if what == "success")


@pytest.mark.parametrize("wave", [1, 2])
def test_each_device_installs_it_once_wherever_a_run_is_killed(wave: int, tmp_path: Path) -> None:
    async def life(folder: Path, at: int) -> bool:
        async with HawkbitWorld.open(folder) as world:
            installed: Counter[str] = Counter()
            await world.apply(OLD)
            obey(world, installed)
            assert installed == Counter(ids(*FLEET))
            if wave == 2:
                await world.run(await world.make_plan(NEW))
                obey(world, installed)
                assert installed["gw-01"] == 2
            killed = await cut(world, at)
            # The devices poll whatever became of the run: nobody is given the old packages once more.
            obey(world, installed)
            assert max(installed.values()) <= 2
            await finish(world, installed)
            assert installed == Counter(dict.fromkeys(ids(*FLEET), 2)), (wave, at)
            [owned] = world.session.state.campaigns.values()
            members = await world.provider.reads.gateways(owned.id)
            assert members.states == {"finished": frozenset(ids(*FLEET))}
            return killed

    assert killed_everywhere(life, tmp_path) == (6 if wave == 1 else 3)


@pytest.mark.parametrize("wave", [1, 2])
def test_one_that_is_under_way_is_asked_to_give_it_up_before_it_moves(wave: int, tmp_path: Path) -> None:
    async def body() -> None:
        async with HawkbitWorld.open(tmp_path) as world:
            installed: Counter[str] = Counter()
            await world.apply(OLD)
            number = 1 if wave == 1 else 2
            world.devices(None, [number])
            world.devices("success", [each for each in FLEET if each != number])
            if wave == 2:
                await world.run(await world.make_plan(NEW))
                world.server.settle()
                world.devices("success", [1])
            await world.run(await world.make_plan(NEW))
            world.server.settle()
            device = ids(number)[0]
            assert world.devices("success", [number]) == {device: "canceled"}
            assert world.devices("success", [number]) == {device: "success"}
            obey(world, installed)
            await finish(world, installed)

    asyncio.run(body())
