"""Files by their names from the root of the repository, wherever the project and the command stand."""

from pathlib import Path

import pytest

from reconciler.app.repository import from_root, repository_root


@pytest.mark.parametrize("git", ["folder", "file"])
def test_git_says_where_the_repository_begins(tmp_path: Path, git: str) -> None:
    folder = tmp_path / "plant" / "hall"
    folder.mkdir(parents=True)
    (tmp_path / ".git").mkdir() if git == "folder" else (tmp_path / ".git").write_text("gitdir: x")
    assert repository_root(folder, {}) == tmp_path.resolve()


@pytest.mark.parametrize("variable", ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"])
def test_a_runner_says_so_first(tmp_path: Path, variable: str) -> None:
    (tmp_path / "plant" / ".git").mkdir(parents=True)
    assert repository_root(tmp_path / "plant", {variable: str(tmp_path)}) == tmp_path.resolve()
    elsewhere = {variable: str(tmp_path / "other")}
    assert repository_root(tmp_path / "plant", elsewhere) == (tmp_path / "plant").resolve()


def test_names(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    assert from_root("r/a.yaml", root / "plant", root) == "plant/r/a.yaml"
    assert from_root("../b.yaml", root / "plant", root) == "b.yaml"
    assert from_root(str(root / "c" / "d.yaml"), root / "plant", root) == "c/d.yaml"
    assert from_root("/etc/x.yaml", root, root) == "/etc/x.yaml"
    (tmp_path / "link").symlink_to("plant")
    (tmp_path / "plant").mkdir()
    assert from_root("a.yaml", tmp_path / "link", root) == "plant/a.yaml"
