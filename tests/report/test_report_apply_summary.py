"""The summary of an apply."""

from dataclasses import replace

import pytest

from reconciler.errors import Exit
from reconciler.model import (
    Finding,
    Kind,
    Outcome,
    OutcomeStatus,
    ResourceId,
    Server,
    Skip,
)
from reconciler.plan.model import GuardTrip, Plan
from reconciler.report.apply_summary import applied_lines, meaning
from reconciler.report.blocks import findings_of
from reconciler.report.lines import fitted
from reconciler.report.terminal import columns
from reconciler.report.wording import MEANINGS


def text(lines):
    return "".join(f"{line}\n" for line in lines)


def test_an_apply(full_plan, full_outcomes, golden):
    golden("applied.txt", text(applied_lines(full_plan, full_outcomes, Exit.PARTLY)))


def test_an_apply_of_nothing():
    said = text(applied_lines(Plan(Server("pulse", "embedded:")), (), Exit.DONE))
    assert said == "Nothing was sent to the embedded server.\n"


def test_thirty_thousand_failures_of_one_kind_are_a_few_lines(full_plan, full_outcomes):
    one = full_outcomes[-1]
    every = [
        Outcome(one.step, one.status, f"DELETE /api/campaigns/c9: {503 + number}") for number in range(30_000)
    ]
    said = list(applied_lines(full_plan, every, Exit.PARTLY))
    assert len(said) < 30
    assert said[:2] == ["failed: Campaign/old: delete-campaign × 30,000", "  503"], "no raw paths"
    assert "  and 29,980 more" in said
    alike = [Outcome(one.step, one.status, "503", 2)] * 30_000
    assert list(applied_lines(full_plan, alike, Exit.PARTLY))[1] == "  503 (2 attempts)", "nothing twice"


def test_gateways_of_one_reason_stand_together(full_plan):
    steps = [step for step in full_plan.steps() if step.operation.name == "schedule-download"]
    outcomes = [Outcome(step, OutcomeStatus.FAILED, "409 it is closed") for step in steps]
    said = list(applied_lines(full_plan, outcomes, Exit.PARTLY))
    assert said[0] == "failed: Campaign/line-3: schedule-download × 7"
    assert (
        said[1]
        == "  spä\u0165/gw-000000, spä\u0165/gw-000001, spä\u0165/gw-000002 and 4 more: 409 it is closed"
    )


def test_what_was_told_is_not_told_twice(full_plan):
    told = findings_of(full_plan)
    assert any("error[not-ours]" in line for line in applied_lines(full_plan, (), Exit.NOT_OURS))
    assert not any("error[" in line for line in applied_lines(full_plan, (), Exit.NOT_OURS, told=told))


def test_an_interruption_is_one_line(full_plan):
    outcomes = [
        Outcome(step, OutcomeStatus.DONE)
        if index < 3
        else Outcome(step, OutcomeStatus.SKIPPED, "the run was interrupted", skip=Skip.INTERRUPTED)
        for index, step in enumerate(full_plan.steps())
    ]
    calm = replace(full_plan, findings=())
    assert text(applied_lines(calm, outcomes, Exit.ERROR)) == (
        "not sent: 12 calls of 3 resources, because the run was interrupted\n"
        "  next: apply again: it goes on from here\n"
        "done: PackageSet/firmware: upload-package\n"
        "done: Campaign/line-4: create-campaign, add-gateways\n"
        "Applied to https://pulse.example.com (organization acme): 3 done, 12 skipped.\n"
        "Exit code 1: the run was interrupted; what was begun is finished, and all of it is recorded.\n"
    )


@pytest.mark.parametrize("width", [80, 120])
def test_a_failed_apply_on_a_terminal(full_plan, full_outcomes, golden, width):
    lines = list(fitted(applied_lines(full_plan, full_outcomes, Exit.PARTLY), width))
    assert all(columns(line) <= width for line in lines)
    golden(f"applied-{width}.txt", text(lines))


def test_the_sentence_of_an_exit_code_is_true(full_plan):
    calm = replace(full_plan, findings=())
    trip = GuardTrip("maxDeletes", "too many", found=2)
    error = Finding("unknown-status", "what is it?")
    done = [Outcome(step, OutcomeStatus.DONE) for step in full_plan.steps()]
    lost = [Outcome(step, OutcomeStatus.SKIPPED, "no", skip=Skip.UNRECORDED) for step in full_plan.steps()]
    assert meaning(replace(calm, findings=(error,)), done, Exit.ERROR) == "1 error, listed above"
    both = replace(calm, findings=(error,), guards=(trip,))
    assert meaning(both, (), Exit.ERROR) == "1 error, listed above; and a guard refused"
    assert meaning(calm, lost, Exit.ERROR) == "the run could not go on, see below"
    assert meaning(calm, done, Exit.ERROR) == "the run could not go on, see below"
    assert meaning(calm, done, Exit.PARTLY) == MEANINGS[Exit.PARTLY]


def test_resources_with_the_same_trouble_stand_together(full_plan):
    (deletion,) = (each for each in full_plan.groups if each.operation.name == "delete-campaign")
    older = ResourceId(Kind.CAMPAIGN, "older")
    other = replace(deletion, action=replace(deletion.action, resource=older))
    outcomes = [Outcome(next(iter(each)), OutcomeStatus.FAILED, "403 no") for each in (deletion, other)]
    said = list(applied_lines(full_plan, outcomes, Exit.PARTLY))
    assert said[:3] == [
        "failed: Campaign/old, Campaign/older: delete-campaign",
        "  403 no",
        "  next: fix the cause and apply again: only what is missing is sent",
    ]
