"""Bounded concurrency: a few workers over many items."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")
Output = TypeVar("Output")


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

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(limit, len(unique))):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise _first(errors) from None
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
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error that isn't itself a group."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
