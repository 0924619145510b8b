"""A campaign beside its live side: whom a value is asked of, and why it is sent."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff.view import EMPTY, NOTHING, Part, View, count, together
from reconciler.model import Change, Finding, Membership, Place, Reason, Severity
from reconciler.model.sets import joined, without
from reconciler.providers.base import Field, FieldFacts
from reconciler.state.base import MembersApplied
from tests.diff.diff_parts import FACTS, LINE, PLACES, Side, live, view

CALLBACKS, SCHEDULES = Field.CALLBACKS, Field.SCHEDULES
RECORDED = {"x": {"recorded": "ab"}}
THERE = replace(live(), applied={"x": "there"})
THERE = replace(
    THERE, gateways=Membership({"idle": frozenset("abc")}, frozenset("c"), {"x": {"there": frozenset("a")}})
)


def seen(readable: bool, **side: Any) -> View:
    known = {"applied": {"x": "recorded"}, "recorded": RECORDED, "live": THERE, **side}
    made = view(Side(**known))
    fields = {**FACTS.fields, **dict.fromkeys((CALLBACKS, SCHEDULES), FieldFacts(readable=readable))}
    return replace(made, ask=replace(made.ask, facts=replace(FACTS, fields=fields)))


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("readable", [False, True])
def test_the_server_is_asked_where_it_tells_else_what_was_last_applied(readable: bool, new: bool) -> None:
    found = seen(readable, new=new)
    told = readable and not new
    assert found.readable(CALLBACKS) is told
    value = None if new else "there" if told else "recorded"
    assert found.value(CALLBACKS, "x") == value
    assert found.value(CALLBACKS, "y") is None
    assert found.known(CALLBACKS) == ({} if new else {"x": value})
    members = {} if new else {"there": frozenset("a")} if told else {"recorded": frozenset("ab")}
    assert found.values(SCHEDULES, "x") == members
    assert found.values(SCHEDULES, "y") == {}
    assert found.recorded("x") == ({} if new else {"recorded": frozenset("ab")})
    assert found.closed_live == (EMPTY if new else frozenset("c"))


def test_where_nobody_read_who_is_in_it_nobody_has_anything() -> None:
    found = seen(True, live=replace(THERE, gateways=None))
    assert (found.values(SCHEDULES, "x"), found.closed_live) == ({}, EMPTY)
    assert replace(seen(False), owned=None).known(CALLBACKS) == {}


@pytest.mark.parametrize("reassert", [False, True])
@pytest.mark.parametrize("adopting", [False, True])
@pytest.mark.parametrize("readable", [False, True])
def test_what_can_not_be_read_is_assumed_or_sent_again(
    readable: bool, adopting: bool, reassert: bool
) -> None:
    found = seen(readable, adopting=adopting, reassert=reassert)
    assert found.assuming(CALLBACKS) is (adopting and not reassert and not readable)
    assert found.reasserting(CALLBACKS) is (reassert and not readable)


@pytest.mark.parametrize(
    ("readable", "new", "reassert", "known", "why"),
    [
        (True, False, False, False, Reason.DIFFERS),
        (True, False, True, True, Reason.DIFFERS),
        (False, False, False, False, Reason.NOT_RECORDED),
        (False, False, False, True, Reason.DECLARED_SINCE),
        (False, False, True, True, Reason.REASSERTED),
        (False, False, True, False, Reason.REASSERTED),
        (True, True, True, True, Reason.NOT_ON_SERVER),
        (False, True, False, False, Reason.NOT_ON_SERVER),
    ],
)
def test_why_a_value_is_sent(readable: bool, new: bool, reassert: bool, known: bool, why: Reason) -> None:
    assert seen(readable, new=new, reassert=reassert).why(CALLBACKS, known=known) is why


@pytest.mark.parametrize("there", ["theirs", "other"])
@pytest.mark.parametrize("wanted", ["ours", "other"])
def test_a_value_that_the_server_keeps_otherwise_is_left_alone(wanted: str, there: str) -> None:
    found = seen(True)
    assert found.owned is not None
    owned = replace(found.owned, declared={"name": "ours"}, kept={"name": "theirs"})
    kept = replace(found, owned=owned).kept("name", wanted, there)
    assert kept is ((wanted, there) == ("ours", "theirs"))
    assert not replace(found, owned=None).kept("name", "ours", "theirs")


def test_a_word_says_of_what_and_where() -> None:
    found = seen(True)
    place = Place("elsewhere", 3, 4)
    assert found.note("code", "it stays", SCHEDULES) == Finding(
        "code", "Campaign/line: it stays", PLACES["schedules"], None, LINE, Severity.NOTE
    )
    assert found.note("code", "it stays", SCHEDULES, "do that", place=place) == Finding(
        "code", "Campaign/line: it stays", place, "do that", LINE, Severity.NOTE
    )
    assert found.applied("x", "v", frozenset("cab")) == MembersApplied(LINE, "x", "v", ("a", "b", "c"))


CHANGE = Change(LINE, "x", None, "v", Reason.DIFFERS)
WORD = Finding("code", "message")
RECORD = MembersApplied(LINE, "x", "v", ("a",))


def test_parts_are_put_together_in_their_order() -> None:
    one: Part[str] = Part(("a",), (CHANGE,), (), (RECORD,))
    two: Part[str] = Part(("b",), (), (WORD,), ())
    assert together([]) is NOTHING
    assert together([NOTHING, Part()]) is NOTHING
    assert together([NOTHING, one]) is one
    assert together([one, NOTHING, two]) == Part(("a", "b"), (CHANGE,), (WORD,), (RECORD,))
    assert together([two, one]) == Part(("b", "a"), (CHANGE,), (WORD,), (RECORD,))


@pytest.mark.parametrize(
    "part", [Part(("a",)), Part((), (CHANGE,)), Part(findings=(WORD,)), Part(records=(RECORD,))]
)
def test_a_part_that_says_anything_is_not_empty(part: Part[str]) -> None:
    assert not part.empty
    assert NOTHING.empty


def test_sets_of_gateways_and_their_words() -> None:
    some, more = frozenset("ab"), frozenset("bc")
    assert joined([]) == EMPTY
    assert joined([EMPTY, some]) is some
    assert joined([some, EMPTY, more]) == frozenset("abc")
    assert without(some, EMPTY) is some
    assert without(some, more) == frozenset("a")
    assert [count(each) for each in (EMPTY, {"a"}, some, range(1_234))] == [
        "0 gateways", "the gateway a", "2 gateways", "1,234 gateways"
    ]  # fmt: skip
