"""The JSON of plans, applies and findings."""

import json
from dataclasses import replace

import jsonschema
from report_samples import FIRMWARE, LINE_3, SERVER, gateways, group

from reconciler.errors import Exit
from reconciler.model import (
    CampaignFields,
    Change,
    EditCampaign,
    Finding,
    Place,
    Reason,
    Secret,
    StepGroup,
    Verb,
)
from reconciler.plan.model import Plan
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.report.apply_summary import applied_lines
from reconciler.report.markdown import applied_markdown, plan_markdown
from reconciler.report.paths import path_of
from reconciler.report.plan_document import applied_chunks, findings_chunks, plan_chunks
from reconciler.report.plan_text import plan_lines
from reconciler.validation.schemas import schema


def document(chunks):
    return json.loads("".join(chunks))


def test_a_plan(full_plan, golden):
    golden("plan.json", "".join(plan_chunks(full_plan)))


def test_the_keys_are_the_public_ones(full_plan):
    made = document(plan_chunks(full_plan))
    assert list(made) == [
        "formatVersion",
        "server",
        "summary",
        "steps",
        "changes",
        "impact",
        "unreadable",
        "guards",
        "findings",
    ]
    assert {key for step in made["steps"] for key in step} == {
        *("id", "operation", "method", "path", "resource", "gateways", "needs", "reason", "destructive"),
        "permission",
    }
    assert {key for change in made["changes"] for key in change} == {
        *("resource", "field", "before", "after", "reason")
    }


def test_every_document_is_as_the_published_schema_says(full_plan, full_outcomes):
    validator = jsonschema.Draft202012Validator(schema("plan"))
    validator.validate(document(plan_chunks(full_plan)))
    validator.validate(document(plan_chunks(Plan(SERVER))))
    validator.validate(document(applied_chunks(full_plan, full_outcomes, Exit.PARTLY)))
    described = schema("plan")["properties"]["summary"]["properties"]
    assert set(described) <= set(document(plan_chunks(full_plan, would=Exit.GUARD))["summary"])


def test_needs_are_ids_of_earlier_steps(full_plan):
    steps = document(plan_chunks(full_plan))["steps"]
    seen = set()
    for step in steps:
        assert set(step["needs"]) <= seen
        seen.add(step["id"])
    assert len(seen) == len(steps) == full_plan.size
    assert sum(bool(step["needs"]) for step in steps) == 5


def test_paths_are_filled_in_and_encoded():
    remove = group(
        "r", Verb.REMOVE, "remove-gateways", target="c/3 x?{gateway_id}", members=("a",), per_call=5
    )
    schedule = group("s", Verb.SCHEDULE, "schedule-download", target="c", members=("a/b",), per_call=1)
    create_first = group("a", Verb.ADD, "add-gateways", members=gateways(3), per_call=2)
    package = group("d", Verb.DELETE_PACKAGE, "delete-package", FIRMWARE, target="p/1")
    assert [path_of(step) for made in (remove, schedule, create_first, package) for step in made] == [
        "/api/campaigns/c%2F3%20x%3F%7Bgateway_id%7D/devices",
        "/api/campaigns/c/devices/a%2Fb/scheduled-download",
        "/api/campaigns/{campaign_id}/devices",
        "/api/campaigns/{campaign_id}/devices",
        "/api/programs/p%2F1",
    ]


def test_an_apply_is_its_plan_and_what_became_of_it(full_plan, full_outcomes):
    plan = document(plan_chunks(full_plan))
    made = document(applied_chunks(full_plan, full_outcomes, Exit.PARTLY))
    assert list(made) == [*plan, "outcomes"]
    assert [outcome["step"] for outcome in made["outcomes"]] == [step["id"] for step in plan["steps"]]
    assert made["outcomes"][0] == {
        "step": "PackageSet/firmware:upload",
        "status": "done",
        "message": "",
        "attempts": 1,
    }
    assert made["summary"] == {
        **plan["summary"],
        "outcomes": {"done": 3, "not-needed": 1, "waiting": 1, "failed": 2, "skipped": 7, "unknown": 1},
        "exitCode": 3,
    }


def test_findings():
    findings = [
        Finding("b", "later", Place("b.yaml", 1, 1)),
        Finding("a", "sooner \udc80", Place("a.yaml", 2, 3), "Do.", LINE_3),
    ]
    made = document(findings_chunks(findings))
    assert made["summary"] == {"errors": 2, "warnings": 0, "notes": 0}
    assert made["findings"][0] == {
        "code": "a",
        "severity": "error",
        "message": "sooner \udc80",
        "hint": "Do.",
        "resource": "Campaign/line-3",
        "file": "a.yaml",
        "line": 2,
        "column": 3,
    }
    assert "".join(findings_chunks(findings)).isascii(), "a lone surrogate can be written, too"


def test_an_empty_plan_is_a_document_too():
    made = document(plan_chunks(Plan(SERVER)))
    assert (made["steps"], made["changes"], made["findings"]) == ([], [], [])
    assert made["summary"]["steps"] == 0


def test_a_million_steps_are_written_piece_by_piece():
    many = group("s", Verb.SCHEDULE, "schedule-download", target="c", members=gateways(1_000_000), per_call=1)
    chunks = plan_chunks(Plan(SERVER, (many,)))
    sizes = [len(next(chunks)) for _ in range(10_000)]
    assert max(sizes) < 1_000


def test_no_form_of_a_report_shows_a_secret(full_plan, full_outcomes):
    secret = Secret("environment variable KEY", "canary-5f2a")
    change = Change(LINE_3, "settings", {"k": secret}, {"k": [secret]}, Reason.DIFFERS)
    fields = CampaignFields("Line 3", settings={"k": secret})
    action = EditCampaign(LINE_3, Reason.DIFFERS, target="c", fields=fields)
    edit = StepGroup("edit", action, OPERATIONS["edit-campaign"])
    plan = replace(full_plan, changes=(change,), groups=(*full_plan.groups, edit))
    every = "".join(
        [
            *plan_lines(plan),
            *applied_lines(plan, full_outcomes, Exit.PARTLY),
            *plan_chunks(plan),
            *applied_chunks(plan, full_outcomes, Exit.PARTLY),
            plan_markdown(plan),
            applied_markdown(plan, full_outcomes, Exit.PARTLY),
        ]
    )
    assert "canary" not in every
    assert document(plan_chunks(plan))["changes"][0]["after"] == {
        "k": [{"secret": "from environment variable KEY"}]
    }
