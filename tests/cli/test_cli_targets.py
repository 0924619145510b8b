"""`--target` and `--selector` on the command line: what a plan of a part says, and what is refused."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reconciler.validation.schemas import schema

SECOND = """\
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-4, labels: {site: berlin}}
spec: {packageSet: firmware}
"""


@pytest.fixture
def two(folder: Path) -> Path:
    """Two campaigns."""
    path = folder / "resources" / "line.yaml"
    path.write_text(path.read_text() + SECOND)
    return folder


def test_text(run, two):
    lines = run("plan", "resources", "--target", "Campaign/line-4").out.splitlines()
    assert lines[:2] == [
        "Server: embedded:",
        "Part of the project: 1 of 2 campaigns (--target Campaign/line-4); nothing else was planned",
    ]
    assert not [line for line in lines if "line-3" in line]
    assert "Part of" not in run("plan", "resources").out


def test_json(run, two):
    made = json.loads(run("plan", "resources", "--selector", "site=berlin", "--output", "json").out)
    assert made["partial"] == {"asked": ["--selector site=berlin"], "campaigns": 1, "of": 2}
    assert "partial" not in json.loads(run("plan", "resources", "--output", "json").out)
    Draft202012Validator(dict(schema("plan"))).validate(made)


def test_markdown(run, two):
    asked = ("--target", "Campaign/line-4", "--selector", "site")
    text = run("plan", "resources", *asked, "--output", "markdown").out
    assert (
        "**A part of the project**: `1 of 2 campaigns (--target Campaign/line-4 --selector site)`;"
        " nothing else was planned.\n"
    ) in text


def test_apply(run, two):
    made = run("apply", "resources", "--auto-approve", "--target", "Campaign/line-4")
    assert made.code == 0, made.err
    assert "Part of the project: 1 of 2 campaigns" in made.out
    assert (
        json.loads(run("plan", "resources", "--output", "json").out)["summary"]["campaigns"]["created"] == 1
    )
    again = run("apply", "resources", "--auto-approve", "--target", "Campaign/line-4")
    assert again.out.endswith("\nNo changes.\n")


def test_a_removed_campaign_by_its_name(run, two):
    assert run("apply", "resources", "--auto-approve").code == 0
    path = two / "resources" / "line.yaml"
    path.write_text(path.read_text().replace(SECOND, ""))
    made = run("apply", "resources", "--auto-approve", "--prune", "--target", "Campaign/line-4")
    assert made.code == 0, made.err
    assert "Part of the project: 1 of 2 campaigns (--target Campaign/line-4)" in made.out
    assert "calls  delete-campaign" in made.out
    gone = run("plan", "resources", "--target", "Campaign/line-4")
    assert gone.code == 1
    assert "error[unknown-target]: --target: there is no Campaign/line-4" in gone.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--target", "Campaign/line-5"], 1, "hint: did you mean `Campaign/line-"),
        (["--target", "line-4"], 64, "'line-4' isn't a resource; did you mean Campaign/line-4?"),
        (["--target", "campaign/line-4"], 64, "did you mean Campaign/line-4?"),
        (["--target", "GatewayList/hall"], 64, "only campaigns are targeted; what they need comes with them"),
        (["--target", ""], 64, "'' isn't a resource"),
        (["--selector", "site=berln"], 1, "error[empty-selection]: no campaign is chosen"),
        (["--selector", "=x"], 64, "'=x' is not KEY=VALUE, KEY!=VALUE or KEY"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "apply"])
def test_what_is_refused(run, two, command, arguments, code, said):
    more = ["--auto-approve"] if command == "apply" else []
    made = run(command, "resources", *more, *arguments)
    assert made.code == code
    assert said in made.err
    assert not (two / ".reconciler" / "journal").exists()


def test_what_is_refused_leaves_a_document(run, two):
    made = run("plan", "resources", "--target", "Campaign/x", "--output", "json")
    assert made.code == 1
    assert [found["code"] for found in json.loads(made.out)["findings"]] == ["unknown-target"]


def test_a_name_can_not_steer_the_terminal(run, two):
    made = run("plan", "resources", "--target", "Campaign/\x1b[31mx")
    assert made.code == 1
    assert "\x1b" not in made.err


def test_a_part_of_the_paths_knows_of_nothing_removed(run, two):
    (two / "reconciler.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: p}\nspec: {server: {url: 'embedded:'}}\n"
    )
    assert run("apply", "--auto-approve").code == 0
    (two / "resources" / "other.yaml").write_text(
        SECOND.replace("line-4", "line-9").replace("{packageSet: firmware}", "{}")
    )
    made = run("plan", "resources/other.yaml", "--prune", "--target", "Campaign/line-4")
    assert made.code == 1
    assert "Campaign/line-4 is not in these files" in made.err
    assert "hint: leave the paths out: it may be declared elsewhere" in made.err
