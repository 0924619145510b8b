"""What a plan does on hawkBit, from YAML to devices and back."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from reconciler.model import OutcomeStatus
from tests.providers.hawkbit_world import HawkbitWorld, ids, line

Body = Callable[[HawkbitWorld], Awaitable[None]]


def on(folder: Path, body: Body, **settings: object) -> None:
    async def main() -> None:
        async with HawkbitWorld.open(folder, **settings) as world:
            await body(world)

    asyncio.run(main())


def test_a_campaign_from_its_files_to_its_devices(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        assert await world.apply(line(1, 2, 3)) == [
            "upload-artifact",
            "create-rollout",
            "tag-targets",
            "start-rollout",
        ]
        assert world.rollout("line").status == "running"
        assert world.devices("success") == dict.fromkeys(ids(1, 2, 3), "success")
        assert world.counts("line") == {"finished": 3}
        assert await world.plan(line(1, 2, 3)) == []
        [module] = world.server.world.modules.values()
        assert (module.name, module.version, module.type) == ("fw.bin", module.version, "os")
        assert len(module.version) == 12

    on(tmp_path, body)


def test_who_joins_and_who_leaves_while_it_runs(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2, 3))
        world.devices(None, [1])
        assert await world.apply(line(2, 3, 4)) == ["untag-targets", "tag-targets"]
        assert world.devices("success") == {
            "gw-01": "canceled",
            "gw-02": "success",
            "gw-03": "success",
            "gw-04": "success",
        }
        assert world.counts("line") == {"cancelled": 1, "finished": 3}

    on(tmp_path, body)


def test_who_leaves_before_the_start_is_never_taken_in(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2, 3, status="STOPPED"))
        await world.apply(line(2, status="STOPPED"))
        await world.apply(line(2, 4))
        assert world.devices("success") == {"gw-02": "success", "gw-04": "success"}

    on(tmp_path, body)


def test_a_stop_is_a_pause_and_a_start_goes_on(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2))
        assert await world.apply(line(1, 2, status="STOPPED")) == ["pause-rollout"]
        assert world.rollout("line").status == "paused"
        assert await world.apply(line(1, 2, 3, status="STOPPED")) == ["tag-targets"]
        assert world.counts("line") == {"running": 2}, "nobody is taken in meanwhile"
        assert await world.apply(line(1, 2, 3)) == ["start-rollout"]
        assert world.server.calls()[-1] == f"POST /rest/v1/rollouts/{world.rollout('line').id}/resume"
        assert world.counts("line") == {"running": 3}

    on(tmp_path, body)


def test_closed_gateways_are_cancelled_and_stay_out(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2, 3))
        text = line(1, 2, 3, more="closedGateways: [gw-02]")
        assert await world.apply(text) == ["cancel-action"]
        assert world.devices("success")["gw-02"] == "canceled"
        assert await world.plan(text) == []

    on(tmp_path, body)


def test_names_and_descriptions_are_edited_while_it_runs(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1))
        assert await world.apply(line(1, more="name: Line One\ndescription: new")) == ["edit-rollout"]
        assert world.rollout("Line One").description == "new"

    on(tmp_path, body)


def test_what_is_deleted_gives_its_name_and_its_tag_back(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1))
        world.devices(None, [1])
        await world.apply("\n---\n".join(line(1).split("\n---\n")[:-1]), prune=True)
        assert world.server.world.tags == {}
        assert [r.name for r in world.server.world.rollouts.values()] == [
            f"line ~{next(iter(world.server.world.rollouts))}"
        ]
        await world.apply(line(1, 2))
        assert world.devices("success") == {"gw-01": "success", "gw-02": "success"}

    on(tmp_path, body)


@pytest.mark.parametrize("approve", [True, False])
def test_approval(tmp_path: Path, approve: bool) -> None:
    async def body(world: HawkbitWorld) -> None:
        world.server.world.config["rollout.approval.enabled"] = True
        text = line(1, more="approve: true" if approve else "")
        applied = await world.run(await world.make_plan(text))
        waits = [o.status for o in applied.outcomes if o.status is OutcomeStatus.WAITING]
        assert world.rollout("line").status in ("waiting_for_approval", "running", "starting")
        assert (world.rollout("line").decider == "admin") is approve
        assert bool(waits) is not approve

    on(tmp_path, body)


def test_a_server_that_is_still_at_work_is_waited_for(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        looks = 0

        def now() -> int:
            nonlocal looks
            looks += 1
            return 1_800_000_000_000 + looks * 100

        world.server.world.now = now
        world.server.world.slow_ms = 1000
        applied = await world.run(await world.make_plan(line(1)))
        assert not applied.failed, applied.outcomes
        assert world.rollout("line").status in ("starting", "running")

    on(tmp_path, body)


def test_a_package_by_its_name_and_version(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        first = '{file: fw.bin, name: fw, version: "1"}'
        await world.apply(line(1, packages=first))
        await world.apply(
            line(1, packages=first)
            + line(2, packages='{file: fx.bin, name: fw, version: "2"}')
            .replace("{name: firmware}", "{name: other}")
            .replace("packageSet: firmware", "packageSet: other")
            .replace("{name: hall}", "{name: hall-2}")
            .replace("gatewayLists: [hall]", "gatewayLists: [hall-2]")
            .replace("{name: line}", "{name: line-2}")
            .replace("apiVersion", "---\napiVersion", 1)
        )
        plan = await world.make_plan(line(1, packages="{name: fw}"))
        assert "ambiguous-package" in {finding.code for finding in plan.findings}
        assert await world.plan(line(1, packages='{name: fw, version: "1"}')) == []
        plan = await world.make_plan(line(1, packages='{name: fw, version: "3"}'))
        [missing] = [each for each in plan.findings if each.code == "package-not-found"]
        assert "version '3'" in missing.message

    on(tmp_path, body)


def test_how_it_is_delivered(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, more="delivery: {force: after, forceAfter: 2027-01-17T00:00Z}"))
        rollout = world.rollout("line")
        assert (rollout.type, rollout.force_time) == ("timeforced", 1_800_144_000_000)

    on(tmp_path, body)


def test_a_set_is_made_once_and_shared(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        packages = "{file: fw.bin, name: fw}, {file: fx.bin, name: app}"
        one = line(1, packages=packages)
        two = line(2).split("---\n")[-1].replace("{name: line}", "{name: line-2}")
        two = two.replace("[hall]", "[hall-2]")
        lists = line(2).split("---\n")[1].replace("{name: hall}", "{name: hall-2}")
        await world.apply(f"{one}---\n{lists}---\n{two}")
        [bundle] = world.server.world.bundles.values()
        assert (bundle.name, bundle.type, len(bundle.modules)) == ("firmware", "os_app", 2)
        assert sorted(m.type for m in world.server.world.modules.values()) == ["application", "os"]

    on(tmp_path, body)
