"""What a plan touches, how that was, and what is said when it isn't so any more."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from plan_files import Case, cases, planned, stale_now

from reconciler.model import (
    Desired,
    DistributionList,
    LivePackage,
    Override,
    PackageById,
    PackageByName,
    Reason,
    SchedulePhase,
    ScheduleWindow,
    Scope,
    StepGroup,
    Verb,
    Window,
)
from reconciler.plan import Plan
from reconciler.plan.fingerprints import Fingerprint, Of, touched_of
from reconciler.plan.stale import expired, stale
from reconciler.state.base import (
    CampaignForgotten,
    CampaignOwned,
    FieldApplied,
    Intent,
    IntentNoted,
    Origin,
    Owned,
    PackageForgotten,
    PackageUploaded,
    StatusSet,
    upload_key,
)
from reconciler.state.folding import fold
from tests.actions import action as action_of
from tests.fakes import NOW, PULSE, Project, campaign, desired, file, holds, rid
from tests.memory_provider import SERVER, MemoryCampaign, MemoryServer
from tests.properties.prop_strategies import GATEWAYS, NAMES, examples

V1 = file("v1")


def world() -> Project:
    """Three campaigns, of which one is somebody else's, and packages."""
    server = MemoryServer(
        MemoryCampaign("1", "line", "STARTED", "text", ("p-1",), {"gw-1", "gw-2"}),
        MemoryCampaign("2", "other", "STOPPED", "", ("p-2",), {"gw-1"}),
        MemoryCampaign("3", "theirs", "STARTED", packages=("p-2",)),
        packages=[LivePackage("p-1", "one"), LivePackage("p-2", "two"), LivePackage("p-3", "three")],
    )
    project = Project(server)
    project.own("line", "1")
    project.own("other", "2")
    return project


def line(**fields: Any) -> Desired:
    return desired(campaign("line", **fields), campaign("other"))


@dataclass(frozen=True)
class Late:
    """What Git wants, what somebody does once the plan is made, and what is then said of it."""

    wanted: Desired
    deed: Callable[[Project], object]
    said: list[str]
    options: dict[str, bool]


def late(wanted: Desired, deed: Callable[[Project], object], *said: str, **options: bool) -> Late:
    return Late(wanted, deed, list(said), options)


def put(campaign_id: str, **values: Any) -> Callable[[Project], object]:
    def deed(project: Project) -> None:
        for name, value in values.items():
            setattr(project.server.by_id[campaign_id], name, value)

    return deed


def add(found: MemoryCampaign) -> Callable[[Project], object]:
    return lambda project: project.server.by_id.update({found.id: found})


def store(package: LivePackage) -> Callable[[Project], object]:
    return lambda project: project.server.stored.update({package.id: package})


def learn(*events: Any) -> Callable[[Project], object]:
    def deed(project: Project) -> None:
        project.state = fold(project.state, events)

    return deed


def lose(campaign_id: str) -> Callable[[Project], object]:
    return lambda project: project.server.by_id.pop(campaign_id)


def unstore(package_id: str) -> Callable[[Project], object]:
    return lambda project: project.server.stored.pop(package_id)


def uploaded(project: Project) -> None:
    project.uploaded(V1, "p-3")


EDIT = line(description="new")
JOIN = line(gateways={"gw-1", "gw-2", "gw-3"})
NEW = desired(campaign("line"), campaign("other"), campaign("new", packages=(V1,)))
OVERRIDE = line(
    gateways={"gw-1", "gw-2"}, overrides=(Override(frozenset({"gw-1", "gw-2"}), (PackageById("p-3"),)),)
)
THREE = line(gateways="abcd", overrides=(Override(frozenset("abcd"), (PackageById("p-3"),)),))
STATE = "the state's entry of Campaign/line"

