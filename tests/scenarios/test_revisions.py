"""A rollout on a server that can't edit: other packages reach a campaign wave by wave, through a successor.

Whoever waits for its wave stays in what is replaced. No gateway is in two campaigns that run: `MemoryServer`
fails a test in which one is; nobody is lost either, whatever ends a run in between.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler.app.pipeline import Planned, draft, guard_basis
from reconciler.model import (
    DesiredRollout,
    DesiredStatus,
    LivePackage,
    OnFailure,
    PackageById,
    Phase,
    Promotion,
    RolloutRecord,
    RolloutStatus,
    Share,
    Wave,
)
from reconciler.options import Options
from reconciler.plan import Plan
from reconciler.plan.guards import Guard, guarded
from reconciler.providers.base import Facts
from reconciler.rollout.views import RolloutView
from reconciler.state.base import Predecessor, RolloutNoted, State
from reconciler.state.folding import fold
from tests.fakes import AT_ONCE, campaign, desired, rid
from tests.memory_provider import IMMUTABLE, IMMUTABLE_LATE, SERVER, MemoryCampaign, MemoryServer
from tests.scenarios.test_replacement import Dying, Killed, send

ONE, TWO, THREE = PackageById("p-1"), PackageById("p-2"), PackageById("p-3")
KINDS = {"gateways first": IMMUTABLE, "gateways last": IMMUTABLE_LATE}
every_kind = pytest.mark.parametrize("facts", KINDS.values(), ids=KINDS)
NOW = 1_800_000_000_000
FLEET = frozenset("abcdefgh")
CANARY = frozenset("ab")
WAVES = (Wave("canary", candidates=CANARY), Wave("half", Share(4)), Wave("rest"))


def wish(package: PackageById = ONE, waves: tuple[Wave, ...] = WAVES, **fields: Any) -> Any:
    rollout = DesiredRollout("careful", waves, "line", **fields.pop("rollout", {}))
    said = {
        "packages": (package,),
        "gateways": FLEET,
        "status": DesiredStatus.STARTED,
        "rollout": rollout,
        **fields,
    }
    return campaign("line", **{"name": "line", **said})


@dataclass
class World:
    """A server, a state, and looks at both."""

    server: MemoryServer
    state: State = field(default_factory=lambda: State("lineage", "5a17", server=SERVER))
    now: int = NOW

    def copy(self) -> "World":
        return World(self.server.__deepcopy__({}), self.state, self.now)

    def draft(self, wanted: Any, **options: Any) -> Planned:
        looked = draft(
            desired(wanted), self.state, self.server, Options(**options), now=self.now, lookout=AT_ONCE
        )
        return asyncio.run(looked)

    def plan(self, wanted: Any, **options: Any) -> Plan:
        return self.draft(wanted, **options).plan

    def send(self, plan: Plan, writes: Any = None) -> Any:
        return send(self, plan, writes)

    def look(self, wanted: Any, **options: Any) -> list[str]:
        """The steps of a plan, all of which are done; the same look again finds nothing."""
        plan = self.plan(wanted, **options)
        outcomes = self.send(plan)
        assert all(each.settled for each in outcomes), [o.message for o in outcomes if not o.settled]
        again = self.plan(wanted, **options)
        assert [step.id for step in again.steps()] == []
        self.send(again)  # it may learn that the campaign runs
        assert self.plan(wanted, **options).records == ()
        return [step.id for step in plan.steps()]

    def view(self, wanted: Any, **options: Any) -> RolloutView:
        [found] = self.plan(wanted, **options).rollouts
        return found

    @property
    def owned(self) -> Any:
        return self.state.campaigns[rid("line")]

    @property
    def record(self) -> RolloutRecord:
        assert self.owned.rollout is not None
        return self.owned.rollout

    @property
    def newest(self) -> MemoryCampaign:
        return self.server.by_id[self.owned.id]

    def finish(self, state: str = "fine") -> None:
        """Whoever is in the newest revision ends its update."""
        self.newest.states.update(dict.fromkeys(self.newest.gateways, state))

    def homes(self) -> dict[str, set[str]]:
        """Package → who is in a campaign that goes on with it."""
        over = (Phase.ENDED, Phase.FINISHED)
        found: dict[str, set[str]] = {}
        for each in self.server.by_id.values():
            if self.server.facts.phase(each.status) not in over and each.gateways:
                assert found.setdefault(each.packages[0], set()).isdisjoint(each.gateways)
                found[each.packages[0]] |= each.gateways
        return found

    def settled(self) -> None:
        """Everybody is in one campaign that goes on, and in no other."""
        homes = list(self.homes().values())
        assert sum(map(len, homes)) == len(set().union(*homes))


def begun(facts: Facts = IMMUTABLE, **server: Any) -> World:
    """``Campaign/line``, whose rollout of the first packages is complete."""
    packages = [LivePackage(each.id, f"{each.id}.bin") for each in (ONE, TWO, THREE)]
    world = World(MemoryServer(packages=packages, facts=facts, **server))
    more = {"approve": True} if server.get("approval_needed") else {}
    through(world, wish(**more))
    assert world.record.status is RolloutStatus.COMPLETE
    return world


def through(world: World, wanted: Any, **options: Any) -> list[list[str]]:
    """Looks until the rollout is complete, everybody being done by the next one."""
    looks = []
    for _ in range(12):
        looks.append(world.look(wanted, **options))
        world.settled()
        if world.record.status is RolloutStatus.COMPLETE:
            return looks
        world.finish()
    raise AssertionError(world.record)


# --- the way of a revision ---------------------------------------------------------------------------


def test_a_revision_begins_with_its_first_wave_and_the_others_stay() -> None:
    world = begun()
    plan = world.plan(wish(TWO))
    [view] = plan.rollouts
    assert (view.opens, view.joins, view.moves, view.earlier) == (1, 2, 2, 6)
    assert (view.status, view.entered, view.total) == (RolloutStatus.PROGRESSING, 0, 8)
    assert world.look(wish(TWO)) == [
        "take-targets:line:1", "rename-rollout:line", "make-rollout:line",
        "leave-target:line:a", "leave-target:line:b", "start-rollout:line",
    ]  # fmt: skip
    old, new = world.server.by_id.values()
    assert (old.name, old.status, old.gateways) == (f"line ~{old.id}", "ROLLING", set("cdefgh"))
    assert (new.name, new.status, new.packages, new.gateways) == ("line", "ROLLING", ("p-2",), set("ab"))
    assert world.owned.predecessors == (Predecessor(old.id),)
    view = world.view(wish(TWO))
    assert (view.wave, view.entered, view.earlier) == (1, 2, 6)
    assert [wave.done for wave in view.waves] == [0, 0, 0]


def test_where_gateways_join_what_is_there_the_order_is_another() -> None:
    world = begun(IMMUTABLE_LATE)
    assert world.look(wish(TWO)) == [
        "make-rollout:line", "take-targets:line:1", "leave-target:line:a", "leave-target:line:b",
        "start-rollout:line",
    ]  # fmt: skip


@every_kind
def test_later_waves_leave_one_by_one_and_the_last_ends_what_was_replaced(facts: Facts) -> None:
    world = begun(facts)
    looks = through(world, wish(TWO))
    assert (
        looks[1] == ["leave-target:line:c", "leave-target:line:d", "take-targets:line:1"]
        or len(looks[1]) == 3
    )
    assert looks[2][-1] == "end-rollout:line"
    assert [each.split(":")[0] for each in looks[2]].count("leave-target") == 4
    old, new = world.server.by_id.values()
    assert (old.status, new.gateways, world.homes()) == ("OVER", FLEET, {"p-2": FLEET})
    assert world.owned.predecessors == (Predecessor(old.id, ended=True),)


@every_kind
def test_pruning_deletes_what_was_replaced_once_nobody_is_in_it(facts: Facts) -> None:
    world = begun(facts)
    looks = through(world, wish(TWO), prune=True)
    assert [any(step.startswith("drop-rollout") for step in steps) for steps in looks] == [
        False, False, True, False,
    ]  # fmt: skip
    assert len(world.server.by_id) == 1


@every_kind
def test_each_wave_moves_so_many_and_nobody_else(facts: Facts) -> None:
    """P13, P7, P8: exact counts, nobody goes back, and who isn't released stays where it is."""
    world = begun(facts)
    counts, before = [], set()
    for _ in range(3):
        world.look(wish(TWO))
        homes = world.homes()
        assert before <= homes["p-2"]
        assert homes["p-2"] | homes.get("p-1", set()) == FLEET
        before = homes["p-2"]
        counts.append(len(before))
        world.finish()
    assert counts == [2, 4, 8]


