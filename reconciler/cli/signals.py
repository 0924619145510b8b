"""Ctrl-C and SIGTERM, which mean the same.

| while a run                   | the first                                                | the second |
|-------------------------------|----------------------------------------------------------|------------|
| asks the server, saves        | it ends as soon as it waits for anything, and unlocks    | at once    |
| applies                       | what is in flight is finished; then it saves and says so | at once    |
| waits for a lock or an answer | at once                                                  |            |
| does anything else            | at once                                                  |            |

At once is a KeyboardInterrupt: what is in flight is dropped, and the next apply looks what became of it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

_T = TypeVar("_T")

_KINDS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def _handled(handler: Callable[..., object]) -> Iterator[None]:
    """Signals go to `handler`, but for one that this process was told to ignore."""
    before: dict[signal.Signals, Any] = {}
    # Signals belong to the main thread.
    with suppress(ValueError):
        for kind in _KINDS:
            if signal.getsignal(kind) not in (signal.SIG_IGN, None):
                before[kind] = signal.signal(kind, handler)
    try:
        yield
    finally:
        for kind, handled in before.items():
            signal.signal(kind, handled)


@contextmanager
def interrupting() -> Iterator[None]:
    """A signal ends the block at once."""
    with _handled(signal.default_int_handler):
        yield


async def ended_by_signals(main: Coroutine[Any, Any, _T]) -> _T:
    """What `main` gives; KeyboardInterrupt when a signal ended it."""
    import asyncio

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    told = False

    def on_signal(*_: object) -> None:
        nonlocal told
        if told:
            raise KeyboardInterrupt
        told = True
        task.cancel()
        # It may be asleep.
        loop.call_soon_threadsafe(lambda: None)

    with _handled(on_signal):
        try:
            return await main
        except asyncio.CancelledError:
            if told:
                raise KeyboardInterrupt from None
            raise


@contextmanager
def interruptible() -> Iterator[None]:
    """The same for what blocks an event loop, which would wait for its end."""
    import asyncio

    with interrupting():
        task = asyncio.current_task()
        if task and task.cancelling():
            # It came a moment ago, and is told only at the next await.
            raise KeyboardInterrupt
        yield


@contextmanager
def stopping() -> Iterator[asyncio.Event]:
    """An event that the first signal sets."""
    import asyncio

    from reconciler.cli.output import say

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    told = False

    def on_signal(*_: object) -> None:
        nonlocal told
        if told:
            raise KeyboardInterrupt
        told = True
        loop.call_soon_threadsafe(tell)

    def tell() -> None:
        stop.set()
        say("stopping: what is in flight is finished, nothing new is begun; once more to end at once")

    with _handled(on_signal):
        yield stop
