"""Exit codes from plans and outcomes. They never depend on the form of the output."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.errors import Exit
from reconciler.model import Outcome, OutcomeStatus
from reconciler.plan.model import Plan

NOT_OURS = "not-ours"
"""The code of the finding that a live object of a declared name isn't owned."""

_BAD = frozenset({OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN})


def plan_exit(plan: Plan, *, detailed: bool = False) -> Exit:
    """Of a plan that isn't executed: an error, else with `detailed` whether there is a step."""
    if _has_errors(plan):
        return Exit.ERROR
    return Exit.HAS_STEPS if detailed and not plan.empty else Exit.DONE


def apply_exit(plan: Plan, outcomes: Collection[Outcome], *, interrupted: bool = False) -> Exit:
    """Of an apply: an error or an interruption, a guard, then failed steps, then objects that aren't ours."""
    if _has_errors(plan) or (interrupted and any(_skipped(outcome) for outcome in outcomes)):
        return Exit.ERROR
    if plan.tripped:
        return Exit.GUARD
    if any(outcome.status in _BAD for outcome in outcomes):
        return Exit.PARTLY
    return Exit.NOT_OURS if any(finding.code == NOT_OURS for finding in plan.findings) else Exit.DONE


def _skipped(outcome: Outcome) -> bool:
    return outcome.status is OutcomeStatus.SKIPPED


def _has_errors(plan: Plan) -> bool:
    return any(finding.is_error and finding.code != NOT_OURS for finding in plan.findings)
