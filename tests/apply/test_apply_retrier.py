"""What may be sent again, and when: the tables of `reconciler.apply.retrier`."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply.retrier import NOT_AGAIN, Retrier
from reconciler.model import Outcome, OutcomeStatus, Repeat, Step
from reconciler.providers.base import Bindings
from reconciler.providers.pulse.operations import OPERATIONS
from tests.apply.apply_script import AT_ONCE, VERBS, Bug, Script, no_delay, run, step

GATEWAYS = ("a", "b", "c")
BATCH = {"gateways": GATEWAYS, "per_call": 3}
SAFE, LOOK, NEVER = "edit-campaign", "start-campaign", "run-on-things"


def settle(script: Script, one: Step, delay: Any = no_delay, stopped: bool = False) -> Outcome:
    async def body() -> Outcome:
        stop = asyncio.Event()
        if stopped:
            stop.set()
        return await Retrier(script, delay, AT_ONCE).settle(one, Bindings(), stop)  # type: ignore[arg-type]

    return run(body())


def verbs(script: Script) -> str:
    """``send look send``."""
    return " ".join(entry.split()[0] for entry in script.calls)


def table(rows: str) -> list[tuple[str, str, str, str, str]]:
    """Rows of `operation | answers | looks | calls | outcome`."""
    cells = (tuple(cell.strip() for cell in row.split("|")) for row in rows.strip().splitlines())
    return [(a, b, c, d, e) for a, b, c, d, e in cells]


# An outcome with ! is unclear: the step isn't done, and may have happened all the same.
EACH_CLASS_AND_ANSWER = table(
    f"""
    {SAFE}  | ok             |                 | send                          | done
    {SAFE}  | none           |                 | send                          | not-needed
    {SAFE}  | waits          |                 | send                          | waiting
    {SAFE}  | 429 ok         |                 | send send                     | done
    {SAFE}  | cut ok         |                 | send send                     | done
    {SAFE}  | cut 429 ok     |                 | send send send                | done
    {SAFE}  | 400            |                 | send                          | failed
    {SAFE}  | 404            |                 | send                          | failed
    {SAFE}  | 409            |                 | send                          | failed
    {SAFE}  | 429 409        |                 | send send                     | failed
    {SAFE}  | cut 409        |                 | send send                     | failed !
    {SAFE}  | broken         |                 | send                          | failed
    {SAFE}  | cut broken     |                 | send send                     | failed !
    {LOOK}  | ok             |                 | send                          | done
    {LOOK}  | none           |                 | send                          | not-needed
    {LOOK}  | waits          |                 | send                          | waiting
    {LOOK}  | 429 ok         |                 | send send                     | done
    {LOOK}  | cut            | happened        | send look                     | done
    {LOOK}  | cut ok         | nothing         | send look send                | done
    {LOOK}  | cut cut ok     | nothing nothing | send look send look send      | done
    {LOOK}  | cut cut        | nothing happened| send look send look           | done
    {LOOK}  | cut 429 ok     | nothing         | send look send send           | done
    {LOOK}  | cut 409        | nothing happened| send look send look           | done
    {LOOK}  | cut 409        | nothing nothing | send look send look           | failed !
    {LOOK}  | cut 400        | nothing happened| send look send look           | done
    {LOOK}  | cut            | cut             | send look                     | failed !
    {LOOK}  | cut broken     | nothing         | send look send                | failed !
    {LOOK}  | 429 409        | happened        | send send look                | not-needed
    {LOOK}  | 400            |                 | send                          | failed
    {LOOK}  | 401            |                 | send                          | failed
    {LOOK}  | 403            |                 | send                          | failed
    {LOOK}  | 404            | happened        | send look                     | not-needed
    {LOOK}  | 409            | happened        | send look                     | not-needed
    {LOOK}  | 410            | happened        | send look                     | not-needed
    {LOOK}  | 412            | happened        | send look                     | not-needed
    {LOOK}  | 409            | nothing         | send look                     | failed
    {LOOK}  | 409            | cut             | send look                     | failed
    {LOOK}  | broken         |                 | send                          | failed
    {NEVER} | ok             |                 | send                          | done
    {NEVER} | 429 ok         |                 | send send                     | done
    {NEVER} | 429 429 cut    |                 | send send send                | unknown !
    {NEVER} | cut            |                 | send                          | unknown !
    {NEVER} | 409            |                 | send                          | failed
    {NEVER} | broken         |                 | send                          | failed
    """
)

ALREADY_HAPPENED = table(
    """
    delete-campaign  | 404 | happened | send look | not-needed
    delete-package   | 404 | happened | send look | not-needed
    start-campaign   | 409 | happened | send look | not-needed
    stop-campaign    | 409 | happened | send look | not-needed
    approve-campaign | 409 | happened | send look | not-needed
    close-gateway    | 409 | happened | send look | not-needed
    add-gateways     | 409 | happened | send look | not-needed
    remove-gateways  | 404 | happened | send look | not-needed
    """
)

MAKES_SOMETHING = table(
    """
    create-campaign | ok          |                  | send                | done
    create-campaign | 409         |                  | send                | failed
    create-campaign | 404         |                  | send                | failed
    create-campaign | 429 409     |                  | send send           | failed
    create-campaign | cut         | happened         | send look           | done
    create-campaign | cut         | two              | send look           | failed !
    create-campaign | cut 409     | nothing happened | send look send look | done
    create-campaign | cut 409     | nothing two      | send look send look | failed !
    create-campaign | cut 400     | nothing nothing  | send look send look | failed !
    upload-package  | 409         |                  | send                | failed
    upload-package  | cut         | happened         | send look           | done
    upload-package  | cut ok      | nothing          | send look send      | done
    upload-package  | broken      |                  | send                | failed
    """
)


@pytest.mark.parametrize(
    ("operation", "answers", "looks", "calls", "outcome"),
    [*EACH_CLASS_AND_ANSWER, *ALREADY_HAPPENED, *MAKES_SOMETHING],
)
def test_table(operation: str, answers: str, looks: str, calls: str, outcome: str) -> None:
    script = Script({operation: answers}, {operation: looks})
    one = step(operation)

    found = settle(script, one)

    status, _, unclear = outcome.partition(" ")
    assert verbs(script) == calls
    assert (found.status, found.unclear) == (status, bool(unclear))
    assert found.attempts == calls.split().count("send")
    assert found.step is one
    made = operation in ("create-campaign", "upload-package") and status == "done"
    assert found.created == ("id-of-line-3" if made else None)


def test_the_classes_of_the_table_are_those_of_the_operations() -> None:
    assert [OPERATIONS[name].repeat for name in (SAFE, LOOK, NEVER)] == [*Repeat]


# answers | looks | the gateways of each call, sends and looks | outcome
BATCHES: dict[str, tuple[str, str, list[str], str]] = {
    "refused as one of them is there: the others are sent": (
        "409 ok",
        "left:b,c",
        ["abc", "abc", "bc"],
        "done",
    ),
    "refused and refused": ("409 409 ok", "left:b,c left:c", ["abc", "abc", "bc", "bc", "c"], "done"),
    "refused, and at last all are there": (
        "409 409",
        "left:c happened",
        ["abc", "abc", "c", "c"],
        "not-needed",
    ),
    "refused, and none of them is there: in halves": (
        "409 409 409 409 409",
        "left:a,b,c",
        ["abc", "abc", "a", "bc", "b", "c"],
        "failed",
    ),
    "refused, and the rest for good": ("409 409", "left:c left:c", ["abc", "abc", "c", "c"], "failed"),
    "cut half way": ("cut ok", "left:b,c", ["abc", "abc", "bc"], "done"),
    "cut half way, then not executed": ("cut 429 ok", "left:b,c", ["abc", "abc", "bc", "bc"], "done"),
    "cut before anything": ("cut ok", "left:a,b,c", ["abc", "abc", "abc"], "done"),
    "cut after everything": ("cut", "left:", ["abc", "abc"], "done"),
    "refused, and nothing remains": ("409", "left:", ["abc", "abc"], "not-needed"),
    # A list in another order is no progress, or the two would ask each other for ever.
    "refused, none there, told in another order": (
        "409 ok 409 ok",
        "left:c,b,a",
        ["abc", "abc", "a", "b", "c"],
        "failed",
    ),
}


@pytest.mark.parametrize("case", BATCHES)
@pytest.mark.parametrize("operation", ["add-gateways", "remove-gateways"])
def test_a_batch_that_happened_in_part(case: str, operation: str) -> None:
    answers, looks, sent, outcome = BATCHES[case]
    script = Script({operation: answers}, {operation: looks})
    one = step(operation, **BATCH)

    found = settle(script, one)

    assert ["".join(gateways) for gateways in script.gateways] == sent
    assert found.status == outcome
    assert found.step is one, "the outcome is about the whole step"


def test_a_batch_of_a_large_group_shrinks_to_its_own_gateways() -> None:
    script = Script({"add-gateways": "cut ok"}, {"add-gateways": "left:f"})
    whole = step("add-gateways", gateways="abcdefgh", per_call=3)

    found = settle(script, Step(whole.group, 1))

    assert script.gateways == [("d", "e", "f"), ("d", "e", "f"), ("f",)]
    assert found.status is OutcomeStatus.DONE


def test_words_of_a_failure_say_what_and_what_to_do() -> None:
    two = settle(Script({"create-campaign": "cut"}, {"create-campaign": "two"}), step("create-campaign"))
    assert two.message == "two campaigns could be it: c-1, c-2. Delete one of them"
    refused = settle(Script({SAFE: "400"}), step(SAFE))
    assert refused.message == "PUT /x: no"
    unknown = settle(Script({NEVER: "cut"}), step(NEVER))
    assert unknown.message == "PUT /x: the connection was cut"


def test_a_refusal_that_can_not_be_looked_at_keeps_its_words() -> None:
    found = settle(Script({LOOK: "409"}, {LOOK: "cut"}), step(LOOK))
    assert found.message == "PUT /x: no; what it did can't be read: GET /x: the look was cut"


def test_the_words_of_a_result_are_kept() -> None:
    assert settle(Script({LOOK: "waits"}), step(LOOK)).message == "somebody has to approve it"


@pytest.mark.parametrize(
    ("operation", "answer", "looks", "unclear"),
    [
        (SAFE, "429", "", False),
        (SAFE, "cut", "", True),
        (LOOK, "429", "", False),
        (LOOK, "cut", "nothing nothing nothing", True),
        (NEVER, "429", "", False),
    ],
)
def test_giving_up_is_the_delays_to_say(operation: str, answer: str, looks: str, unclear: bool) -> None:
    script = Script({operation: f"{answer} {answer} {answer}"}, {operation: looks})
    asked: list[tuple[int, float | None, float]] = []

    def delay(attempts: int, retry_after: float | None, waited: float) -> float | None:
        asked.append((attempts, retry_after, waited))
        return 0.001 if attempts < 3 else None

    found = settle(script, step(operation), delay)

    after = 7.5 if answer == "429" else None
    assert asked == [(1, after, 0.0), (2, after, 0.001), (3, after, 0.002)]
    assert (found.status, found.attempts, found.unclear) == (OutcomeStatus.FAILED, 3, unclear)


def test_the_delay_is_waited() -> None:
    waits = iter([0.02, 0.03])
    began = time.monotonic()
    found = settle(Script({SAFE: "429 429 ok"}), step(SAFE), lambda *_: next(waits))
    assert time.monotonic() - began >= 0.05
    assert found.status is OutcomeStatus.DONE


def test_a_refusal_never_asks_the_delay() -> None:
    def delay(attempts: int, retry_after: float | None, waited: float) -> float | None:
        raise AssertionError("a refusal isn't about time")

    script = Script({"add-gateways": "409 409"}, {"add-gateways": "left:b left:b"})
    assert settle(script, step("add-gateways", **BATCH), delay).status is OutcomeStatus.FAILED


def test_a_bug_is_no_outcome() -> None:
    with pytest.raises(Bug):
        settle(Script({SAFE: "bug"}), step(SAFE))


# --- interrupted -----------------------------------------------------------------------------------

INTERRUPTED = table(
    f"""
    {SAFE}          | ok  |          | send      | done
    {SAFE}          | 429 |          | send      | failed
    {SAFE}          | cut |          | send      | failed !
    {LOOK}          | cut | happened | send look | done
    {LOOK}          | cut | nothing  | send look | failed !
    {LOOK}          | 409 | happened | send look | not-needed
    {NEVER}         | cut |          | send      | unknown !
    add-gateways    | 409 | left:c   | send look | failed
    create-campaign | 429 |          | send      | failed
    """
)


@pytest.mark.parametrize(("operation", "answers", "looks", "calls", "outcome"), INTERRUPTED)
def test_interrupted_what_is_in_flight_ends_and_is_not_sent_again(
    operation: str, answers: str, looks: str, calls: str, outcome: str
) -> None:
    script = Script({operation: answers}, {operation: looks})
    values = BATCH if operation == "add-gateways" else {}
    found = settle(script, step(operation, **values), stopped=True)
    status, _, unclear = outcome.partition(" ")
    assert verbs(script) == calls
    assert (found.status, found.unclear) == (status, bool(unclear))
    assert found.message.endswith(NOT_AGAIN) == (status == "failed")


def test_interrupted_while_it_waits_it_waits_no_longer() -> None:
    async def body() -> tuple[Outcome, Script]:
        stop = asyncio.Event()
        script = Script({SAFE: "429"})

        def delay(attempts: int, retry_after: float | None, waited: float) -> float:
            asyncio.get_running_loop().call_soon(stop.set)
            return 3600.0

        return await Retrier(script, delay, AT_ONCE).settle(step(SAFE), Bindings(), stop), script  # type: ignore[arg-type]

    found, script = run(body())
    assert verbs(script) == "send"
    assert found.message == f"PUT /x: too many requests; {NOT_AGAIN}"


# --- any script at all -----------------------------------------------------------------------------

LOOKS = st.sampled_from(["happened", "nothing", "left:b,c", "left:a", "left:", "two", "cut"])
ANSWERS = st.sampled_from(["ok", "none", "waits", "429", "cut", "400", "404", "409", "broken"])


@given(
    operation=st.sampled_from([name for name in VERBS if name in OPERATIONS]),
    answers=st.lists(ANSWERS, min_size=40, max_size=40),
    looks=st.lists(LOOKS, min_size=40, max_size=40),
)
def test_nothing_is_ever_sent_that_may_have_happened(
    operation: str, answers: list[str], looks: list[str]
) -> None:
    batch: Mapping[str, Any] = BATCH if operation in ("add-gateways", "remove-gateways") else {}
    script = Script({operation: " ".join(answers)}, {operation: " ".join(looks)})

    found = settle(script, step(operation, **batch))

    calls = verbs(script).split()
    sends = calls.count("send")
    got = answers[:sends]
    assert found.attempts == sends
    match OPERATIONS[operation].repeat:
        case Repeat.IDEMPOTENT:
            assert "look" not in calls
        case Repeat.NEVER:
            assert "look" not in calls
            assert "cut" not in got[:-1]
            assert (found.status is OutcomeStatus.UNKNOWN) == (got[-1] == "cut")
        case Repeat.VERIFY_FIRST:
            after = dict(enumerate([*calls[1:], "end"]))
            of_send = [after[i] for i, call in enumerate(calls) if call == "send"]
            assert all(then == "look" for word, then in zip(got, of_send, strict=True) if word == "cut")
    # Only what is in doubt is looked at, only what surely did not happen is sent again.
    words = iter(answers)
    taken: set[str] = set()
    for call, gateways in zip(calls, script.gateways, strict=True):
        assert bool(gateways) == bool(batch), "an empty list is never sent"
        assert not taken.intersection(gateways)
        if call == "send" and next(words) in ("ok", "none"):
            taken.update(gateways)
    if found.status is OutcomeStatus.FAILED:
        assert found.unclear == ("cut" in got)
    if found.status is OutcomeStatus.NOT_NEEDED and got[-1] != "none":
        assert "cut" not in got, "what we may have done is done"
