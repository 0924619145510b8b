"""What surprises on hawkBit, and what is made of it: no plan may believe what isn't so."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import NotExecuted, Refused
from reconciler.model import (
    CampaignFields,
    CreateCampaign,
    DeletePackage,
    EndCampaign,
    Kind,
    OutcomeStatus,
    Phase,
    Reason,
    ResourceId,
    RetireCampaign,
    StartCampaign,
    Step,
    StepGroup,
)
from reconciler.providers.base import Bindings
from tests.hawkbit_standin.app import Asked, Fault
from tests.providers.hawkbit_world import HawkbitWorld, ids, line

Body = Callable[[HawkbitWorld], Awaitable[None]]
LINE = ResourceId(Kind.CAMPAIGN, "line")


def on(folder: Path, body: Body, **settings: object) -> None:
    async def main() -> None:
        async with HawkbitWorld.open(folder, **settings) as world:
            await body(world)

    asyncio.run(main())


def step(world: HawkbitWorld, action: object) -> Step:
    lowered = world.provider.facts.lower(action)  # type: ignore[arg-type]
    return Step(StepGroup("k", action, lowered.operation, lowered.per_call), 0)  # type: ignore[arg-type]


async def send(world: HawkbitWorld, action: object, tries: int = 5) -> object:
    """The result of a step, sent again while the server is at work."""
    for _ in range(tries):
        try:
            return await world.provider.writes.run(step(world, action), Bindings())
        except NotExecuted:
            world.server.settle()
    raise AssertionError("it is still not done")


# 1 and 4: immutable, and the same set again


@pytest.mark.parametrize("same", [True, False])
def test_a_successor_installs_on_whoever_has_not_done_so(tmp_path: Path, same: bool) -> None:
    """With the same set the server would count who has it assigned as done, and nobody would install it."""

    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2))
        world.devices(None, [1])
        old = str(world.rollout("line").id)
        live = await world.provider.reads.campaign(old)
        assert live is not None
        packages = live.packages
        if not same:
            await world.plan(line(1, 2, packages="{file: fx.bin}"))
            other = next(iter(world.desired(line(1, packages="{file: fx.bin}")).packages))
            from reconciler.model import UploadPackage

            made = await send(world, UploadPackage(LINE, Reason.ASKED, other))  # type: ignore[arg-type]
            packages = (made.created,)  # type: ignore[attr-defined]
        await send(world, RetireCampaign(LINE, Reason.ASKED, old, name=f"line ~{old}"))
        fields = CampaignFields("line", packages=packages)
        new = await send(world, CreateCampaign(LINE, Reason.ASKED, fields, replaces=old))
        created = new.created  # type: ignore[attr-defined]
        world.server.settle()
        from reconciler.model import AddGateways

        await send(world, AddGateways(LINE, Reason.ASKED, created, tuple(ids(1, 2))))
        end = EndCampaign(LINE, Reason.ASKED, old, successor=created, before_start=True)
        await send(world, end)
        assert (await world.provider.writes.verify(step(world, end), Bindings())).done
        await send(world, StartCampaign(LINE, Reason.ASKED, created))
        world.server.settle()
        for _ in range(2):
            world.devices("success")
        assert world.counts("line") == {"finished": 2}
        wanted = world.server.world.rollouts[int(created)].bundle
        installed = {t.controller: t.installed for t in world.server.world.targets.values() if t.installed}
        assert installed == dict.fromkeys(ids(1, 2), wanted), "and not by word alone"

    on(tmp_path, body)


def test_an_old_one_runs_on_while_its_successor_waits_for_approval(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1))
        old = str(world.rollout("line").id)
        live = await world.provider.reads.campaign(old)
        assert live is not None
        world.server.world.config["rollout.approval.enabled"] = True
        await send(world, RetireCampaign(LINE, Reason.ASKED, old, name=f"line ~{old}"))
        fields = CampaignFields("line", packages=live.packages)
        new = await send(world, CreateCampaign(LINE, Reason.ASKED, fields, replaces=old))
        world.server.settle()
        end = EndCampaign(LINE, Reason.ASKED, old, successor=new.created, before_start=True)  # type: ignore[attr-defined]
        result = await send(world, end)
        assert result.status is OutcomeStatus.WAITING  # type: ignore[attr-defined]
        assert world.server.world.rollouts[int(old)].status == "running"

    on(tmp_path, body)


# 3: a name is taken for ever


def test_a_name_that_a_hidden_rollout_holds_is_said_to_be_so(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1))
        rollout = world.rollout("line")
        rollout.status = "deleting"
        world.server.settle()
        assert rollout.deleted
        applied = await world.run(await world.make_plan(line(1)))
        [failed] = [o for o in applied.outcomes if o.status is OutcomeStatus.FAILED]
        assert "a deleted one may hold it for good" in failed.message
        assert "spec.name" in failed.message

    on(tmp_path, body)


# 4 and 6 once more: an answer to a create that is about something else

CREATES = {
    "softwaremodules": "modules",
    "distributionsets": "sets",
    "targettags": "tags",
    "rollouts": "rollouts",
}
LIES: dict[str, Callable[[str], object]] = {
    "another's": lambda other: [{"id": int(other)}],
    "another's name": lambda other: [{"id": 4711, "name": "somebody else's"}],
    "no id": lambda other: [{"name": "it"}],
    "none": lambda other: [],
    "two": lambda other: [{"id": 4711}, {"id": 4712}],
    "another form": lambda other: [{"id": "3f2c1a9e-0000-4000-8000-000000000000"}],
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("path", CREATES)
def test_a_create_that_answers_with_another_id_makes_one_thing_and_touches_no_other(
    tmp_path: Path, path: str, lie: str
) -> None:
    """The answer is held against what was asked for and what was there; then the server is asked."""

    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1))
        held = world.server.world
        before = {key: replace(each) for key, each in held.rollouts.items()}
        files = {key: list(each.artifacts) for key, each in held.modules.items()}
        other = str(
            {"softwaremodules": max(held.modules), "distributionsets": max(held.bundles)}.get(
                path, max(before)
            )
        )
        lied: list[str] = []

        def lying(asked: Asked) -> Fault | None:
            if lied or (asked.method, asked.path) != ("POST", f"/rest/v1/{path}"):
                return None
            lied.append(asked.path)
            return Fault(201, json.dumps(LIES[lie](other)).encode(), after=True)

        world.server.fault = lying
        wanted = line(1, packages="{file: fx.bin, name: fw.bin}")
        applied = await world.run(await world.make_plan(wanted))
        assert lied, "it was asked for"
        assert not applied.failed, [o.message for o in applied.outcomes if not o.settled]
        world.server.settle()
        assert await world.plan(wanted) == []
        new = [each for key, each in held.rollouts.items() if key not in before and not each.deleted]
        assert len(new) == 1
        bundle = held.bundles[new[0].bundle]
        [module] = bundle.modules
        assert module not in files, "it has the new module"
        assert {key: list(held.modules[key].artifacts) for key in files} == files
        assert len(held.modules) == len(files) + 1

    on(tmp_path, body)


# 5: quotas and states


def test_a_quota_is_final(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        quota = b'{"errorCode": "hawkbit.server.error.quota.tooManyEntries", "message": "Quota exceeded"}'

        def full(asked: Asked) -> Fault | None:
            return Fault(429, quota) if asked.path.endswith("/assigned") and asked.method == "POST" else None

        world.server.fault = full
        applied = await world.run(await world.make_plan(line(1)))
        assert [o.message for o in applied.outcomes if "Quota exceeded" in o.message]
        assert sum(call.endswith("/assigned") for call in world.server.calls()) == 1, "and never tried again"

    on(tmp_path, body)


@pytest.mark.parametrize("path", ["/start", "/resume"])
def test_a_start_that_somebody_else_made_is_as_good(tmp_path: Path, path: str) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, status="STOPPED"))
        if path == "/resume":
            await world.apply(line(1))
            await world.apply(line(1, status="STOPPED"))

        def faster(asked: Asked) -> Fault | None:
            if asked.method == "POST" and asked.path.endswith(path):
                rollout = world.rollout("line")
                rollout.status = "starting" if path == "/start" else "running"
            return None

        world.server.fault = faster
        await world.apply(line(1))
        assert world.rollout("line").status == "running"

    on(tmp_path, body)


# 6: pause, and never stop


def test_a_stop_in_git_never_stops_for_good(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2))
        await world.apply(line(1, 2, status="STOPPED"))
        assert not [call for call in world.server.calls() if call.endswith("/stop")]
        assert world.devices("success", [1]) == {"gw-01": "success"}, "who is under way goes on"
        await world.apply(line(1, 2))
        assert world.rollout("line").status == "running"

    on(tmp_path, body)


def test_one_that_a_person_stopped_for_good_is_said_to_be_over(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1))
        world.rollout("line").status = "stopping"
        world.server.settle()
        assert await world.plan(line(1)) == []
        assert "ended" in {finding.code for finding in world.findings}

    on(tmp_path, body)


# 7: finished is no success, and thresholds don't stop us


def test_failures_stop_nobody_else_and_end_nothing(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2, 3))
        world.devices("failure")
        assert world.rollout("line").status == "running"
        await world.apply(line(1, 2, 3, 4))
        assert world.devices("success") == {"gw-04": "success"}
        members = await world.provider.reads.gateways(str(world.rollout("line").id))
        assert members.states["error"] == set(ids(1, 2, 3))

    on(tmp_path, body)


def test_a_rollout_that_finished_with_failures_shows_them(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2))
        world.devices("failure", [1])
        world.rollout("line").status = "finished"
        key = str(world.rollout("line").id)
        live = await world.provider.reads.campaign(key)
        assert live is not None
        assert live.phase is Phase.FINISHED
        assert (await world.provider.reads.gateways(key)).states == {
            "error": frozenset(ids(1)),
            "running": frozenset(ids(2)),
        }

    on(tmp_path, body)


# 8: a rollout that hangs


def test_a_rollout_that_hangs_is_waited_for_and_then_named(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, status="STOPPED"))
        world.rollout("line").status = "stopping"
        world.server.world.slow_ms = 1 << 40
        applied = await world.run(await world.make_plan(line(1)))
        words = " ".join(outcome.message for outcome in applied.outcomes)
        assert not applied.outcomes or "still at work" in words
        world.rollout("line").status = "creating"
        applied = await world.run(await world.make_plan(line(1)))
        assert "still at work" in " ".join(outcome.message for outcome in applied.outcomes)
        assert "quota of actions" in " ".join(outcome.message for outcome in applied.outcomes)

    on(tmp_path, body)


# 9: case and wildcards


def test_campaigns_that_differ_in_case_share_nothing(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        two = line(1, more="name: Line") + line(2).split("---\n")[-1].replace(
            "apiVersion", "---\napiVersion", 1
        ).replace("name: line", "name: other").replace("  packageSet", "  name: LINE\n  packageSet", 1)
        await world.apply(two)
        tags = [tag.name for tag in world.server.world.tags.values()]
        assert len({tag.lower() for tag in tags}) == 2
        assert all("*" not in tag for tag in tags)

    on(tmp_path, body)


# lost answers


CALLS = ["softwaremodules", "artifacts", "metadata", "distributionsets", "targettags", "rollouts", "start"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("after", [True, False])
def test_a_lost_answer_doubles_nothing(tmp_path: Path, call: str, after: bool) -> None:
    async def body(world: HawkbitWorld) -> None:
        lost = 0

        def lose(asked: Asked) -> Fault | None:
            nonlocal lost
            if asked.method != "POST" or not asked.path.endswith(call) or lost:
                return None
            lost += 1
            return Fault(502, after=after)

        world.server.fault = lose
        await world.apply(line(1, 2))
        assert lost == 1
        held = world.server.world
        assert (len(held.modules), len(held.bundles), len(held.rollouts)) == (1, 1, 1)
        assert len(next(iter(held.modules.values())).artifacts) == 1
        assert sorted(await world.provider.reads.gateways(str(world.rollout("line").id))) == ids(1, 2)

    on(tmp_path, body)


@pytest.mark.parametrize("after", [True, False])
def test_a_lost_cancellation_is_looked_at(tmp_path: Path, after: bool) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2))
        lost = 0

        def lose(asked: Asked) -> Fault | None:
            nonlocal lost
            if asked.method != "DELETE" or "/actions/" not in asked.path or lost:
                return None
            lost += 1
            return Fault(502, after=after)

        world.server.fault = lose
        await world.apply(line(2))
        assert lost == 1
        assert world.devices("success") == {"gw-01": "canceled", "gw-02": "success"}

    on(tmp_path, body)


def test_unknown_targets_are_named_and_the_others_join(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        applied = await world.run(await world.make_plan(line(1, 2, 77)))
        words = " ".join(outcome.message for outcome in applied.outcomes)
        assert "gw-77" in words
        key = str(next(iter(world.server.world.rollouts)))
        assert sorted(await world.provider.reads.gateways(key)) == ids(1, 2)

    on(tmp_path, body)


def test_a_version_is_one_content(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1))
        [module] = world.server.world.modules.values()
        [file] = world.desired(line(1)).packages
        other = replace(file, sha256="e" * 64, version=module.version)  # type: ignore[type-var]
        from reconciler.model import UploadPackage

        with pytest.raises(Refused, match="holds another file"):
            await world.provider.writes.run(
                step(world, UploadPackage(LINE, Reason.ASKED, other)),
                Bindings(),  # type: ignore[arg-type]
            )

    on(tmp_path, body)


# what was used and deleted keeps its name


@pytest.mark.parametrize("version", ["", ', version: "2.1"'])
def test_packages_that_were_deleted_come_back(tmp_path: Path, version: str) -> None:
    """Back to the firmware of before: its set and its module are hidden, and keep what they are unique by."""

    async def body(world: HawkbitWorld) -> None:
        old, new = f"{{file: fw.bin{version}}}", "{file: fx.bin}"
        await world.apply(line(1, packages=old), prune=True)
        world.devices("success")
        await world.apply(line(1, packages=new), prune=True)
        assert [module.deleted for module in world.server.world.modules.values()] == [True, False]
        if version:
            applied = await world.run(await world.make_plan(line(1, packages=old), prune=True))
            words = " ".join(outcome.message for outcome in applied.outcomes)
            assert "its version is taken for good" in words
            assert "Name another version" in words
            return
        await world.apply(line(1, packages=old), prune=True)
        world.devices("success")
        world.devices("success")
        [module] = [m for m in world.server.world.modules.values() if not m.deleted]
        assert module.version.endswith("-2")
        assert world.counts("line") == {"finished": 1}
        target = world.server.world.targets["gw-01"]
        assert world.server.world.bundles[target.installed or 0].modules == [module.id]

    on(tmp_path, body)


def test_a_failed_update_of_the_same_set_is_no_success(tmp_path: Path) -> None:
    """Whoever failed has nothing assigned any more: a successor of the same set gives it to them again."""

    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2))
        world.devices("failure", [1])
        world.devices("success", [2])
        await world.apply(line(1, 2, more="delivery: {force: never}"))
        assert world.counts("line") == {"finished": 1, "running": 1}
        assert world.devices("success") == {"gw-01": "success"}

    on(tmp_path, body)


def test_a_package_waits_for_the_deletion_of_what_uses_it(tmp_path: Path) -> None:
    """The server deletes a rollout in its own time."""

    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1))
        [module] = world.server.world.modules
        delete = DeletePackage(LINE, Reason.ASKED, str(module))
        with pytest.raises(Refused, match="the rollout 'line' uses it"):
            await world.provider.writes.run(step(world, delete), Bindings())
        world.server.world.slow_ms = 1 << 40
        world.rollout("line").status = "deleting"
        with pytest.raises(NotExecuted, match="still at work"):
            await world.provider.writes.run(step(world, delete), Bindings())
        world.server.world.slow_ms = 0
        await send(world, delete)
        assert world.server.world.modules[module].deleted

    on(tmp_path, body)
