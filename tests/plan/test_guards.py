"""Guards: each at, under and over its limit; what counts and what doesn't; what a waiver does."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.app.pipeline import guard_basis
from reconciler.model import (
    Desired,
    DesiredRollout,
    DesiredStatus,
    DistributionList,
    Finding,
    Live,
    LivePackage,
    OnRemove,
    Phase,
    Place,
    ResourceId,
    RolloutRecord,
    Severity,
    StepGroup,
    Verb,
)
from reconciler.plan import Plan
from reconciler.plan.fingerprints import fingerprints, touched_of
from reconciler.plan.guards import (
    DEFAULTS,
    Basis,
    Guard,
    ended_formers,
    guarded,
    interrupted,
    reconsidered,
    trips,
    waive,
)
from reconciler.plan.model import CampaignImpact, GuardTrip, Impact
from reconciler.plan.touched import touched_by
from reconciler.providers.base import Facts
from reconciler.reading import read
from reconciler.settings import GitWaiver
from reconciler.state.base import Origin
from reconciler.validation.schemas import schema
from tests.actions import action
from tests.fakes import PULSE, Project, campaign, desired, file, rid
from tests.memory_provider import IMMUTABLE, SERVER, MemoryCampaign, MemoryServer

DELETES, STARTS = Guard.DELETES, Guard.STARTS
OPERATION = PULSE.operations["edit-campaign"]
STARTED, STOPPED = DesiredStatus.STARTED, DesiredStatus.STOPPED


def names(count: int) -> list[str]:
    return [f"gw-{number:04}" for number in range(count)]


def planned(project: Project, wanted: Desired, *, given_up: int = 0, **options: bool) -> tuple[Plan, Basis]:
    """A plan, and what guards ask of what it was made from."""
    made = project.draft(wanted, **options)
    project.server.log.clear()
    return made.plan, asyncio.run(guard_basis(made, project.server, given_up=given_up))


def found(
    project: Project, wanted: Desired, limits: Mapping[str, Any] | None = None, **options: bool
) -> list[tuple[str, str | None, int, int]]:
    """The guards that a plan for `wanted` trips: name, campaign, found, limit."""
    tripped = trips(*planned(project, wanted, **options), limits or {})
    assert all(trip.found > trip.limit for trip in tripped)
    return [(t.guard, t.resource.name if t.resource else None, t.found, t.limit) for t in tripped]


def live_campaign(members: int = 0, status: str = "STOPPED", **more: Any) -> Project:
    """One campaign of ours, ``line``, with so many gateways."""
    project = Project(MemoryServer(MemoryCampaign("1", "line", status, gateways=set(names(members)), **more)))
    project.own("line", "1")
    return project


# --- maxGatewaysRemovedPercent ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "lost", "percent", "limit"),
    # limit: how many may go, None where the guard doesn't trip.
    [
        (100, 30, None, None),
        (100, 31, None, 30),
        (10, 3, None, None),
        (10, 4, None, 3),
        (9, 8, None, None),
        (11, 3, None, None),
        (11, 4, None, 3),
        (100, 1, 0, 0),
        (100, 99, 100, None),
        (1000, 301, 30.1, None),
        (1000, 302, 30.1, 301),
        (1000, 290, 29, None),
        (1000, 291, 29, 290),
        (1000, 8, 0.7, 7),
        (1000, 7, 0.7, None),
    ],
)
def test_gateways_removed(members: int, lost: int, percent: float | None, limit: int | None) -> None:
    project = live_campaign(members)
    wanted = desired(campaign("line", gateways=names(members)[lost:]))
    limits = {} if percent is None else {"maxGatewaysRemovedPercent": percent}
    expected = [] if limit is None else [("maxGatewaysRemovedPercent", "line", lost, limit)]
    assert found(project, wanted, limits) == expected


@given(members=st.integers(1, 400), lost=st.integers(0, 400), tenths=st.integers(0, 1000))
def test_gateways_removed_is_exact(members: int, lost: int, tenths: int) -> None:
    lost = min(lost, members - 1)
    project = live_campaign(members)
    plan, basis = planned(project, desired(campaign("line", gateways=names(members)[lost:])))
    percent = tenths / 10
    tripped = trips(plan, basis, {"maxGatewaysRemovedPercent": percent})
    counts = members >= 10 or lost == members
    assert bool(tripped) == (counts and 1000 * lost > tenths * members)


def test_those_who_join_make_up_for_nobody() -> None:
    project = live_campaign(10)
    wanted = desired(campaign("line", gateways=[*names(10)[4:], "new-1", "new-2", "new-3", "new-4"]))
    assert found(project, wanted) == [("maxGatewaysRemovedPercent", "line", 4, 3)]


def test_each_campaign_is_counted_for_itself() -> None:
    fakes = [MemoryCampaign(name, name, gateways=set(names(10))) for name in "cab"]
    project = Project(MemoryServer(*fakes))
    for name in "abc":
        project.own(name, name)
    lost = {"a": 4, "b": 3, "c": 5}
    wanted = desired(*(campaign(name, gateways=names(10)[count:]) for name, count in lost.items()))
    assert found(project, wanted) == [
        ("maxGatewaysRemovedPercent", "a", 4, 3),
        ("maxGatewaysRemovedPercent", "c", 5, 3),
    ]


def test_only_those_that_leave_by_this_plan_count() -> None:
    """Under a distribution list the others stay."""
    project = live_campaign(20, distribution=DistributionList("list-1"))
    assert found(project, desired(campaign("line", gateways=["gw-0000"]))) == []


# --- maxDeletes ------------------------------------------------------------------------------------


def of_many(count: int, status: str = "STOPPED", **more: Any) -> Project:
    fakes = [MemoryCampaign(name, name, status) for name in names(count)]
    project = Project(MemoryServer(*fakes))
    for name in names(count):
        project.own(name, name, **more)
    return project


@pytest.mark.parametrize(
    ("count", "limit", "tripped"), [(10, None, False), (11, None, True), (1, 0, True), (12, 12, False)]
)
def test_campaigns_deleted(count: int, limit: int | None, tripped: bool) -> None:
    limits = {} if limit is None else {"maxDeletes": limit}
    expected = [("maxDeletes", None, count, 10 if limit is None else limit)] if tripped else []
    assert found(of_many(count), desired(), limits, prune=True) == expected


def test_what_is_given_up_or_left_is_not_deleted() -> None:
    assert found(of_many(20, on_remove=OnRemove.ABANDON), desired(), prune=True) == []
    assert found(of_many(20), desired()) == []


@pytest.mark.parametrize(("count", "tripped"), [(10, False), (11, True)])
def test_packages_deleted(count: int, tripped: bool) -> None:
    project = Project()
    for number in range(count):
        stored = file(f"content {number}", f"fw-{number}.bin")
        project.uploaded(stored, f"p-{number}")
        project.server.stored[f"p-{number}"] = LivePackage(f"p-{number}", "fw.bin")
    expected = [("maxDeletes", None, count, 10)] if tripped else []
    assert found(project, desired(), prune=True) == expected


def test_campaigns_and_packages_are_counted_apart() -> None:
    project = of_many(2)
    for number in range(2):
        project.uploaded(file(str(number)), f"p-{number}")
        project.server.stored[f"p-{number}"] = LivePackage(f"p-{number}", "fw.bin")
    assert found(project, desired(), {"maxDeletes": 2}, prune=True) == []
    tripped = trips(*planned(project, desired(), prune=True), {"maxDeletes": 1})
    assert [trip.message for trip in tripped] == [
        "2 campaigns would be deleted (Campaign/gw-0000, Campaign/gw-0001); the limit is 1",
        "2 packages would be deleted (p-0, p-1); the limit is 1",
    ]


# --- maxStarts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "limit", "tripped"), [(10, None, False), (11, None, True), (1, 0, True), (12, 12, False)]
)
def test_starts(count: int, limit: int | None, tripped: bool) -> None:
    wanted = desired(*(campaign(name, status=STARTED) for name in names(count)))
    limits = {} if limit is None else {"maxStarts": limit}
    expected = [("maxStarts", None, count, 10 if limit is None else limit)] if tripped else []
    assert found(Project(), wanted, limits) == expected
    assert found(of_many(count), wanted, limits) == expected


def test_a_start_that_closes_a_bracket_is_none() -> None:
    wanted = desired(*(campaign(name, description="new", status=STARTED) for name in names(3)))
    project = of_many(3, "STARTED")
    assert sum("start-campaign" in step for step in project.plan(wanted)) == 3
    assert found(project, wanted, {"maxStarts": 0}) == []
    # Nor is one that an earlier run left to be done.
    assert found(of_many(3, return_to=STARTED), wanted, {"maxStarts": 0}) == []


def test_many_names_are_cut() -> None:
    wanted = desired(*(campaign(name, status=STARTED) for name in names(1200)))
    (trip,) = trips(*planned(Project(), wanted), {})
    assert trip.message == (
        "1,200 campaigns would be started (Campaign/gw-0000, Campaign/gw-0001, Campaign/gw-0002"
        " and 1,197 more); the limit is 10"
    )


# --- maxInFlightInterrupted ------------------------------------------------------------------------

FLYING = {"gw-0000": "WAITING_FOR_DOWNLOAD", "gw-0001": "SCHEDULED_EXECUTION", "gw-0002": "BEWILDERED"}
"""Of five: these are in flight, the fourth is done, the fifth has not begun."""
STATES = {**FLYING, "gw-0003": "ACTIVATION_COMPLETE"}


def flying(status: str = "STARTED", **more: Any) -> Project:
    return live_campaign(5, status, states=dict(STATES), **more)


WAYS: dict[str, tuple[str, dict[str, Any] | None, int]] = {
    # status, what is declared of the campaign (None: nothing, and pruned), gateways interrupted
    "a stop": ("STARTED", {"status": STOPPED}, 3),
    "a bracket": ("STARTED", {"description": "new"}, 3),
    "a deletion": ("STARTED", None, 3),
    "a deletion of what is stopped": ("STOPPED", None, 3),
    "nothing": ("STARTED", {}, 0),
    "an edit of what is stopped": ("STOPPED", {"description": "new"}, 0),
    "removed while it runs": ("STARTED", {"gateways": names(5)[2:]}, 2),
    "removed while it runs, and not in flight": ("STARTED", {"gateways": names(5)[:3]}, 0),
    "removed while it is stopped": ("STOPPED", {"gateways": names(5)[2:]}, 0),
    "removed while nobody knows": ("STRANGE", {"gateways": names(5)[2:]}, 2),
    "closed while it runs": ("STARTED", {"closed": names(5)[1:]}, 2),
    "closed while it is stopped": ("STOPPED", {"closed": names(5)[1:]}, 0),
    "removed and closed": ("STARTED", {"gateways": names(5)[1:], "closed": ["gw-0001"]}, 2),
    "removed in a bracket": ("STARTED", {"gateways": names(5)[2:], "description": "new"}, 3),
    "removed from what is stopped for good": (
        "STARTED",
        {"gateways": names(5)[2:], "status": STOPPED},
        3,
    ),
    "added while it runs": ("STARTED", {"gateways": [*names(5), "new"]}, 0),
}


@pytest.mark.parametrize("way", WAYS)
def test_in_flight(way: str) -> None:
    status, fields, count = WAYS[way]
    wanted = desired() if fields is None else desired(campaign("line", **fields))
    limits: dict[str, Any] = {"allowEmpty": True}
    expected = [("maxInFlightInterrupted", "line", count, 0)] if count else []
    assert found(flying(status), wanted, limits, prune=True) == expected
    for limit in (count - 1, count):
        more = found(flying(status), wanted, {**limits, "maxInFlightInterrupted": limit}, prune=True)
        assert bool(more) == (limit < count) or limit < 0


@pytest.mark.parametrize("way", WAYS)
def test_what_is_in_flight_is_asked_again_of_what_is_read_again(way: str) -> None:
    """Whatever was in flight when the plan was made: what its fingerprints make it read says who is now."""
    status, fields, count = WAYS[way]
    wanted = desired() if fields is None else desired(campaign("line", **fields))
    project = flying(status)
    plan, basis = planned(project, wanted, prune=True)
    touched = touched_of(
        fingerprints(plan, touched_by(plan, basis.live, project.state), basis.live, project.state)
    )
    live = asyncio.run(read(touched.scope, project.server))
    others = (GuardTrip(Guard.STARTS, "many"), GuardTrip(Guard.SETTINGS, "wiped"), GuardTrip("new", "one"))
    for before in ((), (GuardTrip(Guard.IN_FLIGHT, "as it was", found=99),)):
        made = replace(plan, guards=(*others[:1], *before, *others[1:]))
        waivers = {Guard.IN_FLIGHT: "agreed"}
        again = reconsidered(
            waive(made, waivers), live, project.server.facts, {}, waivers, state=project.state
        )
        found_ = [(t.guard, t.found, t.waived) for t in again.guards if t not in others]
        assert found_ == ([("maxInFlightInterrupted", count, "agreed")] if count else [])
        rest = [trip.guard for trip in again.guards if trip.guard != Guard.IN_FLIGHT]
        assert rest == ["maxStarts", "mayLoseSettings", "new"]
        assert (again.guards[1].guard == Guard.IN_FLIGHT) == bool(count)
        notes = [each for each in again.findings if each.code == "waiver-not-needed"]
        assert len(notes) == (0 if count else 1), "said once, and only where nothing calls for it"
        assert (
            reconsidered(
                made, live, project.server.facts, {Guard.IN_FLIGHT: 3}, {}, state=project.state
            ).guards
            == others
        )


@pytest.mark.parametrize(
    ("facts", "target", "successor", "ended"),
    [
        (IMMUTABLE, "1", "2", {"1": rid("line")}),
        (IMMUTABLE, "1", None, {}),
        (IMMUTABLE, None, None, {}),
        (replace(IMMUTABLE, interrupting=frozenset()), "1", "2", {}),
    ],
)
def test_campaigns_that_an_earlier_run_replaced_count_where_their_end_interrupts(
    facts: Facts, target: str | None, successor: str | None, ended: dict[str, ResourceId]
) -> None:
    end = action(Verb.END, rid("line"), target=target, successor=successor)
    others = (action(Verb.DELETE, rid("line"), target="7"), action(Verb.STOP, rid("other"), target="8"))
    groups = tuple(StepGroup(str(at), each, OPERATION, 0) for at, each in enumerate((end, *others)))
    assert ended_formers(Plan(SERVER, groups), facts) == ended
    whole = {rid("line")} if Verb.DELETE in facts.interrupting else set()
    assert interrupted(Plan(SERVER, groups), facts) == whole, "the campaign that is deleted"
    left = interrupted(Plan(SERVER, groups[:1]), facts)
    assert left == (whole if successor is None else set()), "who is in the one before is read by its id"


def test_who_is_closed_is_not_in_flight() -> None:
    project = flying(closed={"gw-0000", "gw-0003"})
    assert found(project, desired(campaign("line", status=STOPPED))) == [
        ("maxInFlightInterrupted", "line", 2, 0)
    ]


def test_it_is_about_the_whole_plan() -> None:
    fakes = [MemoryCampaign(n, n, "STARTED", gateways=set(names(5)), states=dict(STATES)) for n in "ab"]
    project = Project(MemoryServer(*fakes))
    for name in "ab":
        project.own(name, name)
    wanted = desired(*(campaign(name, status=STOPPED) for name in "ab"))
    assert found(project, wanted, {"maxInFlightInterrupted": 6}) == []
    (trip,) = trips(*planned(project, wanted), {"maxInFlightInterrupted": 5})
    assert (trip.resource, trip.found, trip.limit) == (None, 6, 5)
    assert trip.message == (
        "6 gateways in the middle of an update would be interrupted (3 in Campaign/a, 3 in Campaign/b);"
        " the limit is 5"
    )


@pytest.mark.parametrize(
    ("status", "fields", "reads"),
    [
        ("STARTED", {"status": STOPPED}, ["gateways 1"]),
        ("STARTED", {"description": "new"}, ["gateways 1"]),
        ("STARTED", None, ["gateways 1"]),
        ("STOPPED", None, ["gateways 1"]),
        ("STARTED", {"gateways": names(4), "status": STOPPED}, []),
        ("STARTED", {"gateways": names(4)}, []),
        ("STARTED", {}, []),
        ("STOPPED", {"description": "new", "status": STARTED}, []),
    ],
)
def test_members_are_read_once_and_only_to_know(
    status: str, fields: dict[str, Any] | None, reads: list[str]
) -> None:
    project = flying(status)
    wanted = desired() if fields is None else desired(campaign("line", **fields))
    planned(project, wanted, prune=True)
    assert project.server.log == reads


WORDS = tuple(PULSE.states)


@pytest.mark.parametrize("state", [*WORDS, "", "SOMETHING_NEW"])
def test_what_is_in_flight_is_for_the_provider_to_say(state: str) -> None:
    """From SCHEDULED_DOWNLOAD on, until a final state; what nobody knows may be."""
    idle = WORDS[: WORDS.index("SCHEDULED_DOWNLOAD")]
    assert PULSE.in_flight(state) == (state not in (*idle, "ACTIVATION_COMPLETE", "FAILED"))


# --- allowEmpty ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "gateways", "tripped"),
    [(3, [], True), (1, [], True), (3, ["gw-0000"], False), (3, ["new"], False), (0, [], False)],
)
def test_a_campaign_that_loses_all(members: int, gateways: list[str], tripped: bool) -> None:
    wanted = desired(campaign("line", gateways=gateways))
    expected = [("allowEmpty", "line", members, 0)] if tripped else []
    part = {"maxGatewaysRemovedPercent": 100}
    assert found(live_campaign(members), wanted, part) == expected
    assert found(live_campaign(members), wanted, {**part, "allowEmpty": True}) == []


@pytest.mark.parametrize(
    ("members", "gateways", "lost"),
    # Where all would go, a small campaign counts as well, whoever comes in their place.
    [(1, [], 1), (3, ["new"], 3), (9, ["new-1", "new-2"], 9), (3, ["gw-0000"], None), (0, ["new"], None)],
)
def test_all_of_a_few_gateways(members: int, gateways: list[str], lost: int | None) -> None:
    wanted = desired(campaign("line", gateways=gateways))
    limit = members * 30 // 100
    expected = [] if lost is None else [("maxGatewaysRemovedPercent", "line", lost, limit)]
    assert found(live_campaign(members), wanted, {"allowEmpty": True}) == expected


def test_a_deleted_campaign_is_not_emptied() -> None:
    assert found(live_campaign(3), desired(), prune=True) == []


def test_a_project_that_declares_nothing() -> None:
    plan, basis = planned(of_many(3), desired(), given_up=3, prune=True)
    (trip,) = trips(plan, basis, {})
    assert (trip.guard, trip.resource, trip.found, trip.limit) == ("allowEmpty", None, 3, 0)
    assert trip.message == (
        "no resource is declared at all,"
        " and --prune would give up all that is ours (3 campaigns and packages)"
    )
    assert trips(plan, basis, {"allowEmpty": True}) == ()


# --- mayLoseSettings -------------------------------------------------------------------------------


def adopted(description: str = "old", status: str = "STOPPED") -> Project:
    project = Project(MemoryServer(MemoryCampaign("1", "line", status, description)))
    project.own("line", "1", Origin.ADOPTED)
    return project


def test_an_edit_that_could_wipe_settings() -> None:
    wanted = desired(campaign("line", description="new"))
    assert found(adopted(), wanted) == [("mayLoseSettings", "line", 1, 0)]
    plan, basis = planned(adopted(), wanted)
    (said,) = (finding for finding in plan.findings if finding.code == "may-lose-settings")
    made = guarded(plan, basis, {}, {})
    assert [(trip.message, trip.place) for trip in made.guards] == [(said.message, said.place)]
    assert made.findings == (), "it is said once"


def test_where_it_is_allowed_it_is_a_warning() -> None:
    plan, basis = planned(adopted(), desired(campaign("line", description="new")))
    made = guarded(plan, basis, {"mayLoseSettings": True}, {})
    assert made.guards == ()
    assert [(f.code, f.severity) for f in made.findings] == [("may-lose-settings", Severity.WARNING)]


def test_without_an_edit_nothing_is_wiped() -> None:
    assert found(adopted(), desired(campaign("line", description="old", gateways=["a"]))) == []
    # Nor where the edit is refused for another reason.
    strange = adopted(status="STRANGE")
    assert strange.server.facts.phase("STRANGE") is Phase.UNKNOWN
    plan, basis = planned(strange, desired(campaign("line", description="new")))
    assert {finding.code for finding in plan.findings} == {"may-lose-settings", "unknown-status"}
    assert guarded(plan, basis, {}, {}) == plan


# --- all together ----------------------------------------------------------------------------------


def test_the_limits_are_those_of_the_design() -> None:
    assert dict(DEFAULTS) == {
        "maxGatewaysRemovedPercent": 30,
        "maxDeletes": 10,
        "maxStarts": 10,
        "maxInFlightInterrupted": 0,
        "allowEmpty": False,
        "mayLoseSettings": False,
        "mayLeaveBehind": False,
        "allowAllMissing": False,
        "mayReleaseAtOnce": False,
    }
    assert list(DEFAULTS) == list(Guard)


def test_all_that_are_tripped_are_named_at_once() -> None:
    project = live_campaign(10, "STARTED", states={"gw-0000": "DOWNLOAD_COMPLETE"})
    wanted = desired(campaign("line", gateways=[]), *(campaign(n, status=STARTED) for n in names(11)))
    assert found(project, wanted) == [
        ("maxGatewaysRemovedPercent", "line", 10, 3),
        ("maxStarts", None, 11, 10),
        ("maxInFlightInterrupted", "line", 1, 0),
        ("allowEmpty", "line", 10, 0),
    ]


def test_an_empty_plan_trips_nothing() -> None:
    strict = {
        **dict.fromkeys(DEFAULTS, 0),
        "allowEmpty": False,
        "mayLoseSettings": False,
        "mayLeaveBehind": False,
    }
    assert found(flying(), desired(campaign("line", gateways=names(5))), strict) == []


def two_trips() -> tuple[Plan, Basis]:
    return planned(live_campaign(10), desired(campaign("line", gateways=[])))


def standing(plan: Plan) -> list[str]:
    return [trip.guard for trip in plan.tripped]


def test_a_waiver_waives_that_one() -> None:
    made = guarded(*two_trips(), {}, {"allowEmpty": "the hall is closed"})
    assert [(trip.guard, trip.waived) for trip in made.guards] == [
        ("maxGatewaysRemovedPercent", None),
        ("allowEmpty", "the hall is closed"),
    ]
    assert standing(made) == ["maxGatewaysRemovedPercent"]
    both = waive(made, {"maxGatewaysRemovedPercent": "so it is"})
    assert standing(both) == []
    assert [trip.waived for trip in both.guards] == ["so it is", "the hall is closed"], "it stays waived"


def test_a_waiver_that_is_not_needed_is_a_note_and_does_no_harm() -> None:
    made = guarded(*two_trips(), {}, {"maxStarts": "why not", "maxDeletes": "why not"})
    assert standing(made) == ["maxGatewaysRemovedPercent", "allowEmpty"]
    notes = [f for f in made.findings if f.code == "waiver-not-needed"]
    assert [f.message.split()[0] for f in notes] == ["maxDeletes", "maxStarts"]
    assert {f.severity for f in notes} == {Severity.NOTE}


def test_a_waiver_of_a_guard_that_trips_twice_is_for_both() -> None:
    plan = Plan(SERVER, guards=(GuardTrip(DELETES, "a", None, 2, 1), GuardTrip(DELETES, "b", None, 3, 1)))
    assert waive(plan, {DELETES: "spring cleaning"}).tripped == ()
    assert standing(waive(plan, {STARTS: "x"})) == [DELETES, DELETES]


def git(guard: str, campaign: str | None = None, reason: str = "agreed", until: int = 10) -> GitWaiver:
    return GitWaiver(
        guard, reason, until, rid(campaign) if campaign else None, Place("reconciler.yaml", 7, 5)
    )


@pytest.mark.parametrize(
    ("campaigns", "passes"),
    [([], False), (["line"], True), (["other"], False), (["other", "line"], True), ([None], True)],
)
def test_a_waiver_in_git_is_for_its_campaign(campaigns: list[str | None], passes: bool) -> None:
    waivers = [git(Guard.EMPTY, name) for name in campaigns]
    made = guarded(*two_trips(), {"maxGatewaysRemovedPercent": 100}, {}, waivers)
    (trip,) = made.guards
    assert (trip.waived, trip.until) == (("agreed", 10) if passes else (None, None))
    assert trip.waived_at == (Place("reconciler.yaml", 7, 5) if passes else None)
    assert bool(made.tripped) is not passes
    assert not [each for each in made.findings if each.code == "waiver-not-needed"], "it may wait in Git"


def test_of_waivers_for_all_campaigns_the_one_that_lasts_longest_counts() -> None:
    waivers = [git(Guard.EMPTY), git(Guard.EMPTY, reason="longer", until=20), git(Guard.EMPTY, until=15)]
    (trip,) = guarded(*two_trips(), {"maxGatewaysRemovedPercent": 100}, {}, waivers).guards
    assert (trip.waived, trip.until) == ("longer", 20)


def test_a_waiver_in_git_is_for_its_guard() -> None:
    assert standing(guarded(*two_trips(), {}, {}, [git(Guard.DELETES)])) == [
        "maxGatewaysRemovedPercent",
        "allowEmpty",
    ]


def many(count: int) -> tuple[Plan, Basis]:
    project = Project(MemoryServer())
    return planned(project, desired(*(campaign(name, status=STARTED) for name in names(count))))


@pytest.mark.parametrize(("waived", "passes"), [(0, False), (1, False), (2, True), (12, True)])
def test_those_that_git_lets_pass_are_taken_off_a_sum(waived: int, passes: bool) -> None:
    """12 would start, and 10 may: with two of them waived the others are as many as may."""
    waivers = [git(STARTS, name, until=20 - at) for at, name in enumerate(names(waived))]
    made = guarded(*many(12), {}, {}, waivers)
    assert bool(made.tripped) is not passes
    if passes:
        assert made.guards[0].until == 21 - waived, "as long as the first of them holds"


def test_of_gateways_in_flight_each_campaign_counts_its_own() -> None:
    live = [
        MemoryCampaign(key, key, "STARTED", gateways={f"{key}-1"}, states={f"{key}-1": "DOWNLOAD_COMPLETE"})
        for key in ("a", "b")
    ]
    project = Project(MemoryServer(*live))
    for each in live:
        project.own(each.name, each.id)
    plan, basis = planned(project, desired(campaign("a", status=STOPPED), campaign("b", status=STOPPED)))
    for waivers, stands in (
        ([git(Guard.IN_FLIGHT, "a")], True),
        ([git(Guard.IN_FLIGHT, each) for each in "ab"], False),
    ):
        assert bool(guarded(plan, basis, {}, {}, waivers).tripped) is stands
        assert bool(guarded(plan, basis, {Guard.IN_FLIGHT: 1}, {}, waivers).tripped) is False


def test_what_git_waived_when_a_plan_was_saved_is_asked_again() -> None:
    saved = guarded(*two_trips(), {}, {}, [git(Guard.EMPTY), git(Guard.GATEWAYS_REMOVED)])
    assert standing(saved) == []
    assert standing(waive(saved, {})) == ["maxGatewaysRemovedPercent", "allowEmpty"]
    by_hand = waive(saved, {"allowEmpty": "now"}, [git(Guard.GATEWAYS_REMOVED, reason="still")])
    assert [(trip.waived, trip.until) for trip in by_hand.guards] == [("still", 10), ("now", None)]


@pytest.mark.parametrize(
    ("owned", "there", "trips_"), [(2, 0, 2), (3, 0, 3), (1, 0, 0), (2, 1, 0), (0, 0, 0)]
)
def test_a_server_that_has_nothing_of_ours(owned: int, there: int, trips_: int) -> None:
    ids = names(owned)
    project = Project(MemoryServer(*(MemoryCampaign(each, each, "STOPPED") for each in ids[:there])))
    for each in ids:
        project.own(each, each)
    wanted = desired(*(campaign(each) for each in ids), campaign("new"))
    assert found(project, wanted) == ([("allowAllMissing", None, trips_, 0)] if trips_ else [])
    assert found(project, wanted, {"allowAllMissing": True}) == []


def test_campaigns_that_were_all_made_anew_by_hand_are_there() -> None:
    project = Project(MemoryServer(*(MemoryCampaign(f"new-{n}", n, "STOPPED") for n in "ab")))
    for each in "ab":
        project.own(each, each)
    wanted = desired(*(campaign(each) for each in "ab"))
    assert found(project, wanted, adopt=True) == []


def test_of_those_that_nobody_declares_any_more_none_is_there() -> None:
    project = Project(MemoryServer())
    for each in "ab":
        project.own(each, each)
    assert found(project, desired(campaign("new")), prune=True) == [("allowAllMissing", None, 2, 0)]


def test_the_place_is_that_of_the_gateway_lists() -> None:
    lists = Place("line.yaml", 7, 3)
    wanted = desired(campaign("line", gateways=[], places={"gatewayLists": lists}))
    tripped = {trip.guard: trip.place for trip in trips(*planned(live_campaign(10), wanted), {})}
    assert tripped == {Guard.GATEWAYS_REMOVED: lists, Guard.EMPTY: lists}


def test_a_million_gateways_are_counted_in_sets() -> None:
    many = frozenset(f"gw-{number}" for number in range(200_000))
    project = live_campaign(0, "STARTED")
    project.server.by_id["1"].gateways = set(many)
    project.server.by_id["1"].states = dict.fromkeys(many, "WAITING_FOR_DOWNLOAD")
    assert found(project, desired(campaign("line", status=STOPPED))) == [
        ("maxInFlightInterrupted", "line", 200_000, 0)
    ]


# --- whatever order a plan's lines have ------------------------------------------------------------


def shuffled(project: Project, wanted: Desired, **options: bool) -> tuple[Plan, Basis]:
    plan, basis = planned(project, wanted, **options)
    return replace(plan, groups=plan.groups[::-1], changes=plan.changes[::-1]), basis


def test_campaigns_are_named_in_order_whatever_order_the_groups_have() -> None:
    everything = {"maxDeletes": 0, "maxStarts": 0, "maxGatewaysRemovedPercent": 0}
    project = of_many(4)
    for number in (3, 1, 2):
        project.uploaded(file(str(number)), f"p-{number}")
        project.server.stored[f"p-{number}"] = LivePackage(f"p-{number}", "fw.bin")
    first = [
        trip.message.partition("(")[2]
        for trip in trips(*shuffled(project, desired(), prune=True), everything)
    ]
    assert [each.partition(")")[0] for each in first] == [
        "Campaign/gw-0000, Campaign/gw-0001, Campaign/gw-0002 and 1 more",
        "p-1, p-2, p-3",
    ]
    started = desired(*(campaign(name, status=STARTED) for name in names(3)))
    (trip,) = trips(*shuffled(of_many(3), started), everything)
    assert "(Campaign/gw-0000, Campaign/gw-0001, Campaign/gw-0002)" in trip.message


def test_memberships_and_interruptions_are_told_in_order() -> None:
    fakes = [
        MemoryCampaign(name, name, "STARTED", gateways=set(names(10)), states={"gw-0000": "FLYING"})
        for name in "hgfedcba"
    ]
    project = Project(MemoryServer(*fakes))
    for name in "abcdefgh":
        project.own(name, name)
    wanted = desired(*(campaign(name, gateways=(), description="new") for name in "abcdefgh"))
    found_ = trips(*shuffled(project, wanted), {})
    assert [trip.resource.name for trip in found_ if trip.resource] == [*"abcdefgh", *"abcdefgh"]
    (flying_,) = (trip for trip in found_ if trip.guard == Guard.IN_FLIGHT)
    assert "(1 in Campaign/a, 1 in Campaign/b, 1 in Campaign/c and 5 more)" in flying_.message


def test_every_waiver_that_is_not_needed_is_told_in_order() -> None:
    plan = waive(Plan(SERVER), dict.fromkeys(map(str, Guard), "x"))
    assert [each.message.partition(" ")[0] for each in plan.findings] == sorted(map(str, Guard))
    (one,) = waive(plan, {Guard.STARTS: "x"}).findings
    assert one == Finding(
        "waiver-not-needed",
        "maxStarts was waived, and nothing in this plan trips it",
        hint="leave the waiver out next time, or it lets pass what it was not meant for",
        severity=Severity.NOTE,
    )


def test_nothing_is_given_up_unless_it_is_said() -> None:
    assert trips(Plan(SERVER), Basis(desired(), Live(), PULSE, 0, 0, {}), {}) == ()


# --- what is said ----------------------------------------------------------------------------------


def messages(project: Project, wanted: Desired, limits: Mapping[str, Any] | None = None) -> list[str]:
    return [trip.message for trip in trips(*planned(project, wanted, prune=True), limits or {})]


@pytest.mark.parametrize(
    ("members", "what"),
    [(1, "its only gateway"), (2, "all of its 2 gateways"), (1000, "all of its 1,000 gateways")],
)
def test_how_a_campaign_loses_all_is_said(members: int, what: str) -> None:
    limits = {"maxGatewaysRemovedPercent": 100}
    said = messages(live_campaign(members), desired(campaign("line", gateways=[])), limits)
    assert said == [f"Campaign/line would lose {what}"]


@pytest.mark.parametrize(
    ("percent", "said"), [(20, "2 (20 %)"), (20.0, "2 (20 %)"), (20.5, "2 (20.5 %)"), (0, "0 (0 %)")]
)
def test_how_many_may_go_is_said(percent: float, said: str) -> None:
    wanted = desired(campaign("line", gateways=names(10)[4:]))
    assert messages(live_campaign(10), wanted, {"maxGatewaysRemovedPercent": percent}) == [
        f"Campaign/line would lose 4 of its 10 gateways; at most {said} may go at once"
    ]


@pytest.mark.parametrize(("limit", "said"), [(0, "the limit is 0"), (1, "the limit is 1")])
def test_how_many_there_may_be_is_said(limit: int, said: str) -> None:
    (message,) = messages(of_many(2), desired(), {"maxDeletes": limit})
    assert message == f"2 campaigns would be deleted (Campaign/gw-0000, Campaign/gw-0001); {said}"


def test_one_is_said_as_one() -> None:
    assert messages(of_many(1), desired(), {"maxDeletes": 0}) == [
        "1 campaign would be deleted (Campaign/gw-0000); the limit is 0"
    ]
    one = live_campaign(1, "STARTED", states={"gw-0000": "FLYING"})
    assert messages(one, desired(campaign("line", status=STOPPED))) == [
        "1 gateway in the middle of an update would be interrupted (1 in Campaign/line); the limit is 0"
    ]


def test_only_what_an_edit_may_lose_is_held_against_it_in_the_order_of_files() -> None:
    project = Project(MemoryServer(*(MemoryCampaign(n, n, description="old", closed={"a"}) for n in "ba")))
    for name in "ab":
        project.own(name, name, Origin.ADOPTED)
    wanted = desired(*(campaign(name, description="new", closed=()) for name in "ab"))
    plan, basis = planned(project, wanted)
    assert {found_.code for found_ in plan.findings} == {"cannot-undo", "may-lose-settings"}
    for findings in (plan.findings, plan.findings[::-1]):
        tripped = trips(replace(plan, findings=findings), basis, {})
        assert [(t.guard, t.resource and t.resource.name) for t in tripped] == [
            ("mayLoseSettings", "a"),
            ("mayLoseSettings", "b"),
        ]


def test_what_is_in_flight_is_not_known_where_it_was_not_read() -> None:
    project = flying()
    made = project.draft(desired(campaign("line", status=STOPPED)))
    assert trips(made.plan, Basis(made.desired, made.live, project.server.facts, 0, 0, {}), {}) == ()


def test_the_schema_knows_every_guard() -> None:
    guards = schema("Project")["$defs"]["guards"]["properties"]
    assert {*guards} - {"waivers"} == {guard.value for guard in Guard}
    waiver = schema("Project")["$defs"]["waiver"]["properties"]
    assert set(waiver["guard"]["enum"]) == {guard.value for guard in Guard}


# --- a rollout that is given up, and what is counted by campaign ------------------------------------


@pytest.mark.parametrize(
    ("known", "gained", "rollout", "allowed", "trips_"),
    [
        (True, 3, False, False, True),
        (True, 3, False, True, False),
        (True, 0, False, False, False),
        (True, 3, True, False, False),
        (False, 3, False, False, False),
    ],
)
def test_who_would_be_released_at_once_is_counted(
    known: bool, gained: int, rollout: bool, allowed: bool, trips_: bool
) -> None:
    staged = DesiredRollout("careful", (), "seed") if rollout else None
    wanted = desired(campaign("line", rollout=staged))
    rollouts = {rid("line"): RolloutRecord(wave=2)} if known else {}
    row = CampaignImpact(rid("line"), "line", gained=gained)
    plan = Plan(SERVER, impact=Impact(campaigns=(row,)))
    made = trips(plan, Basis(wanted, Live(), PULSE, 0, 0, rollouts), {Guard.AT_ONCE: allowed})
    message = (
        "Campaign/line gives up its rollout, progressing at wave 2: 3 gateways would be released at once"
    )
    place = wanted.campaigns[0].place
    expected = GuardTrip(Guard.AT_ONCE, message, rid("line"), 3, 0, place=place)
    assert made == ((expected,) if trips_ else ())


def test_campaigns_are_counted_one_by_one_and_packages_are_of_none() -> None:
    delete = [action(Verb.DELETE, rid(name), target=name) for name in "abcd"]
    drop = [action(Verb.DELETE_PACKAGE, rid("p"), target=name, sha256=name) for name in "wxyz"]
    groups = tuple(StepGroup(str(at), each, OPERATION, 0) for at, each in enumerate([*delete, *drop]))
    basis = Basis(desired(), Live(), PULSE, 0, 0, {})
    campaigns, packages = trips(Plan(SERVER, groups), basis, {Guard.DELETES: 3})
    assert (campaigns.found, dict(campaigns.counts)) == (4, {rid(name): 1 for name in "abcd"})
    assert (packages.found, dict(packages.counts)) == (4, {})
