"""One step until it is settled: what may be sent again, and when.

| answer       | idempotent | verify first                               | never          |
|--------------|------------|--------------------------------------------|----------------|
| done         | done       | done                                       | done           |
| not executed | send again | send again                                 | send again     |
| unclear      | send again | verify; send again only what didn't happen | *unknown*      |
| refused      | failed     | verify: perhaps it has already happened    | failed         |

A create or an upload goes its own way: see `Maker`. *There is no such thing*, said of what this run made, is
no refusal yet: servers show what is new with a delay, so that is waited out.
What nobody foresaw is unclear, and sent again once at most.
A batch of gateways that is refused for good goes out again in halves (`Bisection`). Of one that is partly
done, what the server shows is done; those that it names are failed, and no longer sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress

from reconciler.apply.bisection import NOT_AGAIN, Bisection, Tried, beside, divides, undone, without_named
from reconciler.apply.making import Maker
from reconciler.apply.patience import Delay, Newborns, stopped, words
from reconciler.errors import NotExecuted, PartlyDone, ReconcilerError, Refusal, Refused, Unclear, Unforeseen
from reconciler.model import (
    AddGateways,
    CloseGateways,
    CreateCampaign,
    Outcome,
    OutcomeStatus,
    RemoveGateways,
    Repeat,
    ResourceId,
    Step,
    UploadPackage,
)
from reconciler.model.doubts import OnDoubt, unheard
from reconciler.pacing import Settling
from reconciler.providers.base import Bindings, Readback, Result, Writes


class Retrier:
    """Runs steps, each until it is settled or given up. `told` hears of what is looked for.

    `peopled`: campaigns that took gateways in earlier runs.
    """

    def __init__(
        self,
        writes: Writes,
        delay: Delay,
        settling: Settling | None = None,
        told: OnDoubt = unheard,
        peopled: Collection[ResourceId] = (),
    ) -> None:
        self.writes = writes
        self.delay = delay
        self.bisection = Bisection(peopled)
        self._settling = settling or Settling()
        self.newborns = Newborns(self._settling)
        self._making = Maker(writes, delay, self._settling, self.newborns, told)

    async def settle(self, step: Step, bindings: Bindings, stop: asyncio.Event) -> Outcome:
        """Run `step`. Never raises a ReconcilerError: it becomes the outcome.

        Once `stop` is set nothing is sent again, and nobody waits for it.
        """

        if isinstance(step.action, CreateCampaign | UploadPackage):
            return await self._making.settle(step, bindings, stop)

        async def attempt(piece: Step) -> Tried:
            return await self._attempt(piece, bindings, stop, verified=True)

        if self.bisection.too_large(step):
            unsent = Tried(Outcome.unsent(step, OutcomeStatus.FAILED, NOT_AGAIN), step)
            return await self.bisection.run(step, unsent, attempt, stop)
        tried = await self._attempt(step, bindings, stop)
        if tried.outcome.settled:
            self.bisection.took(step)
            return tried.outcome
        tried, named = await without_named(tried, attempt, stop)
        if tried.outcome.settled:
            self.bisection.took(step)
            return beside(tried.outcome, step, named)
        if tried.divisible:
            part = tried.outcome.step
            return beside(await self.bisection.run(part, tried, attempt, stop), step, named)
        if len(tried.left.gateways) < len(step.gateways) and not named:
            self.bisection.took(step)
        return beside(undone(tried), step, named)

    async def _attempt(
        self, step: Step, bindings: Bindings, stop: asyncio.Event, *, verified: bool = False
    ) -> Tried:
        """Send `step` until it is settled. `verified`: what a clear refusal leaves to do is known."""
        attempts = 0
        unclear = False
        waited = 0.0
        left = step

        def ended(status: OutcomeStatus, message: str, refusal: ReconcilerError | None = None) -> Tried:
            outcome = Outcome(step, status, message, attempts, unclear=unclear)
            partly = refusal.failed if isinstance(refusal, PartlyDone) else {}
            return Tried(outcome, left, refusal if isinstance(refusal, Refused) else None, partly)

        while True:
            attempts += 1
            try:
                result = await self._run(left, bindings, stop)
                return Tried(Outcome(step, result.status, result.message, attempts, result.created), left)
            except ReconcilerError as error:
                failure = error
            unclear = unclear or isinstance(failure, Unclear)
            if step.operation.repeat is Repeat.NEVER and _in_doubt(failure, unclear=unclear):
                return ended(OutcomeStatus.UNKNOWN, words(failure))
            if isinstance(failure, PartlyDone) and step.operation.repeat is not Repeat.VERIFY_FIRST:
                # Only the answer tells what was done: everything but the gateways that it names.
                left = left.only(failure.failed or left.gateways)
                return ended(OutcomeStatus.FAILED, words(failure), failure)
            try:
                verifies = self._verifies(left, failure, unclear=unclear, verified=verified)
                readback = await self._look(left, bindings, stop) if verifies else None
            except ReconcilerError as error:
                refused = f"{words(failure)}; what it did can't be read: " if not unclear else ""
                return ended(OutcomeStatus.FAILED, refused + words(error))
            if readback and (readback.done or readback.remaining == ()):
                sent = unclear or isinstance(failure, PartlyDone)
                status = OutcomeStatus.DONE if sent else OutcomeStatus.NOT_NEEDED
                return Tried(Outcome(step, status, "", attempts, readback.created), left)
            smaller = _only(left, readback)
            if isinstance(failure, PartlyDone) and _all_named(smaller, failure):
                left = smaller
                return ended(OutcomeStatus.FAILED, words(failure), failure)
            wait = self._wait(failure, attempts, waited) if smaller is left else 0.0
            if wait is None:
                return ended(OutcomeStatus.FAILED, words(failure), failure)
            left = smaller
            if await stopped(stop, wait):
                return ended(OutcomeStatus.FAILED, f"{words(failure)}; {NOT_AGAIN}")
            waited += wait

    async def _run(self, step: Step, bindings: Bindings, stop: asyncio.Event) -> Result:
        """Send `step` once, except for a no that only says that what this run made isn't shown yet."""
        tries = 0
        while True:
            tries += 1
            try:
                return await self.writes.run(step, bindings)
            except ReconcilerError as error:
                left = await self._unshown(step, bindings, error)
                if left is None or stop.is_set():
                    raise
            await stopped(stop, min(left, self._settling.pause(tries)), self._settling.sleep)

    async def _unshown(self, step: Step, bindings: Bindings, failure: ReconcilerError) -> float | None:
        """For how long yet `failure` may only mean that the server doesn't show what this run made."""
        left = self.newborns.left(step, failure)
        if left is not None and isinstance(step.action, AddGateways | RemoveGateways | CloseGateways):
            # The 404 may mean a gateway: then the campaign can be read.
            with suppress(ReconcilerError):
                await self.writes.verify(step, bindings)
                return None
        return left

    async def _look(self, step: Step, bindings: Bindings, stop: asyncio.Event) -> Readback:
        """What became of `step`; a campaign that isn't shown yet is waited for."""
        looks = 0
        while True:
            looks += 1
            try:
                return await self.writes.verify(step, bindings)
            except ReconcilerError as error:
                left = self.newborns.left(step, error)
                if left is None or stop.is_set():
                    raise
            await stopped(stop, min(left, self._settling.pause(looks)), self._settling.sleep)

    def _verifies(self, step: Step, failure: ReconcilerError, *, unclear: bool, verified: bool) -> bool:
        """Whether to ask the server what became of `step`; False where looking can't help."""
        if step.operation.repeat is not Repeat.VERIFY_FIRST:
            return False
        match failure:
            case Unclear() | PartlyDone():
                return True
            case Refused() if unclear:
                return True
            case Refused(meaning=meaning) if Refusal.MAY_HAVE_HAPPENED in meaning:
                return not verified
            case Refused(meaning=meaning) if Refusal.TOO_LARGE in meaning:
                return False
            case Refused() as refusal:
                # Verify before dividing: only the server shows that nothing was done.
                return not verified and divides(step, refusal) and not self.bisection.hopeless(step)
            case _:
                return False

    def _wait(self, failure: ReconcilerError, attempts: int, waited: float) -> float | None:
        """Seconds until the same is sent again; None to give up."""
        if isinstance(failure, Unforeseen) and attempts > 1:
            return None
        if isinstance(failure, NotExecuted | Unclear | PartlyDone):
            return self.delay(attempts, failure.retry_after, waited)
        return None


def _only(step: Step, readback: Readback | None) -> Step:
    """`step` without the gateways for which it has happened."""
    if readback is None or readback.remaining is None or len(readback.remaining) >= len(step.gateways):
        return step
    return step.only(readback.remaining)


def _in_doubt(failure: ReconcilerError, *, unclear: bool) -> bool:
    """Whether nobody knows what was done."""
    return unclear or (isinstance(failure, PartlyDone) and not failure.failed)


def _all_named(step: Step, failure: PartlyDone) -> bool:
    """Whether `failure` is about each gateway of `step`; of none by name, it may be about any."""
    return not failure.failed or failure.failed.keys() >= frozenset(step.gateways)
