"""Which campaigns a run is about: the pure narrowing, and what it says when nothing is meant."""

from typing import Any

import pytest

from reconciler.errors import InvalidInput
from reconciler.findings import CODES
from reconciler.model import Desired, DesiredCampaign, Kind, PackageById, Place, ResourceId
from reconciler.options import Selector, Targets
from reconciler.state.base import Origin, Owned, State
from reconciler.targets import narrowed


def rid(name: str) -> ResourceId:
    return ResourceId(Kind.CAMPAIGN, name)


def campaign(name: str, *packages: str, **labels: str) -> DesiredCampaign:
    refs = tuple(map(PackageById, packages))
    return DesiredCampaign(rid(name), name, Place("a.yaml", 1, 1), packages=refs, labels=labels)


LINES = (
    campaign("line-1", "p1", site="berlin", ring="1"),
    campaign("line-2", "p2", site="munich", ring="1"),
    campaign("line-3", "p1", site="berlin", ring="2"),
    campaign("plain"),
)
EVERYTHING = Desired(LINES, tuple(map(PackageById, ("p1", "p2", "p3"))))


def state(*owned: str) -> State:
    every = {rid(name): Owned(rid(name), f"id-{name}", Origin.CREATED) for name in owned}
    return State("lineage", "salt", campaigns=every)


def targets(*asked: str) -> Targets:
    """``Campaign/x`` is a target, all else a selector."""
    named = tuple(ResourceId.parse(text) for text in asked if text.startswith("Campaign/"))
    return Targets(named, tuple(Selector.parse(text) for text in asked if not text.startswith("Campaign/")))


def names(desired: Desired) -> list[str]:
    return [each.resource.name for each in desired.campaigns]


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        (["Campaign/line-2"], ["line-2"]),
        (["Campaign/line-3", "Campaign/line-1", "Campaign/line-1"], ["line-1", "line-3"]),
        (["site=berlin"], ["line-1", "line-3"]),
        (["site=berlin", "ring=2"], ["line-3"]),
        (["site!=berlin"], ["line-2", "plain"]),
        (["site"], ["line-1", "line-2", "line-3"]),
        (["site", "ring!=1"], ["line-3"]),
        (["Campaign/line-1", "Campaign/line-2", "site=berlin"], ["line-1"]),
    ],
)
def test_what_is_chosen(asked: list[str], chosen: list[str]) -> None:
    found = narrowed(EVERYTHING, state(), targets(*asked))
    assert names(found) == chosen
    assert found.focus is not None
    assert {*chosen, *(each.resource.name for each in found.focus.excluded)} == {each.name for each in LINES}
    assert found.declared == EVERYTHING.declared
    assert found.complete


def test_only_the_packages_that_are_needed() -> None:
    found = narrowed(EVERYTHING, state(), targets("Campaign/line-1", "Campaign/line-3"))
    assert found.packages == (PackageById("p1"),)


def test_without_targets_it_is_the_same_object() -> None:
    assert narrowed(EVERYTHING, state("gone"), Targets()) is EVERYTHING


def test_what_was_asked_for_is_kept_for_reports() -> None:
    found = narrowed(EVERYTHING, state(), targets("Campaign/line-1", "site!=munich", "ring"))
    assert found.focus is not None
    assert found.focus.asked == ("--target Campaign/line-1", "--selector site!=munich", "--selector ring")


def test_what_only_the_state_knows_is_removed_when_it_is_named() -> None:
    known = state("line-1", "old", "older")
    assert EVERYTHING.removed(known.campaigns) == {rid("old"), rid("older")}
    found = narrowed(EVERYTHING, known, targets("Campaign/old"))
    assert (names(found), found.packages) == ([], ())
    assert found.removed(known.campaigns) == {rid("old")}
    assert narrowed(EVERYTHING, known, targets("Campaign/line-1")).removed(known.campaigns) == frozenset()
    # It has no labels any more.
    assert narrowed(EVERYTHING, known, targets("Campaign/old", "site!=x")).removed(known.campaigns)


def finding(asked: list[str], known: State | None = None, desired: Desired = EVERYTHING) -> tuple[Any, ...]:
    with pytest.raises(InvalidInput) as caught:
        narrowed(desired, known or state(), targets(*asked))
    assert {each.code for each in caught.value.findings} <= CODES.keys()
    (found,) = caught.value.findings
    return found.code, found.message, found.hint


@pytest.mark.parametrize(
    ("asked", "code", "message", "hint"),
    [
        (["Campaign/lin-3"], "unknown-target",
         "--target: there is no Campaign/lin-3, neither in the files nor in the state",
         "did you mean `Campaign/line-3`?"),
        (["Campaign/xyzzy"], "unknown-target",
         "--target: there is no Campaign/xyzzy, neither in the files nor in the state",
         "there are Campaign/line-1, Campaign/line-2, Campaign/line-3, Campaign/plain"),
        (["site=berln"], "empty-selection", "no campaign is chosen by --selector site=berln",
         "the label `site` is `berlin` somewhere: did you mean that?"),
        (["site=x"], "empty-selection", "no campaign is chosen by --selector site=x",
         "the label `site` is one of berlin, munich"),
        (["sit=berlin"], "empty-selection", "no campaign is chosen by --selector sit=berlin",
         "no campaign has a label `sit`; did you mean `site`?"),
        (["xyzzy"], "empty-selection", "no campaign is chosen by --selector xyzzy",
         "no campaign has a label `xyzzy`"),
        (["ring=2", "site=munich"], "empty-selection",
         "no campaign is chosen by --selector ring=2 --selector site=munich",
         "no campaign meets all of it"),
        (["Campaign/line-2", "site=berlin"], "empty-selection",
         "no campaign is chosen by --target Campaign/line-2 --selector site=berlin",
         "no campaign meets all of it"),
    ],
)  # fmt: skip
def test_nothing_is_meant(asked: list[str], code: str, message: str, hint: str) -> None:
    assert finding(asked) == (code, message, hint)