LATE = {
    # the campaign itself
    "its name": late(EDIT, put("1", name="mine"), 'campaign 1 (line) name "line" → "mine"'),
    "its status": late(EDIT, put("1", status="STOPPED"), 'campaign 1 (line) status "STARTED" → "STOPPED"'),
    "several things of one": late(
        EDIT,
        put("1", description="theirs", packages=("p-1", "p-2")),
        'campaign 1 (line) description "text" → "theirs"; packages ["p-1"] → ["p-1", "p-2"]',
    ),
    "it is gone": late(EDIT, lose("1"), "campaign 1 (line) is no longer on the server"),
    "the order of its packages": late(
        line(packages=(PackageById("p-1"), PackageById("p-2"))), put("1", packages=("p-1",))
    ),
    "who is in": late(
        JOIN,
        put("1", gateways={"gw-1", "gw-5", "gw-6", "gw-7", "gw-8"}),
        "campaign 1 (line) 4 gateways joined (gw-5, gw-6, gw-7 and 1 more); 1 gateway left (gw-2)",
    ),
    "who is in, where nobody asked": late(
        desired(campaign("line"), campaign("other", description="new")), put("2", gateways={"gw-9"})
    ),
    "who is in, where it is interrupted": late(
        EDIT, put("1", gateways={"gw-1"}), "campaign 1 (line) 1 gateway left (gw-2)"
    ),
    "states and closed gateways": late(JOIN, put("1", states={"gw-1": "FAILED"}, closed={"gw-2"})),
    "its distribution list": late(
        line(distribution=DistributionList("f-1", 60)),
        put("1", distribution=DistributionList("f-2", 60)),
        'campaign 1 (line) distributionList (none) → {"id": "f-2", "interval": 60}',
    ),
    "packages of single gateways": late(
        OVERRIDE,
        put("1", overrides={"gw-2": ("p-2",)}),
        "campaign 1 (line) 1 gateway got other packages (gw-2)",
    ),
    "packages of three gateways": late(
        THREE,
        put("1", gateways=set("abcd"), overrides={"c": ("p-2",), "a": ("p-2",), "b": ("p-2",)}),
        "campaign 1 (line) 3 gateways got other packages (a, b, c)",
    ),
    "packages of four gateways": late(
        THREE,
        put("1", overrides={"c": ("p-2",), "a": ("p-2",), "b": ("p-2",), "d": ("p-2",)}),
        "campaign 1 (line) 4 gateways got other packages (a, b, c and 1 more)",
    ),
    "a gateway with packages of its own is closed": late(OVERRIDE, put("1", closed={"gw-1"})),
    "three left": late(THREE, put("1", gateways={"d"}), "campaign 1 (line) 3 gateways left (a, b, c)"),
    "letters of all languages": late(
        EDIT,
        put("1", description="Prüfstand 7 試"),
        'campaign 1 (line) description "text" → "Prüfstand 7 試"',
    ),
    "a gateway with packages of its own left": late(
        OVERRIDE, put("1", gateways={"gw-1"}), "campaign 1 (line) 1 gateway left (gw-2)"
    ),
    "one that was gone is back": late(
        desired(campaign("line"), campaign("other"), campaign("lost")),
        add(MemoryCampaign("9", "back")),
        "campaign 9 is on the server now, and was not",
    ),
    # names
    "a name that was free": late(
        NEW, add(MemoryCampaign("7", "new")), "the name 'new' was free, and is that of campaign 7 now"
    ),
    "a name that is to be taken from another one": late(
        desired(campaign("line", "other"), campaign("other", "line")),
        add(MemoryCampaign("7", "other")),
        "the name 'other' was that of campaign 2, and is that of campaigns 2, 7 now",
    ),
    "an adopted one has a twin": late(
        desired(campaign("line"), campaign("other"), campaign("theirs")),
        add(MemoryCampaign("7", "theirs")),
        "the name 'theirs' was that of campaign 3, and is that of campaigns 3, 7 now",
        adopt=True,
    ),
    "an adopted one got an owner": late(
        desired(campaign("line"), campaign("other"), campaign("theirs")),
        learn(CampaignOwned(Owned(rid("another"), "3", Origin.ADOPTED))),
        "campaign 3 was owned by nobody, and is owned by Campaign/another now",
        adopt=True,
    ),
    # packages
    "a package is gone": late(
        line(packages=(PackageById("p-3"),)), unstore("p-3"), "package p-3 is no longer on the server"
    ),
    "a package by name has a twin": late(
        line(packages=(PackageByName("three"),)),
        store(LivePackage("p-4", "three")),
        "the package name 'three' was that of package p-3, and is that of packages p-3, p-4 now",
    ),
    "a package that is to be uploaded": late(
        NEW,
        store(holds("p-4", "fw.bin", V1)),
        f"the content sha256:{V1.sha256} was that of no package, and is that of package p-4 now",
        adopt=True,
    ),
    "somebody uploaded it": late(
        NEW, uploaded, f"the state's entry of the content {V1.sha256} was made since then"
    ),
    # the state
    "another apply was there": late(
        EDIT,
        learn(StatusSet(rid("line"), "STOPPED"), FieldApplied(rid("line"), "settings", {})),
        f"{STATE} has changed (applied, status)",
    ),
    "it is given up": late(
        EDIT,
        learn(CampaignForgotten(rid("line"))),
        "campaign 1 was owned by Campaign/line, and is owned by nobody now",
        f"{STATE} is gone",
    ),
    "it is ours by now": late(
        NEW,
        learn(CampaignOwned(Owned(rid("new"), "7", Origin.CREATED))),
        "the state's entry of Campaign/new was made since then",
    ),
    "its create is under way": late(
        NEW,
        learn(IntentNoted(Intent("Campaign/new", "new")), IntentNoted(Intent(upload_key(V1.sha256), "fw"))),
        "the state's entry of Campaign/new was made since then",
        f"the state's entry of the content {V1.sha256} was made since then",
    ),
    # what it doesn't touch
    "another campaign of ours": late(EDIT, put("2", status="STARTED", gateways={"gw-9"}, name="x")),
    "another campaign of ours is gone": late(EDIT, lose("2")),
    "a campaign of somebody else": late(EDIT, put("3", status="STOPPED")),
    "a new campaign of somebody else": late(EDIT, add(MemoryCampaign("7", "seventh"))),
    "a package that nobody uses": late(EDIT, unstore("p-3")),
    "an entry of another resource": late(
        EDIT, learn(StatusSet(rid("other"), "STOPPED"), CampaignForgotten(rid("other")))
    ),
    "an upload of another content": late(EDIT, uploaded),
    "nothing": late(JOIN, lambda project: None),
}


