"""A closed calendar of the project holds back what reaches devices, and nothing else."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.apply import apply_plan
from reconciler.model import Kind, OutcomeStatus, Promotion, ResourceId
from reconciler.settings import EditWhileStarted
from reconciler.state.base import RolloutNoted
from tests.world import AT_ONCE, NOW, World, no_delay, run

HOUR = 3_600_000
NIGHT = NOW + 14 * HOUR
"""`NOW` is a Friday, 08:00 UTC: the calendar opens at 22:00."""
START, STOP, EDIT, CREATE = "start-campaign", "stop-campaign", "edit-campaign", "create-campaign"
ADD, REMOVE, UPLOAD = "add-gateways", "remove-gateways", "upload-package"

CALENDAR = """
---
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: nights}
spec:
  timezone: UTC
  windows: [{from: "22:00", to: "04:00"}]
"""
STARTED = (
    """
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: line}
spec: {gateways: [gw-1, gw-2, gw-3], things: {gw-1: [plc]}}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: canary}
spec: {gateways: [gw-1]}
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: firmware}
spec:
  packages: [{file: firmware.bin}]
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: other}
spec:
  packages: [{file: other.bin}]
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: late}
spec:
  download: {begin: "2027-02-01T00:00Z", end: "2027-02-02T00:00Z"}
---
apiVersion: reconciler/v1
kind: CallbackSet
metadata: {name: calls}
spec:
  completed: {notificationDestinationId: d-1}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec:
  description: first
  packageSet: firmware
  gatewayLists: [line]
  desiredStatus: STARTED
"""
    + CALENDAR
)
STOPPED = STARTED.replace("STARTED", "STOPPED")
FILES = {"firmware.bin": "v1", "other.bin": "v2"}


def more(text: str, line: str) -> str:
    return text.replace("  description: first\n", f"  description: first\n  {line}\n")


CASES: dict[str, tuple[str, str, list[str], list[str]]] = {
    "a gateway joins": (STARTED, STARTED.replace("gw-3", "gw-3, gw-4"), [], [ADD]),
    "a gateway leaves": (STARTED, STARTED.replace(", gw-3", ""), [REMOVE], []),
    "one for another": (STARTED, STARTED.replace("gw-3", "gw-4"), [REMOVE], [ADD]),
    "packages": (
        STARTED,
        STARTED.replace("packageSet: firmware", "packageSet: other"),
        [],
        [STOP, EDIT, START],
    ),
    "packages while stopped": (
        STOPPED,
        STOPPED.replace("packageSet: firmware", "packageSet: other").replace("first", "second"),
        [EDIT],
        [EDIT],
    ),
    "an edit that interrupts": (STARTED, STARTED.replace("first", "second"), [], [STOP, EDIT, START]),
    "an edit while stopped": (STOPPED, STOPPED.replace("first", "second"), [EDIT], []),
    "packages and a gateway": (
        STARTED,
        STARTED.replace("packageSet: firmware", "packageSet: other").replace("gw-3", "gw-3, gw-4"),
        [],
        [STOP, EDIT, ADD, START],
    ),
    "an override": (
        STARTED,
        more(STARTED, "packageOverrides: [{gatewayLists: [canary], packageSet: other}]"),
        [],
        ["assign-gateway-packages"],
    ),
    "a window": (STARTED, more(STARTED, "schedules: [{schedule: late}]"), [], ["schedule-download"] * 3),
    "things": (STARTED, more(STARTED, "runOnThings: true"), [], ["run-on-things"]),
    "a callback": (STARTED, more(STARTED, "callbackSet: calls"), ["register-completed-callback"], []),
    "closing": (STARTED, more(STARTED, "closedGateways: [gw-3]"), ["close-gateway"], []),
    "stop": (STARTED, STOPPED, [STOP], []),
    "stop, and a gateway": (STARTED, STOPPED.replace("gw-3", "gw-3, gw-4"), [STOP], [ADD]),
    "start": (STOPPED, STARTED, [], [START]),
    "start, and packages": (
        STOPPED,
        STARTED.replace("packageSet: firmware", "packageSet: other"),
        [],
        [EDIT, START],
    ),
    "a new campaign": (
        CALENDAR,
        more(STARTED, "callbackSet: calls"),
        [UPLOAD, UPLOAD, CREATE, "register-completed-callback"],
        [ADD, START],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_waits(case: str, tmp_path: Path) -> None:
    before, after, at_once, at_night = CASES[case]

    async def body() -> None:
        async with World.open(tmp_path, edit_while_started=EditWhileStarted.STOP) as world:
            for name, content in FILES.items():
                (tmp_path / name).write_text(content)
            await world.apply(before)
            world.calendars = ("nights",)
            plan = await world.make_plan(after)
            assert await world.apply(after) == at_once
            assert await world.plan(after) == [], "what waits is no difference that anything is sent for"
            if at_night:
                [wait] = plan.waits
                assert (wait.until, wait.calendars) == (NIGHT, ("nights",))
            else:
                assert plan.waits == ()
            world.now = NIGHT - 1
            assert await world.plan(after) == []
            world.now = NIGHT
            assert (await world.make_plan(after)).waits == ()
            assert await world.apply(after) == at_night
            assert await world.plan(after) == []

    run(body())


ZONES = """
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
kind: Campaign
metadata: {name: line-3}
spec:
  packageSet: firmware
  gatewayLists: [berlin, tokyo]
  desiredStatus: STARTED
