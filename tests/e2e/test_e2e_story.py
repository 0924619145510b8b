"""The whole story in a scratch Git repository, over TCP: two pushes, a merge, and a hand on the server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.embedded import Running
from reconciler.forge.sticky import mark
from tests.e2e.e2e_runs import TOKEN, Live
from tests.forge.forge_server import TOKEN as FORGE_TOKEN
from tests.forge.forge_server import Host, code_host

ROOT = Path(__file__).parents[2]

RESOURCES = """\
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: line-3}
spec:
  gateways:
    - gw-1
    - gw-2
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: spring}
spec:
  description: Spring update
  gatewayLists: [line-3]
  desiredStatus: STARTED
"""
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: fleet}
spec:
  resources: [resources]
  server: {url: "URL", auth: {tokenEnv: PULSE_TOKEN}}
"""


@dataclass
class Repository:
    """A clone as CI has one, and the job that runs in it."""

    folder: Path
    host: Host
    url: str
    env: dict[str, str] = field(default_factory=dict)

    def git(self, *arguments: str) -> str:
        ran = subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments],
            cwd=self.folder, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return ran.stdout.strip()

    def push(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def job(self, name: str, event: dict[str, object], **more: str) -> tuple[int, str]:
        """One job of GitHub Actions; answers its exit code and its summary."""
        work = self.folder.parent
        summary, payload, output = work / "summary.md", work / "event.json", work / "output"
        summary.write_text("")
        payload.write_text(json.dumps(event))
        ran = subprocess.run(
            [sys.executable, "-m", "reconciler.forge", name],
            cwd=self.folder,
            env={
                **self.env,
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_API_URL": self.host.url,
                "GITHUB_EVENT_PATH": str(payload),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_REPOSITORY": "acme/fleet",
                "GITHUB_SHA": self.git("rev-parse", "HEAD"),
                "GITHUB_STEP_SUMMARY": str(summary),
                "GITHUB_TOKEN": FORGE_TOKEN,
                "PULSE_TOKEN": TOKEN,
                "RECONCILER_STATE": f"file:{work / 'state.json'}",
                **more,
            },
            capture_output=True, text=True, check=False, timeout=100,
        )  # fmt: skip
        assert "Traceback" not in ran.stderr, ran.stderr
        assert output.read_text().splitlines()[-1] == f"exit-code={ran.returncode}"
        for secret in (TOKEN, FORGE_TOKEN):
            assert secret not in ran.stdout + ran.stderr + summary.read_text()
        return ran.returncode, summary.read_text()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[tuple[Repository, Live]]:
    import os

    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "COVERAGE_PROCESS_CONFIG") if name in os.environ
    }
    with Running(token=TOKEN, record=True) as running, code_host() as host:
        folder = tmp_path / "fleet"
        folder.mkdir()
        repository = Repository(folder, host, running.url, {**kept, "PYTHONPATH": str(ROOT)})
        (folder / "reconciler.yaml").write_text(PROJECT.replace("URL", running.url))
        (folder / "resources").mkdir()
        repository.git("init", "-q", "-b", "main")
        (folder / "resources" / "README.md").write_text("Campaigns of the fleet\n")
        repository.push("An empty project")
        yield repository, Live(running)


def test_the_story(repository: tuple[Repository, Live]) -> None:
    repo, live = repository
    resources = repo.folder / "resources" / "spring.yaml"
    pull_request: dict[str, object] = {"pull_request": {"number": 7}}

    # A branch with a typo gets a comment that says what is wrong, and where.
    repo.git("switch", "-q", "-c", "spring")
    resources.write_text(RESOURCES.replace("gatewayLists", "gatewayList"))
    repo.push("Spring update")
    code, _ = repo.job("plan", pull_request)
    assert code == 1
    assert len(repo.host.comments) == 1
    assert "resources/spring.yaml:14:3" in repo.host.said()[0]

    # A second push updates the comment: it says what the merge would do to which gateways.
    resources.write_text(RESOURCES)
    repo.push("gatewayLists it is")
    code, summary = repo.job("plan", pull_request)
    assert code == 0
    (comment,) = repo.host.said()
    assert comment.startswith(mark("plan"))
    for part in (
        "2 gateways gained",
        "Campaign/spring",
        "created",
        "gw-1",
        repo.git("rev-parse", "HEAD")[:12],
    ):
        assert part in comment, part
    assert "2 gateways gained" in summary
    assert live.campaigns() == [], "nothing is done before the merge"

    # The merge applies.
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "-m", "Spring update", "spring")
    code, summary = repo.job("apply", {})
    assert code == 0, summary
    (campaign,) = live.campaigns()
    assert (campaign["name"], campaign["status"]) == ("spring", "STARTED")
    assert "Exit code 0" in summary

    # No drift: no issue.
    code, summary = repo.job("drift", {})
    assert (code, summary, repo.host.issues) == (0, "No drift.\n", [])

    # A change by hand is drift, a stop by hand is a hold; both are told apart in one issue.
    path = f"/api/campaigns/{campaign['id']}"
    live.call("PUT", f"{path}/devices", {"campaignId": campaign["id"], "gatewayIds": ["gw-2"]})
    live.call("PUT", f"{path}/stop", {"campaignId": campaign["id"]})
    for _ in range(2):
        code, summary = repo.job("drift", {})
        assert code == 0
        (issue,) = repo.host.issues
        assert issue["state"] == "open"
        assert "### Changed: 1" in issue["body"]
        assert "Campaign/spring: gateways: 1 → 2 (1 missing there, 0 too many)" in issue["body"]
        assert "### Held: 1" in issue["body"]

    # Applied again and resumed: the issue is closed.
    code, _ = repo.job("apply", {}, ARGUMENTS="--resume")
    assert code == 0
    repo.job("drift", {})
    assert [issue["state"] for issue in repo.host.issues] == ["closed"]
    assert len(repo.host.comments) == 1


def test_a_fork_that_may_not_comment_has_a_summary(repository: tuple[Repository, Live]) -> None:
    repo, _ = repository
    (repo.folder / "resources" / "spring.yaml").write_text(RESOURCES)
    code, summary = repo.job("plan", {"pull_request": {"number": 7}}, COMMENT="false")
    assert code == 0
    assert "2 gateways gained" in summary
    assert repo.host.calls == []


def test_a_code_host_that_says_no_fails_the_job(repository: tuple[Repository, Live]) -> None:
    repo, _ = repository
    (repo.folder / "resources" / "spring.yaml").write_text(RESOURCES)
    repo.host.faults = [(403, {}, b'{"message": "Resource not accessible by integration"}')]
    code, summary = repo.job("plan", {"pull_request": {"number": 7}})
    assert code == 1
    assert "2 gateways gained" in summary, "the plan itself is there"
