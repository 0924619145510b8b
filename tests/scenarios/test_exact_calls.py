"""What a change in Git costs: exactly these calls, in this order, and then nothing."""

from pathlib import Path

import pytest

from tests.actions import needs_of
from tests.world import World, run

START, STOP, EDIT = "start-campaign", "stop-campaign", "edit-campaign"
ADD, REMOVE = "add-gateways", "remove-gateways"

STARTED = """
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: line}
spec: {gateways: [gw-1, gw-2, gw-3]}
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: firmware}
spec:
  packages: [{file: firmware.bin}]
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec:
  description: first
  packageSet: firmware
  settings: {LEVEL: info}
  gatewayLists: [line]
  desiredStatus: STARTED
"""
STOPPED = STARTED.replace("STARTED", "STOPPED")
FIRMWARE = {"firmware.bin": "v1"}

CASES = {
    "nothing": (STARTED, STARTED, []),
    "a comment": (STARTED, STARTED + "\n# who changed this?\n", []),
    "the order of ids": (STARTED, STARTED.replace("gw-1, gw-2, gw-3", "gw-3, gw-1, gw-2"), []),
    "description of a started campaign": (
        STARTED,
        STARTED.replace("first", "second"),
        [STOP, EDIT, START],
    ),
    "description of a stopped campaign": (STOPPED, STOPPED.replace("first", "second"), [EDIT]),
    "two fields of a stopped campaign": (
        STOPPED,
        STOPPED.replace("first", "second").replace("LEVEL: info", "LEVEL: debug"),
        [EDIT],
    ),
    "three fields of a started campaign": (
        STARTED,
        STARTED.replace("first", "second").replace("LEVEL: info", "LEVEL: debug, MODE: x"),
        [STOP, EDIT, START],
    ),
    "the name on the server": (
        STOPPED,
        STOPPED.replace("description: first", "description: first\n  name: Line three"),
        [EDIT],
    ),
    "one gateway less": (STARTED, STARTED.replace(", gw-3", ""), [REMOVE]),
    "one gateway more": (STARTED, STARTED.replace("gw-3", "gw-3, gw-4"), [ADD]),
    "a gateway for another": (STARTED, STARTED.replace("gw-3", "gw-4"), [REMOVE, ADD]),
    "90 gateways more": (
        STARTED,
        STARTED.replace("gw-3", ", ".join(f"gw-{n}" for n in range(3, 94))),
        [ADD, ADD, ADD],
    ),
    "an edit and a gateway": (
        STARTED,
        STARTED.replace("first", "second").replace("gw-3", "gw-4"),
        [STOP, EDIT, REMOVE, ADD, START],
    ),
    "stop": (STARTED, STOPPED, [STOP]),
    "start": (STOPPED, STARTED, [START]),
    "stop and edit": (STARTED, STOPPED.replace("first", "second"), [STOP, EDIT]),
    "edit and start": (STOPPED, STARTED.replace("first", "second"), [EDIT, START]),
    "status no longer managed": (STARTED, STARTED.replace("desiredStatus: STARTED", ""), []),
    "description no longer managed": (STARTED, STARTED.replace("description: first", ""), []),
    "settings no longer managed": (STARTED, STARTED.replace("settings: {LEVEL: info}", ""), []),
    "an empty description": (STOPPED, STOPPED.replace("first", "''"), [EDIT]),
    "no gateways at all": (
        STOPPED,
        STOPPED.replace("[gw-1, gw-2, gw-3]", "[]"),
        [REMOVE],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_exactly_these_calls(case: str, tmp_path: Path) -> None:
    before, after, expected = CASES[case]

    async def body() -> None:
        async with World.open(tmp_path, batch_size=40) as world:
            world.desired(before, **FIRMWARE)
            await world.apply(before)
            assert await world.plan(after) == expected
            assert await world.apply(after) == expected
            assert await world.plan(after) == []
            assert await world.apply(after) == []

    run(body())


def test_a_new_campaign_is_uploaded_created_filled_and_started(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            world.desired(STARTED, **FIRMWARE)
            expected = ["upload-package", "create-campaign", ADD, START]
            assert await world.plan(STARTED) == expected
            assert await world.apply(STARTED) == expected
            assert await world.plan(STARTED) == []

    run(body())


def test_a_field_that_yaml_leaves_out_keeps_its_live_value_through_an_edit(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            world.desired(STOPPED, **FIRMWARE)
            await world.apply(STOPPED)
            plan = await world.make_plan(STOPPED)
            assert plan.empty
            [summary] = await world.provider.reads.campaigns()
            before = await world.provider.reads.campaign(summary.id)
            assert before is not None
            assert (before.description, len(before.packages)) == ("first", 1)
            bare = (
                STOPPED.replace("description: first", "name: renamed")
                .replace("  packageSet: firmware\n", "")
                .replace("settings: {LEVEL: info}", "")
            )
            assert await world.apply(bare) == [EDIT]
            live = await world.provider.reads.campaign(summary.id)
            assert live is not None
            assert (live.name, live.description, live.packages) == ("renamed", "first", before.packages)
            sent = next(call.body for call in world.seen if call.method == "PUT")
            assert sent["updateSpec"]["campaignSettings"] == {"settings": {"LEVEL": "info"}}

    run(body())


def test_the_same_content_under_another_path_is_the_same_package(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            world.desired(STARTED, **FIRMWARE)
            await world.apply(STARTED)
            (tmp_path / "copy.bin").write_text("v1")
            assert await world.plan(STARTED.replace("firmware.bin", "copy.bin")) == []

    run(body())


def test_new_content_is_uploaded_before_the_campaign_is_interrupted(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            world.desired(STARTED, **FIRMWARE)
            await world.apply(STARTED)
            (tmp_path / "firmware.bin").write_text("v2")
            expected = ["upload-package", STOP, EDIT, START]
            plan = await world.make_plan(STARTED)
            assert [step.operation.name for step in plan.steps()] == expected
            stop = next(step for step in plan.steps() if step.operation.name == STOP)
            assert [step.operation.name for step in needs_of(plan, stop)] == ["upload-package"]
            assert await world.apply(STARTED) == expected
            assert await world.plan(STARTED) == []

    run(body())
