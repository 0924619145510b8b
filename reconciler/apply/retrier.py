"""One step until it is settled: what may be sent again, and when.

| answer       | idempotent | verify first                               | never          |
|--------------|------------|--------------------------------------------|----------------|
| done         | done       | done                                       | done           |
| not executed | send again | send again                                 | send again     |
| unclear      | send again | verify; send again only what didn't happen | *unknown*      |
| refused      | failed     | verify: perhaps it has already happened    | failed         |

A create or upload that is refused was not ours, unless an answer before it was unclear: only then it is
verified.
What nobody foresaw is unclear, and sent again once at most.
A batch of gateways that is refused for good goes out again in halves (`Bisection`). Of one that is partly
done, what the server shows is done; those that it names are failed, and sent no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from reconciler.apply.bisection import NOT_AGAIN, Bisection, Tried, divides, undone
from reconciler.errors import NotExecuted, PartlyDone, ReconcilerError, Refusal, Refused, Unclear, Unforeseen
from reconciler.model import CreateCampaign, Outcome, OutcomeStatus, Repeat, Step, UploadPackage
from reconciler.providers.base import Bindings, Readback, Writes

Delay = Callable[[int, float | None, float], float | None]
"""(attempts so far, seconds the server asked for, seconds waited so far) → seconds to wait, None: give up."""


@dataclass(frozen=True, slots=True)
class Retrier:
    """Runs steps, each until it is settled or given up."""

    writes: Writes
    delay: Delay
    bisection: Bisection = field(default_factory=Bisection)

    async def settle(self, step: Step, bindings: Bindings, stop: asyncio.Event) -> Outcome:
        """Run `step`. Never raises a ReconcilerError: it becomes the outcome.

        Once `stop` is set nothing is sent again, and nobody waits for it.
        """

        async def attempt(piece: Step) -> Tried:
            return await self._attempt(piece, bindings, stop, verified=True)

        if self.bisection.most(step) < len(step.gateways):
            unsent = Tried(Outcome(step, OutcomeStatus.FAILED, NOT_AGAIN, 0), step)
            return await self.bisection.run(step, unsent, attempt, stop)
        tried = await self._attempt(step, bindings, stop)
        if tried.outcome.settled:
            self.bisection.took(step)
            return tried.outcome
        if tried.divisible:
            return await self.bisection.run(step, tried, attempt, stop)
        if len(tried.left.gateways) < len(step.gateways):
            self.bisection.took(step)
        return undone(tried)

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
                result = await self.writes.run(left, bindings)
                return Tried(Outcome(step, result.status, result.message, attempts, result.created), left)
            except ReconcilerError as error:
                failure = error
            unclear = unclear or isinstance(failure, Unclear)
            if step.operation.repeat is Repeat.NEVER and _in_doubt(failure, unclear=unclear):
                return ended(OutcomeStatus.UNKNOWN, _words(failure))
            if isinstance(failure, PartlyDone) and step.operation.repeat is not Repeat.VERIFY_FIRST:
                # Nothing tells what was done but the answer: that is those that it doesn't name.
                left = left.only(failure.failed or left.gateways)
                return ended(OutcomeStatus.FAILED, _words(failure), failure)
            try:
                verifies = self._verifies(left, failure, unclear=unclear, verified=verified)
                readback = await self.writes.verify(left, bindings) if verifies else None
            except ReconcilerError as error:
                refused = f"{_words(failure)}; what it did can't be read: " if not unclear else ""
                return ended(OutcomeStatus.FAILED, refused + _words(error))
            if readback and (readback.done or readback.remaining == ()):
                sent = unclear or isinstance(failure, PartlyDone)
                status = OutcomeStatus.DONE if sent else OutcomeStatus.NOT_NEEDED
                return Tried(Outcome(step, status, "", attempts, readback.created), left)
            smaller = _only(left, readback)
            if isinstance(failure, PartlyDone) and _all_named(smaller, failure):
                left = smaller
                return ended(OutcomeStatus.FAILED, _words(failure), failure)
            wait = self._wait(failure, attempts, waited) if smaller is left else 0.0
            if wait is None:
                return ended(OutcomeStatus.FAILED, _words(failure), failure)
            left = smaller
            if await _stopped(stop, wait):
                return ended(OutcomeStatus.FAILED, f"{_words(failure)}; {NOT_AGAIN}")
            waited += wait

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
                return not verified and not isinstance(step.action, CreateCampaign | UploadPackage)
            case Refused(meaning=meaning) if Refusal.TOO_LARGE in meaning:
                return False
            case Refused() as refusal:
                # Before it is divided: that the server did nothing is for the server to show.
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


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Wait `seconds`, or only until `stop` is set; whether it is."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()


def _words(error: ReconcilerError) -> str:
    if not error.hint:
        return error.message
    return f"{error.message}. {error.hint[0].upper()}{error.hint[1:]}"
