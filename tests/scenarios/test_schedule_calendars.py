"""A schedule by a calendar: a gateway gets the next window in its zone, and another when it missed that."""

from pathlib import Path

import pytest

from tests.world import NOW, World, run

HOUR = 3_600_000
DAY = 24 * HOUR
ADD, START, CREATE, UPLOAD = "add-gateways", "start-campaign", "create-campaign", "upload-package"
SEND = "schedule-activation"
YAML = """
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: berlin}
spec: {gateways: [b-1, b-2], timezone: Europe/Berlin}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: tokyo}
spec: {gateways: [t-1], timezone: Asia/Tokyo}
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: firmware}
spec:
  packages: [{file: firmware.bin}]
---
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: nights}
spec:
  timezone: gateway
  windows: [{from: "22:00", to: "04:00"}]
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: next-night}
spec:
  activation: {calendar: nights, atLeast: 2h}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec:
  packageSet: firmware
  gatewayLists: [berlin, tokyo]
  schedules: [{schedule: next-night}]
  desiredStatus: STARTED
"""
BERLIN = (NOW + 13 * HOUR, NOW + 19 * HOUR)
"""22:00 to 04:00 in Berlin, in the night that follows `NOW`, which is 08:00 UTC."""
TOKYO = (NOW + 5 * HOUR, NOW + 11 * HOUR)


async def sent(world: World, text: str = YAML) -> dict[str, tuple[int, int]]:
    plan = await world.make_plan(text)
    found = {
        gateway: (group.action.window.begin, group.action.window.end)
        for group in plan.groups
        if group.operation.name == SEND
        for gateway in group.gateways
    }
    applied = await world.run(plan)
    assert not applied.failed, [o for o in applied.outcomes if not o.settled]
    return found


def test_each_gateway_gets_the_next_window_of_its_zone_and_then_no_other(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            (tmp_path / "firmware.bin").write_text("v1")
            assert await sent(world) == {"b-1": BERLIN, "b-2": BERLIN, "t-1": TOKYO}
            # Neither time that goes by, nor the window itself, is a reason to send it again.
            for hours in (0, 1, 5, 6, 10.99):
                world.now = NOW + int(hours * HOUR)
                assert await world.plan(YAML) == [], hours
            # Who hasn't used it gets the next one when it is over: nobody else.
            world.now = TOKYO[1]
            assert await sent(world) == {"t-1": (TOKYO[0] + DAY, TOKYO[1] + DAY)}
            assert await world.plan(YAML) == []
            world.now = BERLIN[1]
            assert set(await sent(world)) == {"b-1", "b-2"}
            assert await world.plan(YAML) == []

    run(body())


@pytest.mark.parametrize(
    ("before_end", "same"), [(2 * HOUR, True), (2 * HOUR - 1, False), (1, False)], ids=str
)
def test_a_window_is_taken_only_with_enough_left(before_end: int, same: bool, tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            (tmp_path / "firmware.bin").write_text("v1")
            world.now = BERLIN[1] - before_end
            found = await sent(world)
            later = 0 if same else DAY
            assert found["b-1"] == (BERLIN[0] + later, BERLIN[1] + later)
            assert await world.plan(YAML) == []

    run(body())


def test_a_calendar_that_changes_gives_other_windows(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            (tmp_path / "firmware.bin").write_text("v1")
            await sent(world)
            later = YAML.replace('from: "22:00"', 'from: "23:00"')
            assert (await sent(world, later))["b-1"] == (BERLIN[0] + HOUR, BERLIN[1])
            frozen = later.replace(
                "  windows: [{from",
                "  freezes: [{begin: 2027-01-15T00:00Z, end: 2027-01-17T00:00Z}]\n  windows: [{from",
            )
            found = await sent(world, frozen)
            assert found["b-1"] == (NOW + 40 * HOUR, BERLIN[1] + DAY), "what a freeze leaves of it"
            assert await world.plan(frozen) == []

    run(body())


def test_who_joins_later_gets_a_window_and_who_is_in_keeps_theirs(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            (tmp_path / "firmware.bin").write_text("v1")
            await sent(world)
            world.now = BERLIN[0] + 5 * HOUR
            more = YAML.replace("[b-1, b-2]", "[b-1, b-2, b-3]")
            found = await sent(world, more)
            assert found["b-3"] == (BERLIN[0] + DAY, BERLIN[1] + DAY)
            assert "b-1" not in found
            assert await world.plan(more) == []

    run(body())


def test_a_window_and_a_calendar_stand_side_by_side(tmp_path: Path) -> None:
    both = YAML.replace(
        "  activation:", "  download: {begin: 2027-01-20T00:00Z, end: 2027-01-21T00:00Z}\n  activation:"
    )

    async def body() -> None:
        async with World.open(tmp_path) as world:
            (tmp_path / "firmware.bin").write_text("v1")
            writes = await world.apply(both)
            assert writes.count("schedule-download") == writes.count(SEND) == 3
            assert await world.plan(both) == []

    run(body())


def forget(folder: Path) -> None:
    for path in folder.glob("state*"):
        path.unlink()


def test_a_lost_state_assumes_the_next_window(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            (tmp_path / "firmware.bin").write_text("v1")
            await sent(world)
            forget(tmp_path)
            assert await world.apply(YAML, adopt=True) == []
            assert await world.plan(YAML) == []
            world.now = BERLIN[1] + DAY
            assert (await sent(world)).keys() == {"b-1", "b-2", "t-1"}

    run(body())