# --- gates, brakes, people ---------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("on_failure", OnFailure)
def test_an_abort_leaves_the_others_as_they_are(on_failure: OnFailure, facts: Facts) -> None:
    world = begun(facts)
    wanted = wish(TWO, rollout={"on_failure": on_failure})
    world.look(wanted)
    [old] = [each for each in world.server.by_id.values() if each is not world.newest]
    world.finish("sick")
    before = (old.status, set(old.gateways))
    for _ in range(3):
        world.look(wanted)
        assert world.record.status is RolloutStatus.ABORTED
        assert (old.status, set(old.gateways)) == before
        assert world.newest.gateways == CANARY
    assert world.newest.status == ("HALTED" if on_failure is OnFailure.STOP else "ROLLING")


@every_kind
def test_a_paused_rollout_begins_no_revision_before_a_person_resumes_it(facts: Facts) -> None:
    world = begun(facts)
    paused = replace(world.record, status=RolloutStatus.PAUSED, why="wait for me", by="ann", at=1)
    world.state = fold(world.state, [RolloutNoted(rid("line"), paused)])
    for _ in range(2):
        assert world.look(wish(TWO)) == []
        assert (world.record.status, world.record.by, world.homes()) == (
            RolloutStatus.PAUSED, "ann", {"p-1": FLEET},
        )  # fmt: skip
    through(world, wish(TWO), resume=True)
    assert world.homes() == {"p-2": FLEET}


