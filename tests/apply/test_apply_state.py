"""Brackets, ids that a run makes, and what the state hears when; also when it can't be written."""

import asyncio
from dataclasses import replace

import pytest

from reconciler.apply import Applied, apply_plan
from reconciler.apply.record import after
from reconciler.apply.run import LEFT_STOPPED, UNRECORDED
from reconciler.apply.together import Together
from reconciler.errors import StateError
from reconciler.model import (
    CampaignFields,
    Need,
    Outcome,
    OutcomeStatus,
    PackageFile,
    PendingUpload,
    Step,
    Window,
)
from reconciler.state.base import (
    BracketClosed,
    BracketOpened,
    CampaignOwned,
    Event,
    FieldsDeclared,
    IntentNoted,
    PackageUploaded,
    StatusSet,
)
from reconciler.state.folding import fold
from tests.apply.apply_script import (
    CAMPAIGN,
    FILE,
    OWNED,
    PACKAGES,
    Memory,
    Script,
    apply,
    bracket,
    by_id,
    campaign,
    group,
    no_delay,
    plan,
    remembering,
    run,
)

STOP, EDIT, START = "stop-campaign:line-3", "edit-campaign:line-3", "start-campaign:line-3"


# --- the bracket -----------------------------------------------------------------------------------

# answer to the stop, look after it, answer to the edit → stop, edit, start; is the bracket left open?
BRACKETS = {
    "all well": ("ok", "", "ok", "done done done", False),
    "a refused edit is closed": ("ok", "", "400", "done failed done", False),
    "an unclear edit is closed": ("ok", "", "cut cut cut cut cut", "done failed done", False),
    "an edit that can't be sent is closed": ("ok", "", "broken", "done failed done", False),
    "a refused stop": ("400", "", "", "failed skipped skipped", False),
    "a stop that was never executed": ("429 429 429 429 429", "", "", "failed skipped skipped", False),
    "a stop refused, and it still runs": ("409", "nothing", "", "failed skipped skipped", False),
    "an unclear stop that happened": ("cut", "happened", "ok", "done done done", False),
    "a stop of which nobody knows": ("cut", "cut", "", "failed skipped done", False),
    "a stop that met a bug": ("bug", "cut", "", "failed skipped done", False),
    "somebody else stopped it": ("409", "happened", "ok", "not-needed done not-needed", False),
    "somebody else stopped it before we asked": ("none", "", "ok", "not-needed done not-needed", False),
    "somebody else stopped it, and the edit is refused": (
        *("409", "happened", "400", "not-needed failed not-needed", False),
    ),
}


@pytest.mark.parametrize("case", BRACKETS)
def test_bracket(case: str) -> None:
    stop, look, edit, outcomes, left_open = BRACKETS[case]
    script = Script({STOP: stop, EDIT: edit or "ok"}, {STOP: look})
    memory = remembering()

    found = apply(plan(*bracket()), script, memory)

    assert list(by_id(found.outcomes).items()) == list(
        zip((STOP, EDIT, START), outcomes.split(), strict=True)
    )
    started = f"send {START}" in script.log
    assert started == (outcomes.split()[2] == "done")
    owned = memory.state.campaigns[CAMPAIGN]
    assert owned.return_to == ("STARTED" if left_open else None)
    assert owned.status == "STARTED", "a bracket is no wish of Git's"


def test_a_campaign_that_somebody_else_stopped_is_said_to_be_left_so() -> None:
    found = apply(plan(*bracket()), Script({STOP: "none"}), remembering())
    assert found.outcomes[-1].message == LEFT_STOPPED
    assert found.outcomes[-1].attempts == 0


def test_a_bracket_that_is_not_ours_is_closed_before_the_edit() -> None:
    """A run that dies in the edit must not make the next one start it."""
    log: list[str] = []
    memory, script = remembering(log=log), Script({STOP: "none"}, log=log)
    apply(plan(*bracket()), script, memory)
    assert log == [
        "record BracketOpened",
        f"send {STOP}",
        f"end {STOP}",
        "record BracketClosed",
        f"send {EDIT}",
        f"end {EDIT}",
    ]


@pytest.mark.parametrize(("answers", "left_open"), [("400", True), ("waits", True), ("ok", False)])
def test_a_bracket_stays_open_until_its_start_is_done(answers: str, left_open: bool) -> None:
    memory = remembering()
    apply(plan(*bracket()), Script({START: answers}), memory)
    assert (memory.state.campaigns[CAMPAIGN].return_to is not None) == left_open


