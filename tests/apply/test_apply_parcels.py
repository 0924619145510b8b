"""Steps that somebody else sends: whatever is lost, done twice or left on the way, the end is the same."""

import asyncio
import math
import random
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from apply_script import Memory, Script, apply, by_id, group, no_delay, plan, run
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply import Applied
from reconciler.apply.carrying import IN_VAIN
from reconciler.apply.parcels import InProcess, LentPace, ParcelRunner
from reconciler.apply.sender import Ended, Parcel, ParcelReport, may_leave, parcel_of
from reconciler.errors import ReconcilerError, StateError
from reconciler.model import Need, Outcome, OutcomeStatus, PendingUpload, Skip, StepGroup
from reconciler.pacing import Settling
from reconciler.providers.base import Bindings, Writes
from reconciler.providers.pulse.operations import OPERATIONS

FLEET = tuple(f"gw-{n:03}" for n in range(130))
WINDOWS = group("schedule-download", gateways=FLEET, per_call=1, target="c-1")
OVERRIDES = group("assign-gateway-packages", gateways=FLEET, per_call=1, target="c-1", packages=("p-1",))


def runner(writes: Writes, **values: object) -> ParcelRunner:
    settings = {"settling": Settling(0), "parallelism": 4, **values}
    return ParcelRunner(writes, OPERATIONS, LentPace(), no_delay, **settings)  # type: ignore[arg-type]


def here(writes: Writes, most: int = 2) -> InProcess:
    return InProcess([runner(writes) for _ in range(most)], worthwhile=1)


def carried(*groups: StepGroup, script: Script, memory: Memory | None = None, **values: object) -> Applied:
    async def main() -> Applied:
        from reconciler.apply import apply_plan

        sender = values.pop("sender", None) or here(script)
        said = {"delay": no_delay, "parallelism": 8, "settling": Settling(0), **values}
        return await apply_plan(plan(*groups), script, memory or Memory(), sender=sender, **said)  # type: ignore[arg-type]

    return run(main())


# --- what leaves ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "per_call", "leaves"),
    [
        ("schedule-download", 1, True),
        ("assign-gateway-packages", 1, True),
        ("add-gateways", 100, False),
        ("remove-gateways", 100, False),
        ("close-gateway", 1, False),
        ("run-on-things", 100, False),
        ("set-distribution-list", 0, False),
        ("edit-campaign", 0, False),
        ("register-completed-callback", 0, False),
        ("upload-package", 0, False),
    ],
)
def test_only_what_may_be_repeated_for_one_gateway_leaves(
    operation: str, per_call: int, leaves: bool
) -> None:
    gateways = {"gateways": FLEET} if per_call else {}
    assert may_leave(group(operation, per_call=per_call, **gateways)) is leaves  # type: ignore[arg-type]


@pytest.mark.parametrize("other", ["close-gateway", "run-on-things"])
def test_the_facts_of_the_provider_say_what_may_be_repeated(other: str) -> None:
    careful = OPERATIONS[other]
    assert not may_leave(replace(WINDOWS, operation=careful))
    assert not may_leave(replace(WINDOWS, also=(careful,)))
    assert not may_leave(replace(WINDOWS, per_call=2))


def test_a_few_steps_are_worth_no_parcel() -> None:
    sender = InProcess([], worthwhile=131)
    assert not sender.carries(WINDOWS)
    assert InProcess([], worthwhile=130).carries(WINDOWS)
    assert not InProcess([]).carries(WINDOWS)


def test_a_parcel_holds_what_the_run_made() -> None:
    bindings = Bindings({WINDOWS.action.resource: "made"}, {"5a": "p-9"})
    windows = replace(WINDOWS, action=replace(WINDOWS.action, target=None))  # type: ignore[call-arg]
    parcel = parcel_of(windows, FLEET[:2], bindings, name="1")
    assert (parcel.target, parcel.gateways, parcel.phase) == ("made", FLEET[:2], "download")
    pending = replace(OVERRIDES.action, packages=(PendingUpload("5a"), "p-1"))  # type: ignore[call-arg]
    parcel = parcel_of(replace(OVERRIDES, action=pending), FLEET, bindings, name="1")
    assert (parcel.target, parcel.packages, parcel.window) == ("c-1", ("p-9", "p-1"), None)


