"""Renews the locks: for each extra that the Makefile installs, the newest versions that fit `pyproject.toml`.

Each lock has a hash for every file, and holds for every Python that the project names and every platform.
`make lock` runs this with `uv` and `packaging` installed. A version never goes down by itself: that is
refused, and nothing is written, unless the package is named on the command line.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.version import Version

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / ".ci" / "requirements"

ALL, *PARTS = ("dev", "embedded", "bench", "all", "release")
"""`ALL` has what is in the others, and is resolved first: so they agree on every version."""

EDITABLE = "editables"
"""What hatchling asks for, beyond `build-system.requires`, to install a project that can be edited."""

Pins = Mapping[str, Sequence[Version]]
"""Package → its versions, sorted; more than one where they depend on Python or the platform."""


def pins(lock: str) -> Pins:
    """What a lock installs."""
    found: dict[str, list[Version]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.MULTILINE):
        found.setdefault(name, []).append(Version(version))
    return {name: sorted(versions) for name, versions in found.items()}


def lowered(old: Pins, new: Pins) -> list[str]:
    """The packages of which a version went down, for some Python or platform."""
    both = sorted(old.keys() & new.keys())
    return [name for name in both if new[name][0] < old[name][0] or new[name][-1] < old[name][-1]]


def changes(old: Pins, new: Pins) -> list[str]:
    """A line for each package whose versions aren't the same."""
    return [
        f"{name}: {_shown(old.get(name))} -> {_shown(new.get(name))}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _shown(versions: Sequence[Version] | None) -> str:
    return ", ".join(map(str, versions)) if versions else "none"


def resolved(folder: Path) -> dict[str, str]:
    """Extra → its new lock, made in `folder`: all paths are relative, so that no lock tells of a machine."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)
    (folder / "pyproject.toml").write_text(text, "utf-8")
    build = [*project["build-system"]["requires"], EDITABLE]
    (folder / "build-system.in").write_text("".join(f"{each}\n" for each in build), "utf-8")
    oldest = project["project"]["requires-python"].removeprefix(">=")
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config"),
        *("--universal", "--python-version", oldest, "--generate-hashes", "--annotation-style", "line"),
        *("pyproject.toml", "build-system.in"),
    ]
    env = os.environ | {"UV_CUSTOM_COMPILE_COMMAND": "make lock"}
    locks = {}
    for extra in (ALL, *PARTS):
        agreed = [] if extra == ALL else ["--constraint", f"{ALL}.txt"]
        output = f"{extra}.txt"
        subprocess.run([*command, "--extra", extra, *agreed, "-o", output], cwd=folder, env=env, check=True)
        locks[extra] = (folder / output).read_text("utf-8")
    return locks


def main(allowed: Collection[str]) -> int:
    """Writes the locks and says what changed; 1 when a version would go down that isn't `allowed` to."""
    with TemporaryDirectory() as folder:
        new = resolved(Path(folder))
    old = {name: _read(LOCKS / f"{name}.txt") for name in new}
    lower = {name for extra in new for name in lowered(pins(old[extra]), pins(new[extra]))} - {*allowed}
    for line in changes(pins(old[ALL]), pins(new[ALL])):
        print(line)
    if lower:
        names = " ".join(sorted(lower))
        print(f"error: nothing was written: these would go down: {names}", file=sys.stderr)
        print(f"  If that is meant: make lock OLDER='{names}'", file=sys.stderr)
        return 1
    LOCKS.mkdir(exist_ok=True)
    for name, text in new.items():
        (LOCKS / f"{name}.txt").write_text(text, "utf-8")
    return 0


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
