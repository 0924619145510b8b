"""Steps that somebody else sends: whatever is lost, done twice or left on the way, the end is the same."""

import asyncio
import math
import random
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from apply_script import CAMPAIGN, Memory, Script, apply, by_id, group, no_delay, plan, remembering, run
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply import Applied
from reconciler.apply.parcels import InProcess, LentPace, ParcelRunner
from reconciler.apply.sender import Ended, Parcel, ParcelReport, may_leave, parcel_of
from reconciler.errors import NotExecuted, ReconcilerError, StateError
from reconciler.model import Need, Outcome, OutcomeStatus, PendingUpload, Skip, Step, StepGroup
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


def known(memory: Memory) -> dict[str, frozenset[str]]:
    """What is known of single gateways, of whatever field: value → gateways."""
    members = memory.state.campaigns[CAMPAIGN].members
    return {value: gateways for values in members.values() for value, gateways in values.items()}


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
    alone, together = remembering(), remembering()
    first = apply(plan(steps), Script(words), alone)
    second = carried(steps, script=Script(words), memory=together)
    assert by_id(first.outcomes) == by_id(second.outcomes)
    assert {o.step.id: o for o in first.outcomes} == {o.step.id: o for o in second.outcomes}
    assert alone.state == together.state
    kept = {gateway for values in known(together).values() for gateway in values}
    assert kept == {o.step.gateways[0] for o in second.outcomes if o.settled}


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
    alone, together, script = remembering(), remembering(), Script(answers)
    first = apply(plan(steps), Script(answers), alone)
    second = carried(steps, script=script, memory=together, sender=Unreliable(script, seed))
    assert by_id(first.outcomes) == by_id(second.outcomes)
    assert alone.state == together.state
    assert known(together)
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
    assert sender.sends == 20


def test_a_report_of_more_than_was_asked_changes_nothing_else() -> None:
    @dataclass
    class Boaster(Unreliable):
        async def send(self, parcel: Parcel) -> ParcelReport:
            return ParcelReport(parcel.id, b"\xff" * 40, (Ended(500, "failed", "who?"),))

    script = Script()
    result = carried(WINDOWS, script=script, sender=Boaster(script, 1))
    assert Counter(by_id(result.outcomes).values()) == {"done": 130}


def test_what_is_not_said_of_a_parcel_or_a_gateway() -> None:
    """An older worker says less."""
    assert parcel().until == math.inf
    assert ParcelReport("1") == ParcelReport("1", b"", (), 0, 0.0, 0.0, "")
    assert Ended(7, "failed") == Ended(7, "failed", "", 1, unclear=False, refused=False)
    said = ("1", "group", "operation", "Campaign/line", "c-1", ("a",))
    assert Parcel(*said) == Parcel(*said, None, None, (), None, None, math.inf)


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


# --- what the report of a runner says -------------------------------------------------------------------


def ended_of(said: str, **values: object) -> ParcelReport:
    """What is reported where `said` answers for the eleventh gateway of twenty."""
    steps = group("schedule-download", key="w", gateways=FLEET[:20], per_call=1, target="c-1")
    sent = parcel_of(steps, steps.gateways, Bindings(), name="7")
    script = Script({f"w:{FLEET[10]}": said})
    return run(runner(script, **values).run(sent))


@pytest.mark.parametrize(
    ("said", "ended"),
    [
        ("ok", None),
        ("429 ok", Ended(10, "done", "", 2)),
        ("none", Ended(10, "not-needed", "nothing to do", 1)),
        ("400", Ended(10, "failed", "PUT /x: no", 1, refused=True)),
        ("401", Ended(10, "failed", "PUT /x: no", 1)),
        ("cut cut cut cut cut", Ended(10, "failed", "PUT /x: the connection was cut", 5, unclear=True)),
        ("cut 400", Ended(10, "failed", "PUT /x: no", 2, unclear=True)),
    ],
)
def test_a_bit_for_what_is_done_at_once_and_a_line_for_the_rest(said: str, ended: Ended | None) -> None:
    report = ended_of(said, worker="berta")
    assert report.ended == ((ended,) if ended else ())
    assert list(report.indices()) == [at for at in range(20) if ended is None or at != 10]
    assert len(report.done) == 3
    assert (report.id, report.limited, report.worker) == ("7", 0, "berta")


