"""Which checks a look asks, and what their answers do."""

from dataclasses import replace

import pytest

from reconciler.model import (
    DesiredRollout,
    HttpQuestion,
    Kind,
    OnCheckFailure,
    Promotion,
    ResourceId,
    RolloutCheck,
    RolloutRecord,
    RolloutStatus,
    Wave,
)
from reconciler.rollout.calendars import Opening
from reconciler.rollout.gate import look
from reconciler.rollout.questions import against, asked
from reconciler.rollout.situation import CheckAnswer, CheckVerdict, Decision, Situation, WaitFor
from reconciler.rollout.views import RolloutView, WaveView
from tests.fakes import in_waves

LINE = ResourceId(Kind.CAMPAIGN, "line-3")
NOW = 1_800_000_000_000
HOUR = 3_600_000
IDS = frozenset(f"gw-{n}" for n in range(10))
FIRST = frozenset({"gw-0", "gw-1"})
WATCHED = RolloutCheck("errors", "https://x.de", HttpQuestion())
PATIENT = RolloutCheck("desk", "https://x.de", HttpQuestion(), on_failure=OnCheckFailure.WAIT)
WISH = DesiredRollout("careful", (Wave("canary", soak=HOUR), Wave("rest")), "s", checks=(WATCHED, PATIENT))
RECORD = RolloutRecord("r", "p", wave=1, since=NOW - 2 * HOUR, reached=NOW - 2 * HOUR)
SEEN = Situation(NOW, in_waves(FIRST, IDS - FIRST), FIRST, done=FIRST, openings={"": Opening(True)})


def passes(name: str = "errors", aborts: bool = True) -> CheckAnswer:
    return CheckAnswer(name, CheckVerdict.PASS, "1", aborts)


def fails(name: str = "errors", aborts: bool = True) -> CheckAnswer:
    return CheckAnswer(name, CheckVerdict.FAIL, "7 > 5", aborts)


def silent(name: str = "errors", aborts: bool = True) -> CheckAnswer:
    return CheckAnswer(name, CheckVerdict.ERROR, "didn't answer", aborts)


def decided(*answers: CheckAnswer, record: RolloutRecord = RECORD, **seen: object) -> Decision:
    return look(WISH, record, replace(SEEN, checks=answers, **seen))  # type: ignore[arg-type]


# --- what answers do -------------------------------------------------------------------------------


def test_a_wave_opens_when_all_pass() -> None:
    found = decided(passes(), passes("desk", aborts=False))
    assert (found.opens, found.release) == (2, IDS - FIRST)


@pytest.mark.parametrize(
    ("answers", "waits"),
    [
        ([silent()], ["errors: didn't answer"]),
        ([silent(aborts=False)], ["errors: didn't answer"]),
        ([fails(aborts=False)], ["errors: 7 > 5"]),
        ([passes(), fails("desk", aborts=False)], ["desk: 7 > 5"]),
        ([silent(), fails("desk", aborts=False)], ["errors: didn't answer", "desk: 7 > 5"]),
    ],
)
def test_what_does_not_pass_waits(answers: list[CheckAnswer], waits: list[str]) -> None:
    found = decided(*answers)
    assert (found.opens, found.release, found.record.status) == (0, frozenset(), RolloutStatus.PROGRESSING)
    assert [(wait.reason, wait.text) for wait in found.waits] == [(WaitFor.CHECK, text) for text in waits]


@pytest.mark.parametrize("now", [NOW, NOW - HOUR - 1])
def test_a_check_that_fails_aborts_in_the_middle_of_a_soak_too(now: int) -> None:
    found = decided(fails(), now=now)
    assert (found.opens, found.release) == (0, frozenset())
    assert (found.record.status, found.record.why) == (RolloutStatus.ABORTED, "check errors fails: 7 > 5")


def test_it_aborts_what_is_paused_and_leaves_what_is_aborted() -> None:
    paused = replace(RECORD, status=RolloutStatus.PAUSED, why="a person")
    assert decided(fails(), record=paused).record.status is RolloutStatus.ABORTED
    aborted = replace(RECORD, status=RolloutStatus.ABORTED, why="before")
    assert decided(fails(), record=aborted).record == replace(aborted, limit=None)


