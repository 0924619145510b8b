"""What a plan does: single steps, and reading what became of one.

Tests: `tests/contract/test_provider_contract.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.model import CreateCampaign, OutcomeStatus, ResourceId, Step, UploadPackage
from reconciler.text import id_form


@dataclass(frozen=True, slots=True)
class Bindings:
    """Ids that steps of this run made: campaigns by resource, packages by content digest.

    And what none of them makes, because it was there before.
    """

    campaigns: Mapping[ResourceId, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, ResourceId] = field(default_factory=dict)
    """Form of an id (`id_form`) → whose campaign it is, predecessors too."""
    others: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Content → ids of packages that held it before it was uploaded."""

    def may_be(self, action: CreateCampaign | UploadPackage, found: str) -> bool:
        """Whether what `action` makes may be the object `found`, which looks like it."""
        if isinstance(action, UploadPackage):
            return id_form(found) not in map(id_form, self.others.get(action.file.sha256, ()))
        if id_form(found) == id_form(action.replaces or ""):
            return False
        return self.owners.get(id_form(found), action.resource) == action.resource


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

        What was there before is never taken for what the step made (`Bindings.may_be`). An
        `EndCampaign` is done when nothing that the campaign set going is under way any more.

        ReconcilerError when two objects could be what the step made: it names both.
        """
        ...