@pytest.mark.parametrize(("said", "least", "most"), [("ok", 0, 0), ("cut ok", 0, 0), ("429 ok", 6.5, 7.5)])
def test_the_report_says_for_how_long_yet_the_server_asked_to_wait(
    said: str, least: float, most: float
) -> None:
    assert least <= ended_of(said).asked <= most


def test_the_report_counts_the_complaints_during_its_parcel() -> None:
    pace = LentPace()
    pace.too_much()

    async def complain(step: Step) -> None:
        if step.index % 2:
            pace.too_much(asyncio.get_running_loop().time())

    async def main() -> ParcelReport:
        sending = ParcelRunner(Script(gate=complain), OPERATIONS, pace, no_delay, Settling(0), 4)
        steps = group("schedule-download", key="w", gateways=FLEET[:6], per_call=1, target="c-1")
        return await sending.run(parcel_of(steps, steps.gateways, Bindings(), name="1"))

    report = run(main())
    assert (report.limited, pace.complaints) == (3, 4)
    assert report.worker == ""
    assert 0 < report.seconds < 10


@pytest.mark.parametrize(("parallelism", "steps", "most"), [(0, 3, 1), (1, 3, 1), (3, 20, 3), (9, 4, 4)])
def test_so_many_calls_are_in_flight(parallelism: int, steps: int, most: int) -> None:
    script = Script()
    made = group("schedule-download", gateways=FLEET[:steps], per_call=1, target="c-1")
    sent = parcel_of(made, made.gateways, Bindings(), name="1")
    report = run(runner(script, parallelism=parallelism).run(sent))
    assert (script.most, len(list(report.indices()))) == (most, steps)


@pytest.mark.parametrize("steps", [WINDOWS, OVERRIDES], ids=["windows", "overrides"])
def test_whoever_carries_it_sends_the_same_calls_as_the_plan_has(steps: StepGroup) -> None:
    sent: list[Step] = []

    async def note(step: Step) -> None:
        sent.append(step)

    parcel = parcel_of(steps, FLEET[:9], Bindings(), name="1")
    run(runner(Script(gate=note)).run(parcel))
    assert {step.group.action for step in sent} == {replace(steps.action, gateways=FLEET[:9])}
    assert {(step.group.key, step.operation, step.group.per_call) for step in sent} == {
        (steps.key, steps.operation, 1)
    }
    assert [step.id for step in sent] == [step.id for step in steps][:9]


def test_what_is_young_is_sent_with_the_id_that_the_run_learned() -> None:
    script = Script()
    run(runner(script, settling=Settling(30)).run(parcel(young=5.0, gateways=FLEET[:2])))
    assert {tuple(bound.campaigns.values()) for bound in script.bindings} == {("c-1",)}
    script = Script()
    run(runner(script).run(parcel(gateways=FLEET[:2])))
    assert {tuple(bound.campaigns.values()) for bound in script.bindings} == {()}


# --- the end of a parcel, to the call -------------------------------------------------------------------


def ended_by(said: str, *, stopped: bool, late: bool) -> tuple[Sequence[int], Sequence[str]]:
    """What is reported of one gateway that answers `said` while it is stopped, or late."""

    async def main() -> ParcelReport:
        now, stop = [0.0], asyncio.Event()

        async def gate(step: Step) -> None:
            now[0] = 10.0 if late else 9.9
            if stopped:
                stop.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        script = Script({f"{WINDOWS.key}:{FLEET[0]}": said}, gate=gate)
        sent = parcel(gateways=FLEET[:2], until=10.0)
        return await runner(script, wall=lambda: now[0], parallelism=1).run(sent, stop)

    report = run(main())
    return list(report.indices()), [f"{each.index} {each.status}" for each in report.ended]


