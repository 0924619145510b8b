"""The time in which a step may be sent: its end is like an interruption."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from reconciler.apply.closing import CLOSED, Closing
from reconciler.model import Outcome, OutcomeStatus, Step
from reconciler.providers.base import Provider
from tests.apply.apply_script import SERVER, Script, apply, group, plan
from tests.fakes import PULSE


def test_it_is_over_from_its_end_on() -> None:
    clock = [9.9]
    closing = Closing(asyncio.Event(), 10.0, lambda: clock[0])
    assert (closing.over, closing.is_set()) == (False, False)
    clock[0] = 10.0
    assert (closing.over, closing.is_set()) == (True, True)


def test_an_interruption_sets_it_too() -> None:
    async def body() -> None:
        stop = asyncio.Event()
        closing = Closing(stop, 10.0, lambda: 0.0)
        waiting = asyncio.create_task(closing.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        stop.set()
        assert await asyncio.wait_for(waiting, 5) is True
        assert (closing.over, closing.is_set()) == (False, True)

    asyncio.run(body())


def test_whoever_waits_goes_on_when_it_is_over() -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        closing = Closing(asyncio.Event(), 0.02, lambda: loop.time() - begin)
        assert await asyncio.wait_for(closing.wait(), 5) is True
        assert closing.over

    asyncio.run(body())


# --- in a run -----------------------------------------------------------------------------------------


def ran(
    said: str = "ok", *, now: float, there: float | None = None, later: float | None = None, **values: Any
) -> Outcome:
    """What becomes of a step that may be sent until 10; `later`: the time once the call is on its way."""
    clock, operation = [now], values.pop("operation", "start-campaign")

    async def gate(step: Step) -> None:
        clock[0] = now if later is None else later

    script = Script({operation: said}, gate=gate)
    source = Provider(
        SERVER,
        PULSE,
        reads=None,  # type: ignore[arg-type]
        writes=script,
        questions=None,  # type: ignore[arg-type]
        ahead=lambda: None if there is None else there - time.time(),
    )
    start = replace(group(operation, target="c-1", **values), not_after=10_000)
    [outcome] = apply(plan(start), script, source=source, now=lambda: clock[0]).outcomes
    assert len(script.calls) == outcome.attempts
    return outcome


@pytest.mark.parametrize(
    ("now", "there", "sent"),
    [
        (9.999, None, True),
        (10.0, None, False),
        (10.001, None, False),
        (9.0, 9.5, True),
        (9.0, 10.5, False),
        (10.0, 9.0, False),
    ],
)
def test_nothing_is_sent_once_it_has_closed_by_either_clock(
    now: float, there: float | None, sent: bool
) -> None:
    found = ran(now=now, there=there)
    if sent:
        assert (found.status, found.message, found.attempts) == (OutcomeStatus.DONE, "", 1)
    else:
        assert (found.status, found.message, found.attempts) == (OutcomeStatus.WAITING, CLOSED, 0)


@pytest.mark.parametrize(
    ("said", "later", "status", "message"),
    [
        ("ok", 10.0, OutcomeStatus.DONE, ""),
        ("429 ok", 9.0, OutcomeStatus.DONE, ""),
        ("429 ok", 10.0, OutcomeStatus.WAITING, f"PUT /x: too many requests; {CLOSED}"),
        ("400", 10.0, OutcomeStatus.FAILED, "PUT /x: no"),
    ],
)
def test_what_is_not_sent_again_as_it_has_closed_waits(
    said: str, later: float, status: OutcomeStatus, message: str
) -> None:
    found = ran(said, now=9.0, later=later)
    assert (found.status, found.message) == (status, message)


def test_what_may_have_happened_is_no_step_that_waits() -> None:
    windows: dict[str, Any] = {"operation": "schedule-download", "gateways": ["a"], "per_call": 1}
    found = ran("cut ok", now=9.0, later=10.0, **windows)
    assert (found.status, found.unclear) == (OutcomeStatus.FAILED, True)
    assert CLOSED not in found.message
    assert ran("429 ok", now=9.0, later=10.0, **windows).status is OutcomeStatus.WAITING


def test_the_start_that_closes_a_bracket_waits_too_where_it_may_be_sent_no_more() -> None:
    assert ran(now=10.0, bracket=True).status is OutcomeStatus.WAITING
    assert ran(now=9.0, bracket=True).status is OutcomeStatus.DONE
