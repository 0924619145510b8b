"""Whoever is cancelled ends so: at any moment, and whatever fails at the same one."""

import ast
import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply import apply_plan
from reconciler.apply.closing import Closing
from reconciler.apply.patience import stopped
from reconciler.apply.retrier import Retrier
from reconciler.model import OutcomeStatus, Step
from reconciler.pool import all_of, both, concurrently, ended, in_order
from reconciler.providers.base import Bindings, Result
from tests.apply.apply_script import (
    AT_ONCE,
    CAMPAIGN,
    Script,
    campaign,
    group,
    no_delay,
    plan,
    remembering,
    step,
)

PACKAGE = Path(__file__).parents[2] / "reconciler"
STEPS = 60
"""More turns of the loop than any of these needs."""


def breaking(turns: int) -> Callable[[object], Coroutine[Any, Any, None]]:
    """Work that fails after some turns of the loop, and when it is cancelled."""

    async def work(item: object) -> None:
        try:
            for _ in range(turns + (hash(item) % 3)):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            raise OSError("it was at it") from None
        raise ValueError("it failed")

    return work


async def in_a_group() -> None:
    await all_of(map(breaking(2), range(3)))


async def two() -> None:
    await both(breaking(1)(1), breaking(2)(2))


async def that_ends_another() -> None:
    await asyncio.sleep(0)
    await ended(asyncio.ensure_future(breaking(3)(1)), asyncio.ensure_future(asyncio.sleep(0)))


async def that_waits() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(stop.set))
    await stopped(stop, 60)


async def that_waits_for_a_calendar() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(stop.set))
    await Closing(stop, 60, lambda: 0).wait()


async def that_repeats() -> None:
    writes = Script({"add-gateways": "429 429 cut ok"}, {"add-gateways": "nothing"})
    await Retrier(writes, no_delay, AT_ONCE).settle(step("add-gateways"), Bindings(), asyncio.Event())


WORK: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
    "a group": in_a_group,
    "two": two,
    "many items": lambda: concurrently(range(5), breaking(1), limit=2),
    "groups in groups": lambda: concurrently(range(2), lambda _: in_a_group(), limit=2),
    "ending another": that_ends_another,
    "a wait": that_waits,
    "a wait for a calendar": that_waits_for_a_calendar,
    "repetitions": that_repeats,
}


@pytest.mark.parametrize("what", WORK)
def test_at_any_moment(what: str) -> None:
    async def cancelled_after(turns: int) -> bool:
        task = asyncio.ensure_future(WORK[what]())
        for _ in range(turns):
            await asyncio.sleep(0)
        if task.done():
            task.exception()
            return False
        task.cancel()
        await asyncio.wait([task], timeout=20)
        assert task.done(), f"cancelled after {turns} turns it hangs"
        assert task.cancelled(), f"cancelled after {turns} turns it ended with {task.exception()!r}"
        return True

    moments = [turns for turns in range(STEPS) if asyncio.run(cancelled_after(turns))]
    assert len(moments) > 2
    assert moments == list(range(len(moments)))


@pytest.mark.parametrize("turns", range(20))
def test_an_apply_ends_though_a_call_fails_at_that_moment(turns: int) -> None:
    """It once waited for ever: a worker that lost its cancellation to an error waited for the others."""
    steps = [group("create-campaign", campaign(name)) for name in ("line-1", "line-2")]
    after = [group("add-gateways", each.action.resource, gateways="a", needs=[each.key]) for each in steps]
    last = group("start-campaign", CAMPAIGN, needs=[each.key for each in after])

    class Failing(Script):
        async def run(self, step: Step, bindings: Bindings) -> Result:
            if step.resource.name == "line-1":
                await concurrently(range(2), breaking(turns % 4), limit=2)
            return await asyncio.sleep(60, Result(OutcomeStatus.DONE))

    async def run() -> None:
        work = apply_plan(plan(*steps, *after, last), Failing(), remembering(), delay=no_delay, parallelism=3)
        task = asyncio.ensure_future(work)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=20)
        assert task.done(), "it hangs"
        assert task.cancelled()

    asyncio.run(run())


def hiding(source: str) -> Iterable[int]:
    """Lines that suppress a cancellation, which may be one's own."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            yield from (node.lineno for each in node.args if "CancelledError" in ast.unparse(each))


def test_nobody_suppresses_a_cancellation() -> None:
    assert list(hiding("with suppress(asyncio.CancelledError):\n    await task")) == [1]
    found = {path: list(hiding(path.read_text(encoding="utf-8"))) for path in PACKAGE.rglob("*.py")}
    assert {path: lines for path, lines in found.items() if lines} == {}


# --- nobody leaves before those that work for it --------------------------------------------------------


class Slow:
    """Work that takes a while to end when it is cancelled, and then fails."""

    def __init__(self) -> None:
        self.over: list[object] = []

    async def __call__(self, item: object) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            for _ in range(5):
                await asyncio.sleep(0)
            self.over.append(item)
            raise OSError("it could not clean up") from None
        return "never"


async def in_turn(slow: Slow) -> None:
    async with aclosing(in_order(range(3), slow, limit=3)) as answers:
        taken = asyncio.ensure_future(anext(answers))
        for _ in range(3):
            await asyncio.sleep(0)
        await ended(taken)


async def at_once(slow: Slow) -> None:
    async def work(item: object) -> str:
        if item == 3:
            await asyncio.sleep(0)
            raise ValueError("it failed")
        return await slow(item)

    with pytest.raises(ValueError, match="it failed"):
        await all_of(map(work, range(4)))


async def told_twice(slow: Slow) -> None:
    task = asyncio.ensure_future(all_of(map(slow, range(3))))
    for _ in range(4):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("way", [in_turn, at_once, told_twice])
def test_who_works_for_others_is_over_before_they_are(
    way: Callable[[Slow], Coroutine[Any, Any, None]],
) -> None:
    lost: list[object] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
        slow = Slow()
        await way(slow)
        assert sorted(slow.over, key=str) == [0, 1, 2]
        gc.collect()

    asyncio.run(run())
    assert lost == [], "errors of those that were ended are nobody's business"


def test_both_come_in_their_order() -> None:
    async def run() -> tuple[int, str]:
        return await both(asyncio.sleep(0.001, 1), asyncio.sleep(0, "two"))

    assert asyncio.run(run()) == (1, "two")
