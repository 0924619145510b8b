"""Who joins, who leaves, and for whom a campaign is closed: the tables of ``reconciler.diff.membership``."""

from dataclasses import replace

import pytest

from reconciler.diff.membership import MembershipDiff, diff_closed, diff_gateways
from reconciler.model import Change, DistributionList, GatewayChange, LiveCampaign, Reason
from reconciler.state.base import Origin, Owned
from tests.diff.diff_parts import LINE, PLACES, Found, Side, found, live, noted, view
from tests.fakes import Project, campaign, desired
from tests.memory_provider import MemoryCampaign, MemoryServer

SET = DistributionList("dl", 60)
SPARED = "membership-by-distribution-list"
AGAIN = "may-come-back"

# declared, closed, live, who was added by us, the declared list → who joins, who leaves, why, notes
ROWS: dict[str, tuple[str | None, str, LiveCampaign, str, bool, str, str, Reason | None, list[str]]] = {
    "as declared": ("abc", "", live(), "", False, "", "", None, []),
    "not managed": (None, "", live(), "", False, "", "", None, []),
    "joins": ("abcx", "", live(), "", False, "x", "", Reason.JOINS, []),
    "leaves": ("ab", "", live(), "", False, "", "c", Reason.LEAVES, []),
    "both": ("abx", "", live(), "", False, "x", "c", Reason.DIFFERS, []),
    "all leave": ("", "", live(), "", False, "", "abc", Reason.LEAVES, []),
    "would join, and is closed": ("abcxy", "x", live(), "", False, "y", "", Reason.JOINS, []),
    "a list is set, and it was added by us": (
        "ab", "", live(distribution=SET), "c", False, "", "c", Reason.LEAVES, [AGAIN],
    ),
    "a list is set, and it was added by others": (
        "ab", "", live(distribution=SET), "", False, "", "", None, [SPARED],
    ),
    "a list is set, and each was added by another": (
        "a", "", live(distribution=SET), "b", False, "", "b", Reason.LEAVES, [SPARED, AGAIN],
    ),
    "a list is to be set": ("ab", "", live(), "", True, "", "", None, [SPARED]),
    "a list is set, and one is to be set": (
        "ab", "", live(distribution=SET), "", True, "", "", None, [SPARED],
    ),
    "a list is set, and nobody leaves": ("abc", "", live(distribution=SET), "", True, "", "", None, []),
    "a list is set, and somebody joins": (
        "abcx", "", live(distribution=SET), "", False, "x", "", Reason.JOINS, [],
    ),
}  # fmt: skip
SAID = {
    SPARED: "declared by no list, and left to the distribution list: the gateway c",
    AGAIN: "added by us and removed now; the distribution list may add again: the gateway ",
}


@pytest.mark.parametrize("row", ROWS)
def test_gateways(row: str) -> None:
    declared, closed, there, ours, lists, joins, leaves, why, notes = ROWS[row]
    wanted = campaign(
        places=PLACES,
        gateways=declared,
        closed=closed or None,
        distribution=SET if lists else None,
    )
    members = {"gateways": {"added": frozenset(ours)}} if ours else {}
    found = diff_gateways(wanted, there, Owned(LINE, "1", Origin.CREATED, members=members))
    change = GatewayChange(3, 3 + len(joins) - len(leaves), tuple(joins), tuple(leaves))
    changes = () if why is None else (Change(LINE, "gateways", None, None, why, change),)
    assert found == MembershipDiff(tuple(joins), tuple(leaves), changes, found.findings)
    assert [noted(each)[:2] for each in found.findings] == [(code, "gatewayLists") for code in notes]
    for each in found.findings:
        assert noted(each)[2] == SAID[each.code] + (leaves if each.code == AGAIN else "")


def test_members_that_were_not_read_are_not_compared() -> None:
    there = LiveCampaign("1", "line", "READY", live().phase)
    owned = Owned(LINE, "1", Origin.CREATED)
    assert diff_gateways(campaign(gateways="ab"), there, owned) == MembershipDiff()


# --- closing


def closes(gateways: str) -> Found:
    return Found(list(gateways), [("closedGateways", False, True, "closes", gateways)])


def reopened(who: str) -> Found:
    what = f"closed, not declared so, and never to be opened again: {who}"
    return Found(notes=[("cannot-undo", "closedGateways", what)])


# declared, what it is compared with → all that comes of it
CLOSED: dict[str, tuple[str | None, Side, Found]] = {
    "a member": ("ab", Side(), closes("ab")),
    "closed already": ("ab", Side(live=live(closed="a")), closes("b")),
    "closed, all of them": ("a", Side(live=live(closed="a")), Found()),
    "no member": ("ax", Side(), closes("a")),
    "a member that leaves": ("ab", Side(leaving="b"), closes("a")),
    "not declared any more": ("", Side(live=live(closed="a")), reopened("the gateway a")),
    "one less, one more": ("b", Side(live=live(closed="ac")), closes("b") + reopened("2 gateways")),
    "left out": (None, Side(live=live(closed="a")), Found()),
    "of a new campaign": ("a", Side(new=True), Found()),
    "members were not read": ("a", Side(live=replace(live(), gateways=None)), Found()),
}


@pytest.mark.parametrize("row", CLOSED)
def test_closing(row: str) -> None:
    declared, side, expected = CLOSED[row]
    assert found(diff_closed(view(side, closed=declared))) == expected


def test_who_leaves_by_a_plan_is_not_closed_by_it_too() -> None:
    there = MemoryCampaign("1", "line", gateways=set("abc"))
    project = Project(MemoryServer(there))
    project.own("line", "1")
    (difference,) = project.diff(desired(campaign("line", gateways="ab", closed="bc"))).campaigns
    assert (difference.lost, difference.closes) == (("c",), ("b",))


def test_those_who_close_and_those_who_leave_stand_in_one_order() -> None:
    ids = "zyxwvutsrqponm"
    part = diff_closed(view(Side(live=live(ids)), closed=ids))
    assert "".join(part.todo) == "".join(part.changes[0].members) == "mnopqrstuvwxyz"
    moved = diff_gateways(campaign(gateways="abcdefgh"), live(ids), Owned(LINE, "1", Origin.CREATED))
    assert ("".join(moved.gained), "".join(moved.lost)) == ("abcdefgh", "mnopqrstuvwxyz")
