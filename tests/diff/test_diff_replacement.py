"""A campaign that takes a successor: what is created in its place, whether that runs, and what is said."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import CampaignDiff, Diff
from reconciler.diff.model import Former
from reconciler.diff.overrides import PackagesFor
from reconciler.diff.replacement import diff_there, formers_of, inheriting, with_formers, with_successor
from reconciler.diff.schedules import WindowFor
from reconciler.model import (
    Callback,
    CallbackEvent,
    CampaignFields,
    Change,
    DesiredRollout,
    DesiredStatus,
    DistributionList,
    Finding,
    GatewayChange,
    Live,
    LiveCampaign,
    LivePackage,
    PackageById,
    Phase,
    Place,
    Reason,
    SchedulePhase,
    Severity,
    Verb,
    Window,
)
from reconciler.providers.base import Changing, Field, FieldFacts
from reconciler.rollout.revisions import NOBODY_STAYS
from reconciler.state.base import Origin, Owned, Predecessor, PredecessorEnded, PredecessorForgotten
from tests.diff.diff_parts import LINE, Side, live, view
from tests.fakes import PULSE, Project, campaign, desired, rid
from tests.memory_provider import IMMUTABLE, IMMUTABLE_LATE, MemoryCampaign, MemoryServer

ONE, TWO = PackageById("p-1"), PackageById("p-2")
CLOSING = replace(
    IMMUTABLE,
    fields={**IMMUTABLE.fields, Field.CLOSED: FieldFacts(clearable=False)},
    order=(*IMMUTABLE.order, (Verb.CLOSE,)),
)
STARTED, STOPPED = DesiredStatus.STARTED, DesiredStatus.STOPPED


def compared(live: dict[str, Any], owned: dict[str, Any], facts: Any = IMMUTABLE, **fields: Any) -> Diff:
    packages = [LivePackage("p-1", "one"), LivePackage("p-2", "two")]
    there = {"packages": ("p-1",), "gateways": set("abc"), "name": "line", **live}
    project = Project(MemoryServer(MemoryCampaign("1", **there), packages=packages, facts=facts))
    project.own("line", "1", **owned)
    said = {"packages": (TWO,), "gateways": "abc", **fields}
    return project.diff(desired(campaign("line", **said)))


def only(difference: Diff) -> CampaignDiff:
    [found] = difference.campaigns
    return found


@pytest.mark.parametrize("packages", [ONE, TWO])
@pytest.mark.parametrize(
    ("status", "wish", "code"),
    [
        ("OVER", STARTED, "ended"),
        ("OVER", STOPPED, None),
        ("OVER", None, None),
        ("HALTED", STARTED, "held"),
        ("ROLLING", STARTED, None),
    ],
)
def test_that_it_has_ended_is_not_said_of_one_whose_successor_runs(
    status: str, wish: Any, code: str | None, packages: PackageById
) -> None:
    difference = compared({"status": status}, {"status": STARTED}, status=wish, packages=(packages,))
    silent = code is None or (code == "ended" and packages is TWO)
    assert [finding.code for finding in difference.findings] == ([] if silent else [code])


@pytest.mark.parametrize(
    ("status", "owned", "wish", "starts"),
    [
        ("ROLLING", {}, STARTED, True),
        ("ROLLING", {}, STOPPED, False),
        ("ROLLING", {}, None, True),
        ("DRAFTED", {}, STARTED, True),
        ("DRAFTED", {}, STOPPED, False),
        ("DRAFTED", {}, None, False),
        ("HALTED", {}, None, False),
        ("HALTED", {"return_to": STARTED}, None, True),
        ("OVER", {}, STARTED, True),
        ("OVER", {}, None, False),
    ],
)
def test_a_successor_runs_as_git_wishes_else_as_the_one_before_it(
    status: str, owned: dict[str, Any], wish: Any, starts: bool
) -> None:
    found = only(compared({"status": status}, owned, status=wish))
    assert found.successor is not None
    assert (found.starts, found.replaced) == (starts, (Field.PACKAGES,))


@pytest.mark.parametrize(
    ("status", "ended"), [("ROLLING", False), ("HALTED", False), ("OVER", False), ("THROUGH", True)]
)
def test_what_is_replaced_is_a_predecessor_from_then_on(status: str, ended: bool) -> None:
    found = only(compared({"status": status}, {}))
    assert found.live is not None
    assert found.itself == Former("1", found.live, ended)
    assert only(compared({"status": status, "packages": ("p-2",)}, {})).itself is None


@pytest.mark.parametrize(("facts", "keeps"), [(IMMUTABLE, False), (IMMUTABLE_LATE, True)])
def test_it_keeps_its_name_where_the_server_can_not_rename_it(facts: Any, keeps: bool) -> None:
    assert only(compared({"status": "ROLLING"}, {}, facts)).keeps_name is keeps


def test_a_successor_is_all_that_is_declared_and_the_rest_as_it_is() -> None:
    live = {"status": "ROLLING", "description": "theirs", "closed": set("c")}
    found = only(compared(live, {}, gateways="abd", settings={"a": "1"}))
    made = found.successor
    assert made is not None
    assert (made.live, made.desired) == (None, found.desired)
    assert (made.fields.name, made.fields.description, made.fields.packages) == ("line", "theirs", ("p-2",))
    assert made.gained == ("a", "b", "d")
    assert {change.reason for change in made.changes} == {Reason.REPLACES}
    own = only(compared(live, {}, description="ours", packages=(TWO,))).successor
    assert own is not None
    assert own.fields.description == "ours"


@pytest.mark.parametrize(
    ("there", "gateways", "closed", "gained"),
    [
        ("", "abc", "ab", "c"),
        ("", "ab", "abd", ""),
        ("a", "abc", "b", "c"),
        ("a", "abcd", "d", "bc"),
        ("", None, "ab", "c"),
        ("a", None, None, "bc"),
        ("", "abc", None, "abc"),
    ],
)
def test_who_is_closed_is_not_let_into_the_successor(
    there: str, gateways: str | None, closed: str | None, gained: str
) -> None:
    live = {"status": "ROLLING", "closed": set(there)}
    made = only(compared(live, {}, CLOSING, gateways=gateways, closed=closed)).successor
    assert made is not None
    assert made.gained == tuple(gained)
    assert (made.closes, made.fields.closed) == ((), ()), "nobody is to be closed once more"


def test_packages_that_are_not_declared_are_those_of_the_one_before() -> None:
    found = only(
        compared({"status": "ROLLING", "packages": ("p-2",)}, {}, packages=None, settings={"a": "1"})
    )
    assert found.successor is not None
    assert found.successor.fields.packages == ("p-2",)
    assert found.successor.fields.package_set is None


@pytest.mark.parametrize(
    ("facts", "live", "fields", "code", "place"),
    [
        (IMMUTABLE, {"status": "BEWILDERED"}, {}, "unknown-status", None),
        (IMMUTABLE, {"status": "ROLLING"}, {"closed": "a"}, "fixed-field", "closedGateways"),
        (IMMUTABLE, {"status": "BEWILDERED"}, {"closed": "a"}, "fixed-field", "closedGateways"),
        (CLOSING, {"status": "ROLLING"}, {"closed": "a"}, None, None),
    ],
)
def test_what_can_not_be_replaced_is_left_out(
    facts: Any, live: dict[str, Any], fields: dict[str, Any], code: str | None, place: str | None
) -> None:
    difference = compared(live, {}, facts, **fields, places={"closedGateways": Place("line.yaml", 5, 3)})
    assert bool(difference.campaigns) is (code is None)
    assert [(each.code, each.resource, each.severity) for each in difference.findings] == (
        [(code, LINE, Severity.ERROR)] if code else []
    )
    for each in difference.findings:
        assert each.place == (Place("line.yaml", 5, 3) if place else None)
        assert (place or "BEWILDERED") in each.message


DAY = Window(1, 2)
PARTS: dict[Field, dict[str, Any]] = {
    # What of a campaign differs in which field; that it takes another call may need another phase.
    Field.DESCRIPTION: {"edit": True, "changes": (Change(LINE, "description", "a", "b", Reason.DIFFERS),)},
    Field.SETTINGS: {"edit": True, "changes": (Change(LINE, "settings.a", "a", "b", Reason.DIFFERS),)},
    Field.DELIVERY: {"edit": True, "changes": (Change(LINE, "delivery", {}, {}, Reason.DIFFERS),)},
    Field.GATEWAYS: {"gained": ("a",)},
    Field.DISTRIBUTION: {"distribution": DistributionList("f-1", 60)},
    Field.OVERRIDES: {"overrides": (PackagesFor(("p",), ("a",), Reason.DIFFERS),)},
    Field.SCHEDULES: {
        "schedules": (WindowFor(SchedulePhase.DOWNLOAD, Window(1, 2), ("a",), Reason.DIFFERS),)
    },
    Field.CALLBACKS: {"callbacks": ((CallbackEvent.COMPLETED, Callback("here")),)},
    Field.CLOSED: {"closes": ("a",)},
    Field.THINGS: {"things": {"a": ("t",)}},
}
VERBS = {
    Field.DESCRIPTION: Verb.EDIT,
    Field.SETTINGS: Verb.EDIT,
    Field.DELIVERY: Verb.EDIT,
    Field.GATEWAYS: Verb.ADD,
    Field.DISTRIBUTION: Verb.DISTRIBUTE,
    Field.OVERRIDES: Verb.OVERRIDE,
    Field.SCHEDULES: Verb.SCHEDULE,
    Field.CALLBACKS: Verb.CALLBACK,
    Field.CLOSED: Verb.CLOSE,
    Field.THINGS: Verb.THINGS,
}


@pytest.mark.parametrize("phase", [Phase.READY, Phase.BUSY, Phase.RUNNING, Phase.PAUSED, Phase.ENDED])
@pytest.mark.parametrize("field", PARTS)
def test_each_field_is_edited_replaced_or_fixed_as_the_server_has_it(field: Field, phase: Phase) -> None:
    seen = view(Side(live=replace(live(), phase=phase)))
    assert seen.owned
    found = CampaignDiff(seen.campaign, seen.live, CampaignFields("line"), **PARTS[field])
    anywhere = {verb: frozenset(Phase) for verb in Verb}

    def compared_with(changing: Changing, allowed: Any) -> CampaignDiff:
        known = {each: FieldFacts() for each in Field} | {Field.NAME: FieldFacts(changing=Changing.REPLACED)}
        facts = replace(
            PULSE, fields={**known, field: FieldFacts(changing=changing)}, allowed=allowed, **more
        )
        assert seen.owned
        return with_successor(found, replace(seen, ask=replace(seen.ask, facts=facts)), seen.owned)

    assert compared_with(Changing.EDITED, anywhere) is found
    fixed = compared_with(Changing.FIXED, anywhere)
    assert fixed.refused is not None
    assert (fixed.refused.code, fixed.replaced) == ("fixed-field", ())
    assert f"never changes {field.value} of" in fixed.refused.message
    assert compared_with(Changing.REPLACED, anywhere).replaced == (field,)
    # Its verb isn't taken in this phase: once it is stopped, or by a successor.
    stopped = {**anywhere, VERBS[field]: frozenset({Phase.PAUSED})}
    replaced = () if phase in (Phase.RUNNING, Phase.PAUSED) else (field,)
    assert compared_with(Changing.EDITED, stopped).replaced == replaced
    never_stopped = {**stopped, Verb.STOP: frozenset[Phase]()}
    replaced = () if phase is Phase.PAUSED else (field,)
    assert compared_with(Changing.EDITED, never_stopped).replaced == replaced
    ready = {**anywhere, VERBS[field]: frozenset({Phase.READY})}
    replaced = () if phase in (Phase.READY, Phase.BUSY) else (field,)
    assert compared_with(Changing.EDITED, ready).replaced == replaced


def test_what_may_be_set_in_place_takes_no_successor() -> None:
    found = only(compared({"status": "ROLLING", "packages": ("p-2",)}, {}))
    assert (found.successor, found.replaced, found.starts, found.keeps_name) == (None, (), False, False)
    assert found.desired.resource == rid("line")


def test_one_that_is_refused_takes_no_successor() -> None:
    seen = view(Side(live=replace(live(), phase=Phase.RUNNING)))
    seen = replace(seen, ask=replace(seen.ask, facts=IMMUTABLE))
    assert seen.owned is not None
    packages = Change(LINE, Field.PACKAGES, ["p"], ["q"], Reason.DIFFERS)
    fields = CampaignFields("line", "", ("q",))
    found = CampaignDiff(seen.campaign, seen.live, fields, changes=(packages,), edit=True)
    assert with_successor(found, seen, seen.owned).successor is not None
    refused = replace(found, refused=Finding("code", "message"))
    assert with_successor(refused, seen, seen.owned) is refused
    new = replace(found, live=None)
    assert with_successor(new, seen, seen.owned) is new


@pytest.mark.parametrize(
    ("gateways", "later", "lost"),
    [("a", "b", "c"), ("abc", "", ""), (None, "ab", "c"), ("ax", "cz", "b"), (None, "", "abc")],
)
def test_of_an_earlier_revision_who_is_declared_for_now_or_later_stays_and_nobody_joins(
    gateways: str | None, later: str, lost: str
) -> None:
    declared = None if gateways is None else frozenset(gateways)
    seen = view(Side(live=replace(live(), phase=Phase.RUNNING)))
    wanted = replace(seen.campaign, gateways=declared, later=frozenset(later), revised=True)
    assert seen.live
    assert seen.owned
    found = diff_there(replace(seen, campaign=wanted), seen.live, seen.owned)
    assert (found.lost, found.gained) == (tuple(lost), ())
    assert found.desired is wanted
    nobody = diff_there(replace(seen, campaign=wanted), replace(seen.live, gateways=None), seen.owned)
    assert (nobody.lost, nobody.gained) == ((), ())


# --- those that it replaced ---------------------------------------------------------------------------------


def earlier(
    key: str, members: str | None = "abc", *, closed: str = "", phase: Phase = Phase.RUNNING
) -> LiveCampaign:
    made = replace(live(members or "", closed=closed), id=key, phase=phase)
    return made if members is not None else replace(made, gateways=None)


def owning(*predecessors: Predecessor) -> Owned:
    return Owned(LINE, "9", Origin.CREATED, predecessors=predecessors)


TWO_BEFORE = (Predecessor("1"), Predecessor("2"))


@pytest.mark.parametrize(
    ("declared", "predecessors", "there", "inherited"),
    [
        (None, TWO_BEFORE, {"1": earlier("1", "ab"), "2": earlier("2", "cd", closed="d")}, "c"),
        (None, TWO_BEFORE, {"1": earlier("1", "ab", closed="b"), "2": None}, "a"),
        (None, TWO_BEFORE, {"1": earlier("1", "ab"), "2": earlier("2", None)}, "ab"),
        (
            None,
            (Predecessor("1"), Predecessor("2", ended=True)),
            {"1": earlier("1"), "2": earlier("2", "x")},
            "abc",
        ),
        (None, TWO_BEFORE, {}, None),
        (None, (), {"1": earlier("1")}, None),
        ("x", TWO_BEFORE, {"1": earlier("1"), "2": earlier("2")}, "x"),
        ("", TWO_BEFORE, {"1": earlier("1"), "2": earlier("2")}, ""),
    ],
)
def test_where_none_are_declared_the_gateways_are_those_of_the_one_before(
    declared: str | None, predecessors: tuple[Predecessor, ...], there: dict[str, Any], inherited: str | None
) -> None:
    wanted = campaign("line", gateways=declared)
    found = inheriting(wanted, owning(*predecessors), Live(by_id=there))
    assert found.gateways == (None if inherited is None else frozenset(inherited))
    assert replace(found, gateways=wanted.gateways) == wanted


def test_what_is_known_of_predecessors_and_what_the_state_learns() -> None:
    done, over = earlier("4", phase=Phase.FINISHED), earlier("5", phase=Phase.FINISHED)
    there = {"1": earlier("1"), "2": None, "4": done, "5": over, "6": earlier("6", phase=Phase.ENDED)}
    known = (
        Predecessor("1"),
        Predecessor("2"),
        Predecessor("3", ended=True),
        Predecessor("4"),
        Predecessor("5", ended=True),
        Predecessor("6"),
        Predecessor("7"),
    )
    formers, events = formers_of(owning(*known), Live(by_id=there))
    assert formers == (
        Former("1", there["1"], ended=False),
        Former("3", None, ended=True),
        Former("4", done, ended=True),
        Former("5", over, ended=True),
        # That it takes no more gateways doesn't say that nobody is under way.
        Former("6", there["6"], ended=False),
        Former("7", None, ended=False),
    )
    assert events == (PredecessorForgotten(LINE, "2"), PredecessorEnded(LINE, "4"))


IN_WAVES = DesiredRollout("policy", (), "seed")


def of_revisions(
    *formers: Former, itself: Former | None = None, staying: str = "", rollout: Any = IN_WAVES, **fields: Any
) -> CampaignDiff:
    wanted = replace(campaign("line", **fields), staying=frozenset(staying), rollout=rollout)
    change = GatewayChange(3, 2, lost=("z",))
    changes = (Change(LINE, "gateways", None, None, Reason.LEAVES, change),)
    found = CampaignDiff(wanted, earlier("9"), CampaignFields("line"), changes=changes, itself=itself)
    return with_formers(found, formers)


def stays(found: CampaignDiff) -> list[tuple[str, str, str]]:
    """Of each that was replaced, and then of itself, which is 9: who stays, and who leaves."""
    every = (*found.formers, *((found.itself,) if found.itself else ()))
    assert (found.itself and found.itself.id) == ("9" if "9" in {each.id for each in every} else None)
    return [(each.id, "".join(sorted(each.staying)), "".join(sorted(each.leaving))) for each in every]


def former(
    key: str, members: str | None = "abc", *, ended: bool = False, phase: Phase = Phase.RUNNING
) -> Former:
    return Former(key, earlier(key, members, phase=phase), ended)


def test_who_stays_in_which_of_them() -> None:
    """Who is in several stays in the newest, and leaves the others."""
    found = of_revisions(former("1"), former("2", "cd"), itself=former("9", "de"), staying="bcd")
    assert stays(found) == [("1", "b", "ac"), ("2", "c", "d"), ("9", "d", "e")]
    assert stays(of_revisions(former("1"), former("2", "cd"))) == [("1", "", "abc"), ("2", "", "cd")]


@pytest.mark.parametrize("phase", Phase)
def test_nobody_stays_where_nothing_goes_on(phase: Phase) -> None:
    found = of_revisions(former("1"), former("2", "ab", phase=phase), staying="ab")
    nobody = phase in NOBODY_STAYS
    assert stays(found) == [
        ("1", "ab", "c") if nobody else ("1", "", "abc"),
        ("2", *(("", "ab") if nobody else ("ab", ""))),
    ]


def test_of_what_is_over_or_was_not_read_nobody_is_told() -> None:
    untold = [former("1", ended=True), Former("2", None, ended=False), former("3", None)]
    found = of_revisions(*untold, itself=former("9", "ab"), staying="ab")
    assert stays(found) == [("1", "", ""), ("2", "", ""), ("3", "", ""), ("9", "ab", "")]


def test_without_waves_it_is_replaced_whole() -> None:
    found = of_revisions(former("1"), itself=former("9", "ab"), staying="ab", rollout=None)
    assert stays(found) == [("1", "ab", "c"), ("9", "", "")]
    assert found.changes[0].gateways == GatewayChange(3, 2, lost=("z",)), "nobody is told to leave"


def test_what_replaced_nothing_is_as_it_was() -> None:
    assert stays(of_revisions(staying="ab")) == []


@pytest.mark.parametrize(
    ("gateways", "later", "told"),
    [
        # a stays in 1, and counts; b and c of it are declared no more.
        ("a", "", GatewayChange(6, 3, lost=("b", "c", "z"))),
        ("a", "b", GatewayChange(5, 3, lost=("c", "z"))),
        ("abc", "", GatewayChange(3, 2, lost=("z",))),
        (None, "abc", GatewayChange(3, 2, lost=("z",))),
        (None, "", GatewayChange(7, 3, lost=("a", "b", "c", "z"))),
    ],
)
def test_who_is_declared_no_more_leaves_earlier_revisions_and_is_told(
    gateways: str | None, later: str, told: GatewayChange
) -> None:
    found = of_revisions(former("1"), staying="a", gateways=gateways, later=frozenset(later))
    [change] = found.changes
    assert change.gateways == told


@pytest.mark.parametrize(("members", "count"), [("abcd", 4), ("", 0), (None, 0)])
def test_who_leaves_earlier_revisions_only_is_a_change_of_its_own(members: str | None, count: int) -> None:
    wanted = replace(campaign("line", gateways="a"), staying=frozenset("a"), rollout=IN_WAVES)
    other = Change(LINE, "description", "a", "b", Reason.DIFFERS)
    fields = CampaignFields("line")
    found = with_formers(
        CampaignDiff(wanted, earlier("9", members), fields, changes=(other,)), (former("1"),)
    )
    told = GatewayChange(count + 3, count + 1, lost=("b", "c"))
    assert found.changes == (other, Change(LINE, "gateways", None, None, Reason.DIFFERS, told))
    new = with_formers(CampaignDiff(wanted, None, fields), (former("1"),))
    assert new.changes[0].gateways == GatewayChange(3, 1, lost=("b", "c"))
