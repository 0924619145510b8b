"""Running on things can't be read, and is never done twice by itself: ``reconciler.diff.things``."""

from typing import Any

import pytest

from reconciler.diff.things import diff_things
from reconciler.state.applied import things_value, unclear
from tests.diff.diff_parts import Found, Side, applied, found, view

ONE, TWO = things_value(["t1"]), things_value(["t2"])


def recorded(**groups: str) -> dict[str, Any]:
    """``one``, ``two``: t1 or t2, done; ``doubt``: t1, without a clear answer → gateways."""
    values = {"one": ONE, "two": TWO, "doubt": unclear(ONE)}
    return {"runOnThings": {values[name]: ids for name, ids in groups.items()}}


def run(gateways: str, why: str, thing: str = "t1") -> Found:
    return Found(
        [(gateway, (thing,)) for gateway in gateways],
        [("runOnThings", None, [thing], why, gateways)],
    )


def note(code: str, message: str) -> Found:
    return Found(notes=[(code, "runOnThings", message)])


DOUBT = note(
    "unknown-outcome", "whether the things of the gateway b were run is not known; they are not run again"
)
ASSUMED = note("assumed", "whether the things of 2 gateways were run can't be read; it is taken to be so")

# what is declared (t1 of these gateways), what it is compared with → all that comes of it
ROWS: dict[str, tuple[str | None, Side, Found]] = {
    "done": ("ab", Side(recorded(one="ab")), Found()),
    "never done": ("ab", Side(), run("ab", "not-recorded")),
    "other things were": ("ab", Side(recorded(two="ab")), run("ab", "declared-since")),
    "done, and it joins": ("ab", Side(recorded(one="ab"), joining="b"), run("b", "not-recorded")),
    "of a new campaign": ("ab", Side(new=True), run("ab", "not-on-server")),
    "is no member": ("ax", Side(recorded(one="a")), Found()),
    "in doubt": ("ab", Side(recorded(one="a", doubt="b")), DOUBT),
    "in doubt, and it joins": ("b", Side(recorded(doubt="b"), joining="b"), run("b", "not-recorded")),
    "in doubt, and asserted": ("b", Side(recorded(doubt="b"), reassert=True), run("b", "reasserted")),
    "asserted": ("ab", Side(recorded(one="a"), reassert=True), run("ab", "reasserted")),
    "just being adopted": (
        "ab", Side(adopting=True), ASSUMED + Found(records=[applied("runOnThings", ONE, "ab")]),
    ),
    "just being adopted, and one joins": (
        "abc",
        Side(adopting=True, joining="c"),
        run("c", "not-recorded") + ASSUMED + Found(records=[applied("runOnThings", ONE, "ab")]),
    ),
    "adopted, and asserted": ("a", Side(adopting=True, reassert=True), run("a", "reasserted")),
    "no longer declared": (None, Side(recorded(one="a", doubt="b")), Found()),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_things(row: str) -> None:
    declared, side, expected = ROWS[row]
    things = None if declared is None else dict.fromkeys(declared, ("t1",))
    assert found(diff_things(view(side, things=things))) == expected


def test_gateways_of_the_same_things_are_one_change() -> None:
    things = {"a": ("t1", "t2"), "b": ("t2",), "c": ("t2", "t1")}
    part = found(diff_things(view(Side(recorded(two="a")), things=things)))
    assert part.todo == list(things.items())
    assert part.changes == [
        ("runOnThings", None, ["t1", "t2"], "declared-since", "ac"),
        ("runOnThings", None, ["t2"], "not-recorded", "b"),
    ]


def test_gateways_stand_in_one_order() -> None:
    ids = "zyxwvutsrqponm"
    things = dict.fromkeys(ids, ("t1",))
    part = found(diff_things(view(Side(members=ids, adopting=True, joining=ids[:7]), things=things)))
    assert part.todo == [(gateway, ("t1",)) for gateway in "tuvwxyz"]
    assert [change[-1] for change in part.changes] == ["tuvwxyz"]
    assert part.records == [applied("runOnThings", ONE, "mnopqrs")]