@pytest.mark.parametrize(
    ("said", "stopped", "late", "report"),
    [
        ("ok", False, False, ([0, 1], [])),
        ("400", False, False, ([1], ["0 failed"])),
        ("none", False, False, ([1], ["0 not-needed"])),
        ("ok", True, False, ([0], [])),
        ("none", True, False, ([], ["0 not-needed"])),
        ("400", True, False, ([], [])),
        ("429 ok", True, False, ([], [])),
        ("ok", False, True, ([0], [])),
        ("none", False, True, ([], ["0 not-needed"])),
        ("400", False, True, ([], [])),
    ],
)
def test_what_was_not_done_by_its_end_is_not_told(
    said: str, stopped: bool, late: bool, report: tuple[Sequence[int], Sequence[str]]
) -> None:
    assert ended_by(said, stopped=stopped, late=late) == report


@pytest.mark.parametrize("stopped", [False, True])
def test_nobody_waits_beyond_the_end(stopped: bool) -> None:
    """For a call that is to go out again only in a minute, as the server asked."""

    async def main() -> ParcelReport:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        if stopped:
            loop.call_later(0.02, stop.set)
        writes = Script({"schedule-download": "429 " * 200})
        sending = ParcelRunner(writes, OPERATIONS, LentPace(), lambda *_: 60.0, Settling(0), 2)
        until = math.inf if stopped else time.time() + 0.02
        return await asyncio.wait_for(sending.run(parcel(until=until), stop), 5)

    report = run(main())
    assert (list(report.indices()), report.ended) == ([], ())


@pytest.mark.parametrize(("wall", "passes"), [(9.9, True), (10.0, False), (10.1, False)])
def test_a_turn_before_the_end_is_one(wall: float, passes: bool) -> None:
    async def main() -> None:
        pace = LentPace(wall=lambda: wall)
        with pace.lent(None, 10.0):
            await pace.acquire()

    if passes:
        run(main())
    else:
        with pytest.raises(NotExecuted, match="the time of its parcel is over"):
            run(main())


def test_what_was_lent_is_over_with_its_parcel() -> None:
    async def main() -> None:
        pace = LentPace(wall=lambda: 5.0)
        await pace.acquire()
        for until in (10.0, math.inf):
            with pace.lent(None, until):
                await pace.acquire()
            with pytest.raises(NotExecuted):
                await pace.acquire()

    run(main())


def test_a_pace_is_lent_with_its_rate() -> None:
    pace = LentPace(wall=lambda: 0.0)
    with pace.lent(5.0, 10.0):
        assert pace.rate == 5.0
    with pace.lent(None, 10.0):
        assert pace.rate is None
    pace.too_much()
    pace.too_much(0.0)
    assert pace.complaints == 2
    assert pace.rate is not None


# --- this process carries them --------------------------------------------------------------------------


def test_so_many_parcels_are_under_way_and_each_has_its_runner() -> None:
    async def main() -> tuple[int, set[str], int]:
        busy, most, seen = 0, 0, set[str]()

        async def gate(step: Step) -> None:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            await asyncio.sleep(0.001)
            busy -= 1

        script = Script(gate=gate)
        runners = [runner(script, parallelism=1, worker=name) for name in ("a", "b")]
        sender = InProcess(runners, worthwhile=1)

        async def send(number: int) -> None:
            async with sender.turn():
                report = await sender.send(parcel(id=str(number), gateways=FLEET[:3]))
                seen.add(report.worker)
                assert report.id == str(number)
                assert list(report.indices()) == [0, 1, 2]

        await asyncio.gather(*map(send, range(7)))
        return most, seen, sender.most

    assert run(main()) == (2, {"a", "b"}, 2)


def test_a_runner_that_fails_is_free_again() -> None:
    sender = InProcess([runner(Script())], worthwhile=1)

    async def main() -> None:
        with pytest.raises(KeyError):
            await sender.send(parcel(operation="unheard-of"))
        report = await sender.send(parcel(gateways=FLEET[:1]))
        assert list(report.indices()) == [0]
        await sender.halt()
        report = await sender.send(parcel(gateways=FLEET[:1]))
        assert list(report.indices()) == []

    run(main())