@every_kind
def test_an_edit_of_the_waves_forgets_no_word_to_a_revision_that_has_not_begun(facts: Facts) -> None:
    """Whoever aborts it before there is a campaign for it has aborted it, whatever its waves are then."""
    world = begun(facts)
    paused = replace(world.record, status=RolloutStatus.PAUSED, why="wait for me", by="ann", at=1)
    world.state = fold(world.state, [RolloutNoted(rid("line"), paused)])
    assert world.look(wish(TWO)) == []
    promoted = (Promotion(2, ("soak",)),)
    aborted = replace(world.record, status=RolloutStatus.ABORTED, why="never", by="ann", promoted=promoted)
    world.state = fold(world.state, [RolloutNoted(rid("line"), aborted)])
    for waves in (WAVES[1:], WAVES, (Wave("all"),)):
        for _ in range(2):
            world.now += 1
            assert world.look(wish(TWO, waves)) == []
            assert (world.record.status, world.record.by, world.record.promoted) == (
                RolloutStatus.ABORTED, "ann", promoted,
            )  # fmt: skip
    assert world.homes() == {"p-1": FLEET}
    world.look(wish(TWO), resume=True)


@every_kind
def test_other_packages_begin_anew_where_the_last_ones_failed(facts: Facts) -> None:
    """What was found out about those says nothing of these: a fix needs no other word than its merge."""
    world = begun(facts)
    world.look(wish(TWO))
    world.finish("sick")
    world.look(wish(TWO))
    world.look(wish(THREE))
    assert (world.record.status, world.record.wave) == (RolloutStatus.PROGRESSING, 1)
    assert world.homes() == {"p-1": FLEET - CANARY, "p-3": CANARY}


