"""Exit codes from plans and outcomes."""

import pytest

from reconciler.app.pipeline import apply_exit, plan_exit
from reconciler.errors import Exit
from reconciler.model import (
    Finding,
    Kind,
    Outcome,
    OutcomeStatus,
    Reason,
    ResourceId,
    Server,
    Severity,
    Step,
    StepGroup,
    StopCampaign,
)
from reconciler.plan.model import Plan
from reconciler.providers.pulse.operations import OPERATIONS

CAMPAIGN = ResourceId(Kind.CAMPAIGN, "x")
GROUP = StepGroup("stop", StopCampaign(CAMPAIGN, Reason.WANTS_STOPPED, "c"), OPERATIONS["stop-campaign"])
NOT_OURS = Finding("not-ours", "m", resource=CAMPAIGN)
AMBIGUOUS = Finding("ambiguous-name", "m", resource=CAMPAIGN)
HELD = Finding("held", "m", resource=CAMPAIGN, severity=Severity.NOTE)


def plan(*findings: Finding, steps: bool = True) -> Plan:
    return Plan(Server("pulse", "u"), (GROUP,) if steps else (), findings=findings)


@pytest.mark.parametrize(
    ("made", "detailed", "code"),
    [
        (plan(), False, Exit.DONE),
        (plan(), True, Exit.HAS_STEPS),
        (plan(steps=False), True, Exit.DONE),
        (plan(HELD, NOT_OURS), True, Exit.HAS_STEPS),
        (plan(NOT_OURS, steps=False), False, Exit.DONE),
        (plan(NOT_OURS, AMBIGUOUS), True, Exit.ERROR),
    ],
)
def test_plan(made, detailed, code):
    assert plan_exit(made, detailed=detailed) is code


@pytest.mark.parametrize(
    ("made", "statuses", "interrupted", "code"),
    [
        (plan(), ["DONE", "NOT_NEEDED"], False, Exit.DONE),
        (plan(), ["WAITING", "SKIPPED"], False, Exit.DONE),
        (plan(HELD), ["DONE"], False, Exit.DONE),
        (plan(), ["FAILED", "SKIPPED"], False, Exit.PARTLY),
        (plan(), ["UNKNOWN"], False, Exit.PARTLY),
        (plan(NOT_OURS), ["DONE"], False, Exit.NOT_OURS),
        (plan(NOT_OURS), ["FAILED"], False, Exit.PARTLY),
        (plan(NOT_OURS, AMBIGUOUS), ["FAILED"], False, Exit.ERROR),
        (plan(NOT_OURS), ["FAILED", "SKIPPED"], True, Exit.ERROR),
        (plan(), ["DONE"], True, Exit.DONE),
    ],
)
def test_apply(made, statuses, interrupted, code):
    outcomes = [Outcome(Step(GROUP, 0), OutcomeStatus[status]) for status in statuses]
    assert apply_exit(made, outcomes, interrupted=interrupted) is code
