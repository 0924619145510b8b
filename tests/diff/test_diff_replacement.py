"""A campaign that takes a successor: what is created in its place, whether that runs, and what is said."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import CampaignDiff, Diff
from reconciler.diff.replacement import diff_there, with_successor
from reconciler.model import (
    CampaignFields,
    Change,
    DesiredStatus,
    Finding,
    LivePackage,
    PackageById,
    Phase,
    Reason,
    Verb,
)
from reconciler.providers.base import Field, FieldFacts
from tests.diff.diff_parts import LINE, Side, live, view
from tests.fakes import Project, campaign, desired, rid
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
