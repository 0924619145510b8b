"""What an observation finds."""

import asyncio
from collections.abc import Collection

from reconciler.model import (
    CampaignSummary,
    Claim,
    DistributionList,
    LiveCampaign,
    LivePackage,
    Ownership,
    PackageById,
    PackageByName,
    Phase,
)
from reconciler.observe import observe, observe_members
from reconciler.options import Options
from tests.fakes import Project, campaign, desired, file, holds, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

V1 = file("v1")


def test_campaigns_by_resource_with_what_was_asked_about() -> None:
    server = MemoryServer(
        MemoryCampaign("1", "line", "STARTED", "text", ("p-1",), {"gw-1"}, DistributionList("f-1", 60)),
        MemoryCampaign("2", "other", "STOPPED"),
    )
    project = Project(server)
    project.own("line", "1")
    project.own("other", "2")
    live = project.live(desired(campaign("line", gateways={"gw-2"}), campaign("other")))
    line, other = live.campaigns[rid("line")], live.campaigns[rid("other")]
    assert (line.id, line.phase, line.description, line.packages) == ("1", Phase.RUNNING, "text", ("p-1",))
    assert line.gateways is not None
    assert set(line.gateways) == {"gw-1"}
    assert (line.distribution, line.distribution_read) == (DistributionList("f-1", 60), True)
    assert other == LiveCampaign("2", "other", "STOPPED", Phase.PAUSED)
    assert live.claims == {
        rid("line"): Claim(Ownership.OWNED, ("1",)),
        rid("other"): Claim(Ownership.OWNED, ("2",)),
    }
    assert live.users is None


def test_a_gone_campaign_is_said_to_be_gone() -> None:
    project = Project()
    project.own("line", "1")
    live = project.live(desired(campaign("line")))
    assert (live.gone, live.claims) == ({rid("line")}, {rid("line"): Claim(Ownership.NONE)})


def test_a_gone_campaign_whose_name_somebody_took_is_not_ours() -> None:
    project = Project(MemoryServer(MemoryCampaign("2", "line")))
    project.own("line", "1")
    live = project.live(desired(campaign("line")))
    assert live.claims == {rid("line"): Claim(Ownership.NOT_OURS, ("2",))}
    assert live.campaigns == {}


def test_a_gone_campaign_moves_to_what_a_resource_that_is_no_longer_declared_owns() -> None:
    project = Project(MemoryServer(MemoryCampaign("2", "line")))
    project.own("line", "1")
    project.own("old", "2")
    live = project.live(desired(campaign("line")))
    assert live.claims == {rid("line"): Claim(Ownership.MOVED, ("2",))}
    assert live.campaigns[rid("line")].id == "2"


def test_an_orphan_that_is_gone_is_said_to_be_gone() -> None:
    project = Project()
    project.own("old", "1")
    assert project.live(desired(), prune=True).gone == {rid("old")}


def test_a_campaign_that_vanishes_between_list_and_read_is_to_be_created() -> None:
    class Vanishing(MemoryServer):
        async def campaigns(self, names: Collection[str] | None = None) -> tuple[CampaignSummary, ...]:
            listed = await super().campaigns(names)
            self.by_id.clear()
            return listed

    project = Project(Vanishing(MemoryCampaign("1", "line")))
    live = project.live(desired(campaign("line")), adopt=True)
    assert live.claims == {rid("line"): Claim(Ownership.NONE)}
    assert live.campaigns == {}


def test_namesakes_of_the_names_that_were_looked_up() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line"), MemoryCampaign("2", "taken")))
    project.own("line", "1")
    live = project.live(desired(campaign("line", "taken"), campaign("new")))
    assert live.namesakes == {"new": (), "taken": (CampaignSummary("2", "taken", "CREATED"),)}


def test_packages_that_exist_by_id_name_and_mark() -> None:
    server = MemoryServer(
        packages=[
            holds("p-2", "one", V1),
            LivePackage("p-1", "one"),
            LivePackage("p-3", "two", "[sha256:0000000000000000]"),
        ]
    )
    wanted = desired(
        campaign(
            packages=(V1, PackageById("p-1"), PackageById("p-9"), PackageByName("one"), PackageByName("no"))
        )
    )
    live = Project(server).live(wanted, adopt=True)
    assert live.package_ids == {"p-1": True, "p-9": False}
    assert {n: [p.id for p in found] for n, found in live.named_packages.items()} == {
        "no": [],
        "one": ["p-1", "p-2"],
    }
    assert {m: [p.id for p in found] for m, found in live.packages_by_content.items()} == {V1.sha256: ["p-2"]}


def test_users_of_packages_over_every_live_campaign() -> None:
    server = MemoryServer(
        MemoryCampaign("1", "line", packages=("p-1", "p-2")),
        MemoryCampaign("2", "of somebody else", packages=("p-2",)),
        packages=[LivePackage("p-1", "one"), LivePackage("p-2", "two")],
    )
    project = Project(server)
    project.own("line", "1")
    project.uploaded(V1, "p-2")
    live = project.live(desired(campaign("line")), prune=True)
    assert live.users == {"p-1": {"1"}, "p-2": {"1", "2"}}


def test_a_campaign_that_is_deleted_while_users_are_read_uses_nothing() -> None:
    class Vanishing(MemoryServer):
        async def campaign(self, campaign_id: str) -> LiveCampaign | None:
            return None if campaign_id == "2" else await super().campaign(campaign_id)

    server = Vanishing(MemoryCampaign("2", "theirs", packages=("p-1",)), packages=[LivePackage("p-1", "one")])
    project = Project(server)
    project.uploaded(V1, "p-1")
    assert project.live(desired(), prune=True).users == {}


def test_observing_writes_nothing() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line", "STARTED", packages=("p",), gateways={"g"})))
    project.own("line", "1")
    before = project.state
    wanted = desired(campaign("line", "new", description="x", gateways=(), packages=(V1,)))
    asyncio.run(observe(wanted, project.state, project.server, Options(adopt=True, prune=True)))
    assert project.state is before
    assert project.server.by_id["1"] == MemoryCampaign(
        "1", "line", "STARTED", packages=("p",), gateways={"g"}
    )


def test_what_vanished_is_looked_up_and_read_in_one_order() -> None:
    names = [f"line-{number:02}" for number in range(12)]
    project = Project(MemoryServer(*(MemoryCampaign(f"new {name}", name) for name in reversed(names))))
    for name in names:
        project.own(name, f"lost {name}")
    live = project.live(desired(*map(campaign, names)), adopt=True)
    assert live.gone == set(map(rid, names))
    assert project.server.log == [
        " ".join(["campaigns", *names]),
        *(f"campaign lost {name}" for name in names),
        *(f"campaign new {name}" for name in names),
    ]


def test_members_of_many_are_read_in_one_order_and_none_twice() -> None:
    names = [f"line-{number:02}" for number in range(12)]
    project = Project(MemoryServer(*(MemoryCampaign(name, name, gateways={"a"}) for name in names)))
    for name in names:
        project.own(name, name)
    live = project.live(desired(campaign(names[0], gateways="a"), *map(campaign, names[1:])))
    project.server.log.clear()
    more = asyncio.run(observe_members(live, frozenset(map(rid, names)), project.server))
    assert project.server.log == [f"gateways {name}" for name in names[1:]]
    assert all(found.gateways is not None for found in more.campaigns.values())
