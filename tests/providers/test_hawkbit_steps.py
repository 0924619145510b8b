"""What a plan does on hawkBit, from YAML to devices and back."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from reconciler.errors import Refused
from reconciler.model import OutcomeStatus
from reconciler.plan import Plan
from reconciler.providers.base import Bindings
from tests.hawkbit_standin.app import Asked, Fault
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


@pytest.mark.parametrize(
    ("delivery", "kind"),
    [("{force: never}", "soft"), ("{force: always}", "forced"), ("{only: download}", "downloadonly")],
)
def test_how_much_a_device_is_pressed(tmp_path: Path, delivery: str, kind: str) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, more=f"delivery: {delivery}"))
        assert world.rollout("line").type == kind

    on(tmp_path, body)


@pytest.mark.parametrize(
    ("types", "kind"),
    [(["os"], "os"), (["application"], "app"), (["os", "application"], "os_app")],
)
def test_the_type_of_a_set_is_that_of_its_modules(tmp_path: Path, types: list[str], kind: str) -> None:
    packages = [f"{{file: f{at}.bin, type: {each}}}" for at, each in zip("wx", types, strict=False)]

    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, packages=", ".join(packages)))
        [bundle] = world.server.world.bundles.values()
        assert bundle.type == kind

    on(tmp_path, body)


async def refusal(world: HawkbitWorld, plan: Plan) -> str:
    """What is said of the step that fails first."""
    failed = [each for each in (await world.run(plan)).outcomes if each.status is OutcomeStatus.FAILED]
    return failed[0].message


async def refused(world: HawkbitWorld, plan: Plan, name: str) -> str:
    """What an error says of the operation `name` of `plan` and of its call; it alone is run."""
    [step] = [step for step in plan.steps() if step.operation.name == name]
    uploads = {upload.sha256: upload.id for upload in world.session.state.packages.values()}
    with pytest.raises(Refused) as caught:
        await world.provider.writes.run(step, Bindings(packages=uploads))
    assert caught.value.request == f"{step.operation.method} {step.operation.path}"
    return str(caught.value)


def test_two_modules_of_the_type_os_make_no_set(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        plan = await world.make_plan(line(1, packages="{file: fw.bin, type: os}, {file: fx.bin, type: os}"))
        assert "one module of the type os at most" in await refusal(world, plan)
        assert "one module of the type os at most" in await refused(world, plan, "create-rollout")
        assert world.server.world.bundles == {}

    on(tmp_path, body)


def test_a_module_of_a_rollout_is_not_deleted(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1))
        plan = await world.make_plan(line(1).split("---\n")[1], prune=True)
        assert "the rollout 'line' uses it" in await refused(world, plan, "delete-module")
        assert len(world.server.world.modules) == 1

    on(tmp_path, body)


def test_a_name_that_somebody_took_meanwhile_is_not_taken_twice(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, more="name: other"))
        wanted = line(1, more="name: line").replace("{name: line}", "{name: second}")
        plan = await world.make_plan(wanted)
        world.rollout("other").name = "line"
        assert "has meanwhile been taken by rollout" in await refusal(world, plan)
        assert len(world.server.world.rollouts) == 1

    on(tmp_path, body)


def test_a_tag_that_is_refused_for_good_is_not_made_under_another_name(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        plan = await world.make_plan(line(1))
        no, tags = Fault(403, b'{"message": "no room"}'), "/rest/v1/targettags"
        world.server.fault = lambda asked: no if (asked.method, asked.path) == ("POST", tags) else None
        assert "no room" in await refusal(world, plan)
        assert world.server.calls().count(f"POST {tags}") == 1

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


NEXT = "{file: fx.bin}"


@pytest.mark.parametrize("prune", [False, True])
def test_other_packages_are_another_rollout_in_the_place_of_the_old(tmp_path: Path, prune: bool) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2, 3))
        old = world.rollout("line")
        world.devices("success", [1])
        world.devices(None, [2])
        done = await world.apply(line(1, 2, 3, packages=NEXT), prune=prune)
        assert done[:3] == ["upload-artifact", "edit-rollout", "create-rollout"]
        assert done.index("stop-rollout") < done.index("start-rollout")
        new = world.rollout("line")
        assert new.id != old.id
        assert (old.status, old.name) == ("deleted" if prune else "stopped", f"line ~{old.id}")
        assert len({new.query, old.query}) == 2
        for _ in range(2):
            world.devices("success")
        assert world.counts("line") == {"finished": 3}
        assert {world.server.world.targets[gateway].installed for gateway in ids(1, 2, 3)} == {new.bundle}

    on(tmp_path, body)


def test_another_delivery_of_the_same_packages_reaches_whoever_is_not_done(tmp_path: Path) -> None:
    """The same set again: the server would say that all is done, and nobody would install it."""

    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2, 3))
        world.devices("success", [1])
        world.devices(None, [2])
        await world.apply(line(1, 2, 3, more="delivery: {force: never}"))
        new = world.rollout("line")
        assert new.type == "soft"
        for _ in range(2):
            world.devices("success")
        assert {world.server.world.targets[gateway].installed for gateway in ids(1, 2, 3)} == {new.bundle}
        assert world.counts("line") == {"finished": 3}

    on(tmp_path, body)


@pytest.mark.parametrize("lost", range(1, 14, 2))
@pytest.mark.parametrize("after", [True, False])
def test_a_replacement_that_is_cut_anywhere_is_finished_by_the_next_run(
    tmp_path: Path, lost: int, after: bool
) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2, 3))
        world.devices(None, [1])
        writes = 0

        def cut(asked: Asked) -> Fault | None:
            """From a write on, nothing comes through any more; of the first one only the answer is lost."""
            nonlocal writes
            if asked.method != "GET":
                writes += 1
            if writes <= lost:
                return None
            return Fault(502, after=after and writes == lost + 1 and asked.method != "GET")

        text = line(2, 3, 4, packages=NEXT)
        plan = await world.make_plan(text)
        world.server.fault = cut
        await world.run(plan)
        world.server.fault = lambda _: None
        world.server.settle()
        for _ in range(3):
            await world.run(await world.make_plan(text))
            world.server.settle()
        assert await world.plan(text) == []
        for _ in range(3):
            world.devices("success")
        alive = [r for r in world.server.world.rollouts.values() if r.status == "running"]
        assert [r.name for r in alive] == ["line"], "one runs, and no other"
        new = world.rollout("line")
        assert {world.server.world.targets[gateway].installed for gateway in ids(2, 3, 4)} == {new.bundle}
        assert sorted(await world.provider.reads.gateways(str(new.id))) == ids(2, 3, 4)
        open_actions = [a for a in world.server.world.actions.values() if a.active]
        assert open_actions == [], "no device is left between two rollouts"
        assert len(world.server.world.bundles) == 2
        assert len(world.server.world.modules) == 2

    on(tmp_path, body)
