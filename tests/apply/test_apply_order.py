"""Which step runs when: needs, parallelism, skips, an interruption; on plans of any shape."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply import Applied, apply_plan
from reconciler.apply.run import INTERRUPTED
from reconciler.model import Need, Outcome, OutcomeStatus, Skip, Step, StepGroup
from reconciler.plan import Plan
from reconciler.state.base import BracketClosed, BracketOpened, Event
from tests.apply.apply_script import (
    Bug,
    Memory,
    Script,
    apply,
    bracket,
    by_id,
    campaign,
    group,
    no_delay,
    plan,
    run,
)

GATEWAYS = "abcdef"


# --- needs -----------------------------------------------------------------------------------------


def test_an_empty_plan() -> None:
    script = Script()
    found = apply(plan(), script)
    assert (list(found.outcomes), found.interrupted) == ([], False)
    assert script.log == []


def test_a_chain_runs_in_order_whatever_the_parallelism() -> None:
    one = group("create-campaign")
    two = group("add-gateways", gateways="ab", per_call=1, needs=[one.key])
    three = group("start-campaign", needs=[one.key, two.key])
    script = Script()
    found = apply(plan(one, two, three), script, parallelism=16)
    assert script.calls == [
        "send create-campaign:line-3",
        "send add-gateways:line-3:a",
        "send add-gateways:line-3:b",
        "send start-campaign:line-3",
    ]
    assert script.log.index("end add-gateways:line-3:b") < script.log.index("send start-campaign:line-3")
    assert set(by_id(found.outcomes).values()) == {"done"}


def test_a_failed_step_skips_what_needs_it_and_nothing_else() -> None:
    first = group("create-campaign", campaign("a"))
    second = group("create-campaign", campaign("b"))
    groups = (
        first,
        second,
        group("add-gateways", campaign("a"), gateways="a", per_call=9, needs=[first.key]),
        group("start-campaign", campaign("a"), needs=[first.key, "add-gateways:a"]),
        group("start-campaign", campaign("b"), needs=[second.key]),
    )
    found = apply(plan(*groups), Script({first.key: "400"}))
    assert by_id(found.outcomes) == {
        "create-campaign:a": "failed",
        "create-campaign:b": "done",
        "add-gateways:a:1": "skipped",
        "start-campaign:a": "skipped",
        "start-campaign:b": "done",
    }
    words = {outcome.step.id: outcome.message for outcome in found.outcomes}
    assert words["add-gateways:a:1"] == "needs create-campaign:a, which is not done"
    assert found.failed


@pytest.mark.parametrize(
    ("answer", "outcome", "then", "why"),
    [
        ("ok", "done", "done", None),
        ("none", "not-needed", "done", None),
        ("waits", "waiting", "skipped", Skip.WAITING),
        ("400", "failed", "skipped", Skip.NOT_DONE),
        ("cut", "unknown", "skipped", Skip.IN_DOUBT),
    ],
)
def test_what_a_step_must_be_for_the_next_to_go_on(
    answer: str, outcome: str, then: str, why: Skip | None
) -> None:
    one = group("run-on-things")
    two = group("start-campaign", needs=[one.key])
    found = apply(plan(one, two), Script({"run-on-things": answer}))
    assert by_id(found.outcomes) == {one.key: outcome, two.key: then}
    assert [each.skip for each in found.outcomes] == [None, why]
    assert found.failed == (outcome in ("failed", "unknown"))
    assert found.count(OutcomeStatus(outcome)) == (2 if outcome == then else 1)


@pytest.mark.parametrize(
    ("answer", "why"), [("waits", Skip.WAITING), ("400", Skip.NOT_DONE), ("cut", Skip.IN_DOUBT)]
)
def test_what_is_skipped_hands_its_reason_on(answer: str, why: Skip) -> None:
    one = group("run-on-things")
    two = group("close-gateway", needs=[one.key])
    three = group("start-campaign", needs=[two.key])
    found = apply(plan(one, two, three), Script({"run-on-things": answer}))
    assert [each.skip for each in found.outcomes] == [None, why, why]


def test_a_refused_call_stops_nobody_else() -> None:
    add = group("add-gateways", gateways="abcd", per_call=2)
    schedule = group("schedule-download", gateways="abcd", per_call=1, needs=[Need(add.key, by_gateway=True)])
    found = by_id(apply(plan(add, schedule), Script({"add-gateways:line-3:1": "403"})).outcomes)
    assert found == {
        "add-gateways:line-3:1": "failed",
        "add-gateways:line-3:2": "done",
        "schedule-download:line-3:a": "skipped",
        "schedule-download:line-3:b": "skipped",
        "schedule-download:line-3:c": "done",
        "schedule-download:line-3:d": "done",
    }


def test_a_need_of_a_whole_group_names_the_first_step_that_is_not_done() -> None:
    add = group("add-gateways", gateways="abcd", per_call=1)
    start = group("start-campaign", needs=[add.key])

    async def gate(step: Step) -> None:
        # The first of them is the last to fail.
        for _ in range(5 if step.gateways == ("b",) else 0):
            await asyncio.sleep(0)

    script = Script({"add-gateways:line-3:d": "400", "add-gateways:line-3:b": "400"}, gate=gate)
    found = apply(plan(add, start), script)
    assert script.log.index("end add-gateways:line-3:d") < script.log.index("end add-gateways:line-3:b")
    assert found.outcomes[-1].message == "needs add-gateways:line-3:b, which is not done"


def test_two_arrows_to_one_group_are_one() -> None:
    add = group("add-gateways", gateways="ab", per_call=1)
    needs = [Need(add.key), Need(add.key, by_gateway=True)]
    schedule = group("schedule-download", gateways="ab", per_call=1, needs=needs)
    assert apply(plan(add, schedule), Script()).count(OutcomeStatus.DONE) == 4


def test_a_group_of_no_steps_keeps_nobody_waiting() -> None:
    empty = group("close-gateway", per_call=1)
    nothing = group("add-gateways", per_call=5, needs=[empty.key])
    start = group("start-campaign", needs=[empty.key, nothing.key])
    assert not apply(plan(empty), Script()).outcomes
    assert by_id(apply(plan(empty, nothing, start), Script()).outcomes) == {start.key: "done"}


# --- side by side ----------------------------------------------------------------------------------


@pytest.mark.parametrize("parallelism", [2, 5])
@pytest.mark.parametrize("shape", ["groups", "steps of one group"])
def test_independent_steps_run_side_by_side(parallelism: int, shape: str) -> None:
    async def body() -> int:
        # Nobody passes the barrier before as many are in flight as may be.
        barrier = asyncio.Barrier(parallelism)

        async def gate(_: Step) -> None:
            await barrier.wait()

        count = 2 * parallelism
        if shape == "groups":
            groups = [group("edit-campaign", campaign(str(number))) for number in range(count)]
        else:
            groups = [group("schedule-download", gateways=GATEWAYS + "ghij"[: count - 6], per_call=1)]
        script = Script(gate=gate)
        values = {"delay": no_delay, "parallelism": parallelism}
        found = await apply_plan(plan(*groups), script, Memory(), **values)  # type: ignore[arg-type]
        assert found.count(OutcomeStatus.DONE) == plan(*groups).size
        return script.most

    if shape == "steps of one group" and parallelism == 2:
        parallelism = 4
    assert run(body()) == parallelism


@pytest.mark.parametrize("parallelism", [-1, 0, 1])
def test_one_at_a_time_is_the_least(parallelism: int) -> None:
    groups = [group("edit-campaign", campaign(name)) for name in "abc"]
    script = Script()
    assert apply(plan(*groups), script, parallelism=parallelism).count(OutcomeStatus.DONE) == 3
    assert script.most == 1


def test_a_slow_campaign_keeps_no_other_waiting() -> None:
    async def body() -> list[str]:
        fast_is_done = asyncio.Event()

        async def gate(step: Step) -> None:
            if step.resource == campaign("slow"):
                await fast_is_done.wait()
            elif step.operation.name == "start-campaign":
                fast_is_done.set()

        slow = group("create-campaign", campaign("slow"))
        fast = group("create-campaign", campaign("fast"))
        then = group("start-campaign", campaign("fast"), needs=[fast.key])
        found = await apply_plan(
            plan(slow, fast, then),
            Script(gate=gate),
            Memory(),
            delay=no_delay,  # type: ignore[arg-type]
            parallelism=8,
        )
        return list(by_id(found.outcomes))

    assert run(body()) == ["create-campaign:fast", "start-campaign:fast", "create-campaign:slow"]


def test_outcomes_are_told_as_they_come() -> None:
    told: list[Outcome] = []
    groups = [group("edit-campaign", campaign(name)) for name in "abc"]
    found = apply(plan(*groups), Script({"edit-campaign:b": "400"}), on_outcome=told.append)
    assert told == list(found.outcomes)


# --- any plan at all -------------------------------------------------------------------------------

WRITES = ["assign-gateway-packages", "schedule-download", "run-on-things"]
GOOD, BAD = ["ok", "none", "429 ok"], ["400", "broken", "waits"]


NOBODY = st.just(frozenset[int]())


@dataclass(frozen=True)
class Case:
    plan: Plan
    answers: dict[str, str]
    slow: dict[str, int]
    parallelism: int
    interrupted_after: int | None


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Groups with needs among those before them; which steps fail; how long each takes."""
    groups: list[StepGroup] = []
    for number in range(draw(st.integers(1, 7))):
        gateways = draw(st.sets(st.sampled_from(GATEWAYS)))
        # Calls about gateways, and no gateway: a group of no steps.
        per_call = draw(st.integers(1, 3)) if gateways or draw(st.integers(0, 3)) == 0 else 0
        needs: list[Need] = []
        for earlier in (groups[i] for i in draw(st.sets(st.integers(0, number - 1)) if number else NOBODY)):
            single = bool(gateways and earlier.per_call) and draw(st.booleans())
            needs.append(Need(earlier.key, by_gateway=single, even_failed=draw(st.integers(0, 3)) == 0))
        operation = draw(st.sampled_from(WRITES))
        groups.append(group(operation, key=f"g{number}", gateways=gateways, per_call=per_call, needs=needs))
    whole = plan(*groups)
    ids = [step.id for step in whole.steps()]
    failing = draw(st.sets(st.sampled_from(ids), max_size=3)) if ids else ()
    return Case(
        whole,
        {i: draw(st.sampled_from(BAD if i in failing else GOOD)) for i in ids},
        {i: draw(st.integers(0, 4)) for i in ids},
        draw(st.integers(1, 5)),
        draw(st.none() | st.integers(1, 6)),
    )


