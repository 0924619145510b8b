"""A campaign that the server can't edit: a successor takes its place, whatever ends the run in between.

Nothing is doubled, nobody is lost, and no gateway is left between two campaigns: `MemoryServer` fails a test
that starts a successor while the one before it may run.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.pipeline import guard_basis
from reconciler.apply import apply_plan
from reconciler.diff.model import Former
from reconciler.diff.replacement import formers_of, inheriting
from reconciler.model import (
    DesiredStatus,
    Finding,
    Live,
    LiveCampaign,
    LivePackage,
    Membership,
    PackageById,
    Phase,
    Reason,
    Severity,
    Step,
)
from reconciler.plan import Plan
from reconciler.plan.guards import Guard, guarded
from reconciler.providers.base import Bindings, Changing, Facts, Field, FieldFacts, Readback, Result, Writes
from reconciler.state.base import Origin, Owned, Predecessor, PredecessorEnded, PredecessorForgotten, State
from tests.fakes import MemorySession, Project, campaign, desired, rid
from tests.memory_provider import FACTS, IMMUTABLE, IMMUTABLE_LATE, SERVER, MemoryCampaign, MemoryServer

ONE, TWO = PackageById("p-1"), PackageById("p-2")
STARTED, STOPPED = DesiredStatus.STARTED, DesiredStatus.STOPPED
KINDS = {"gateways first": IMMUTABLE, "gateways last": IMMUTABLE_LATE}
every_kind = pytest.mark.parametrize("facts", KINDS.values(), ids=KINDS)


def project(facts: Facts = IMMUTABLE, **server: Any) -> Project:
    packages = [LivePackage("p-1", "one"), LivePackage("p-2", "two")]
    return Project(MemoryServer(packages=packages, facts=facts, **server))


def line(**fields: Any) -> Any:
    said = {"packages": (ONE,), "gateways": "abc", "status": STARTED, **fields}
    return campaign("line", **{"name": "line", **said})


def running(facts: Facts = IMMUTABLE, wish: Any = None, **server: Any) -> Project:
    """``Campaign/line`` as it was applied."""
    made = project(facts, **server)
    applied(made, wish or line(**({"approve": True} if server.get("approval_needed") else {})))
    return made


def applied(made: Project, wish: Any, **options: Any) -> list[str]:
    """The steps of a plan for `wish`, all of which are done, and after which nothing is left."""
    plan = made.make_plan(desired(wish), **options)
    outcomes = send(made, plan)
    assert all(outcome.settled for outcome in outcomes), [o.message for o in outcomes if not o.settled]
    again = made.make_plan(desired(wish), **options)
    assert [step.id for step in again.steps()] == []
    assert [finding.code for finding in again.findings] == []
    return [step.id for step in plan.steps()]


def send(made: Any, plan: Plan, writes: Any = None, parallelism: int = 1) -> Any:
    """The outcomes of `plan`; `made` has a state, which learns of them, and a server."""
    session = MemorySession(made.state)
    try:
        result = asyncio.run(
            apply_plan(
                plan,
                writes or made.server,
                session,
                delay=lambda attempts, asked, waited: 0.0 if attempts < 5 else None,
                parallelism=parallelism,
            )
        )
    finally:
        made.state = session.state
    return result.outcomes


def alive(made: Project) -> list[MemoryCampaign]:
    over = (Phase.ENDED, Phase.FINISHED)
    return [c for c in made.server.by_id.values() if made.server.facts.phase(c.status) not in over]


# --- the order ---------------------------------------------------------------------------------------


def test_a_successor_takes_over_in_this_order() -> None:
    made = running()
    assert applied(made, line(packages=(TWO,))) == [
        "take-targets:line:1", "take-targets:line:2", "rename-rollout:line", "make-rollout:line",
        "end-rollout:line", "start-rollout:line",
    ]  # fmt: skip
    old, new = made.server.by_id.values()
    assert (old.name, old.status) == (f"line ~{old.id}", "OVER")
    assert (new.name, new.status, new.packages, new.gateways) == ("line", "ROLLING", ("p-2",), set("abc"))
    owned = made.state.campaigns[rid("line")]
    assert (owned.id, owned.predecessors) == (new.id, (Predecessor(old.id, ended=True),))
    assert (owned.replacing, owned.return_to, owned.status) == (False, None, None)


def test_a_server_that_takes_a_name_twice_renames_nothing() -> None:
    made = running(IMMUTABLE_LATE)
    assert applied(made, line(packages=(TWO,))) == [
        "make-rollout:line", "take-targets:line:1", "take-targets:line:2", "end-rollout:line",
        "start-rollout:line",
    ]  # fmt: skip


@every_kind
def test_what_is_edited_in_place_has_no_successor(facts: Facts) -> None:
    made = running(facts)
    assert applied(made, line(description="text")) == ["change-rollout:line"]
    assert applied(made, line(description="text", gateways="abcd")) == ["take-targets:line:1"]
    assert applied(made, line(description="text", gateways="abc")) == ["leave-target:line:d"]
    assert len(made.server.by_id) == 1


@every_kind
def test_one_successor_carries_all_that_differs_and_what_is_not_declared(facts: Facts) -> None:
    made = running(facts, line(description="text", settings={"A": "1"}))
    [old] = made.server.by_id.values()
    wish = campaign("line", "other", packages=(TWO,), gateways="bcd", status=STARTED)
    applied(made, wish)
    [new] = alive(made)
    assert (new.name, new.description, new.settings) == ("other", "text", {"A": "1"})
    assert (new.packages, new.gateways) == (("p-2",), set("bcd"))
    assert old.status == "OVER"


@every_kind
def test_gateways_that_are_not_declared_go_over(facts: Facts) -> None:
    made = running(facts)
    [old] = made.server.by_id.values()
    old.gateways.add("x")
    applied(made, line(packages=(TWO,), gateways=None))
    [new] = alive(made)
    assert new.gateways == set("abcx")


@every_kind
@pytest.mark.parametrize(
    ("status", "wish", "then"),
    [
        ("ROLLING", None, "ROLLING"),
        ("HALTED", None, "DRAFTED"),
        ("DRAFTED", None, "DRAFTED"),
        ("DRAFTED", STARTED, "ROLLING"),
        ("ROLLING", STOPPED, "DRAFTED"),
        ("HALTED", STOPPED, "DRAFTED"),
        ("THROUGH", STARTED, "ROLLING"),
        ("THROUGH", STOPPED, "DRAFTED"),
        ("OVER", STARTED, "ROLLING"),
        ("OVER", None, "DRAFTED"),
    ],
)
def test_the_successor_runs_as_git_wishes_or_as_the_one_before_it(
    status: str, wish: DesiredStatus | None, then: str, facts: Facts
) -> None:
    made = project(facts)
    made.server.by_id["1"] = MemoryCampaign("1", "line", status, packages=("p-1",), gateways=set("ab"))
    made.own("line", "1")
    applied(made, line(packages=(TWO,), gateways="ab", status=wish))
    [new] = alive(made)
    assert (new.status, new.packages, new.gateways) == (then, ("p-2",), set("ab"))


def test_what_ended_takes_no_gateway_so_that_a_successor_does() -> None:
    made = running()
    [old] = made.server.by_id.values()
    old.status = "OVER"
    plan = made.make_plan(desired(line()))
    assert (plan.empty, [finding.code for finding in plan.findings]) == (True, ["ended"])
    applied(made, line(gateways="abcd"))
    [new] = alive(made)
    assert (new.status, new.gateways) == ("ROLLING", set("abcd"))


def test_with_prune_what_was_replaced_goes() -> None:
    made = running()
    applied(made, line(packages=(TWO,)))
    applied(made, line(packages=(ONE,)))
    assert len(made.server.by_id) == 3
    assert applied(made, line(packages=(ONE,)), prune=True) == ["drop-rollout:line", "drop-rollout:line#2"]
    assert applied(made, line(packages=(TWO,)), prune=True)[-1] == "drop-rollout:line"
    [new] = made.server.by_id.values()
    assert new.packages == ("p-2",)
    assert made.state.campaigns[rid("line")].predecessors == ()


def test_whoever_is_no_longer_declared_goes_with_those_that_it_replaced() -> None:
    made = running()
    applied(made, line(packages=(TWO,)))
    plan = made.make_plan(desired(), prune=True)
    send(made, plan)
    assert made.server.by_id == {}
    assert made.state.campaigns == {}


# --- what never changes --------------------------------------------------------------------------------


def test_a_field_that_never_changes_is_refused_with_what_to_do() -> None:
    fixed = FieldFacts(changing=Changing.FIXED)
    made = running(
        replace(IMMUTABLE, fields={**IMMUTABLE.fields, Field.SETTINGS: fixed}), line(settings={"A": "1"})
    )
    plan = made.make_plan(desired(line(settings={"A": "2"}, packages=(TWO,))))
    assert plan.empty
    assert plan.findings == (
        Finding(
            "fixed-field",
            "Campaign/line: this server never changes settings of a campaign that is there",
            line().place_of("settings"),
            "take that change back, or declare it as another campaign with another name",
            rid("line"),
        ),
    )


def test_a_held_campaign_is_not_replaced_until_it_is_resumed() -> None:
    made = running()
    [old] = made.server.by_id.values()
    made.make_plan(desired(line()))
    made.state = replace(
        made.state, campaigns={rid("line"): replace(made.state.campaigns[rid("line")], status="STARTED")}
    )
    old.status = "HALTED"
    plan = made.make_plan(desired(line(packages=(TWO,))))
    assert plan.empty
    [finding] = plan.findings
    assert (finding.code, finding.severity) == ("held", Severity.NOTE)
    assert "packages" in finding.message
    applied(made, line(packages=(TWO,)), resume=True)
    assert [each.status for each in alive(made)] == ["ROLLING"]


def test_a_status_that_nobody_knows_is_not_replaced() -> None:
    made = running()
    [old] = made.server.by_id.values()
    old.status = "PONDERING"
    plan = made.make_plan(desired(line(packages=(TWO,))))
    assert plan.empty
    assert [finding.code for finding in plan.findings] == ["unknown-status"]


# --- approvals, and a server that is still at work ------------------------------------------------------


def test_the_old_one_runs_until_its_successor_is_approved() -> None:
    made = running(approval_needed=True)
    [old] = made.server.by_id.values()
    wish = desired(line(packages=(TWO,)))
    outcomes = send(made, made.make_plan(wish))
    assert [(o.step.id, o.status.value) for o in outcomes][-2:] == [
        ("end-rollout:line", "waiting"), ("start-rollout:line", "skipped"),
    ]  # fmt: skip
    assert old.status == "ROLLING"
    waiting = made.make_plan(wish)
    assert waiting.empty
    assert [finding.code for finding in waiting.findings] == ["waiting-for-approval"]
    [new] = [each for each in alive(made) if each is not old]
    new.status = "DRAFTED"
    assert applied(made, line(packages=(TWO,))) == ["end-rollout:line", "start-rollout:line"]
    assert (old.status, new.status) == ("OVER", "ROLLING")


def test_what_git_approves_takes_over_at_once() -> None:
    made = running(approval_needed=True)
    assert applied(made, line(packages=(TWO,), approve=True))[-3:] == [
        "admit-rollout:line", "end-rollout:line", "start-rollout:line",
    ]  # fmt: skip


@every_kind
@pytest.mark.parametrize("busy", [1, 3])
def test_a_server_that_is_still_creating_is_waited_for(facts: Facts, busy: int) -> None:
    made = running(facts, busy=busy)
    applied(made, line(packages=(TWO,)))
    assert [each.status for each in alive(made)] == ["ROLLING"]


def test_waiting_has_an_end_and_says_what_it_waited_for() -> None:
    made = running()
    [old] = made.server.by_id.values()
    made.server.busy = 50
    outcomes = send(made, made.make_plan(desired(line(packages=(TWO,)))))
    [failed] = [outcome for outcome in outcomes if outcome.status.value == "failed"]
    assert "isn't ready yet" in failed.message
    assert old.status == "ROLLING", "it ran on"
    made.server.busy = 0
    for each in made.server.by_id.values():
        each.busy = 0
    applied(made, line(packages=(TWO,)))


# --- gateways that the server doesn't know --------------------------------------------------------------


@every_kind
def test_strangers_are_named_and_hold_up_nobody_in_their_batch(facts: Facts) -> None:
    made = project(facts, strangers="b")
    outcomes = send(made, made.make_plan(desired(line(gateways="abcd"))))
    [failed] = [outcome for outcome in outcomes if outcome.left]
    assert failed.left == ("b",)
    assert "b: unknown targets" in failed.message
    assert failed.attempts == 2
    [new] = alive(made)
    assert new.gateways == set("acd")
    made.server.strangers = frozenset()
    applied(made, line(gateways="abcd"))
    assert (new.gateways, new.status) == (set("abcd"), "ROLLING")


# --- whatever ends a run --------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Dying:
    """Writes up to call number `at`, which is `sent` or not, and ends the process."""

    real: Writes
    at: int
    sent: bool
    calls: int = 0

    async def run(self, step: Step, bindings: Bindings) -> Result:
        self.calls += 1
        if self.calls <= self.at:
            return await self.real.run(step, bindings)
        if self.sent:
            await self.real.run(step, bindings)
        raise Killed

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        return await self.real.verify(step, bindings)


def killed_everywhere(life: Callable[[Path, int], Coroutine[Any, Any, bool]], folder: Path) -> int:
    """After how many calls `life`, each in a folder of its own, was killed: all, until one isn't any more."""
    for at in count():
        own = folder / str(at)
        own.mkdir()
        if not asyncio.run(life(own, at)):
            return at
    raise AssertionError


