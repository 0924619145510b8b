"""A create or an upload until it is settled: never doubled because of an answer that was lost.

| answer       | then                                                                                |
|--------------|-------------------------------------------------------------------------------------|
| done         | done                                                                                |
| not executed | sent again                                                                          |
| unclear      | looked for until the settle time is over; if it isn't there then, sent again, once  |
| refused      | failed; after an unclear answer it is looked for, too: that call may have been done |

What is found is ours: before a create the name was free, and a package tells its content. Where the last look
can't be read nobody knows, and the outcome is *unknown*: the next run looks again.

Tests: `tests/apply/test_apply_doubt.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from reconciler.apply.bisection import NOT_AGAIN
from reconciler.apply.patience import Delay, Newborns, stopped, words
from reconciler.errors import NotExecuted, PartlyDone, ReconcilerError, Refused, ServerError, Unclear
from reconciler.model import Outcome, OutcomeStatus, Step, UploadPackage
from reconciler.model.doubts import Doubt, Missing, OnDoubt
from reconciler.pacing import Settling
from reconciler.providers.base import Bindings, Readback, Writes


@dataclass(frozen=True, slots=True)
class Maker:
    """Runs creates and uploads. `told` hears of every one that is looked for."""

    writes: Writes
    delay: Delay
    settling: Settling
    newborns: Newborns
    told: OnDoubt

    async def settle(self, step: Step, bindings: Bindings, stop: asyncio.Event) -> Outcome:
        """Run `step`. Never raises a ReconcilerError: it becomes the outcome."""
        tries = _Tries(self, step, bindings, stop)
        while (outcome := await tries.next()) is None:
            pass
        if outcome.settled:
            self.newborns.add(step)
        return outcome


@dataclass(slots=True)
class _Tries:
    """The attempts at one step."""

    making: Maker
    step: Step
    bindings: Bindings
    stop: asyncio.Event
    attempts: int = 0
    waited: float = 0.0
    unclear: bool = False
    """An answer was unclear."""
    again: bool = False
    """It was sent again after that."""

    async def next(self) -> Outcome | None:
        """Send the step; None when it is to be sent once more."""
        self.attempts += 1
        try:
            result = await self.making.writes.run(self.step, self.bindings)
        except ReconcilerError as error:
            failure = error
        else:
            return Outcome(self.step, result.status, result.message, self.attempts, result.created)
        if isinstance(failure, NotExecuted):
            wait = self.making.delay(self.attempts, failure.retry_after, self.waited)
            return await self._paused(failure, wait)
        if (left := self.making.newborns.left(self.step, failure)) is not None:
            return await self._paused(failure, min(left, self.making.settling.pause(self.attempts)))
        unclear = isinstance(failure, Unclear | PartlyDone)
        if isinstance(failure, ServerError) and (unclear or self.unclear):
            self.unclear = True
            return await self._doubted(failure)
        return self._ended(OutcomeStatus.FAILED, words(failure))

    async def _doubted(self, failure: ServerError) -> Outcome | None:
        """Look for it; what to do when it isn't there."""
        began = self.making.settling.clock()
        try:
            look = await self._looked()
        except ReconcilerError as error:
            return self._ended(OutcomeStatus.FAILED, words(error))
        if look.found:
            return Outcome(self.step, OutcomeStatus.DONE, "", self.attempts, look.found.created)
        if look.error:
            unseen = f"{failure.message}; whether that made it can't be read: {words(look.error)}"
            return self._ended(OutcomeStatus.UNKNOWN, unseen)
        if self.again or not isinstance(failure, Unclear):
            return self._ended(OutcomeStatus.FAILED, words(failure))
        self.again = True
        # Wait what the server asked for, less the time that the look took.
        rest = (failure.retry_after or 0.0) - (self.making.settling.clock() - began)
        wait = self.making.delay(self.attempts, rest, self.waited) if rest > 0 else 0.0
        return await self._paused(failure, wait)

    async def _looked(self) -> _Look:
        """The last look for what the step makes: it is there, or it would be by now.

        ReconcilerError when two could be it.
        """
        settling, action = self.making.settling, self.step.action

        async def sleep(seconds: float) -> None:
            await stopped(self.stop, seconds, settling.sleep)

        if settling.seconds and not self.stop.is_set():
            what = action.file.name if isinstance(action, UploadPackage) else str(action.resource)
            self.making.told(Doubt(what, Missing.MAY_BE_MADE, settling.seconds))
        look = _Look(self.making.writes, self.step, self.bindings, self.stop)
        await settling.until(look, sleep=sleep)
        return look

    async def _paused(self, failure: ReconcilerError, wait: float | None) -> Outcome | None:
        """Wait; the outcome where it isn't sent again."""
        if wait is None:
            return self._ended(OutcomeStatus.FAILED, words(failure))
        if self.stop.is_set() or (wait and await stopped(self.stop, wait, self.making.settling.sleep)):
            return self._ended(OutcomeStatus.FAILED, f"{words(failure)}; {NOT_AGAIN}")
        self.waited += wait
        return None

    def _ended(self, status: OutcomeStatus, message: str) -> Outcome:
        return Outcome(self.step, status, message, self.attempts, unclear=self.unclear)


@dataclass(slots=True)
class _Look:
    """Looks whether a step was done. Nobody waits for it once `stop` is set."""

    writes: Writes
    step: Step
    bindings: Bindings
    stop: asyncio.Event
    found: Readback | None = None
    error: ServerError | None = None
    """Why the last look didn't tell."""

    async def __call__(self) -> bool:
        self.error = None
        try:
            readback = await self.writes.verify(self.step, self.bindings)
        except ServerError as error:
            self.error = error
        else:
            self.found = readback if readback.done else None
        # Without the right to read, reading again won't help.
        return self.found is not None or isinstance(self.error, Refused) or self.stop.is_set()
