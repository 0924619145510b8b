"""What runs side by side: some things at once, or a few workers over many items.

Who is cancelled ends so, whatever happens at the same moment: a worker that lost its cancellation would wait
for the others for ever. The ways of the library that lose one are banned outside of this module.

Tests: `tests/pool/test_pool.py`, `tests/pool/test_pool_cancelled.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")
Output = TypeVar("Output")


async def all_of(work: Iterable[Awaitable[Output]]) -> list[Output]:
    """What each ends with, in order. The first error cancels the others, and is raised as it is."""
    tasks = [asyncio.ensure_future(each) for each in work]
    over: Collection[asyncio.Future[Output]] = ()
    try:
        if tasks:
            over, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await ended(*tasks)
    # What the others ended with when they were cancelled is no cause.
    for task in tasks:
        if task in over and not task.cancelled() and (error := task.exception()) is not None:
            raise error
    return [task.result() for task in tasks]


async def both(one: Coroutine[Any, Any, Item], other: Coroutine[Any, Any, Output]) -> tuple[Item, Output]:
    """The same, of two that give different things."""
    first, second = asyncio.ensure_future(one), asyncio.ensure_future(other)
    await all_of([first, second])
    return first.result(), second.result()


async def ended(*tasks: asyncio.Future[Any]) -> None:
    """Cancel `tasks`, and wait until they are over; what they end with doesn't matter any more."""
    for task in tasks:
        task.cancel()
    cancelled = False
    while left := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(left)
        except asyncio.CancelledError:
            cancelled = True  # nobody leaves before those that work for it
    for task in tasks:
        if not task.cancelled():
            task.exception()  # or asyncio would report it as lost
    if cancelled:
        raise asyncio.CancelledError


async def concurrently(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Output]], *, limit: int
) -> dict[Item, Output]:
    """Item → answer, in the order of `items`; at most `limit` at a time.

    The first error cancels what is under way and is raised as it is.
    """
    unique = tuple(dict.fromkeys(items))
    remaining = iter(unique)
    done: dict[Item, Output] = {}

    async def worker() -> None:
        for item in remaining:
            done[item] = await work(item)

    await all_of(worker() for _ in range(min(limit, len(unique))))
    return {item: done[item] for item in unique}


async def in_order(
    items: Iterable[Item], work: Callable[[Item], Coroutine[Any, Any, Output]], *, limit: int = 16
) -> AsyncGenerator[Output]:
    """The answers, one by one in the order of `items`; at most `limit` are made or wait to be taken.

    For answers that are too large to be held together. Close it (``aclosing``): what is still under way is
    cancelled then, and with the first error, which is raised as it is.
    """
    under_way: deque[asyncio.Task[Output]] = deque()
    try:
        for item in items:
            under_way.append(asyncio.create_task(work(item)))
            if len(under_way) == limit:
                yield await under_way.popleft()
        while under_way:
            yield await under_way.popleft()
    finally:
        await ended(*under_way)
