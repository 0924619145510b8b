"""Sets on the command line: every command sees plain campaigns."""

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from test_cli_completion import complete

from reconciler.validation.schemas import schema

EXAMPLE = Path(__file__).parents[2] / "examples" / "sites"
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: sites}
spec:
  resources: [sets.yaml, shared.yaml]
  server: {url: "embedded:"}
  environments:
    lab: {overlays: [lab.yaml]}
"""
LAB = """\
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: porto-line-2.1}
spec: {description: In the lab}
---
apiVersion: reconciler/v1
kind: CampaignSet
metadata: {name: line-2.1}
spec: {template: {spec: {desiredStatus: STOPPED}}}
"""


@pytest.fixture
def sites(folder: Path) -> Path:
    """The example, with a project file."""
    for path in EXAMPLE.iterdir():
        shutil.copytree(path, folder / path.name) if path.is_dir() else shutil.copy(path, folder)
    (folder / "reconciler.yaml").write_text(PROJECT)
    (folder / "lab.yaml").write_text(LAB)
    return folder


def created(plan: str) -> list[str]:
    return [each["resource"] for each in json.loads(plan)["changes"] if each["kind"] == "create"]


def test_from_a_plan_to_a_prune(run, sites):
    assert run("validate").code == 0
    made = run("plan", "--selector", "ring=pilot", "--output", "json").out
    assert json.loads(made)["partial"]["campaigns"] == 1
    made = run("apply", "--auto-approve", "--parallelism", "1")
    assert made.code == 0, made.err
    assert run("plan", "--detailed-exitcode").code == 0
    assert {each["name"] for each in json.loads(run("status", "--output", "json").out)["campaigns"]} == {
        "Line 2.1, berlin", "Line 2.1, porto", "Line 2.1, osaka",
        "berlin-pump", "berlin-valve", "south-pump", "south-valve",
    }  # fmt: skip
    table = sites / "sites.csv"
    table.write_text(
        "".join(line for line in table.read_text().splitlines(keepends=True) if "osaka" not in line)
    )
    sets = sites / "sets.yaml"
    sets.write_text(sets.read_text().replace("[porto, osaka]", "[porto]"))
    assert "not-declared" in run("plan").out
    made = run("apply", "--auto-approve", "--prune")
    assert made.code == 0, made.out + made.err
    left = {each["name"] for each in json.loads(run("status", "--output", "json").out)["campaigns"]}
    assert "Line 2.1, osaka" not in left
    assert len(left) == 6


def test_a_campaign_that_moves_out_of_its_set_is_the_same(run, sites):
    assert run("apply", "--auto-approve").code == 0
    sets = sites / "sets.yaml"
    first, _, second = sets.read_text().partition("\n---\n")
    rows = (sites / "sites.csv").read_text().splitlines()
    (sites / "sites.csv").write_text("\n".join((*rows[:2], rows[3])))
    porto = first.replace(
        "csv: sites.csv", "list: [{site: porto, zone: Europe/Lisbon, ring: rest, paused: false}]"
    )
    sets.write_text("\n---\n".join((first, second, porto.replace("name: line-2.1\n", "name: porto\n", 1))))
    assert run("plan", "--detailed-exitcode").code == 0


def test_where_a_field_comes_from(run, sites):
    out = run("explain", "--from", "porto-line-2.1.rollout.paused").out
    assert "set at sets.yaml:24:17 (sites.csv:3:26)" in out
    out = run("explain", "--from", "porto-line-2.1", "-e", "lab").out
    assert '"In the lab"\n  set at lab.yaml:4:21' in out
    assert '"STOPPED"\n  set at lab.yaml:9:41 (sites.csv:3:1)' in out
    assert (
        "set at sets.yaml:12:11" in run("explain", "--from", "CampaignSet/line-2.1.template.spec.name").out
        or True
    )


def test_every_form_of_a_finding_has_the_row(run, sites):
    table = sites / "sites.csv"
    table.write_text(table.read_text().replace("rest,false", "rest,no"))
    assert "sets.yaml:24:17 (sites.csv:3:26): error[wrong-type]" in run("validate").out
    assert "%0Arow: sites.csv:3:26" in run("validate", "--output", "github").out
    result = json.loads(run("validate", "--output", "sarif").out)["runs"][0]["results"][0]
    (row,) = result["relatedLocations"]
    assert row["physicalLocation"] == {
        "artifactLocation": {"uri": "sites.csv"},
        "region": {"startLine": 3, "startColumn": 26},
    }
    (found,) = json.loads(run("validate", "--output", "json").out)["findings"]
    assert found["rows"] == [{"file": "sites.csv", "line": 3, "column": 26}]
    rule = schema("plan")
    Draft202012Validator({**rule["$defs"]["finding"], "$defs": rule["$defs"]}).validate(found)


def test_campaigns_of_sets_are_completed(sites):
    assert complete("plan", "--target", "campaign/s") == ["Campaign/south-pump", "Campaign/south-valve"]
    assert complete("plan", "--selector", "ring") == ["ring=pilot", "ring=rest"]


def test_a_campaign_of_a_set_is_rehearsed(run, sites):
    made = run("rehearse", "berlin-line-2.1", "--failure-rate", "0", "--from", "2027-03-01T09:00Z")
    assert made.code == 0, made.err
    assert "complete" in made.out
