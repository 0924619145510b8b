"""A campaign that takes a successor: what is created in its place, whether that runs, and what is said."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import CampaignDiff, Diff
from reconciler.diff.model import Former
from reconciler.diff.overrides import PackagesFor
from reconciler.diff.replacement import diff_there, with_successor
from reconciler.diff.schedules import WindowFor
from reconciler.model import (
    Callback,
    CallbackEvent,
    CampaignFields,
    Change,
    DesiredStatus,
    DistributionList,
    Finding,
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
        ("DRAFTED", {"status": STARTED}, None, False),
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
    own = only(compared(live, {}, description="ours", packages=(TWO,), package_set=rid("set"))).successor
    assert own is not None
    assert (own.fields.description, own.fields.package_set) == ("ours", rid("set"))


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


@pytest.mark.parametrize(
    ("revised", "gateways", "gained"),
    [(False, "ad", "abcd"), (True, "ad", "ad"), (False, None, "abc"), (True, None, "")],
)
def test_into_a_revision_come_those_whom_the_rollout_releases(
    revised: bool, gateways: str | None, gained: str
) -> None:
    """Into another successor come all who stay; here nobody leaves."""
    seen = view(Side(live=replace(live(), phase=Phase.RUNNING)))
    seen = replace(seen, ask=replace(seen.ask, facts=IMMUTABLE))
    wanted = replace(seen.campaign, gateways=gateways and frozenset(gateways), revised=revised)
    assert seen.owned
    packages = Change(LINE, "packages", ["p"], ["q"], Reason.DIFFERS)
    found = CampaignDiff(
        wanted,
        seen.live,
        CampaignFields("line", "", ("q",)),
        changes=(packages,),
        edit=True,
        gained=tuple(sorted(set(gateways or "") - set("abc"))),
    )
    made = with_successor(found, replace(seen, campaign=wanted), seen.owned).successor
    assert made is not None
    assert made.gained == tuple(gained)
    assert made.desired is wanted


F1, F2 = DistributionList("f-1", 60), DistributionList("f-2", 90)


@pytest.mark.parametrize("decides", [True, False])
@pytest.mark.parametrize(
    ("there", "wanted", "whole"), [(F1, None, F1), (F1, F2, F2), (None, F2, F2), (None, None, None)]
)
def test_a_successor_is_made_with_the_list_that_is_declared_or_else_there(
    decides: bool, there: DistributionList | None, wanted: DistributionList | None, whole: Any
) -> None:
    """Where that alone decides who is in it no gateways are given, and those who are closed stay so."""
    fields = {**CLOSING.fields, Field.DISTRIBUTION: FieldFacts(changing=Changing.REPLACED)}
    facts = replace(CLOSING, fields=fields, lists_decide=decides)
    seen = view(Side(live=replace(live(closed="c", distribution=there), phase=Phase.RUNNING)))
    seen = replace(seen, ask=replace(seen.ask, facts=facts))
    declared = replace(seen.campaign, distribution=wanted, closed=frozenset("a"))
    assert seen.owned
    packages = Change(LINE, "packages", ["p"], ["q"], Reason.DIFFERS)
    found = CampaignDiff(declared, seen.live, CampaignFields("line"), changes=(packages,), edit=True)
    made = with_successor(found, replace(seen, campaign=declared), seen.owned).successor
    assert made is not None
    assert made.fields.distribution == whole
    by_list = decides and whole is not None
    assert made.gained == (() if by_list else ("b",))
    assert made.fields.closed == (("a", "c") if by_list else ("a",) if whole else ())


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
        known[field] = FieldFacts(changing=changing)
        facts = replace(PULSE, fields=known, allowed=allowed)
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


def test_one_that_somebody_stopped_is_left_so() -> None:
    place = Place("line.yaml", 9, 3)
    live, owned = {"status": "HALTED"}, {"status": STARTED}
    places = {"desiredStatus": place}
    difference = compared(live, owned, status=STARTED, settings={"a": "1"}, places=places)
    assert difference.campaigns == ()
    [finding] = difference.findings
    assert (finding.code, finding.place, finding.resource) == ("held", place, LINE)
    assert finding.severity is Severity.NOTE
    assert "is HALTED now" in finding.message
    assert "its packages and settings changes with a successor" in finding.message


@pytest.mark.parametrize(
    ("wish", "gateways", "starts"),
    [
        (STARTED, "a", True),
        (STARTED, "", False),
        (STARTED, None, False),
        (STOPPED, "a", False),
        (None, "a", False),
    ],
)
def test_a_revision_runs_once_somebody_is_in_it_and_git_wishes_so(
    wish: Any, gateways: str | None, starts: bool
) -> None:
    seen = view(Side(live=replace(live(), phase=Phase.RUNNING)))
    seen = replace(seen, ask=replace(seen.ask, facts=IMMUTABLE))
    declared = gateways if gateways is None else frozenset(gateways)
    wanted = replace(seen.campaign, gateways=declared, status=wish, revised=True)
    assert seen.owned
    packages = Change(LINE, "packages", ["p"], ["q"], Reason.DIFFERS)
    found = CampaignDiff(wanted, seen.live, CampaignFields("line"), changes=(packages,), edit=True)
    assert with_successor(found, replace(seen, campaign=wanted), seen.owned).starts is starts


@pytest.mark.parametrize(
    ("phase", "met", "returns", "wish", "starts"),
    [
        # What it was before the server was busy with it.
        (Phase.BUSY, STARTED, None, None, True),
        (Phase.BUSY, STOPPED, None, None, False),
        (Phase.BUSY, None, None, None, False),
        (Phase.BUSY, STARTED, None, STOPPED, False),
        (Phase.PAUSED, STARTED, None, None, False),
        (Phase.PAUSED, None, STARTED, None, True),
        (Phase.RUNNING, None, None, None, True),
    ],
)
def test_without_a_wish_it_runs_if_the_one_before_it_did(
    phase: Phase, met: Any, returns: Any, wish: Any, starts: bool
) -> None:
    seen = view(Side(live=replace(live(), phase=phase)))
    seen = replace(seen, ask=replace(seen.ask, facts=IMMUTABLE))
    wanted = replace(seen.campaign, status=wish)
    assert seen.owned
    packages = Change(LINE, "packages", ["p"], ["q"], Reason.DIFFERS)
    found = CampaignDiff(wanted, seen.live, CampaignFields("line"), changes=(packages,), edit=True)
    owned = replace(seen.owned, status=met, return_to=returns)
    assert with_successor(found, replace(seen, campaign=wanted), owned).starts is starts


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
    whole = frozenset(later).union(gateways or ()) if later else None
    wanted = replace(seen.campaign, gateways=declared, whole=whole, revised=True)
    assert seen.live
    assert seen.owned
    found = diff_there(replace(seen, campaign=wanted), seen.live, seen.owned)
    assert (found.lost, found.gained) == (tuple(lost), ())
    assert found.desired is wanted
    nobody = diff_there(replace(seen, campaign=wanted), replace(seen.live, gateways=None), seen.owned)
    assert (nobody.lost, nobody.gained) == ((), ())
