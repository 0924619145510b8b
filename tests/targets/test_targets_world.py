"""Targets on a real server: what is planned, what is read, and what can't be done alone."""

from pathlib import Path
from typing import Any

import pytest

from reconciler.model import Kind, ResourceId
from reconciler.options import Selector, Targets
from tests.world import World, run

GET, MEMBERS, LIST = "get-campaign", "list-gateways", "list-campaigns"


def rid(name: str) -> ResourceId:
    return ResourceId(Kind.CAMPAIGN, name)


def only(*names: str) -> dict[str, Any]:
    return {"targets": Targets(tuple(map(rid, names)))}


def lose_state(folder: Path) -> None:
    for path in folder.glob("state.json*"):
        path.unlink()


def campaign(resource: str, /, *gateways: str, site: str = "berlin", **spec: str) -> str:
    """A campaign over a list of its own, with a package of its own."""
    fields = {"packageSet": resource, "gatewayLists": f"[{resource}]", **spec}
    lines = "\n".join(f"  {field}: {value}" for field, value in fields.items())
    return f"""
apiVersion: reconciler/v1
kind: PackageSet
metadata: {{name: {resource}}}
spec: {{packages: [{{file: {resource}.bin}}]}}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {{name: {resource}}}
spec: {{gateways: [{", ".join(gateways)}]}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: {resource}, labels: {{site: {site}}}}}
spec:
{lines}
---
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abcd":
        (tmp_path / f"{name}.bin").write_text(name)
    return tmp_path


A, B, C = campaign("a", "gw-1", "gw-2"), campaign("b", "gw-3"), campaign("c", "gw-4", site="munich")
RUNS = {"desiredStatus": "STARTED"}


def test_only_what_is_targeted_is_made(folder: Path) -> None:
    async def body() -> None:
        async with World.open(folder) as world:
            assert await world.apply(A + B + C, **only("b")) == [
                "upload-package",
                "create-campaign",
                "add-gateways",
            ]
            assert await world.plan(A + B + C, **only("b")) == []
            berlin = {"targets": Targets((), (Selector("site", "berlin"),))}
            assert await world.apply(A + B + C, **berlin) == [
                "upload-package",
                "create-campaign",
                "add-gateways",
            ]
            assert len(await world.plan(A + B + C)) == 3

    run(body())


def test_nothing_else_is_read(folder: Path) -> None:
    async def body() -> None:
        async with World.open(folder) as world:
            await world.apply(A + B + C)
            world.seen.clear()
            assert await world.plan(A + B + C) == []
            whole = world.reads()
            assert whole.count(GET) == whole.count(MEMBERS) == 3
            for names, count in ((["b"], 1), (["a", "c"], 2)):
                world.seen.clear()
                assert await world.plan(A + B + C, **only(*names)) == []
                assert sorted(world.reads()) == [GET] * count + [LIST] + [MEMBERS] * count + ["list-packages"]

    run(body())


def test_a_new_campaign_reads_its_name_and_who_could_lose_its_gateways(folder: Path) -> None:
    async def body() -> None:
        async with World.open(folder) as world:
            # Nothing is owned: nobody could lose anything.
            assert await world.plan(A + B, **only("b")) != []
            assert world.reads() == [LIST]
            # It runs, but declares what joins: it is only looked whether it does.
            running = campaign("a", "gw-1", "gw-3", **RUNS)
            await world.apply(running)
            world.seen.clear()
            assert await world.plan(running + B, **only("b")) != []
            assert world.reads() == [LIST, LIST, GET]
            # It may lose them.
            world.seen.clear()
            assert await world.plan(campaign("a", "gw-1", **RUNS) + C, **only("c")) != []
            assert world.reads() == [LIST, LIST, GET, MEMBERS]

    run(body())


def test_nobody_is_asked_while_nothing_joins(folder: Path) -> None:
    async def body() -> None:
        async with World.open(folder) as world:
            await world.apply(campaign("a", "gw-1", **RUNS) + B)
            world.seen.clear()
            assert await world.plan(campaign("a", "gw-9", **RUNS) + campaign("b"), **only("b")) == [
                "remove-gateways"
            ]
            assert sorted(world.reads()) == [GET, "get-distribution-list", LIST, MEMBERS, "list-packages"]

    run(body())


def test_gateways_are_not_taken_from_a_running_campaign_that_is_left_alone(folder: Path) -> None:
    async def body() -> None:
        async with World.open(folder) as world:
            await world.apply(campaign("a", "gw-1", "gw-2", **RUNS) + B)
            moved = campaign("a", "gw-1", **RUNS) + campaign("b", "gw-3", "gw-2") + C
            plan = await world.make_plan(moved, **only("b", "c"))
            (found,) = [each for each in plan.findings if each.is_error]
            assert found.code == "needs-target"
            assert found.message == (
                "Campaign/b would take the gateway gw-2 from Campaign/a, which runs, loses them, and is not"
                " targeted: they have to leave first"
            )
            assert found.hint == "target Campaign/a, too"
            assert found.place is not None
            assert {str(step.resource) for step in plan.steps()} == {"PackageSet/c", "Campaign/c"}
            assert await world.apply(moved, **only("a", "b")) == ["remove-gateways", "add-gateways"]

    run(body())


def test_a_campaign_that_does_not_run_may_lose_them_later(folder: Path) -> None:
    async def body() -> None:
        async with World.open(folder) as world:
            await world.apply(A + B)
            moved = campaign("a", "gw-1") + campaign("b", "gw-3", "gw-2")
            assert await world.apply(moved, **only("b")) == ["add-gateways"]
            assert await world.apply(moved) == ["remove-gateways"]

    run(body())


def test_a_distribution_list_keeps_what_it_added(folder: Path) -> None:
    """The gateway is there by the list: the running campaign doesn't lose it, in a whole plan neither."""

    async def body() -> None:
        async with World.open(folder) as world:
            lists = {"distributionList": "{distributionListId: d-1, reevaluationIntervalSeconds: 60}"}
            await world.apply(campaign("a", "gw-1", **RUNS, **lists))
            (live,) = await world.provider.reads.campaigns()
            await world.provider.reads.add_gateways(live.id, ["gw-7"])
            text = campaign("a", "gw-1", **RUNS, **lists) + campaign("b", "gw-7")
            plan = await world.make_plan(text, **only("b"))
            assert not [each for each in plan.findings if each.is_error]
            assert "get-distribution-list" in world.reads()

    run(body())


