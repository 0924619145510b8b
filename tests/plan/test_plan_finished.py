"""Gateways that are done with packages that change: told, guarded, remembered, counted apart ever after."""

import asyncio
from dataclasses import replace

import pytest

from reconciler.app.pipeline import Planned, draft, guard_basis, in_devices
from reconciler.model import (
    CampaignFields,
    Change,
    Desired,
    LiveCampaign,
    LivePackage,
    Membership,
    Override,
    PackageById,
    PackageRef,
    Phase,
    Reason,
    Severity,
    StepGroup,
    Verb,
)
from reconciler.options import Options
from reconciler.plan.file import plan_digest
from reconciler.plan.finished import LEFT_BEHIND, _alike, _names, done_before, finished, remembered, targeted
from reconciler.plan.guards import Guard, guarded, reconsidered
from reconciler.plan.model import GuardTrip, Plan
from reconciler.state.applied import FINISHED, finished_of, finished_value, packages_value
from reconciler.state.base import MembersForgotten, Origin, Owned, State
from reconciler.state.folding import fold
from tests.actions import action
from tests.fakes import NOW, PULSE, Project, campaign, desired, rid
from tests.memory_provider import FACTS, SERVER, MemoryCampaign, MemoryServer

DONE, FAILED, FLYING = "ACTIVATION_COMPLETE", "FAILED", "DOWNLOAD_COMPLETE"
PACKAGES = tuple(LivePackage(f"p-{n}", f"fw-2.{n}.bin") for n in (1, 2, 3))
LINE = rid("line")


def names(count: int, begin: int = 0) -> set[str]:
    return {f"gw-{number:03}" for number in range(begin, begin + count)}


def world(done: int = 98, *, facts=PULSE, status: str = "STOPPED", **more) -> Project:
    states = {**dict.fromkeys(names(done), DONE), **dict.fromkeys(names(2, done), FAILED)}
    live = MemoryCampaign("1", "line", status, packages=("p-1",), gateways=names(120), states=states)
    project = Project(MemoryServer(live, packages=PACKAGES, facts=facts))
    project.own("line", "1", **more)
    return project


def to(number: int, **more) -> Desired:
    return desired(campaign(packages=(PackageById(f"p-{number}"),), **more))


def planned(project: Project, wanted: Desired, **limits: bool) -> Planned:
    async def made() -> Planned:
        first = await draft(wanted, project.state, project.server, Options(), now=NOW)
        basis = await guard_basis(first, project.server)
        told = await in_devices(replace(first, live=basis.live), project.server)
        return replace(told, plan=guarded(told.plan, basis, limits, {}), live=basis.live)

    return asyncio.run(made())


def applied(project: Project, wanted: Desired) -> Planned:
    """Plan and apply as the command does: the state learns first who had finished."""
    made = planned(project, wanted)
    found = finished(made.plan, targeted(made.plan, made.live.by_id), project.state, project.server.facts)
    events = tuple(remembered(made.plan, found, project.server.facts))
    project.apply(replace(made.plan, records=(*made.plan.records, *events)))
    return made


def earlier(project: Project) -> dict[str, int]:
    live = project.server.by_id["1"]
    found = done_before(project.state.campaigns[LINE], live.packages)
    return {label: len(gateways) for label, gateways in found.items()}


def test_the_plan_says_who_has_finished_and_the_guard_trips() -> None:
    made = planned(world(), to(2))
    [row] = made.plan.impact.campaigns
    assert (row.devices.finished, row.devices.update) == (100, 20)
    [trip] = made.plan.guards
    assert trip == GuardTrip(
        "mayLeaveBehind",
        "Campaign/line: 100 gateways finished with fw-2.1.bin; the server may not run them again,"
        " so they may keep that",
        LINE,
        100,
        0,
        place=trip.place,
    )
    assert made.plan.findings == (), "it isn't said twice"


def test_where_it_is_allowed_it_is_said_all_the_same() -> None:
    made = planned(world(), to(2), mayLeaveBehind=True)
    assert made.plan.guards == ()
    [finding] = made.plan.findings
    assert (finding.code, finding.severity) == (LEFT_BEHIND, Severity.WARNING)
    assert finding.hint == "for those, too, declare a new campaign with the new packages"


@pytest.mark.parametrize(
    ("again", "said"), [(False, "the server does not run them again, so they keep that"), (True, "")]
)
def test_whether_they_run_again_is_a_fact_of_the_server(again: bool, said: str) -> None:
    project = world(facts=replace(PULSE, finished_run_again=again))
    made = applied(project, to(2))
    [row] = made.plan.impact.campaigns
    assert (row.devices.finished, row.devices.update) == (100, 120 if again else 20)
    assert [trip.message.partition("; ")[2] for trip in made.plan.guards] == ([said] if said else [])
    assert earlier(project) == ({} if again else {"fw-2.1.bin": 100})


