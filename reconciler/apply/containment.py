"""What nobody foresaw stays in its step: the others go on, and brackets are closed.

| where it happens          | what becomes of it                                                    |
|---------------------------|-----------------------------------------------------------------------|
| a call, or its answer     | unclear, as if the answer had been cut: looked at, sent once more      |
| the same, by hand         | unclear, in the audit log, too; not sent again where that may double   |
| anything else of a step   | the outcome *unknown*; what needs the step is skipped                  |
| what writes to the state  | the state can't be written                                            |
| who is told of an outcome | said on the log, and nothing else                                     |

Tests: `tests/apply/test_apply_order.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from reconciler.errors import ReconcilerError, Unforeseen, fault_in_words
from reconciler.model import Outcome, OutcomeStatus, Step
from reconciler.providers.base import Bindings, Readback, Result, Writes

Value = TypeVar("Value")

LOG: Final = logging.getLogger("reconciler.apply")


class ContainedWrites:
    """`writes`, out of which nothing comes but errors of ours."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes

    async def run(self, step: Step, bindings: Bindings) -> Result:
        """See `Writes.run`. Unforeseen where that raises something else."""
        try:
            return await self._writes.run(step, bindings)
        except ReconcilerError:
            raise
        except Exception as error:
            raise unforeseen_error(step.id, _request(step), error) from error

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        """See `Writes.verify`. Unforeseen where that raises something else."""
        try:
            return await self._writes.verify(step, bindings)
        except ReconcilerError:
            raise
        except Exception as error:
            raise unforeseen_error(step.id, _request(step), error) from error


async def contained(what: str, request: str, call: Callable[[], Awaitable[Value]]) -> Value:
    """What `call` gives; Unforeseen, with the name of its `request`, where it raises no error of ours."""
    try:
        return await call()
    except ReconcilerError:
        raise
    except Exception as error:
        raise unforeseen_error(what, request, error) from error


def unforeseen_error(what: str, request: str, error: Exception) -> Unforeseen:
    """`error` as one of ours, and on the log: it may be done at the second attempt, and no outcome tells."""
    words = fault_in_words(error)
    LOG.error("%s: %s", what, words)
    return Unforeseen(words, request=request)


def _request(step: Step) -> str:
    return f"{step.operation.method} {step.operation.path}"


def unforeseen(step: Step, error: Exception) -> Outcome:
    """The outcome of a step whose run itself failed: nobody knows how far it came."""
    return Outcome(step, OutcomeStatus.UNKNOWN, fault_in_words(error), unclear=True)


class HeedlessListener(Generic[Value]):
    """Tells `listener` of outcomes for as long as it takes them: its first error is the last word to it."""

    def __init__(self, listener: Callable[[Value], None]) -> None:
        self._listener: Callable[[Value], None] | None = listener

    def __call__(self, told: Value) -> None:
        """Never raises."""
        if self._listener is None:
            return
        try:
            self._listener(told)
        except Exception as error:  # noqa: BLE001 - whatever it is, what is done goes on
            self._listener = None
            LOG.error("progress is shown no longer: %s", fault_in_words(error))
