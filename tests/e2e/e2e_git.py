"""A scratch Git repository with a project, and jobs of CI that run in it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.embedded import Running
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
HEAD = "4711" * 10
PULL_REQUEST: dict[str, object] = {"pull_request": {"number": 7, "head": {"sha": HEAD}}}


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

    def run(self, line: Sequence[str], **env: str) -> subprocess.CompletedProcess[str]:
        """A process in the clone, held against what no job may say."""
        ran = subprocess.run(
            line, cwd=self.folder, env={**self.env, "CI": "true", **env},
            capture_output=True, text=True, check=False, timeout=100,
        )  # fmt: skip
        assert "Traceback" not in ran.stderr, ran.stderr
        for secret in (TOKEN, FORGE_TOKEN):
            assert secret not in ran.stdout + ran.stderr
        return ran

    def github(self, event: dict[str, object]) -> dict[str, str]:
        """What GitHub sets for a step; its files are new and empty."""
        work = self.folder.parent
        for name, text in (("summary.md", ""), ("output", ""), ("event.json", json.dumps(event))):
            (work / name).write_text(text)
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.host.url,
            "GITHUB_EVENT_PATH": str(work / "event.json"),
            "GITHUB_OUTPUT": str(work / "output"),
            "GITHUB_REPOSITORY": "acme/fleet",
            "GITHUB_SHA": self.git("rev-parse", "HEAD"),
            "GITHUB_STEP_SUMMARY": str(work / "summary.md"),
        }

    def summary(self) -> str:
        """What the last job of GitHub wrote into its summary."""
        text = (self.folder.parent / "summary.md").read_text()
        assert TOKEN not in text
        return text

    def job(self, name: str, event: dict[str, object], **more: str) -> tuple[int, str]:
        """One job of GitHub Actions; answers its exit code and its summary."""
        env = {**self.github(event), "GITHUB_TOKEN": FORGE_TOKEN, "PULSE_TOKEN": TOKEN, **more}
        ran = self.run([sys.executable, "-m", "reconciler.forge", name], **env)
        output = (self.folder.parent / "output").read_text()
        assert output.splitlines()[-1:] == [f"exit-code={ran.returncode}"]
        return ran.returncode, self.summary()


@contextmanager
def scratch_repository(tmp_path: Path) -> Iterator[tuple[Repository, Live]]:
    """A repository with an empty project, a campaign server and a code host."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    kept = {name: os.environ[name] for name in ("HOME", "COVERAGE_PROCESS_CONFIG") if name in os.environ}
    with Running(token=TOKEN, record=True) as running, code_host() as host:
        folder = tmp_path / "fleet"
        (folder / "resources").mkdir(parents=True)
        env = {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RECONCILER_STATE": f"file:{tmp_path / 'state.json'}",
        }
        repository = Repository(folder, host, running.url, env)
        (folder / "reconciler.yaml").write_text(PROJECT.replace("URL", running.url))
        (folder / "resources" / "README.md").write_text("Campaigns of the fleet\n")
        repository.git("init", "-q", "-b", "main")
        repository.push("An empty project")
        yield repository, Live(running)
