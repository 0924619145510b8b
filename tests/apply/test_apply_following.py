"""A gateway's steps follow its own add, batch by batch; an add that isn't done holds up nobody else."""

import asyncio
from collections.abc import Iterable

import pytest

from reconciler.apply.turns import Turns
from reconciler.model import Need, Outcome, OutcomeStatus, Step, StepGroup
from tests.apply.apply_script import Script, apply, by_id, group, plan

BATCH = 10


def after(*groups: StepGroup) -> list[Need]:
    return [Need(each.key, by_gateway=True) for each in groups]


def ids(count: int) -> list[str]:
    return [f"gw-{number:04}" for number in range(count)]


def joiners(count: int) -> tuple[StepGroup, ...]:
    """All that a plan has for gateways that join a running campaign."""
    add = group("add-gateways", gateways=ids(count), per_call=BATCH)
    override = group("assign-gateway-packages", gateways=ids(count), per_call=1, needs=after(add))
    window = group("schedule-download", gateways=ids(count), per_call=1, needs=after(override))
    return add, override, window


def sent(script: Script, operation: str) -> list[int]:
    """At which places of the log steps of an operation were sent."""
    return [at for at, entry in enumerate(script.log) if entry.startswith(f"send {operation}")]


@pytest.mark.parametrize("parallelism", [1, 4, 16])
def test_the_first_window_goes_out_before_the_last_add(parallelism: int) -> None:
    script = Script()
    found = apply(plan(*joiners(300)), script, parallelism=parallelism)
    assert found.count(OutcomeStatus.DONE) == 30 + 600
    adds, windows = sent(script, "add-gateways"), sent(script, "schedule-download")
    assert windows[0] < adds[-1]
    # Never more adds ahead than there are calls in flight, whose batches all wait for a turn.
    done = [sum(at < limit for at in windows) for limit in adds]
    assert all(before >= (number - parallelism) * BATCH for number, before in enumerate(done))


def test_one_gateway_is_brought_to_its_end_before_the_next_one_begins() -> None:
    script = Script()
    apply(plan(*joiners(20)), script, parallelism=1)
    writes = [call.removeprefix("send ") for call in script.calls]
    assert writes[:5] == [
        "add-gateways:line-3:1",
        "assign-gateway-packages:line-3:gw-0000",
        "schedule-download:line-3:gw-0000",
        "assign-gateway-packages:line-3:gw-0001",
        "schedule-download:line-3:gw-0001",
    ]
    assert writes.index("add-gateways:line-3:2") == 1 + 2 * BATCH


def test_batches_are_followed_in_the_order_in_which_they_are_done() -> None:
    add, override, _ = joiners(30)

    async def gate(step: Step) -> None:
        for _ in range({0: 9, 1: 1, 2: 5}[step.index] if step.group.key == add.key else 0):
            await asyncio.sleep(0)

    script = Script(gate=gate)
    apply(plan(add, override), script, parallelism=3)
    first = [entry for entry in script.log if entry.startswith(f"end {add.key}")]
    assert first == [f"end {add.key}:{number}" for number in (2, 3, 1)]
    overrides = [call.rsplit(":", 1)[1] for call in script.calls if "assign" in call]
    assert overrides[:BATCH] == ids(30)[10:20]


@pytest.mark.parametrize(
    ("answer", "status"), [("403", "failed"), ("cut cut", "failed"), ("waits", "waiting")]
)
def test_an_add_that_is_not_done_holds_up_its_own_gateways_only(answer: str, status: str) -> None:
    add, override, window = joiners(30)
    looks = {f"{add.key}:2": "nothing nothing nothing"}
    script = Script({f"{add.key}:2": answer}, looks)
    outcomes = by_id(apply(plan(add, override, window), script).outcomes)
    assert outcomes[f"{add.key}:2"] == status
    for number, gateway in enumerate(ids(30)):
        expected = "skipped" if 10 <= number < 20 else "done"
        assert outcomes[f"{override.key}:{gateway}"] == outcomes[f"{window.key}:{gateway}"] == expected


def test_those_who_follow_nobody_come_too() -> None:
    """Gateways that are in already: of them the add says nothing."""
    add = group("add-gateways", gateways=ids(10)[:5], per_call=2)
    override = group("assign-gateway-packages", gateways=ids(10), per_call=1, needs=after(add))
    found = apply(plan(add, override), Script(), parallelism=1)
    assert found.count(OutcomeStatus.DONE) == 3 + 10


def test_a_step_of_gateways_of_several_steps_waits_for_all_of_them() -> None:
    leave = group("remove-gateways", gateways=ids(10), per_call=1)
    join = group("add-gateways", gateways=ids(10), per_call=4, needs=after(leave))
    script = Script()
    apply(plan(leave, join), script, parallelism=1)
    assert script.calls.index(f"send {join.key}:1") == 4
    assert script.calls.index(f"send {leave.key}:gw-0004") == 5


def test_what_follows_two_groups_waits_for_both() -> None:
    one = group("add-gateways", key="one", gateways=ids(4), per_call=2)
    two = group("assign-gateway-packages", key="two", gateways=ids(4), per_call=1)
    both = group("schedule-download", key="both", gateways=ids(4), per_call=1, needs=after(one, two))
    script = Script({"two:gw-0002": "403"})
    outcomes = by_id(apply(plan(one, two, both), script, parallelism=1).outcomes)
    assert [outcomes[f"both:{gateway}"] for gateway in ids(4)] == ["done", "done", "skipped", "done"]


def test_who_waits_for_all_waits_for_all() -> None:
    add, override, window = joiners(30)
    start = group("start-campaign", needs=[add.key, override.key, window.key])
    script = Script()
    apply(plan(add, override, window, start), script)
    assert script.calls[-1] == f"send {start.key}"


def test_a_group_that_follows_ends_once() -> None:
    """It may be over before the one that it follows; and one without steps ends when that has ended."""
    add = group("add-gateways", gateways=ids(100), per_call=BATCH)
    few = group("schedule-download", gateways=ids(100)[:3], per_call=1, needs=after(add))
    none = group("close-gateway", per_call=1, needs=after(add))
    ended: list[str] = []
    turns = Turns([add, few, none])
    ended += [each.key for each in turns.begin()]
    while (step := turns.take()) is not None:
        ended += [each.key for each in turns.ended(Outcome(step, OutcomeStatus.DONE))]
    assert ended == [few.key, add.key, none.key]
    assert turns.groups_left == 0


def _taken(groups: Iterable[StepGroup], settle_at_once: bool) -> list[str]:
    turns = Turns(list(groups))
    turns.begin()
    found: list[str] = []
    waiting: list[Step] = []
    while turns.groups_left:
        step = turns.take()
        if step is not None:
            found.append(step.id)
            waiting.append(step)
        if waiting and (settle_at_once or step is None):
            turns.ended(Outcome(waiting.pop(0), OutcomeStatus.DONE))
    return found


@pytest.mark.parametrize("settle_at_once", [True, False])
def test_each_step_is_taken_once(settle_at_once: bool) -> None:
    groups = joiners(55)
    found = _taken(groups, settle_at_once)
    assert sorted(found) == sorted(step.id for each in groups for step in each)
