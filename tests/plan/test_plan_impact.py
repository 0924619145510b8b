"""What a plan says that it means."""

import asyncio
from dataclasses import replace

import pytest

from reconciler.model import Assignment, DesiredStatus, GatewayChange, LivePackage, SchedulePhase, Window
from reconciler.observe import observe_members
from reconciler.plan import CampaignImpact, Impact, Plan
from reconciler.plan.file import plan_digest
from reconciler.plan.guards import interrupted
from reconciler.plan.impact import telling_removed, with_reads, with_removed
from reconciler.plan.model import PlannedWindow
from reconciler.state.base import Predecessor
from tests.fakes import NOW, PULSE, Project, campaign, desired, file, rid
from tests.memory_provider import IMMUTABLE, SERVER, MemoryCampaign, MemoryServer

STARTED, STOPPED = DesiredStatus.STARTED, DesiredStatus.STOPPED


def test_nothing() -> None:
    plan = Project().make_plan(desired())
    assert plan.empty
    assert plan.impact == Impact()
    assert plan.server == SERVER


def test_an_unchanged_campaign_has_no_impact() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line", "STARTED")))
    project.own("line", "1")
    assert project.make_plan(desired(campaign("line"))).impact.campaigns == ()


def test_counts_are_exact() -> None:
    server = MemoryServer(
        MemoryCampaign("1", "edited", "STARTED"),
        MemoryCampaign("2", "started"),
        MemoryCampaign("3", "stopped", "STARTED"),
        MemoryCampaign("4", "old", "STARTED"),
        MemoryCampaign("5", "older", "STOPPED"),
        MemoryCampaign("6", "swapped", "STOPPED", gateways={"a", "b", "c"}),
        batch=1,
    )
    project = Project(server)
    for live in server.by_id.values():
        project.own(live.name, live.id)
    wanted = desired(
        campaign("edited", description="x"),
        campaign("started", status=STARTED),
        campaign("stopped", status=STOPPED),
        campaign("swapped", gateways={"c", "d"}),
        campaign("new", "New one", gateways={"x", "y", "z"}),
    )
    impact = project.make_plan(wanted, prune=True).impact
    assert tuple(replace(row, place=None) for row in impact.campaigns) == (
        CampaignImpact(rid("edited"), "edited", interrupted=True),
        CampaignImpact(rid("new"), "New one", gained=3, created=True),
        CampaignImpact(rid("old"), "old", deleted=True, stops=True),
        CampaignImpact(rid("older"), "older", deleted=True),
        CampaignImpact(rid("started"), "started", starts=True),
        CampaignImpact(rid("stopped"), "stopped", stops=True),
        CampaignImpact(rid("swapped"), "swapped", gained=1, lost=2),
    )
    assert (impact.gained, impact.lost) == (4, 2)
    assert impact.requests == 3 + 1 + 1 + 3 + 4 + 2 + 1


def test_a_campaign_that_is_deleted_loses_all_of_its_gateways() -> None:
    server = MemoryServer(
        MemoryCampaign("1", "old", "STARTED", gateways={"a", "b", "c"}),
        MemoryCampaign("2", "older", "STOPPED", gateways={"a"}),
        MemoryCampaign("3", "bare", "STOPPED"),
        MemoryCampaign("4", "stays", "STARTED", gateways={"a"}),
    )
    project = Project(server)
    for each in server.by_id.values():
        project.own(each.name, each.id)
    wanted = desired(campaign("stays", status=STOPPED))
    plan = project.make_plan(wanted, prune=True)
    assert plan.impact.lost == 0, "nobody has read them yet"
    live = asyncio.run(
        observe_members(project.live(wanted, prune=True), interrupted(plan, server.facts), server)
    )
    impact = with_removed(plan.impact, live)
    assert {row.name: row.lost for row in impact.campaigns} == {"old": 3, "older": 1, "bare": 0, "stays": 0}
    assert impact.requests == plan.impact.requests
    told = telling_removed(plan.changes, impact, live)
    left = [(c.resource.name, c.gateways) for c in told if c.gateways]
    assert left == [
        ("old", GatewayChange(3, 0, lost=("a", "b", "c"))),
        ("older", GatewayChange(1, 0, lost=("a",))),
    ]
    assert [change for change in told if not change.gateways] == list(plan.changes)