def test_the_nearest_may_be_one_that_is_removed() -> None:
    assert finding(["Campaign/olde"], state("old-line"))[2] == "did you mean `Campaign/old-line`?"


def test_every_unknown_target_is_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        narrowed(EVERYTHING, state(), targets("Campaign/b", "Campaign/a"))
    assert [each.message.split(",")[0] for each in caught.value.findings] == [
        "--target: there is no Campaign/a",
        "--target: there is no Campaign/b",
    ]


def test_of_a_part_of_the_files_nothing_is_known_to_be_removed() -> None:
    part = Desired(LINES, complete=False)
    code, message, hint = finding(["Campaign/old"], state("old"), part)
    assert (code, message) == ("unknown-target", "--target: Campaign/old is not in these files")
    assert hint == "leave the paths out: it may be declared elsewhere"


def test_a_label_that_all_have() -> None:
    everywhere = Desired(tuple(each for each in LINES if each.labels))
    found = finding(["ring!=1", "ring!=2"], desired=everywhere)
    assert found[2] == "no campaign meets all of it"
    one = Desired(LINES[:1])
    assert finding(["site!=berlin"], desired=one)[2] == "every campaign has the label `site!=berlin`".replace(
        "!=", "="
    )


def test_nothing_is_declared() -> None:
    assert finding(["Campaign/x"], desired=Desired())[2] == "no campaign is declared"


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("a=b", Selector("a", "b")),
        ("a=", Selector("a", "")),
        ("a=b=c", Selector("a", "b=c")),
        ("a!=b", Selector("a", "b", negated=True)),
        ("a", Selector("a")),
        ("a.b/c d", Selector("a.b/c d")),
    ],
)
def test_selectors(text: str, selector: Selector) -> None:
    assert Selector.parse(text) == selector
    assert str(selector) == text


@pytest.mark.parametrize("text", ["", "=", "=b", "!=b", "!a", " =b"])
def test_no_selectors(text: str) -> None:
    with pytest.raises(ValueError, match="is not KEY=VALUE"):
        Selector.parse(text)


# --- how much is said ------------------------------------------------------------------------------


def many(number: int) -> Desired:
    return Desired(tuple(campaign(f"line-{n}", site=f"site-{n}") for n in range(number, 0, -1)))


@pytest.mark.parametrize(
    ("number", "last"), [(2, "Campaign/line-2"), (8, "Campaign/line-8"), (9, "Campaign/line-8 and 1 more")]
)
def test_the_first_names_are_listed_in_order(number: int, last: str) -> None:
    hint = finding(["Campaign/xyzzy"], desired=many(number))[2]
    names = [f"Campaign/line-{n}" for n in range(1, min(number, 8) + 1)]
    assert hint == "there are " + ", ".join([*names[:-1], last])


@pytest.mark.parametrize("number", [3, 8, 9])
def test_the_first_values_are_listed_in_order(number: int) -> None:
    values = ", ".join(f"site-{n}" for n in range(1, min(number, 8) + 1))
    assert finding(["site=x"], desired=many(number))[2] == f"the label `site` is one of {values}"


@pytest.mark.parametrize("number", [8, 9])
def test_only_for_the_first_targets_the_nearest_name_is_looked_for(number: int) -> None:
    asked = [f"Campaign/linee-{n}" for n in range(1, number + 1)]
    with pytest.raises(InvalidInput) as caught:
        narrowed(many(number), state(), targets(*asked))
    near = ["did you mean" in (each.hint or "") for each in caught.value.findings]
    assert near == [True] * 8 + [False] * (number - 8)


def test_a_long_name_is_cut() -> None:
    message = finding(["Campaign/" + "x" * 300])[1]
    shown = message.partition("there is no ")[2].partition(",")[0]
    assert len(shown) == 200


def test_what_is_declared_is_not_removed_even_if_the_state_knows_it() -> None:
    found = narrowed(EVERYTHING, state("line-1", "old"), targets("Campaign/line-1", "Campaign/old"))
    assert found.focus is not None
    assert found.focus.removed == {rid("old")}
    assert found.focus.excluded == LINES[1:]
    part = narrowed(Desired(LINES, complete=False), state("line-1", "old"), targets("Campaign/line-1"))
    assert part.focus is not None
    assert (part.focus.removed, part.complete) == (frozenset(), False)


def test_a_label_that_no_campaign_of_that_value_has() -> None:
    hint = finding(["site=berlin", "ring=9"])[2]
    assert hint == "the label `ring` is one of 1, 2"
    both = finding(["site=x", "ring=9"])[2]
    assert both == "the label `site` is one of berlin, munich; the label `ring` is one of 1, 2"


def test_all_unknown_targets_are_told_in_one_order() -> None:
    names = [f"unknown-{number:02}" for number in range(12)]
    with pytest.raises(InvalidInput) as caught:
        narrowed(EVERYTHING, state(), targets(*(f"Campaign/{name}" for name in reversed(names))))
    said = [each.message.partition("Campaign/")[2].partition(",")[0] for each in caught.value.findings]
    assert said == names
