"""One look at everything: an apply, and how things stand after it.

What a controller does, and an apply whose figures are wanted. Where something was sent, the server is read
again.

Tests: `tests/controller/test_controller_run.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.app.applying import Applying, ApplyResult
from reconciler.app.overview import Overview
from reconciler.app.pipeline import Job, make
from reconciler.app.workspace import connected
from reconciler.errors import ServerError
from reconciler.options import Options
from reconciler.providers.base import RequestOutcome
from reconciler.report.statuses import StatusReport


@dataclass(frozen=True, slots=True, repr=False)
class SeenApply:
    """What became of a look."""

    applied: ApplyResult
    status: StatusReport | None
    """How things stand after it; None where that could not be read."""
    unread: str = ""
    """Why not."""


@dataclass(slots=True)
class Memory:
    """What looks at one project keep between them, bounded by what they see."""

    causes: MutableMapping[Any, Any] = field(default_factory=dict)
    """See `Overview.known`."""
    requests: Counter[tuple[str, RequestOutcome]] = field(default_factory=Counter)
    """Operation and outcome → how many requests were sent."""


async def look(
    applying: Applying, job: Job, options: Options, memory: Memory, *, asking: bool = False
) -> SeenApply:
    """Apply, with a question before where somebody is to be asked, and read what came of it.

    Errors are those of an apply. One of the reads after it is no error.
    """
    async with connected(job.project, parallelism=applying.parallelism, reading=job.reading) as provider:
        try:
            run = applying.asked_at if asking else applying.unasked_at
            applied = await run(provider, job, options)
            planned = applied.planned
            assert planned is not None, "a plan was made for it"
            if applied.interrupted:
                return SeenApply(applied, None, "it was told to end")
            try:
                if applied.outcomes:
                    now = int(applying.clock() * 1000)
                    planned = await make(job, job.store.load(), provider, options, now=now)
                status = await Overview(job, provider, known=memory.causes).of(planned)
            except ServerError as error:
                return SeenApply(applied, None, error.message)
            return SeenApply(applied, status)
        finally:
            memory.requests.update(provider.answers)
