"""What is read of campaigns that were replaced: those that may still be under way, and who is in them."""

import pytest

from reconciler.model import Desired
from reconciler.state.base import Predecessor
from tests.fakes import Project, campaign, desired
from tests.memory_provider import IMMUTABLE, MemoryCampaign, MemoryServer

LIST, OWN, MEMBERS = "campaigns line", "campaign 2", "gateways 2"
BOTH = ("campaign 0", "campaign 1")


def project(*ended: bool) -> Project:
    """``Campaign/line`` is 2; before it were 0 and 1."""
    server = MemoryServer(
        MemoryCampaign("0", "line ~0", "ROLLING", gateways=set("ab")),
        MemoryCampaign("1", "line ~1", "ROLLING", gateways=set("bc")),
        MemoryCampaign("2", "line", "DRAFTED", gateways=set("a")),
        facts=IMMUTABLE,
    )
    made = Project(server)
    former = tuple(Predecessor(str(number), ended=each) for number, each in enumerate(ended))
    made.own("line", "2", predecessors=former)
    return made


@pytest.mark.parametrize(
    ("ended", "gateways", "prune", "reads"),
    [
        # nobody is declared: whoever is in one that hasn't ended goes over
        ((True, False), None, False, [LIST, OWN, "campaign 1", MEMBERS, "gateways 1"]),
        ((False, False), None, False, [LIST, OWN, *BOTH, MEMBERS, "gateways 0", "gateways 1"]),
        ((True, True), None, False, [LIST, OWN, MEMBERS]),
        ((True, False), "ab", False, [LIST, OWN, "campaign 1", MEMBERS]),
        ((True, True), "ab", False, [LIST, OWN, MEMBERS]),
        # all of them where they are to be deleted
        ((True, False), None, True, [LIST, OWN, "campaign 1", "campaign 0", MEMBERS, "gateways 1"]),
        ((True, True), "ab", True, [LIST, OWN, *BOTH, MEMBERS]),
    ],
)  # fmt: skip
def test_of_predecessors_is_read_what_may_matter(
    ended: tuple[bool, ...], gateways: str | None, prune: bool, reads: list[str]
) -> None:
    assert project(*ended).reads(desired(campaign("line", gateways=gateways)), prune=prune) == reads


@pytest.mark.parametrize(
    ("wanted", "prune", "reads"),
    [
        (desired(), True, ["campaigns", OWN, *BOTH]),
        (desired(), False, []),
    ],
)
def test_those_of_a_campaign_that_is_declared_no_more_go_with_it(
    wanted: Desired, prune: bool, reads: list[str]
) -> None:
    assert project(True, False).reads(wanted, prune=prune) == reads


def test_who_is_in_them_is_known_where_they_go_over() -> None:
    live = project(True, False).live(desired(campaign("line")))
    former = live.by_id["1"]
    assert former is not None
    assert former.gateways is not None
    assert frozenset(former.gateways) == frozenset("bc")
    declared = project(True, False).live(desired(campaign("line", gateways="abc"))).by_id["1"]
    assert declared is not None
    assert declared.gateways is None