@every_kind
def test_one_revision_may_follow_another_in_the_middle(facts: Facts) -> None:
    world = begun(facts)
    world.look(wish(TWO))
    world.finish()
    world.look(wish(TWO))
    assert len(world.homes()["p-2"]) == 4
    middle = world.homes()
    world.look(wish(THREE))
    assert world.homes() == {
        "p-1": middle["p-1"], "p-2": middle["p-2"] - CANARY, "p-3": CANARY,
    }  # fmt: skip
    view = world.view(wish(THREE))
    assert (view.wave, view.entered, view.earlier) == (1, 2, 6)
    world.finish()
    through(world, wish(THREE))
    assert world.homes() == {"p-3": FLEET}
    assert all(each.ended for each in world.owned.predecessors)


@every_kind
def test_going_back_is_a_revision_too(facts: Facts) -> None:
    world = begun(facts)
    world.look(wish(TWO))
    world.finish()
    world.look(wish(ONE))
    assert world.homes() == {"p-1": FLEET}
    assert (world.newest.gateways, world.newest.packages) == (CANARY, ("p-1",))
    world.finish()
    through(world, wish(ONE))
    assert world.newest.gateways == FLEET


def test_a_revision_that_somebody_deleted_is_not_made_anew_beside_those_before_it() -> None:
    world = begun()
    world.look(wish(TWO))
    [old] = world.owned.predecessors
    del world.server.by_id[world.owned.id]
    plan = world.plan(wish(TWO))
    assert (plan.empty, [finding.code for finding in plan.findings]) == (True, ["earlier-revisions-left"])
    world.server.by_id[old.id].status = "OVER"
    world.look(wish(TWO))
    assert world.homes() == {"p-2": CANARY}
    world.finish()
    through(world, wish(TWO))
    assert world.homes() == {"p-2": FLEET}


def test_a_held_campaign_begins_no_revision() -> None:
    world = begun()
    world.newest.status = "HALTED"
    plan = world.plan(wish(TWO))
    assert (plan.empty, [finding.code for finding in plan.findings]) == (True, ["held"])


@every_kind
def test_git_may_wish_that_all_stands_still(facts: Facts) -> None:
    world = begun(facts)
    world.look(wish(TWO))
    world.finish()
    still = wish(TWO, status=DesiredStatus.STOPPED)
    assert world.look(still) == ["halt-rollout:line", "halt-rollout:line#2"]
    assert {each.status for each in world.server.by_id.values()} == {"HALTED"}
    # Who stayed isn't started again, and moves with its wave.
    world.send(world.plan(wish(TWO)))
    assert sorted(each.status for each in world.server.by_id.values()) == ["HALTED", "ROLLING"]
    through(world, wish(TWO))
    assert world.homes() == {"p-2": FLEET}


@every_kind
def test_a_revision_of_what_is_to_stand_still_is_made_and_stands(facts: Facts) -> None:
    world = begun(facts)
    still = wish(TWO, status=DesiredStatus.STOPPED)
    assert world.look(still)[0] == "halt-rollout:line"
    assert (world.newest.gateways, world.newest.packages) == (set(), ("p-2",))
    assert world.homes() == {"p-1": FLEET}
    through(world, wish(TWO))


@every_kind
def test_whoever_is_dropped_leaves_whichever_revision_it_is_in(facts: Facts) -> None:
    world = begun(facts)
    world.look(wish(TWO))
    less = wish(TWO, gateways=FLEET - {"a", "h"})
    plan = world.plan(less)
    [change] = [each for each in plan.changes if each.gateways]
    assert change.gateways is not None
    assert (change.gateways.before, change.gateways.after, change.gateways.lost) == (8, 6, ("a", "h"))
    world.look(less)
    assert world.homes() == {"p-1": set("cdefg"), "p-2": {"b"}}


@every_kind
def test_a_change_of_lists_and_packages_at_once(facts: Facts) -> None:
    world = begun(facts)
    other = wish(TWO, gateways=(FLEET - {"b", "h"}) | {"x"})
    world.look(other)
    assert world.homes() == {"p-1": set("cdefg"), "p-2": {"a"}}
    world.finish()
    through(world, other)
    assert world.homes() == {"p-2": set("acdefgx")}


