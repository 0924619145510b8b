"""`init`: a project that validates and plans at once, and nothing overwritten."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from reconciler.app.newproject import CI, TEMPLATES
from reconciler.embedded import Running
from reconciler.loading import load_text
from reconciler.validation.schemas import overlay, schema, union

ROOT = Path(__file__).parents[2]
PROJECT_FILES = {
    "reconciler.yaml",
    ".gitignore",
    "resources/campaign.yaml",
    "resources/firmware-1.0.txt",
    "resources/gateways.yaml",
    "resources/packages.yaml",
    "overlays/rehearsal/pilot.yaml",
    ".schemas/Project.json",
    ".schemas/overlay.json",
    ".schemas/resource.json",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_new_project_validates_and_plans_at_once(run, home):
    made = run("init", "line 3")
    assert (made.code, made.err) == (0, "")
    assert files(home / "line 3") == PROJECT_FILES
    assert "  cd 'line 3'\n  reconciler validate\n  reconciler plan -e rehearsal\n" in made.out
    os.chdir(home / "line 3")
    assert run("validate").out == "3 resources: no findings\n"
    plan = run("plan", "-e", "rehearsal")
    assert plan.code == 0
    assert plan.out.endswith("\nPlan: 1 to create, 1 package to upload; 4 calls.\n")
    assert run("apply", "-e", "rehearsal", "--auto-approve").code == 0
    assert run("plan", "-e", "rehearsal").out.endswith("\nNo changes.\n")


def test_without_an_environment_a_server_has_to_be_named(run, home):
    run("init")
    plan = run("plan")
    assert plan.code == 1
    assert "error[missing-url]: the project names no server" in plan.err
    assert "choose an environment with --environment: rehearsal" in plan.err


def test_the_project_has_the_name_of_its_folder(run, home):
    for folder, name in (
        ("Line 3 (ä)!", "Line-3"),
        ("007", "007"),
        ("...", "project"),
        ("x" * 140, "x" * 128),
    ):
        assert run("init", f"in/{folder}").code == 0
        text = (home / "in" / folder / "reconciler.yaml").read_text()
        assert yaml.safe_load(text)["metadata"] == {"name": name}


def test_the_working_folder_is_the_default(run, home):
    made = run("init")
    assert files(home) == PROJECT_FILES
    assert "  cd " not in made.out


def test_editors_find_the_schemas(run, home):
    run("init")
    published = {"Project": schema("Project"), "resource": union(), "overlay": overlay()}
    for name, text in published.items():
        assert json.loads((home / ".schemas" / f"{name}.json").read_text()) == text
    yamls = list(home.rglob("*.yaml"))
    assert len(yamls) == 5
    for path in yamls:
        hint = path.read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / hint).is_file(), path


@pytest.mark.parametrize("taken", sorted(PROJECT_FILES - {"reconciler.yaml", ".gitignore"}))
def test_nothing_is_overwritten(run, home, taken):
    (home / taken).parent.mkdir(parents=True, exist_ok=True)
    (home / taken).write_text("mine")
    made = run("init")
    if taken.startswith("resources/"):
        # Whoever has resources needs no examples.
        assert made.code == 0
        assert files(home / "resources") == {Path(taken).name}
    else:
        assert made.code == 1
        assert f"would be overwritten: {taken}" in made.err
        assert files(home) == {taken}
    assert (home / taken).read_text() == "mine"


def test_a_link_to_nowhere_is_not_written_through(run, home, tmp_path):
    (home / ".schemas").mkdir()
    (home / ".schemas" / "Project.json").symlink_to(tmp_path / "elsewhere")
    assert run("init").code == 1
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(("text", "told"), [("*.pyc\n", True), ("*.pyc\n.reconciler/\n", False)])
def test_a_gitignore_is_left_alone(run, home, text, told):
    (home / ".gitignore").write_text(text)
    made = run("init")
    assert made.code == 0
    assert (home / ".gitignore").read_text() == text
    assert ("Add the line .reconciler/ to .gitignore" in made.out) is told


def test_a_project_is_left_alone(run, home):
    run("init")
    before = {name: (home / name).read_bytes() for name in files(home)}
    again = run("init")
    assert again.code == 1
    assert "reconciler.yaml exists: this is a project already" in again.err
    made = run("init", "--ci", "github")
    assert made.code == 0
    assert made.out.startswith("made .github/workflows/reconciler.yml\nIts RECONCILER_PACKAGE is what pip")
    assert {name: (home / name).read_bytes() for name in before} == before
    twice = run("init", "--ci", "github")
    assert twice.code == 1
    assert "would be overwritten: .github/workflows/reconciler.yml" in twice.err


@pytest.mark.parametrize("name", ["reconciler.yml", "reconciler.YAML"])
def test_a_project_of_another_spelling_is_one_too(run, home, name):
    run("init")
    (home / "reconciler.yaml").rename(home / name)
    before = files(home)
    again = run("init")
    assert again.code == 1
    assert f"{name} exists: this is a project already" in again.err
    assert files(home) == before
    assert run("validate").out == "3 resources: no findings\n"
    assert run("plan", "-e", "rehearsal").code == 0


def test_two_project_files_stop_every_command(run, home):
    run("init")
    (home / "reconciler.yml").write_bytes((home / "reconciler.yaml").read_bytes())
    for command in (["validate"], ["plan", "-e", "rehearsal"], ["apply", "--auto-approve"], ["status"]):
        stopped = run(*command)
        assert stopped.code == 1, command
        assert "error[two-project-files]" in stopped.err + stopped.out
        assert "`reconciler.yaml` and `reconciler.yml`" in stopped.err + stopped.out
    assert not (home / ".reconciler").exists()


def test_a_file_is_no_folder(run, home):
    (home / "x").write_text("")
    made = run("init", "x")
    assert made.code == 1
    assert made.err.startswith("error: x: ")


@pytest.mark.parametrize("service", CI)
def test_a_workflow_is_one_that_its_service_takes(run, home, service):
    """By the schema that the service's own documentation goes by, as check-jsonschema ships it."""
    assert run("init", "--ci", service).code == 0
    path = home / CI[service]
    kind = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}[service]
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", kind, path],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    text = path.read_text()
    for command in (
        "reconciler validate",
        *(f"reconciler-forge {job}" for job in ("plan", "apply", "drift", "rollout")),
    ):
        assert command in text
    assert "python -m" not in text, "it would import from the checkout"
    assert "VERSION" not in text


