"""Links that a branch planted where we write: nothing elsewhere is made, changed, cut or locked."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import Run, environment

from reconciler.cli import main
from reconciler.embedded import Running

KEPT = "somebody's own, and not ours\n"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder beside the project with a file in it, as of the person who runs this."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "file").write_text(KEPT)
    return folder


def untouched(victim: Path) -> None:
    assert [each.name for each in victim.iterdir()] == ["file"]
    assert (victim / "file").read_text() == KEPT


def plant(folder: Path, name: str, target: Path) -> Path:
    link = folder / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    return link


@pytest.fixture
def url() -> str:
    with Running() as server:
        yield server.url


@pytest.mark.parametrize(
    "name",
    [
        "state.json",
        "state.json.lock",
        "state.json.audit",
        "state.json.new",
        "state.json.journal",
        "state.json.backup",
        "state.json.backup.new",
    ],
)
@pytest.mark.parametrize("where", ["file", "none"])
def test_beside_a_state(folder: Path, run: Run, victim: Path, url: str, name: str, where: str) -> None:
    """Refused, or the link itself is replaced; where it leads nothing happens, there or not."""
    plant(folder, f".reconciler/{name}", victim / where)
    for arguments in (
        ("apply", "resources", "--auto-approve", "--url", url),
        ("plan", "resources", "--url", url),
        ("campaign", "stop", "line-3", "--auto-approve", "--lock-timeout", "0", "--url", url),
        ("state", "rm", "Campaign/line-3", "--auto-approve", "--url", url),
        ("state", "unlock", "--force", "--url", url),
    ):
        ran = run(*arguments)
        assert "bug" not in ran.err
        untouched(victim)


@pytest.mark.parametrize("name", ["state.json", "state.json.lock", "state.json.audit"])
def test_what_is_said_of_it(folder: Path, run: Run, victim: Path, url: str, name: str) -> None:
    plant(folder, f".reconciler/{name}", victim / "file")
    ran = run("apply", "resources", "--auto-approve", "--url", url)
    assert ran.code == 1
    assert "link" in ran.err.lower()
    assert "emove" in ran.err, "what to do"


@pytest.mark.parametrize(
    ("link", "state"),
    [
        (".reconciler", None),
        (".reconciler", "file:.reconciler/state.json"),
        ("a/b", "file:a/b/c/state.json"),
        ("a", "file:./a/../a/state.json"),
    ],
)
def test_a_folder_of_a_state(
    folder: Path, run: Run, victim: Path, url: str, link: str, state: str | None
) -> None:
    plant(folder, link, victim)
    given = () if state is None else ("--state", state)
    for command in (
        ("apply", "resources", "--auto-approve"),
        ("plan", "resources"),
        ("state", "list"),
        ("audit", "show"),
    ):
        ran = run(*command, "--url", url, *given)
        assert ran.code == 1
        assert f"{link.rpartition('/')[2]} is a link" in ran.err
        assert "--state" in ran.err
        untouched(victim)


def test_a_folder_above_the_project_in_the_same_checkout(
    folder: Path, run: Run, victim: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".git").mkdir()
    plant(folder, "states", victim)
    below = folder / "line-3"
    below.mkdir()
    monkeypatch.chdir(below)
    ran = run("apply", "../resources", "--auto-approve", "--url", url, "--state", "file:../states/state.json")
    assert ran.code == 1
    assert "is a link" in ran.err
    untouched(victim)


def test_links_of_a_person_elsewhere_are_followed(
    folder: Path, run: Run, tmp_path: Path, url: str, victim: Path
) -> None:
    """As ``/var/run``, or a home on another disk; a working folder that is reached by one, too."""
    plant(tmp_path, "way", victim)
    arguments = ("apply", "resources", "--auto-approve", "--url", url)
    assert run(*arguments, "--state", f"file:{tmp_path}/way/state.json").code == 0
    assert (victim / "state.json").is_file()
    plant(tmp_path, "here", folder)
    ran = subprocess.run(
        [sys.executable, "-m", "reconciler", "plan", f"{tmp_path}/here/resources", "--url", url],
        cwd=tmp_path / "here",
        env=environment(PWD=str(tmp_path / "here")),
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("where", ["file", "none"])
def test_a_plan_file_and_a_snapshot(folder: Path, run: Run, victim: Path, url: str, where: str) -> None:
    plant(folder, "out.jsonl", victim / where)
    plant(folder, "out", victim)
    for name in ("out.jsonl", "out/x.jsonl"):
        for command in (("plan", "resources", "--out", name), ("snapshot", "resources", "--out", name)):
            ran = run(*command, "--url", url)
            assert ran.code == 1
            assert "is a link" in ran.err
            untouched(victim)
    plant(folder, ".taken.jsonl.part", victim / where)
    assert run("snapshot", "resources", "--out", "taken.jsonl", "--url", url).code == 0
    assert (folder / "taken.jsonl").is_file()
    untouched(victim)


@pytest.mark.parametrize("link", ["out", "out/campaigns", "out/gateways", "out/packages"])
def test_an_export(folder: Path, run: Run, victim: Path, url: str, link: str) -> None:
    assert run("apply", "resources", "--auto-approve", "--url", url).code == 0
    plant(folder, link, victim)
    for more in ((), ("--force",), ("--dry-run",)):
        ran = run("export", "--out", "out", "--url", url, *more)
        assert ran.code == 1
        assert "is a link" in ran.err
        untouched(victim)


def test_a_file_of_an_export(folder: Path, run: Run, victim: Path, url: str) -> None:
    assert run("apply", "resources", "--auto-approve", "--url", url).code == 0
    link = plant(folder, "out/campaigns/line-3.yaml", victim / "file")
    assert run("export", "--out", "out", "--url", url).code == 1
    assert link.is_symlink()
    untouched(victim)
    assert run("export", "--out", "out", "--url", url, "--force").code == 0
    assert not link.is_symlink()
    untouched(victim)


@pytest.mark.parametrize("name", ["embedded.db", "embedded.db-wal", "embedded.db-shm", "embedded.db-journal"])
@pytest.mark.parametrize("where", ["file", "none"])
def test_the_database_of_the_server_in_here(
    folder: Path, run: Run, victim: Path, name: str, where: str
) -> None:
    plant(folder, f".reconciler/{name}", victim / where)
    for command in (("plan", "resources"), ("serve", "--port", "0")):
        ran = run(*command)
        assert ran.code == 1
        assert "is a link" in ran.err
        untouched(victim)


def test_the_folder_of_that_database(folder: Path, run: Run, victim: Path) -> None:
    plant(folder, ".reconciler", victim)
    for command in (
        ("plan", "resources"),
        ("serve", "--port", "0"),
        ("serve", "--port", "0", "--database", ".reconciler/x/y.db"),
    ):
        ran = run(*command)
        assert ran.code == 1
        assert ".reconciler is a link" in ran.err
        untouched(victim)


@pytest.mark.parametrize("link", ["resources", ".schemas", ".github", ".github/workflows"])
def test_a_new_project(
    tmp_path: Path, run: Run, victim: Path, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    home = tmp_path / "new"
    home.mkdir()
    plant(home, link, victim)
    monkeypatch.chdir(home)
    if link == "resources":
        (victim / "file").unlink()
    ran = run("init", "--ci", "github")
    assert ran.code == 1
    assert "is a link" in ran.err
    assert not (home / "reconciler.yaml").exists()
    if link == "resources":
        (victim / "file").write_text(KEPT)
    untouched(victim)


def test_folders_that_are_made_are_for_this_user_alone(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0)
    try:
        assert main(["plan", "resources", "--state", "file:a/b/state.json"]) == 0
        assert main(["apply", "resources", "--auto-approve", "--state", "file:a/b/state.json"]) == 0
        from reconciler.embedded import create_app

        create_app(Path("x/y/z.db")).state.context.store.close()
    finally:
        os.umask(before)
    for name in (".reconciler", "a", "a/b", "x", "x/y"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o700, name
    for name in (".reconciler/embedded.db", "x/y/z.db", "a/b/state.json", "a/b/state.json.audit"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name
    shutil.rmtree(folder / "x")