def test_devices_of_running_campaigns_that_are_left_alone_are_counted(folder: Path) -> None:
    async def body() -> None:
        async with World.open(folder) as world:
            await world.apply(campaign("a", "gw-1", "gw-3", **RUNS))
            text = campaign("a", "gw-1", "gw-3", **RUNS) + B
            (impact,) = (await world.make_plan(text, **only("b"))).impact.campaigns
            assert impact.shared == {rid("a"): 1}
            whole = (await world.make_plan(text)).impact.campaigns
            assert [each.shared for each in whole] == [impact.shared]

    run(body())


# --- names -----------------------------------------------------------------------------------------


def test_a_name_that_a_campaign_left_alone_gives_up(folder: Path) -> None:
    async def body() -> None:
        async with World.open(folder) as world:
            await world.apply(A + B)
            swapped = campaign("a", "gw-1", "gw-2", name="b") + campaign("b", "gw-3", name="a")
            fresh = campaign("a", "gw-1", "gw-2", name="new") + campaign("c", "gw-4", name="a")
            for text, target, name in ((swapped, "a", "b"), (fresh, "c", "a")):
                plan = await world.make_plan(text, **only(target))
                (found,) = plan.findings
                other = "b" if target == "a" else "a"
                assert found.code == "needs-target"
                assert found.message == (
                    f"Campaign/{target} can't have the name {name!r} yet: on the server Campaign/{other}"
                    " has it, which gives it up and is not targeted"
                )
                assert found.hint == f"target Campaign/{other}, too"
                assert not [step for step in plan.steps() if step.resource.kind is Kind.CAMPAIGN]
            assert await world.plan(swapped, **only("a", "b")) == ["edit-campaign", "edit-campaign"]

    run(body())


def test_a_renamed_resource_takes_its_campaign_along(folder: Path) -> None:
    async def body() -> None:
        async with World.open(folder) as world:
            await world.apply(A + B)
            renamed = campaign("c", "gw-1", "gw-2", name="a", packageSet="a").replace("c.bin", "a.bin") + B
            renamed = renamed.replace("{name: c}\nspec: {packages", "{name: a}\nspec: {packages")
            plan = await world.make_plan(renamed, **only("c"))
            assert [step.operation.name for step in plan.steps()] == []
            assert plan.records
            # To be pruned it has to be somebody's no more: this one is about to move.
            plan = await world.make_plan(renamed, prune=True, **only("a"))
            assert plan.empty
            (found,) = plan.findings
            assert (found.code, found.hint) == ("needs-target", "target Campaign/c instead")
            assert "is not deleted: Campaign/c declares its name now, and takes it over" in found.message

    run(body())


# --- removal ---------------------------------------------------------------------------------------


def test_only_a_named_removed_campaign_is_deleted(folder: Path) -> None:
    async def body() -> None:
        async with World.open(folder) as world:
            await world.apply(A + B + C)
            assert await world.plan(A, prune=True, **only("a")) == []
            plan = await world.make_plan(A, **only("b"))
            assert plan.empty
            assert [each.code for each in plan.findings] == ["not-declared"]
            assert await world.apply(A, prune=True, **only("b")) == ["delete-campaign"]
            assert {each.name for each in await world.provider.reads.campaigns()} == {"a", "c"}
            # Its package goes with a whole plan, which knows who uses it.
            assert await world.apply(A, prune=True) == ["delete-campaign", "delete-package", "delete-package"]

    run(body())


def test_what_is_left_alone_is_not_said_to_be_undeclared(folder: Path) -> None:
    async def body() -> None:
        async with World.open(folder) as world:
            await world.apply(A + B)
            assert [each.code for each in (await world.make_plan(A)).findings] == ["not-declared"]
            assert (await world.make_plan(A, **only("a"))).findings == ()

    run(body())


def test_an_abandoned_campaign_is_given_up_by_name_only(folder: Path) -> None:
    async def body() -> None:
        async with World.open(folder) as world:
            await world.apply(A + campaign("b", "gw-3", onRemove="abandon"))
            assert (await world.make_plan(A, **only("a"))).records == ()
            plan = await world.make_plan(A, **only("b"))
            assert [each.code for each in plan.findings] == ["abandoned"]
            assert len(plan.records) == 1

    run(body())


# --- other switches --------------------------------------------------------------------------------


def test_targets_narrow_what_is_sent_again_and_what_is_adopted(folder: Path) -> None:
    async def body() -> None:
        async with World.open(folder) as world:
            settings = {"settings": "{mode: fast}"}
            text = campaign("a", "gw-1", **settings) + campaign("b", "gw-3", **settings)
            await world.apply(text)
            assert await world.plan(text, reassert=True, **only("b")) == ["edit-campaign"]
            assert await world.plan(text, reassert=True) == ["edit-campaign"] * 2
            lose_state(folder)
            plan = await world.make_plan(text, adopt=True, **only("b"))
            assert {each.resource for each in plan.findings if each.code == "assumed"} == {rid("b")}

    run(body())