def run_case(case: Case) -> tuple[Applied, Script, list[str]]:
    """Run it; the third is what was sent, first or again, after the interruption."""

    async def body() -> tuple[Applied, Script, list[str]]:
        stop = asyncio.Event()
        left, at = case.interrupted_after, None

        async def gate(step: Step) -> None:
            for _ in range(case.slow[step.id]):
                await asyncio.sleep(0)

        def on_outcome(_: Outcome) -> None:
            nonlocal left, at
            left = None if left is None else left - 1
            if left == 0:
                stop.set()
                at = len(script.log)

        script = Script(dict(case.answers), gate=gate)
        applied = await apply_plan(
            case.plan,
            script,  # type: ignore[arg-type]
            Memory(),
            delay=no_delay,
            parallelism=case.parallelism,
            on_outcome=on_outcome,
            stop=stop,
        )
        late = [] if at is None else [entry for entry in script.log[at:] if entry.startswith("send")]
        return applied, script, late

    return run(body())


def needed(whole: Plan, one: Step) -> set[str]:
    """The specification: which steps come before `one`."""
    return {
        other.id
        for need in one.group.needs
        for other in whole.by_key[need.group]
        if not need.by_gateway or set(other.gateways) & set(one.gateways)
    }


def waiting(whole: Plan, one: Step, outcomes: dict[str, Outcome]) -> tuple[set[str], set[str]]:
    """The specification: which gateways of `one` have to wait (``-``: all of it), and for what."""
    gateways: set[str] = set()
    lacking: set[str] = set()
    for need in one.group.needs:
        for other in whole.by_key[need.group] if not need.even_failed else ():
            outcome = outcomes[other.id]
            held = set(outcome.left or other.gateways) & set(one.gateways) if need.by_gateway else {"-"}
            if held and not outcome.settled:
                gateways |= held
                lacking.add(other.id)
    return gateways, lacking


