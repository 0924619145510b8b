"""One step until it is settled: what may be sent again, and when.

| answer       | safe       | look first                               | never          |
|--------------|------------|------------------------------------------|----------------|
| done         | done       | done                                     | done           |
| not executed | send again | send again                               | send again     |
| unclear      | send again | look; send again only what didn't happen | *unknown*      |
| refused      | failed     | look: perhaps it has already happened    | failed         |

A create or upload that is refused was not ours, unless an answer before it was unclear: only then it looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from reconciler.errors import NotExecuted, ReconcilerError, Refused, Unclear
from reconciler.model import Outcome, OutcomeStatus, Repeat, Step, Verb
from reconciler.providers.base import Bindings, Provider, Sight

Delay = Callable[[int, float | None, float], float | None]
"""(attempts so far, seconds the server asked for, seconds waited so far) → seconds to wait, None: give up."""
NOT_AGAIN = "not sent again: the run was interrupted"

_MAKES_SOMETHING = frozenset({Verb.CREATE, Verb.UPLOAD})
_HAPPENED = frozenset({404, 409, 410, 412})
"""Refusals that may say: it has already happened."""


@dataclass(frozen=True, slots=True)
class Repeater:
    """Runs steps, each until it is settled or given up."""

    provider: Provider
    delay: Delay

    async def settle(self, step: Step, bindings: Bindings, stop: asyncio.Event) -> Outcome:
        """Run `step`. Never raises a ReconcilerError: it becomes the outcome.

        Once `stop` is set nothing is sent again, and nobody waits for it.
        """
        attempts = 0
        unclear = False
        waited = 0.0
        left = step
        while True:
            attempts += 1
            try:
                result = await self.provider.run(left, bindings)
                return Outcome(step, result.status, result.message, attempts, result.created)
            except ReconcilerError as error:
                failure = error
            unclear = unclear or isinstance(failure, Unclear)
            if unclear and step.operation.repeat is Repeat.NEVER:
                return Outcome(step, OutcomeStatus.UNKNOWN, _words(failure), attempts, unclear=True)
            try:
                sight = await self._look(left, bindings, failure, unclear)
            except ReconcilerError as error:
                return Outcome(step, OutcomeStatus.FAILED, _words(error), attempts, unclear=unclear)
            if sight and (sight.done or sight.remaining == ()):
                status = OutcomeStatus.DONE if unclear else OutcomeStatus.NOT_NEEDED
                return Outcome(step, status, "", attempts, sight.created)
            smaller = _only(left, sight)
            wait = self._wait(failure, attempts, waited) if smaller is left else 0.0
            if wait is None:
                return Outcome(step, OutcomeStatus.FAILED, _words(failure), attempts, unclear=unclear)
            if await _stopped(stop, wait):
                message = f"{_words(failure)}; {NOT_AGAIN}"
                return Outcome(step, OutcomeStatus.FAILED, message, attempts, unclear=unclear)
            left = smaller
            waited += wait

    async def _look(
        self, step: Step, bindings: Bindings, failure: ReconcilerError, unclear: bool
    ) -> Sight | None:
        """What the server says became of it; None where looking can't help."""
        if step.operation.repeat is not Repeat.LOOK_FIRST:
            return None
        match failure:
            case Unclear():
                return await self.provider.look(step, bindings)
            case Refused(status=status) if status in _HAPPENED or unclear:
                ours = unclear or step.action.verb not in _MAKES_SOMETHING
                return await self.provider.look(step, bindings) if ours else None
            case _:
                return None

    def _wait(self, failure: ReconcilerError, attempts: int, waited: float) -> float | None:
        """Seconds until the same is sent again; None to give up."""
        if isinstance(failure, NotExecuted | Unclear):
            return self.delay(attempts, failure.retry_after, waited)
        return None


def _only(step: Step, sight: Sight | None) -> Step:
    """`step` without the gateways for which it has happened."""
    if sight is None or sight.remaining is None or len(sight.remaining) >= len(step.gateways):
        return step
    action = replace(step.action, gateways=sight.remaining)
    return Step(replace(step.group, action=action, per_call=len(sight.remaining)), 0)


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Wait `seconds`, or only until `stop` is set; whether it is."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()


def _words(error: ReconcilerError) -> str:
    if not error.hint:
        return error.message
    return f"{error.message}. {error.hint[0].upper()}{error.hint[1:]}"
