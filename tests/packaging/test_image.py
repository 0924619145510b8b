"""The image: linted, made of locked parts, and without a right. CI builds and runs it; here it is read."""

import fnmatch
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"


def steps() -> list[tuple[str, str]]:
    """Each instruction with its argument, continued lines joined; the last stage is behind the last FROM."""
    text = re.sub(r"(?m)^#.*\n", "", DOCKERFILE.read_text("utf-8"))
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(name, rest) for line in lines if line.strip() for name, _, rest in [line.partition(" ")]]


def last_stage() -> list[tuple[str, str]]:
    every = steps()
    begin = max(at for at, (name, _) in enumerate(every) if name == "FROM")
    return every[begin:]


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("needs hadolint")
    ran = subprocess.run(
        [hadolint, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_nothing_runs_as_root() -> None:
    users = [rest for name, rest in last_stage() if name == "USER"]
    assert users == ["65532:65532"]
    names = [name for name, _ in last_stage()]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert "RUN" not in names, "nothing is installed into the stage that runs"


def test_the_stage_that_runs_is_only_what_was_built() -> None:
    copied = [rest for name, rest in last_stage() if name == "COPY"]
    assert copied == ["--from=build /opt/reconciler /opt/reconciler"]
    said = dict(word.split("=", 1) for name, rest in last_stage() if name == "ENV" for word in rest.split())
    assert said["PYTHONDONTWRITEBYTECODE"] == "1", "the file system may be read-only"
    assert said["HOME"] == "/tmp"


def test_everything_installed_is_locked() -> None:
    installs = [rest for name, rest in steps() if name == "RUN" and "install" in rest]
    assert len(installs) == 2
    assert "--require-hashes --only-binary :all:" in installs[0]
    assert "--no-deps --no-build-isolation" in installs[1]
    assert not re.search(
        r"https?://|\bcurl\b|\bwget\b|\bADD\b", DOCKERFILE.read_text("utf-8").split("ARG BASE")[1]
    )


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignored = [
        line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")
    ]
    assert ignored[0] == "*", "nothing but what is named goes to the build"
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    copied = set[str]()
    for name, rest in steps():
        if name == "COPY" and not rest.startswith("--from"):
            *sources, _ = rest.split()
            copied.update(sources)
    assert copied == allowed
    assert all((ROOT / each).exists() for each in copied)
    assert not any(fnmatch.fnmatch(each, "*.git*") or "state" in each for each in allowed)


def test_ci_builds_it_and_runs_it_as_it_is_meant_to_run() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))["jobs"]
    script = "\n".join(step.get("run", "") for step in jobs["image"]["steps"])
    for part in ("docker build", "--read-only", "--cap-drop ALL", "no-new-privileges", "--network none"):
        assert part in script