WISHES: Mapping[str, Any] = {
    "packages": line(packages=(TWO,)),
    "everything": campaign("line", "other", packages=(TWO,), gateways="bcd", description="d", status=STARTED),
    "to stand still": line(packages=(TWO,), status=STOPPED),
    "as it was": line(packages=(TWO,), status=None),
    "nothing declared": campaign("line", "line", packages=(TWO,)),
    "settings": line(settings={"A": "2"}),
}


def kills(made: Project, wish: Any, *, sent: bool, **options: Any) -> Iterator[tuple[int, Project]]:
    """What is left of `made` when a run towards `wish` ends at each of its calls."""
    at = 0
    while True:
        copied = Project(made.server.__deepcopy__({}), made.state)
        writes = Dying(copied.server, at, sent)
        try:
            send(copied, copied.make_plan(desired(wish), **options), writes)
        except Killed:
            yield at, copied
        else:
            assert at > 2
            return
        at += 1


def told(made: Project) -> Any:
    """How it all ended, whatever the ids."""
    campaigns = sorted(
        (
            "~" in each.name,
            each.name.partition(" ~")[0],
            each.status,
            each.description,
            each.packages,
            sorted(each.gateways),
            sorted(each.settings.items()),
        )
        for each in made.server.by_id.values()
    )
    owned = made.state.campaigns[rid("line")]
    ended = [each.ended for each in owned.predecessors]
    return campaigns, made.server.by_id[owned.id].name, ended, owned.return_to, dict(made.state.intents)


