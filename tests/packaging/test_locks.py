"""What a fresh machine installs is locked, and the locks agree with `pyproject.toml` and with each other."""

import importlib.util
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = {path.stem: path.read_text("utf-8") for path in (ROOT / ".ci" / "requirements").glob("*.txt")}
PYTHONS = ["3.11", "3.12", "3.13"]
PLATFORMS = [("linux", "posix"), ("darwin", "posix"), ("win32", "nt")]
NEWEST = ROOT / ".github" / "workflows" / "newest.yml"


@pytest.fixture(scope="module")
def renew() -> ModuleType:
    spec = importlib.util.spec_from_file_location("renew_locks", ROOT / ".ci" / "renew_locks.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def environment(python: str, platform: tuple[str, str]) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": platform[0],
        "os_name": platform[1],
        "extra": "",
    }


def locked(lock: str, env: dict[str, str]) -> dict[str, str]:
    """Package → the one version that is installed there."""
    found: dict[str, str] = {}
    for line in re.findall(r"^([\w.-]+==.*?)(?: \\)?$", lock, re.MULTILINE):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(env):
            assert requirement.name not in found, f"{requirement.name} is locked twice for {env}"
            found[requirement.name] = str(requirement.specifier).removeprefix("==")
    return found


def wanted(extra: str) -> Iterator[Requirement]:
    """What the project asks for with that extra, and to be built."""
    lines = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    waiting = [extra]
    while waiting:
        for line in PROJECT["project"]["optional-dependencies"][waiting.pop()]:
            requirement = Requirement(line)
            if requirement.name == "reconciler":
                waiting.extend(requirement.extras)
            else:
                lines.append(line)
    return map(Requirement, lines)


def test_there_is_a_lock_for_each_extra_that_is_installed_somewhere(renew: ModuleType) -> None:
    used = set(re.findall(r"/\.installed-(\w+)", (ROOT / "Makefile").read_text("utf-8")))
    for path in (ROOT / "Dockerfile", ROOT / ".github" / "workflows" / "release.yml"):
        used |= set(re.findall(r"\.ci/requirements/(\w+)\.txt", path.read_text("utf-8")))
    assert used == LOCKS.keys() == {renew.ALL, *renew.PARTS}


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform[0])
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", LOCKS)
def test_a_lock_satisfies_the_project(extra: str, python: str, platform: tuple[str, str]) -> None:
    env = environment(python, platform)
    pinned = locked(LOCKS[extra], env)
    for requirement in wanted(extra):
        if requirement.marker is None or requirement.marker.evaluate(env):
            version = pinned.get(canonicalize_name(requirement.name))
            assert version, f"{requirement} is not locked: `make lock`"
            assert requirement.specifier.contains(version), f"{requirement} is not {version}: `make lock`"


@pytest.mark.parametrize("python", PYTHONS)
def test_locks_agree_on_every_version(python: str) -> None:
    """They are installed into one venv."""
    every = {extra: locked(lock, environment(python, PLATFORMS[0])) for extra, lock in LOCKS.items()}
    for extra, pinned in every.items():
        assert pinned.items() <= every["dev"].items(), extra


@pytest.mark.parametrize("extra", LOCKS)
def test_everything_locked_has_its_hashes_and_no_place_of_its_own(extra: str) -> None:
    lock = LOCKS[extra]
    lines = [line for line in lock.splitlines() if line and not re.match(r"\s*#", line)]
    blocks = re.split(r"\n(?=\S)", "\n".join(lines))
    for block in blocks:
        assert re.fullmatch(r"[\w.-]+==\S+( ; .*?)?( \\\n    --hash=sha256:[0-9a-f]{64})+", block), block
    assert "://" not in lock
    for option in ("index", "find-links", "/tmp/", "/home/", "@ "):
        assert option not in lock


