"""A clone is kept current, and nothing of the repository runs."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from reconciler.controller.clone import Clone
from reconciler.errors import ReconcilerError, UsageError

ENVIRON = {
    **{name: os.environ[name] for name in ("PATH",) if name in os.environ},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "ann",
    "GIT_AUTHOR_EMAIL": "ann@example.com",
    "GIT_COMMITTER_NAME": "ann",
    "GIT_COMMITTER_EMAIL": "ann@example.com",
}


def git(folder: Path, *words: str) -> str:
    ran = subprocess.run(["git", *words], cwd=folder, env=ENVIRON, check=True, capture_output=True, text=True)
    return ran.stdout.strip()


def commit(origin: Path, text: str, name: str = "line.yaml") -> str:
    (origin / name).write_text(text)
    git(origin, "add", "-A")
    git(origin, "commit", "-qm", text)
    return git(origin, "rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "one")
    return folder


@pytest.fixture
def clone(origin: Path, tmp_path: Path) -> Clone:
    git(tmp_path, "clone", "-q", str(origin), "clone")
    return Clone.at(tmp_path / "clone", "origin/main", ENVIRON)


def pull(clone: Clone) -> bool:
    return asyncio.run(clone.pull())


def test_it_follows_the_branch(clone: Clone, origin: Path) -> None:
    assert not pull(clone)
    wanted = commit(origin, "two")
    assert pull(clone)
    assert (clone.folder / "line.yaml").read_text() == "two"
    assert (clone.commit, clone.trouble) == (wanted, "")
    assert git(clone.folder, "status", "--porcelain", "--branch").startswith("## HEAD (no branch)")
    assert not pull(clone)


def test_it_follows_a_branch_that_was_pushed_by_force(clone: Clone, origin: Path) -> None:
    commit(origin, "two")
    pull(clone)
    git(origin, "reset", "-q", "--hard", "HEAD~1")
    wanted = commit(origin, "other")
    assert pull(clone)
    assert clone.commit == wanted


@pytest.mark.parametrize("hook", ["post-checkout", "reference-transaction", "post-index-change"])
def test_no_hook_runs(clone: Clone, origin: Path, hook: str) -> None:
    path = clone.folder / ".git" / "hooks" / hook
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\ntouch {clone.folder.parent}/ran\n")
    path.chmod(0o755)
    commit(origin, "two")
    assert pull(clone)
    assert not (clone.folder.parent / "ran").exists()


def test_no_file_system_monitor_runs(clone: Clone, origin: Path) -> None:
    git(clone.folder, "config", "core.fsmonitor", f"touch {clone.folder.parent}/ran; false")
    commit(origin, "two")
    assert pull(clone)
    assert not (clone.folder.parent / "ran").exists()


def test_no_submodule_is_fetched(clone: Clone, origin: Path) -> None:
    module = f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch {clone.folder.parent}/ran"\n'
    commit(origin, module, ".gitmodules")
    assert pull(clone)
    assert not (clone.folder.parent / "ran").exists()


def test_what_somebody_changed_is_not_overwritten(clone: Clone, origin: Path) -> None:
    (clone.folder / "line.yaml").write_text("mine")
    commit(origin, "two")
    assert not pull(clone)
    assert "somebody changed files" in clone.trouble
    assert (clone.folder / "line.yaml").read_text() == "mine"
    git(clone.folder, "checkout", "-q", "--", ".")
    assert pull(clone)
    assert clone.trouble == ""


def test_what_the_tool_keeps_there_is_no_change(clone: Clone, origin: Path) -> None:
    (clone.folder / ".reconciler").mkdir()
    (clone.folder / ".reconciler" / "state.json").write_text("{}")
    commit(origin, "two")
    assert pull(clone)


def test_a_remote_that_is_gone_is_said_without_its_password(clone: Clone) -> None:
    git(clone.folder, "remote", "set-url", "origin", "http://ann:s3cr3t@127.0.0.1:9/none.git")
    assert not pull(clone)
    assert clone.trouble.startswith("nothing was pulled: git fetch: ")
    assert "s3cr3t" not in clone.trouble
    assert "ann" not in clone.trouble


def test_a_branch_that_is_gone_is_said(clone: Clone) -> None:
    other = Clone.at(clone.folder, "origin/none", ENVIRON)
    assert not pull(other)
    assert "none" in other.trouble


def test_git_that_is_missing_is_said(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    async def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "git")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", missing)
    assert not pull(clone)
    assert clone.trouble == "nothing was pulled: git can't be run: No such file or directory"


@pytest.mark.parametrize(
    "ref", ["main", "origin/", "/main", "--upload-pack=x/y", "origin/-x", "o/a..b", "o//b", "o/a b"]
)
def test_what_is_no_branch_of_a_remote_is_refused(clone: Clone, ref: str) -> None:
    with pytest.raises(UsageError):
        Clone.at(clone.folder, ref, ENVIRON)


def test_a_folder_that_is_no_clone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match="is in no clone"):
        Clone.at(tmp_path, "origin/main", ENVIRON)