@every_kind
@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize("busy", [0, 2])
@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "before its answer is known"])
@pytest.mark.parametrize("wish", WISHES)
def test_the_next_run_finishes_what_was_begun(
    wish: str, sent: bool, busy: int, prune: bool, facts: Facts
) -> None:
    begun = running(facts)
    begun.server.busy = busy
    undisturbed = Project(begun.server.__deepcopy__({}), begun.state)
    applied(undisturbed, WISHES[wish], prune=prune)
    for at, left in kills(begun, WISHES[wish], sent=sent, prune=prune):
        applied(left, WISHES[wish], prune=prune)
        assert told(left) == told(undisturbed), f"killed at call {at}"


@every_kind
@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "before its answer is known"])
def test_git_may_have_changed_its_mind_meanwhile(sent: bool, facts: Facts) -> None:
    """Back to what was, or on to something else: one campaign runs in the end, with what is declared last."""
    for last in (line(), line(packages=(TWO, ONE)), line(packages=(TWO,), status=STOPPED)):
        for at, left in kills(running(facts), line(packages=(TWO,)), sent=sent):
            applied(left, last)
            [lives] = alive(left)
            assert set(lives.packages) == {each.id for each in last.packages}, at
            assert lives.gateways == set("abc")
            assert (lives.status == "ROLLING") is (last.status is STARTED), (at, lives.status)
            assert lives.name == "line"


