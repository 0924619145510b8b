"""What a plan does: single steps, and reading what became of one.

Tests: `tests/contract/test_provider_contract.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.model import OutcomeStatus, ResourceId, Step


@dataclass(frozen=True, slots=True)
class Bindings:
    """Ids that steps of this run made: campaigns by resource, packages by content digest."""

    campaigns: Mapping[ResourceId, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """How a step that the server took ended: DONE, NOT_NEEDED or WAITING. ``created``: a new id."""

    status: OutcomeStatus = OutcomeStatus.DONE
    created: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Readback:
    """What a look after an unclear answer found.

    ``done``: it happened (``created`` holds the id it made). Otherwise ``remaining`` says which gateways
    of the step are still to do; None means the whole step.
    """

    done: bool
    created: str | None = None
    remaining: tuple[str, ...] | None = None


class Writes(Protocol):
    """Steps on one server."""

    async def run(self, step: Step, bindings: Bindings) -> Result:
        """Send a step once.

        Raises NotExecuted, Unclear or Refused. A refusal that says that it has already happened is for
        the caller to `verify` at, for operations that look first. One that names the gateways of a batch that
        it is about (`Refused.gateways`) did nothing, and the others are sent again without them.

        A campaign that the server is still at work on (`Phase.BUSY`) may not take the step yet: NotExecuted,
        with ``retry_after`` and words that say so. The caller waits, for as long as it waits for anything.
        """
        ...

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        """Read what became of a step whose answer was unclear, or that was refused as already done.

        What is created is never taken for the one that it replaces (`CreateCampaign.replaces`). An
        `EndCampaign` is done when nothing that the campaign set going is under way any more.

        ReconcilerError when two objects could be what the step made: it names both.
        """
        ...
