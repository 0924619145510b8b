"""What guards say: as findings, beside those of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.model import Finding, Severity
from reconciler.plan.guards import Guard
from reconciler.plan.model import GuardTrip, Plan

_MEND: Final[Mapping[str, str]] = {
    Guard.GATEWAYS_REMOVED: "see whether the gateway lists lack somebody",
    Guard.DELETES: "see whether the files lack something",
    Guard.STARTS: "see whether all of these are meant to start now",
    Guard.IN_FLIGHT: "wait until these gateways are done (`reconciler status`)",
    Guard.EMPTY: "see whether the files lack something",
    Guard.SETTINGS: "declare every setting that the campaign needs",
}


def findings_of(plan: Plan) -> tuple[Finding, ...]:
    """All that a plan has to say: its findings, and each guard that it trips as one more."""
    return (*plan.findings, *map(_finding, plan.guards))


def guard_item(trip: GuardTrip) -> dict[str, object]:
    """One guard of the document; ``waived`` is the reason, null while it stands."""
    return {
        "guard": trip.guard,
        "message": trip.message,
        "resource": str(trip.resource) if trip.resource else None,
        "found": trip.found,
        "limit": trip.limit,
        "waived": trip.waived,
    }


def _finding(trip: GuardTrip) -> Finding:
    if trip.waived is not None:
        message = f"{trip.guard}: {trip.message}. Waived: {trip.waived}"
        return Finding("guard-waived", message, trip.place, None, trip.resource, Severity.NOTE)
    mend = _MEND[trip.guard]
    hint = (
        f'{mend}; if it is meant, apply with --waive {trip.guard} --reason "…",'
        f" or set guards.{trip.guard} in the project file"
    )
    return Finding("guard-tripped", f"{trip.guard}: {trip.message}", trip.place, hint, trip.resource)
