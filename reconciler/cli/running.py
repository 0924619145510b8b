"""How a command runs in this process: its event loop, its log, the person at the terminal, and signals.

Ctrl-C, SIGTERM and a hang-up (SIGHUP) mean the same:

| while a run                   | the first                                                | the second |
|-------------------------------|----------------------------------------------------------|------------|
| asks the server, saves        | it ends as soon as it waits for anything, and unlocks    | at once    |
| applies                       | what is in flight is finished; then it saves and says so | at once    |
| waits for a lock or an answer | at once                                                  |            |
| does anything else            | at once                                                  |            |

A hang-up is never the second: the shell and the system send it one after the other.

At once is a KeyboardInterrupt: what is in flight is dropped, and the next apply looks what became of it.

Tests: `tests/cli/test_cli_apply.py`, `tests/e2e/test_e2e_signals.py`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from reconciler.cli.flags import Flags
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    import asyncio

    from reconciler.app.caller import Question
    from reconciler.app.workspace import Workspace
    from reconciler.settings import Engine

_T = TypeVar("_T")


def workspace(flags: Flags, paths: tuple[str, ...] = ()) -> Workspace:
    """Where this command runs, as its flags and `paths` say."""
    from reconciler.app.workspace import Workspace

    environ = dict(os.environ)
    return Workspace(
        Path.cwd(), environ, flags.project, flags.environment, flags.url, flags.state, paths, Terminal()
    )


def command_name() -> str:
    """The command that runs, as the audit log calls it: ``campaign stop``."""
    return click.get_current_context().command_path.partition(" ")[2]


# --- the event loop ------------------------------------------------------------------------------


def run(flags: Flags, main: Coroutine[Any, Any, _T], *, engine: Engine | None = None) -> _T:
    """Run `main`; with ``--verbose`` the log goes to stderr."""
    from reconciler.app.workspace import event_loop

    with _logging() if flags.verbose else nullcontext(), event_loop(engine) as runner:
        return runner.run(ended_by_signals(main))


@contextmanager
def _logging() -> Iterator[None]:
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("reconciler")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


# --- the person at the terminal ------------------------------------------------------------------


class Terminal:
    """A `reconciler.app.caller.Caller`: a person at the terminal, and the signals of this process."""

    def ask(self, question: Question) -> bool:
        """See `Caller.ask`."""
        return confirmed(question)

    def blocking(self) -> AbstractContextManager[None]:
        """See `Caller.blocking`."""
        return interruptible()

    def stopping(self) -> AbstractContextManager[asyncio.Event]:
        """See `Caller.stopping`."""
        return stopping()


def confirmed(question: Question) -> bool:
    """Whether the answer is *yes*; ReconcilerError without a terminal to ask on."""
    from reconciler.cli.output import width_of
    from reconciler.report.lines import fitted

    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        raise ReconcilerError(question.refusal, hint=question.hint)
    with interruptible():
        lines = fitted(question.text.strip().split("\n"), width_of(sys.stderr))
        return typed("\n".join(lines)).strip() == "yes"


def typed(question: str) -> str:
    """The line that a person types at the terminal, with its end; empty when there is none to come."""
    from reconciler.cli.output import write

    write([question, " "], sys.stderr)
    _until_answered(sys.stdin)
    return sys.stdin.readline()


def _until_answered(stdin: TextIO) -> None:
    """Wait in short spells: a signal that comes just before a long one would be heard only after it."""
    import select

    with suppress(OSError, ValueError):  # not everywhere, and not everything, can be waited for so
        while not select.select([stdin], [], [], _SPELL)[0]:
            pass


# --- signals -------------------------------------------------------------------------------------

_HANG_UP = getattr(signal, "SIGHUP", None)
_KINDS = (signal.SIGINT, signal.SIGTERM, *([] if _HANG_UP is None else [_HANG_UP]))
_SPELL = 0.2
"""Seconds."""


@contextmanager
def _handled(handler: Callable[..., object]) -> Iterator[None]:
    """Signals go to `handler`, except for one that this process was told to ignore."""
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
def _first_and_second(first: Callable[[], object]) -> Iterator[Callable[[], bool]]:
    """The first signal calls `first`, and a second one ends the block at once. Gives whether one came."""
    told = False

    def on_signal(kind: int, _: object) -> None:
        nonlocal told
        if not told:
            told = True
            first()
        elif kind != _HANG_UP:
            raise KeyboardInterrupt

    with _handled(on_signal):
        yield lambda: told


@contextmanager
def interrupting() -> Iterator[None]:
    """A signal ends the block at once."""

    def end() -> None:
        raise KeyboardInterrupt

    with _first_and_second(end):
        yield


async def ended_by_signals(main: Coroutine[Any, Any, _T]) -> _T:
    """What `main` gives; KeyboardInterrupt when a signal ended it."""
    import asyncio

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def end() -> None:
        task.cancel()
        # Wakes the loop, which may be sleeping.
        loop.call_soon_threadsafe(lambda: None)

    with _first_and_second(end) as told:
        try:
            return await main
        except asyncio.CancelledError:
            if told():
                raise KeyboardInterrupt from None
            raise


@contextmanager
def interruptible() -> Iterator[None]:
    """The same for what blocks an event loop, which would wait for its end."""
    import asyncio

    with interrupting():
        task = None
        with suppress(RuntimeError):  # no loop runs yet: there is nothing to end but the block
            task = asyncio.current_task()
        if task and task.cancelling():
            # The cancellation came a moment ago and would only be raised at the next await.
            raise KeyboardInterrupt
        yield


@contextmanager
def stopping() -> Iterator[asyncio.Event]:
    """An event that the first signal sets."""
    import asyncio

    from reconciler.cli.output import say, write
    from reconciler.report.terminal import ANEW

    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        stop.set()
        if sys.stderr.isatty():
            write([ANEW], sys.stderr)  # a bar stands there, and what the keys were
        say("stopping: what is in flight is finished, nothing new is begun; once more to end at once")

    with _first_and_second(lambda: loop.call_soon_threadsafe(tell)):
        yield stop
