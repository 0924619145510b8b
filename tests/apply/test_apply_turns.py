"""What stands against a step, whose turn comes with the end of another, and who is asked to take it."""

from collections.abc import Iterator, Sequence

import pytest

from reconciler.apply.turns import NOTHING, Against, Turns, closes
from reconciler.model import Need, Outcome, OutcomeStatus, Skip, Step, StepGroup
from tests.apply.apply_script import bracket, group

IDS = ("a", "b", "c", "d", "e")
DONE, FAILED, WAITING = OutcomeStatus.DONE, OutcomeStatus.FAILED, OutcomeStatus.WAITING


def windows(key: str = "windows", *needs: Need, gateways: Sequence[str] = IDS) -> StepGroup:
    return group("schedule-download", key=key, gateways=gateways, per_call=1, needs=needs)


def adds(key: str = "adds", *needs: Need, per_call: int = 2, gateways: Sequence[str] = IDS) -> StepGroup:
    return group("add-gateways", key=key, gateways=gateways, per_call=per_call, needs=needs)


def ended(turns: Turns, status: OutcomeStatus = DONE, **values: object) -> Outcome:
    """The next step ends."""
    step = turns.take()
    assert step is not None
    outcome = Outcome(step, status, **values)  # type: ignore[arg-type]
    turns.ended(outcome)
    return outcome


def taken(turns: Turns, count: int = 1_000) -> list[str]:
    found: list[str] = []
    while len(found) < count and (step := turns.take()) is not None:
        found.append(step.id)
    return found


# --- what stands against a step -------------------------------------------------------------------------


@pytest.mark.parametrize("even_failed", [False, True])
@pytest.mark.parametrize("status", list(OutcomeStatus))
def test_what_a_group_needs_as_a_whole_stands_against_all_of_it(
    status: OutcomeStatus, even_failed: bool
) -> None:
    edit = group("edit-campaign")
    turns = Turns([edit, windows("windows", Need(edit.key, even_failed=even_failed))])
    turns.begin()
    outcome = ended(turns, status)
    first, second = turns.take(), turns.take()
    assert first
    assert second
    stands = NOTHING if outcome.settled or even_failed else Against(outcome)
    assert turns.against(first) == turns.against(second) == stands


def test_the_first_step_that_is_not_done_is_the_one_that_is_named() -> None:
    """In the order of the group, and not in the order in which they ended."""
    first = windows("first")
    turns = Turns([first, group("start-campaign", key="start", needs=["first"])])
    turns.begin()
    steps = [turns.take() for _ in IDS]
    outcomes = [Outcome(step, FAILED if step.index in (1, 3) else DONE) for step in steps if step]
    for outcome in reversed(outcomes):
        turns.ended(outcome)
    start = turns.take()
    assert start is not None
    assert turns.against(start) == Against(outcomes[1])


def test_of_several_needs_the_first_that_is_not_done_is_named() -> None:
    one, two, three = (group("edit-campaign", key=key) for key in ("one", "two", "three"))
    last = group("start-campaign", key="last", needs=["one", "two", "three"])
    turns = Turns([one, two, three, last])
    turns.begin()
    ended(turns)
    blocker = ended(turns, FAILED)
    ended(turns, FAILED)
    step = turns.take()
    assert step is not None
    assert turns.against(step).whole == blocker


def test_what_is_skipped_stands_against_what_needs_it() -> None:
    one = group("edit-campaign", key="one")
    two = group("edit-campaign", key="two", needs=["one"])
    turns = Turns([one, two, group("edit-campaign", key="three", needs=["two"])])
    turns.begin()
    ended(turns, FAILED)
    skipped = ended(turns, OutcomeStatus.SKIPPED, skip=Skip.NOT_DONE)
    step = turns.take()
    assert step is not None
    assert turns.against(step).whole == skipped


@pytest.mark.parametrize("even_failed", [False, True])
@pytest.mark.parametrize(
    ("status", "left", "held"),
    [
        (DONE, (), ""),
        (OutcomeStatus.NOT_NEEDED, (), ""),
        (FAILED, (), "abcde"),
        (FAILED, ("a", "b", "c", "d", "e"), "abcde"),
        (FAILED, ("a", "e"), "ae"),
        (FAILED, ("b", "d"), "bd"),
        (WAITING, ("c",), "c"),
    ],
)
def test_by_gateway_only_those_are_held_for_whom_it_is_not_done(
    status: OutcomeStatus, left: tuple[str, ...], held: str, even_failed: bool
) -> None:
    add = adds(per_call=5)
    turns = Turns([add, windows("windows", Need("adds", by_gateway=True, even_failed=even_failed))])
    turns.begin()
    outcome = ended(turns, status, left=left)
    against = {}
    while (step := turns.take()) is not None:
        against[step.gateways[0]] = turns.against(step)
    expected = "" if even_failed else held
    assert against == {
        gateway: Against(gateways={gateway: outcome}) if gateway in expected else NOTHING for gateway in IDS
    }


