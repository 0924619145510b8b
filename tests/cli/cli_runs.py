"""Command lines, in this process and as a process of their own."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.cli import main

ROOT = Path(__file__).parents[2]

RESOURCES = """\
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: firmware}
spec:
  packages:
    - file: firmware.bin
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall}
spec:
  gateways: [gw-1, gw-2, gw-3]
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec:
  description: Line 3
  packageSet: firmware
  gatewayLists: [hall]
  desiredStatus: STARTED
"""


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with resources in `resources/`, and no project file in it or above."""
    resources = tmp_path / "work" / "resources"
    resources.mkdir(parents=True)
    (resources / "line.yaml").write_text(RESOURCES)
    (resources / "firmware.bin").write_bytes(b"firmware")
    monkeypatch.chdir(resources.parent)
    return resources.parent


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process."""

    def call(*arguments: str) -> Ran:
        code = main(list(arguments))
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


def environment(**more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "PYTHONWARNINGS": "error",
        **more,
    }


@pytest.fixture
def process(folder: Path) -> Run:
    """Run a command line as a process."""

    def call(*arguments: str, **env: str) -> Ran:
        made = subprocess.run(
            [sys.executable, "-m", "reconciler", *arguments],
            cwd=folder,
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        return Ran(made.returncode, made.stdout, made.stderr)

    return call