@every_kind
@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "before its answer is known"])
def test_it_may_be_killed_again_and_again(sent: bool, facts: Facts) -> None:
    wish = line(packages=(TWO,), gateways="abcd")
    for _, once in kills(running(facts), wish, sent=sent):
        plan = once.make_plan(desired(wish))
        for at in range(plan.size):
            twice = Project(once.server.__deepcopy__({}), once.state)
            with pytest.raises(Killed):
                send(twice, twice.make_plan(desired(wish)), Dying(twice.server, at, sent))
            applied(twice, wish)
            [lives] = alive(twice)
            assert (lives.packages, lives.gateways, lives.status) == (("p-2",), set("abcd"), "ROLLING")
            assert len(twice.server.by_id) == 2


@pytest.mark.parametrize("busy", [0, 1, 3])
@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "before its answer is known"])
def test_what_git_approves_is_approved_by_the_next_run_too(sent: bool, busy: int) -> None:
    """Also where the server is still at work on the successor when that is planned."""
    wish = line(packages=(TWO,), approve=True)
    begun = running(approval_needed=True)
    begun.server.busy = busy
    for at, left in kills(begun, wish, sent=sent):
        applied(left, wish)
        assert [each.status for each in alive(left)] == ["ROLLING"], at


def test_where_nothing_is_ever_asked_for_nothing_is_approved() -> None:
    made = running(IMMUTABLE_LATE, line(approve=True))
    steps = applied(made, line(packages=(TWO,), approve=True))
    assert not [step for step in steps if step.startswith("admit")]


