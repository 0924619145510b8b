"""A plan said in devices: who is counted as what, and which packages by name; what is read for that."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.app.pipeline import Planned, draft, guard_basis, in_devices
from reconciler.errors import Refused
from reconciler.model import (
    Desired,
    DesiredStatus,
    DistributionList,
    LivePackage,
    Override,
    PackageById,
    PackageByName,
)
from reconciler.options import Options
from reconciler.plan import Plan
from reconciler.plan.devices import with_devices
from reconciler.plan.finished import LEFT_BEHIND
from reconciler.plan.model import Devices, Packages
from tests.fakes import NOW, Project, campaign, desired, file, holds, rid
from tests.memory_provider import FACTS, IMMUTABLE, MemoryCampaign, MemoryServer

STARTED, STOPPED = DesiredStatus.STARTED, DesiredStatus.STOPPED
DONE, FAILED, FLYING = "ACTIVATION_COMPLETE", "FAILED", "DOWNLOAD_COMPLETE"
OLD, NEW = LivePackage("p-1", "fw-2.1.bin"), LivePackage("p-2", "fw-2.2.bin")
NONE = Devices(0, 0, 0, 0, 0, 0, 0, 0)


def said(project: Project, wanted: Desired, **options: bool) -> Planned:
    """The plan of `wanted`, in devices, as the commands make it."""

    async def made() -> Planned:
        planned = await draft(wanted, project.state, project.server, Options(**options), now=NOW)
        basis = await guard_basis(planned, project.server)
        return await in_devices(replace(planned, live=basis.live), project.server)

    project.server.log.clear()
    return asyncio.run(made())


def plan_of(project: Project, wanted: Desired, **options: bool) -> Plan:
    return said(project, wanted, **options).plan


def only(plan: Plan) -> Devices:
    [row] = plan.impact.campaigns
    assert row.devices == plan.impact.devices, "of one campaign, all of it"
    return row.devices


def names(count: int, begin: int = 0) -> set[str]:
    return {f"gw-{number:04}" for number in range(begin, begin + count)}


def in_states(**states: Iterable[str]) -> dict[str, str]:
    words = {"done": DONE, "failed": FAILED, "flying": FLYING, "strange": "NEVER_HEARD_OF"}
    return {gateway: words[state] for state, ids in states.items() for gateway in ids}


def world(*campaigns: MemoryCampaign, packages: Iterable[LivePackage] = (OLD, NEW)) -> Project:
    project = Project(MemoryServer(*campaigns, packages=packages))
    for each in campaigns:
        project.own(each.name, each.id)
    return project


def of_devices(project: Project) -> list[str]:
    """The reads, except for looks for doubles by their names."""
    return [read for read in project.server.log if not read.startswith("campaigns")]


def test_a_start_says_how_many_start() -> None:
    states = in_states(done=names(3), failed=names(1, 3), flying=names(2, 10))
    live = MemoryCampaign(
        "1", "line", packages=("p-1",), gateways=names(3000), states=states, closed={"gw-0000", "gw-0100"}
    )
    plan = plan_of(world(live), desired(campaign(status=STARTED)))
    assert only(plan) == replace(NONE, members=3000, start=3000 - 3 - 1 - 1)
    assert plan.impact.campaigns[0].packages == Packages(("fw-2.1.bin",), ("fw-2.1.bin",))


def test_a_stop_says_how_many_stop_and_how_many_of_them_in_the_middle_of_an_update() -> None:
    states = in_states(done=names(3), flying=names(4, 10), strange={"gw-0020"})
    live = MemoryCampaign(
        "1", "line", "STARTED", gateways=names(50), states=states, closed={"gw-0010", "gw-0030"}
    )
    plan = plan_of(world(live), desired(campaign(status=STOPPED)))
    assert only(plan) == replace(NONE, members=50, stop=50 - 3 - 2, interrupt=4)


def test_other_packages_for_a_running_campaign() -> None:
    states = in_states(done=names(97), failed={"gw-0097"}, flying=names(5, 100))
    live = MemoryCampaign("1", "line", "STARTED", packages=("p-1",), gateways=names(120), states=states)
    project = world(live)
    plan = plan_of(project, desired(campaign(packages=(PackageById("p-2"),))))
    assert only(plan) == replace(NONE, members=120, update=22, finished=98, interrupt=5), (
        "a bracket stops none"
    )
    assert plan.impact.campaigns[0].packages == Packages(("fw-2.1.bin",), ("fw-2.2.bin",))
    assert plan.package_names == {"p-1": "fw-2.1.bin", "p-2": "fw-2.2.bin"}


def test_who_joins_gets_packages_who_leaves_gets_none() -> None:
    states = in_states(done=names(4), flying={"gw-0005"})
    live = MemoryCampaign("1", "line", packages=("p-1",), gateways=names(10), states=states)
    lists = names(10, 2) | {"gw-0000"}
    plan = plan_of(world(live), desired(campaign(packages=(PackageById("p-2"),), gateways=lists)))
    # gw-0001 leaves; 0, 2 and 3 are done; 4 to 9 are not; 10 and 11 join.
    assert only(plan) == replace(NONE, members=11, join=2, leave=1, update=8, finished=3)


def test_a_campaign_that_is_created_and_started() -> None:
    fresh = file("v3", "fw-2.3.bin")
    wanted = campaign(packages=(fresh,), gateways=names(7), closed={"gw-0000"}, status=STARTED)
    plan = plan_of(world(), desired(wanted))
    assert only(plan) == replace(NONE, members=6, join=6, start=6, update=6)
    assert plan.impact.campaigns[0].packages == Packages((), ("fw-2.3.bin",))


@pytest.mark.parametrize("status", ["STARTED", "STOPPED"])
def test_a_campaign_that_is_deleted(status: str) -> None:
    states = in_states(done=names(2), flying=names(3, 5))
    live = MemoryCampaign("1", "old", status, packages=("p-1",), gateways=names(12), states=states)
    plan = plan_of(world(live), desired(), prune=True)
    stop = 10 if status == "STARTED" else 0
    assert only(plan) == replace(NONE, members=12, leave=12, stop=stop, interrupt=3)
    assert plan.impact.campaigns[0].packages == Packages(("fw-2.1.bin",), ())


def test_a_bracket_starts_and_stops_nobody_and_interrupts_those_in_flight() -> None:
    states = in_states(done=names(2), flying=names(3, 5))
    live = MemoryCampaign("1", "line", "STARTED", packages=("p-1",), gateways=names(12), states=states)
    plan = plan_of(world(live), desired(campaign(description="new")))
    assert only(plan) == replace(NONE, members=12, interrupt=3)


def test_a_bracket_of_an_earlier_run_is_closed_and_starts_nobody() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line", "STOPPED", gateways=names(5))))
    project.own("line", "1", return_to="STARTED", status="STARTED")
    plan = plan_of(project, desired(campaign(status=STARTED, gateways=names(5))))
    assert [group.operation.name for group in plan.groups] == ["start-campaign"]
    assert only(plan) == replace(NONE, members=5)


def test_gateways_in_flight_that_leave_or_are_closed_are_interrupted_as_the_guard_says() -> None:
    states = in_states(flying=names(4))
    live = MemoryCampaign("1", "line", "STARTED", gateways=names(9), states=states)
    wanted = desired(campaign(gateways=names(8, 1), closed={"gw-0001", "gw-0008"}))
    plan = plan_of(world(live), wanted)
    assert only(plan) == replace(NONE, members=8, leave=1, interrupt=2)


def test_packages_of_single_gateways() -> None:
    states = in_states(done={"gw-0000", "gw-0004"})
    live = MemoryCampaign(
        "1",
        "line",
        packages=("p-1",),
        gateways=names(8),
        states=states,
        overrides={"gw-0000": ("p-3",), "gw-0001": ("p-3",)},
    )
    beta = LivePackage("p-3", "beta.bin")
    project = Project(MemoryServer(live, packages=(OLD, NEW, beta)))
    project.own("line", "1", members={"packageOverrides": {'["p-3"]': frozenset({"gw-0000", "gw-0001"})}})
    own = Override(frozenset({"gw-0000", "gw-0001", "gw-0002"}), (PackageById("p-3"),))
    wanted = campaign(overrides=(own,), gateways=names(8))
    assert only(plan_of(project, desired(wanted))) == replace(NONE, members=8, update=1)
    with_new = replace(wanted, packages=(PackageById("p-2"),))
    # gw-0000 and gw-0001 keep what they have; gw-0002 gets beta.bin, the others fw-2.2.bin, gw-0004 is done.
    assert only(plan_of(project, desired(with_new))) == replace(NONE, members=8, update=5, finished=1)
    none = replace(wanted, overrides=())
    assert only(plan_of(project, desired(none))) == replace(NONE, members=8, update=1, finished=1)


def test_in_all_a_gateway_counts_once() -> None:
    one = MemoryCampaign("1", "one", gateways=names(5), states=in_states(done={"gw-0004"}))
    two = MemoryCampaign("2", "two", gateways=names(5, 3))
    project = world(one, two)
    wanted = desired(
        campaign("one", status=STARTED),
        campaign("two", status=STARTED, gateways=names(6, 3)),
        campaign("three", gateways={"gw-0003", "gw-0008", "gw-0100"}),
    )
    plan = plan_of(project, wanted)
    rows = {row.name: row.devices for row in plan.impact.campaigns}
    assert rows["one"] == replace(NONE, members=5, start=4)
    assert rows["two"] == replace(NONE, members=6, join=1, start=6, update=1)
    assert rows["three"] == replace(NONE, members=3, join=3, update=3)
    # gw-0003 starts twice; gw-0004 only in two, because it is done in one; gw-0008 joins two campaigns.
    assert plan.impact.devices == replace(NONE, members=10, join=3, start=9, update=3)


def test_who_may_be_left_behind_is_told_in_the_order_of_findings() -> None:
    done = in_states(done=names(2))
    found = [MemoryCampaign(key, key, packages=("p-1",), gateways=names(2), states=done) for key in "cab"]
    wanted = (campaign(each.name, packages=(PackageById("p-2"),), gateways=names(2)) for each in found)
    told = [each for each in plan_of(world(*found), desired(*wanted)).findings if each.code == LEFT_BEHIND]
    assert [str(each.resource) for each in told] == ["Campaign/a", "Campaign/b", "Campaign/c"]


def test_another_kind_of_server_where_a_stop_interrupts_nobody() -> None:
    states = {"gw-0000": "fine", "gw-0001": "sick", "gw-0002": "flashing", "gw-0003": "a new word"}
    live = MemoryCampaign("1", "line", "rolling", packages=("p-1",), gateways=names(6), states=states)
    project = Project(MemoryServer(live, packages=(OLD, NEW), facts=FACTS))
    project.own("line", "1")
    plan = plan_of(project, desired(campaign(status=STOPPED)))
    assert only(plan) == replace(NONE, members=6, stop=4)
    plan = plan_of(project, desired(campaign(packages=(PackageById("p-2"),))))
    assert only(plan) == replace(NONE, members=6, update=4, finished=2)


# --- what isn't known ------------------------------------------------------------------------------


def test_a_list_that_is_set_by_the_plan_will_choose_who_is_in() -> None:
    wanted = campaign(distribution=DistributionList("dl-1", 60), gateways={"gw-1"}, status=STARTED)
    unknown = replace(NONE, members=None, join=None, start=None, update=None)
    assert only(plan_of(world(), desired(wanted))) == unknown
    live = MemoryCampaign("1", "line", gateways={"gw-1"}, distribution=DistributionList("dl-0", 60))
    assert only(plan_of(world(live), desired(wanted))) == unknown


def test_a_list_that_is_set_already_has_chosen() -> None:
    there = DistributionList("dl-1", 60)
    live = MemoryCampaign("1", "line", gateways=names(40), distribution=there)
    wanted = campaign(distribution=replace(there, interval=120), status=STARTED)
    assert only(plan_of(world(live), desired(wanted))) == replace(NONE, members=40, start=40)


def test_members_that_nobody_had_to_read_are_not_counted() -> None:
    project = world(MemoryCampaign("1", "line", gateways=names(40)))
    made = said(project, desired(campaign(description="new")))
    assert only(made.plan) == replace(NONE, members=None)
    assert of_devices(project) == ["campaign 1"]
    two = world(MemoryCampaign("1", "line", gateways=names(40)), MemoryCampaign("2", "b", gateways=names(2)))
    plan = plan_of(two, desired(campaign(description="new"), campaign("b", status=STARTED)))
    assert plan.impact.devices == replace(NONE, members=None, start=2)


def test_a_campaign_that_waits_for_nothing_is_not_in_the_impact() -> None:
    project = world(MemoryCampaign("1", "line", "STARTED", gateways=names(40)))
    plan = plan_of(project, desired(campaign(status=STARTED)))
    assert plan.empty
    assert plan.impact.devices == NONE


# --- names -----------------------------------------------------------------------------------------


def test_names_are_read_only_where_nobody_knows_them() -> None:
    mine = file("v1", "fw-2.1.bin")
    live = MemoryCampaign("1", "line", packages=("p-1", "p-9"), gateways={"gw-1"})
    strange = LivePackage("p-9", "by-hand.bin")
    project = Project(MemoryServer(live, packages=(holds("p-1", "fw-2.1.bin", mine), NEW, strange)))
    project.own("line", "1")
    project.uploaded(mine, "p-1")
    made = said(project, desired(campaign(packages=(PackageByName("fw-2.2.bin"),))))
    assert of_devices(project) == ["campaign 1", "packages fw-2.2.bin", "gateways 1", "package p-9"]
    [row] = made.plan.impact.campaigns
    assert row.packages == Packages(("fw-2.1.bin", "by-hand.bin"), ("fw-2.2.bin",))
    said(project, desired(campaign(description="new")))
    assert of_devices(project) == ["campaign 1"], "nothing happens to devices"


def test_a_package_without_a_name_goes_by_its_id() -> None:
    class Closed(MemoryServer):
        async def package(self, package_id: str) -> LivePackage | None:
            raise Refused("no", request=f"GET {package_id}")

    live = MemoryCampaign("1", "line", packages=("p-1",), gateways={"gw-1"})
    for server in (
        Closed(live, packages=(OLD,)),
        MemoryServer(live),
        MemoryServer(live, packages=(LivePackage("p-1", ""),)),
    ):
        project = Project(server)
        project.own("line", "1")
        plan = plan_of(project, desired(campaign(status=STARTED)))
        assert plan.impact.campaigns[0].packages == Packages(("p-1",), ("p-1",))
        assert plan.package_names == {}


def test_the_order_of_packages_means_nothing() -> None:
    live = MemoryCampaign("1", "line", packages=("p-2", "p-1"), gateways={"gw-1"})
    wanted = campaign(packages=(PackageById("p-1"), PackageById("p-2")), description="new")
    plan = plan_of(world(live), desired(wanted))
    names = plan.impact.campaigns[0].packages
    assert names.before == names.after
    assert only(plan) == replace(NONE, members=None)


def test_a_campaign_that_another_resource_takes_over_keeps_its_overrides() -> None:
    live = MemoryCampaign("1", "line", packages=("p-1",), gateways=names(3))
    project = Project(MemoryServer(live, packages=(OLD, NEW)))
    project.own("before", "1", members={"packageOverrides": {'["p-7"]': frozenset({"gw-0000"})}})
    plan = plan_of(project, desired(campaign("now", "line", packages=(PackageById("p-2"),))))
    assert [row.resource for row in plan.impact.campaigns] == [rid("now")]
    assert only(plan) == replace(NONE, members=3, update=2)


def test_in_a_successor_everybody_begins_anew() -> None:
    states = {"a": "fine", "b": "fetching", "c": "queued"}
    live = MemoryCampaign("1", "line", "ROLLING", packages=("p-1",), gateways={*"abcd"}, states=states)
    project = Project(MemoryServer(live, packages=(OLD, NEW), facts=IMMUTABLE))
    project.own("line", "1")
    plan = plan_of(project, desired(campaign(packages=(PackageById("p-2"),), gateways={*"bcde"})))
    found = only(plan)
    assert plan.impact.campaigns[0].replaced
    assert (found.members, found.join, found.leave, found.update, found.finished) == (4, 1, 1, 4, 0)
    assert plan.impact.campaigns[0].packages == Packages(("fw-2.1.bin",), ("fw-2.2.bin",))


def test_who_is_closed_in_what_is_replaced_leaves_nothing() -> None:
    live = MemoryCampaign("1", "line", "ROLLING", packages=("p-1",), gateways={*"abcd"}, closed={*"ad"})
    project = Project(MemoryServer(live, packages=(OLD, NEW), facts=IMMUTABLE))
    project.own("line", "1")
    found = only(plan_of(project, desired(campaign(packages=(PackageById("p-2"),), gateways={*"bce"}))))
    assert (found.join, found.leave) == (1, 0)


# --- members that nobody could read ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "fields", "unknown", "known"),
    [
        ("STOPPED", {"status": STARTED}, "start", {}),
        ("STARTED", {"status": STOPPED}, "stop interrupt", {}),
        ("STARTED", None, "leave stop interrupt", {}),
        ("STOPPED", None, "leave interrupt", {}),
        ("STOPPED", {"packages": (PackageById("p-2"),)}, "update finished", {}),
        ("STOPPED", {"gateways": names(3)}, "", {"join": 3, "update": 3}),
        ("STARTED", {"gateways": names(3)}, "", {"join": 3, "update": 3}),
        ("STARTED", {"description": "new"}, "interrupt", {}),
    ],
)
def test_of_members_that_were_not_read_only_what_they_matter_for_is_unknown(
    status: str, fields: dict[str, Any] | None, unknown: str, known: dict[str, int]
) -> None:
    project = world(MemoryCampaign("1", "line", status, packages=("p-1",)))
    wanted = desired() if fields is None else desired(campaign(**fields))
    made = project.draft(wanted, prune=fields is None)
    there = {r: replace(found, gateways=None) for r, found in made.live.campaigns.items()}
    by_id = {found.id: found for found in there.values()}
    live = replace(made.live, campaigns=there, by_id=by_id)
    plan = with_devices(made.plan, live, wanted, project.state, project.server.facts)
    expected = {"members": None, **known, **dict.fromkeys(unknown.split())}
    assert plan.impact.devices == replace(NONE, **expected)
