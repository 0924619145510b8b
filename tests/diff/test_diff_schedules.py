"""Windows can't be read: the table of ``reconciler.diff.schedules``."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff.schedules import WindowFor, diff_schedules
from reconciler.model import Assignment, Place, SchedulePhase, Window
from reconciler.state.applied import window_value
from tests.diff.diff_parts import Found, Side, applied, found, live, view
from tests.fakes import NOW

DOWNLOAD, EXECUTION, ACTIVATION = SchedulePhase
SOON, LATE, ENDED = Window(NOW - 5, NOW + 10), Window(NOW + 20, NOW + 30), Window(NOW - 9, NOW)
VALUES = {SOON: window_value(SOON), LATE: window_value(LATE), ENDED: window_value(ENDED)}


def entry(gateways: str | None, at: int = 0, window: Window = SOON, *phases: SchedulePhase) -> Assignment:
    """The entry number `at` of ``schedules``; None: for all of the campaign."""
    who = None if gateways is None else frozenset(gateways)
    return Assignment(dict.fromkeys(phases or (DOWNLOAD,), window), who, Place(f"entry {at}", 1, 1))


def recorded(window: Window, gateways: str, phase: SchedulePhase = DOWNLOAD) -> dict[str, Any]:
    return {f"schedules.{phase}": {VALUES[window]: gateways}}


def sent(gateways: str, why: str, window: Window = SOON, phase: SchedulePhase = DOWNLOAD) -> Found:
    """One window that is sent to some, and nothing else."""
    after = {"begin": window.begin, "end": window.end}
    return Found([(phase, window, gateways, why)], [(f"schedules.{phase}", None, after, why, gateways)])


def kept(phase: SchedulePhase, who: str) -> Found:
    what = f"a {phase} window that is no longer declared can't be taken back, and stays for {who}"
    return Found(notes=[("cannot-undo", "schedules", what)])


ASSUMED = Found(
    notes=[
        (
            "assumed",
            "entry 0",
            "the download window of 3 gateways can't be read; it is taken to be as declared",
        )
    ],
    records=[applied("schedules.download", VALUES[SOON], "abc")],
)
STRANGER = "no window while not in the campaign, for"
EXPIRED = "the download window of 3 gateways has ended; it is not sent"

# what is declared, what it is compared with → all that comes of it
ROWS: dict[str, tuple[list[Assignment] | None, Side, Found]] = {
    "as recorded": ([entry("abc")], Side(recorded(SOON, "abc")), Found()),
    "joins, whatever is recorded": (
        [entry("abc")], Side(recorded(SOON, "abc"), joining="c"), sent("c", "not-recorded"),
    ),
    "is past the phase": (
        [entry("abc")], Side(live=live(states={"past download": "b"})), sent("ac", "not-recorded"),
    ),
    "is past another phase": (
        [entry("abc")], Side(live=live(states={"past execution": "b"})), sent("abc", "not-recorded"),
    ),
    "joins, and what it was past before doesn't count": (
        [entry("abc")],
        Side(live=live(states={"past download": "ab"}), joining="b"),
        sent("bc", "not-recorded"),
    ),
    "never got a window": ([entry("ab")], Side(), sent("ab", "not-recorded")),
    "never got a window, of a new campaign": ([entry("ab")], Side(new=True), sent("ab", "not-on-server")),
    "never got a window, just being adopted": ([entry("abc")], Side(adopting=True), ASSUMED),
    "adopted, and one joins": (
        [entry("abcd")],
        Side(adopting=True, members="abcd", joining="d"),
        sent("d", "not-recorded") + ASSUMED,
    ),
    "adopted, and asserted": (
        [entry("abc")], Side(adopting=True, reassert=True), sent("abc", "reasserted"),
    ),
    "got another window": ([entry("ab")], Side(recorded(LATE, "ab")), sent("ab", "declared-since")),
    "got another window, some of them": (
        [entry("abc")],
        Side(recorded(LATE, "b")),
        sent("b", "declared-since") + sent("ac", "not-recorded"),
    ),
    "asserted": ([entry("ab")], Side(recorded(SOON, "ab"), reassert=True), sent("ab", "reasserted")),
    "none declared any more": (
        [], Side(recorded(SOON, "ab")), kept(DOWNLOAD, "2 gateways"),
    ),
    "left out": (None, Side(recorded(SOON, "b", EXECUTION)), kept(EXECUTION, "the gateway b")),
    "none declared for one of them": (
        [entry("a")], Side(recorded(SOON, "ab")), kept(DOWNLOAD, "the gateway b"),
    ),
    "none declared, and it joins, or is no member": (
        [], Side(recorded(SOON, "abx"), joining="b"), kept(DOWNLOAD, "the gateway a"),
    ),
    "none declared, and the window has ended": ([], Side(recorded(ENDED, "ab")), Found()),
    "moves from one entry to the other": (
        [entry("a", 0), entry("b", 1, LATE)],
        Side({"schedules.download": {VALUES[SOON]: "ab"}}),
        sent("b", "declared-since", LATE),
    ),
    "has ended": (
        [entry("abc", 2, ENDED)], Side(), Found(notes=[("expired", "entry 2", EXPIRED)]),
    ),
    "has ended, and is as recorded": ([entry("abc", 0, ENDED)], Side(recorded(ENDED, "abc")), Found()),
    "for all of the campaign": ([entry(None)], Side(members="bc"), sent("bc", "not-recorded")),
    "is no member": (
        [entry("a", 0), entry("bxy", 1)],
        Side(recorded(SOON, "ab")),
        Found(notes=[("not-a-member", "entry 1", f"{STRANGER} 2 gateways")]),
    ),
    "is no member, of a new campaign": (
        [entry("ax")],
        Side(new=True),
        sent("a", "not-on-server")
        + Found(notes=[("not-a-member", "entry 0", f"{STRANGER} the gateway x")]),
    ),
    "is closed": ([entry("ax")], Side(recorded(SOON, "a"), live=live(closed="x")), Found()),
    "somebody joins who has no window": ([entry("ab")], Side(recorded(SOON, "ab"), joining="c"), Found()),
    "members were not read": (
        [entry("ab"), entry("x", 1)],
        Side(live=replace(live(), gateways=None)),
        sent("ab", "not-recorded")
        + Found(notes=[("not-a-member", "entry 1", f"{STRANGER} the gateway x")]),
    ),
    "got several other windows": (
        [entry("abc")],
        Side({"schedules.download": {VALUES[LATE]: "b", VALUES[ENDED]: "a"}}),
        sent("ab", "declared-since") + sent("c", "not-recorded"),
    ),
    "several are past the phase": (
        [entry("abc")],
        Side(live=live(states={"past download": "b", "idle": "ac"})),
        sent("ac", "not-recorded"),
    ),
    "several windows, none of them declared": (
        [],
        Side({"schedules.download": {VALUES[SOON]: "b", VALUES[LATE]: "c"}}),
        kept(DOWNLOAD, "2 gateways"),
    ),
    "two phases of one entry": (
        [entry("ab", 0, SOON, EXECUTION, DOWNLOAD)],
        Side(recorded(LATE, "a", EXECUTION)),
        sent("ab", "not-recorded")
        + sent("a", "declared-since", SOON, EXECUTION)
        + sent("b", "not-recorded", SOON, EXECUTION),
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_windows(row: str) -> None:
    declared, side, expected = ROWS[row]
    part = diff_schedules(view(side, schedules=None if declared is None else tuple(declared)))
    assert found(part, map(_window, part.todo)) == expected


def _window(each: WindowFor) -> tuple[Any, ...]:
    return each.phase, each.window, "".join(each.gateways), each.reason.value


def test_gateways_stand_in_one_order() -> None:
    ids = "zyxwvutsrqponm"
    part = diff_schedules(view(Side(members=ids, adopting=True, joining=ids[:7]), schedules=(entry(ids),)))
    assert ["".join(each.gateways) for each in part.todo] == ["tuvwxyz"]
    assert part.records == (applied("schedules.download", VALUES[SOON], "mnopqrs"),)


@pytest.mark.parametrize(
    ("closing", "closed", "said"), [("x", "", False), ("", "x", False), ("x", "x", False), ("", "", True)]
)
def test_who_is_or_will_be_closed_is_no_stranger(closing: str, closed: str, said: bool) -> None:
    side = Side(recorded(SOON, "a"), live=live(closed=closed))
    part = diff_schedules(view(side, schedules=(entry("ax"),), closed=frozenset(closing)))
    assert [each.code for each in part.findings] == ["not-a-member"] * said


@pytest.mark.parametrize(
    "said", [{}, {"timezone": "UTC"}, {"schedule": "nights"}, {"timezone": "UTC", "schedule": "n"}]
)
def test_a_window_is_shown_with_its_schedule_and_the_zone_of_who_wrote_it(said: dict[str, str]) -> None:
    [change] = diff_schedules(view(Side(), schedules=(replace(entry("a"), **said),))).changes  # type: ignore[arg-type]
    assert change.after == {"begin": SOON.begin, "end": SOON.end, **said}