def test_the_start_waits_for_all_that_the_bracket_holds() -> None:
    stop, edit, start = bracket()
    add = group("add-gateways", gateways="abc", per_call=1, needs=[edit.key])
    needs = [*start.needs, Need(add.key, even_failed=True)]
    start = group("start-campaign", bracket=True, needs=needs)
    script = Script({"add-gateways:line-3:b": "400"})
    found = apply(plan(stop, edit, add, start), script, remembering())
    assert by_id(found.outcomes)[START] == "done"
    assert script.calls[-1] == f"send {START}"
    assert len(script.calls) == 6


def test_a_start_that_finishes_an_old_bracket_needs_no_stop() -> None:
    memory = remembering()
    memory.record(BracketOpened(CAMPAIGN, "STARTED"))
    edit = group("edit-campaign")
    start = group("start-campaign", bracket=True, needs=[Need(edit.key, even_failed=True)])
    found = apply(plan(edit, start), Script({EDIT: "400"}), memory)
    assert by_id(found.outcomes) == {EDIT: "failed", START: "done"}
    assert memory.state.campaigns[CAMPAIGN].return_to is None


def test_a_stop_for_good_that_was_not_needed_is_our_wish_met() -> None:
    memory = remembering()
    stop = group("stop-campaign")
    found = apply(
        plan(stop, group("edit-campaign", needs=[STOP])), Script({STOP: "409"}, {STOP: "happened"}), memory
    )
    assert by_id(found.outcomes) == {STOP: "not-needed", EDIT: "done"}
    assert memory.state.campaigns[CAMPAIGN].status == "STOPPED"


# --- what the state hears, and when ----------------------------------------------------------------


def test_intents_are_durable_before_and_results_after() -> None:
    log: list[str] = []
    upload = group("upload-package", PACKAGES)
    create = group("create-campaign", needs=[upload.key])
    start = group("start-campaign", needs=[create.key])
    apply(plan(upload, create, start), Script(log=log), Memory(log=log))
    assert log == [
        "record IntentNoted",
        "send upload-package:firmware",
        "end upload-package:firmware",
        "record PackageUploaded",
        "record IntentNoted",
        "send create-campaign:line-3",
        "end create-campaign:line-3",
        "record CampaignOwned",
        "send start-campaign:line-3",
        "end start-campaign:line-3",
        "record StatusSet",
    ]


def test_what_the_plan_knows_is_recorded_first_and_without_any_step() -> None:
    memory = Memory()
    assert not apply(plan(records=(OWNED,)), Script(), memory).outcomes
    assert memory.recorded == [OWNED]


def test_only_facts_of_single_gateways_need_no_wait_for_the_disk() -> None:
    memory = remembering()
    memory.synced.clear()
    groups = (
        group("create-campaign", campaign("new")),
        group("edit-campaign", fields=CampaignFields("line-3", settings={"A": "b"})),
        group("remove-gateways", gateways="ab", per_call=2),
        group("schedule-download", gateways="c", per_call=1),
        group("run-on-things", gateways="d", per_call=1),
    )
    apply(plan(*groups), Script(), memory, parallelism=1)
    names = [type(event).__name__ for event in memory.recorded[1:]]
    assert list(zip(names, memory.synced, strict=True)) == [
        ("IntentNoted", True),
        ("CampaignOwned", True),
        ("FieldApplied", True),
        ("FieldApplied", True),
        ("MembersForgotten", False),
        ("MembersApplied", False),
        # What must never be repeated is on disk before it is sent.
        ("MembersApplied", True),
        ("MembersApplied", False),
    ]


def test_an_override_with_a_package_of_this_run_is_kept_with_its_id() -> None:
    memory = remembering()
    upload = group("upload-package", PACKAGES)
    packages = ("p-9", PendingUpload(FILE.sha256))
    override = group(
        "assign-gateway-packages", gateways="ab", per_call=1, needs=[upload.key], packages=packages
    )
    apply(plan(upload, override), Script(), memory)
    kept = memory.state.campaigns[CAMPAIGN].members
    assert kept == {"packageOverrides": {'["id-of-firmware", "p-9"]': frozenset("ab")}}


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        ("ok", {'["a-1"]': frozenset("a")}),
        ("429 ok", {'["a-1"]': frozenset("a")}),
        ("cut", {'?["a-1"]': frozenset("a")}),
        ("400", None),
    ],
)
def test_things_that_may_have_run_are_in_doubt(answers: str, kept: object) -> None:
    memory = remembering()
    apply(plan(group("run-on-things", gateways="a", per_call=1)), Script({"run-on-things": answers}), memory)
    assert memory.state.campaigns[CAMPAIGN].members.get("runOnThings") == kept


