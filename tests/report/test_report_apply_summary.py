"""The summary of an apply."""

from reconciler.errors import Exit
from reconciler.model import (
    Outcome,
    Server,
)
from reconciler.plan.model import Plan
from reconciler.report.apply_summary import applied_lines


def text(lines):
    return "".join(f"{line}\n" for line in lines)


def test_an_apply(full_plan, full_outcomes, golden):
    golden("applied.txt", text(applied_lines(full_plan, full_outcomes, Exit.PARTLY)))


def test_an_apply_of_nothing():
    said = text(applied_lines(Plan(Server("pulse", "embedded:")), (), Exit.DONE))
    assert said == "Applied to embedded: no step was sent.\n"


def test_thirty_thousand_failures_of_one_kind_are_a_few_lines(full_plan, full_outcomes):
    one = full_outcomes[-1]
    every = [
        Outcome(one.step, one.status, f"DELETE /api/campaigns/{number}: 503") for number in range(30_000)
    ]
    said = list(applied_lines(full_plan, every, Exit.PARTLY))
    assert len(said) < 30
    assert said[:2] == [
        "failed: Campaign/old: delete-campaign × 30,000",
        "  DELETE /api/campaigns/0: 503",
    ]
    assert "  and 29,980 more" in said