def test_another_kind_of_server_has_states_of_its_own() -> None:
    states = {"a": "fine", "b": "sick", "c": "flashing"}
    live = MemoryCampaign("1", "line", "rolling", packages=("p-1",), gateways={*"abcd"}, states=states)
    project = Project(MemoryServer(live, packages=PACKAGES, facts=FACTS))
    project.own("line", "1")
    made = applied(project, to(2))
    assert made.plan.impact.devices.finished == 2
    assert earlier(project) == {"fw-2.1.bin": 2}


def test_nobody_has_finished_nothing_is_said() -> None:
    project = Project(
        MemoryServer(MemoryCampaign("1", "line", packages=("p-1",), gateways={"a"}), packages=PACKAGES)
    )
    project.own("line", "1")
    made = applied(project, to(2))
    assert (made.plan.guards, made.plan.findings, earlier(project)) == ((), (), {})


def test_what_is_remembered_stays_over_later_edits_and_back() -> None:
    project = world()
    applied(project, to(2))
    assert earlier(project) == {"fw-2.1.bin": 100}
    live = project.server.by_id["1"]
    live.states.update(dict.fromkeys(names(10, 100), DONE))
    made = applied(project, to(3))
    assert made.plan.guards[0].message.startswith(
        "Campaign/line: 100 gateways finished with fw-2.1.bin and 10 gateways finished with fw-2.2.bin; "
    )
    assert earlier(project) == {"fw-2.1.bin": 100, "fw-2.2.bin": 10}
    made = applied(project, to(1))
    assert made.plan.impact.devices.finished == 10, "the others have finished with just these"
    assert earlier(project) == {"fw-2.2.bin": 10}


def test_who_runs_again_is_forgotten() -> None:
    project = world()
    applied(project, to(2))
    live = project.server.by_id["1"]
    live.states.update({"gw-000": FLYING, "gw-001": "INSTANTIATED", "gw-002": "A_NEW_WORD"})
    made = planned(project, to(2, gateways=names(120)))
    assert made.plan.empty
    assert made.plan.records == (MembersForgotten(LINE, ("gw-000", "gw-001"), FINISHED),)
    project.state = fold(project.state, made.plan.records)
    assert earlier(project) == {"fw-2.1.bin": 98}


def test_who_leaves_is_not_left_behind_and_who_comes_back_begins_anew() -> None:
    project = world()
    made = applied(project, to(2, gateways=names(115, 5)))
    assert made.plan.impact.devices.finished == 95
    assert earlier(project) == {"fw-2.1.bin": 95}
    applied(project, to(2, gateways=names(110, 10)))
    assert earlier(project) == {"fw-2.1.bin": 90}
    applied(project, to(2, gateways=names(120)))
    assert earlier(project) == {"fw-2.1.bin": 90}


def test_packages_of_single_gateways_are_theirs() -> None:
    project = world(members={"packageOverrides": {'["p-3"]': frozenset({"gw-000", "gw-001"})}})
    project.server.by_id["1"].overrides = {"gw-000": ("p-3",), "gw-001": ("p-3",)}
    own: tuple[PackageRef, ...] = (PackageById("p-3"),)
    override = Override(frozenset({"gw-000", "gw-001"}), own)
    made = applied(project, to(2, overrides=(override,), gateways=names(120)))
    assert made.plan.impact.devices.finished == 98, "two keep what they have finished with"
    assert earlier(project) == {"fw-2.1.bin": 98}
    moved = Override(frozenset({"gw-000"}), (PackageById("p-1"),))
    made = applied(project, to(2, overrides=(moved,), gateways=names(120)))
    assert made.plan.impact.devices.finished == 2, "gw-000 gets fw-2.1.bin, gw-001 what the campaign has"
    assert earlier(project) == {"fw-2.1.bin": 98, "fw-2.3.bin": 2}


def test_an_edit_of_something_else_leaves_nobody_behind() -> None:
    made = planned(world(), desired(campaign(description="new")))
    assert (made.plan.guards, made.plan.findings) == ((), ())


def test_those_that_finish_before_it_is_applied_are_counted_again() -> None:
    project = world(0)
    project.server.by_id["1"].states.clear()
    made = planned(project, to(2))
    assert made.plan.guards == ()
    project.server.by_id["1"].states.update(dict.fromkeys(names(7), DONE))
    now = planned(project, to(2)).live
    again = reconsidered(made.plan, now, PULSE, {}, {}, state=project.state)
    assert [(trip.guard, trip.found) for trip in again.guards] == [(Guard.LEFT_BEHIND, 7)]
    allowed = reconsidered(made.plan, now, PULSE, {"mayLeaveBehind": True}, {}, state=project.state)
    assert ([f.code for f in allowed.findings], allowed.guards) == ([LEFT_BEHIND], ())
    waived = reconsidered(again, now, PULSE, {}, {"mayLeaveBehind": "agreed"}, state=project.state)
    assert (waived.tripped, waived.guards[0].waived) == ((), "agreed")


