"""What callbacks, overrides, windows, things and closing cost: exactly these calls, and then nothing."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.world import World, run

START, STOP, EDIT = "start-campaign", "stop-campaign", "edit-campaign"
ADD, REMOVE, ASSIGN, CLOSE = "add-gateways", "remove-gateways", "assign-gateway-packages", "close-gateway"
THINGS = "run-on-things"
DOWNLOAD, EXECUTION, ACTIVATION = "schedule-download", "schedule-execution", "schedule-activation"
FILES = {"firmware.bin": "v1", "other.bin": "v2"}

GATEWAYS = [f"gw-{number:02}" for number in range(1, 41)]


def resources(spec: Mapping[str, str], gateways: list[str] = GATEWAYS, *, things: str = "") -> str:
    """A started campaign over `gateways`, with more fields, and everything that they may refer to."""
    fields = {
        "packageSet": "firmware",
        "gatewayLists": "[all]",
        "desiredStatus": "STARTED",
        **spec,
    }
    lines = "\n".join(f"  {name}: {value}" for name, value in fields.items() if value)
    return f"""
apiVersion: reconciler/v1
kind: GatewayList
metadata: {{name: all}}
spec:
  gateways: [{", ".join(gateways)}]
  things: {{{things}}}
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {{name: firmware}}
spec: {{packages: [{{file: firmware.bin}}]}}
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {{name: other}}
spec: {{packages: [{{file: other.bin}}]}}
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {{name: night}}
spec:
  download: {{begin: 2027-02-01T00:00:00Z, end: 2027-02-01T06:00:00Z}}
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {{name: week}}
spec:
  timezone: Europe/Berlin
  download: {{begin: 2027-02-01T00:00:00, end: 2027-02-02T06:00:00}}
  execution: {{begin: 2027-02-02T00:00:00, end: 2027-02-03T06:00:00}}
  activation: {{begin: 2027-02-03T00:00:00, end: 2027-02-04T06:00:00}}
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {{name: past}}
spec:
  download: {{begin: 2026-02-01T00:00:00Z, end: 2026-02-01T06:00:00Z}}
---
apiVersion: reconciler/v1
kind: CallbackSet
metadata: {{name: bells}}
spec:
  completed: {{notificationDestinationId: dest-1}}
---
apiVersion: reconciler/v1
kind: CallbackSet
metadata: {{name: more-bells}}
spec:
  completed: {{notificationDestinationId: dest-1}}
  wakeUp: {{notificationDestinationId: dest-2}}
  stateChange: {{notificationDestinationId: dest-2, trackedStates: [FAILED]}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: c}}