@given(cases())
def test_every_plan_runs_as_its_needs_say(case: Case) -> None:
    applied, script, late = run_case(case)

    assert late == [], "once interrupted nothing is sent"
    steps = {step.id: step for step in case.plan.steps()}
    outcomes = {outcome.step.id: outcome for outcome in applied.outcomes}
    assert sorted(by_id(applied.outcomes)) == sorted(steps), "every step has exactly one outcome"
    assert script.most <= case.parallelism
    assert applied.interrupted == (
        case.interrupted_after is not None and case.interrupted_after <= len(outcomes)
    )

    first = {entry: at for at, entry in reversed(list(enumerate(script.log)))}
    last = {entry: at for at, entry in enumerate(script.log)}
    for name, step in steps.items():
        if f"send {name}" in first:
            for other in needed(case.plan, step):
                assert last.get(f"end {other}", -1) < first[f"send {name}"], f"{name} before {other}"

    settled = {name for name, outcome in outcomes.items() if outcome.settled}
    for name, step in steps.items():
        outcome, message = outcomes[name], outcomes[name].message
        held, lacking = waiting(case.plan, step, outcomes)
        whole = "-" in held or (held and held == set(step.gateways))
        words = [f"needs {other}, which is not done" for other in lacking]
        if f"send {name}" not in first:
            assert outcome.status is OutcomeStatus.SKIPPED
            assert outcome.left == ()
            assert outcome.skip is not None
            assert message in words if whole else message == INTERRUPTED and applied.interrupted
        else:
            assert not whole
            assert set(script.sent[name]) == {tuple(sorted(set(step.gateways) - held))}
            assert not (held and outcome.settled)
            # What was sent is done, or else nothing of the step is.
            assert set(outcome.left) == (held if outcome.status is OutcomeStatus.SKIPPED else set())
            assert not held or any(word in message for word in words)
    assert applied.interrupted or set(first) >= {f"send {name}" for name in settled}
    assert applied.interrupted or not any(o.message == INTERRUPTED for o in outcomes.values())


