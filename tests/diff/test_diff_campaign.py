"""Every field of a campaign: managed, not managed, empty × live."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import CampaignDiff, Diff
from reconciler.diff.campaign import diff_live, diff_new
from reconciler.model import (
    Assignment,
    CampaignFields,
    Change,
    DeliveryTerms,
    DesiredStatus,
    DistributionList,
    Force,
    GatewayChange,
    LivePackage,
    Only,
    PackageById,
    PackageByName,
    PendingUpload,
    Place,
    Reason,
    SchedulePhase,
    Secret,
    Severity,
    Window,
)
from reconciler.providers.base import Field, FieldFacts
from reconciler.state.base import FieldApplied, Origin
from tests.diff.diff_parts import LINE, PLACES, Side, view
from tests.diff.diff_parts import live as live_campaign
from tests.fakes import NOW, Project, campaign, desired, file, rid
from tests.memory_provider import FACTS, MemoryCampaign, MemoryServer

V1 = file("v1")
PACKAGES = [LivePackage("p-1", "one"), LivePackage("p-2", "two")]
ONE, TWO = PackageById("p-1"), PackageByName("two")
F1 = DistributionList("f-1", 60)


def compared(live: dict[str, Any], **fields: Any) -> Diff:
    """A campaign of ours against its live side."""
    server = MemoryServer(MemoryCampaign("1", **{"name": "line", **live}), packages=PACKAGES)
    project = Project(server)
    project.own("line", "1")
    return project.diff(desired(campaign("line", **fields)))


def only(difference: Diff) -> CampaignDiff:
    [found] = difference.campaigns
    return found


# live side, desired side → (field, before, after) of every change
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[str, Any, Any]]]] = {
    "name the same": ({}, {"name": "line"}, []),
    "name differs": ({}, {"name": "new"}, [("name", "line", "new")]),
    "description not managed": ({"description": "text"}, {}, []),
    "description the same": ({"description": "text"}, {"description": "text"}, []),
    "description differs": (
        {"description": "text"},
        {"description": "other"},
        [("description", "text", "other")],
    ),
    "description empty": ({"description": "text"}, {"description": ""}, [("description", "text", "")]),
    "description empty on both sides": ({}, {"description": ""}, []),
    "packages not managed": ({"packages": ("p-1",)}, {}, []),
    "packages the same": ({"packages": ("p-1", "p-2")}, {"packages": (ONE, TWO)}, []),
    "packages in another order": ({"packages": ("p-2", "p-1")}, {"packages": (ONE, TWO)}, []),
    "one package more": (
        {"packages": ("p-1",)},
        {"packages": (ONE, TWO)},
        [("packages", ["p-1"], ["p-1", "p-2"])],
    ),
    "one package, declared twice": ({"packages": ("p-2",)}, {"packages": (TWO, PackageById("p-2"))}, []),
    "packages empty": ({"packages": ("p-1",)}, {"packages": ()}, [("packages", ["p-1"], [])]),
    "a package still to be uploaded": (
        {"packages": ("p-1",)},
        {"packages": (V1,)},
        [("packages", ["p-1"], [{"upload": "fw.bin", "sha256": V1.sha256}])],
    ),
    "distribution list not managed": ({"distribution": F1}, {}, []),
    "distribution list the same": ({"distribution": F1}, {"distribution": F1}, []),
    "distribution list not set": (
        {},
        {"distribution": F1},
        [("distributionList", None, {"distributionListId": "f-1", "reevaluationIntervalSeconds": 60})],
    ),
    "another distribution list": (
        {"distribution": F1},
        {"distribution": DistributionList("f-2", 60)},
        [("distributionList.distributionListId", "f-1", "f-2")],
    ),
    "another interval": (
        {"distribution": F1},
        {"distribution": DistributionList("f-1", 30)},
        [("distributionList.reevaluationIntervalSeconds", 60, 30)],
    ),
    "interval not managed": ({"distribution": F1}, {"distribution": DistributionList("f-1")}, []),
    "both of another distribution list": (
        {"distribution": F1},
        {"distribution": DistributionList("f-2", 30)},
        [
            ("distributionList.distributionListId", "f-1", "f-2"),
            ("distributionList.reevaluationIntervalSeconds", 60, 30),
        ],
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_what_differs(row: str) -> None:
    live, fields, expected = ROWS[row]
    difference = compared(live, **fields)
    changes = [change for change in difference.changes if change.resource == rid("line")]
    assert [(c.field, c.before, c.after) for c in changes] == expected
    assert {c.reason for c in changes} <= {Reason.DIFFERS}
    edited = any(not c.field.startswith("distributionList") for c in changes)
    assert only(difference).edit is edited
    assert difference.findings == ()
    # What is set as declared is ours, if that wasn't recorded.
    equal = "distribution" in fields and not any(c.field.startswith("distributionList") for c in changes)
    ours = (FieldApplied(rid("line"), "distributionList", fields["distribution"].id),) if equal else ()
    assert difference.records == ours


def test_an_edit_carries_what_is_managed_and_nothing_else() -> None:
    found = only(compared({"description": "text", "packages": ("p-1",)}, name="new"))
    assert found.fields == CampaignFields("new", None, None, None)
    found = only(compared({}, description="", packages=(V1, ONE), settings={"A": "b"}))
    assert found.fields == CampaignFields("line", "", (PendingUpload(V1.sha256), "p-1"), {"A": "b"})


def test_an_interval_that_is_not_managed_is_sent_as_it_is() -> None:
    found = only(compared({"distribution": F1}, distribution=DistributionList("f-2")))
    assert found.distribution == DistributionList("f-2", 60)


# --- gateways

# live, desired, closed → gained, lost
MEMBERS: dict[str, tuple[set[str], Any, Any, tuple[str, ...], tuple[str, ...]]] = {
    "not managed": ({"a"}, None, None, (), ()),
    "the same": ({"a", "b"}, {"b", "a"}, None, (), ()),
    "one joins": ({"b"}, {"a", "b"}, None, ("a",), ()),
    "one leaves": ({"b", "a"}, {"b"}, None, (), ("a",)),
    "one for another": ({"b"}, {"a"}, None, ("a",), ("b",)),
    "empty: all leave": ({"b", "a"}, (), None, (), ("a", "b")),
    "empty on both sides": (set(), (), None, (), ()),
    "a closed one is not added": ({"a"}, {"a", "b", "c"}, {"b"}, ("c",), ()),
    "a closed one that is in stays": ({"a", "b"}, {"a", "b"}, {"b"}, (), ()),
}


@pytest.mark.parametrize("row", MEMBERS)
def test_members(row: str) -> None:
    live, wanted, closed, gained, lost = MEMBERS[row]
    difference = compared({"gateways": live}, gateways=wanted, closed=closed)
    found = only(difference)
    assert (found.gained, found.lost) == (gained, lost)
    changes = [change for change in difference.changes if change.field == "gateways"]
    if not gained and not lost:
        assert changes == []
        return
    reason = Reason.DIFFERS if gained and lost else Reason.JOINS if gained else Reason.LEAVES
    size = len(live) + len(gained) - len(lost)
    counts = GatewayChange(len(live), size, gained, lost)
    assert changes == [Change(rid("line"), "gateways", None, None, reason, counts)]


@pytest.mark.parametrize(("live", "wanted"), [(F1, None), (F1, DistributionList("f-2")), (None, F1)], ids=str)
def test_a_distribution_list_spares_who_is_not_declared(live: Any, wanted: Any) -> None:
    difference = compared(
        {"gateways": {"a", "b", "c"}, "distribution": live}, gateways={"a", "d"}, distribution=wanted
    )
    assert (only(difference).gained, only(difference).lost) == (("d",), ())
    [finding] = difference.findings
    assert finding.code == "membership-by-distribution-list"
    assert finding.severity is Severity.NOTE
    assert "2 gateways" in finding.message


WINDOW_FOR_ALL = Assignment({SchedulePhase.DOWNLOAD: Window(NOW, NOW + 5)})

# live members and who of them is closed, whether a list is live; declared gateways and closed ones, whether a
# list is declared; who was added by us → who gets a window for all of the campaign
EVERYBODY: dict[str, tuple[str, str, bool, str | None, str | None, bool, str, str]] = {
    "as declared": ("ab", "", False, "ab", None, False, "", "ab"),
    "one joins, one leaves": ("ab", "", False, "bc", None, False, "", "bc"),
    "gateways are not managed": ("ab", "", False, None, None, False, "", "ab"),
    "gateways are not managed, and one is closed": ("ab", "b", False, None, None, False, "", "a"),
    "one is closed": ("ab", "b", False, "ab", None, False, "", "a"),
    "one is to be closed": ("ab", "", False, "ab", "b", False, "", "a"),
    "one is closed, and another is to be": ("abc", "b", False, "abc", "c", False, "", "a"),
    "one that would join is closed": ("a", "", False, "ab", "b", False, "", "a"),
    "a list is set, and it added one": ("ab", "", True, "a", None, False, "", "ab"),
    "a list is set, and one joins": ("ab", "", True, "ac", None, False, "", "abc"),
    "a list is set, and one that we added leaves": ("abc", "", True, "a", None, False, "b", "ac"),
    "a list is to be set": ("ab", "", False, "ac", None, True, "", "abc"),
    "a list is to be set, and one is closed": ("abd", "b", False, "ac", "d", True, "", "ac"),
}


@pytest.mark.parametrize("row", EVERYBODY)
def test_who_is_in_the_campaign_after_the_plan(row: str) -> None:
    live, closed, listed, gateways, closing, lists, added, everybody = EVERYBODY[row]
    there = MemoryCampaign(
        "1", "line", gateways=set(live), closed=set(closed), distribution=F1 if listed else None
    )
    project = Project(MemoryServer(there))
    project.own("line", "1", members={"gateways": {"added": frozenset(added)}} if added else {})
    wanted = campaign(
        "line",
        gateways=gateways,
        closed=closing,
        distribution=F1 if lists else None,
        schedules=(WINDOW_FOR_ALL,),
    )
    (found,) = project.diff(desired(wanted)).campaigns
    assert sorted({gateway for each in found.schedules for gateway in each.gateways}) == [*everybody]


# --- a campaign that is to be created


def created(**fields: Any) -> Diff:
    return Project(MemoryServer(packages=PACKAGES)).diff(desired(campaign("line", **fields)))


def test_a_new_campaign_of_nothing_but_a_name() -> None:
    difference = created()
    assert difference.changes == (Change(rid("line"), "name", None, "line", Reason.NOT_ON_SERVER),)
    assert only(difference).create


def test_every_managed_field_of_a_new_campaign_is_a_change() -> None:
    difference = created(
        description="",
        packages=(ONE, V1),
        settings={"B": Secret("variable B", "hidden"), "A": "a"},
        gateways={"b", "a", "closed"},
        closed={"closed", "nobody"},
        distribution=F1,
        status=DesiredStatus.STARTED,
    )
    changes = [c for c in difference.changes if c.resource == rid("line") and c.field != "closedGateways"]
    assert [(c.field, c.after) for c in changes] == [
        ("name", "line"),
        ("description", ""),
        ("packages", ["p-1", {"upload": "fw.bin", "sha256": V1.sha256}]),
        ("settings.A", "a"),
        ("settings.B", {"secret": "variable B"}),
        ("distributionList", {"distributionListId": "f-1", "reevaluationIntervalSeconds": 60}),
        ("status", "STARTED"),
        ("gateways", None),
    ]
    assert changes[-1].gateways == GatewayChange(0, 2, ("a", "b"))
    assert all(change.before is None for change in changes)
    assert only(difference).gained == ("a", "b")
    assert "hidden" not in repr(difference.changes)


TERMS = DeliveryTerms(Force.ALWAYS, None, Only.ALL, None, 0)


@pytest.mark.parametrize(
    ("live", "wanted", "change"),
    [
        (TERMS, DeliveryTerms(Force.NEVER), ({"force": "always"}, {"force": "never"})),
        (TERMS, DeliveryTerms(Force.ALWAYS), None),
        (TERMS, None, None),
        (None, DeliveryTerms(Force.NEVER), None),
    ],
)
def test_how_gateways_get_their_packages(
    live: DeliveryTerms | None, wanted: DeliveryTerms | None, change: Any
) -> None:
    seen = view(Side(live=replace(live_campaign(), delivery=live)), delivery=wanted)
    assert seen.live
    assert seen.owned
    found = diff_live(seen, seen.live, seen.owned)
    expected = [] if change is None else [Change(LINE, "delivery", *change, Reason.DIFFERS)]
    assert list(found.changes) == expected
    assert found.edit is bool(expected)
    made = diff_new(view(Side(new=True), delivery=wanted), Reason.NOT_ON_SERVER)
    shown = [(c.before, c.after, c.reason) for c in made.changes if c.field == "delivery"]
    assert shown == ([(None, {"force": str(wanted.force)}, Reason.NOT_ON_SERVER)] if wanted else [])
    assert made.fields.delivery == wanted


@pytest.mark.parametrize("decide", [True, False])
@pytest.mark.parametrize("gateways", [None, "ab"])
@pytest.mark.parametrize("listed", [None, F1])
def test_where_a_list_alone_decides_no_gateways_can_be_declared(
    decide: bool, gateways: Any, listed: DistributionList | None
) -> None:
    seen = view(Side(live=live_campaign(distribution=listed)), gateways=gateways)
    seen = replace(seen, ask=replace(seen.ask, facts=replace(seen.ask.facts, lists_decide=decide)))
    assert seen.live
    assert seen.owned
    refused = diff_live(seen, seen.live, seen.owned).refused
    if not (decide and gateways and listed):
        assert refused is None
        return
    assert refused is not None
    assert (refused.code, refused.place, refused.resource) == ("fixed-field", PLACES["gatewayLists"], LINE)
    assert refused.severity is Severity.ERROR
    assert refused.message == (
        "Campaign/line was made with the distribution list 'f-1', which alone decides who is in it:"
        " its gateways can't be declared"
    )
    assert "distributionList" in (refused.hint or "")


def test_a_new_campaign_satisfies_stopped_as_it_is_made() -> None:
    assert [c.field for c in created(status=DesiredStatus.STOPPED).changes] == ["name"]


def test_a_campaign_that_is_gone_is_created_again() -> None:
    project = Project()
    project.own("line", "1", Origin.ADOPTED, status="STARTED")
    difference = project.diff(desired(campaign("line")))
    assert [c.reason for c in difference.changes] == [Reason.GONE_FROM_SERVER]
    assert difference.records == ()


# --- what Git dropped, and stays

WINDOW = f"{NOW - 5}/{NOW + 5}"
DROPPED: dict[str, tuple[dict[str, dict[str, str]], list[tuple[str, str]]]] = {
    "a download": ({"schedules.download": {WINDOW: "ab"}}, [("cannot-undo", "2 gateways")]),
    "an execution": ({"schedules.execution": {WINDOW: "bx"}}, [("cannot-undo", "the gateway b")]),
    "an activation": ({"schedules.activation": {WINDOW: "a"}}, [("cannot-undo", "the gateway a")]),
    "a window that has ended": ({"schedules.download": {f"{NOW - 5}/{NOW}": "ab"}}, []),
    "overrides": ({"packageOverrides": {'["p-1"]': "ab"}}, [("override-kept", "2 gateways")]),
    "overrides of who left": ({"packageOverrides": {'["p-1"]': "x"}}, []),
    "both": (
        {"packageOverrides": {'["p-1"]': "b"}, "schedules.download": {WINDOW: "a"}},
        [("override-kept", "the gateway b"), ("cannot-undo", "the gateway a")],
    ),
    "things": ({"runOnThings": {'["t"]': "ab"}}, []),
}


@pytest.mark.parametrize("lists", [None, "ab"], ids=["with the lists", "alone"])
@pytest.mark.parametrize("row", DROPPED)
def test_what_is_no_longer_declared_and_stays_is_said(row: str, lists: str | None) -> None:
    recorded, said = DROPPED[row]
    project = Project(MemoryServer(MemoryCampaign("1", "line", gateways=set("ab"))))
    members = {name: {v: frozenset(ids) for v, ids in each.items()} for name, each in recorded.items()}
    project.own("line", "1", members=members)
    found = project.diff(desired(campaign("line", gateways=lists)))
    assert [(f.code, f.message.rpartition(" for ")[2]) for f in found.findings] == said
    assert (found.changes, found.records) == ((), ())


def test_members_are_not_read_for_what_leaves_nothing_behind() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line", gateways=set("ab"))))
    members = {"runOnThings": {'["t"]': frozenset("ab")}, "gateways": {"added": frozenset("a")}}
    project.own("line", "1", members=members)
    assert project.reads(desired(campaign("line"))) == ["campaigns line", "campaign 1"]


# --- what the server can't take back --------------------------------------------------------------


@pytest.mark.parametrize("clearable", [True, False])
@pytest.mark.parametrize("name", ["line", "new"])
def test_what_the_server_can_not_take_back_is_said_and_is_no_edit(clearable: bool, name: str) -> None:
    facts = replace(FACTS, fields={**FACTS.fields, Field.DESCRIPTION: FieldFacts(clearable=clearable)})
    project = Project(MemoryServer(MemoryCampaign("1", "line", description="text"), facts=facts))
    project.own("line", "1")
    place = Place("line.yaml", 7, 3)
    wanted = replace(campaign("line", name, description=""), places={"description": place})
    difference = project.diff(desired(wanted))
    named = ["name"] if name == "new" else []
    cleared = ["description"] if clearable else []
    assert [change.field for change in difference.changes] == named + cleared
    assert only(difference).edit is bool(named + cleared)
    assert [(each.code, each.place, each.severity) for each in difference.findings] == (
        [] if clearable else [("cannot-undo", place, Severity.NOTE)]
    )
    assert only(difference).fields.description == ""
