"""What is to be said of a call, and of how it ended.

Tests: `tests/audit/test_audit_recorder.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model import Json, Outcome, OutcomeStatus, Reason, ResourceId


# Not frozen: one is made for each call, and a frozen one takes several times as long to make.
@dataclass(slots=True)
class AuditedCall:
    """One call and what became of it. ``target``: the server's id of what it is about, or of what it made."""

    operation: str
    status: OutcomeStatus
    target: str | None = None
    resource: ResourceId | None = None
    gateways: tuple[str, ...] = ()
    message: str = ""
    attempts: int = 1
    unclear: bool = False
    left: tuple[str, ...] = ()
    """The gateways that it isn't done for, where it is done for the others."""
    calls: int = 1
    """For how many it stands: one for each gateway. ``attempts`` are those of all."""
    carried: Mapping[str, Json] = field(default_factory=dict)
    """Which content went out, and when it may be used; by hand, the name on the server."""

    def said(self) -> dict[str, Json]:
        """Its line, apart from the type and the time."""
        said: dict[str, Json] = {
            "operation": self.operation,
            "outcome": self.status.value,
            "attempts": self.attempts,
        }
        if self.resource:
            said["resource"] = str(self.resource)
        if self.target:
            said["id"] = self.target
        if self.gateways:
            said["gateways"] = self.gateways
        if self.left:
            said["left"] = self.left
        if self.message:
            said["message"] = self.message
        if self.unclear:
            said["unclear"] = True
        if self.calls > 1:
            said["calls"] = self.calls
        return said | filled(self.carried)


def just_done(outcome: Outcome) -> bool:
    """Whether a step of a plan was done at the first attempt, for all of its gateways, and made nothing."""
    return (
        outcome.status is OutcomeStatus.DONE
        and outcome.attempts == 1
        and not (outcome.message or outcome.created or outcome.unclear or outcome.left)
        and outcome.step.action.reason is not Reason.ASKED
    )


def filled(data: Mapping[str, Json]) -> dict[str, Json]:
    """`data` without what is empty."""
    return {name: value for name, value in data.items() if value}
