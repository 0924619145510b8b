"""Text for a terminal: plans, findings, and the summary of an apply."""

import json
from dataclasses import replace

from reconciler.model import (
    Change,
    Finding,
    Kind,
    Place,
    Reason,
    ResourceId,
    Server,
    Severity,
)
from reconciler.plan.model import CampaignImpact, Impact, Plan
from reconciler.report.markdown import plan_markdown
from reconciler.report.plan_document import plan_chunks
from reconciler.report.plan_text import change_lines, finding_lines, plan_lines, validation_lines
from reconciler.report.terminal import painter
from reconciler.state.base import (
    CampaignOwned,
    Origin,
    Owned,
)

CAMPAIGN = ResourceId(Kind.CAMPAIGN, "line-3")


def text(lines):
    return "".join(f"{line}\n" for line in lines)


def test_a_plan(full_plan, golden):
    golden("plan.txt", text(plan_lines(full_plan)))


def test_colour_adds_nothing_but_colour(full_plan):
    import re

    coloured = text(plan_lines(full_plan, painter(colour=True)))
    assert "\x1b[31mdestructive\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9]+m", "", coloured) == text(plan_lines(full_plan, painter(colour=False)))


def test_no_changes():
    assert text(plan_lines(Plan(Server("pulse", "embedded:")))) == "Server: embedded:\n\nNo changes.\n"


def test_no_changes_still_says_what_was_found_and_what_is_recorded():
    note = Finding("held", "somebody stopped it", resource=CAMPAIGN, severity=Severity.NOTE)
    record = CampaignOwned(Owned(CAMPAIGN, "c3", Origin.ADOPTED))
    said = text(plan_lines(Plan(Server("pulse", "embedded:"), findings=(note,), records=(record,))))
    assert "  Campaign/line-3 is adopted: it is campaign c3 on the server\n" in said
    assert "note[held]: Campaign/line-3: somebody stopped it\n" in said
    assert said.endswith("No changes. 1 note.\n")


def test_an_impact_leaves_out_what_does_not_happen(full_plan):
    quiet = CampaignImpact(CAMPAIGN, "Line 3")
    shared = {ResourceId(Kind.CAMPAIGN, f"other-{n:02}"): n for n in range(12)}
    busy = CampaignImpact(CAMPAIGN, "Line 3", shared=shared)
    said = text(plan_lines(replace(full_plan, impact=Impact((quiet, busy)), findings=())))
    assert said.count("  Campaign/line-3: ") == 1
    assert "gateways also in running Campaign/other-11 (11), Campaign/other-10 (10)" in said
    assert "Campaign/other-04 (4) and 4 more\n" in said
    assert "permissions" not in said
    assert said.endswith("Plan: 15 steps for 4 resources, 2 destructive.\n")


def test_steps_without_destruction(full_plan):
    said = text(plan_lines(replace(full_plan, groups=full_plan.groups[:2], findings=())))
    assert said.endswith("Plan: 2 steps for 2 resources.\n")


def test_findings_are_sorted_by_place_and_carry_their_hints():
    findings = [
        Finding("b", "later", Place("b.yaml", 1, 1)),
        Finding("c", "about", resource=CAMPAIGN, severity=Severity.WARNING),
        Finding("run", "all of it", severity=Severity.NOTE),
        Finding("a", "second", Place("a.yaml", 10, 2), "Do this.", CAMPAIGN),
        Finding("a", "first", Place("a.yaml", 9, 3)),
    ]
    assert list(finding_lines(findings)) == [
        "a.yaml:9:3: error[a]: first",
        "a.yaml:10:2: error[a]: second",
        "  hint: Do this.",
        "b.yaml:1:1: error[b]: later",
        "note[run]: all of it",
        "warning[c]: Campaign/line-3: about",
    ]


def test_validation_ends_with_counts():
    warning = Finding("w", "hm", Place("a.yaml", 1, 1), severity=Severity.WARNING)
    error = Finding("e", "no", Place("a.yaml", 2, 1))
    assert list(validation_lines([], 1)) == ["1 resource: no findings"]
    assert (
        list(validation_lines([error, warning, error], 1_200))[-1] == "1,200 resources: 2 errors, 1 warning"
    )


def test_nothing_of_a_name_reaches_the_terminal_raw():
    evil = ResourceId(Kind.CAMPAIGN, "a\x1b[2J\nerror: fake\u202e")
    finding = Finding("x", "bad\r\nline", resource=evil, hint="h\x07")
    change = Change(evil, "na\x1bme", "\x9b31m", {"k\x1b": ["\u2028"]}, Reason.DIFFERS)
    plan = Plan(Server("pulse", "http://a\x1b"), changes=(change,), findings=(finding,))
    lines = [*plan_lines(plan), *finding_lines([finding])]
    assert all(line.isprintable() for line in lines)
    assert any(r"na\x1bme: " in line and r"{k\x1b: " in line for line in lines)


def test_only_a_value_that_cant_be_read_is_called_so():
    said = [
        next(change_lines(Change(CAMPAIGN, "schedules", None, "x", reason), reason=False))
        for reason in (Reason.NOT_RECORDED, Reason.NOT_ON_SERVER)
    ]
    assert said == ['schedules: (not readable) → "x"', 'schedules: (none) → "x"']


def test_values_of_gateways_say_whose_they_are():
    change = Change(
        CAMPAIGN, "schedules.download", "a", "b", Reason.DIFFERS, members=("g1", "g2", "g3", "g4")
    )
    assert list(change_lines(change, reason=False)) == [
        'schedules.download of 4 gateways (g1, g2, g3 and 1 more): "a" → "b"'
    ]
    plan = Plan(Server("pulse", "embedded:"), changes=(change,))
    assert "  schedules.download of 4 gateways (g1, g2, g3 and 1 more):" in plan_markdown(plan)
    assert json.loads("".join(plan_chunks(plan)))["changes"][0]["gateways"] == ["g1", "g2", "g3", "g4"]
