"""Text for a terminal: plans, findings, and the summary of an apply."""

import json
from dataclasses import replace

import pytest
from report_samples import FIRMWARE, SERVER, group

from reconciler.model import (
    Change,
    Finding,
    Kind,
    Place,
    Reason,
    ResourceId,
    Server,
    Severity,
    Verb,
)
from reconciler.plan.model import CampaignImpact, Impact, Plan
from reconciler.report.lines import fitted
from reconciler.report.markdown import plan_markdown
from reconciler.report.plan_document import plan_chunks
from reconciler.report.plan_text import finding_lines, plan_lines, question_text, validation_lines
from reconciler.report.terminal import columns, painter
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
    assert "\x1b[31mdelete-campaign\x1b[0m" in coloured
    assert '\x1b[32m"Line 4"\x1b[0m' in coloured, "what comes is green, and nothing beside it is red"
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
    said = text(plan_lines(replace(full_plan, impact=Impact((quiet,)), findings=())))
    assert "gateways also" not in said
    said = text(plan_lines(replace(full_plan, impact=Impact((busy,)), findings=())))
    assert "gateways also in running Campaign/other-11 (11), Campaign/other-10 (10)" in said
    assert "Campaign/other-04 (4) and 4 more\n" in said
    assert "Permissions" not in said
    assert "gateways of" not in said, "nobody counted them"
    assert said.endswith("Plan: 3 to change, 1 package to upload; 15 calls.\n")


def test_only_what_takes_a_call_is_counted(full_plan):
    said = text(plan_lines(replace(full_plan, groups=full_plan.groups[:2], findings=())))
    assert said.endswith("Plan: 1 to create, 1 package to upload; 2 calls.\n")


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
    assert any(r"na\x1bme  " in line and r"{k\x1b: " in line for line in lines)


def rows(*changes, **more):
    """The rows of a plan of `changes`, without their headings."""
    plan = Plan(Server("pulse", "embedded:"), changes=changes, **more)
    return [line for line in plan_lines(plan) if line.startswith("  ")]


def test_only_a_value_that_cant_be_read_is_called_so():
    said = [
        rows(Change(CAMPAIGN, "schedules", None, "x", reason))
        for reason in (Reason.NOT_RECORDED, Reason.NOT_ON_SERVER)
    ]
    assert said == [['  ~ schedules  (not readable) → "x"'], ['  + schedules  "x"']]


def test_signs_say_what_comes_goes_and_changes_and_values_stand_below_each_other():
    change = Change(
        CAMPAIGN, "settings", {"a": "1", "long-name": "2"}, {"b": "3", "long-name": "4"}, Reason.DIFFERS
    )
    assert rows(change) == [
        '  - settings.a          "1"',
        '  + settings.b          "3"',
        '  ~ settings.long-name  "2" → "4"',
    ]
    longer = Change(CAMPAIGN, "settings." + 40 * "x", None, "5", Reason.DIFFERS)
    assert rows(change, longer)[-1] == f'  + settings.{40 * "x"}  "5"', (
        "one long name doesn't push all others out"
    )


def test_packages_go_by_their_names():
    names = {"p-1": "fw-2.1.bin", "p-2": "extra.bin"}
    change = Change(
        CAMPAIGN, "packages", ["p-1", "p-2", "p-3"], [{"upload": "fw-2.2.bin"}, "p-2"], Reason.DIFFERS
    )
    own = Change(CAMPAIGN, "packageOverrides", None, ["p-1"], Reason.DIFFERS, members=("g1",))
    assert rows(change, own, package_names=names) == [
        "  ~ packages          fw-2.1.bin, extra.bin, p-3 → fw-2.2.bin, extra.bin",
        "  + packageOverrides  fw-2.1.bin for 1 gateway (g1)",
    ]
    none = Change(CAMPAIGN, "packages", ["p-1"], [], Reason.DIFFERS)
    assert rows(none, package_names=names) == ["  ~ packages  fw-2.1.bin → no package"]


