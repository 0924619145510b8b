"""Questions on the terminal."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.cli.output import write
from reconciler.errors import ReconcilerError


def confirmed(question: str, *, refusal: str, hint: str) -> bool:
    """Whether the answer to `question` is *yes*; ReconcilerError(`refusal`) without a terminal to ask on."""
    if not sys.stdin.isatty():
        raise ReconcilerError(refusal, hint=hint)
    with interruptible():
        write([question], sys.stderr)
        return sys.stdin.readline().strip() == "yes"


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends a blocking read at once; asyncio would wait for the read to end by itself."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        task = asyncio.current_task()
        if task and task.cancelling():
            # It came a moment ago, and asyncio waits for the next await to tell.
            raise KeyboardInterrupt
        yield
    finally:
        signal.signal(signal.SIGINT, before)
