"""What people do with Git and a server, step by step; each step is the writes that it must make.

A scenario runs in the reference's dialect first: what it wrote there is what it must write in every other.
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.embedded.dialects import Dialect
from reconciler.model import Outcome
from tests.world import World

PAGE_SIZE = 2
"""Small, so that every list has several pages."""

FILES = {"firmware.bin": "v1", "other.bin": "v2"}

Writes = list[list[str]]


def gateways(first: int, last: int) -> str:
    return ", ".join(f"gw-{number}" for number in range(first, last + 1))


def campaign(name: str, members: str, **fields: str) -> str:
    """A campaign with a list of its own; a field's value is YAML, '' leaves it out."""
    spec = {
        "desiredStatus": "STARTED",
        "packageSet": "firmware",
        "gatewayLists": f"[{name}-list]",
        "description": f"all about {name}",
        **fields,
    }
    lines = "\n".join(f"  {key}: {value}" for key, value in spec.items() if value)
    return f"""
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {{name: {name}-list}}
spec: {{gateways: [{members}]}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: {name}}}
spec:
{lines}
"""


COMMON = """
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: firmware}
spec: {packages: [{file: firmware.bin}]}
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: other}
spec: {packages: [{file: other.bin, name: firmware.bin.other}]}
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: night}
spec:
  download: {begin: 2027-02-01T00:00:00Z, end: 2027-02-01T06:00:00Z}
  activation: {begin: 2027-02-02T00:00:00Z, end: 2027-02-02T06:00:00Z}
---
apiVersion: reconciler/v1
kind: CallbackSet
metadata: {name: bells}
spec:
  completed: {notificationDestinationId: d-1}
  stateChange: {notificationDestinationId: d-1, trackedStates: [FAILED]}
"""

OVERRIDES = "[{gateways: [gw-1, gw-3], packageSet: other}]"
EVERYTHING = {
    "packageOverrides": OVERRIDES,
    "schedules": "[{schedule: night}]",
    "callbackSet": "bells",
    "closedGateways": "[gw-5]",
    "settings": "{A: b}",
    "runOnThings": "true",
    "distributionList": "{distributionListId: dl, reevaluationIntervalSeconds: 60}",
}

# Names that are parts of each other: a server that filters by substring answers more than was asked for.
PLAIN = COMMON + campaign("c", gateways(1, 7)) + campaign("c-2", gateways(8, 9)) + campaign("cc", "gw-10")