# --- interrupted -----------------------------------------------------------------------------------


def interrupted_at(
    step_id: str, *groups: StepGroup, answers: dict[str, str] | None = None
) -> tuple[Applied, Script]:
    """Run, and be interrupted while that step is in flight."""

    async def body() -> tuple[Applied, Script]:
        stop = asyncio.Event()

        async def gate(step: Step) -> None:
            if step.id == step_id:
                stop.set()

        script = Script(answers or {}, gate=gate)
        found = await apply_plan(
            plan(*groups),
            script,
            Memory(),
            delay=no_delay,
            parallelism=1,
            stop=stop,  # type: ignore[arg-type]
        )
        return found, script

    return run(body())


def test_interrupted_what_is_in_flight_ends_and_nothing_is_sent() -> None:
    groups = [group("edit-campaign", campaign(name)) for name in "abc"]
    found, script = interrupted_at("edit-campaign:a", *groups)
    assert by_id(found.outcomes) == {
        "edit-campaign:a": "done",
        "edit-campaign:b": "skipped",
        "edit-campaign:c": "skipped",
    }
    assert script.calls == ["send edit-campaign:a"]
    assert {outcome.message for outcome in found.outcomes[1:]} == {INTERRUPTED}
    assert {outcome.attempts for outcome in found.outcomes[1:]} == {0}
    assert found.interrupted
    assert not found.failed


def test_interrupted_before_it_began_nothing_is_sent_at_all() -> None:
    stop = asyncio.Event()
    stop.set()
    script = Script()
    found = apply(plan(*bracket()), script, stop=stop)
    assert script.log == []
    assert set(by_id(found.outcomes).values()) == {"skipped"}