def test_a_person_may_pass_it_once() -> None:
    record = replace(RECORD, promoted=(Promotion(2, ("check",)),))
    found = decided(fails(), silent("desk", aborts=False), record=record)
    assert (found.opens, found.record.promoted) == (2, ())
    assert decided(fails(), record=found.record, entered=IDS).record.status is RolloutStatus.ABORTED


def test_nobody_asked_is_no_answer() -> None:
    assert look(WISH, RECORD, SEEN).opens == 2, "a plan says what an apply would do, if they pass"


# --- what is asked ---------------------------------------------------------------------------------

WAVES = (WaveView("canary", 2, entered=2, done=1, failed=1), WaveView("rest", 8))
VIEW = RolloutView(LINE, "careful", RolloutStatus.PROGRESSING, 10, 2, wave=1, waves=WAVES, reached=NOW)


def names(view: RolloutView, record: RolloutRecord | None = RECORD) -> list[str]:
    found = asked([view], {LINE: WISH}, {} if record is None else {LINE: record})
    return [check.name for question in found for check in question.checks]


def test_while_a_wave_soaks_only_what_aborts_is_asked() -> None:
    assert names(VIEW) == ["errors"]
    assert names(replace(VIEW, status=RolloutStatus.COMPLETE)) == ["errors"], "it would be complete now"


def test_before_a_wave_opens_all_are_asked() -> None:
    assert names(replace(VIEW, wave=2, opens=2)) == ["errors", "desk"]
    assert names(replace(VIEW, wave=1, opens=1), None) == ["errors", "desk"]


@pytest.mark.parametrize("status", [RolloutStatus.ABORTED, RolloutStatus.COMPLETE])
def test_what_is_over_asks_nobody(status: RolloutStatus) -> None:
    assert names(replace(VIEW, status=status), replace(RECORD, status=status)) == []


def test_what_has_not_begun_asks_nobody() -> None:
    assert names(replace(VIEW, wave=0), None) == []
    assert names(replace(VIEW, wave=0), replace(RECORD, wave=0)) == []


def test_what_aborts_by_its_counts_asks_nobody() -> None:
    assert names(replace(VIEW, status=RolloutStatus.ABORTED)) == []


def test_where_it_stands_is_told_in_numbers() -> None:
    (question,) = asked([VIEW], {LINE: WISH}, {LINE: RECORD})
    assert question.standing == {
        "campaign": "line-3",
        "wave": 1,
        "waves": 2,
        "gateways": 2,
        "done": 1,
        "failed": 1,
        "reached": NOW,
    }
    (opening,) = asked([replace(VIEW, wave=2, opens=2)], {LINE: WISH}, {LINE: RECORD})
    assert opening.standing["wave"] == 1
    (first,) = asked([replace(VIEW, wave=1, opens=1)], {LINE: WISH}, {})
    assert (first.standing["wave"], first.standing["gateways"], first.standing["reached"]) == (0, 0, None)


# --- what stands against a plan of before -----------------------------------------------------------


def test_what_was_planned_before_is_held_against_answers() -> None:
    opens = replace(VIEW, wave=2, opens=2, joins=8)
    assert list(against(opens, [passes(), passes("desk")])) == []
    assert list(against(opens, [silent(), fails("desk", aborts=False)])) == [
        "wave 2 of 2 (rest): check errors: didn't answer",
        "wave 2 of 2 (rest): check desk: 7 > 5",
    ]
    joins = replace(VIEW, joins=1)
    assert list(against(joins, [silent(), fails("desk", aborts=False)])) == []
    assert list(against(joins, [fails()])) == ["wave 1 of 2 (canary): check errors: 7 > 5"]
    assert list(against(VIEW, [silent(), fails("desk", aborts=False)])) == []
    assert list(against(VIEW, [fails()])) == ["wave 1 of 2 (canary): check errors: 7 > 5"], "it starts"
