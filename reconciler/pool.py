"""Bounded concurrency: a few workers over many items."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


async def concurrently(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Answer]], *, limit: int = 32
) -> dict[Item, Answer]:
    """Item → answer, in the order of `items`; at most `limit` at a time.

    The first error cancels what is under way and is raised as it is.
    """
    unique = tuple(dict.fromkeys(items))
    remaining = iter(unique)
    done: dict[Item, Answer] = {}

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


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error that isn't itself a group."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
