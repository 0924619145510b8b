"""A look at rollouts that is killed: the next finishes what a released gateway lacks, and nothing else."""

from pathlib import Path

import pytest

from reconciler.apply import apply_plan
from reconciler.plan.looking import LEFT
from tests.plan.test_plan_looking import begun, left, operations
from tests.rollout.test_rollout_stage import project
from tests.scenarios.test_replacement import Dying, Killed, killed_everywhere
from tests.world import AT_ONCE, World, no_delay, run

OWN = """
apiVersion: reconciler/v1
kind: Schedule
metadata: {{name: night}}
spec: {{download: {{begin: 2027-02-01T00:00Z, end: 2027-02-01T0{hour}:00Z}}}}
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {{name: special}}
spec: {{packages: [{{file: fw.bin}}]}}
"""
MINE = """  schedules: [{schedule: night}]
  packageOverrides: [{gateways: [gw-01, gw-02, gw-07], packageSet: special}]"""


def text(how: str = "direct", *, hour: int = 6, own: str = MINE) -> str:
    return project(campaign=f"  joinWhileStarted: {how}\n{own}", more=OWN.format(hour=hour))


async def cut(world: World, declared: str, at: int, *, sent: bool, only: bool = True) -> bool:
    """A look that is killed at a call; whether it was."""
    plan = await world.make_plan(declared, rollouts_only=only)
    writes = Dying(world.provider.writes, at, sent)
    with world.store.locked(world.provider.server, "apply") as session:
        try:
            await apply_plan(
                plan,
                writes,
                session,
                delay=no_delay,
                parallelism=1,
                settling=AT_ONCE.settling,
                now=lambda: world.now / 1000,
            )
        except Killed:
            return True
    return False


@pytest.mark.parametrize("how", ["direct", "pause"])
@pytest.mark.parametrize("sent", [False, True])
def test_the_next_look_finishes_what_a_killed_one_left(tmp_path: Path, sent: bool, how: str) -> None:
    """At each of its calls: adds, overrides, windows, where it pauses the stop and start around them."""

    async def life(folder: Path, at: int) -> bool:
        async with World.open(folder) as world:
            (folder / "fw.bin").write_bytes(b"special")
            await begun(world, text(how))
            killed = await cut(world, text(how), at, sent=sent)
            for _ in range(2):
                plan = await world.make_plan(text(how), rollouts_only=True)
                assert left(plan) == [], at
                await world.run(plan)
            assert operations(await world.make_plan(text(how))) == [], "the reviewed apply has nothing to do"
            return killed

    assert killed_everywhere(life, tmp_path) >= 5


@pytest.mark.parametrize("what", ["another window", "a first window"])
def test_what_git_changed_since_is_left_to_the_apply(tmp_path: Path, what: str) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            (tmp_path / "fw.bin").write_bytes(b"special")
            before = text(own="") if what == "a first window" else text()
            await begun(world, before)
            assert await cut(world, before, 0, sent=True)
            changed = text(hour=7)
            for _ in range(2):
                plan = await world.make_plan(changed, rollouts_only=True)
                assert operations(plan) == []
                assert [each.code for each in plan.findings if each.code == LEFT]
                await world.run(plan)
            assert "schedule-download" in operations(await world.make_plan(changed))

    run(body())


def test_a_reviewed_apply_that_was_killed_is_finished_by_a_look(tmp_path: Path) -> None:
    """What Git gives single gateways was reviewed then."""

    async def body() -> None:
        async with World.open(tmp_path) as world:
            (tmp_path / "fw.bin").write_bytes(b"special")
            await begun(world, text())
            assert await cut(world, text(), 2, sent=True, only=False)
            plan = await world.make_plan(text(), rollouts_only=True)
            assert left(plan) == []
            await world.run(plan)
            assert operations(await world.make_plan(text())) == []

    run(body())
