"""Command lines, in this process and as a process of their own."""

import codecs
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import main
from tests.e2e.e2e_forks import Forks

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
    """A run on a pseudo-terminal (stdin and stderr); stdout is the terminal, too, unless it is `apart`."""

    def __init__(
        self, forks: Forks, folder: Path, *arguments: str, size: tuple[int, int] = (24, 200), apart: bool
    ) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        env = {name: value for name, value in environment().items() if name not in ("COLUMNS", "LINES")}
        self.process = forks(
            arguments,
            folder,
            env | {"TERM": "xterm"},
            terminal=slave,
            stdout_apart=apart,
            measured=True,
        )
        os.close(slave)
        self.said = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def until(self, text: str) -> None:
        while text not in self.said:
            self._read()

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> tuple[int, str]:
        """Read to the end: the exit code, and what stdout has that stands apart."""
        try:
            while True:
                self._read()
        except OSError:
            pass  # the other side is closed: all is read
        out, _ = self.process.communicate(timeout=60)
        assert self.process.returncode is not None
        return self.process.returncode, out

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.close()
        os.close(self.master)

    def _read(self) -> None:
        self.said += self._decoder.decode(os.read(self.master, 65_536))


OnATerminal = Callable[..., AbstractContextManager[Terminal]]


@pytest.fixture
def on_a_terminal(forks: Forks) -> OnATerminal:
    """(folder, *arguments) → a command line as a process on a terminal; it does not outlive the block."""

    @contextmanager
    def begun(folder: Path, *arguments: str, apart: bool = True, **more: Any) -> Iterator[Terminal]:
        terminal = Terminal(forks, folder, *arguments, apart=apart, **more)
        try:
            yield terminal
        finally:
            terminal.close()

    return begun