def test_an_outcome_is_told_once_it_is_recorded() -> None:
    log: list[str] = []

    def on_outcome(outcome: Outcome) -> None:
        log.append(f"told {outcome.step.id}")

    apply(plan(group("create-campaign")), Script(), Memory(log=log), on_outcome=on_outcome)
    assert log == ["record IntentNoted", "record CampaignOwned", "told create-campaign:line-3"]


def test_what_ends_at_the_same_moment_is_written_at_once_and_before_anybody_goes_on() -> None:
    """Three workers, two rounds of three windows: a record and a batch for each, none while one is open."""
    memory, log = remembering(), []  # type: ignore[var-annotated]
    memory.log = log
    window = group("schedule-download", gateways="abcdef", per_call=1)

    async def body() -> Applied:
        barrier = asyncio.Barrier(3)

        async def gate(step: Step) -> None:
            log.append("sent")
            await barrier.wait()

        return await apply_plan(
            plan(window),
            Script(gate=gate),  # type: ignore[arg-type]
            memory,  # type: ignore[arg-type]
            delay=no_delay,
            parallelism=3,
            on_together=lambda outcomes: log.append(f"together {len(outcomes)}"),
            on_outcome=lambda _: log.append("told"),
        )

    run(body())
    batch = ["sent"] * 3 + ["record MembersApplied", "together 3"] + ["told"] * 3
    assert log == batch * 2
    (known,) = memory.state.campaigns[CAMPAIGN].members["schedules.download"].values()
    assert known == frozenset("abcdef")
    assert memory.synced[-2:] == [False, False]


def test_a_batch_with_one_thing_that_must_last_is_durable_as_a_whole() -> None:
    memory = remembering()
    window = group("schedule-download", gateways="a", per_call=1)
    create = group("create-campaign", campaign("other"))

    async def body() -> Applied:
        barrier = asyncio.Barrier(2)

        async def gate(_: Step) -> None:
            await barrier.wait()

        return await apply_plan(
            plan(window, create), Script(gate=gate), memory, delay=no_delay, parallelism=2
        )  # type: ignore[arg-type]

    run(body())
    last = memory.recorded[-2:]
    assert {type(event).__name__ for event in last} == {"MembersApplied", "CampaignOwned"}
    assert memory.synced[-2:] == [True, True]


def test_only_what_follows_each_other_and_is_alike_becomes_one() -> None:
    one = list(group("schedule-download", gateways="abcd", per_call=1))
    two = list(group("schedule-download", gateways="ab", per_call=1, key="later", window=Window(3, 4)))
    things = list(group("run-on-things", gateways="ab", per_call=1))
    edit = next(iter(group("edit-campaign")))
    done = OutcomeStatus.DONE
    outcomes = [
        Outcome(one[0], done),
        Outcome(one[1], OutcomeStatus.NOT_NEEDED),
        Outcome(one[2], OutcomeStatus.FAILED, "no"),
        Outcome(two[0], done),
        Outcome(one[3], done),
        Outcome(edit, done),
        *(Outcome(step, done) for step in (*two, *things)),
    ]

    def changed(outcome: Outcome) -> tuple[Event, ...]:
        return after(outcome, "salt", 1000, {}, {})

    together = Together()
    assert together.events == []
    for outcome in outcomes:
        together.learn(outcome, changed)
    alone = [event for outcome in outcomes for event in changed(outcome)]
    about = [getattr(event, "gateways", ()) for event in together.events]
    assert about == [("a", "b"), ("a",), ("d",), *[()] * (len(about) - 6), ("a", "b"), ("a",), ("b",)]
    state = remembering().state
    assert fold(state, together.events) == fold(state, alone)


def test_what_is_not_known_of_a_step_leaves_the_others_as_they_are() -> None:
    window = list(group("schedule-download", gateways="ab", per_call=1))
    together = Together()
    together.learn(Outcome(window[0], OutcomeStatus.DONE), lambda it: after(it, "salt", 1000, {}, {}))
    before = list(together.events)

    def buggy(_: Outcome) -> tuple[Event, ...]:
        raise ValueError("nobody foresaw this")

    with pytest.raises(ValueError, match="nobody foresaw"):
        together.learn(Outcome(next(iter(group("edit-campaign"))), OutcomeStatus.DONE), buggy)
    assert together.events == before