def test_no_upper_bound_without_a_reason() -> None:
    """Users get what is newest; a bound says beside it which version broke what."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    project = text.partition("[project.scripts]")[0]
    bounded = [line for line in project.splitlines() if re.search(r'^\s*"[\w.\[\]-]+[^"]*(<|==|~=)', line)]
    assert [line for line in bounded if "#" not in line] == []


# --- the Makefile -------------------------------------------------------------------------------------


def dry(target: str, *variables: str) -> str:
    """What make would do for `target` in a checkout without a venv."""
    ran = subprocess.run(
        ["make", "-n", target, "VENV=/nowhere", *variables],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},  # without what the make that runs us was told
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize(("target", "extra"), [("demo", "embedded"), ("test", "dev"), ("bench", "bench")])
def test_what_is_installed_is_locked_unless_the_newest_is_asked_for(target: str, extra: str) -> None:
    fixed = dry(target)
    assert f"--require-hashes --only-binary :all: --requirement .ci/requirements/{extra}.txt" in fixed
    assert "--no-deps --no-build-isolation --editable ." in fixed
    assert fixed.count(" install ") == 2
    newest = dry(target, "NEWEST=1")
    assert f"install --upgrade --upgrade-strategy eager --editable '.[{extra}]'" in newest
    assert ".ci/requirements" not in newest
    assert newest.count(" install ") == 1


def test_the_newest_of_everything_is_tried_each_week_on_each_python_and_the_next() -> None:
    workflow = yaml.safe_load(NEWEST.read_text("utf-8"))
    assert workflow[True].keys() == {"schedule", "workflow_dispatch"}  # YAML 1.1 reads the key `on` as true
    (job,) = workflow["jobs"].values()
    matrix = job["strategy"]["matrix"]
    assert matrix["python"] == [*PYTHONS, "3.x"]
    assert matrix["newest"] == ["1"]
    assert {each["newest"] for each in matrix["include"]} == {""}, "and once what is locked"
    (step,) = (step for step in job["steps"] if "run" in step)
    assert step == {"run": ".ci/run", "env": {"NEWEST": "${{ matrix.newest }}"}}


# --- `make lock` --------------------------------------------------------------------------------------

OLD = """\
one==1.9 \\
    --hash=sha256:00
two==1.0 ; python_full_version < '3.12'
two==2.0
three==1.0
    # via one
"""


@pytest.mark.parametrize(
    ("new", "down"),
    [
        (OLD, []),
        (OLD.replace("1.9", "1.10"), []),
        (OLD.replace("1.9", "1.8.9"), ["one"]),
        (OLD.replace("1.9", "1.9rc1"), ["one"]),
        (OLD.replace("two==2.0", "two==2.1"), []),
        (OLD.replace("two==2.0", "two==1.0"), ["two"]),
        (OLD.replace("two==1.0", "two==0.9"), ["two"]),
        (OLD.replace("one==1.9", "four==0.1"), []),
        (OLD.replace("three==1.0", "three==0.9 ; python_full_version < '3.12'\nthree==2.0"), ["three"]),
        ("one==1\ntwo==1\nthree==0", ["one", "three", "two"]),
    ],
)
def test_a_version_that_goes_down_is_noticed(renew: ModuleType, new: str, down: list[str]) -> None:
    assert renew.lowered(renew.pins(OLD), renew.pins(new)) == down


def test_what_changes_is_said(renew: ModuleType) -> None:
    new = OLD.replace("1.9", "1.10").replace("three", "four")
    assert renew.changes(renew.pins(OLD), renew.pins(new)) == [
        "four: none -> 1.0",
        "one: 1.9 -> 1.10",
        "three: 1.0 -> none",
    ]
    assert renew.pins(OLD)["two"] == [Version("1.0"), Version("2.0")]


@pytest.mark.parametrize(
    ("allowed", "code"), [([], 1), (["one"], 0), (["two"], 1)], ids=["none", "that one", "another"]
)
def test_nothing_is_written_when_a_version_goes_down(
    renew: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    allowed: list[str],
    code: int,
) -> None:
    monkeypatch.setattr(renew, "LOCKS", tmp_path)
    older = OLD.replace("1.9", "1.8")
    monkeypatch.setattr(renew, "resolved", lambda folder: {"dev": older, "embedded": OLD})
    for name in ("dev", "embedded"):
        (tmp_path / f"{name}.txt").write_text(OLD)
    assert renew.main(allowed) == code
    told = capsys.readouterr()
    assert told.out == "one: 1.9 -> 1.8\n"
    assert ("make lock OLDER='one'" in told.err) is (code == 1)
    assert (tmp_path / "dev.txt").read_text() == (OLD if code else older)


def test_a_first_lock_is_written_whole(
    renew: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renew, "LOCKS", tmp_path / "requirements")
    monkeypatch.setattr(renew, "resolved", lambda folder: {"dev": OLD})
    assert renew.main([]) == 0
    assert (tmp_path / "requirements" / "dev.txt").read_text() == OLD
