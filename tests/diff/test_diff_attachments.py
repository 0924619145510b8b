"""Callbacks and distribution lists: the tables of ``reconciler.diff.attachments``."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff.attachments import diff_callbacks, diff_distribution
from reconciler.model import Callback, CallbackEvent, DistributionList, Severity
from reconciler.state.base import FieldApplied
from tests.diff.diff_parts import LINE, Found, Side, applied, found, live, view

DONE, WAKES = CallbackEvent.COMPLETED, CallbackEvent.WAKE_UP
HERE, THERE = {"notificationDestinationId": "here"}, {"notificationDestinationId": "there"}


def callbacks(**events: Any) -> dict[str, Any]:
    """As the state holds them."""
    return {f"callbackSet.{name}": value for name, value in events.items()}


def registered(event: CallbackEvent, before: Any, why: str) -> Found:
    return Found([(event, Callback("here"))], [(f"callbackSet.{event}", before, HERE, why, "")])


def stays(event: CallbackEvent) -> Found:
    what = f"the callback {event} is no longer declared, but stays registered: it can't be taken back"
    return Found(notes=[("cannot-undo", "callbackSet", what)])


def assumed(event: CallbackEvent) -> Found:
    what = f"the callback {event} can't be read; it is taken to be as declared, and not sent"
    return Found(
        notes=[("assumed", "callbackSet", what)],
        records=[FieldApplied(LINE, f"callbackSet.{event}", HERE)],
    )


# the declared events, what they are compared with → all that comes of them
CALLBACKS: dict[str, tuple[tuple[CallbackEvent, ...] | None, Side, Found]] = {
    "the same": ((DONE,), Side(applied=callbacks(completed=HERE)), Found()),
    "another": ((DONE,), Side(applied=callbacks(completed=THERE)), registered(DONE, THERE, "declared-since")),
    "never sent": ((DONE,), Side(), registered(DONE, None, "not-recorded")),
    "of a new campaign": ((DONE,), Side(new=True), registered(DONE, None, "not-on-server")),
    "just being adopted": ((DONE,), Side(adopting=True), assumed(DONE)),
    "adopted, and known to differ": (
        (DONE,),
        Side(adopting=True, applied=callbacks(completed=THERE)),
        registered(DONE, THERE, "declared-since"),
    ),
    "asserted": (
        (DONE,),
        Side(applied=callbacks(completed=HERE), reassert=True),
        registered(DONE, HERE, "reasserted"),
    ),
    "no longer declared": ((), Side(applied=callbacks(wakeUp=HERE)), stays(WAKES)),
    "left out": (None, Side(applied=callbacks(wakeUp=HERE)), stays(WAKES)),
    "in the order of the events": (
        (WAKES, DONE),
        Side(),
        registered(DONE, None, "not-recorded") + registered(WAKES, None, "not-recorded"),
    ),
    "one of two": (
        (DONE,),
        Side(applied=callbacks(wakeUp=HERE)),
        registered(DONE, None, "not-recorded") + stays(WAKES),
    ),
}


@pytest.mark.parametrize("row", CALLBACKS)
def test_callbacks(row: str) -> None:
    declared, side, expected = CALLBACKS[row]
    wanted = None if declared is None else dict.fromkeys(declared, Callback("here"))
    assert found(diff_callbacks(view(side, callbacks=wanted))) == expected


def test_the_states_that_a_callback_tracks_are_a_part_of_it() -> None:
    event = CallbackEvent.STATE_CHANGE
    wanted = Callback("here", frozenset({"B", "A"}))
    before = {**HERE, "trackedStates": ["A"]}
    side = Side(applied={f"callbackSet.{event}": before})
    part = found(diff_callbacks(view(side, callbacks={event: wanted})))
    after = {**HERE, "trackedStates": ["A", "B"]}
    assert part == Found([(event, wanted)], [(f"callbackSet.{event}", before, after, "declared-since", "")])


# --- distribution lists


SET = DistributionList("dl", 60)


def changed(*rows: tuple[str, Any, Any]) -> Found:
    return Found(changes=[(field, before, after, "differs", "") for field, before, after in rows])


def ours(gateways: str) -> Found:
    return Found(records=[applied("gateways", "added", gateways)])


FIRST = changed(("distributionList", None, {"distributionListId": "dl", "reevaluationIntervalSeconds": 60}))
KEPT = "the distribution list is no longer declared, but stays set: it can't be taken back"

OURS_ALREADY = Found(records=[FieldApplied(LINE, "distributionList", "dl")])
# the declared list, the live one, declared gateways, what the state knows → all that comes of it
List = DistributionList | None
LISTS: dict[str, tuple[List, List, str | None, dict[str, Any], Found]] = {
    "the same": (SET, SET, "ab", {"distributionList": "dl"}, Found()),
    "the same, and nothing is recorded: the run died": (SET, SET, "ab", {}, OURS_ALREADY),
    "the same, and another is recorded": (SET, SET, "ab", {"distributionList": "old"}, OURS_ALREADY),
    "the first": (SET, None, None, {}, Found([SET]) + FIRST),
    "the first, and gateways are declared": (SET, None, "abx", {}, Found([SET]) + FIRST + ours("ab")),
    "the first, and declared gateways are not in yet": (SET, None, "x", {}, Found([SET]) + FIRST),
    "another": (
        SET, DistributionList("old", 60), "ab", {},
        Found([SET]) + changed(("distributionList.distributionListId", "old", "dl")),
    ),
    "another interval": (
        SET, DistributionList("dl", 5), "ab", {},
        Found([SET]) + changed(("distributionList.reevaluationIntervalSeconds", 5, 60)),
    ),
    "the interval is left out": (DistributionList("dl"), SET, "ab", {"distributionList": "dl"}, Found()),
    "another, and the interval is left out": (
        DistributionList("dl"), DistributionList("old", 60), "ab", {},
        Found([SET]) + changed(("distributionList.distributionListId", "old", "dl")),
    ),
    "ours is no longer declared": (
        None, SET, "ab", {"distributionList": "dl"},
        Found(notes=[("cannot-undo", "distributionList", KEPT)]),
    ),
    "somebody else's is not declared": (None, SET, "ab", {}, Found()),
}  # fmt: skip


@pytest.mark.parametrize("row", LISTS)
def test_distribution_lists(row: str) -> None:
    declared, current, gateways, known, expected = LISTS[row]
    side = Side(applied=known, live=live(distribution=current))
    part = diff_distribution(view(side, distribution=declared, gateways=gateways))
    assert found(part) == expected


def test_who_is_in_is_not_recorded_where_that_was_not_read() -> None:
    side = Side(live=replace(live(), gateways=None))
    assert found(diff_distribution(view(side, distribution=SET, gateways="ab"))) == Found([SET]) + FIRST


@pytest.mark.parametrize(
    "side", [Side(), Side(new=True), Side(live=live(distribution=DistributionList("old")))]
)
def test_a_list_that_nobody_says_the_interval_of_is_an_error(side: Side) -> None:
    part = diff_distribution(view(side, distribution=DistributionList("dl")))
    (finding,) = part.findings
    assert (finding.code, finding.severity, finding.resource) == ("interval-needed", Severity.ERROR, LINE)
    assert finding.place is not None
    assert finding.place.file == "distributionList"
    assert (part.todo, part.changes, part.records) == ((), (), ())