# --- ids that the run makes ------------------------------------------------------------------------


def test_later_steps_know_what_earlier_ones_made() -> None:
    other = PackageFile("cd" * 32, FILE.path, "other.bin", 3, PACKAGES)
    uploads = (
        group("upload-package", PACKAGES, key="u1"),
        group("upload-package", campaign("x"), key="u2", file=other),
    )
    create = group("create-campaign", needs=["u1", "u2"])
    add = group("add-gateways", gateways="a", per_call=1, needs=[create.key])
    script = Script()
    apply(plan(*uploads, create, add), script, parallelism=1)

    packages = {FILE.sha256: "id-of-firmware", other.sha256: "id-of-x"}
    assert [known.packages for known in script.bindings[2:]] == [packages, packages]
    assert [dict(known.campaigns) for known in script.bindings[2:]] == [{}, {CAMPAIGN: "id-of-line-3"}]
    assert script.bindings[0].packages == {}


@pytest.mark.parametrize(
    ("operation", "answers", "looks"),
    [
        ("upload-package", "cut", "happened"),
        ("upload-package", "none", ""),
        ("create-campaign", "cut", "happened"),
        ("create-campaign", "cut 409", "nothing happened"),
    ],
)
def test_an_id_found_by_looking_is_known_too(operation: str, answers: str, looks: str) -> None:
    one = group(operation, key="first")
    script = Script({operation: answers}, {operation: looks})
    memory = Memory()
    apply(plan(one, group("add-gateways", gateways="a", per_call=1, needs=["first"])), script, memory)
    known = script.bindings[-1]
    made = known.packages.get(FILE.sha256), known.campaigns.get(CAMPAIGN)
    assert made == (("id-of-line-3", None) if operation == "upload-package" else (None, "id-of-line-3"))
    assert not memory.state.intents


@pytest.mark.parametrize(("answers", "kept"), [("400", False), ("429 429 429 429 429", False), ("cut", True)])
def test_an_intent_is_kept_as_long_as_it_may_have_happened(answers: str, kept: bool) -> None:
    memory = Memory()
    found = apply(
        plan(group("create-campaign")),
        Script({"create-campaign": answers}, {"create-campaign": "cut"}),
        memory,
    )
    assert found.failed
    assert set(memory.state.intents) == ({"Campaign/line-3"} if kept else set())


# --- what is written together -----------------------------------------------------------------------


def test_intents_of_creates_that_begin_together_are_one_write_before_any_of_them_is_sent() -> None:
    script, told = Script(), []
    memory = Memory(log=script.log)
    groups = [group("create-campaign", campaign(name)) for name in "abcd"]
    apply(plan(*groups), script, memory, on_together=lambda outcomes: told.append(len(outcomes)))
    sent = [f"send create-campaign:{name}" for name in "abcd"]
    assert script.log[:5] == ["record IntentNoted IntentNoted IntentNoted IntentNoted", *sent]
    assert memory.synced[:4] == [True] * 4
    assert sum(told) == 4
    assert 0 not in told, "nobody is told of steps that have only begun"


# --- a state that can't be written -----------------------------------------------------------------


def broken_run(memory: Memory, *groups: object, **values: object) -> tuple[Script, list[Outcome], StateError]:
    told: list[Outcome] = []
    script = Script()
    found = apply(plan(*groups), script, memory, on_outcome=told.append, **values)  # type: ignore[arg-type]
    assert found.error is not None
    assert "can't be written" in str(found.error)
    assert list(found.outcomes) == told
    return script, told, found.error


def test_nothing_is_sent_when_what_the_plan_knows_can_not_be_recorded() -> None:
    memory = Memory(fails=lambda event: event is OWNED)
    script = Script()
    found = apply(plan(group("edit-campaign"), records=(OWNED,)), script, memory)
    assert (str(found.error), found.outcomes) == ("the state can't be written", ())
    assert script.log == []


def test_without_its_intent_nothing_is_sent() -> None:
    memory = remembering(fails=BracketOpened)
    script, told, _ = broken_run(memory, *bracket())
    assert script.log == []
    assert [(str(o.status), o.message) for o in told] == [
        ("skipped", UNRECORDED),
        ("skipped", f"needs {STOP}, which is not done"),
        ("skipped", f"needs {STOP}, which is not done"),
    ]


def test_without_the_intent_of_one_none_of_those_that_begin_with_it_is_sent() -> None:
    memory = Memory(fails=lambda event: isinstance(event, IntentNoted) and event.intent.key == "Campaign/b")
    groups = [group("create-campaign", campaign(name)) for name in "abc"]
    script, told, _ = broken_run(memory, *groups)
    assert script.log == []
    assert [(str(o.status), o.message) for o in told] == [("skipped", UNRECORDED)] * 3