@pytest.mark.parametrize(("steps", "carries"), [(1_999, False), (2_000, True)])
def test_from_so_many_steps_on_a_parcel_is_worth_it(steps: int, carries: bool) -> None:
    many = group("schedule-download", gateways=[f"gw-{n:05}" for n in range(steps)], per_call=1, target="c-1")
    assert InProcess([]).carries(many) is carries


# --- what a parcel is made of ---------------------------------------------------------------------------


def test_a_parcel_holds_all_of_the_call() -> None:
    assert parcel_of(WINDOWS, FLEET[:2], Bindings(), name="1") == Parcel(
        "1",
        WINDOWS.key,
        "schedule-download",
        str(WINDOWS.action.resource),
        "c-1",
        FLEET[:2],
        phase="download",
        window=(WINDOWS.action.window.begin, WINDOWS.action.window.end),  # type: ignore[union-attr]
    )
    until = replace(OVERRIDES, not_after=1_500)
    made = parcel_of(until, iter(FLEET[:1]), Bindings(), name="2", young=4.0)
    assert (made.packages, made.phase, made.window) == (("p-1",), None, None)
    assert (made.until, made.young, made.rate) == (1.5, 4.0, None)


# --- a run with a sender --------------------------------------------------------------------------------


@dataclass
class Telling(Unreliable):
    """Reports `reports`, one after the other, then that all is done; counts what is under way at once."""

    reports: list[ParcelReport] = field(default_factory=list)
    flying: int = 0
    peak: int = 0

    async def send(self, parcel: Parcel) -> ParcelReport:
        self.sent.append(parcel)
        self.flying += 1
        self.peak = max(self.peak, self.flying)
        for _ in range(5):
            await asyncio.sleep(0)
        self.flying -= 1
        return self.reports.pop(0) if self.reports else ParcelReport("", b"\xff" * len(parcel.gateways))


@pytest.mark.parametrize("by_parcel", [False, True])
def test_what_is_done_is_told_by_parcel_or_one_by_one(by_parcel: bool) -> None:
    told, parcels = list[Outcome](), list[Sequence[Outcome]]()
    more = {"on_parcel": parcels.append} if by_parcel else {}
    script = Script()
    sender = Telling(script, 1, reports=[ParcelReport("", b"\x05", (Ended(1, "done", "again", 2),))])
    result = carried(WINDOWS, script=script, sender=sender, on_outcome=told.append, **more)
    assert len(result.outcomes) == 130
    assert {outcome.status for outcome in result.outcomes} == {OutcomeStatus.DONE}
    assert [o.step.gateways[0] for o in told if o.message] == [FLEET[1]]
    assert len(told) == (1 if by_parcel else 130)
    assert [len(each) for each in parcels] == ([2, 127] if by_parcel else [])
    assert len(sender.sent) == 2
    assert sender.halts == 0


@pytest.mark.parametrize(("most", "groups", "peak"), [(1, 5, 1), (3, 9, 3), (4, 2, 2)])
def test_so_many_parcels_are_handed_over_at_once(most: int, groups: int, peak: int) -> None:
    made = [
        group("schedule-download", key=f"w-{at}", gateways=FLEET[:3], per_call=1, target="c-1")
        for at in range(groups)
    ]
    script = Script()
    sender = Telling(script, 1, most=most)
    result = carried(*made, script=script, sender=sender)
    assert len(result.outcomes) == 3 * groups
    assert (sender.peak, len(sender.sent)) == (peak, groups)
    assert {parcel.id.partition("#")[0] for parcel in sender.sent} == {each.key for each in made}


