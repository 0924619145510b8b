"""Rollouts against a real server: who joins in which look, and what stops them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply import apply_plan, bisection
from reconciler.embedded.tables import gateways
from reconciler.errors import Refusal, Refused
from reconciler.model import AddGateways, OutcomeStatus, RolloutStatus, Step
from reconciler.plan import Plan
from reconciler.providers.base import Bindings, Readback, Result, Writes
from reconciler.rollout.situation import WaitFor
from reconciler.rollout.views import RolloutView, WavePhase
from reconciler.state.base import RolloutNoted
from tests.world import AT_ONCE, NOW, World, no_delay, run

HOUR = 3_600_000
NAMES = [f"gw-{number:02}" for number in range(20)]
LIST = f"""
apiVersion: reconciler/v1
kind: GatewayList
metadata: {{name: line}}
spec: {{gateways: [{", ".join(NAMES)}]}}
---
"""


def project(
    *,
    waves: str = "[{name: canary, gateways: [gw-03, gw-05], soak: 1h}, {name: half, upTo: 50%}, {}]",
    policy: str = "",
    campaign: str = "",
    rollout: str | None = "{policy: careful}",
    more: str = "",
    description: str = "one",
) -> str:
    declared = "" if rollout is None else f"\n  rollout: {rollout}"
    return f"""{LIST}
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {{name: careful}}
spec:
  waves: {waves}
{policy}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: c}}
spec:
  description: {description}
  gatewayLists: [line]
  desiredStatus: STARTED{declared}
{campaign}
---
{more}
"""


async def put(world: World, names: list[str], state: str) -> None:
    (owned,) = world.store.load().campaigns.values()
    for name in names:
        await world.control(f"campaigns/{owned.id}/devices/{name}", {"state": state})


def lose(folder: Path) -> None:
    for path in folder.glob("state.json*"):
        path.unlink()


class Choosy:
    """The writes of a server that doesn't take the gateways in `unknown`."""

    def __init__(self, writes: Writes, *unknown: str) -> None:
        self.writes = writes
        self.unknown = set(unknown)
        self.adds: list[tuple[str, ...]] = []

    async def run(self, step: Step, bindings: Bindings) -> Result:
        if isinstance(step.action, AddGateways):
            self.adds.append(step.gateways)
            if self.unknown & set(step.gateways):
                some = frozenset({Refusal.ABOUT_SOME_GATEWAYS})
                raise Refused("422 unknown", request="POST /devices", status=422, meaning=some)
        return await self.writes.run(step, bindings)

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        return await self.writes.verify(step, bindings)


async def attempt(world: World, server: Choosy, text: str, **options: Any) -> RolloutView:
    """Plan and apply once, whatever becomes of it."""
    plan = await world.make_plan(text, **options)
    server.adds.clear()
    with world.store.locked(world.provider.server, "apply") as session:
        await apply_plan(plan, server, session, delay=no_delay, parallelism=1, settling=AT_ONCE.settling)
    return view(plan)


def refused(world: World) -> list[str]:
    (owned,) = world.store.load().campaigns.values()
    return sorted(owned.members.get("rollout", {}).get("refused", ()))


def view(plan: Plan) -> RolloutView:
    (found,) = plan.rollouts
    return found


async def look(world: World, text: str, **options: Any) -> RolloutView:
    """Plan and apply once."""
    plan = await world.make_plan(text, **options)
    applied = await world.run(plan)
    assert all(outcome.status is not OutcomeStatus.FAILED for outcome in applied.outcomes)
    return view(plan)


def joined(plan: Plan) -> list[str]:
    return sorted(gateway for change in plan.changes if change.gateways for gateway in change.gateways.gained)


