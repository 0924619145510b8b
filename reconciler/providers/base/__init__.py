"""The seam to a server, in four parts of which each can be had without the others.

    facts       what can a field do, when may a thing be done, what do words mean, what call is an action?
    reads       what is there?
    writes      run single steps, and tell after an unclear answer what really happened
    questions   what people ask by hand, and `doctor`

The core speaks in campaigns, gateways, packages and verbs; a provider knows how its server says them.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from reconciler.model import Server
from reconciler.pacing import RateLimiter
from reconciler.providers.base.facts import (
    Changing,
    Detail,
    Facts,
    Field,
    FieldFacts,
    Limits,
    Lowered,
    Stage,
    StateFacts,
)
from reconciler.providers.base.questions import Questions
from reconciler.providers.base.reads import Reads
from reconciler.providers.base.writes import Bindings, Readback, Result, Writes

ALIKE: Final = 5.0
"""Seconds; the time that an answer tells is no more exact than that."""


class Source(Protocol):
    """What a plan is made from: a server, open or as it once was."""

    @property
    def server(self) -> Server: ...

    @property
    def facts(self) -> Facts: ...

    @property
    def reads(self) -> Reads: ...


class RequestOutcome(StrEnum):
    """What came of one request, repeated ones counted each time."""

    OK = "ok"
    REFUSED = "refused"
    """A clear no."""
    UNCLEAR = "unclear"
    """Cut, too late, or the server failed: it may have been done."""
    LIMITED = "limited"
    """The server wants to be asked later."""
    ERROR = "error"
    """It was never sent."""


@dataclass(frozen=True, slots=True)
class Provider:
    """An open server; every report names it as ``server``."""

    server: Server
    facts: Facts
    reads: Reads
    writes: Writes
    questions: Questions
    answers: Mapping[tuple[str, RequestOutcome], int] = field(default_factory=dict)
    """Operation and outcome → how many requests so far; it grows."""
    pace: RateLimiter | None = None
    """Whose turns all calls wait for, where others may be lent a part of it."""
    ahead: Callable[[], float | None] = lambda: None
    """Seconds that the server's clock is ahead of this machine's, by its last answer; None: nobody knows."""

    def now(self) -> float | None:
        """Epoch seconds by the server's clock, where that differs from ours; None: nobody knows."""
        ahead = self.ahead()
        return None if ahead is None or abs(ahead) <= ALIKE else time.time() + ahead


__all__ = [
    "Bindings",
    "Changing",
    "Detail",
    "Facts",
    "Field",
    "FieldFacts",
    "Limits",
    "Lowered",
    "Provider",
    "Questions",
    "Readback",
    "Reads",
    "RequestOutcome",
    "Result",
    "Source",
    "Stage",
    "StateFacts",
    "Writes",
]