def test_packages_that_come_and_go():
    firmware = ResourceId(Kind.PACKAGE_SET, "firmware")
    come = {"name": "fw-2.2.bin", "sha256": "ab" * 32, "size": 1_250_000}
    gone = {"id": "p-1", "name": "fw-2.1.bin", "sha256": "cd" * 32}
    assert rows(
        Change(firmware, "packages", None, come, Reason.NOT_ON_SERVER),
        Change(firmware, "packages", gone, None, Reason.REMOVED_FROM_GIT),
    ) == [
        "  + package  fw-2.2.bin (1,250,000 bytes, abababababab)",
        "  - package  fw-2.1.bin (it is no longer declared)",
    ]


def test_times_stand_in_the_zone_of_the_schedule():
    window = {
        "begin": 1_799_614_800_000,
        "end": 1_799_640_000_000,
        "timezone": "Europe/Berlin",
        "schedule": "night",
    }
    assert rows(
        Change(CAMPAIGN, "schedules.download", None, window, Reason.NOT_ON_SERVER, members=("g1",))
    ) == [
        (
            "  + schedules.download  2027-01-10 22:00 to 2027-01-11 05:00 Europe/Berlin (21:00 to 04:00 UTC),"
            " by Schedule/night for 1 gateway (g1)"
        )
    ]


def test_reasons_stand_only_where_they_add_something(full_plan):
    said = {line for line in plan_lines(full_plan) if line.startswith(("+", "-", "~"))}
    assert '+ Campaign/line-4 "Line 4": created, starts' in said
    assert '- Campaign/old "Old": stopped and deleted (it is no longer declared)' in said
    again = replace(full_plan.changes[-3], reason=Reason.GONE_FROM_SERVER)
    said = list(plan_lines(replace(full_plan, changes=(again,))))
    assert '+ Campaign/line-4 "Line 4": created, starts (it was deleted from the server)' in said


def test_what_is_made_now_was_never_applied(full_plan):
    fields = {row.resource: ("settings",) for row in full_plan.impact.campaigns}
    said = text(plan_lines(replace(full_plan, unreadable=fields)))
    assert "last applied\n  settings: Campaign/line-3, Campaign/old\n" in said


@pytest.mark.parametrize("width", [80, 120])
def test_a_plan_on_a_terminal(full_plan, golden, width):
    lines = list(fitted(plan_lines(full_plan), width))
    assert all(columns(line) <= width for line in lines)
    golden(f"plan-{width}.txt", text(lines))


def test_the_question_repeats_the_devices(full_plan):
    assert question_text(full_plan) == (
        "\n401 gateways of 3 campaigns: 250 join, 42 leave, 250 start, 31 stop, 270 get packages,"
        " 96 have finished with other packages. 5 gateways in the middle of an update are interrupted.\n"
        "Apply this to https://pulse.example.com (organization acme)? Type 'yes': "
    )
    embedded = replace(full_plan, server=Server("pulse", "embedded:", "acme"))
    assert question_text(embedded).endswith(
        "\nApply this to the embedded server (organization acme)? Type 'yes': "
    )


def test_the_question_counts_where_nothing_happens_to_devices():
    upload = group("upload", Verb.UPLOAD, "upload-package", FIRMWARE)
    assert question_text(Plan(SERVER, (upload,))).startswith("\n1 package to upload; 1 call.\nApply this to")


def test_values_of_gateways_say_whose_they_are():
    change = Change(
        CAMPAIGN, "schedules.download", "a", "b", Reason.DIFFERS, members=("g1", "g2", "g3", "g4")
    )
    assert rows(change) == ['  ~ schedules.download  "a" → "b" for 4 gateways (g1, g2, g3 and 1 more)']
    plan = Plan(Server("pulse", "embedded:"), changes=(change,))
    assert "  schedules.download of 4 gateways (g1, g2, g3 and 1 more):" in plan_markdown(plan)
    assert json.loads("".join(plan_chunks(plan)))["changes"][0]["gateways"] == ["g1", "g2", "g3", "g4"]