def test_after_a_result_that_was_not_recorded_nothing_is_sent() -> None:
    memory = remembering(fails=StatusSet)
    groups = [group("start-campaign"), *(group("edit-campaign", campaign(name)) for name in "abc")]
    script, told, _ = broken_run(memory, *groups, parallelism=1)
    assert script.calls == [f"send {START}"]
    assert [str(outcome.status) for outcome in told] == ["done", "skipped", "skipped", "skipped"]
    assert {outcome.message for outcome in told[1:]} == {UNRECORDED}


def test_not_even_the_start_of_a_bracket_is_sent() -> None:
    memory = remembering(fails=PackageUploaded)
    stop, edit, start = bracket()
    upload = group("upload-package", PACKAGES, needs=[stop.key])
    start = group("start-campaign", bracket=True, needs=[*start.needs, Need(upload.key, even_failed=True)])
    _, told, _ = broken_run(memory, stop, upload, edit, start, parallelism=1)
    assert by_id(told)[START] == "skipped"
    assert memory.state.campaigns[CAMPAIGN].return_to == "STARTED", "the next run finishes it"


def test_what_is_in_flight_ends_before_the_error_comes_out() -> None:
    memory = Memory(fails=lambda event: isinstance(event, CampaignOwned) and event.owned.resource.name == "a")
    told: list[Outcome] = []

    async def body() -> Applied:
        broken = asyncio.Event()

        async def gate(step: Step) -> None:
            # The others are in flight until after the state broke.
            if step.resource != campaign("a"):
                await broken.wait()

        def on_outcome(outcome: Outcome) -> None:
            told.append(outcome)
            broken.set()

        groups = [group("create-campaign", campaign(name)) for name in "abcd"]
        return await apply_plan(
            plan(*groups),
            Script(gate=gate),  # type: ignore[arg-type]
            memory,
            delay=no_delay,
            parallelism=3,
            on_outcome=on_outcome,
        )

    assert run(body()).error is not None
    assert by_id(told) == {
        "create-campaign:a": "done",
        "create-campaign:b": "done",
        "create-campaign:c": "done",
        "create-campaign:d": "skipped",
    }
    assert {campaign("b"), campaign("c")} <= set(memory.state.campaigns), "what can be recorded is"


def test_the_first_error_of_the_state_comes_out() -> None:
    class Failing(Memory):
        def record(self, *events: Event, sync: bool = True) -> None:
            if events:
                self.log.append("failed")
                raise StateError(f"error {len(self.log)}")

    async def body() -> Applied:
        async def gate(_: Step) -> None:
            await barrier.wait()

        barrier = asyncio.Barrier(2)
        groups = [group("start-campaign", campaign(name)) for name in "ab"]
        script = Script(gate=gate)
        return await apply_plan(plan(*groups), script, Failing(), delay=no_delay, parallelism=2)  # type: ignore[arg-type]

    assert str(run(body()).error) == "error 1"


def test_closing_twice_says_nothing_new() -> None:
    memory = remembering()
    apply(plan(*bracket()), Script(), memory)
    closed = [event for event in memory.recorded if isinstance(event, BracketClosed)]
    assert closed == [BracketClosed(CAMPAIGN)]


def test_where_no_group_has_a_step_what_is_declared_is_known_all_the_same() -> None:
    memory = Memory()
    nobody = group("add-gateways", gateways=(), per_call=2)
    declares = {"description": "text"}
    apply(replace(plan(nobody), declares={CAMPAIGN: declares}), Script(), memory)
    assert memory.recorded == [FieldsDeclared(CAMPAIGN, declares)]


@pytest.mark.parametrize("declares", [{"gateways": "x", "name": "line"}, {"name": "line"}, {}])
def test_of_a_campaign_that_changes_it_is_not_known_who_is_in_it_until_it_has_changed(
    declares: dict[str, str],
) -> None:
    memory = Memory()
    apply(replace(plan(group("edit-campaign")), declares={CAMPAIGN: declares}), Script(), memory)
    events = [event for event in memory.recorded if isinstance(event, FieldsDeclared)]
    unknown = [FieldsDeclared(CAMPAIGN, {"gateways": None})] if "gateways" in declares else []
    assert events == unknown + ([FieldsDeclared(CAMPAIGN, declares)] if declares else [])