@pytest.mark.parametrize("name", LATE)
def test_what_is_said(name: str) -> None:
    case = LATE[name]
    project = world()
    if name == "one that was gone is back":
        project.own("lost", "9")
    if name == "the order of its packages":
        put("1", packages=("p-2", "p-1"))(project)
        case = replace(case, deed=put("1", packages=("p-1", "p-2")))
        case = replace(
            case, wanted=line(description="new", packages=(PackageById("p-1"), PackageById("p-2")))
        )
    if case.wanted is THREE:
        put("1", gateways=set("abcd"))(project)
    made = asyncio.run(planned(project, case.wanted, **case.options))
    assert made.plan.groups or made.plan.records
    case.deed(project)
    found = asyncio.run(stale_now(made, project))
    assert [each.message for each in found] == case.said
    assert {each.code for each in found} <= {"stale-plan"}


def test_findings_name_the_resource_of_a_campaign() -> None:
    project = world()
    made = asyncio.run(planned(project, EDIT))
    put("1", status="STOPPED")(project)
    (found,) = asyncio.run(stale_now(made, project))
    assert found.resource == rid("line")


# --- packages to delete, and prune --------------------------------------------------------------


def pruning() -> tuple[Project, Desired]:
    project = world()
    project.uploaded(V1, "p-3")
    return project, desired(campaign("line"))


def test_what_is_deleted_is_looked_at_again_with_all_who_use_it() -> None:
    project, wanted = pruning()
    made = asyncio.run(planned(project, wanted, prune=True))
    assert [step.id for step in made.plan.steps()] == [
        "delete-campaign:other",
        f"delete-package:{V1.sha256[:12]}",
    ]
    assert asyncio.run(stale_now(made, project)) == ()
    put("3", packages=("p-2", "p-3"))(project)
    (found,) = asyncio.run(stale_now(made, project))
    assert found.message == "package p-3 was used by no campaign, and is used by campaign 3 now"