@every_kind
def test_what_changes_beside_it_is_brought_by_a_successor_of_those_who_are_in(facts: Facts) -> None:
    world = begun(facts)
    world.look(wish(TWO))
    wanted = wish(TWO, settings={"A": "1"})
    world.look(wanted)
    assert world.record.why == "changed"
    world.look(wanted, resume=True)
    assert world.homes() == {"p-1": FLEET - CANARY, "p-2": CANARY}
    assert world.newest.settings == {"A": "1"}


@every_kind
def test_who_gives_up_the_rollout_lets_all_go_at_once(facts: Facts) -> None:
    world = begun(facts)
    world.look(wish(TWO))
    given_up = replace(wish(TWO), rollout=None)
    planned = world.draft(given_up)
    basis = asyncio.run(guard_basis(planned, world.server))
    assert [trip.guard for trip in guarded(planned.plan, basis, {}, {}).guards] == [Guard.AT_ONCE]
    world.look(given_up)
    assert world.homes() == {"p-2": FLEET}


@every_kind
def test_the_guard_counts_whom_a_move_interrupts(facts: Facts) -> None:
    world = begun(facts)
    world.newest.states.update(a="flashing", c="flashing")
    planned = world.draft(wish(TWO))
    basis = asyncio.run(guard_basis(planned, world.server))
    [trip] = guarded(planned.plan, basis, {}, {}).guards
    assert (trip.guard, trip.found, trip.resource) == (Guard.IN_FLIGHT, 1, rid("line"))


# --- looks by themselves, and approvals --------------------------------------------------------------


@every_kind
def test_a_look_goes_on_with_a_revision_that_an_apply_began(facts: Facts) -> None:
    world = begun(facts)
    plan = world.plan(wish(TWO), rollouts_only=True)
    assert (plan.empty, plan.records) == (True, ())
    closed = wish(TWO, rollout={"paused": True})
    made = world.look(closed)
    assert made[-1] == "make-rollout:line", "it is prepared, and nobody is in it"
    assert (world.newest.gateways, world.homes()) == (set(), {"p-1": FLEET})
    looks = through(world, wish(TWO), rollouts_only=True)
    assert looks[0] == [
        "take-targets:line:1", "leave-target:line:a", "leave-target:line:b", "start-rollout:line",
    ]  # fmt: skip
    assert world.homes() == {"p-2": FLEET}


def test_nobody_leaves_before_the_successor_is_approved() -> None:
    world = begun(approval_needed=True)
    outcomes = world.send(world.plan(wish(TWO)))
    assert {o.step.id: o.status.value for o in outcomes if not o.settled} == {
        "leave-target:line:a": "waiting", "leave-target:line:b": "waiting", "start-rollout:line": "skipped",
    }  # fmt: skip
    [old] = [each for each in world.server.by_id.values() if each is not world.newest]
    assert (old.gateways, old.status, world.newest.status) == (FLEET, "ROLLING", "PROPOSED")
    assert world.plan(wish(TWO)).empty
    world.newest.status = "DRAFTED"
    assert world.look(wish(TWO)) == [
        "leave-target:line:a", "leave-target:line:b", "start-rollout:line",
    ]  # fmt: skip
    assert world.homes() == {"p-1": FLEET - CANARY, "p-2": CANARY}


# --- whatever ends a run -----------------------------------------------------------------------------


def kills(world: World, wanted: Any, *, sent: bool, **options: Any) -> Iterator[tuple[int, World]]:
    """What is left of `world` when a look ends at each of its calls."""
    at = 0
    while True:
        copied = world.copy()
        plan = copied.plan(wanted, **options)
        try:
            copied.send(plan, Dying(copied.server, at, sent))
        except Killed:
            yield at, copied
        else:
            return
        at += 1


def told(world: World) -> Any:
    """How it all ended, whatever the ids."""
    rows = sorted(
        ("~" in each.name, each.status, each.packages, sorted(each.gateways))
        for each in world.server.by_id.values()
    )
    ended = [each.ended for each in world.owned.predecessors]
    record = replace(world.record, since=0, reached=None, at=0)
    return rows, ended, record, dict(world.state.intents)