def test_gateways_that_another_running_campaign_has_too() -> None:
    server = MemoryServer(
        MemoryCampaign("1", "running", "STARTED", gateways={"a", "b"}),
        MemoryCampaign("2", "idle", "STOPPED", gateways={"a"}),
        MemoryCampaign("3", "held", "STOPPED", gateways={"a"}),
        MemoryCampaign("4", "ending", "STARTED", gateways={"a"}),
        MemoryCampaign("5", "beginning", gateways={"b", "c"}),
    )
    project = Project(server)
    for live in server.by_id.values():
        project.own(live.name, live.id, status="STARTED" if live.name == "held" else None)
    wanted = desired(
        campaign("running", gateways={"a", "b"}),
        campaign("idle", gateways={"a"}),
        campaign("held", gateways={"a"}, status=STARTED),
        campaign("ending", gateways={"a"}, status=STOPPED),
        campaign("beginning", gateways={"b", "c"}, status=STARTED),
        campaign("new", gateways={"a", "b", "z"}, status=STARTED),
        campaign("newer", gateways={"z"}),
    )
    shared = {row.resource: row.shared for row in project.make_plan(wanted).impact.campaigns}
    assert shared == {
        rid("ending"): {},
        rid("beginning"): {},
        rid("new"): {rid("running"): 2, rid("beginning"): 1},
        rid("newer"): {rid("new"): 1},
    }


def test_permissions_of_the_reads_and_the_writes() -> None:
    server = MemoryServer(MemoryCampaign("1", "line", "STARTED"), packages=[LivePackage("p-1", "fw.bin")])
    project = Project(server)
    project.own("line", "1")
    plan = project.make_plan(desired(campaign("line", packages=(file("v1"),))))
    writes = ("CREATE_PACKAGE", "EDIT_CAMPAIGN", "START_CAMPAIGN", "STOP_CAMPAIGN")
    assert plan.impact.permissions == writes
    found = with_reads(plan.impact, {"get-campaign": 1, "sign-in": 1}, PULSE.operations)
    assert found == replace(plan.impact, permissions=(*writes, "VIEW_CAMPAIGN"))


@pytest.mark.parametrize("more", [["get-campaign"], ["get-campaign", "list-gateways", "list-packages"]])
def test_the_digest_is_of_the_plan_alone_however_much_was_read_for_it(more: list[str]) -> None:
    def planned(reads: list[str]) -> Plan:
        project = Project(MemoryServer(MemoryCampaign("1", "line", "STARTED", gateways={"a", "b"})))
        project.own("line", "1")
        plan = project.make_plan(desired(campaign("line", description="new", gateways={"b", "c"})))
        return replace(plan, impact=with_reads(plan.impact, reads, PULSE.operations))

    few, many = planned([]), planned(more)
    assert few.impact.permissions != many.impact.permissions
    assert plan_digest(few) == plan_digest(many)


def test_findings_stand_in_the_order_of_files() -> None:
    server = MemoryServer(MemoryCampaign("1", "a"), MemoryCampaign("2", "b", "SUSPENDED"))
    project = Project(server)
    project.own("b", "2")
    plan = project.make_plan(desired(campaign("a"), campaign("b", description="x", status=STARTED)))
    assert [finding.code for finding in plan.findings] == ["not-ours", "unknown-status", "unknown-status"]
    assert list(plan.findings) == sorted(plan.findings, key=lambda finding: finding.sort_key())


def test_records_take_no_step() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line")))
    plan = project.make_plan(desired(campaign("line")), adopt=True)
    assert plan.empty
    assert len(plan.records) == 1
    project.apply(plan)
    assert project.state.campaigns[rid("line")].id == "1"
    assert project.make_plan(desired(campaign("line"))).records == ()


