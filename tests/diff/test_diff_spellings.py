"""Gateways whose ids are nearly the same: said by both spellings, and never removed and added in one plan."""

import pytest

from reconciler.model import DistributionList
from reconciler.model.spellings import folded, how_they_differ, respelled, spelled_twice
from tests.fakes import Project, campaign, desired
from tests.memory_provider import MemoryCampaign, MemoryServer

ALIKE = [
    ("GW-1", "gw-1", "upper and lower case"),
    ("Straße", "STRASSE", "upper and lower case"),
    ("\uff47\uff57-\uff11", "gw-1", "the width or the composition of their characters"),
    ("Ha\u0308lle", "H\u00c4LLE", "the width or the composition of their characters"),
    ("0012", "12", "zeros in front"),
    ("00:1B:44:11:3A:B7", "001b44113ab7", "what stands between their digits"),
    ("0011.2233.4455", "00-11-22-33-44-55", "what stands between their digits"),
    ("00-11-22-ff-fe-33-44-55", "001122FFFE334455", "what stands between their digits"),
]
OTHERS = [
    ("gw-1", "gw-11"),
    ("line-1-1", "line-11"),
    ("a-1", "a1"),
    ("0", "00a"),
    ("12", "21"),
    ("\u0131", "i"),
]


def project(*members: str, **more: object) -> Project:
    made = Project(MemoryServer(MemoryCampaign("1", "line", gateways=set(members), **more)))  # type: ignore[arg-type]
    made.own("line", "1")
    return made


@pytest.mark.parametrize(("declared", "there", "how"), ALIKE)
@pytest.mark.parametrize("turned", [False, True])
def test_one_device_is_not_removed_and_added(declared: str, there: str, how: str, turned: bool) -> None:
    declared, there = (there, declared) if turned else (declared, there)
    plan = project(there, "b").make_plan(desired(campaign(gateways=[declared, "b", "c"], description="new")))
    [finding] = plan.findings
    assert (finding.code, finding.is_error) == ("gateway-spelling", True)
    assert f"`{declared}`" in finding.message
    assert f"`{there}`" in finding.message
    assert how_they_differ(declared, there) == how_they_differ(there, declared) == how
    assert plan.empty
    assert not plan.changes


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_two_devices(one: str, other: str) -> None:
    plan = project(one).make_plan(desired(campaign(gateways=[other])))
    assert [step.operation.name for step in plan.steps()] == ["remove-gateways", "add-gateways"]
    assert not spelled_twice({one, other})


def test_a_server_that_tells_them_apart_may_lose_one() -> None:
    """Both were in the campaign, so they are two devices there; only a pair that swaps is suspicious."""
    plan = project("gw-1", "GW-1").make_plan(desired(campaign(gateways=["gw-1"])))
    assert [step.gateways for step in plan.steps()] == [("GW-1",)]


def test_also_where_a_distribution_list_would_keep_it() -> None:
    there = project("gw-1", distribution=DistributionList("dl", 60))
    plan = there.make_plan(desired(campaign(gateways=["GW-1"])))
    assert [finding.code for finding in plan.findings] == ["gateway-spelling"]
    assert plan.empty


def test_other_campaigns_go_on() -> None:
    made = Project(
        MemoryServer(*(MemoryCampaign(i, n, gateways={"gw"}) for i, n in (("1", "a"), ("2", "b"))))
    )
    made.own("a", "1")
    made.own("b", "2")
    wanted = desired(campaign("a", gateways=["GW"]), campaign("b", gateways=["gw", "c"]))
    assert made.plan(wanted) == ["add-gateways:b:1"]


def test_pairs_are_counted_and_sorted() -> None:
    assert respelled({"A", "B", "c"}, {"b", "a", "d"}) == (("A", "a"), ("B", "b"))
    assert spelled_twice({"x", "B", "b", "A", "a"}) == (("A", "a"), ("B", "b"))
    assert spelled_twice({"gw-1", "GW-2"}) == ()
    assert spelled_twice(set()) == ()
    assert folded("\u00c5") == folded("A\u030a")
