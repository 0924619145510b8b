"""What people install: the wheel, built by way of the source archive, in a venv that knows no checkout."""

import os
import pty
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

import pytest

from reconciler import __version__
from reconciler.validation.schemas import schema_directory

ROOT = Path(__file__).parents[2]


def run(command: Sequence[str | Path], cwd: Path) -> str:
    """The stdout of a command that has to end with 0, run without what this checkout and its tests set."""
    result = subprocess.run(
        command, cwd=cwd, env={"PATH": ""}, capture_output=True, encoding="utf-8", timeout=100, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel; `build` makes it from the source archive, which thereby proves to be complete."""
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT], folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new venv with the wheel; what it depends on is lent by the venv of the tests."""
    home = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(home, symlinks=True)
    programs = home / "bin"
    pip = [sys.executable, "-m", "pip", "--python", programs / "python", "--disable-pip-version-check"]
    run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], home)
    # A folder named in a .pth file is searched, but its own .pth files aren't read: none leads to a checkout.
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return programs


def test_the_wheel_holds_the_package_its_schemas_and_its_licence(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"reconciler-{__version__}.dist-info/METADATA").decode()
    assert "reconciler/py.typed" in names
    assert f"reconciler-{__version__}.dist-info/licenses/LICENSE" in names
    published = {path.relative_to(ROOT).as_posix() for path in (ROOT / "schemas").rglob("*.json")}
    assert {f"reconciler/{name}" for name in published} <= names
    templates = (ROOT / "reconciler" / "templates").rglob("*")
    assert {path.relative_to(ROOT).as_posix() for path in templates if path.is_file()} <= names
    assert not [name for name in names if not name.startswith(("reconciler/", "reconciler-"))]
    for extra in ("embedded", "postgresql", "s3", "all", "dev"):
        assert f"Provides-Extra: {extra}\n" in metadata


def test_schemas_are_found_in_a_checkout() -> None:
    assert schema_directory() == ROOT / "schemas"
    assert list(schema_directory().glob("*.json"))


def test_schemas_are_found_in_an_installed_wheel(installed: Path, tmp_path: Path) -> None:
    code = "from reconciler.validation.schemas import schema_directory as d; print(d())"
    found = Path(run([installed / "python", "-c", code], tmp_path).strip())
    assert found.is_relative_to(installed.parent)
    published = sorted(path.name for path in (ROOT / "schemas").iterdir())
    assert sorted(path.name for path in found.iterdir()) == published


@pytest.mark.parametrize("command", [["python", "-m", "reconciler"], ["reconciler"]], ids=" ".join)
def test_the_installed_program_starts(installed: Path, tmp_path: Path, command: list[str]) -> None:
    program, *arguments = command
    assert __version__ in run([installed / program, *arguments, "--version"], tmp_path)


def test_the_installed_program_validates_the_quickstart(installed: Path, tmp_path: Path) -> None:
    run([installed / "reconciler", "validate", ROOT / "examples" / "quickstart"], tmp_path)


def answering(command: Sequence[str | Path], cwd: Path) -> tuple[int, str]:
    """Code and output of a command whose question a person at a terminal answers with *yes*."""
    leader, terminal = pty.openpty()
    try:
        os.write(leader, b"yes\n")
        ran = subprocess.run(
            command, cwd=cwd, env={"PATH": ""}, stdin=terminal, capture_output=True, encoding="utf-8",
            timeout=100, check=False,
        )  # fmt: skip
    finally:
        os.close(leader)
        os.close(terminal)
    return ran.returncode, ran.stdout + ran.stderr


def test_the_installed_program_does_what_the_readme_shows(installed: Path, tmp_path: Path) -> None:
    """The first campaign, saved as it is printed, and the commands as they are printed."""
    readme = (ROOT / "README.md").read_text("utf-8")
    campaign, script = re.findall(r"```(?:yaml|bash)\n(.*?)```", readme, re.DOTALL)[:2]
    path = tmp_path / campaign.splitlines()[0].removeprefix("# ")
    path.parent.mkdir(parents=True)
    path.write_text(campaign, "utf-8")
    ran = []
    for line in script.splitlines():
        program, *words = shlex.split(line)
        if program == "reconciler":
            code, said = answering([installed / program, *words], tmp_path)
            assert code == 0, (line, said)
            ran.append(words[0])
        else:
            run(["/bin/sh", "-c", line], tmp_path)
    assert ran == ["validate", "plan", "apply", "status"]
    again = [installed / "reconciler", "plan", path.parent.name, "--detailed-exitcode"]
    code, said = answering(again, tmp_path)
    assert (code, said.endswith("No changes.\n")) == (0, True), said


def test_the_installed_program_makes_a_project_that_works(installed: Path, tmp_path: Path) -> None:
    run([installed / "reconciler", "init", "fleet", "--ci", "github"], tmp_path)
    for words in (["validate"], ["plan", "-e", "rehearsal"], ["apply", "-e", "rehearsal", "--auto-approve"]):
        run([installed / "reconciler", *words], tmp_path / "fleet")
    out = run(
        [installed / "reconciler", "plan", "-e", "rehearsal", "--detailed-exitcode"], tmp_path / "fleet"
    )
    assert out.endswith("No changes.\n")
