"""What `init --ci` writes, as its service runs it: the jobs of each event, their scripts in a real shell."""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.app.newproject import CI
from reconciler.forge.notes import mark
from tests.e2e.e2e_git import PULL_REQUEST, RESOURCES, Repository, scratch_repository
from tests.e2e.e2e_runs import TOKEN, Live
from tests.forge.forge_server import TOKEN as FORGE_TOKEN

KEYWORDS = {"default", "stages", "variables"}


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[tuple[Repository, Live]]:
    """A repository with both workflows in it, as somebody sets it up."""
    with scratch_repository(tmp_path) as (repo, live):
        for service in CI:
            made = repo.run([sys.executable, "-m", "reconciler", "init", "--ci", service])
            assert made.returncode == 0, made.stderr
        yield repo, live


def workflow(repo: Repository, service: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((repo.folder / CI[service]).read_text("utf-8"))
    return read


def holds(condition: str, names: Mapping[str, str | None]) -> bool:
    """Whether `A == B && C != D` holds; of each side what `names` says, or the text between its quotes."""
    if " && " in condition:
        return all(holds(each.strip(), names) for each in condition.split(" && "))
    same = " == " in condition
    sides = condition.split(" == " if same else " != ")
    left, right = (side.strip("'\"") if side[0] in "'\"" else names[side] for side in sides)
    return (left == right) is same


# --- GitLab ------------------------------------------------------------------------------------------


def gitlab_event(repo: Repository, source: str) -> dict[str, str]:
    """The variables of a pipeline, and those that the template asks for."""
    request = {
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_PROJECT_ID": "4",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "4",
    }
    of = {"merge_request_event": request}.get(source, {"CI_COMMIT_BRANCH": "main"})
    return {
        "CI_API_V4_URL": repo.host.url,
        "CI_COMMIT_SHA": repo.git("rev-parse", "HEAD"),
        "CI_DEFAULT_BRANCH": "main",
        "CI_JOB_URL": "https://gitlab.example.com/jobs/1",
        "CI_PIPELINE_SOURCE": source,
        "CI_PROJECT_ID": "acme/fleet",
        "GITLAB_CI": "true",
        "RECONCILER_GITLAB_TOKEN": FORGE_TOKEN,
        "RECONCILER_TOKEN": TOKEN,
        **of,
    }


def added(job: Mapping[str, Any], event: Mapping[str, str]) -> bool:
    """The first rule that holds says it; a job that none of its rules takes is left out."""
    names = {f"${name}": value for name, value in event.items()}
    request = ("CI_MERGE_REQUEST_PROJECT_ID", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID")
    asked = ("CI_COMMIT_BRANCH", "RECONCILER_JOB", *request)
    names |= {f"${name}": event.get(name, "") for name in asked}
    rule = next((rule for rule in job["rules"] if holds(rule["if"], names)), {"when": "never"})
    return rule.get("when") != "never"


def pipeline(repo: Repository, source: str) -> dict[str, tuple[int, str]]:
    """The jobs of one pipeline in the order of their stages, as a runner calls them: exit code and log."""
    event = gitlab_event(repo, source)
    written = workflow(repo, "gitlab")
    jobs = {name: job for name, job in written.items() if name not in KEYWORDS and added(job, event)}
    ended = {}
    for name, job in sorted(jobs.items(), key=lambda one: written["stages"].index(one[1]["stage"])):
        ran = repo.run(["bash", "-e", "-o", "pipefail", "-c", "\n".join(job["script"])], **event)
        ended[name] = (ran.returncode, ran.stdout)
    return ended


def test_gitlab_from_a_merge_request_to_drift(repository: tuple[Repository, Live]) -> None:
    repo, live = repository
    spring = repo.folder / "resources" / "spring.yaml"

    spring.write_text(RESOURCES)
    repo.push("Spring update")
    ended = pipeline(repo, "merge_request_event")
    assert {name: code for name, (code, _) in ended.items()} == {"validate": 0, "plan": 0}
    (comment,) = repo.host.said()
    assert comment.startswith(mark("plan"))
    for part in (
        "2 gateways of 1 campaign: 2 join",
        repo.git("rev-parse", "HEAD")[:12],
        "gitlab.example.com/jobs/1",
    ):
        assert part in comment, part
    assert live.campaigns() == [], "nothing is done before the merge"

    # The merge applies, and a schedule finds nothing.
    ended = pipeline(repo, "push")
    assert {name: code for name, (code, _) in ended.items()} == {"apply": 0}
    (campaign,) = live.campaigns()
    assert (campaign["name"], campaign["status"]) == ("spring", "STARTED")
    assert pipeline(repo, "schedule") == {"drift": (0, "No drift.\n")}
    assert repo.host.issues == []

    # Hands on the server: one issue, however often it is looked, which the next apply closes.
    path = f"/api/campaigns/{campaign['id']}"
    live.call("PUT", f"{path}/devices", {"campaignId": campaign["id"], "gatewayIds": ["gw-2"]})
    for _ in range(2):
        code, _ = pipeline(repo, "schedule")["drift"]
        assert code == 0
        (issue,) = repo.host.issues
        assert (issue["state"], issue["labels"]) == ("opened", "reconciler-drift")
        assert "gateways: 1 → 2 (1 missing there, 0 too many)" in issue["description"]
    assert pipeline(repo, "push")["apply"][0] == 0
    assert pipeline(repo, "schedule")["drift"][0] == 0
    assert [issue["state"] for issue in repo.host.issues] == ["closed"]
    assert len(repo.host.comments) == 1


def test_gitlab_plans_nothing_of_a_fork(repository: tuple[Repository, Live]) -> None:
    repo, _ = repository
    event = {**gitlab_event(repo, "merge_request_event"), "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "5"}
    jobs = {name: job for name, job in workflow(repo, "gitlab").items() if name not in KEYWORDS}
    assert [name for name, job in jobs.items() if added(job, event)] == ["validate"]


def test_gitlab_without_a_token_for_comments_fails_with_what_to_do(
    repository: tuple[Repository, Live],
) -> None:
    repo, _ = repository
    event = {**gitlab_event(repo, "merge_request_event"), "RECONCILER_GITLAB_TOKEN": ""}
    (script,) = workflow(repo, "gitlab")["plan"]["script"]
    ran = repo.run(["bash", "-e", "-c", script], **event)
    assert ran.returncode == 1
    assert "RECONCILER_GITLAB_TOKEN" in ran.stderr
    assert "project access token with the scope api" in ran.stderr


# --- GitHub ------------------------------------------------------------------------------------------


def github_jobs(
    repo: Repository, event: str, *, fork: bool = False, login: str = "somebody"
) -> dict[str, tuple[int, str]]:
    """The jobs of one run, each with the exit code of its last script and its summary."""
    secrets = {"RECONCILER_TOKEN": "" if fork else TOKEN, "RECONCILER_SECRETS": ""}
    about = PULL_REQUEST if event == "pull_request" else {}
    head = "a/fork" if fork else "acme/fleet"
    known: dict[str, str | None] = {
        "github.event_name": event.partition(" ")[0],
        "github.event.schedule": event.partition(" ")[2],
        "github.event.pull_request.head.repo.full_name": head if about else None,
        "github.event.pull_request.user.login": login,
        "github.repository": "acme/fleet",
        "github.token": FORGE_TOKEN,
        "vars.RECONCILER_URL": "",
        "vars.RECONCILER_TRUSTED_HOSTS": "",
        "vars.RECONCILER_STATE": repo.env["RECONCILER_STATE"],
        **{f"secrets.{name}": value for name, value in secrets.items()},
    }  # fmt: skip

    def filled(env: Mapping[str, str]) -> dict[str, str]:
        return {
            name: re.sub(r"\$\{\{ (.*?) \}\}", lambda found: known[found[1]] or "", value)
            for name, value in env.items()
        }

    written = workflow(repo, "github")
    ended: dict[str, tuple[int, str]] = {}
    for name, job in written["jobs"].items():
        if ("if" in job and not holds(job["if"], known)) or (
            "needs" in job and ended.get(job["needs"], (1, ""))[0]
        ):
            continue
        shared = {**filled(written["env"]), **repo.github(about)}
        for step in job["steps"]:
            if "pip install" in step.get("run", "pip install"):
                continue
            ran = repo.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                **shared, **filled(step.get("env", {})),
            )  # fmt: skip
            ended[name] = (ran.returncode, repo.summary())
    return ended


def codes(ended: Mapping[str, tuple[int, str]]) -> dict[str, int]:
    return {name: code for name, (code, _) in ended.items()}


def test_github_from_a_pull_request_to_drift(repository: tuple[Repository, Live]) -> None:
    repo, live = repository
    spring = repo.folder / "resources" / "spring.yaml"
    spring.write_text(RESOURCES)
    repo.push("Spring update")
    assert codes(github_jobs(repo, "pull_request")) == {"validate": 0, "preview": 0}
    (comment,) = repo.host.said()
    assert "2 gateways of 1 campaign: 2 join" in comment

    # What a fork wrote is checked; nobody is called, nothing is said.
    calls = list(repo.host.calls)
    live.forget()
    assert codes(github_jobs(repo, "pull_request", fork=True)) == {"validate": 0}
    assert codes(github_jobs(repo, "pull_request", login="dependabot[bot]")) == {"validate": 0}
    assert (repo.host.calls, live.operations()) == (calls, [])

    # The plan that the reviewers of the environment see is the one that is applied.
    ended = github_jobs(repo, "push")
    assert codes(ended) == {"plan": 0, "apply": 0}
    assert "2 gateways of 1 campaign: 2 join" in ended["plan"][1]
    assert "Exit code 0" in ended["apply"][1]
    (campaign,) = live.campaigns()
    assert (campaign["name"], campaign["status"]) == ("spring", "STARTED")
    assert codes(github_jobs(repo, "push")) == {"plan": 0, "apply": 0}, "a merge that changes nothing"

    live.call("PUT", f"/api/campaigns/{campaign['id']}/stop", {"campaignId": campaign["id"]})
    assert codes(github_jobs(repo, "schedule */15 * * * *")) == {"rollout": 0}
    assert codes(github_jobs(repo, "schedule 17 * * * *")) == {"drift": 0}
    (issue,) = repo.host.issues
    assert "### Held: 1" in issue["body"]
    assert len(repo.host.comments) == 1
