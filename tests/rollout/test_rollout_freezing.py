"""A freeze that stops: every revision that goes on stands still for it and goes on after it."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model import (
    Calendar,
    DesiredStatus,
    DuringFreeze,
    LiveCampaign,
    Membership,
    OneFreeze,
    OnFailure,
    Phase,
    Reason,
    RolloutStatus,
    Verb,
)
from reconciler.plan import Plan
from reconciler.plan.brakes import brakes
from reconciler.plan.looking import only_rollouts
from reconciler.providers.base import Facts
from reconciler.rollout.freezing import Freezing, freezing
from reconciler.state.base import RolloutNoted
from tests.memory_provider import IMMUTABLE
from tests.scenarios.test_replacement import Dying, Killed, send
from tests.scenarios.test_revisions import NOW, ONE, THREE, TWO, World, begun, every_kind, wish

HOUR = 3_600_000
FREEZE = Calendar("nights", "UTC", freezes=(OneFreeze(NOW + 10 * HOUR, NOW + 20 * HOUR, "move"),))
STOPS = {"during_freeze": DuringFreeze.STOP, "calendars": (FREEZE,)}


def frozen_wish(package: Any = TWO, **fields: Any) -> Any:
    return wish(package, rollout={**STOPS, **fields.pop("rollout", {})}, **fields)


def statuses(world: World) -> dict[str, str]:
    """Package → the status of what goes on with it."""
    over = (Phase.ENDED, Phase.FINISHED)
    phase = world.server.facts.phase
    return {c.packages[0]: c.status for c in world.server.by_id.values() if phase(c.status) not in over}


def half_way(facts: Facts = IMMUTABLE, *packages: Any, **fields: Any) -> World:
    """The first wave of each of `packages` has moved; nobody is done in what they were in."""
    world = begun(facts)
    for each in world.server.by_id.values():
        each.states.clear()
    for package in packages or (TWO,):
        world.look(frozen_wish(package, **fields))
    return world


@every_kind
@pytest.mark.parametrize("only", [False, True])
def test_all_revisions_stand_still_and_go_on_after_it(facts: Facts, only: bool) -> None:
    world = half_way(facts)
    world.now += 12 * HOUR
    stops, wanted = look(world, only=only), {"p-1": "HALTED", "p-2": "HALTED"}
    assert [step.split(":")[0] for step in stops] == ["halt-rollout"] * 2
    assert statuses(world) == wanted
    assert len(world.record.stopped) == 2
    world.now += HOUR
    assert look(world, only=only) == [], "it came to rest"
    world.now += 12 * HOUR
    starts = look(world, only=only)
    assert {step.split(":")[0] for step in starts} >= {"start-rollout"}
    assert statuses(world) == dict.fromkeys(wanted, "ROLLING")
    look(world, only=only)
    assert world.record.stopped == ()


def look(world: World, package: Any = TWO, *, only: bool = False, **fields: Any) -> list[str]:
    plan = planned(world, package, only=only, **fields)
    outcomes = send(world, plan)
    assert all(each.settled for each in outcomes)
    return [step.id for step in plan.steps()]


def planned(world: World, package: Any = TWO, *, only: bool = False, **fields: Any) -> Plan:
    plan = world.plan(frozen_wish(package, **fields))
    return only_rollouts(plan, world.state) if only else plan


def test_three_revisions_at_once() -> None:
    world = half_way(IMMUTABLE, TWO, THREE)
    world.server.by_id[world.owned.predecessors[1].id].states.clear()
    world.now += 12 * HOUR
    look(world, THREE)
    assert set(statuses(world).values()) == {"HALTED"}
    world.now += 10 * HOUR
    look(world, THREE)
    assert set(statuses(world).values()) == {"ROLLING"}


@every_kind
@pytest.mark.parametrize("which", ["p-1", "p-2"])
@pytest.mark.parametrize("only", [False, True])
def test_what_a_person_stopped_before_it_stays_stopped(which: str, only: bool, facts: Facts) -> None:
    world = half_way(facts)
    [held] = [each for each in world.server.by_id.values() if each.packages == (which,)]
    held.status = "HALTED"
    world.now += 12 * HOUR
    for _ in range(2):
        look(world, only=only)
        assert set(statuses(world).values()) == {"HALTED"}
    assert held.id not in world.record.stopped
    world.now += 10 * HOUR
    for _ in range(3):
        look(world, only=only)
    [other] = {"p-1", "p-2"} - {which}
    assert statuses(world) == {which: "HALTED", other: "ROLLING"}


def test_what_a_person_stops_after_it_stays_stopped() -> None:
    """It was noted for the freeze, and runs again: nobody takes a later stop for that of the freeze."""
    world = half_way()
    world.now += 12 * HOUR
    look(world)
    world.now += 10 * HOUR
    look(world)
    for each in world.server.by_id.values():
        each.status = "HALTED"
    assert look(world) == []
    assert set(statuses(world).values()) == {"HALTED"}


def test_an_aborted_revision_is_not_started_after_it() -> None:
    """It was stopped for its failures; the one before it goes on for those who stay."""
    failing = {"on_failure": OnFailure.STOP}
    world = half_way(rollout=failing)
    world.finish("sick")
    look(world, rollout=failing)
    assert (world.record.status, statuses(world)["p-2"]) == (RolloutStatus.ABORTED, "HALTED")
    world.now += 12 * HOUR
    look(world, rollout=failing)
    assert set(statuses(world).values()) == {"HALTED"}
    world.now += 10 * HOUR
    for _ in range(2):
        look(world, rollout=failing)
    assert statuses(world) == {"p-1": "ROLLING", "p-2": "HALTED"}


def test_one_that_aborts_during_it_is_not_started_though_another_revision_begins() -> None:
    failing = {"on_failure": OnFailure.STOP}
    world = half_way(rollout=failing)
    world.finish()
    look(world, rollout=failing)
    world.now += 12 * HOUR
    look(world, rollout=failing)
    world.newest.states.update(dict.fromkeys("cd", "sick"))
    look(world, rollout=failing)
    assert (world.record.status, len(world.record.stopped)) == (RolloutStatus.ABORTED, 2)
    look(world, THREE, rollout=failing)
    world.now += 10 * HOUR
    for _ in range(3):
        look(world, THREE, rollout=failing)
    assert statuses(world) == {"p-1": "ROLLING", "p-2": "HALTED", "p-3": "ROLLING"}


@every_kind
def test_a_revision_that_begins_during_it_leaves_what_was_there_to_go_on_after_it(facts: Facts) -> None:
    world = begun(facts)
    world.newest.states.clear()
    world.look(frozen_wish(ONE))
    world.now += 12 * HOUR
    look(world, TWO)
    assert statuses(world)["p-1"] == "HALTED"
    look(world, TWO)
    world.now += 10 * HOUR
    look(world, TWO)
    assert statuses(world) == {"p-1": "ROLLING", "p-2": "ROLLING"}


def test_a_look_stops_what_is_there_though_a_revision_waits_for_the_apply() -> None:
    """And starts it after the freeze; nothing of the other packages is sent."""
    world = begun()
    world.newest.states.clear()
    world.look(frozen_wish(ONE))
    world.now += 12 * HOUR
    assert look(world, TWO, only=True) == ["halt-rollout:line"]
    assert look(world, TWO, only=True) == []
    world.now += 10 * HOUR
    assert look(world, TWO, only=True) == ["start-rollout:line"]
    assert look(world, TWO, only=True) == []
    assert statuses(world) == {"p-1": "ROLLING"}
    [one] = world.server.by_id.values()
    one.status = "HALTED"
    assert look(world, ONE) == [], "what a person stops then is held"


@every_kind
@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("only", [False, True])
def test_a_run_that_is_killed_leaves_nothing_running_and_nothing_stopped(
    only: bool, sent: bool, facts: Facts
) -> None:
    """At each call of the stops, and of the starts after it; the record is there before the first of them."""
    for hours in (12, 22):
        at = 0
        while True:
            world = half_way(facts)
            if hours == 22:
                world.now += 12 * HOUR
                look(world, only=only)
                world.now -= 12 * HOUR
            world.now += hours * HOUR
            try:
                send(world, planned(world, only=only), Dying(world.server, at, sent))
            except Killed:
                pass
            else:
                assert at >= 2
                break
            if hours == 12:
                look(world, only=only)
                assert set(statuses(world).values()) == {"HALTED"}, (hours, at)
                world.now += 10 * HOUR
            for _ in range(2):
                look(world, only=only)
            assert set(statuses(world).values()) == {"ROLLING"}, (hours, at)
            at += 1


def test_a_run_that_is_killed_and_not_seen_again_before_its_end() -> None:
    """What was stopped just before it died is started by the first look after the freeze."""
    for at in range(2):
        world = half_way()
        world.now += 12 * HOUR
        with pytest.raises(Killed):
            send(world, planned(world), Dying(world.server, at, sent=True))
        world.now += 10 * HOUR
        for _ in range(2):
            look(world)
        assert set(statuses(world).values()) == {"ROLLING"}


def test_no_guard_stands_in_its_way() -> None:
    world = half_way(replace(IMMUTABLE, interrupting=IMMUTABLE.interrupting | {Verb.STOP}))
    for each in world.server.by_id.values():
        each.states.update(dict.fromkeys(each.gateways, "fetching"))
    world.now += 12 * HOUR
    plan = planned(world)
    assert [trip.guard for trip in plan.guards] == []
    assert sorted(step.id for step in brakes(plan).steps()) == ["halt-rollout:line", "halt-rollout:line#2"]
    [noted] = [each for each in brakes(plan).records if isinstance(each, RolloutNoted)]
    assert noted.rollout is not None
    assert len(noted.rollout.stopped) == 2
    reasons = {group.action.reason for group in plan.groups}
    assert reasons == {Reason.FREEZE, Reason.WANTS_STOPPED}


def test_what_git_stops_is_not_started_after_it() -> None:
    world = half_way()
    world.now += 12 * HOUR
    look(world)
    look(world, status=DesiredStatus.STOPPED)
    assert world.record.stopped == ()
    world.now += 10 * HOUR
    look(world, status=DesiredStatus.STOPPED)
    assert set(statuses(world).values()) == {"HALTED"}


def test_one_in_which_everybody_is_done_needs_no_stop() -> None:
    world = half_way()
    old = world.server.by_id[world.owned.predecessors[0].id]
    old.states.update(dict.fromkeys(old.gateways, "fine"))
    world.now += 12 * HOUR
    assert len(look(world)) == 1
    assert statuses(world) == {"p-1": "ROLLING", "p-2": "HALTED"}


def there(key: str, phase: Phase, **states: str) -> LiveCampaign:
    members = {state: frozenset(ids) for state, ids in states.items()}
    return LiveCampaign(key, key, phase.value, phase, gateways=Membership(members))


def test_starts_wait_until_the_calendar_is_open() -> None:
    asked: Any = {"facts": IMMUTABLE, "holds": False, "inside": True, "held": False}
    standing = [there("1", Phase.PAUSED), there("2", Phase.BUSY), there("3", Phase.ENDED)]
    waits = freezing(None, standing, {"1", "2", "3"}, **asked, may_start=False)
    assert waits == Freezing(stopped=("1", "2"))
    assert freezing(None, standing, {"1", "2", "3"}, **asked, may_start=True).thaws == {"1"}
