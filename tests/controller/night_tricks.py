"""What the night changes in a replica that is a process of its own: its clock is that of the server."""

import asyncio
import functools
import json
import urllib.request
from pathlib import Path

_POLL = 0.02


def night(url: str, marker: str) -> None:
    """The controller goes by the clock of the server at `url`.

    While it sleeps the file `marker` says until when, in epoch milliseconds.
    """
    from reconciler.controller import running

    asleep = Path(marker)

    def asked() -> int:
        with urllib.request.urlopen(f"{url}/_embedded/clock", timeout=30) as answer:
            return int(json.load(answer)["now"])

    now = asked()

    def say(wake: int) -> None:
        beside = asleep.with_suffix(".new")
        beside.write_text(str(wake))
        beside.replace(asleep)

    async def sleep(seconds: float) -> None:
        nonlocal now
        wake = now + round(seconds * 1000)
        say(wake)
        while (now := asked()) < wake:  # noqa: ASYNC110 - the clock is that of another process
            await asyncio.sleep(_POLL)
        say(0)

    running.Controller = functools.partial(running.Controller, clock=lambda: now / 1000, sleep=sleep)  # type: ignore[misc,assignment]
