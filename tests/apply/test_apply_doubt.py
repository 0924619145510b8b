"""A create or an upload whose answer was lost: looked for while it may come, and sent again once."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler.apply.bisection import NOT_AGAIN
from reconciler.apply.retrier import Retrier
from reconciler.errors import NotExecuted, ReconcilerError, Refused, ServerError, Unclear
from reconciler.model import Outcome, OutcomeStatus, Step
from reconciler.model.doubts import Doubt, Missing
from reconciler.providers.base import Bindings, Readback, Result
from tests.apply.apply_script import no_delay, run, step
from tests.fakes import Ticking

MAKERS = ["create-campaign", "upload-package"]
CUT = Unclear("the connection was cut", request="POST /x")
LATER = Unclear("504 gateway time-out", request="POST /x", status=504)
BUSY = NotExecuted("too many requests", request="POST /x", status=429)
NO = Refused("409 there is one", request="POST /x", status=409)
UNREAD = ServerError("the list can't be read as a whole", request="GET /x")


@dataclass
class Slow:
    """A server that makes something at each call, shows it `lag` seconds later, and answers `answers`."""

    time: Ticking
    answers: list[ReconcilerError | None]
    lag: float = 0.0
    does: Callable[[int], bool] = lambda call: True
    """Whether the so-manieth call (from 1) makes anything."""
    unread_until: float = 0.0
    sent: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    made: dict[str, float] = field(default_factory=dict)

    async def run(self, step: Step, bindings: Bindings) -> Result:
        self.sent.append(self.time.now)
        call = len(self.sent)
        error = self.answers.pop(0) if self.answers else None
        if self.does(call) and not isinstance(error, NotExecuted | Refused):
            self.made[f"id-{call}"] = self.time.now + self.lag
        if error:
            raise error
        return Result(created=f"id-{call}")

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        self.looks.append(self.time.now)
        if self.time.now < self.unread_until:
            raise UNREAD
        seen = [made for made, at in self.made.items() if at <= self.time.now]
        if len(seen) > 1:
            raise ReconcilerError(f"there are {len(seen)}: {' and '.join(seen)}")
        return Readback(bool(seen), created=seen[0] if seen else None)


def settle(
    slow: Slow, one: Step, told: list[Doubt] | None = None, stop: asyncio.Event | None = None
) -> Outcome:
    heard = [] if told is None else told

    async def body() -> Outcome:
        retrier = Retrier(slow, no_delay, slow.time.settling, heard.append)  # type: ignore[arg-type]
        return await retrier.settle(one, Bindings(), stop or asyncio.Event())

    return run(body())


@pytest.mark.parametrize("operation", MAKERS)
@pytest.mark.parametrize("answer", [CUT, LATER])
@pytest.mark.parametrize("lag", [0, 0.5, 3, 11, 29.9])
def test_what_is_seen_within_the_settle_time_is_ours(operation: str, answer: Unclear, lag: float) -> None:
    slow = Slow(Ticking(), [answer] * 8, lag)
    found = settle(slow, step(operation))
    assert (found.status, found.created, found.attempts) == (OutcomeStatus.DONE, "id-1", 1)
    assert slow.sent == [0.0], "never a second one"


@pytest.mark.parametrize("operation", MAKERS)
def test_what_is_not_there_after_the_settle_time_is_sent_again(operation: str) -> None:
    slow = Slow(Ticking(), [CUT], does=lambda call: call > 1)
    found = settle(slow, step(operation))
    assert (found.status, found.created, found.attempts) == (OutcomeStatus.DONE, "id-2", 2)
    assert slow.sent == [0.0, 30.0]
    assert slow.looks[-1] == 30.0, "the last look is when the time is over"


def test_a_proxy_that_times_out_each_time_gets_it_twice_at_most() -> None:
    slow = Slow(Ticking(), [LATER] * 8, does=lambda call: False)
    found = settle(slow, step("create-campaign"))
    assert (found.status, found.unclear, found.attempts) == (OutcomeStatus.FAILED, True, 2)
    assert slow.sent == [0.0, 30.0]
    assert slow.time.now == 60.0, "the second one was waited for, too"


def test_the_looks_become_rarer() -> None:
    slow = Slow(Ticking(), [CUT], does=lambda call: call > 1)
    settle(slow, step("create-campaign"))
    assert slow.looks == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 23.5, 30.0]


def test_a_list_that_can_not_be_read_is_read_again_and_then_nobody_knows() -> None:
    slow = Slow(Ticking(), [CUT], unread_until=20)
    assert settle(slow, step("create-campaign")).created == "id-1"
    slow = Slow(Ticking(), [CUT], unread_until=100)
    found = settle(slow, step("create-campaign"))
    assert (found.status, found.unclear, len(slow.sent)) == (OutcomeStatus.UNKNOWN, True, 1)
    assert "whether that made it can't be read: GET /x: the list can't be read as a whole" in found.message


def test_a_lag_beyond_the_settle_time_is_named_once_both_are_seen() -> None:
    slow = Slow(Ticking(5), [CUT, CUT], lag=7)
    found = settle(slow, step("create-campaign"))
    assert (found.status, found.created) == (OutcomeStatus.DONE, "id-1"), (
        "the first one shows up during the second"
    )
    slow = Slow(Ticking(5), [CUT, CUT], lag=0, does=lambda call: call == 1)
    slow.made = {"other": 0.0}
    found = settle(slow, step("create-campaign"))
    assert (found.status, found.unclear, found.message) == (
        OutcomeStatus.FAILED,
        True,
        "there are 2: other and id-1",
    )


def test_what_is_surely_not_executed_costs_no_wait() -> None:
    slow = Slow(Ticking(), [BUSY, BUSY])
    found = settle(slow, step("create-campaign"))
    assert (found.status, found.attempts, slow.looks, slow.time.now) == (OutcomeStatus.DONE, 3, [], 0.0)


def test_a_no_after_a_doubt_is_looked_into() -> None:
    slow = Slow(Ticking(10), [CUT, NO], lag=12)
    found = settle(slow, step("create-campaign"))
    assert (found.status, found.created) == (OutcomeStatus.DONE, "id-1"), (
        "it was refused, because it is there"
    )
    slow = Slow(Ticking(10), [CUT, NO], does=lambda call: False)
    found = settle(slow, step("create-campaign"))
    assert (found.status, found.unclear, found.message) == (
        OutcomeStatus.FAILED,
        True,
        "POST /x: 409 there is one",
    )


def test_a_plain_no_is_a_no() -> None:
    slow = Slow(Ticking(), [NO])
    found = settle(slow, step("create-campaign"))
    assert (found.status, found.unclear, slow.looks) == (OutcomeStatus.FAILED, False, [])


def test_the_servers_own_wait_is_kept_beyond_the_settle_time() -> None:
    answer = Unclear("503 busy", request="POST /x", status=503, retry_after=45.0)
    slow = Slow(Ticking(10), [answer], does=lambda call: call > 1)
    asked: list[Any] = []

    async def body() -> Outcome:
        def delay(attempts: int, after: float | None, waited: float) -> float | None:
            asked.append(after)
            return after

        retrier = Retrier(slow, delay, slow.time.settling)  # type: ignore[arg-type]
        return await retrier.settle(step("create-campaign"), Bindings(), asyncio.Event())

    assert run(body()).created == "id-2"
    assert asked == [35.0]
    assert slow.sent == [0.0, 45.0]


@pytest.mark.parametrize("lag", [0, 5])
def test_interrupted_nobody_waits(lag: float) -> None:
    slow, stop = Slow(Ticking(), [CUT], lag), asyncio.Event()
    stop.set()
    told: list[Doubt] = []
    found = settle(slow, step("create-campaign"), told, stop)
    assert slow.time.now == 0.0
    assert told == []
    if lag:
        assert (found.status, found.unclear) == (OutcomeStatus.FAILED, True)
        assert found.message.endswith(NOT_AGAIN)
    else:
        assert found.created == "id-1"


def test_interrupted_while_it_looks_it_looks_no_longer() -> None:
    stop = asyncio.Event()
    slow = Slow(Ticking(), [CUT], 20)
    told: list[Doubt] = []

    async def body() -> Outcome:
        def hear(doubt: Doubt) -> None:
            told.append(doubt)
            stop.set()

        retrier = Retrier(slow, no_delay, slow.time.settling, hear)  # type: ignore[arg-type]
        return await retrier.settle(step("create-campaign"), Bindings(), stop)

    found = run(body())
    assert found.message.endswith(NOT_AGAIN)
    assert len(slow.sent) == 1


@pytest.mark.parametrize(
    ("operation", "what"), [("create-campaign", "Campaign/line-3"), ("upload-package", "fw.bin")]
)
def test_a_wait_is_told(operation: str, what: str) -> None:
    told: list[Doubt] = []
    settle(Slow(Ticking(12), [CUT]), step(operation), told)
    assert told == [Doubt(what, Missing.MAY_BE_MADE, 12)]
    told.clear()
    settle(Slow(Ticking(12), []), step(operation), told)
    assert told == []


def test_who_may_not_look_does_not_look_again() -> None:
    slow = Slow(Ticking(), [CUT])

    async def forbidden(step: Step, bindings: Bindings) -> Readback:
        slow.looks.append(slow.time.now)
        raise Refused("403 forbidden", request="GET /x", status=403)

    slow.verify = forbidden  # type: ignore[method-assign]
    assert settle(slow, step("upload-package")).status is OutcomeStatus.UNKNOWN
    assert slow.looks == [0.0]
