"""How often a read is tried, and how long it waits, whatever it meets: `tests/golden/http-patience.txt`."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reconciler.errors import NotExecuted, Refused, ServerError, Unauthorized, Unclear
from reconciler.pacing import Backoff
from reconciler.providers.http.sender import NotPrepared, Overtaken, Sender
from reconciler.providers.http.transport import CannotConnect, Request, TooMuch
from reconciler.providers.pulse.entry import STATUSES
from tests.providers.canned_server import Canned, Waits, answer
from tests.providers.told import grouped

FAULTS: dict[str, Exception] = {
    "cut": Unclear("cut", request="r"),
    "503": Unclear("busy", request="r", status=503),
    "199": Unclear("odd", request="r", status=199),
    "300": Unclear("odd", request="r", status=300),
    "unreadable": Unclear("odd", request="r", status=200),
    "unreadable, and to wait for": Unclear("odd", request="r", status=299, retry_after=3.0),
    "not sent": NotExecuted("no", request="r"),
    "to wait for": NotExecuted("later", request="r", status=429, retry_after=120.0),
    "to wait for too long": NotExecuted("later", request="r", status=429, retry_after=301.0),
    "too old": Overtaken("old", request="r"),
    "not prepared": NotPrepared(Unclear("cut", request="r")),
    "too large": TooMuch("large", request="r"),
    "refused": Refused("no", request="r", status=404),
    "unauthorized": Unauthorized("no", request="r", status=401),
    "of another shape": ServerError("odd", request="r", status=200),
    "a bug": ValueError("bug"),
    **{f"no connection, worth {n}": CannotConnect("no", request="r", tries=n) for n in (1, 2, 3)},
}


def _tried(
    *met: Exception | None, reached: bool = True, takes: float = 0.0, budget: float = 300.0, answers: int = 0
) -> list[str]:
    """What comes of a read that meets these, the last one for ever; each attempt takes so many seconds.

    `reached`: whether an answer ever came; `answers`: after so many attempts one does.
    """
    waits, tries = Waits(), 0
    backoff = Backoff(random=lambda: 1.0, budget=budget)
    canned = Canned(answer(b""))
    sender = Sender(canned, STATUSES, backoff=backoff, clock=waits.clock, sleep=waits.sleep)

    async def attempt() -> str:
        nonlocal tries
        tries += 1
        waits.now += takes
        fault = met[min(tries, len(met)) - 1]
        if tries == answers:
            await sender.once("y", Request("GET", "/y"))
        if fault is not None:
            raise fault
        return "done"

    async def main() -> str:
        if reached:
            await sender.once("x", Request("GET", "/x"))
        try:
            return await sender.persistently(attempt)
        except Exception as error:  # noqa: BLE001 - also a bug
            return f"{type(error).__name__} {error}"

    ended = asyncio.run(main())
    return [f"{tries} tries, waits {' '.join(f'{each:g}' for each in waits.slept) or 'no time'}: {ended}"]


def test_a_read_is_patient_where_nobody_says_how() -> None:
    waits, tries = Waits(), 0
    sender = Sender(Canned(answer(b"")), STATUSES, clock=waits.clock, sleep=waits.sleep)

    async def attempt() -> None:
        nonlocal tries
        tries += 1
        raise FAULTS["cut"]

    with pytest.raises(Unclear):
        asyncio.run(sender.persistently(attempt))
    assert tries == len(waits.slept) + 1 == 8


def _cases() -> Iterator[tuple[str, list[str]]]:
    for name, fault in FAULTS.items():
        yield f"{name}", _tried(fault)
        yield f"{name}, before any answer", _tried(fault, reached=False)
        yield f"{name}, before any answer but one meanwhile", _tried(fault, reached=False, answers=1)
        yield f"{name} once", _tried(fault, None)
        for takes in (15.0, 15.1, 31.0):
            yield f"{name}, each after {takes:g} s", _tried(fault, takes=takes)
        yield f"{name}, each after 2.5 s, of 5 s in all", _tried(fault, takes=2.5, budget=5.0)
        yield f"{name}, after a cut", _tried(FAULTS["cut"], fault)


def test_how_often_a_read_is_tried(golden: Callable[[str, str], Any]) -> None:
    golden("http-patience.txt", "".join(f"{line}\n" for line in grouped(_cases())))