def test_packages_that_are_recognised_or_forgotten_are_touched() -> None:
    project = world()
    project.server.stored["p-4"] = holds("p-4", "fw.bin", V1)
    made = asyncio.run(planned(project, NEW, adopt=True))
    assert [type(record) for record in made.plan.records] == [PackageUploaded]
    unstore("p-4")(project)
    messages = [found.message for found in asyncio.run(stale_now(made, project))]
    assert messages == [
        f"the content sha256:{V1.sha256} was that of package p-4, and is that of no package now"
    ]

    project = world()
    project.uploaded(V1, "p-9")
    made = asyncio.run(planned(project, desired(campaign("line"), campaign("other")), prune=True))
    assert [type(record) for record in made.plan.records] == [PackageForgotten]
    store(LivePackage("p-9", "back"))(project)
    messages = [found.message for found in asyncio.run(stale_now(made, project))]
    assert messages == ["package p-9 is on the server now, and was not"]


@pytest.mark.parametrize(
    ("wanted", "options", "reads"),
    [
        (desired(campaign("line"), campaign("other", description="new")), {}, ["campaign 2"]),
        (JOIN, {}, ["campaign 1", "gateways 1"]),
        (OVERRIDE, {}, ["campaign 1", "gateways 1", "override 1 gw-1", "override 1 gw-2", "package p-3"]),
        (line(gateways={"gw-1"}), {}, ["campaign 1", "gateways 1", "distribution 1"]),
        (NEW, {"adopt": True}, ["campaigns new", "packages-of 3bfc2695"]),
        (line(packages=(PackageByName("three"),)), {}, ["campaign 1", "gateways 1", "packages three"]),
        (
            desired(campaign("line")),
            {"prune": True},
            ["campaigns", "campaign 2", "gateways 2", "package p-3", "campaign 1", "campaign 3"],
        ),
    ],
)
def test_only_what_it_touches_is_read_again_and_nothing_twice(
    wanted: Desired, options: dict[str, bool], reads: list[str]
) -> None:
    project = world()
    if "prune" in options:
        project.uploaded(V1, "p-3")
    made = asyncio.run(planned(project, wanted, **options))
    project.server.log.clear()
    assert asyncio.run(stale_now(made, project)) == ()
    assert project.server.log == reads


def test_gateways_that_a_distribution_list_adds_dont_count_but_those_that_the_plan_names() -> None:
    project = world()
    put("1", distribution=DistributionList("f-1", 60))(project)
    wanted = line(gateways={"gw-1", "gw-2", "gw-3"}, distribution=DistributionList("f-1", 60))
    made = asyncio.run(planned(project, wanted))
    assert [step.gateways for step in made.plan.steps()] == [("gw-3",)]
    put("1", gateways={"gw-1", "gw-8", "gw-9"})(project)
    assert asyncio.run(stale_now(made, project)) == ()
    put("1", gateways={"gw-1", "gw-3"})(project)
    (found,) = asyncio.run(stale_now(made, project))
    assert found.message == "campaign 1 (line) 1 gateway joined (gw-3)"


def test_a_plan_of_nothing_touches_nothing() -> None:
    project = world()
    made = asyncio.run(planned(project, line()))
    assert made.plan.empty
    assert made.fingerprints == ()
    assert touched_of(()) == touched_of(made.fingerprints)


def test_a_window_that_has_ended_since_is_said() -> None:
    window = Window(NOW, NOW + 1000)
    ids = ("gw-1", "gw-2")
    action = ScheduleWindow(
        rid("line"), Reason.NOT_RECORDED, "1", ids, phase=SchedulePhase.DOWNLOAD, window=window
    )
    group = StepGroup("schedule-download:line", action, PULSE.operations["schedule-download"], 1)
    start = StepGroup("start-campaign:line", action_of(Verb.START), PULSE.operations["start-campaign"])
    plan = Plan(SERVER, (group, start))
    assert expired(plan, NOW + 999) == ()
    (found,) = expired(plan, NOW + 1000)
    assert found.message == "the download window of 2 gateways ended 2027-01-15 08:00:01 UTC"
    assert (found.code, found.resource) == ("stale-plan", rid("line"))


