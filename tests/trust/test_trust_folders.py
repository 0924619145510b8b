"""Where paths lead: out of a project, into what is private, and over links."""

from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError
from reconciler.trust.folders import Home, checkout_of, link_in, private_part, refuse_links, strays


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("a.bin", None),
        ("sub/a.bin", None),
        (".github/a.bin", None),
        (".gitignore", None),
        ("git/config", None),
        ("reconciler/a.bin", None),
        (".git/config", "private-path"),
        (".git", "private-path"),
        (".GIT/config", "private-path"),
        (".Git/config", "private-path"),
        ("sub/.git/config", "private-path"),
        (".git./config", "private-path"),
        (".git /config", "private-path"),
        (".g\u200cit/config", "private-path"),
        (".git::$INDEX_ALLOCATION/config", "private-path"),
        ("\uff0egit/config", "private-path"),
        ("GIT~1/config", "private-path"),
        (".reconciler/state.json", "private-path"),
        (".Reconciler/production/state.json", "private-path"),
        ("../a.bin", "outside-project"),
        ("/etc/passwd", "outside-project"),
        ("../project-b/a.bin", "outside-project"),
    ],
)
def test_what_is_a_file_of_the_project(tmp_path: Path, name: str, code: str | None) -> None:
    home = tmp_path / "project"
    home.mkdir()
    found = strays(Path(str((home / name).parent.resolve())) / Path(name).name, home)
    assert (found.code if found else None) == code


def test_a_worktree_of_git_keeps_its_things_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / ".git").write_text("gitdir: kept\n")
    found = strays(tmp_path / "kept" / "config", tmp_path)
    assert found
    assert found.code == "private-path"
    assert strays(tmp_path / "a.bin", tmp_path) is None


def test_a_sound_file_vouches_for_no_other_name(tmp_path: Path) -> None:
    """What is known of a folder is asked once; what stands in it is looked at one by one."""
    (tmp_path / "kept").mkdir()
    (tmp_path / ".git").write_text("gitdir: kept\n")
    home = Home(tmp_path)
    for sound in ("a.bin", "sub/a.bin", "a.bin"):
        assert home.strays(tmp_path / sound) is None
    for other in (".git", ".Git ", ".reconciler", "sub/.git", "kept", "kept/config", "sub/.git/config"):
        found = home.strays(tmp_path / other)
        assert found, other
        assert found.code == "private-path", other
    assert home.strays(tmp_path.parent / "a.bin")


def test_the_part_that_is_private_is_named() -> None:
    assert private_part(Path("a/.Git/b")) == ".Git"
    assert private_part(Path("a/b")) is None


def test_a_checkout_is_the_nearest_that_git_knows(tmp_path: Path) -> None:
    inner = tmp_path / "repo" / "deploy" / "line-3"
    inner.mkdir(parents=True)
    assert checkout_of(inner) == inner
    (tmp_path / "repo" / ".git").mkdir()
    assert checkout_of(inner) == tmp_path / "repo"
    (tmp_path / "repo" / "deploy" / ".git").write_text("gitdir: elsewhere")
    assert checkout_of(inner) == tmp_path / "repo" / "deploy"


def test_links_of_a_branch_are_found_and_those_of_the_system_are_not(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    (home / "real").mkdir()
    (home / "out").symlink_to(elsewhere)
    (home / "in").symlink_to("real")
    (home / "gone").symlink_to("nowhere")
    (tmp_path / "way").symlink_to(home)
    (elsewhere / "back").symlink_to(home / "out")
    (home / "loop").symlink_to("loop")
    assert link_in(home / "real" / "x", home) is None
    assert link_in(home / "not" / "there", home) is None
    assert link_in(home / "out" / "x", home) == home / "out"
    assert link_in(home / "in" / "x", home) == home / "in"
    assert link_in(home / "gone", home) == home / "gone"
    assert link_in(home / "loop", home) == home / "loop"
    # By another name of the same folder, and by way of one that lies outside.
    assert link_in(tmp_path / "way" / "real" / "x", home) is None
    assert link_in(tmp_path / "way" / "out" / "x", home) == home / "out"
    assert link_in(elsewhere / "back" / "x", home) == home / "out"
    assert link_in(home / "real" / ".." / "out" / "x", home) == home / "out"
    assert link_in(home / "real" / ".." / "real" / "x", home) is None


def test_a_link_is_refused_wherever_the_file_itself_is_one(tmp_path: Path) -> None:
    (tmp_path / "plan").symlink_to("target")
    with pytest.raises(ReconcilerError, match=r"the plan can't be written to .*: .*plan is a link") as caught:
        refuse_links(tmp_path / "plan", what="the plan")
    assert caught.value.hint
    refuse_links(tmp_path / "other", tmp_path, what="the plan")