def test_what_goes_into_a_parcel_is_known_once_it_is_its_turn() -> None:
    """Who waits for a turn holds nothing back from the others, and learns what has ended meanwhile."""
    made = [
        group("schedule-download", key=f"w-{at}", gateways=FLEET[:3], per_call=1, target="c-1")
        for at in range(6)
    ]

    @dataclass
    class TakingTurns(Telling):
        held: int = 0
        room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
        within: list[int] = field(default_factory=list)

        @asynccontextmanager
        async def turn(self) -> AsyncIterator[None]:
            async with self.room:
                self.held += 1
                yield
                self.held -= 1

        async def send(self, parcel: Parcel) -> ParcelReport:
            self.within.append(self.held)
            return await super().send(parcel)

    script = Script()
    sender = TakingTurns(script, 1, most=5)
    result = carried(*made, script=script, sender=sender)
    assert [o.status for o in result.outcomes] == [OutcomeStatus.DONE] * 18
    assert (sender.peak, sender.held, len(sender.within)) == (2, 0, 6)
    assert set(sender.within) <= {1, 2}


@pytest.mark.parametrize("said", ["400", "waits", "ok"])
def test_what_all_of_it_needs_holds_all_of_it_up(said: str) -> None:
    edit = group("edit-campaign")
    windows = replace(WINDOWS, needs=(Need(edit.key),))
    script = Script({edit.key: said})
    sender = Telling(script, 1)
    result = carried(edit, windows, script=script, sender=sender)
    skipped = [o for o in result.outcomes if o.status is OutcomeStatus.SKIPPED]
    assert len(skipped) == (0 if said == "ok" else 130)
    assert {(o.attempts, o.skip) for o in skipped} <= {
        (0, Skip.WAITING if said == "waits" else Skip.NOT_DONE)
    }
    assert {o.message for o in skipped} <= {f"needs {edit.key}, which is not done"}
    assert len(sender.sent) == (said == "ok")


@pytest.mark.parametrize(("now", "sent"), [(9.999, True), (10.0, False), (11.0, False)])
def test_what_may_not_be_sent_any_more_waits(now: float, sent: bool) -> None:
    script = Script()
    sender = Telling(script, 1)
    result = carried(replace(WINDOWS, not_after=10_000), script=script, sender=sender, now=lambda: now)
    expected = (OutcomeStatus.DONE, 1) if sent else (OutcomeStatus.WAITING, 0)
    assert {(o.status, o.attempts) for o in result.outcomes} == {expected}
    assert len(sender.sent) == sent
    assert [parcel.until for parcel in sender.sent] == [10.0] * sent


def test_once_it_is_stopped_the_sender_is_halted_and_the_rest_is_not_sent() -> None:
    stop = asyncio.Event()

    @dataclass
    class Stopping(Telling):
        async def send(self, parcel: Parcel) -> ParcelReport:
            stop.set()
            return await super().send(parcel)

    script = Script()
    sender = Stopping(script, 1, most=1, reports=[ParcelReport("", b"\x03")])
    result = carried(WINDOWS, script=script, sender=sender, stop=stop)
    assert (sender.halts, len(sender.sent)) == (1, 1)
    assert Counter((o.status, o.attempts, o.skip) for o in result.outcomes) == {
        (OutcomeStatus.DONE, 1, None): 2,
        (OutcomeStatus.SKIPPED, 0, Skip.INTERRUPTED): 128,
    }
    assert result.interrupted


def test_what_nobody_carries_goes_out_from_here() -> None:
    @dataclass
    class Picky(Telling):
        def carries(self, group: StepGroup) -> bool:
            return group.key == OVERRIDES.key

    script = Script()
    sender = Picky(script, 1)
    result = carried(WINDOWS, OVERRIDES, script=script, sender=sender)
    assert len(result.outcomes) == 260
    assert {parcel.group for parcel in sender.sent} == {OVERRIDES.key}
    assert {entry.split(":")[0] for entry in script.calls} == {"send schedule-download"}


def test_nothing_of_a_run_goes_on_behind_it() -> None:
    from reconciler.apply import apply_plan

    async def main() -> bool:
        before, script = asyncio.all_tasks(), Script()
        values = {"delay": no_delay, "parallelism": 2, "sender": Telling(script, 1), "settling": Settling(0)}
        await apply_plan(plan(WINDOWS), script, Memory(), **values)  # type: ignore[arg-type]
        await asyncio.sleep(0)
        return asyncio.all_tasks() == before

    assert run(main())