@given(st.sets(st.integers(0, 200)))
def test_a_bit_is_a_gateway(done: set[int]) -> None:
    bits = bytearray(26)
    for index in done:
        bits[index // 8] |= 1 << index % 8
    assert list(ParcelReport("1", bytes(bits)).indices()) == sorted(done)


# --- the same as one by one ---------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [WINDOWS, OVERRIDES], ids=["windows", "overrides"])
@pytest.mark.parametrize(
    "said", ["ok", "429 429 429 ok", "400", "cut ok", "cut cut cut cut cut", "none", "bug ok"]
)
def test_the_end_is_that_of_steps_one_by_one(steps: StepGroup, said: str) -> None:
    words = dict.fromkeys((f"{steps.key}:{gateway}" for gateway in FLEET[::7]), said)
    alone, together = Memory(), Memory()
    first = apply(plan(steps), Script(words), alone)
    second = carried(steps, script=Script(words), memory=together)
    assert by_id(first.outcomes) == by_id(second.outcomes)
    assert {o.step.id: o for o in first.outcomes} == {o.step.id: o for o in second.outcomes}
    assert alone.state == together.state


def test_what_comes_first_comes_first_and_holds_its_gateways_up() -> None:
    adds = group("add-gateways", gateways=FLEET, per_call=10, target="c-1")
    windows = replace(WINDOWS, needs=(Need(adds.key, by_gateway=True),))
    script = Script({f"{adds.key}:2": "401"})
    result = carried(adds, windows, script=script)
    found = by_id(result.outcomes)
    assert found[f"{adds.key}:2"] == "failed"
    assert [found[f"{windows.key}:{g}"] for g in FLEET] == ["done"] * 10 + ["skipped"] * 10 + ["done"] * 110
    assert {o.skip for o in result.outcomes if o.skip} == {Skip.NOT_DONE}
    sent = [entry for entry in script.log if entry.startswith("send")]
    assert all(entry.startswith(f"send {adds.key}") for entry in sent[:13])


def test_one_line_of_the_journal_and_one_word_for_a_parcel() -> None:
    memory, told, together = Memory(), list[Outcome](), list[Sequence[Outcome]]()
    answers = {f"{WINDOWS.key}:gw-003": "400", f"{WINDOWS.key}:gw-004": "cut ok"}
    carried(WINDOWS, script=Script(answers), memory=memory, on_outcome=told.append, on_parcel=together.append)
    assert [entry for entry in memory.log if "Members" in entry] == ["record MembersApplied"]
    assert not any(memory.synced)
    assert [o.step.gateways for o in told] == [("gw-003",)]
    (parcel,) = together
    assert len(parcel) == 129
    assert Counter(o.attempts for o in parcel) == {1: 128, 2: 1}


def test_a_campaign_that_is_not_shown_yet_is_waited_for() -> None:
    create = group("create-campaign")
    windows = group("schedule-download", gateways=FLEET[:3], per_call=1, needs=[create.key])
    script = Script({f"{windows.key}:{g}": "404 404 ok" for g in FLEET})

    async def main() -> Applied:
        from reconciler.apply import apply_plan

        now = count().__next__
        settling = Settling(1000, clock=lambda: float(now()), sleep=lambda _: asyncio.sleep(0))
        sender = InProcess([runner(script, settling=settling)], worthwhile=1)
        said = {"delay": no_delay, "parallelism": 2, "settling": settling, "sender": sender}
        return await apply_plan(plan(create, windows), script, Memory(), **said)  # type: ignore[arg-type]

    assert set(by_id(run(main()).outcomes).values()) == {"done"}
    assert script.bindings[-1].campaigns == {create.action.resource: "id-of-line-3"}


# --- until ----------------------------------------------------------------------------------------------


def parcel(**values: object) -> Parcel:
    made = parcel_of(WINDOWS, FLEET, Bindings(), name="1")
    return replace(made, **values)  # type: ignore[arg-type]


def test_nothing_is_sent_after_its_time() -> None:
    script = Script()
    report = run(runner(script, wall=lambda: 100.0).run(parcel(until=100.0)))
    assert (list(report.indices()), report.ended, script.log) == ([], (), [])


def test_its_time_ends_in_the_middle_and_the_rest_is_left() -> None:
    now = [0.0]

    async def later(step: object) -> None:
        now[0] += 1

    script = Script(gate=later)
    report = run(runner(script, wall=lambda: now[0], parallelism=1).run(parcel(until=50.0)))
    assert list(report.indices()) == list(range(50))
    assert len(script.calls) == 50


def test_what_waits_for_a_turn_is_not_sent_after_its_time() -> None:
    """Also where a slow pace lets it wait."""

    async def main() -> None:
        now = [0.0]
        pace = LentPace(wall=lambda: now[0])
        with pace.lent(None, 10.0):
            await pace.acquire()
            now[0] = 10.0
            with pytest.raises(ReconcilerError):
                await pace.acquire()
        with pytest.raises(ReconcilerError):
            await pace.acquire()

    run(main())


def test_what_fails_as_its_time_is_over_goes_out_again() -> None:
    now = [0.0]

    async def later(step: object) -> None:
        now[0] = 100.0

    script = Script({"schedule-download": "429 " * 200}, gate=later)
    report = run(runner(script, wall=lambda: now[0], parallelism=1).run(parcel(until=50.0)))
    assert (list(report.indices()), report.ended) == ([], ())


# --- whatever happens on the way ------------------------------------------------------------------------


@dataclass
class Unreliable:
    """Like a bad network: loses parcels before or after, sends them twice, brings back a part."""

    script: Script
    seed: int
    most: int = 3
    sends: int = 0
    halts: int = 0
    sent: list[Parcel] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def carries(self, group: StepGroup) -> bool:
        return may_leave(group)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        yield

    async def halt(self) -> None:
        self.halts += 1

    async def send(self, parcel: Parcel) -> ParcelReport:
        self.sends += 1
        self.sent.append(parcel)
        times = self.random.choice([0, 1, 1, 1, 2])
        report = ParcelReport(parcel.id)
        for _ in range(times):
            report = await runner(self.script).run(parcel)
            await asyncio.sleep(0)
        if self.random.random() < 0.3:
            return ParcelReport(parcel.id)  # done, and nobody heard of it
        kept = bytearray(report.done)
        for at in range(len(kept)):
            kept[at] &= self.random.choice([0xFF, 0xFF, 0x5A])
        return replace(report, done=bytes(kept))


@given(st.integers(0, 10_000), st.sampled_from([WINDOWS, OVERRIDES]))
def test_losses_and_repeats_fold_to_the_same_state(seed: int, steps: StepGroup) -> None:
    answers = {f"{steps.key}:{gateway}": "400 " * 50 for gateway in FLEET[::40]}
    alone, together, script = Memory(), Memory(), Script(answers)
    first = apply(plan(steps), Script(answers), alone)
    second = carried(steps, script=script, memory=together, sender=Unreliable(script, seed))
    assert by_id(first.outcomes) == by_id(second.outcomes)
    assert alone.state == together.state
    assert not second.interrupted


def test_a_stop_ends_what_is_under_way_and_sends_no_more() -> None:
    async def main() -> tuple[Applied, Script, InProcess]:
        from reconciler.apply import apply_plan

        stop = asyncio.Event()

        async def stopping(step: object) -> None:
            if len(script.log) > 20:
                stop.set()
                await asyncio.sleep(0.01)

        script = Script(gate=stopping)
        sender = here(script, most=1)
        values = {"delay": no_delay, "parallelism": 2, "settling": Settling(0), "stop": stop}
        return await apply_plan(plan(WINDOWS), script, Memory(), sender=sender, **values), script, sender  # type: ignore[arg-type]

    result, script, _ = run(main())
    done = [o for o in result.outcomes if o.status is OutcomeStatus.DONE]
    left = [o for o in result.outcomes if o.skip is Skip.INTERRUPTED]
    assert result.interrupted
    assert len(done) + len(left) == 130
    assert 0 < len(done) == len(script.calls) < 30


def test_a_state_that_cannot_be_written_ends_it() -> None:
    script, memory = Script(), Memory(fails=lambda _: True)
    second = replace(OVERRIDES, needs=(Need(WINDOWS.key),))
    unreliable = Unreliable(script, 1)
    result = carried(WINDOWS, second, script=script, memory=memory, sender=unreliable)
    assert isinstance(result.error, StateError)
    assert {o.skip for o in result.outcomes if o.step.group is second} == {Skip.UNRECORDED}
    assert unreliable.halts


@dataclass
class Nobody(Unreliable):
    error: Exception = field(default_factory=lambda: ReconcilerError("no worker is there", hint="start one"))

    async def send(self, parcel: Parcel) -> ParcelReport:
        raise self.error


def test_nobody_there_to_send_is_said_of_each_step() -> None:
    script = Script()
    result = carried(WINDOWS, script=script, sender=Nobody(script, 1))
    assert {(o.status, o.message) for o in result.outcomes} == {
        (OutcomeStatus.FAILED, "no worker is there. Start one")
    }
    bug = carried(WINDOWS, script=script, sender=Nobody(script, 1, error=ValueError("odd")))
    assert {o.status for o in bug.outcomes} == {OutcomeStatus.UNKNOWN}
    assert len(bug.outcomes) == 130


@dataclass
class Idle(Unreliable):
    async def send(self, parcel: Parcel) -> ParcelReport:
        self.sends += 1
        return ParcelReport(parcel.id)


def test_reports_of_nothing_come_to_an_end() -> None:
    script = Script()
    sender = Idle(script, 1)
    result = carried(WINDOWS, script=script, sender=sender)
    assert {o.status for o in result.outcomes} == {OutcomeStatus.FAILED}
    assert sender.sends == IN_VAIN


def test_a_report_of_more_than_was_asked_changes_nothing_else() -> None:
    @dataclass
    class Boaster(Unreliable):
        async def send(self, parcel: Parcel) -> ParcelReport:
            return ParcelReport(parcel.id, b"\xff" * 40, (Ended(500, "failed", "who?"),))

    script = Script()
    result = carried(WINDOWS, script=script, sender=Boaster(script, 1))
    assert Counter(by_id(result.outcomes).values()) == {"done": 130}


def test_no_limit_is_no_time() -> None:
    assert parcel().until == math.inf


@dataclass
class Prompt(Unreliable):
    async def send(self, parcel: Parcel) -> ParcelReport:
        await asyncio.sleep(0)
        return ParcelReport(parcel.id, b"\xff" * (len(parcel.gateways) // 8))


def test_memory_does_not_grow_with_what_is_done() -> None:
    many = group(
        "schedule-download", gateways=[f"gw-{n:06}" for n in range(24_000)], per_call=1, target="c-1"
    )
    sizes: list[int] = []

    class Forgetful(Memory):
        def record(self, *events: object, sync: bool = True) -> None:
            pass

    script = Script()
    values: dict[str, object] = {"memory": Forgetful(), "sender": Prompt(script, 1)}
    tracemalloc.start()
    carried(
        many, script=script, on_parcel=lambda _: sizes.append(tracemalloc.get_traced_memory()[0]), **values
    )  # type: ignore[arg-type]
    tracemalloc.stop()
    assert len(sizes) == 24
    assert sizes[-1] - sizes[4] < 100_000
