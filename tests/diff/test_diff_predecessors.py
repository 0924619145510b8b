"""What a campaign replaced: who goes over, who stays there, who leaves, and what the state learns."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import CampaignDiff
from reconciler.diff.model import Former
from reconciler.diff.replacement import formers_of, inheriting, with_formers
from reconciler.model import (
    CampaignFields,
    Change,
    DesiredRollout,
    GatewayChange,
    Live,
    LiveCampaign,
    Phase,
    Reason,
)
from reconciler.rollout.revisions import NOBODY_STAYS
from reconciler.state.base import Origin, Owned, Predecessor, PredecessorEnded, PredecessorForgotten
from tests.diff.diff_parts import LINE, live
from tests.fakes import campaign


def earlier(
    key: str, members: str | None = "abc", *, closed: str = "", phase: Phase = Phase.RUNNING
) -> LiveCampaign:
    made = replace(live(members or "", closed=closed), id=key, phase=phase)
    return made if members is not None else replace(made, gateways=None)


def owning(*predecessors: Predecessor) -> Owned:
    return Owned(LINE, "9", Origin.CREATED, predecessors=predecessors)


TWO_BEFORE = (Predecessor("1"), Predecessor("2"))


@pytest.mark.parametrize(
    ("declared", "predecessors", "there", "inherited"),
    [
        (None, TWO_BEFORE, {"1": earlier("1", "ab"), "2": earlier("2", "cd", closed="d")}, "c"),
        (None, TWO_BEFORE, {"1": earlier("1", "ab", closed="b"), "2": None}, "a"),
        (None, TWO_BEFORE, {"1": earlier("1", "ab"), "2": earlier("2", None)}, "ab"),
        (
            None,
            (Predecessor("1"), Predecessor("2", ended=True)),
            {"1": earlier("1"), "2": earlier("2", "x")},
            "abc",
        ),
        (None, TWO_BEFORE, {}, None),
        (None, (), {"1": earlier("1")}, None),
        ("x", TWO_BEFORE, {"1": earlier("1"), "2": earlier("2")}, "x"),
        ("", TWO_BEFORE, {"1": earlier("1"), "2": earlier("2")}, ""),
    ],
)
def test_where_none_are_declared_the_gateways_are_those_of_the_one_before(
    declared: str | None, predecessors: tuple[Predecessor, ...], there: dict[str, Any], inherited: str | None
) -> None:
    wanted = campaign("line", gateways=declared)
    found = inheriting(wanted, owning(*predecessors), Live(by_id=there))
    assert found.gateways == (None if inherited is None else frozenset(inherited))
    assert replace(found, gateways=wanted.gateways) == wanted


def test_what_is_known_of_predecessors_and_what_the_state_learns() -> None:
    done, over = earlier("4", phase=Phase.FINISHED), earlier("5", phase=Phase.FINISHED)
    there = {"1": earlier("1"), "2": None, "4": done, "5": over, "6": earlier("6", phase=Phase.ENDED)}
    known = (
        Predecessor("1"),
        Predecessor("2"),
        Predecessor("3", ended=True),
        Predecessor("4"),
        Predecessor("5", ended=True),
        Predecessor("6"),
        Predecessor("7"),
    )
    formers, events = formers_of(owning(*known), Live(by_id=there))
    assert formers == (
        Former("1", there["1"], ended=False),
        Former("3", None, ended=True),
        Former("4", done, ended=True),
        Former("5", over, ended=True),
        # That it takes no more gateways doesn't say that nobody is under way.
        Former("6", there["6"], ended=False),
        Former("7", None, ended=False),
    )
    assert events == (PredecessorForgotten(LINE, "2"), PredecessorEnded(LINE, "4"))


IN_WAVES = DesiredRollout("policy", (), "seed")


def of_revisions(
    *formers: Former, itself: Former | None = None, staying: str = "", rollout: Any = IN_WAVES, **fields: Any
) -> CampaignDiff:
    wanted = replace(campaign("line", **fields), staying=frozenset(staying), rollout=rollout)
    change = GatewayChange(3, 2, lost=("z",))
    changes = (Change(LINE, "gateways", None, None, Reason.LEAVES, change),)
    found = CampaignDiff(wanted, earlier("9"), CampaignFields("line"), changes=changes, itself=itself)
    return with_formers(found, formers)


def stays(found: CampaignDiff) -> list[tuple[str, str, str]]:
    """Of each that was replaced, and then of itself, which is 9: who stays, and who leaves."""
    every = (*found.formers, *((found.itself,) if found.itself else ()))
    assert (found.itself and found.itself.id) == ("9" if "9" in {each.id for each in every} else None)
    return [(each.id, "".join(sorted(each.staying)), "".join(sorted(each.leaving))) for each in every]


def former(
    key: str, members: str | None = "abc", *, ended: bool = False, phase: Phase = Phase.RUNNING
) -> Former:
    return Former(key, earlier(key, members, phase=phase), ended)


def test_who_stays_in_which_of_them() -> None:
    """Who is in several stays in the newest, and leaves the others."""
    found = of_revisions(former("1"), former("2", "cd"), itself=former("9", "de"), staying="bcd")
    assert stays(found) == [("1", "b", "ac"), ("2", "c", "d"), ("9", "d", "e")]
    assert stays(of_revisions(former("1"), former("2", "cd"))) == [("1", "", "abc"), ("2", "", "cd")]


@pytest.mark.parametrize("phase", Phase)
def test_nobody_stays_where_nothing_goes_on(phase: Phase) -> None:
    found = of_revisions(former("1"), former("2", "ab", phase=phase), staying="ab")
    nobody = phase in NOBODY_STAYS
    assert stays(found) == [
        ("1", "ab", "c") if nobody else ("1", "", "abc"),
        ("2", *(("", "ab") if nobody else ("ab", ""))),
    ]


def test_of_what_is_over_or_was_not_read_nobody_is_told() -> None:
    untold = [former("1", ended=True), Former("2", None, ended=False), former("3", None)]
    found = of_revisions(*untold, itself=former("9", "ab"), staying="ab")
    assert stays(found) == [("1", "", ""), ("2", "", ""), ("3", "", ""), ("9", "ab", "")]


def test_without_waves_it_is_replaced_whole() -> None:
    found = of_revisions(former("1"), itself=former("9", "ab"), staying="ab", rollout=None)
    assert stays(found) == [("1", "ab", "c"), ("9", "", "")]
    assert found.changes[0].gateways == GatewayChange(3, 2, lost=("z",)), "nobody is told to leave"


def test_what_replaced_nothing_is_as_it_was() -> None:
    assert stays(of_revisions(staying="ab")) == []


@pytest.mark.parametrize(
    ("gateways", "later", "told"),
    [
        # a stays in 1, and counts; b and c of it are declared no more.
        ("a", "", GatewayChange(6, 3, lost=("b", "c", "z"))),
        ("a", "b", GatewayChange(5, 3, lost=("c", "z"))),
        ("abc", "", GatewayChange(3, 2, lost=("z",))),
        (None, "abc", GatewayChange(3, 2, lost=("z",))),
        (None, "", GatewayChange(7, 3, lost=("a", "b", "c", "z"))),
    ],
)
def test_who_is_declared_no_more_leaves_earlier_revisions_and_is_told(
    gateways: str | None, later: str, told: GatewayChange
) -> None:
    whole = frozenset(later).union(gateways or ()) if later else None
    found = of_revisions(former("1"), staying="a", gateways=gateways, whole=whole)
    [change] = found.changes
    assert change.gateways == told


@pytest.mark.parametrize(("members", "count"), [("abcd", 4), ("", 0), (None, 0)])
def test_who_leaves_earlier_revisions_only_is_a_change_of_its_own(members: str | None, count: int) -> None:
    wanted = replace(campaign("line", gateways="a"), staying=frozenset("a"), rollout=IN_WAVES)
    other = Change(LINE, "description", "a", "b", Reason.DIFFERS)
    fields = CampaignFields("line")
    found = with_formers(
        CampaignDiff(wanted, earlier("9", members), fields, changes=(other,)), (former("1"),)
    )
    told = GatewayChange(count + 3, count + 1, lost=("b", "c"))
    assert found.changes == (other, Change(LINE, "gateways", None, None, Reason.DIFFERS, told))
    new = with_formers(CampaignDiff(wanted, None, fields), (former("1"),))
    assert new.changes[0].gateways == GatewayChange(3, 1, lost=("b", "c"))