@pytest.mark.parametrize("limits", [{}, {"mayLeaveBehind": True}])
def test_counted_again_it_is_said_of_the_same_place(limits: dict[str, bool]) -> None:
    """Also where the plan was made under another limit: the place is in its guard, or in its finding."""
    project = world()
    made = planned(project, to(2), **limits)
    [place] = [each.place for each in (*made.plan.guards, *made.plan.findings)]
    assert place is not None
    for other in ({}, {"mayLeaveBehind": True}):
        again = reconsidered(made.plan, made.live, PULSE, other, {}, state=project.state)
        assert [each.place for each in (*again.guards, *again.findings)] == [place]


def test_the_same_work_has_the_same_digest_whoever_has_finished() -> None:
    few, many = planned(world(3), to(2)), planned(world(90), to(2))
    assert plan_digest(few.plan) == plan_digest(many.plan)


def test_many_are_remembered_in_parts() -> None:
    states = dict.fromkeys(map(str, range(25_000)), DONE)
    live = MemoryCampaign("1", "line", "STOPPED", packages=("p-1",), gateways=set(states), states=states)
    project = Project(MemoryServer(live, packages=PACKAGES))
    project.own("line", "1")
    made = planned(project, to(2))
    found = finished(made.plan, made.live.campaigns, project.state, PULSE)
    events = list(remembered(made.plan, found, PULSE))
    assert [len(event.gateways) for event in events] == [10_000, 10_000, 5_000]


def test_names_stay_though_the_server_loses_the_package() -> None:
    value = finished_value(("p-2", "p-1", "p-2"), {"p-1": "fw-2.1.bin"})
    assert finished_of(value) == {"p-1": "fw-2.1.bin", "p-2": "p-2"}


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ((), "no package"),
        (("p-1",), "fw-1"),
        (("p-3", "p-1", "p-2"), "fw-1, p-2, p-3"),
        (("p-3", "p-1", "p-2", "p-4"), "fw-1, p-2, p-3 and 1 more"),
    ],
)
def test_a_few_packages_are_named(ids: tuple[str, ...], said: str) -> None:
    assert _names(ids, Plan(None, package_names={"p-1": "fw-1"})) == said


def test_who_finished_with_packages_of_one_name_is_told_together() -> None:
    """Of the campaign's own as of those that single gateways have; who has what it is to have is not told."""
    then = {
        finished_value(["p-1"], {"p-1": "fw.bin"}): frozenset("ab"),
        finished_value(["p-9"], {"p-9": "fw.bin"}): frozenset("bc"),
        finished_value(["p-2"], {"p-2": "new.bin"}): frozenset("de"),
        finished_value([], {}): frozenset("f"),
    }
    own = {packages_value(["p-2"]): frozenset("a"), packages_value(["p-3"]): frozenset("e")}
    members = {FINISHED: then, "packageOverrides": own}
    owned = Owned(LINE, "1", Origin.CREATED, members=members)
    assert done_before(owned, ["p-2"]) == {
        "fw.bin": frozenset("abc"),
        "new.bin": frozenset("e"),
        "no package": frozenset("f"),
    }
    assert done_before(owned, ["p-1"]) == {
        "fw.bin": frozenset("abc"),
        "new.bin": frozenset("de"),
        "no package": frozenset("f"),
    }


def test_of_those_who_join_with_packages_of_their_own_nobody_has_finished() -> None:
    """Beside an edit: what they get changes nothing that they had."""
    edit = action(Verb.EDIT, LINE, fields=CampaignFields("line", "", ("p-2",)))
    assign = action(Verb.OVERRIDE, LINE, gateways=("new",), packages=("p-3",))
    groups = tuple(
        StepGroup(str(at), each, PULSE.operations["edit-campaign"], 0)
        for at, each in enumerate((edit, assign))
    )
    live = LiveCampaign("1", "line", "READY", Phase.READY, packages=("p-1",))
    live = replace(live, gateways=Membership({DONE: frozenset("ab"), FLYING: frozenset("c")}))
    changes = (Change(LINE, "packages", ["p-1"], ["p-2"], Reason.DIFFERS),)
    plan = Plan(SERVER, groups, changes=changes)
    found = finished(plan, {LINE: live}, State("lineage", "5a17"), PULSE)
    assert found == {LINE: {frozenset(["p-1"]): frozenset("ab")}}


@pytest.mark.parametrize(
    ("before", "after", "alike"),
    [
        (["a", "b"], ["b", "a"], True),
        (["a", "b"], ["b", "a", "b"], True),
        ([], [], True),
        (["a"], ["b"], False),
        (["a"], ["a", "b"], False),
        # Who joins had none; what is still to be uploaded is none that anybody has.
        (None, ["a"], False),
        (["a"], None, False),
        (None, None, False),
        ([{"upload": "fw.bin"}], [{"upload": "fw.bin"}], False),
        (["a"], [{"upload": "fw.bin"}], False),
    ],
)
def test_whether_a_gateway_keeps_what_it_has(before: object, after: object, alike: bool) -> None:
    assert _alike(before, after) is alike