# live campaigns: status and gateways; what is declared → who shares how many of the gateways that it gains
SHARED: dict[str, tuple[dict[str, tuple[str, str]], dict[str, str | None], dict[str, dict[str, int]]]] = {
    "a running one that changes nothing": (
        {"runs": ("STARTED", "ab"), "idle": ("STOPPED", "")}, {"runs": "ab", "idle": "bx"},
        {"idle": {"runs": 1}},
    ),
    "a running one whose gateways are not managed": (
        {"runs": ("STARTED", "ab"), "idle": ("STOPPED", "")}, {"runs": None, "idle": "bx"}, {},
    ),
    "an idle one": ({"one": ("STOPPED", "ab"), "two": ("STOPPED", "")}, {"one": "ab", "two": "b"}, {}),
    "two that run and share what nobody gains": (
        {"one": ("STARTED", "qa"), "two": ("STARTED", "q"), "idle": ("STOPPED", "")},
        {"one": "qa", "two": "q", "idle": "a"},
        {"idle": {"one": 1}},
    ),
    "two that gain the same, and one of them runs": (
        {"runs": ("STARTED", ""), "idle": ("STOPPED", "")}, {"runs": "ab", "idle": "bc"},
        {"idle": {"runs": 1}},
    ),
    "two that run and gain the same": (
        {"one": ("STARTED", ""), "two": ("STARTED", "")}, {"one": "ab", "two": "bc"},
        {"one": {"two": 1}, "two": {"one": 1}},
    ),
    "nobody gains": ({"one": ("STARTED", "a"), "two": ("STARTED", "a")}, {"one": "a", "two": "a"}, {}),
    "what it has already doesn't count": (
        {"one": ("STARTED", "ab"), "two": ("STARTED", "a")}, {"one": "ab", "two": "ax"}, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", SHARED)
def test_gateways_in_two_campaigns(row: str) -> None:
    there, declared, expected = SHARED[row]
    fakes = [MemoryCampaign(n, n, status, gateways=set(ids)) for n, (status, ids) in there.items()]
    project = Project(MemoryServer(*fakes))
    for each in fakes:
        project.own(each.name, each.id)
    wanted = desired(*(campaign(name, gateways=ids) for name, ids in declared.items()))
    campaigns = project.make_plan(wanted).impact.campaigns
    assert {
        row.resource.name: {other.name: count for other, count in row.shared.items()}
        for row in campaigns
        if row.shared
    } == expected


def test_gateways_of_what_is_deleted_are_not_counted_before_they_are_read() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "old", gateways={"a"})))
    project.own("old", "1")
    made = project.draft(desired(), prune=True)
    assert with_removed(made.plan.impact, made.live) == made.plan.impact
    assert with_removed(made.plan.impact, replace(made.live, campaigns={})) == made.plan.impact


def test_the_first_windows_are_told_by_phase_each_once_and_with_its_zone() -> None:
    download, activation = SchedulePhase.DOWNLOAD, SchedulePhase.ACTIVATION
    later = Window(NOW + 20, NOW + 30)
    assigned = (
        Assignment({download: later, activation: Window(NOW + 1, NOW + 2)}, timezone="UTC"),
        Assignment({download: Window(NOW + 10, NOW + 15)}, frozenset("a")),
        Assignment({download: later}, frozenset("b"), timezone="UTC"),
        Assignment({download: later}, frozenset("c"), timezone="Asia/Tokyo"),
    )
    project = Project(MemoryServer())
    plan = project.make_plan(desired(campaign("line", gateways="abc", schedules=assigned)))
    [row] = plan.impact.campaigns
    assert row.windows == (
        PlannedWindow("download", NOW + 10, NOW + 15),
        PlannedWindow("download", NOW + 20, NOW + 30, "Asia/Tokyo"),
        PlannedWindow("download", NOW + 20, NOW + 30, "UTC"),
        PlannedWindow("activation", NOW + 1, NOW + 2, "UTC"),
    )
    many = tuple(Assignment({download: Window(NOW + n, NOW + 99)}, frozenset("a")) for n in range(1, 20))
    [row] = project.make_plan(desired(campaign("line", gateways="abc", schedules=many))).impact.campaigns
    assert [each.begin for each in row.windows] == [NOW + n for n in range(1, 13)]


@pytest.mark.parametrize("prune", [False, True])
def test_of_predecessors_those_are_counted_that_are_ended_now(prune: bool) -> None:
    server = MemoryServer(
        MemoryCampaign("0", "line ~0", "OVER"),
        MemoryCampaign("1", "line ~1", "ROLLING"),
        MemoryCampaign("2", "line", "DRAFTED"),
        facts=IMMUTABLE,
    )
    project = Project(server)
    former = (Predecessor("0", ended=True), Predecessor("1", ended=False), Predecessor("9", ended=False))
    project.own("line", "2", predecessors=former)
    wanted = desired(campaign("line", status=STARTED))
    [row] = project.make_plan(wanted, prune=prune).impact.campaigns
    assert row.ends == 1