def test_interrupted_a_bracket_is_closed_all_the_same() -> None:
    stop, edit, start = bracket()
    found, script = interrupted_at(stop.key, stop, edit, start)
    assert by_id(found.outcomes) == {stop.key: "done", edit.key: "skipped", start.key: "done"}
    assert script.calls == [f"send {stop.key}", f"send {start.key}"]


def test_interrupted_the_start_of_a_bracket_is_worth_its_repeats() -> None:
    stop, edit, start = bracket()
    answers = {start.key: "429 429 ok"}
    found, _ = interrupted_at(edit.key, stop, edit, start, answers=answers)
    assert by_id(found.outcomes)[start.key] == "done"
    assert found.outcomes[-1].attempts == 3


def test_interrupted_a_batch_of_which_some_had_to_wait_is_not_sent_as_a_whole() -> None:
    add = group("add-gateways", gateways="abc", per_call=1)
    remove = group("remove-gateways", gateways="abc", per_call=3, needs=[Need(add.key, by_gateway=True)])
    found, _ = interrupted_at("add-gateways:line-3:c", add, remove, answers={"add-gateways:line-3:b": "403"})
    last = found.outcomes[-1]
    assert (last.skip, last.message) == (Skip.INTERRUPTED, INTERRUPTED)
    assert (last.step.gateways, last.left) == (("a", "b", "c"), ())


def test_a_batch_of_which_some_had_to_wait_is_told_as_a_whole() -> None:
    add = group("add-gateways", gateways="abc", per_call=1)
    remove = group("remove-gateways", gateways="abc", per_call=3, needs=[Need(add.key, by_gateway=True)])
    last = apply(plan(add, remove), Script({"add-gateways:line-3:b": "403"})).outcomes[-1]
    assert (last.step.gateways, last.left, last.skip) == (("a", "b", "c"), ("b",), Skip.NOT_DONE)


def test_interrupted_an_ordinary_start_is_not_sent() -> None:
    one, two = group("edit-campaign"), group("start-campaign", needs=["edit-campaign:line-3"])
    found, _ = interrupted_at(one.key, one, two)
    assert by_id(found.outcomes) == {one.key: "done", two.key: "skipped"}


def test_interrupted_a_step_that_waits_for_its_repeat_waits_no_longer() -> None:
    async def body() -> Applied:
        stop = asyncio.Event()

        def delay(attempts: int, retry_after: float | None, waited: float) -> float:
            asyncio.get_running_loop().call_soon(stop.set)
            return 3600.0

        script = Script({"edit-campaign": "429"})
        one = plan(group("edit-campaign"))
        return await apply_plan(one, script, Memory(), delay=delay, parallelism=8, stop=stop)  # type: ignore[arg-type]

    found = run(body())
    assert by_id(found.outcomes) == {"edit-campaign:line-3": "failed"}
    assert found.interrupted


# --- bugs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parallelism", [1, 4])
def test_a_bug_stays_in_its_step(parallelism: int) -> None:
    one = group("edit-campaign", campaign("a"))
    two = group("edit-campaign", campaign("b"))
    three = group("start-campaign", campaign("a"), needs=[one.key])
    script = Script({one.key: "bug bug"})
    found = apply(plan(one, two, three), script, parallelism=parallelism)
    assert by_id(found.outcomes) == {one.key: "failed", two.key: "done", three.key: "skipped"}
    assert found.failed
    (failed,) = (outcome for outcome in found.outcomes if outcome.status is OutcomeStatus.FAILED)
    assert "this is a bug in reconciler: Bug in _answered, " in failed.message
    assert "Please report it" in failed.message
    assert "nobody foresaw" not in failed.message, "values may be secret"
    assert (failed.attempts, failed.unclear) == (2, True)


