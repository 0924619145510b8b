"""What is read of a campaign for the sake of its gateways: of ours, and of those that a run leaves alone."""

from typing import Any

import pytest

from reconciler.model import (
    Assignment,
    DistributionList,
    Override,
    PackageById,
    SchedulePhase,
    Window,
)
from reconciler.options import Targets
from tests.fakes import NOW, Project, campaign, desired, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

LIST = DistributionList("dl", 60)
WINDOW = Assignment({SchedulePhase.DOWNLOAD: Window(NOW, NOW + 1)}, frozenset("a"))
NO_OVERRIDE: dict[str, Any] = {"overrides": ()}


def own(gateways: str) -> tuple[Override, ...]:
    return (Override(frozenset(gateways), (PackageById("p-1"),)),)


def had(field: str, gateways: str = "a") -> dict[str, Any]:
    """What the state holds of a field of gateways."""
    value = '["p-1"]' if field == "packageOverrides" else f"{NOW}/{NOW + 1}"
    return {field: {value: frozenset(gateways)}}


MEMBERS = ["gateways 1"]

# what is declared, what the state holds, options → what is read beside the campaign
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[str]]] = {
    "nothing": ({}, {}, {}, []),
    "no override": ({"overrides": ()}, {}, {}, MEMBERS),
    "no window": ({"schedules": ()}, {}, {}, MEMBERS),
    "nobody closed": ({"closed": ""}, {}, {}, MEMBERS),
    "no things": ({"things": {}}, {}, {}, MEMBERS),
    "a window": ({"schedules": (WINDOW,)}, {}, {}, MEMBERS),
    "things": ({"things": {"a": ("t",)}}, {}, {}, MEMBERS),
    "closed": ({"closed": "a"}, {}, {}, MEMBERS),
    "had an override": ({}, had("packageOverrides"), {}, MEMBERS),
    "had a download window": ({}, had("schedules.download"), {}, MEMBERS),
    "had an execution window": ({}, had("schedules.execution"), {}, MEMBERS),
    "had an activation window": ({}, had("schedules.activation"), {}, MEMBERS),
    "had things": ({}, had("runOnThings"), {}, []),
    "was added by us": ({}, had("gateways"), {}, []),
    "a list": ({"distribution": LIST}, {}, {}, ["distribution 1"]),
    "declared overrides": ({"overrides": own("ab")}, {}, {}, [*MEMBERS, "override 1 a", "override 1 b"]),
    "declared overrides, and one was dropped": (
        {"overrides": own("a")}, had("packageOverrides", "bc"), {},
        [*MEMBERS, "override 1 a", "override 1 b", "override 1 c"],
    ),
    "all were dropped": ({"overrides": ()}, had("packageOverrides", "b"), {}, [*MEMBERS, "override 1 b"]),
    "overrides of who is to be closed": (
        {"overrides": own("ab"), "closed": "b"}, {}, {}, [*MEMBERS, "override 1 a"],
    ),
    "overrides of who is no member": ({"overrides": own("ax")}, {}, {}, [*MEMBERS, "override 1 a"]),
    "overrides of who is closed": ({"overrides": own("ad")}, {}, {}, [*MEMBERS, "override 1 a"]),
    "overrides, as they were recorded": (
        {"overrides": own("ab")}, had("packageOverrides", "c"), {"refresh_recorded": True}, MEMBERS,
    ),
    "all stay": ({"gateways": "abcdx"}, {}, {}, MEMBERS),
    "one is to go: does the list decide?": ({"gateways": "abc"}, {}, {}, [*MEMBERS, "distribution 1"]),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_reads_of_a_campaign(row: str) -> None:
    declared, members, options, expected = ROWS[row]
    server = MemoryServer(
        MemoryCampaign("1", "line", packages=("p-1",), gateways=set("abcd"), closed=set("d"))
    )
    project = Project(server)
    project.own("line", "1", members=members)
    assert project.reads(desired(campaign("line", **declared)), **options) == [
        "campaigns line",
        "campaign 1",
        *expected,
    ]


def test_an_adopted_campaign_has_no_past() -> None:
    """What the state holds of the resource's earlier campaign isn't asked about."""
    project = Project(MemoryServer(MemoryCampaign("1", "line", packages=("p-1",), gateways=set("ab"))))
    wanted = desired(campaign("line", overrides=own("a")))
    assert project.reads(wanted, adopt=True) == ["campaigns line", "campaign 1", "gateways 1", "override 1 a"]


# --- names that a lost create went by --------------------------------------------------------------


@pytest.mark.parametrize("was", ["line", "before"])
def test_a_lost_create_is_looked_up_under_both_names(was: str) -> None:
    project = Project(MemoryServer(MemoryCampaign("1", was)))
    project.intends("line", was)
    names = " ".join(sorted({"line", was}))
    assert project.reads(desired(campaign("line"))) == [f"campaigns {names}", "campaign 1"]


def test_a_lost_create_that_is_declared_no_more_is_looked_up() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "was")))
    project.intends("gone", "was")
    assert project.reads(desired()) == ["campaigns was"]


