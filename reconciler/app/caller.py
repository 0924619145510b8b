"""Who runs a use case: what it needs of the process that it runs in, and of the person before it.

Tests: `tests/app/test_app_applying.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    import asyncio


@dataclass(frozen=True, slots=True)
class Question:
    """What only a person may decide. ``refusal`` and ``hint`` are for where there is nobody to ask."""

    text: str
    refusal: str
    hint: str


class Caller(Protocol):
    """Answers questions, and says when to end."""

    def ask(self, question: Question) -> bool:
        """Whether the answer is *yes*; ReconcilerError(`question.refusal`) where there is nobody to ask."""
        ...

    def blocking(self) -> AbstractContextManager[None]:
        """Around what blocks the event loop, as a lock that is waited for: it can be left from outside."""
        ...

    def stopping(self) -> AbstractContextManager[asyncio.Event]:
        """An event: once it is set, what is in flight is finished and nothing new is begun."""
        ...


class Unattended:
    """A `Caller` that nobody sits before: no question has an answer, and nothing ends early."""

    def ask(self, question: Question) -> bool:
        """See `Caller.ask`."""
        raise ReconcilerError(question.refusal, hint=question.hint)

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """See `Caller.blocking`."""
        yield

    @contextmanager
    def stopping(self) -> Iterator[asyncio.Event]:
        """See `Caller.stopping`."""
        import asyncio

        yield asyncio.Event()