@pytest.mark.parametrize("service", CI)
@pytest.mark.parametrize("said", [True, False])
def test_a_workflow_stands_at_the_root_of_the_repository(run, home, service, said, monkeypatch):
    """Nowhere else is it run; it names the project, which is found from no other folder."""
    if said:
        monkeypatch.setenv("GITHUB_WORKSPACE", str(home))
    else:
        (home / ".git").write_text("gitdir: elsewhere\n")
    project = home / "plant" / "hall 1"
    project.mkdir(parents=True)
    monkeypatch.chdir(project)
    assert run("init").code == 0
    made = run("init", "--ci", service)
    assert made.out.startswith(f"made ../../{CI[service]}\n")
    workflow = yaml.safe_load((home / CI[service]).read_text())
    variables = workflow["env"] if service == "github" else workflow["variables"]
    assert variables["RECONCILER_PROJECT"] == "plant/hall 1/reconciler.yaml"
    assert variables["KEY"] == "plant/hall 1", "its comment stands beside that of another folder"
    if service == "github":
        paths = ["plant/hall 1/**", ".github/workflows/reconciler.yml"]
        assert workflow[True]["pull_request"]["paths"] == workflow[True]["push"]["paths"] == paths
        assert workflow["name"] == "reconciler plant/hall 1"
        assert workflow["concurrency"]["group"].startswith("${{ github.workflow }}-")
        return
    paths = ["plant/hall 1/**/*", ".gitlab-ci.yml"]
    rules = {name: workflow[name]["rules"] for name in ("validate", "plan", "apply", "drift", "rollout")}
    for name in ("validate", "plan", "apply"):
        assert rules[name][-1]["changes"] == paths, name
    assert "schedule" in rules["apply"][0]["if"]
    assert "changes" not in rules["apply"][0]
    assert "changes" not in {**rules["drift"][0], **rules["rollout"][0]}


