"""Packages of single gateways: the table of ``reconciler.diff.overrides``."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff.overrides import PackagesFor, diff_overrides
from reconciler.diff.packages import Bound
from reconciler.model import Override, PackageById, PendingUpload, Place
from reconciler.state.applied import packages_value
from tests.diff.diff_parts import PACKAGES, Found, Side, applied, found, live, view
from tests.fakes import file


def entry(gateways: str, packages: str) -> Override:
    refs = tuple(PackageById(key, Place("p", 1, 1)) for key in packages)
    return Override(frozenset(gateways), refs, Place("entry", 1, 1))


def recorded(**groups: str) -> dict[str, Any]:
    """Packages → gateways."""
    return {"packageOverrides": {packages_value(packages): ids for packages, ids in groups.items()}}


def assigned(packages: str, gateways: str, why: str, before: str | None = "p") -> Found:
    return Found(
        [(packages, gateways, why)],
        [
            (
                "packageOverrides",
                None if before is None else list(before),
                list(packages),
                why,
                gateways,
            )
        ],
    )


def kept(who: str) -> Found:
    what = f"packageOverrides is left out, so not managed, and an override stays for {who}"
    return Found(notes=[("override-kept", "packageOverrides", what)])


def learned(packages: str, gateways: str) -> Found:
    return Found(records=[applied("packageOverrides", packages_value(packages), gateways)])


HAVE_Q = live(overrides={"a": "q", "b": "q"})

# what is declared, what it is compared with, the campaign's packages after the plan → all that comes of it
ROWS: dict[str, tuple[list[Override] | None, Side, str, Found]] = {
    "has the packages, as recorded": (
        [entry("ab", "q")], Side(recorded(q="ab"), live=HAVE_Q), "p", Found(),
    ),
    "has the packages, and nobody knows from whom": (
        [entry("ab", "q")], Side(live=HAVE_Q), "p", learned("q", "ab"),
    ),
    "has the packages of the campaign": (
        [entry("c", "p")], Side(live=live(overrides={"c": "p"})), "p", Found(),
    ),
    "has others": (
        [entry("ab", "r")],
        Side(live=live(overrides={"a": "q", "b": "p"})),
        "p",
        Found([("r", "ab", "differs")])
        + Found(changes=[("packageOverrides", [each], ["r"], "differs", who) for each, who in ("qa", "pb")]),
    ),
    "has others, as it was last assigned": (
        [entry("ab", "r")], Side(recorded(q="ab")), "p", assigned("r", "ab", "differs", "q"),
    ),
    "joins": (
        [entry("ac", "q")], Side(live=HAVE_Q, joining="c"), "p",
        assigned("q", "c", "joins", None) + learned("q", "a"),
    ),
    "joins, and they are the campaign's": ([entry("c", "p")], Side(joining="c"), "p", Found()),
    "of a new campaign": (
        [entry("ab", "q")], Side(new=True), "p", assigned("q", "ab", "not-on-server", None),
    ),
    "of a new campaign, and they are its own": ([entry("ab", "p")], Side(new=True), "p", Found()),
    "is no member": ([entry("x", "q")], Side(), "p", Found()),
    "none declared any more": (
        [], Side(recorded(q="ab"), live=HAVE_Q), "p", assigned("p", "ab", "taken-back", "q"),
    ),
    "none declared any more for one of them": (
        [entry("a", "q")],
        Side(recorded(q="ab"), live=HAVE_Q),
        "p",
        assigned("p", "b", "taken-back", "q"),
    ),
    "none declared any more, and it has the campaign's": (
        [], Side(recorded(q="ab"), live=live(overrides={"a": "p", "b": "p"})), "p", Found(),
    ),
    "none declared any more, and the campaign gets others": (
        [], Side(recorded(q="a"), live=HAVE_Q), "r", assigned("r", "a", "taken-back", "q"),
    ),
    "none declared any more, and it left": (
        [], Side(recorded(q="abx"), members="a", live=HAVE_Q), "p", assigned("p", "a", "taken-back", "q"),
    ),
    "the campaign gets other packages, and it may only follow": (
        [entry("c", "p")], Side(live=live(overrides={"c": "p"})), "r", assigned("p", "c", "differs"),
    ),
    "the campaign gets other packages, and it was assigned": (
        [entry("c", "p")], Side(recorded(p="c"), live=live(overrides={"c": "p"})), "r", Found(),
    ),
    "several were given, and none is declared any more": (
        [], Side(recorded(q="a", r="b")), "p",
        Found([("p", "ab", "taken-back")])
        + Found(changes=[
            ("packageOverrides", [each], ["p"], "taken-back", who) for each, who in (("q", "a"), ("r", "b"))
        ]),
    ),
    "left out, and several were given": (None, Side(recorded(q="a", r="b")), "p", kept("2 gateways")),
    "left out": (None, Side(recorded(q="ab")), "p", kept("2 gateways")),
    "left out, and one joins anew": (None, Side(recorded(q="ab"), joining="a"), "p", kept("the gateway b")),
    "left out, and nobody had one": (None, Side(), "p", Found()),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_overrides(row: str) -> None:
    declared, side, own, expected = ROWS[row]
    one = view(side, overrides=None if declared is None else tuple(declared))
    edits = not side.new and tuple(own) != side.live.packages
    part = diff_overrides(one, tuple(own), edits_packages=edits)
    assert found(part, map(_assigned, part.todo)) == expected


def _assigned(each: PackagesFor) -> tuple[str, str, str]:
    assert all(isinstance(package, str) for package in each.packages)
    return "".join(map(str, each.packages)), "".join(each.gateways), each.reason.value


def test_packages_of_a_gateway_are_shown_in_one_order() -> None:
    had = live(members="a", overrides={"a": "rqp"})
    one = view(Side(live=had, members="a"), overrides=(entry("a", "p"),))
    part = found(diff_overrides(one, ("p",), edits_packages=False))
    assert part.changes == [("packageOverrides", ["p", "q", "r"], ["p"], "differs", "a")]


def test_packages_that_are_still_to_be_uploaded_are_nobodys_yet() -> None:
    """A gateway has the rest of them, as recorded, and gets all of it."""
    fw = file("v1")
    side = Side(recorded(q="a"), live=live(overrides={"a": "q"}))
    one = view(side, overrides=(Override(frozenset("ab"), (fw, PackageById("q", Place("p", 1, 1)))),))
    pending = PendingUpload(fw.sha256)
    bound = Bound({**PACKAGES, fw: pending}, {pending: "fw.bin"})
    part = diff_overrides(replace(one, bound=bound), ("p",), edits_packages=False)
    assert [(each.packages, each.gateways) for each in part.todo] == [((pending, "q"), ("a", "b"))]
    shown = [{"upload": "fw.bin", "sha256": fw.sha256}, "q"]
    assert [(c.before, c.after, c.members) for c in part.changes] == [
        (["q"], shown, ("a",)),
        (["p"], shown, ("b",)),
    ]
    assert part.records == ()


@pytest.mark.parametrize(
    ("gives", "assigned_to"),
    [
        # What it makes of q, as it was read after q was sent; b has the same, and nobody sent it q.
        ({'["q"]': ["q", "r"]}, "b"),
        ({'["q"]': ["r"]}, "ab"),
        ({}, "ab"),
    ],
)
def test_what_the_server_makes_of_it_is_what_was_declared(gives: Any, assigned_to: str) -> None:
    side = Side(recorded(q="ax"), live=live(overrides={"a": "rq", "b": "rq"}))
    one = view(side, overrides=(entry("ab", "q"),))
    assert one.owned
    one = replace(one, owned=replace(one.owned, kept={"packageOverrides": gives}))
    part = diff_overrides(one, ("p",), edits_packages=False)
    assert found(part, map(_assigned, part.todo)) == assigned("q", assigned_to, "differs", "qr")


def test_packages_of_a_campaign_that_manages_none_are_those_that_it_has() -> None:
    side = Side(recorded(q="a"), live=HAVE_Q, joining="c")
    one = view(side, overrides=(entry("c", "p"),))
    part = diff_overrides(one, None, edits_packages=False)
    assert found(part, map(_assigned, part.todo)) == assigned("p", "a", "taken-back", "q")
    new = view(Side(new=True), overrides=(entry("a", "p"),))
    made = diff_overrides(new, None, edits_packages=False)
    assert found(made, map(_assigned, made.todo)) == assigned("p", "a", "not-on-server", None)
