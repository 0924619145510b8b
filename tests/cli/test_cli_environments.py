"""Environments on the command line: overlays in every command, and findings of all of them at once."""

import json
from pathlib import Path

import pytest

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: p}
spec:
  server: {url: 'embedded:'}
  environments:
    staging:
      overlays: [overlays]
    plain: {}
"""
HEAD = "apiVersion: reconciler/v1\nkind: {}\nmetadata: {{name: {}}}\nspec:\n"
LAB = (
    HEAD.format("Campaign", "line-3")
    + "  description: In the lab\n  gatewayLists: [lab]\n  desiredStatus:\n---\noverlay: new\n"
    + HEAD.format("GatewayList", "lab")
    + "  file: lab.txt\n---\n"
    + HEAD.format("PackageSet", "firmware")
    + "  packages: [{file: lab.bin}]\n"
)


@pytest.fixture
def project(folder: Path) -> Path:
    """The resources, and an environment in which they are different."""
    (folder / "reconciler.yaml").write_text(PROJECT)
    (folder / "overlays").mkdir()
    (folder / "overlays" / "lab.yaml").write_text(LAB)
    (folder / "overlays" / "lab.txt").write_text("gw-lab\n")
    (folder / "overlays" / "lab.bin").write_bytes(b"lab firmware")
    return folder


def test_a_plan_in_an_environment(run, project):
    plain = json.loads(run("plan", "--output", "json").out)
    made = run("plan", "-e", "staging", "--output", "json")
    assert made.code == 0, made.err
    staging = json.loads(made.out)
    assert plain["summary"]["gatewaysGained"] == 3
    assert (staging["summary"]["gatewaysGained"], staging["summary"]["errors"]) == (1, 0)
    after = {change["field"]: change["after"] for change in staging["changes"]}
    assert after["description"] == "In the lab"
    assert after["gateways"] == {"count": 1, "gained": ["gw-lab"]}
    # A file is relative to the overlay that names it.
    assert [
        each["after"]["name"] for each in staging["changes"] if each["resource"] == "PackageSet/firmware"
    ] == ["lab.bin"]
    assert "start-campaign" in plain["summary"]["byOperation"]
    assert "start-campaign" not in staging["summary"]["byOperation"]


def test_each_environment_has_its_own_state(run, project):
    assert run("apply", "-e", "staging", "--auto-approve").code == 0
    assert (project / ".reconciler" / "staging" / "state.json").exists()
    assert not (project / ".reconciler" / "state.json").exists()


def test_paths_leave_new_resources_of_overlays_out(run, project):
    (project / "overlays" / "lab.yaml").write_text(LAB.replace("[lab]", "[hall]"))
    made = run("plan", "resources", "-e", "staging", "--output", "json")
    assert made.code == 0, made.err
    assert json.loads(made.out)["summary"]["gatewaysGained"] == 3


def test_commands_by_hand_know_the_name_that_an_overlay_gives(run, project):
    (project / "overlays" / "lab.yaml").write_text(LAB.replace("  description", "  name: Lab\n  description"))
    assert run("apply", "-e", "staging", "--auto-approve").code == 0
    (project / ".reconciler" / "staging").rename(project / ".reconciler" / "lost")
    shown = run("campaign", "show", "Campaign/line-3", "-e", "staging")
    assert shown.code == 0, shown.err
    assert "Lab" in shown.out


def test_validate_checks_every_environment(run, project):
    assert run("validate").out == "3 resources: no findings\n"
    (project / "overlays" / "bad.yaml").write_text(HEAD.format("GatewayList", "hall") + "  gatewys: []\n")
    every = run("validate")
    assert every.code == 1
    assert every.out.startswith(
        "overlays/bad.yaml:5:3: error[unknown-field]: in the environment staging: the key `spec.gatewys`"
    )
    chosen = run("validate", "-e", "staging")
    assert chosen.code == 1
    assert chosen.out.startswith("overlays/bad.yaml:5:3: error[unknown-field]: the key `spec.gatewys`")
    assert run("validate", "-e", "plain").code == 0


def test_what_is_wrong_everywhere_is_said_once(run, project):
    line = project / "resources" / "line.yaml"
    line.write_text(line.read_text().replace("gateways: [gw-1", "gateways: [gw-1, gw-1"))
    assert run("validate").out.count("duplicate-gateway") == 1


def test_the_environment_may_be_a_variable(run, project, monkeypatch):
    (project / "overlays" / "bad.yaml").write_text("a: [")
    monkeypatch.setenv("RECONCILER_ENVIRONMENT", "plain")
    assert run("validate").code == 0


def test_an_overlay_that_is_given_as_a_path(run, project):
    made = run("validate", "overlays/lab.yaml")
    assert made.code == 0
    assert "overlays/lab.yaml:1:1: warning[overlay-alone]" in made.out