def test_two_folders_of_a_repository_have_a_workflow_each(run, home, monkeypatch):
    (home / ".git").mkdir()
    for name in ("north", "south"):
        (home / name).mkdir()
        monkeypatch.chdir(home / name)
        assert run("init", "--ci", "github").code == 0
        assert run("init", "--ci", "github").code == (0 if name == "north" else 1), "nothing is overwritten"
        if name == "north":
            (home / ".github" / "workflows" / "reconciler-north.yml").unlink()
    folder = home / ".github" / "workflows"
    assert {path.name for path in folder.iterdir()} == {"reconciler.yml", "reconciler-south.yml"}
    made = [yaml.safe_load(path.read_text()) for path in folder.iterdir()]
    for told in ("name", "env", True):
        assert made[0][told] != made[1][told]


def test_a_folder_whose_name_is_a_pattern_has_no_filter(run, home, monkeypatch):
    (home / ".git").mkdir()
    (home / "hall [1]").mkdir()
    monkeypatch.chdir(home / "hall [1]")
    assert run("init", "--ci", "github").code == 0
    assert yaml.safe_load((home / CI["github"]).read_text())[True]["pull_request"] is None


def test_what_forks_get_needs_no_variable(run, home):
    assert run("init", "--ci", "github").code == 0
    workflow = yaml.safe_load((home / CI["github"]).read_text())
    assert "${{" not in workflow["env"]["RECONCILER_PACKAGE"]
    assert "${{" not in str(workflow["jobs"]["validate"]["steps"])
    assert "dependabot[bot]" in workflow["jobs"]["preview"]["if"]


def test_what_forks_get_on_gitlab_needs_no_variable(run, home):
    assert run("init", "--ci", "gitlab").code == 0
    workflow = yaml.safe_load((home / CI["gitlab"]).read_text())
    assert "SOURCE_PROJECT_ID" not in str(workflow["validate"]["rules"])
    (rule,) = workflow["plan"]["rules"]
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_MERGE_REQUEST_PROJECT_ID" in rule["if"]


def test_the_job_of_forks_runs_as_they_have_it(run, home, monkeypatch):
    """Every variable of the repository is empty there."""
    assert run("init").code == 0
    for name, value in (("CI", "true"), ("RECONCILER_URL", ""), ("RECONCILER_STATE", ""),
                        ("RECONCILER_TRUSTED_HOSTS", "")):  # fmt: skip
        monkeypatch.setenv(name, value)
    checked = run("validate", "--output", "github")
    assert checked.code == 0, checked.out


def test_the_templates_are_right_by_themselves():
    for path in (TEMPLATES / "project").rglob("*.yaml"):
        assert load_text(path.read_bytes(), path.name, path).findings == ()


def test_as_a_process_on_a_fresh_folder(process, folder):
    assert process("init", "new").code == 0
    assert process("validate", "--project", "new/reconciler.yaml").out == "3 resources: no findings\n"
    plan = process("plan", "--project", "new/reconciler.yaml", "-e", "rehearsal", "--detailed-exitcode")
    assert plan.code == 2, plan
    assert (folder / "new" / ".reconciler" / "embedded.db").exists()


# --- pre-commit ------------------------------------------------------------------------------------


def test_the_hook_is_one_that_pre_commit_takes():
    checked = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-manifest", ROOT / ".pre-commit-hooks.yaml"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_hook_runs_a_command_that_there_is(run, home):
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    program, *arguments = hook["entry"].split()
    assert program == "reconciler"
    run("init")
    assert run(*arguments).code == 0
    (home / "resources" / "bad.yaml").write_text("kind: Pod\n")
    assert run(*arguments).code == 1


def test_the_rehearsal_of_a_new_project_starts_simulates_and_ends(run, home):
    """As the last lines of `init` say, with a clock that runs faster still."""
    assert run("init").code == 0
    with Running(home / "server.db", simulate=100_000) as server:
        flags = ("-e", "rehearsal", "--url", server.url, "--state", "file:.reconciler/simulated.json")
        applied = run("apply", *flags, "--auto-approve")
        assert applied.code == 0, applied.out + applied.err
        watched = run("status", *flags, "--watch", "--interval", "0.05")
        assert watched.code == 0
        last = json.loads(run("status", *flags, "--output", "json").out)
    (campaign,) = last["campaigns"]
    assert campaign["status"] == "STARTED"
    assert campaign["gateways"]["done"] == 2, campaign