class _Steps:
    """Applies one text after another; each must be followed by an empty plan."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.writes: Writes = []

    async def apply(self, text: str, **options: bool) -> None:
        self.writes.append(sorted(await self._world.apply(text, **options)))
        assert await self._world.plan(text, **options) == []


async def _everything(world: World, steps: _Steps) -> None:
    text = COMMON + campaign("c", gateways(1, 5), **EVERYTHING).replace(
        "gw-5]}", "gw-5], things: {gw-1: [t-1], gw-2: [t-1, t-2]}}", 1
    )
    await steps.apply(text)
    await steps.apply(text.replace("all about c", "''"))


async def _edits(world: World, steps: _Steps) -> None:
    await steps.apply(PLAIN)
    await steps.apply(PLAIN.replace("all about c-2", "something else"))
    await steps.apply(PLAIN.replace("packageSet: firmware", "packageSet: other", 1))
    await steps.apply(PLAIN.replace("STARTED", "STOPPED"))
    await steps.apply(PLAIN.replace("all about", "nothing about").replace("STARTED", "STOPPED"))


async def _gateways(world: World, steps: _Steps) -> None:
    await steps.apply(PLAIN)
    await steps.apply(PLAIN.replace(gateways(1, 7), gateways(4, 12)).replace("gw-8, gw-9]", "gw-20]"))
    await steps.apply(PLAIN.replace(gateways(1, 7), "gw-1"))
    await steps.apply(COMMON + campaign("c", "", packageSet="") + campaign("c-2", "") + campaign("cc", ""))


async def _overrides(world: World, steps: _Steps) -> None:
    bare = COMMON + campaign("c", gateways(1, 5))
    for overrides in (OVERRIDES, "[{gateways: [gw-2, gw-3], packageSet: other}]", "[]"):
        await steps.apply(COMMON + campaign("c", gateways(1, 5), packageOverrides=overrides))
    await steps.apply(bare)


async def _adopt(world: World, steps: _Steps) -> None:
    more = {**EVERYTHING, "runOnThings": "", "packageOverrides": "", "closedGateways": "[gw-31]"}
    text = PLAIN + campaign("d", gateways(30, 32), **more)
    await steps.apply(text)
    (world.folder / "state.json").unlink()
    [finding, *_] = (await world.make_plan(text)).findings
    assert finding.code == "not-ours"
    await steps.apply(text, adopt=True)
    await steps.apply(text.replace("gw-9", "gw-19"))


async def _prune(world: World, steps: _Steps) -> None:
    await steps.apply(PLAIN)
    common = COMMON.replace("other.bin, name: firmware.bin.other", "firmware.bin")
    kept = common + campaign("c-2", "gw-8, gw-9")
    await steps.apply(kept, prune=True)


async def _approval(world: World, steps: _Steps) -> None:
    text = COMMON + campaign("c", gateways(1, 3), approve="true")
    await steps.apply(text)
    await world.control("settings", {"reapproveAfterEdit": True})
    await steps.apply(text.replace("all about", "nothing about"))


async def _what_has_happened(world: World, steps: _Steps) -> None:
    """Between plan and apply somebody else does the same, or a part of it."""
    stopped = COMMON + campaign("c", gateways(1, 5), desiredStatus="STOPPED")
    await steps.apply(stopped)
    client = world.provider.reads
    [live] = await world.provider.reads.campaigns()
    wish = COMMON + campaign("c", gateways(3, 8), closedGateways="[gw-3, gw-4]")
    plan = await world.make_plan(wish)
    await client.add_gateways(live.id, ["gw-6", "gw-7"])
    await client.remove_gateways(live.id, ["gw-1"])
    await client.close_gateway(live.id, "gw-3")
    await client.start_campaign(live.id)
    outcomes: list[Outcome] = []
    applied = await world.run(plan, outcomes.append)
    assert not applied.failed, outcomes
    steps.writes.append(sorted(outcome.step.operation.name for outcome in outcomes))
    assert await world.plan(wish) == []
    await client.stop_campaign(live.id)
    assert [finding.code for finding in (await world.make_plan(wish)).findings] == ["held"]
    await steps.apply(wish, resume=True)


async def _a_persons_stop(world: World, steps: _Steps) -> None:
    """Somebody stops the campaign between the plan of an edit and its apply: it is left stopped."""
    await steps.apply(PLAIN)
    changed = PLAIN.replace("all about c-2", "something else")
    plan = await world.make_plan(changed)
    [live] = await world.provider.reads.campaigns(["c-2"])
    await world.provider.reads.stop_campaign(live.id)
    world.seen.clear()
    assert not (await world.run(plan)).failed
    steps.writes.append(sorted(set(world.writes()) - {"stop-campaign"}))
    again = await world.make_plan(changed)
    assert ([*again.steps()], [finding.code for finding in again.findings]) == ([], ["held"])
    await steps.apply(changed, resume=True)


class Scenario(NamedTuple):
    run: Callable[[World, _Steps], Awaitable[None]]
    settings: Mapping[str, Any]


SCENARIOS = {
    "everything": Scenario(_everything, {}),
    "edits": Scenario(_edits, {}),
    "gateways": Scenario(_gateways, {"batch_size": 3}),
    "overrides": Scenario(_overrides, {}),
    "adopt": Scenario(_adopt, {}),
    "prune": Scenario(_prune, {}),
    "approval": Scenario(_approval, {"approval_needed": True}),
    "what has happened": Scenario(_what_has_happened, {}),
    "a person's stop": Scenario(_a_persons_stop, {}),
}


async def play(name: str, folder: Path, dialect: Dialect) -> Writes:
    """The writes of each step of a scenario, on a server that speaks `dialect`."""
    scenario = SCENARIOS[name]
    async with World.open(folder, dialect=dialect, page_size=PAGE_SIZE, **scenario.settings) as world:
        world.desired(COMMON, **FILES)
        steps = _Steps(world)
        await scenario.run(world, steps)
        return steps.writes
