"""What `snapshot` and `export` share: a long reading that says how far it is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TextIO

from reconciler.providers.base import Provider
from reconciler.text import plural

SECONDS = 10.0
ON_A_TERMINAL = 0.5

Told = Callable[[int, int], None]
"""Tell how many campaigns of how many are read."""


@asynccontextmanager
async def counting(
    provider: Provider, *, stream: TextIO | None = None, seconds: float | None = None
) -> AsyncIterator[Told]:
    """Says on stderr how far it is: on a terminal one line that is redrawn, elsewhere a line now and then."""
    out = stream or sys.stderr
    terminal = out.isatty()
    done, total = 0, 0

    def told(read: int, of: int) -> None:
        nonlocal done, total
        done, total = read, of

    async def say() -> None:
        while True:
            await asyncio.sleep(seconds or (ON_A_TERMINAL if terminal else SECONDS))
            requests = plural(sum(provider.requests.values()), "request")
            line = f"{done:,} of {plural(total, 'campaign')} read, {requests} so far"
            out.write(f"\r\x1b[K{line}" if terminal else f"{line}\n")
            out.flush()

    saying = asyncio.create_task(say())
    try:
        yield told
    finally:
        saying.cancel()
        with suppress(asyncio.CancelledError):
            await saying
        if terminal:
            out.write("\r\x1b[K")
            out.flush()