def test_a_campaign_that_is_owned_is_not_looked_up_for_its_intent() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line")))
    project.own("line", "1")
    project.intends("line", "before")
    assert project.reads(desired(campaign("line"))) == ["campaigns line", "campaign 1"]


# --- campaigns that a run leaves alone -------------------------------------------------------------

LINE = {"targets": Targets((rid("line"),))}
FIRST = ["campaigns line", "campaign 1", "gateways 1"]
ALL = [*FIRST, "campaigns"]
OTHER = [*ALL, "campaign 2"]

# targeted, left alone (with its status and its members) → all reads
UNTARGETED: dict[str, tuple[dict[str, Any], dict[str, Any], str, str, list[str]]] = {
    "nobody joins": ({"gateways": "a"}, {"gateways": ""}, "STARTED", "b", FIRST),
    "gateways are not managed": ({}, {"gateways": ""}, "STARTED", "b", FIRST[:2]),
    "somebody joins, and it doesn't run": ({"gateways": "ab"}, {"gateways": ""}, "STOPPED", "b", ALL),
    "somebody joins, and its gateways are not managed": ({"gateways": "ab"}, {}, "STARTED", "b", FIRST),
    "it keeps who joins": ({"gateways": "ab"}, {"gateways": "b"}, "STARTED", "b", OTHER),
    "it keeps one of those who join": (
        {"gateways": "abc"}, {"gateways": "b"}, "STARTED", "b", [*OTHER, "gateways 2"],
    ),
    "it loses who joins": (
        {"gateways": "ab"}, {"gateways": ""}, "STARTED", "bc", [*OTHER, "gateways 2", "distribution 2"],
    ),
    "it loses others": ({"gateways": "ab"}, {"gateways": ""}, "STARTED", "cd", [*OTHER, "gateways 2"]),
    "who would join is closed": ({"gateways": "ab", "closed": "b"}, {"gateways": ""}, "STARTED", "b", FIRST),
}  # fmt: skip


@pytest.mark.parametrize("row", UNTARGETED)
def test_reads_of_those_that_are_left_alone(row: str) -> None:
    targeted, left, status, members, expected = UNTARGETED[row]
    server = MemoryServer(
        MemoryCampaign("1", "line", gateways=set("a")),
        MemoryCampaign("2", "other", status, gateways=set(members)),
        MemoryCampaign("3", "theirs", "STARTED", gateways=set("b")),
    )
    project = Project(server)
    project.own("line", "1")
    project.own("other", "2")
    everything = desired(
        campaign("line", **targeted), campaign("other", **left), campaign("new", gateways="b")
    )
    # A project's `draft` narrows, as every command does.
    project.draft(everything, **LINE)  # type: ignore[arg-type]
    assert project.server.log == expected


def test_a_new_campaign_takes_gateways_too() -> None:
    server = MemoryServer(MemoryCampaign("2", "other", "STARTED", gateways=set("b")))
    project = Project(server)
    project.own("other", "2")
    everything = desired(campaign("line", gateways="b"), campaign("other", gateways=""))
    project.draft(everything, **LINE)  # type: ignore[arg-type]
    assert server.log == ["campaigns line", "campaigns", "campaign 2", "gateways 2", "distribution 2"]
