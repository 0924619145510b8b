"""Who and which commit: as CI says, else as git says, and never an error."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from reconciler.audit import origin
from reconciler.audit.origin import actor, commit
from reconciler.audit.recorder import Commit

SHA = "0123456789abcdef" * 2 + "01234567"
GIT = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A commit of a project, in a folder below the top of its work tree."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.com")
    root = tmp_path / "top" / "project"
    root.mkdir(parents=True)
    (root / "line.yaml").write_text("kind: Campaign\n")
    git(tmp_path / "top", "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "first")
    return root


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, check=True, encoding="utf-8"
    ).stdout.strip()


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"GITHUB_ACTOR": "octocat"}, "octocat"),
        ({"GITLAB_USER_LOGIN": "tanuki"}, "tanuki"),
        ({"GITHUB_ACTOR": "", "GITLAB_USER_LOGIN": "tanuki"}, "tanuki"),
        ({}, None),
    ],
)
def test_the_actor_that_ci_names(environ: dict[str, str], found: str | None) -> None:
    assert actor(environ) == found


@pytest.mark.parametrize("name", ["GITHUB_SHA", "CI_COMMIT_SHA"])
def test_the_commit_that_ci_names(name: str, tmp_path: Path) -> None:
    assert commit({name: SHA}, tmp_path) == Commit(SHA)


@pytest.mark.parametrize("value", ["", "main", SHA + "\n", "token-canary"])
def test_what_is_no_commit_is_not_taken_for_one(value: str, tmp_path: Path) -> None:
    assert commit({"GITHUB_SHA": value, "CI_COMMIT_SHA": SHA}, tmp_path) == Commit(SHA)


@GIT
def test_the_commit_that_git_names(checkout: Path) -> None:
    assert commit({}, checkout) == Commit(git(checkout, "rev-parse", "HEAD"), dirty=False)


@GIT
@pytest.mark.parametrize("name", ["line.yaml", "new.yaml"])
def test_files_that_are_not_as_committed_make_it_dirty(checkout: Path, name: str) -> None:
    (checkout / name).write_text("kind: Schedule\n")
    found = commit({}, checkout)
    assert found is not None
    assert found.dirty


@GIT
def test_what_the_tool_keeps_and_what_is_outside_the_project_makes_nothing_dirty(checkout: Path) -> None:
    (checkout / ".reconciler").mkdir()
    (checkout / ".reconciler" / "state.json").write_text("{}")
    (checkout.parent / "other.txt").write_text("x")
    assert commit({}, checkout) == Commit(git(checkout, "rev-parse", "HEAD"), dirty=False)


@GIT
def test_a_checkout_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert commit({}, tmp_path) is None


def test_no_checkout_and_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit({}, tmp_path) is None
    assert commit({}, tmp_path / "nowhere") is None


def test_a_missing_git_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit({}, tmp_path) is None


@pytest.mark.parametrize(
    ("script", "seconds"),
    [("exec sleep 30", 0.05), ("exit 3", 10.0), ("echo '# branch.oid (initial)'", 10.0)],
)
def test_a_git_that_hangs_or_fails_is_no_error(
    script: str, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "git"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(origin, "_SECONDS", seconds)
    assert commit({}, tmp_path) is None
