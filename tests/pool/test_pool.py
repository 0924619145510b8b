"""Many items, a few workers."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.pool import concurrently, in_order

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; what hangs is an error."""
    return asyncio.run(asyncio.wait_for(work, 20))


def patient(turns: Callable[[int], int], seen: list[int]) -> Callable[[int], Awaitable[str]]:
    """Work that takes `turns` of the loop; `seen` gets how many were at it."""
    flying = 0

    async def work(item: int) -> str:
        nonlocal flying
        flying += 1
        seen.append(flying)
        for _ in range(turns(item)):
            await asyncio.sleep(0)
        flying -= 1
        return f"answer {item}"

    return work


def test_no_items_no_work() -> None:
    async def work(item: int) -> None:
        raise AssertionError("there is nothing to do")

    assert run(concurrently([], work, limit=4)) == {}


@given(
    items=st.lists(st.integers(0, 20)),
    limit=st.integers(1, 6),
    turns=st.lists(st.integers(0, 4), min_size=21, max_size=21),
)
def test_answers_stand_in_the_order_of_the_items(items: list[int], limit: int, turns: list[int]) -> None:
    seen: list[int] = []
    answers = run(concurrently(iter(items), patient(turns.__getitem__, seen), limit=limit))
    unique = list(dict.fromkeys(items))
    assert list(answers.items()) == [(item, f"answer {item}") for item in unique]
    assert len(seen) == len(unique), "an item that comes twice is asked once"
    assert max(seen, default=0) <= limit


@pytest.mark.parametrize(("items", "limit", "at_once"), [(10, 4, 4), (3, 4, 3), (40, 32, 32)])
def test_as_many_at_once_as_may_be(items: int, limit: int, at_once: int) -> None:
    seen: list[int] = []
    run(concurrently(range(items), patient(lambda _: 3, seen), limit=limit))
    assert max(seen) == at_once


def test_the_first_error_comes_out_as_it_is_and_cancels_the_others() -> None:
    cancelled: list[int] = []
    started: list[int] = []
    broken = ValueError("item 1")

    async def work(item: int) -> None:
        started.append(item)
        if item == 1:
            raise broken
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(item)
            raise

    with pytest.raises(ValueError, match="item 1") as caught:
        run(concurrently(range(10), work, limit=3))
    assert caught.value is broken
    assert caught.value.__context__ is None
    assert started == [0, 1, 2]
    assert sorted(cancelled) == [0, 2]


def test_of_several_errors_the_first_comes_out() -> None:
    async def work(item: int) -> None:
        try:
            await asyncio.sleep(0)
            if item == 2:
                raise KeyError("first")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("while it was cleaning up") from None

    with pytest.raises(KeyError, match="first"):
        run(concurrently(range(4), work, limit=4))


def test_cancelled_from_outside_so_is_the_work() -> None:
    cancelled: list[int] = []

    async def body() -> None:
        started = asyncio.Event()

        async def work(item: int) -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(item)
                raise

        task = asyncio.create_task(concurrently([1, 2], work, limit=4))
        await started.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(body())
    assert sorted(cancelled) == [1, 2]


# --- one by one -----------------------------------------------------------------------------------------


async def taken(items: list[int], limit: int, turns: Callable[[int], int], seen: list[int]) -> list[str]:
    async with aclosing(in_order(items, patient(turns, seen), limit=limit)) as answers:
        return [answer async for answer in answers]


@given(
    items=st.lists(st.integers(0, 20)),
    limit=st.integers(1, 6),
    turns=st.lists(st.integers(0, 4), min_size=21, max_size=21),
)
def test_answers_come_in_the_order_of_the_items(items: list[int], limit: int, turns: list[int]) -> None:
    seen: list[int] = []
    assert run(taken(items, limit, turns.__getitem__, seen)) == [f"answer {item}" for item in items]
    assert max(seen, default=0) <= limit


@pytest.mark.parametrize(("limit", "at_once"), [(3, 3), (1, 1), (None, 16)])
def test_no_more_than_so_many_wait_to_be_taken(limit: int | None, at_once: int) -> None:
    async def body() -> None:
        begun: list[int] = []

        async def work(item: int) -> int:
            begun.append(item)
            return item

        how = {} if limit is None else {"limit": limit}
        async with aclosing(in_order(range(100), work, **how)) as answers:
            assert await anext(answers) == 0
            for _ in range(5):
                await asyncio.sleep(0)
            assert begun == list(range(at_once))

    run(body())


def test_an_error_comes_in_its_turn_and_ends_the_others() -> None:
    ended: list[int] = []

    async def work(item: int) -> int:
        try:
            if item == 2:
                raise ValueError("item 2")
            await (asyncio.sleep(0) if item < 2 else asyncio.Event().wait())
            return item
        finally:
            ended.append(item)

    async def body() -> None:
        async with aclosing(in_order(range(10), work, limit=4)) as answers:
            assert [await anext(answers), await anext(answers)] == [0, 1]
            with pytest.raises(ValueError, match="item 2"):
                await anext(answers)

    run(body())
    assert {0, 1, 2, 3} <= set(ended) < set(range(10)), "whoever had begun"