---
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: nights}
spec:
  timezone: gateway
  windows: [{from: "22:00", to: "04:00"}]
"""
TOKYO_NIGHT = NOW + 5 * HOUR
BERLIN_NIGHT = NOW + 13 * HOUR


def test_each_gateway_joins_in_its_own_night(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            world.calendars = ("nights",)
            (tmp_path / "firmware.bin").write_text("v1")
            assert await world.apply(ZONES) == [UPLOAD, CREATE]
            [wait] = (await world.make_plan(ZONES)).waits
            assert (wait.what, wait.gateways, wait.until) == (("add", "start"), 3, TOKYO_NIGHT)
            world.now = TOKYO_NIGHT
            plan = await world.make_plan(ZONES)
            [wait] = plan.waits
            assert (wait.what, wait.gateways, wait.until) == (("add",), 2, BERLIN_NIGHT)
            assert plan.impact.gained == 1
            assert await world.apply(ZONES) == [ADD, START]
            assert await world.plan(ZONES) == []
            world.now = BERLIN_NIGHT
            plan = await world.make_plan(ZONES)
            [group] = plan.groups
            assert group.gateways == ("b-1", "b-2")
            assert await world.apply(ZONES) == [ADD]
            # What is for all of them at once waits for a time at which all are open: there is none here.
            changed = ZONES.replace("packageSet: firmware", "packageSet: firmware\n  description: new")
            [wait] = (await world.make_plan(changed)).waits
            assert (wait.what, wait.until) == (("edit",), None)
            assert await world.plan(changed) == []

    run(body())


def test_what_is_for_all_waits_until_it_is_open_for_all(tmp_path: Path) -> None:
    wide = ZONES.replace('to: "04:00"', 'to: "14:00"')

    async def body() -> None:
        async with World.open(tmp_path) as world:
            (tmp_path / "firmware.bin").write_text("v1")
            await world.apply(wide)
            world.calendars = ("nights",)
            world.now = TOKYO_NIGHT + HOUR
            changed = wide.replace("packageSet: firmware", "packageSet: firmware\n  description: new")
            [wait] = (await world.make_plan(changed)).waits
            assert wait.until == BERLIN_NIGHT
            world.now = BERLIN_NIGHT
            assert await world.apply(changed) == [STOP, EDIT, START]

    run(body())


def test_the_start_that_closes_a_bracket_is_never_held_back(tmp_path: Path) -> None:
    changed = STARTED.replace("first", "second")

    async def body() -> None:
        async with World.open(tmp_path) as world:
            for name, content in FILES.items():
                (tmp_path / name).write_text(content)
            await world.apply(STARTED)
            world.calendars = ("nights",)
            world.now = NIGHT
            plan = await world.make_plan(changed)
            # The calendar closes right behind the stop: the edit is left, and the campaign runs again.
            assert [group.not_after for group in plan.groups] == [NIGHT + 6 * HOUR, NIGHT + 6 * HOUR, None]

            def closes(_: object) -> None:
                world.now = NIGHT + 6 * HOUR

            world.seen.clear()
            applied = await world.run(plan, closes)
            assert world.writes() == [STOP, START]
            assert [outcome.status for outcome in applied.outcomes] == [
                OutcomeStatus.DONE,
                OutcomeStatus.WAITING,
                OutcomeStatus.DONE,
            ]
            assert await world.plan(changed) == []
            world.now += 18 * HOUR
            assert await world.apply(changed) == [STOP, EDIT, START]

    run(body())


def test_a_run_that_takes_long_sends_nothing_once_the_calendar_is_closed(tmp_path: Path) -> None:
    many = STARTED.replace("gw-3", ", ".join(f"gw-{n}" for n in range(3, 200)))

    async def body() -> None:
        async with World.open(tmp_path) as world:
            for name, content in FILES.items():
                (tmp_path / name).write_text(content)
            world.calendars = ("nights",)
            await world.apply(many)
            world.now = NIGHT
            plan = await world.make_plan(many)
            adds = sum(len(group) for group in plan.groups if group.operation.name == ADD)
            assert adds > 1

            def closes(_: object) -> None:
                world.now = NIGHT + 6 * HOUR

            world.seen.clear()
            applied = await world.run(plan, closes)
            assert applied.failed is False
            assert 0 < world.writes().count(ADD) <= adds
            assert START not in world.writes()
            held = [outcome for outcome in applied.outcomes if outcome.status is OutcomeStatus.WAITING]
            assert all("calendar" in outcome.message for outcome in held)
            assert await world.plan(many) == []
            world.now += 18 * HOUR
            assert (await world.apply(many))[-1] == START

    run(body())


def test_nobody_takes_a_name_before_it_is_given_up(tmp_path: Path) -> None:
    one = """
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: NAME}
spec: {name: LINE, packageSet: firmware, gatewayLists: [line], desiredStatus: STARTED}
"""
    before = STARTED + one.replace("NAME", "a").replace("LINE", "line")
    renamed = STARTED + one.replace("NAME", "a").replace("LINE", "old line")
    after = renamed + one.replace("NAME", "b").replace("LINE", "line")

    async def body() -> None:
        async with World.open(tmp_path) as world:
            for name, content in FILES.items():
                (tmp_path / name).write_text(content)
            await world.apply(before)
            world.calendars = ("nights",)
            assert await world.plan(after) == []
            waits = {wait.resource.name: wait.what for wait in (await world.make_plan(after)).waits}
            assert waits == {"a": ("edit",), "b": ("create",)}
            world.now = NIGHT
            assert sorted(await world.plan(after)) == sorted([STOP, EDIT, START, CREATE, ADD, START])

    run(body())


@pytest.mark.parametrize("freeze", [True, False])
def test_a_promotion_passes_the_calendar_of_the_policy_alone(freeze: bool, tmp_path: Path) -> None:
    policy = """
