"""Two clocks that differ: neither opens a wave or a calendar early."""

from pathlib import Path

import pytest

from reconciler.app.pipeline import Aside, draft
from reconciler.model import Desired, DesiredCampaign, DesiredRollout, Kind, Place, ResourceId
from reconciler.options import Options
from reconciler.plan import Plan
from reconciler.rollout.clocks import earlier, skew
from reconciler.rollout.situation import WaitFor
from reconciler.state.base import bound_to
from tests.world import AT_ONCE, NOW, World, run

HOUR = 3_600_000
TEXT = """
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: line}
spec: {gateways: [gw-1, gw-2]}
---
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: later}
spec:
  timezone: UTC
  freezes: [{begin: "2020-01-01T00:00Z", end: "2027-01-15T08:30Z"}]
---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: careful}
spec: {waves: [{name: canary, upTo: 1, soak: 1h}, {}]CALENDAR}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec: {gatewayLists: [line], rollout: {policy: careful}, desiredStatus: STARTED}
"""
"""NOW is 2027-01-15T08:00Z."""


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (None, NOW),
        (0.0, NOW),
        (7200.0, NOW),
        (-0.5, NOW),
        (-600.0, NOW - 600_000),
        (-1e12, 0),
    ],
)
def test_the_earlier_clock_counts(ahead: float | None, expected: int) -> None:
    assert earlier(NOW, ahead) == expected


@pytest.mark.parametrize(("ahead", "which"), [(600.0, "10 minutes ahead of"), (-7200.0, "2 hours behind")])
def test_clocks_far_apart_are_said_where_something_goes_by_them(ahead: float, which: str) -> None:
    resource, place = ResourceId(Kind.CAMPAIGN, "line-3"), Place("c.yaml", 1, 1)
    by_clock = Desired((DesiredCampaign(resource, "x", place, rollout=DesiredRollout("p", (), "s")),))
    (found,) = skew(by_clock, ahead)
    assert (found.code, found.severity) == ("clock-skew", "warning")
    assert which in found.message
    assert skew(Desired((DesiredCampaign(resource, "x", place),)), ahead) == ()
    assert skew(by_clock, ahead / 100) == ()
    assert skew(by_clock, None) == ()


async def planned(world: World, text: str, ahead: float | None) -> Plan:
    state = bound_to(world.store.load(), world.provider.server, url=world.store.url)
    aside, desired = Aside(ahead=lambda: ahead), world.desired(text)
    options = {"now": world.now, "lookout": AT_ONCE, "aside": aside}
    return (await draft(desired, state, world.provider, Options(), **options)).plan  # type: ignore[arg-type]


def test_a_server_that_is_behind_cuts_no_soak_short(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            text = TEXT.replace("CALENDAR", "")
            await world.apply(text)
            (owned,) = world.store.load().campaigns.values()
            for name in ("gw-1", "gw-2"):
                if name in await world.provider.reads.gateways(owned.id):
                    await world.control(
                        f"campaigns/{owned.id}/devices/{name}", {"state": "ACTIVATION_COMPLETE"}
                    )
            await world.apply(text)
            world.now += HOUR
            (late,) = (await planned(world, text, -1800.0)).rollouts
            assert [(wait.reason, wait.until) for wait in late.waits] == [(WaitFor.SOAK, NOW + HOUR)]
            (ahead,) = (await planned(world, text, 1800.0)).rollouts
            assert ahead.opens == 2
            world.now -= HOUR
            (fast,) = (await planned(world, text, 7200.0)).rollouts
            assert [wait.reason for wait in fast.waits] == [WaitFor.SOAK], "a fast one doesn't either"

    run(body())


def test_a_server_that_is_behind_opens_no_calendar_early(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            text = TEXT.replace("CALENDAR", ", calendar: later")
            world.now = NOW + HOUR
            (late,) = (await planned(world, text, -3600.0)).rollouts
            assert [wait.reason for wait in late.waits] == [WaitFor.CALENDAR]
            (open_now,) = (await planned(world, text, None)).rollouts
            assert open_now.opens == 1
            world.now = NOW
            (fast,) = (await planned(world, text, 3600.0)).rollouts
            assert [wait.reason for wait in fast.waits] == [WaitFor.CALENDAR]

    run(body())


def test_an_open_server_tells_how_its_clock_stands(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            assert world.provider.ahead() is None, "nobody asked it yet"
            await world.provider.reads.campaigns()
            ahead = world.provider.ahead()
            assert ahead is not None
            assert abs(ahead) < 60

    run(body())
