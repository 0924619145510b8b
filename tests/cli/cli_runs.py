"""Command lines, in this process and as a process of their own."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def edit(folder: Path, old: str, new: str) -> None:
    """Other words in the resources."""
    path = folder / "resources" / "line.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


class Terminal:
    """A process on a pseudo-terminal (stdin and stderr), its stdout read apart."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", *arguments],
            cwd=folder,
            env=environment(TERM="xterm"),
            stdin=slave,
            stderr=slave,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        os.close(slave)
        self.said = ""

    def until(self, text: str) -> None:
        while text not in self.said:
            self.said += os.read(self.master, 4096).decode()

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> tuple[int, str]:
        out, _ = self.process.communicate(timeout=60)
        try:
            while piece := os.read(self.master, 4096):
                self.said += piece.decode()
        except OSError:
            pass  # the other side is closed: all is read
        return self.process.returncode, out.decode()


@contextmanager
def on_a_terminal(folder: Path, *arguments: str) -> Iterator[Terminal]:
    """A command line as a process on a terminal; it does not outlive the block."""
    terminal = Terminal(folder, *arguments)
    try:
        yield terminal
    finally:
        terminal.process.kill()
        terminal.process.communicate()
        os.close(terminal.master)