@pytest.mark.parametrize("at", ["stop-campaign", "edit-campaign", "start-campaign"])
@pytest.mark.parametrize("times", ["bug", "bug bug"])
def test_a_bug_leaves_no_bracket_open(at: str, times: str) -> None:
    """Sent once more where it can be; and where the stop may have happened, the start is sent."""
    groups = bracket()
    looks = {"stop-campaign": "nothing nothing", "start-campaign": "nothing nothing"}
    script = Script({at: f"{times} ok"}, looks)
    memory = Memory()
    found = by_id(apply(plan(*groups), script, memory).outcomes)
    twice = times != "bug"
    if at == "start-campaign" and twice:
        assert found["start-campaign:line-3"] == "failed"
        assert _opened(memory), "the next run closes it"
    else:
        assert found["start-campaign:line-3"] == "done"
        assert not _opened(memory)
    assert found[f"{at}:line-3"] == ("failed" if twice else "done")


def _opened(memory: Memory) -> bool:
    closed = [event for event in memory.recorded if isinstance(event, BracketOpened | BracketClosed)]
    return isinstance(closed[-1], BracketOpened)


def test_a_start_that_finds_a_doubtful_stop_undone_leaves_the_bracket_to_the_next_run() -> None:
    """The stop may still be under way on the server."""
    answers = {"stop-campaign": "cut " * 9, "start-campaign": "none"}
    script = Script(answers, {"stop-campaign": "nothing " * 9})
    memory = Memory()
    found = by_id(apply(plan(*bracket()), script, memory).outcomes)
    assert found == {
        "stop-campaign:line-3": "failed",
        "edit-campaign:line-3": "skipped",
        "start-campaign:line-3": "not-needed",
    }
    assert _opened(memory)


def test_a_stop_that_surely_did_not_happen_needs_no_start() -> None:
    memory = Memory()
    found = by_id(apply(plan(*bracket()), Script({"stop-campaign": "400"}), memory).outcomes)
    assert found["start-campaign:line-3"] == "skipped"
    assert not _opened(memory)


@pytest.mark.parametrize("at", ["before", "after"])
def test_a_bug_around_a_step_stays_in_it(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """Of what is recorded of one step; the other goes on."""

    def buggy(*arguments: Any, **_: Any) -> Any:
        step = getattr(arguments[0], "step", arguments[0])
        if step.resource.name == "a":
            raise Bug("nobody foresaw this")
        return ()

    monkeypatch.setattr(f"reconciler.apply.run.{at}", buggy)
    one, two = group("edit-campaign", campaign("a")), group("edit-campaign", campaign("b"))
    found = apply(plan(one, two, group("start-campaign", campaign("a"), needs=[one.key])), Script())
    assert by_id(found.outcomes) == {one.key: "unknown", two.key: "done", "start-campaign:a": "skipped"}
    assert "this is a bug in reconciler: Bug in buggy" in found.outcomes[0].message


def test_a_bug_of_a_state_is_a_state_that_cannot_be_written() -> None:
    class Buggy(Memory):
        def record(self, *events: Event, sync: bool = True) -> None:
            raise Bug("of the state")

    script = Script()
    found = apply(plan(group("edit-campaign")), script, Buggy())
    assert "this is a bug in reconciler: Bug in record" in str(found.error)
    assert script.log == []


def test_a_bug_of_a_listener_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    def on_outcome(outcome: Outcome) -> None:
        heard.append(outcome.step.id)
        raise Bug("of the listener")

    found = apply(plan(*bracket()), Script(), on_outcome=on_outcome)
    assert set(by_id(found.outcomes).values()) == {"done"}
    assert heard == ["stop-campaign:line-3"], "it is told nothing any more"
    assert "progress is shown no longer: this is a bug in reconciler: Bug in on_outcome, " in caplog.text


def test_cancelled_from_outside_it_ends() -> None:
    async def body() -> None:
        flying = asyncio.Event()

        async def gate(_: Step) -> None:
            flying.set()
            await asyncio.Event().wait()

        groups = (group("edit-campaign"), group("start-campaign", needs=["edit-campaign:line-3"]))
        task = asyncio.create_task(
            apply_plan(plan(*groups), Script(gate=gate), Memory(), delay=no_delay, parallelism=8)  # type: ignore[arg-type]
        )
        await flying.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(body())