@pytest.mark.parametrize(("length", "shown"), [(80, 80), (81, 80)])
def test_a_long_id_is_cut(length: int, shown: int) -> None:
    before = Fingerprint(Of.PACKAGE, "x" * length, {})
    (found,) = stale([before], [replace(before, facts=None)])
    words = found.message.split()
    assert (len(words[1]), words[2:]) == (shown, ["is", "no", "longer", "on", "the", "server"])


# --- for every world ----------------------------------------------------------------------------

deeds = st.tuples(
    st.sampled_from(
        [
            "status", "describe", "rename", "packages", "join", "leave", "delete", "distribute", "assign",
            "foreign", "unstore", "forget", "learn",
        ]
    ),
    st.integers(0, 3),
    st.sampled_from(GATEWAYS),
    st.sampled_from(NAMES),
)  # fmt: skip


def meddle(project: Project, what: str, which: int, gateway: str, name: str) -> None:
    """Somebody does something to the server, or another apply to the state."""
    server = project.server
    if what == "foreign":
        server.by_id["foreign"] = MemoryCampaign("foreign", name)
        return
    if what == "unstore":
        server.stored.pop(sorted(server.stored)[which % len(server.stored)])
        return
    if not server.by_id:
        return
    found = server.by_id[sorted(server.by_id)[which % len(server.by_id)]]
    resource = project.state.owner_of(found.id) or rid("nobody")
    match what:
        case "status":
            found.status = "STOPPED" if found.status == "STARTED" else "STARTED"
        case "describe":
            found.description += "!"
        case "rename":
            found.name = name
        case "packages":
            found.packages = () if found.packages else tuple(server.stored)
        case "join":
            found.gateways.add(gateway)
        case "leave":
            found.gateways.discard(gateway)
        case "delete":
            del server.by_id[found.id]
        case "distribute":
            found.distribution = DistributionList("theirs", 60)
        case "assign":
            found.overrides[gateway] = ("nonsense",)
        case "forget":
            project.state = fold(project.state, [CampaignForgotten(resource)])
        case "learn":
            project.state = fold(project.state, [FieldApplied(resource, "settings", {"N": {"value": "x"}})])


@given(cases(), deeds)
@examples(60)
def test_what_is_not_stale_would_be_planned_again(case: Case, deed: tuple[str, int, str, str]) -> None:
    made = case.planned()
    assert asyncio.run(stale_now(made, case.project)) == (), "nothing happened so far"
    meddle(case.project, *deed)
    if asyncio.run(stale_now(made, case.project)):
        event(f"{deed[0]}: stale")
        return
    event(f"{deed[0]}: not stale")
    again = asyncio.run(planned(case.project, case.wanted, **case.options)).plan
    # There may be more to do by now, but what was to be done is right.
    actions = [group.action for group in again.groups]
    assert [group.key for group in made.plan.groups if group.action not in actions] == []
    assert [record for record in made.plan.records if record not in again.records] == []


@given(cases(), deeds)
@examples(60)
def test_what_is_touched_by_nobody_is_never_stale(case: Case, deed: tuple[str, int, str, str]) -> None:
    """Live campaigns and names that no fingerprint is of may become what they like."""
    made = case.planned()
    scope = touched_of(made.fingerprints).scope
    server, (what, which, gateway, name) = case.project.server, deed
    ids = [key for key, found in sorted(server.by_id.items()) if {key, found.name}.isdisjoint(_keys(scope))]
    if scope.users or what in ("foreign", "unstore") or not ids or (what == "rename" and name in scope.names):
        return
    meddle(case.project, what, sorted(server.by_id).index(ids[which % len(ids)]), gateway, name)
    event(what)
    assert asyncio.run(stale_now(made, case.project)) == ()


def _keys(scope: Scope) -> set[str]:
    return {*scope.campaigns, *scope.names}
