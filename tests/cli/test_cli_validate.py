"""`validate` and `schema` on real files."""

import json
import sys

import pytest

from reconciler.validation.schemas import schema, union

BAD = """\
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: broken}
spec:
  packageSet: firmwear
  gatewayList: [hall]
"""


def test_all_is_well(run, folder):
    ran = run("validate", "resources")
    assert (ran.code, ran.out, ran.err) == (0, "3 resources: no findings\n", "")


def test_the_working_folder_is_the_default(run, folder):
    assert run("validate").out == "3 resources: no findings\n"


def test_every_finding_with_its_place(run, folder):
    (folder / "resources" / "bad.yaml").write_text(BAD)
    ran = run("validate", "resources")
    assert (ran.code, ran.err) == (1, "")
    assert "resources/bad.yaml:5:15: error[dangling-reference]: " in ran.out
    assert "resources/bad.yaml:6:3: error[unknown-field]: " in ran.out
    assert ran.out.endswith("4 resources: 2 errors\n")


def test_json(run, folder):
    (folder / "resources" / "bad.yaml").write_text(BAD)
    ran = run("validate", "resources", "--output", "json")
    made = json.loads(ran.out)
    assert ran.code == 1
    assert made["summary"] == {"errors": 2, "warnings": 0, "notes": 0}
    assert [(found["file"], found["line"]) for found in made["findings"]] == [
        ("resources/bad.yaml", 5),
        ("resources/bad.yaml", 6),
    ]


def test_github_and_sarif(run, folder):
    (folder / "resources" / "bad.yaml").write_text(BAD)
    github = run("validate", "resources", "--output", "github")
    sarif = run("validate", "resources", "--output", "sarif")
    assert github.code == sarif.code == 1
    assert github.out.splitlines()[0].startswith(
        "::error title=dangling-reference,file=resources/bad.yaml,line=5,col=15::"
    )
    assert [result["ruleId"] for result in json.loads(sarif.out)["runs"][0]["results"]] == [
        "dangling-reference",
        "unknown-field",
    ]


def test_a_project_file_that_is_wrong_is_a_finding(run, folder):
    (folder / "reconciler.yaml").write_text("kind: Project\n")
    ran = run("validate")
    assert ran.code == 1
    assert "reconciler.yaml:1:1: error[" in ran.out


def test_it_needs_no_secret_and_no_server(run, folder):
    campaign = folder / "resources" / "line.yaml"
    campaign.write_text(campaign.read_text() + "  settings: {key: {fromEnv: NOT_SET}}\n")
    assert run("validate", "--url", "http://127.0.0.1:1").code == 0


def test_as_a_process(process):
    ran = process("validate", "resources")
    assert (ran.code, ran.out, ran.err) == (0, "3 resources: no findings\n", "")


@pytest.mark.parametrize("kind", ["Campaign", "project", "plan"])
def test_schemas(run, kind):
    ran = run("schema", kind)
    assert json.loads(ran.out) == schema(kind if kind == "plan" else kind.capitalize())
    assert ran.code == 0


def test_one_schema_for_all(run):
    assert json.loads(run("schema").out) == union()


def test_a_wrong_project_file_does_not_hide_what_is_wrong_with_its_resources(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reconciler.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: p}\nspec: {resources: [r, nope]}\n"
    )
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "a.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Campaign\nmetadata: {name: c}\nspec: {naem: x}\n"
    )
    ran = run("validate")
    assert ran.code == 1
    assert [line.split("[")[1].split("]")[0] for line in ran.out.splitlines() if "error[" in line] == [
        "unknown-field",
        "file-not-found",
    ]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("s3://bucket", "error[bad-url]: the s3: URL of the state names no object in a bucket"),
        (
            "postgresql://h/d?password=canary",
            "error[url-with-credentials]: --state holds a credential in `password`",
        ),
        ("file://elsewhere/state.json", "error[bad-url]: --state isn't the URL of a state"),
    ],
)
def test_a_state_that_a_plan_would_refuse(run, folder, state, said):
    (folder / "resources" / "bad.yaml").write_text(BAD)
    for command in ("validate", "plan"):
        ran = run(command, "resources", "--state", state)
        assert ran.code == 1
        assert said in ran.out + ran.err
        assert "error[dangling-reference]" in ran.out + ran.err, "with all the rest"
        assert "canary" not in ran.out + ran.err


def test_a_library_of_the_state_is_missed_where_it_is_needed(run, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "reconciler.state.s3", None)
    state = ("resources", "--state", "s3://bucket/state.json")
    assert run("validate", *state).code == 0
    ran = run("plan", *state)
    assert (ran.code, ran.out) == (1, "")
    assert "pip install 'reconciler[s3]'" in ran.err
