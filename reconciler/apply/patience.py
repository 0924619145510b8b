"""What a step waits for: another try, an answer to come true, a thing that the server doesn't show yet.

Tests: `tests/apply/test_apply_doubt.py`, `tests/apply/test_apply_newborn.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.errors import ReconcilerError, Refusal, Refused
from reconciler.model import (
    CreateCampaign,
    PendingUpload,
    ResourceId,
    Step,
    UploadPackage,
    carried_by,
    target_of,
)
from reconciler.pacing import Settling, Sleep
from reconciler.pool import ended

Delay = Callable[[int, float | None, float], float | None]
"""(attempts so far, seconds the server asked for, seconds waited so far) → seconds to wait, None: give up."""


def words(error: ReconcilerError) -> str:
    """What an error says, and what to do."""
    if not error.hint:
        return error.message
    return f"{error.message.rstrip('.')}. {error.hint[0].upper()}{error.hint[1:]}"


async def stopped(stop: asyncio.Event, seconds: float, sleep: Sleep = asyncio.sleep) -> bool:
    """Wait `seconds`, or only until `stop` is set; whether it is."""

    async def over() -> None:
        await sleep(seconds)

    waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(over())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await ended(*waits)
    return stop.is_set()


@dataclass(frozen=True, slots=True)
class Newborns:
    """What this run made, and when: a server may show it, or answer for its id, only after a while."""

    settling: Settling
    _made: dict[ResourceId | str, float] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        """The server just gave an id for what `step` makes."""
        made = step.action.file.sha256 if isinstance(step.action, UploadPackage) else step.resource
        self._made[made] = self.settling.clock()

    def seen(self, resource: ResourceId, seconds: float) -> None:
        """Somebody else made the campaign of `resource`: for `seconds` yet it may not be shown."""
        self._made[resource] = self.settling.clock() + seconds - self.settling.seconds

    def left(self, step: Step, error: ReconcilerError) -> float | None:
        """For how many seconds yet `error` may only say that what `step` is about isn't shown; else None."""
        if not isinstance(error, Refused) or Refusal.NO_SUCH_OBJECT not in error.meaning:
            return None
        return self.young(step)

    def young(self, step: Step) -> float | None:
        """For how many seconds yet what `step` is about, or brings, may not be shown; None: it is."""
        about: list[ResourceId | str] = [
            package.sha256 for package in carried_by(step.action) if isinstance(package, PendingUpload)
        ]
        if target_of(step.action) is None and not isinstance(step.action, CreateCampaign | UploadPackage):
            about.append(step.resource)
        since = max((self._made[each] for each in about if each in self._made), default=None)
        left = None if since is None else since + self.settling.seconds - self.settling.clock()
        return left if left is not None and left > 0 else None