def test_a_batch_has_to_wait_for_those_of_its_gateways_that_are_held() -> None:
    leave = group("remove-gateways", key="leave", gateways=IDS, per_call=1)
    turns = Turns([leave, adds("adds", Need("leave", by_gateway=True), per_call=5)])
    turns.begin()
    outcomes = [ended(turns, status) for status in (DONE, FAILED, DONE, WAITING, DONE)]
    step = turns.take()
    assert step is not None
    assert turns.against(step) == Against(gateways={"b": outcomes[1], "d": outcomes[3]})


def test_of_two_that_hold_a_gateway_the_first_need_is_named() -> None:
    one, two = adds("one", per_call=5), windows("two")
    needs = (Need("one", by_gateway=True), Need("two", by_gateway=True))
    turns = Turns([one, two, group("close-gateway", key="last", gateways=IDS, per_call=1, needs=needs)])
    turns.begin()
    outcomes = [Outcome(step, FAILED) for step in iter(turns.take, None)]
    blocker = outcomes[0]
    assert blocker.step.group is one
    for outcome in outcomes:
        turns.ended(outcome)
    last = list(iter(turns.take, None))
    assert [turns.against(step).gateways for step in last] == [{gateway: blocker} for gateway in IDS]


def test_who_is_not_in_what_is_needed_is_not_held() -> None:
    add = adds(per_call=5, gateways=IDS[:2])
    turns = Turns([add, windows("windows", Need("adds", by_gateway=True))])
    turns.begin()
    outcome = ended(turns, FAILED)
    against = {step.gateways[0]: turns.against(step).gateways for step in iter(turns.take, None)}
    assert against == {"a": {"a": outcome}, "b": {"b": outcome}, "c": {}, "d": {}, "e": {}}


@pytest.mark.parametrize(
    ("status", "unclear", "runs"),
    [(FAILED, True, True), (OutcomeStatus.UNKNOWN, True, True), (FAILED, False, False), (DONE, True, True)],
)
def test_a_bracket_is_closed_where_its_stop_may_have_happened(
    status: OutcomeStatus, unclear: bool, runs: bool
) -> None:
    stop, edit, start = bracket()
    turns = Turns([stop, edit, start])
    turns.begin()
    outcome = ended(turns, status, unclear=unclear)
    ended(turns, DONE if outcome.settled else OutcomeStatus.SKIPPED)
    step = turns.take()
    assert step is not None
    assert step.group is start
    assert turns.against(step).whole == (None if runs else outcome)
    assert turns.perhaps_stopped(start, stop.key) is (runs and not outcome.settled)
    assert not turns.perhaps_stopped(start, edit.key)
    assert not turns.perhaps_stopped(edit, stop.key)


def test_only_the_start_of_a_bracket_closes_it() -> None:
    stop, edit, start = bracket()
    plain = group("start-campaign")
    assert [closes(each) for each in (stop, edit, start, plain)] == [False, False, True, False]


def test_what_may_have_happened_but_is_no_stop_keeps_a_bracket_open() -> None:
    edit, start = (
        group("edit-campaign"),
        group("start-campaign", bracket=True, needs=["edit-campaign:line-3"]),
    )
    turns = Turns([edit, start])
    turns.begin()
    outcome = ended(turns, FAILED, unclear=True)
    step = turns.take()
    assert step is not None
    assert turns.against(step).whole == outcome


# --- whose turn it is -----------------------------------------------------------------------------------


def test_groups_end_with_their_last_step_and_those_without_steps_at_once() -> None:
    none = group("close-gateway", key="none", per_call=1)
    after = group("close-gateway", key="after", per_call=1, needs=["none"])
    some = windows("some", gateways=IDS[:2])
    last = group("close-gateway", key="last", per_call=1, needs=["some"])
    turns = Turns([none, after, some, last])
    assert turns.groups_left == 4
    assert [each.key for each in turns.begin()] == ["none", "after"]
    assert turns.groups_left == 2
    steps = [turns.take(), turns.take()]
    assert turns.take() is None
    over = [[each.key for each in turns.ended(Outcome(step, DONE))] for step in steps if step]
    assert over == [[], ["some", "last"]]
    assert turns.groups_left == 0