spec:
{lines}
"""


def some(number: int) -> str:
    return f"[{', '.join(GATEWAYS[:number])}]"


BARE = resources({})
TWELVE = resources({"packageOverrides": f"[{{gateways: {some(12)}, packageSet: other}}]"})
EMPTY_OVERRIDES = resources({"packageOverrides": "[]"})
NIGHT = resources({"schedules": "[{schedule: night}]"}, GATEWAYS[:37])
PLAIN_37 = resources({}, GATEWAYS[:37])
JOIN = [*GATEWAYS, "gw-90", "gw-91"]
OVER_JOINERS = "[{gateways: [gw-90, gw-91], packageSet: other}]"
SECOND_LIST = """
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: late}
spec: {gateways: [gw-90, gw-91]}
"""
LATE = {
    "gatewayLists": "[all, late]",
    "packageOverrides": "[{gatewayLists: [late], packageSet: other}]",
    "schedules": "[{schedule: week, gatewayLists: [late]}]",
}
THE_THINGS = "gw-01: [t-1, t-2], gw-02: [t-3]"

CASES: dict[str, tuple[str, str, list[str]]] = {
    "nothing": (TWELVE, TWELVE, []),
    "one callback": (BARE, resources({"callbackSet": "bells"}), ["register-completed-callback"]),
    "two more callbacks": (
        resources({"callbackSet": "bells"}),
        resources({"callbackSet": "more-bells"}),
        ["register-wake-up-callback", "register-state-change-callback"],
    ),
    "callbacks no longer declared": (resources({"callbackSet": "more-bells"}), BARE, []),
    "one phase for 37 gateways": (PLAIN_37, NIGHT, [DOWNLOAD] * 37),
    "a window that is there already": (NIGHT, NIGHT, []),
    "another window": (
        NIGHT,
        NIGHT.replace("2027-02-01T06:00:00Z", "2027-02-01T07:00:00Z"),
        [DOWNLOAD] * 37,
    ),
    "a window that has ended": (BARE, resources({"schedules": "[{schedule: past}]"}), []),
    "a window no longer declared": (NIGHT, PLAIN_37, []),
    "an override for 12": (BARE, TWELVE, [ASSIGN] * 12),
    "an override for 12, taken back": (TWELVE, EMPTY_OVERRIDES, [ASSIGN] * 12),
    "overrides no longer managed": (TWELVE, BARE, []),
    "an override for one less": (
        TWELVE,
        resources({"packageOverrides": f"[{{gateways: {some(11)}, packageSet: other}}]"}),
        [ASSIGN],
    ),
    "close one": (BARE, resources({"closedGateways": "[gw-07]"}), [CLOSE]),
    "a gateway that was left out as closed, and is open now": (
        resources({"closedGateways": "[gw-07]"}),
        resources({"closedGateways": "[]"}),
        [ADD],
    ),
    "a closed gateway joins nobody": (
        BARE,
        resources({"closedGateways": "[gw-90]"}, [*GATEWAYS, "gw-90"]),
        [],
    ),
    "things": (BARE, resources({"runOnThings": "true"}, things=THE_THINGS), [THINGS]),
    "the same things": (
        resources({"runOnThings": "true"}, things=THE_THINGS),
        resources({"runOnThings": "true"}, things=THE_THINGS),
        [],
    ),
    "two join a started campaign with an override and three phases": (
        BARE,
        resources(LATE) + SECOND_LIST,
        [STOP, ADD, *[ASSIGN] * 2, *[DOWNLOAD] * 2, *[EXECUTION] * 2, *[ACTIVATION] * 2, START],
    ),
    "the same, directly": (
        BARE,
        resources({**LATE, "joinWhileStarted": "direct"}) + SECOND_LIST,
        [ADD, *[ASSIGN] * 2, *[DOWNLOAD] * 2, *[EXECUTION] * 2, *[ACTIVATION] * 2],
    ),
    "two join a started campaign with nothing of their own": (BARE, resources({}, JOIN), [ADD]),
    "two join a stopped campaign with an override": (
        resources({"desiredStatus": "STOPPED"}),
        resources({**LATE, "schedules": "", "desiredStatus": "STOPPED"}) + SECOND_LIST,
        [ADD, ASSIGN, ASSIGN],
    ),
    "one bracket for an edit and joiners": (
        BARE,
        resources({**LATE, "schedules": "", "description": "new"}) + SECOND_LIST,
        [STOP, EDIT, ADD, ASSIGN, ASSIGN, START],
    ),
    "who leaves loses its windows; who comes back gets them again": (
        resources({"schedules": "[{schedule: night}]"}, GATEWAYS[:2]),
        resources({"schedules": "[{schedule: night}]"}, GATEWAYS[:1]),
        [REMOVE],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_exactly_these_calls(case: str, tmp_path: Path) -> None:
    before, after, expected = CASES[case]

    async def body() -> None:
        async with World.open(tmp_path) as world:
            world.desired(before, **FILES)
            await world.apply(before)
            assert await world.plan(before) == []
            assert await world.plan(after) == expected
            assert sorted(await world.apply(after)) == sorted(expected)
            assert await world.plan(after) == []
            assert await world.apply(after) == []

    run(body())


def test_a_new_campaign_with_everything(tmp_path: Path) -> None:
    text = resources(
        {
            "callbackSet": "bells",
            "packageOverrides": "[{gateways: [gw-01], packageSet: other}]",
            "schedules": "[{schedule: week}]",
            "closedGateways": "[gw-03]",
            "runOnThings": "true",
            "distributionList": "{distributionListId: dl-1, reevaluationIntervalSeconds: 60}",
        },
        GATEWAYS[:3],
        things="gw-01: [t-1], gw-03: [t-3]",
    )

    async def body() -> None:
        async with World.open(tmp_path) as world:
            world.desired(text, **FILES)
            expected = [
                "upload-package",
                "upload-package",
                "create-campaign",
                "register-completed-callback",
                "set-distribution-list",
                ADD,
                ASSIGN,
                *[DOWNLOAD] * 2,
                *[EXECUTION] * 2,
                *[ACTIVATION] * 2,
                THINGS,
                START,
            ]
            assert await world.plan(text) == expected
            assert sorted(await world.apply(text)) == sorted(expected)
            assert await world.plan(text) == []

    run(body())


def test_a_gateway_that_comes_back_gets_its_windows_again(tmp_path: Path) -> None:
    both = resources({"schedules": "[{schedule: night}]"}, GATEWAYS[:2])
    one = resources({"schedules": "[{schedule: night}]"}, GATEWAYS[:1])

    async def body() -> None:
        async with World.open(tmp_path) as world:
            world.desired(both, **FILES)
            await world.apply(both)
            await world.apply(one)
            assert await world.plan(both) == [STOP, ADD, DOWNLOAD, START]

    run(body())


def test_overrides_are_read_of_those_that_declare_one_or_had_one(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            world.desired(TWELVE, **FILES)
            await world.apply(TWELVE)
            for text, refresh, reads in ((TWELVE, False, 12), (EMPTY_OVERRIDES, False, 12), (BARE, False, 0)):
                world.seen.clear()
                await world.plan(text, refresh_recorded=refresh)
                assert world.reads().count("get-gateway-packages") == reads
            world.seen.clear()
            assert await world.plan(EMPTY_OVERRIDES, refresh_recorded=True) == [ASSIGN] * 12
            assert world.reads().count("get-gateway-packages") == 0

    run(body())


def test_taken_back_gateways_follow_the_campaign_when_its_packages_change(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            world.desired(TWELVE, **FILES)
            await world.apply(TWELVE)
            await world.apply(EMPTY_OVERRIDES)
            (tmp_path / "firmware.bin").write_text("v3")
            expected = ["upload-package", STOP, EDIT, *[ASSIGN] * 12, START]
            assert await world.plan(EMPTY_OVERRIDES) == expected
            await world.apply(EMPTY_OVERRIDES)
            assert await world.plan(EMPTY_OVERRIDES) == []

    run(body())