def test_wave_by_wave(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            first = await world.make_plan(project())
            assert joined(first) == ["gw-03", "gw-05"]
            assert (view(first).opens, view(first).joins, view(first).total) == (1, 2, 20)
            assert await world.apply(project()) == ["create-campaign", "add-gateways", "start-campaign"]
            (owned,) = world.store.load().campaigns.values()
            assert owned.rollout is not None
            assert (owned.rollout.wave, owned.rollout.status) == (1, RolloutStatus.PROGRESSING)
            assert (await look(world, project())).waits[0].reason is WaitFor.SUCCESS

            await put(world, ["gw-03", "gw-05"], "ACTIVATION_COMPLETE")
            soaks = await look(world, project())
            assert (soaks.waits[0].reason, soaks.next_look) == (WaitFor.SOAK, NOW + HOUR)
            assert await world.plan(project()) == []
            world.now = NOW + HOUR
            second = await look(world, project())
            assert (second.opens, second.joins) == (2, 8)
            assert [wave.phase for wave in second.waves] == [
                WavePhase.PASSED,
                WavePhase.OPENS,
                WavePhase.LATER,
            ]
            again = await world.make_plan(project())
            assert (again.empty, again.records) == (True, ())
            (members,) = await _members(world)
            await put(world, sorted(members), "ACTIVATION_COMPLETE")
            third = await look(world, project())
            assert (third.opens, third.joins) == (3, 10)
            await put(world, NAMES, "ACTIVATION_COMPLETE")
            await look(world, project())
            done = await world.make_plan(project())
            assert view(done).status is RolloutStatus.COMPLETE
            assert done.empty

    run(body())


async def _members(world: World) -> list[list[str]]:
    return [
        list(await world.provider.reads.gateways(owned.id)) for owned in world.store.load().campaigns.values()
    ]


def test_an_abort_is_kept_and_nobody_else_joins(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await look(world, project())
            await put(world, ["gw-03"], "FAILED")
            aborted = await look(world, project())
            assert aborted.aborted
            assert aborted.joins == 0
            await put(world, ["gw-03", "gw-05"], "ACTIVATION_COMPLETE")
            world.now = NOW + 100 * HOUR
            plan = await world.make_plan(project())
            assert view(plan).aborted
            assert joined(plan) == []
            assert [finding.code for finding in plan.findings] == ["rollout-aborted"]

    run(body())


def test_a_policy_may_stop_what_failed(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            text = project(policy="  onFailure: stop")
            await look(world, text)
            await put(world, ["gw-03"], "FAILED")
            assert await world.apply(text) == ["stop-campaign"]
            assert await world.plan(text) == []

    run(body())


def test_an_edit_of_what_is_rolled_out_waits_for_a_person(tmp_path: Path) -> None:
    async def body() -> None:
        settings, other = "  settings: {a: one}", "  settings: {a: other}"
        async with World.open(tmp_path) as world:
            await look(world, project(campaign=settings))
            await put(world, ["gw-03"], "ACTIVATION_COMPLETE")
            plan = await world.make_plan(project(campaign=other))
            assert plan.empty
            assert (view(plan).changed, view(plan).with_before) == (True, 1)
            assert [finding.code for finding in plan.findings] == ["rollout-changed"]
            await world.run(plan)
            resumed = await world.make_plan(project(campaign=other), resume=True)
            assert "edit-campaign" in [step.operation.name for step in resumed.steps()]

    run(body())


def test_an_edit_of_the_waves_meets_the_gate_of_all_who_are_in(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await look(world, project())
            plan = await world.make_plan(project(waves="[{}]"))
            assert joined(plan) == []
            assert view(plan).waits[0].reason is WaitFor.SUCCESS
            await put(world, ["gw-03", "gw-05"], "ACTIVATION_COMPLETE")
            assert len(joined(await world.make_plan(project(waves="[{}]")))) == 18

    run(body())


def test_a_lost_state_never_goes_on_by_itself(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await look(world, project())
            await put(world, ["gw-03", "gw-05"], "ACTIVATION_COMPLETE")
            lose(tmp_path)
            adopted = await look(world, project(), adopt=True)
            assert (adopted.status, adopted.why, adopted.joins) == (RolloutStatus.PAUSED, "adopted", 0)
            world.now = NOW + 100 * HOUR
            assert (await look(world, project())).joins == 0
            assert (await look(world, project(), resume=True)).waits[0].reason is WaitFor.SOAK
            world.now += HOUR
            assert (await look(world, project())).joins == 8

    run(body())


def test_a_wave_waits_for_the_calendar_and_the_campaign_starts_with_it(tmp_path: Path) -> None:
    async def body() -> None:
        nights = """
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: nights}
spec:
  timezone: UTC
  windows: [{from: "22:00", to: "04:00"}]
"""
        text = project(policy="  calendar: nights", more=nights)
        async with World.open(tmp_path) as world:
            day = NOW - NOW % (24 * HOUR)
            world.now = day + 12 * HOUR
            assert await world.apply(text) == ["create-campaign"]
            waits = view(await world.make_plan(text))
            assert (waits.waits[0].reason, waits.next_look) == (WaitFor.CALENDAR, day + 22 * HOUR)
            world.now = day + 22 * HOUR
            assert await world.apply(text) == ["add-gateways", "start-campaign"]

    run(body())


def test_a_freeze_may_stop_a_campaign_and_start_it_again(tmp_path: Path) -> None:
    async def body() -> None:
        freeze = """
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: nights}
spec:
  timezone: UTC
  freezes: [{begin: 2027-01-16T00:00Z, end: 2027-01-17T00:00Z}]
"""
        text = project(policy="  calendar: nights\n  duringFreeze: stop", more=freeze)
        async with World.open(tmp_path) as world:
            begin = 1_800_057_600_000
            world.now = begin - HOUR
            assert "start-campaign" in await world.apply(text)
            world.now = begin + HOUR
            assert await world.apply(text) == ["stop-campaign"]
            assert await world.plan(text) == []
            world.now = begin + 25 * HOUR
            assert await world.apply(text) == ["start-campaign"]

    run(body())


def test_windows_and_overrides_of_later_gateways_come_with_them(tmp_path: Path) -> None:
    async def body() -> None:
        schedule = """
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: s}
spec: {download: {begin: 2028-01-01T00:00Z, end: 2028-01-02T00:00Z}}
"""
        text = project(campaign="  schedules: [{schedule: s, gatewayLists: [line]}]", more=schedule)
        async with World.open(tmp_path) as world:
            made = await world.make_plan(text)
            assert made.findings == ()
            windows = [step for step in made.steps() if step.operation.name == "schedule-download"]
            assert sorted(gateway for step in windows for gateway in step.gateways) == ["gw-03", "gw-05"]
            writes = await world.apply(text)
            assert "stop-campaign" not in writes

    run(body())


def test_a_rollout_that_is_given_up_is_forgotten(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await look(world, project())
            plan = await world.make_plan(project(rollout=None))
            assert len(joined(plan)) == 18
            await world.run(plan)
            (owned,) = world.store.load().campaigns.values()
            assert owned.rollout is None

    run(body())


def test_a_rollout_that_is_declared_later_begins_with_who_is_in(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(project(rollout=None))
            plan = await world.make_plan(project())
            assert plan.empty
            assert (view(plan).wave, view(plan).status) == (3, RolloutStatus.PROGRESSING)

    run(body())


def test_who_leaves_the_lists_leaves_and_a_rollout_removes_nobody_else(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await look(world, project())
            fewer = project().replace("gw-03, ", "", 1)
            plan = await world.make_plan(fewer)
            (change,) = [change.gateways for change in plan.changes if change.gateways]
            assert change.lost == ("gw-03",)
            moved = project(waves="[{name: canary, gateways: [gw-09], soak: 1h}, {}]")
            plan = await world.make_plan(moved)
            assert not any(change.gateways.lost for change in plan.changes if change.gateways)

    run(body())


def test_whom_the_server_refuses_is_not_tried_at_every_look(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            server = Choosy(world.provider.writes, "gw-03")
            await attempt(world, server, project())
            assert (refused(world), server.adds[0]) == (["gw-03"], ("gw-03", "gw-05"))
            found = await attempt(world, server, project())
            assert (server.adds, found.waves[0].refused, found.waves[0].entered) == ([], 1, 1)
            # Another list: it may be known by now.
            more = project().replace("gw-00,", "gw-00, gw-77,", 1)
            await attempt(world, server, more)
            assert server.adds == [("gw-03",)]
            assert refused(world) == ["gw-03"]
            await attempt(world, server, more)
            assert not server.adds
            # A wave opens: once more.
            await put(world, ["gw-05"], "ACTIVATION_COMPLETE")
            await attempt(world, server, more)
            world.now += HOUR
            found = await attempt(world, server, more)
            assert found.opens == 2
            assert "gw-03" in server.adds[0]
            assert refused(world) == ["gw-03"]
            await attempt(world, server, more)
            assert not server.adds
            # A person says so, and the server knows it by now.
            server.unknown.clear()
            await attempt(world, server, more, resume=True)
            assert (server.adds, refused(world)) == ([("gw-03",)], [])

    run(body())


def test_a_refused_id_takes_no_slot_of_a_budget(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            text = project(waves="[{}]", policy="  disruptionBudget: {maxUnavailable: 1}")
            first = joined(await world.make_plan(text))
            server = Choosy(world.provider.writes, *first)
            await attempt(world, server, text)
            assert refused(world) == first
            await attempt(world, server, text)
            assert [len(each) for each in server.adds] == [1]
            assert refused(world) == first
            assert not joined(await world.make_plan(text))

    run(body())


def test_a_no_to_all_of_a_batch_is_about_the_campaign(tmp_path: Path) -> None:
    """Nobody is in, so nothing tells whether it takes any."""

    async def body() -> None:
        async with World.open(tmp_path) as world:
            server = Choosy(world.provider.writes, *NAMES)
            await attempt(world, server, project())
            assert refused(world) == []
            await attempt(world, server, project())
            assert refused(world) == []

    run(body())


@pytest.mark.parametrize("most", [20, 7])
def test_a_no_to_a_few_is_about_them_where_others_are_in(
    tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slots of a budget for such ones only would hold up the others for ever."""
    monkeypatch.setattr(bisection, "FEW", most)
    text = project(waves="[{name: canary, gateways: [gw-03, gw-05]}, {}]", policy="  soak: 1h")

    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(text)
            await put(world, ["gw-03", "gw-05"], "ACTIVATION_COMPLETE")
            await look(world, text)
            world.now += HOUR
            slots = text.replace("soak: 1h", "soak: 1h\n  disruptionBudget: {maxUnavailable: 8}")
            first = joined(await world.make_plan(slots))
            assert len(first) == 8
            server = Choosy(world.provider.writes, *first)
            await attempt(world, server, slots)
            assert refused(world) == ([] if most == 7 else first)
            await attempt(world, server, slots)
            others = joined(await world.make_plan(slots))
            assert others == (first if most == 7 else [])
            (members,) = await _members(world)
            assert len(members) == (2 if most == 7 else 10)

    run(body())


# --- a start releases those who are in ------------------------------------------------------------


def test_who_was_added_by_hand_starts_no_rollout_that_may_not_begin(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            waits = project(rollout="{policy: careful, paused: true}")
            assert await world.apply(waits) == ["create-campaign"]
            with world.app.state.context.store.transaction(write=True) as db:
                (row,) = db.execute("SELECT seq FROM campaigns").fetchall()
                gateways.add(db, row["seq"], ["gw-11"], world.now)
            assert (await world.make_plan(waits)).empty
            assert await world.apply(project()) == ["add-gateways", "start-campaign"]

    run(body())


@pytest.mark.parametrize("how", ["paused", "aborted", "in Git"])
def test_a_rollout_that_stands_before_its_first_start_is_not_started(tmp_path: Path, how: str) -> None:
    """The run died between the adds and the start, and then a person said wait."""

    async def body() -> None:
        async with World.open(tmp_path) as world:
            plan = await world.make_plan(project())
            before_start = tuple(g for g in plan.groups if g.operation.name != "start-campaign")
            await world.run(replace(plan, groups=before_start))
            (owned,) = world.store.load().campaigns.values()
            assert owned.rollout is not None
            text = project(rollout="{policy: careful, paused: true}") if how == "in Git" else project()
            if how != "in Git":
                with world.store.locked(world.provider.server, "rollout") as session:
                    session.record(
                        RolloutNoted(owned.resource, replace(owned.rollout, status=RolloutStatus(how)))
                    )
            assert "start-campaign" not in await world.apply(text)
            with world.store.locked(world.provider.server, "rollout") as session:
                session.record(RolloutNoted(owned.resource, owned.rollout))
            assert await world.apply(project()) == ["start-campaign"]

    run(body())