def test_there_may_be_a_step_until_all_were_asked() -> None:
    turns = Turns([windows(gateways=IDS[:1])])
    assert not turns.some
    turns.begin()
    assert turns.some
    assert taken(turns) == ["windows:a"]
    assert not turns.some


def test_nothing_follows_what_waits_for_something_as_a_whole() -> None:
    """Not before that has ended; then all of those come whose own step has."""
    add, edit = adds(per_call=1), group("edit-campaign", key="edit")
    follower = windows("windows", Need("adds", by_gateway=True), Need("edit"))
    turns = Turns([add, edit, follower])
    turns.begin()
    for _ in IDS[:2]:
        ended(turns)
    steps = [turns.take() for _ in range(4)]
    assert [step.group.key for step in steps if step] == ["adds", "adds", "adds", "edit"]
    for step in steps[:3]:
        assert step
        turns.ended(Outcome(step, DONE))
    assert turns.take() is None
    assert steps[3]
    turns.ended(Outcome(steps[3], DONE))
    assert taken(turns) == [f"windows:{gateway}" for gateway in IDS]


def test_once_that_has_ended_each_step_follows_its_own() -> None:
    add, edit = adds(per_call=1), group("edit-campaign", key="edit")
    follower = windows("windows", Need("adds", by_gateway=True), Need("edit"))
    turns = Turns([edit, add, follower])
    turns.begin()
    ended(turns)
    ended(turns)
    assert taken(turns, 2) == ["windows:a", "adds:b"]


def test_what_is_needed_as_a_whole_and_by_gateway_has_to_end_as_a_whole() -> None:
    needs = (Need("adds"), Need("adds", by_gateway=True), Need("windows", by_gateway=True))
    turns = Turns([adds(per_call=5), windows(), adds("last", *needs, gateways=IDS[:4])])
    turns.begin()
    add, *others = iter(turns.take, None)
    turns.ended(Outcome(others[0], DONE))
    turns.ended(Outcome(others[1], DONE))
    assert taken(turns) == []
    turns.ended(Outcome(add, DONE))
    found = []
    for other in others[2:]:
        turns.ended(Outcome(other, DONE))
        found.append(taken(turns))
    assert found == [[], ["last:2"], ["last:1"]]


def test_what_was_passed_by_while_it_waited_is_not_forgotten() -> None:
    add, edit = adds(per_call=1), group("edit-campaign", key="edit")
    turns = Turns([add, edit, windows("windows", Need("adds", by_gateway=True), Need("edit"))])
    turns.begin()
    steps = [turns.take() for _ in range(6)]
    for index in (0, 5, 1):
        step = steps[index]
        assert step
        turns.ended(Outcome(step, DONE))
    assert taken(turns) == ["windows:b"], "of those that ended later"
    for index in (2, 3, 4):
        step = steps[index]
        assert step
        turns.ended(Outcome(step, DONE))
    assert sorted(taken(turns)) == ["windows:a", "windows:c", "windows:d", "windows:e"]


# --- somebody else takes them ---------------------------------------------------------------------------


def test_somebody_else_takes_what_may_go_and_nothing_comes_twice() -> None:
    asked: list[tuple[str, list[str]]] = []
    given: list[Step] = []

    def elsewhere(group: StepGroup, steps: Iterator[Step]) -> bool:
        if group.key != "windows":
            asked.append((group.key, []))
            return False
        found = list(steps)
        given.extend(found)
        asked.append((group.key, [step.gateways[0] for step in found]))
        return True

    add = adds(per_call=2, gateways=IDS[:4])
    turns = Turns([add, windows("windows", Need("adds", by_gateway=True))], elsewhere)
    turns.begin()
    assert asked == [("adds", [])]
    ended(turns)
    assert asked[1:] == [("windows", ["a", "b"])]
    assert not turns.unsettled["adds"]
    ended(turns, FAILED)
    assert [ids for key, ids in asked[2:] if key == "windows"] == [["c", "d"], ["e"]]
    assert turns.take() is None
    for step in given:
        turns.ended(Outcome(step, DONE))
    assert turns.groups_left == 0