@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "before its answer is known"])
def test_a_lost_state_finds_both_by_their_names(sent: bool) -> None:
    wish = line(packages=(TWO,))
    for at, left in kills(running(), wish, sent=sent):
        left.state = State("lineage", "5a17", server=SERVER)
        refused = left.make_plan(desired(wish))
        assert refused.empty, "nobody makes another one beside it"
        assert [finding.code for finding in refused.findings] == ["not-ours"]
        applied(left, wish, adopt=True)
        [lives] = alive(left)
        assert (lives.name, lives.packages, lives.status) == ("line", ("p-2",), "ROLLING"), at


# --- what is said of it ---------------------------------------------------------------------------------


def flying(made: Project) -> Project:
    [old] = made.server.by_id.values()
    old.states = {"a": "flashing", "b": "fine"}
    return made


def guards_of(made: Project, wish: Any) -> Plan:
    planned = made.draft(desired(wish))
    basis = asyncio.run(guard_basis(planned, made.server))
    return guarded(planned.plan, basis, {}, {})


@every_kind
def test_it_is_one_change_of_a_campaign(facts: Facts) -> None:
    made = flying(running(facts))
    plan = made.make_plan(desired(line(packages=(TWO,))))
    assert [(c.field, c.before, c.after, c.reason) for c in plan.changes] == [
        ("packages", ["p-1"], ["p-2"], Reason.DIFFERS)
    ]
    [row] = plan.impact.campaigns
    assert (row.replaced, row.created, row.starts, row.stops) == (("packages",), False, False, False)
    assert (row.gained, row.lost) == (0, 0)


@every_kind
def test_the_guard_counts_whom_the_end_interrupts(facts: Facts) -> None:
    made = flying(running(facts))
    [trip] = guards_of(made, line(packages=(TWO,))).guards
    assert (trip.guard, trip.found, trip.resource) == (Guard.IN_FLIGHT, 1, rid("line"))
    # Once an earlier run has made the successor it is still the old one that is ended.
    last = list(kills(made, line(packages=(TWO,)), sent=False))[-2]
    [trip] = guards_of(last[1], line(packages=(TWO,))).guards
    assert (trip.guard, trip.found, trip.resource) == (Guard.IN_FLIGHT, 1, rid("line"))


def test_a_kind_that_edits_has_no_successors() -> None:
    made = Project(MemoryServer(packages=[LivePackage("p-1", "one"), LivePackage("p-2", "two")], facts=FACTS))
    applied(made, line())
    assert applied(made, line(packages=(TWO,))) == ["change-rollout:line"]


# --- its parts ------------------------------------------------------------------------------------------


def former(**more: Any) -> LiveCampaign:
    there = Membership({"idle": frozenset("abc")}, frozenset("c"))
    return LiveCampaign("1", "line", "ROLLING", **{"phase": Phase.RUNNING, "gateways": there, **more})


@pytest.mark.parametrize(
    ("declared", "ended", "gateways"),
    [(None, False, "ab"), (None, True, None), ("x", False, "x")],
)
def test_a_successor_inherits_whoever_is_not_closed(
    declared: str | None, ended: bool, gateways: str | None
) -> None:
    owned = Owned(rid("line"), "2", Origin.CREATED, predecessors=(Predecessor("1", ended=ended),))
    found = inheriting(line(gateways=declared), owned, Live(by_id={"1": former()}))
    assert found.gateways == (None if gateways is None else frozenset(gateways))


FORMERS: dict[str, tuple[LiveCampaign | None, bool, bool | None, list[Any]]] = {
    # what is there of it, whether it was known to have ended → whether it has, what the state learns
    "it runs": (former(), False, False, []),
    "it runs, and had ended": (former(), True, True, []),
    "it is finished": (former(phase=Phase.FINISHED), False, True, [PredecessorEnded]),
    "it is finished, and had ended": (former(phase=Phase.FINISHED), True, True, []),
    "it is gone": (None, False, None, [PredecessorForgotten]),
}


@pytest.mark.parametrize("what", FORMERS)
def test_what_is_learned_of_a_predecessor(what: str) -> None:
    there, ended, over, learned = FORMERS[what]
    owned = Owned(rid("line"), "2", Origin.CREATED, predecessors=(Predecessor("1", ended=ended),))
    formers, events = formers_of(owned, Live(by_id={"1": there}))
    assert formers == (() if over is None else (Former("1", there, over),))
    assert events == tuple(event(rid("line"), "1") for event in learned)