---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: careful}
spec:
  waves: [{gateways: [gw-1]}, {}]
  calendar: nights
---
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: always}
spec: {timezone: UTC}
---
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: never}
spec: {timezone: UTC, windows: []}
"""
    text = more(STARTED, "rollout: {policy: careful}") + policy

    async def body() -> None:
        async with World.open(tmp_path) as world:
            for name, content in FILES.items():
                (tmp_path / name).write_text(content)
            world.calendars = ("never" if freeze else "always",)
            assert await world.apply(text) == [UPLOAD, UPLOAD, CREATE]
            resource = ResourceId(Kind.CAMPAIGN, "line-3")
            with world.store.locked(world.provider.server, "promote") as session:
                record = session.state.campaigns[resource].rollout
                assert record is not None
                said = replace(record, promoted=(Promotion(1, ("calendar",)),))
                session.record(RolloutNoted(resource, said))
            assert await world.apply(text) == ([] if freeze else [ADD, START])

    run(body())


@pytest.mark.parametrize(("late", "writes"), [(-60, [ADD, START]), (60, [])])
def test_a_calendar_is_closed_by_the_clock_of_the_server_too(
    late: int, writes: list[str], tmp_path: Path
) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            for name, content in FILES.items():
                (tmp_path / name).write_text(content)
            world.calendars = ("nights",)
            await world.apply(STARTED)
            world.now = NIGHT
            plan = await world.make_plan(STARTED)
            world.seen.clear()
            there = NIGHT / 1000 + 6 * 3600 + late
            source = replace(world.provider, ahead=lambda: there - time.time())
            with world.store.locked(world.provider.server, "apply") as session:
                applied = await apply_plan(
                    plan,
                    world.provider.writes,
                    session,
                    delay=no_delay,
                    parallelism=1,
                    source=source,
                    settling=AT_ONCE.settling,
                    now=lambda: world.now / 1000,
                )
            assert not applied.failed
            assert world.writes() == writes

    run(body())
