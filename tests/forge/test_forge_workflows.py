"""The actions, workflows and templates for users: valid, pinned, with the least permissions."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
REUSABLE = [path for path in WORKFLOWS if path.stem.startswith("reconciler-")]
TEMPLATES = ROOT / "reconciler" / "templates" / "ci"


def check(*arguments: object) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_workflows_are_valid() -> None:
    check("--builtin-schema", "vendor.github-workflows", *WORKFLOWS, TEMPLATES / "github.yml")


def test_actions_are_valid() -> None:
    assert [path.parent.name for path in ACTIONS] == ["apply", "drift", "plan", "rollout"]
    check("--builtin-schema", "vendor.github-actions", *ACTIONS)


def test_the_gitlab_template_is_valid() -> None:
    check("--builtin-schema", "vendor.gitlab-ci", TEMPLATES / "gitlab.yml")


def test_zizmor_finds_nothing() -> None:
    ran = subprocess.run(
        [Path(sys.executable).with_name("zizmor"), "--offline", "--no-progress", "--strict-collection",
         ROOT / ".github", TEMPLATES / "github.yml"],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "path", [*ACTIONS, *WORKFLOWS, TEMPLATES / "github.yml"], ids=lambda p: p.parent.name + p.stem
)
def test_everything_used_is_pinned_to_a_commit(path: Path) -> None:
    for used in re.findall(r"uses: (.*)", re.sub(r"(?m)^ *#.*$", "", path.read_text(encoding="utf-8"))):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[0-9.]+", used), used


@pytest.mark.parametrize("path", [*WORKFLOWS, TEMPLATES / "github.yml"], ids=lambda path: path.stem)
def test_a_job_may_write_only_what_it_is_for(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    may = {
        (job, name)
        for job, told in workflow["jobs"].items()
        for name, level in told.get("permissions", {}).items()
        if level == "write"
    }
    wanted = {
        "reconciler-plan": {("plan", "pull-requests")},
        "reconciler-drift": {("drift", "issues")},
        "reconciler-rollout": {("rollout", "issues")},
        "release": {("publish", "contents"), ("publish", "id-token"), ("publish", "attestations")},
        "github": {("preview", "pull-requests"), ("drift", "issues"), ("rollout", "issues")},
    }
    assert may == wanted.get(path.stem, set())


def test_an_apply_is_never_cut_short_and_waits_for_its_reviewers() -> None:
    apply = yaml.safe_load((ROOT / ".github/workflows/reconciler-apply.yml").read_text(encoding="utf-8"))
    assert apply["concurrency"]["cancel-in-progress"] is False
    assert apply["jobs"]["apply"]["environment"] == "${{ inputs.environment }}"
    template = yaml.safe_load((TEMPLATES / "github.yml").read_text(encoding="utf-8"))
    assert template["concurrency"]["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"
    assert template["jobs"]["apply"]["environment"] == "production"
    for workflow in (apply, template):
        assert workflow["jobs"]["apply"]["needs"] == "plan"


@pytest.mark.parametrize("path", REUSABLE, ids=lambda path: path.stem)
def test_a_reusable_workflow_hands_on_what_it_is_given(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    # YAML 1.1 reads the key `on` as true.
    given = yaml.safe_load(text)[True]["workflow_call"]
    for name in given["inputs"]:
        assert f"${{{{ inputs.{name} }}}}" in text, name
    runs = [part for part in text.split("      - ") if "reconciler-forge " in part]
    assert runs
    for run in runs:
        for name in given["secrets"]:
            assert f"{name}: ${{{{ secrets.{name} }}}}" in run, name


@pytest.mark.parametrize("path", [*REUSABLE, TEMPLATES / "github.yml"], ids=lambda path: path.stem)
def test_every_checkout_fetches_large_files(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    steps = [step for told in jobs.values() for step in told["steps"]]
    checkouts = [step["with"] for step in steps if "checkout@" in step.get("uses", "")]
    assert checkouts
    assert all(given == {"persist-credentials": False, "lfs": True} for given in checkouts)


def test_forks_and_dependabot_get_what_needs_no_secret() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/reconciler-plan.yml").read_text(encoding="utf-8"))[
        "jobs"
    ]
    assert "secrets." not in str(jobs["validate"])
    assert "vars." not in str(jobs["validate"])
    ours = jobs["plan"]["if"]
    (run,) = [step for step in jobs["plan"]["steps"] if step.get("run") == "reconciler-forge plan"]
    for told in (ours, run["env"]["COMMENT"]):
        assert "head.repo.full_name == github.repository" in told
        assert "user.login != 'dependabot[bot]'" in told


@pytest.mark.parametrize("name", ["plan", "apply"])
def test_the_gate_and_the_policy_are_inputs(name: str) -> None:
    workflow = yaml.safe_load((ROOT / f".github/workflows/reconciler-{name}.yml").read_text(encoding="utf-8"))
    (run,) = [
        step for step in workflow["jobs"]["plan"]["steps"] if step.get("run") == "reconciler-forge plan"
    ]
    assert run["env"]["GATE"] == "${{ inputs.gate }}"
    assert run["env"]["POLICY"] == "${{ inputs.policy }}"
    assert workflow[True]["workflow_call"]["inputs"]["gate"]["default"] == "enforce"


@pytest.mark.parametrize(
    "path", [*ACTIONS, *REUSABLE, TEMPLATES / "github.yml"], ids=lambda path: path.parent.name + path.stem
)
def test_nothing_is_imported_from_the_checkout(path: Path) -> None:
    """`python -m` puts the working folder before everything that is installed."""
    for script in re.findall(r"run: (.*)", path.read_text(encoding="utf-8")):
        assert "python" not in script


@pytest.mark.parametrize(
    "path", [*ACTIONS, *WORKFLOWS, TEMPLATES / "github.yml"], ids=lambda path: path.parent.name + path.stem
)
def test_no_text_from_outside_becomes_a_script(path: Path) -> None:
    for script in re.findall(r"run: (.*)", path.read_text(encoding="utf-8")):
        assert "${{" not in script


def test_a_look_asks_no_reviewer_and_is_never_cut_short() -> None:
    look = yaml.safe_load((ROOT / ".github/workflows/reconciler-rollout.yml").read_text(encoding="utf-8"))
    assert look["concurrency"]["cancel-in-progress"] is False
    assert look[True]["workflow_call"]["inputs"]["environment"]["default"] == "rollouts"
    template = yaml.safe_load((TEMPLATES / "github.yml").read_text(encoding="utf-8"))
    assert template["jobs"]["rollout"]["environment"] == "rollouts"
    crons = {each["cron"] for each in template[True]["schedule"]}
    asked = re.findall(r"github.event.schedule [!=]= '(.*?)'", str(template["jobs"]))
    assert len(asked) == 2
    assert set(asked) < crons