@every_kind
@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "before its answer is known"])
def test_the_next_look_finishes_what_was_begun(sent: bool, prune: bool, facts: Facts) -> None:
    """P12, at every call of every look of a revision."""
    world = begun(facts)
    for number in range(3):
        whole = world.copy()
        whole.look(wish(TWO), prune=prune)
        for at, left in kills(world, wish(TWO), sent=sent, prune=prune):
            left.look(wish(TWO), prune=prune)
            assert told(left) == told(whole), f"wave {number + 1}, killed at call {at}"
            left.settled()
        world = whole
        world.finish()


@every_kind
@pytest.mark.parametrize("busy", [1, 3])
@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "before its answer is known"])
def test_also_where_the_server_is_still_at_work(sent: bool, busy: int, facts: Facts) -> None:
    world = begun(facts)
    world.server.busy = busy
    whole = world.copy()
    whole.look(wish(TWO))
    for at, left in kills(world, wish(TWO), sent=sent):
        left.look(wish(TWO))
        assert told(left) == told(whole), at


@every_kind
@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "before its answer is known"])
def test_git_may_have_changed_its_mind_meanwhile(sent: bool, facts: Facts) -> None:
    world = begun(facts)
    for last in (ONE, THREE):
        for number in range(2):
            for at, left in kills(world, wish(TWO), sent=sent):
                through(left, wish(last))
                assert left.homes() == {last.id: FLEET}, (number, at)
                assert left.newest.name == "line"
            if number == 0:
                world.look(wish(TWO))
                world.finish()
        world = begun(facts)


@every_kind
@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "before its answer is known"])
def test_a_brake_after_a_crash_releases_nobody(sent: bool, facts: Facts) -> None:
    """P2: whoever was cut between two campaigns joins when the rollout goes on, and not before."""
    world = begun(facts)
    for number in range(3):
        for at, left in kills(world, wish(TWO), sent=sent):
            newest = left.newest
            inside = set(newest.gateways) if newest.packages == ("p-2",) else set()
            left.look(wish(TWO, rollout={"paused": True}))
            if left.newest.packages == ("p-2",):
                assert left.newest.gateways <= inside | (CANARY if number == 0 else set()), (number, at)
            through(left, wish(TWO))
            assert left.homes() == {"p-2": FLEET}
        world.look(wish(TWO))
        world.finish()


@every_kind
def test_it_may_be_killed_again_and_again(facts: Facts) -> None:
    world = begun(facts)
    for _ in range(3):
        whole = world.copy()
        whole.look(wish(TWO))
        for _, once in kills(world, wish(TWO), sent=True):
            for _, twice in kills(once, wish(TWO), sent=False):
                twice.look(wish(TWO))
                assert told(twice) == told(whole)
        world = whole
        world.finish()


@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "before its answer is known"])
def test_a_lost_state_releases_nobody_without_a_word(sent: bool) -> None:
    """P11: all are found by their names, everybody stays, and a person says when it goes on."""
    world = begun()
    for number in range(3):
        for at, left in kills(world, wish(TWO), sent=sent):
            homes = left.homes() if number else {}
            left.state = State("lineage", "5a17", server=SERVER)
            assert [f.code for f in left.plan(wish(TWO)).findings] == ["not-ours"]
            left.send(left.plan(wish(TWO), adopt=True))
            if left.newest.packages == ("p-2",) and left.newest.gateways == FLEET:
                assert left.record.status is RolloutStatus.COMPLETE
                continue
            assert left.record.status is RolloutStatus.PAUSED, (number, at)
            for _ in range(2):
                left.send(left.plan(wish(TWO)))
                assert left.record.status is RolloutStatus.PAUSED
                if number:
                    assert left.homes().get("p-2") == homes.get("p-2"), (number, at)
                else:
                    assert left.homes().get("p-2", set()) <= CANARY
            left.look(wish(TWO), resume=True)
            left.finish()
            through(left, wish(TWO))
            assert left.homes() == {"p-2": FLEET}, (number, at)
        world.look(wish(TWO))
        world.finish()
