"""How a declared campaign finds its live one: the table of ``reconciler.ownership``, row by row."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.model import (
    CampaignSummary,
    Claim,
    Desired,
    Focus,
    OnRemove,
    Ownership,
    PackageById,
    PackageByName,
    PackageRef,
    Phase,
)
from reconciler.options import Options
from reconciler.ownership import (
    claims_of,
    comparable,
    overriding,
    owned_by,
    removable,
    removable_packages,
    retired,
    unanswered,
)
from reconciler.providers.base import Facts
from reconciler.state.applied import packages_value
from reconciler.state.base import (
    CampaignForgotten,
    CampaignOwned,
    CampaignReplaced,
    Intent,
    OnRemoveSet,
    Origin,
    Owned,
    Predecessor,
    State,
)
from reconciler.state.folding import fold
from tests.fakes import Project, campaign, desired, file, rid
from tests.memory_provider import IMMUTABLE

Setup = Callable[[Project], object]
LINE = desired(campaign("line"))


def live(*ids: str, name: str = "line") -> dict[str, tuple[CampaignSummary, ...]]:
    return {name: tuple(CampaignSummary(i, name, "CREATED") for i in ids)}


def nothing(project: Project) -> None:
    """The state knows nothing."""


# what the state knows, what is desired, live campaigns of the name → without and with --adopt
ROWS: dict[str, tuple[Setup, Desired, tuple[str, ...], Claim, Claim]] = {
    "owned, and live": (
        lambda p: p.own("line", "1"),
        LINE,
        ("1",),
        Claim(Ownership.OWNED, ("1",)),
        Claim(Ownership.OWNED, ("1",)),
    ),
    "owned, whoever else has the name": (
        lambda p: p.own("line", "1"),
        LINE,
        ("2", "3"),
        Claim(Ownership.OWNED, ("1",)),
        Claim(Ownership.OWNED, ("1",)),
    ),
    "not known, nothing live": (nothing, LINE, (), Claim(Ownership.NONE), Claim(Ownership.NONE)),
    "owned by a resource that is gone from Git": (
        lambda p: p.own("old", "1"),
        LINE,
        ("1",),
        Claim(Ownership.MOVED, ("1",)),
        Claim(Ownership.MOVED, ("1",)),
    ),
    "owned by a resource that is gone from Git, beside a stranger": (
        lambda p: p.own("old", "1"),
        LINE,
        ("1", "2"),
        Claim(Ownership.MOVED, ("1",)),
        Claim(Ownership.MOVED, ("1",)),
    ),
    "two that resources gone from Git own": (
        lambda p: (p.own("old", "1"), p.own("older", "2")),
        LINE,
        ("2", "1"),
        Claim(Ownership.AMBIGUOUS, ("1", "2")),
        Claim(Ownership.AMBIGUOUS, ("1", "2")),
    ),
    "owned by a resource that may only be out of sight": (
        lambda p: p.own("old", "1"),
        desired(campaign("line"), complete=False),
        ("1",),
        Claim(Ownership.NOT_OURS, ("1",)),
        Claim(Ownership.NOT_OURS, ("1",)),
    ),
    "owned by another resource that gives the name up": (
        lambda p: p.own("other", "1"),
        desired(campaign("line"), campaign("other", "elsewhere")),
        ("1",),
        Claim(Ownership.NONE),
        Claim(Ownership.NONE),
    ),
    "owned by another resource that keeps the name": (
        lambda p: p.own("other", "1"),
        desired(campaign("line"), campaign("other", "line")),
        ("1",),
        Claim(Ownership.NOT_OURS, ("1",)),
        Claim(Ownership.NOT_OURS, ("1",)),
    ),
    "one that leaves the name, and a stranger": (
        lambda p: p.own("other", "1"),
        desired(campaign("line"), campaign("other", "elsewhere")),
        ("1", "2"),
        Claim(Ownership.NOT_OURS, ("2",)),
        Claim(Ownership.ADOPTED, ("2",)),
    ),
    "a stranger": (
        nothing,
        LINE,
        ("1",),
        Claim(Ownership.NOT_OURS, ("1",)),
        Claim(Ownership.ADOPTED, ("1",)),
    ),
    "several strangers": (
        nothing,
        LINE,
        ("2", "1"),
        Claim(Ownership.AMBIGUOUS, ("1", "2")),
        Claim(Ownership.AMBIGUOUS, ("1", "2")),
    ),
    "one, and an intent of ours": (
        lambda p: p.intends("line", "line"),
        LINE,
        ("1",),
        Claim(Ownership.RECOVERED, ("1",)),
        Claim(Ownership.RECOVERED, ("1",)),
    ),
    "several, and an intent of ours": (
        lambda p: p.intends("line", "line"),
        LINE,
        ("1", "2"),
        Claim(Ownership.AMBIGUOUS, ("1", "2")),
        Claim(Ownership.AMBIGUOUS, ("1", "2")),
    ),
    "none, and an intent of ours": (
        lambda p: p.intends("line", "line"),
        LINE,
        (),
        Claim(Ownership.NONE),
        Claim(Ownership.NONE),
    ),
    "one, and an intent under another name": (
        lambda p: p.intends("line", "as it was called before"),
        LINE,
        ("1",),
        Claim(Ownership.NOT_OURS, ("1",)),
        Claim(Ownership.ADOPTED, ("1",)),
    ),
    "one, and an intent of another resource": (
        lambda p: p.intends("other", "line"),
        LINE,
        ("1",),
        Claim(Ownership.NOT_OURS, ("1",)),
        Claim(Ownership.ADOPTED, ("1",)),
    ),
    "owned by a resource that is gone from Git, a stranger, and an intent of ours": (
        lambda p: (p.own("old", "1"), p.intends("line", "line")),
        LINE,
        ("1", "2"),
        Claim(Ownership.MOVED, ("1",)),
        Claim(Ownership.MOVED, ("1",)),
    ),
    "one that leaves the name, a stranger, and an intent of ours": (
        lambda p: (p.own("other", "1"), p.intends("line", "line")),
        desired(campaign("line"), campaign("other", "elsewhere")),
        ("1", "2"),
        Claim(Ownership.RECOVERED, ("2",)),
        Claim(Ownership.RECOVERED, ("2",)),
    ),
    "one that is ours already, and an intent of ours": (
        lambda p: (p.own("other", "1"), p.intends("line", "line")),
        desired(campaign("line"), campaign("other", "line")),
        ("1",),
        Claim(Ownership.NOT_OURS, ("1",)),
        Claim(Ownership.NOT_OURS, ("1",)),
    ),
}


@pytest.mark.parametrize("adopt", [False, True])
@pytest.mark.parametrize("row", ROWS)
def test_the_tie(row: str, adopt: bool) -> None:
    setup, wanted, ids, plainly, adopting = ROWS[row]
    project = Project()
    setup(project)
    line = next(c for c in wanted.campaigns if c.resource == rid("line"))
    claims = claims_of([line], wanted, project.state, live(*ids), Options(adopt=adopt))
    assert claims == {rid("line"): adopting if adopt else plainly}


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ((), Claim(Ownership.NONE)),
        (("7",), Claim(Ownership.RECOVERED, ("7",))),
        (("8", "7"), Claim(Ownership.AMBIGUOUS, ("7", "8"))),
    ],
)
def test_a_lost_create_is_found_under_the_name_that_it_was_sent_with(
    ids: tuple[str, ...], expected: Claim
) -> None:
    project = Project()
    project.intends("line", "before")
    claims = claims_of(LINE.campaigns, LINE, project.state, live(*ids, name="before"), Options())
    assert claims == {rid("line"): expected}


def test_only_these_ties_hold_a_campaign() -> None:
    assert {t for t in Ownership if Claim(t).held} == {
        Ownership.OWNED,
        Ownership.MOVED,
        Ownership.RECOVERED,
        Ownership.SUCCEEDED,
        Ownership.ADOPTED,
    }


def test_only_the_campaigns_asked_about_are_tied() -> None:
    wanted = desired(campaign("a"), campaign("b"))
    claims = claims_of(wanted.campaigns[1:], wanted, Project().state, {}, Options())
    assert list(claims) == [rid("b")]


# --- what the state learns of a tie


def owned(state: State, claim: Claim, on_remove: OnRemove = OnRemove.DELETE) -> tuple[Owned | None, object]:
    by_id = {each.id: each for each in state.campaigns.values()}
    return owned_by(campaign("line", on_remove=on_remove), claim, state, by_id)


def test_an_owned_campaign_teaches_nothing() -> None:
    project = Project()
    before = project.own("line", "1", status="STARTED")
    assert owned(project.state, Claim(Ownership.OWNED, ("1",))) == (before, ())


def test_another_on_remove_is_recorded() -> None:
    project = Project()
    project.own("line", "1", status="STARTED")
    after = Owned(rid("line"), "1", Origin.CREATED, OnRemove.ABANDON, status="STARTED")
    assert owned(project.state, Claim(Ownership.OWNED, ("1",)), OnRemove.ABANDON) == (
        after,
        (OnRemoveSet(rid("line"), OnRemove.ABANDON),),
    )


def test_an_adopted_campaign_is_recorded_as_such() -> None:
    after = Owned(rid("line"), "1", Origin.ADOPTED, OnRemove.ABANDON)
    adopted = owned(Project().state, Claim(Ownership.ADOPTED, ("1",)), OnRemove.ABANDON)
    assert adopted == (after, (CampaignOwned(after),))


def test_a_recovered_campaign_is_ours_with_what_its_create_carried() -> None:
    project = Project()
    project.intends("line", "line", settings={"A": {"value": "b"}})
    after = Owned(rid("line"), "1", Origin.CREATED, applied={"settings": {"A": {"value": "b"}}})
    recovered = owned(project.state, Claim(Ownership.RECOVERED, ("1",)))
    assert recovered == (after, (CampaignOwned(after),))


def test_a_moved_campaign_takes_its_whole_history_along() -> None:
    project = Project()
    project.own("old", "1", Origin.ADOPTED, status="STARTED", return_to="STARTED", applied={"x": "y"})
    after = Owned(rid("line"), "1", Origin.ADOPTED, status="STARTED", return_to="STARTED", applied={"x": "y"})
    assert owned(project.state, Claim(Ownership.MOVED, ("1",))) == (
        after,
        (CampaignForgotten(rid("old")), CampaignOwned(after)),
    )


def test_a_moved_campaign_gets_the_on_remove_that_is_declared_now() -> None:
    project = Project()
    before = project.own("old", "1", on_remove=OnRemove.DELETE)
    found, records = owned(project.state, Claim(Ownership.MOVED, ("1",)), OnRemove.ABANDON)
    assert found == replace(before, resource=rid("line"), on_remove=OnRemove.ABANDON)
    assert records == (CampaignForgotten(rid("old")), CampaignOwned(found))


def test_a_recovered_campaign_gets_the_on_remove_that_is_declared_now() -> None:
    project = Project()
    project.intends("line", "line")
    found, records = owned(project.state, Claim(Ownership.RECOVERED, ("1",)), OnRemove.ABANDON)
    assert found == Owned(rid("line"), "1", Origin.CREATED, OnRemove.ABANDON)
    assert records == (CampaignOwned(found),)


def test_an_import_names_the_campaign_whatever_else_is_known() -> None:
    project = Project()
    project.own("line", "1")
    project.intends("line", "line")
    options = Options(imports={rid("line"): "7"})
    claims = claims_of(LINE.campaigns, LINE, project.state, live("1", "2"), options)
    assert claims == {rid("line"): Claim(Ownership.ADOPTED, ("7",))}


@pytest.mark.parametrize("without", [Ownership.NONE, Ownership.NOT_OURS, Ownership.AMBIGUOUS])
def test_nothing_is_owned_of_what_is_not_ours(without: Ownership) -> None:
    assert owned(Project().state, Claim(without, ("1",))) == (None, ())


# --- what a prune may delete


def focused(wanted: Desired, *removed: str) -> Desired:
    """A run about some campaigns: of those that are no longer declared, about `removed`."""
    return replace(wanted, focus=Focus((), (), frozenset(map(rid, removed))))


# what is desired, whether to prune → the owned campaigns that may be deleted
REMOVABLE: dict[str, tuple[Desired, bool, list[str]]] = {
    "declared no more": (LINE, True, ["gone", "older"]),
    "without a prune": (LINE, False, []),
    "in a part of the project": (replace(LINE, complete=False), True, []),
    "all that is ours": (desired(), True, ["gone", "line", "older"]),
    "of those that were asked for": (focused(LINE, "older"), True, ["older"]),
    "of none that was asked for": (focused(LINE), True, []),
    "asked for, and to be abandoned": (focused(LINE, "left"), True, []),
}


@pytest.mark.parametrize("row", REMOVABLE)
def test_campaigns_that_may_be_deleted(row: str) -> None:
    wanted, prune, expected = REMOVABLE[row]
    project = Project()
    for at, name in enumerate(("older", "gone", "line")):
        project.own(name, str(at))
    project.own("left", "9", on_remove=OnRemove.ABANDON)
    found = removable(wanted, project.state, Options(prune=prune))
    assert [each.resource.name for each in found] == expected
    assert all(each is project.state.campaigns[each.resource] for each in found)


V1, V2 = sorted((file("v1"), file("v2")), key=lambda each: each.sha256)

# what is declared, whether to prune, whether the project is whole → the uploads that may be deleted
UPLOADS: dict[str, tuple[list[PackageRef], bool, bool, list[str]]] = {
    "none is declared": ([], True, True, ["p-1", "p-2"]),
    "without a prune": ([], False, True, []),
    "in a part of the project": ([], True, False, []),
    "one is declared": ([V1], True, True, ["p-2"]),
    "one is declared by its id": ([PackageById("p-2")], True, True, ["p-1"]),
    "one is declared by its name": ([PackageByName("fw.bin")], True, True, []),
    "others are declared": (
        [PackageById("p-9"), PackageByName("another"), file("v3", "more.bin")],
        True, True, ["p-1", "p-2"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", UPLOADS)
def test_uploads_that_may_be_deleted(row: str) -> None:
    declared, prune, complete, expected = UPLOADS[row]
    project = Project()
    project.uploaded(V2, "p-2")
    project.uploaded(V1, "p-1")
    wanted = desired(packages=declared, complete=complete)
    options = Options(prune=prune)
    assert [each.id for each in removable_packages(wanted, project.state, options)] == expected
    assert removable_packages(focused(wanted), project.state, options) == ()


def test_packages_that_gateways_have_of_their_own() -> None:
    project = Project()
    values: dict[str, Any] = {
        "packageOverrides": {
            packages_value(["p-1", "p-2"]): frozenset("a"),
            packages_value(["p-3"]): frozenset("b"),
        },
        "runOnThings": {'["t"]': frozenset("a")},
    }
    assert overriding(project.own("line", "1", members=values)) == {"p-1", "p-2", "p-3"}
    assert overriding(project.own("other", "2")) == frozenset()


# whose create was lost, what is owned, what is desired → which of them Git has given up
UNANSWERED: dict[str, tuple[list[str], list[str], Desired, list[str]]] = {
    "given up": (["was", "another"], [], LINE, ["another", "was"]),
    "still declared": (["line"], [], LINE, []),
    "answered since": (["was"], ["was"], LINE, []),
    "one of them answered": (["was", "another"], ["was"], LINE, ["another"]),
    "in a part of the project": (["was"], [], replace(LINE, complete=False), []),
    "asked for": (["was", "another"], [], focused(LINE, "was"), ["was"]),
}


@pytest.mark.parametrize("row", UNANSWERED)
def test_creates_whose_answer_was_lost(row: str) -> None:
    lost, ours, wanted, expected = UNANSWERED[row]
    project = Project()
    for name in lost:
        project.intends(name, f"name of {name}")
    for name in ours:
        project.own(name, "1")
    project.intends(V1, "fw.bin")
    found = unanswered(wanted, project.state)
    assert [each.name for each in found] == expected
    assert {each.name: intent.name for each, intent in found.items()} == {n: f"name of {n}" for n in expected}


def test_campaigns_that_are_ours_or_may_become_so() -> None:
    wanted = desired(*(campaign(each.value) for each in Ownership))
    claims = {rid(each.value): Claim(each, ("1",)) for each in Ownership}
    assert [each.resource.name for each in comparable(wanted, claims)] == [
        "adopted", "moved", "none", "owned", "recovered", "succeeded",
    ]  # fmt: skip


# --- successors --------------------------------------------------------------------------------------

PHASES = {"ON": Phase.RUNNING, "NEW": Phase.READY, "OVER": Phase.ENDED}


def tied(
    *listed: tuple[str, str, str], adopt: bool = False, state: State | None = None, of: Facts = IMMUTABLE
) -> tuple[Claim, Owned | None]:
    """The tie of ``Campaign/line`` where live campaigns are (id, name, status), and what is owned then."""
    every = [CampaignSummary(*each) for each in listed]
    wanted, known = desired(campaign("line")), state or Project().state
    names = {name: [each for each in every if each.name == name] for name in ("line", "was")}
    claims = claims_of(
        wanted.campaigns,
        wanted,
        known,
        names,
        Options(adopt=adopt),
        retired=retired(["line"], every, of),
        phase=PHASES.__getitem__,
    )
    [claim] = claims.values()
    return claim, owned_by(wanted.campaigns[0], claim, known, {})[0] if claim.held else None


def replacing(name: str = "line", **owned: Any) -> State:
    """``line`` is campaign 1, and a successor of it was about to be created."""
    made = Project()
    made.own("line", "1", replacing=True, **owned)
    intent = Intent(str(rid("line")), name, {"settings": {}}, "1", "STARTED")
    return replace(made.state, intents={intent.key: intent})


def test_who_made_room_for_a_successor_is_known_by_its_name_and_id() -> None:
    one = ("1", "line ~1", "ON")
    assert tied(one) == (Claim(Ownership.NOT_OURS, ("1",), name="line ~1"), None)
    claim, owned = tied(one, adopt=True)
    assert claim == Claim(Ownership.ADOPTED, ("1",), name="line ~1")
    assert owned is not None
    assert (owned.id, owned.predecessors) == ("1", ())


@pytest.mark.parametrize("name", ["line ~2", "line~1", "line 1", "other ~1", "line ~1 ", "LINE ~1"])
def test_nobody_else_is_taken_for_one(name: str) -> None:
    assert tied(("1", name, "ON"), adopt=True)[0] == Claim(Ownership.NONE)


def test_one_that_has_ended_is_no_campaign_of_the_name() -> None:
    assert tied(("1", "line ~1", "OVER"))[0] == Claim(Ownership.NONE)
    both = (("1", "line ~1", "ON"), ("2", "line ~2", "ON"))
    assert tied(*both)[0] == Claim(Ownership.AMBIGUOUS, ("1", "2"))
    assert tied(("1", "line ~1", "OVER"), both[1])[0].ids == ("2",)


def test_an_adopted_successor_has_its_predecessors() -> None:
    before = (("1", "line ~1", "OVER"), ("2", "line ~2", "ON"))
    _, owned = tied(*before, ("3", "line", "NEW"), adopt=True)
    assert owned is not None
    assert owned.predecessors == (Predecessor("1"), Predecessor("2")), "it may be about to start"
    _, owned = tied(*before, ("3", "line", "ON"), adopt=True)
    assert owned is not None
    assert owned.predecessors == (Predecessor("1", ended=True), Predecessor("2"))


def test_a_long_name_makes_room_for_the_mark() -> None:
    facts = replace(IMMUTABLE, limits=replace(IMMUTABLE.limits, name=7))
    assert facts.retired_name("line", "12") == "lin ~12"
    listed = [CampaignSummary("12", facts.retired_name("line", "12"), "ON")]
    assert len(listed[0].name) <= 7
    assert retired(["line"], listed, facts) == {"line": listed}
    least = replace(IMMUTABLE, limits=replace(IMMUTABLE.limits, name=3))
    assert least.retired_name("line", "12") == " ~12", "the mark is what tells them apart"


def test_a_successor_whose_creation_was_never_recorded_is_found_by_its_name() -> None:
    claim, owned = tied(("2", "line", "NEW"), ("1", "line ~1", "ON"), state=replacing())
    assert claim == Claim(Ownership.SUCCEEDED, ("2",))
    assert owned == Owned(
        rid("line"), "2", Origin.CREATED, return_to="STARTED", applied={"settings": {}},
        predecessors=(Predecessor("1"),),
    )  # fmt: skip


@pytest.mark.parametrize("before", OnRemove)
@pytest.mark.parametrize("now", OnRemove)
def test_a_successor_gets_the_on_remove_that_is_declared_now(before: OnRemove, now: OnRemove) -> None:
    """Also in the events: folded into the state they leave what is owned."""
    state = replacing(on_remove=before)
    found, records = owned_by(campaign("line", on_remove=now), Claim(Ownership.SUCCEEDED, ("2",)), state, {})
    assert found is not None
    assert (found.id, found.on_remove) == ("2", now)
    assert fold(state, records).campaigns == {rid("line"): found}
    assert [type(each) for each in records] == [CampaignReplaced, *([OnRemoveSet] if now != before else [])]


def test_where_there_is_none_the_one_before_it_is_still_the_campaign() -> None:
    assert tied(("1", "line ~1", "ON"), state=replacing())[0] == Claim(Ownership.OWNED, ("1",))
    assert tied(("1", "line", "ON"), state=replacing())[0] == Claim(Ownership.OWNED, ("1",))
    of_another = replacing()
    of_another = replace(
        of_another, intents={k: replace(i, replaces="0") for k, i in of_another.intents.items()}
    )
    assert tied(("2", "line", "NEW"), state=of_another)[0] == Claim(Ownership.OWNED, ("1",))


def test_a_predecessor_is_ours_and_no_successor() -> None:
    state = replacing(predecessors=(Predecessor("0", ended=True),))
    assert tied(("0", "line", "OVER"), state=state)[0] == Claim(Ownership.OWNED, ("1",))


def test_several_could_be_the_successor() -> None:
    both = (("3", "line", "NEW"), ("2", "line", "NEW"))
    assert tied(*both, state=replacing())[0] == Claim(Ownership.AMBIGUOUS, ("2", "3"))
