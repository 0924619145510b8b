"""Warm processes: a process that has imported all of `reconciler` forks one for each run.

    with Forks() as forks:
        fork = forks(["plan"], folder, env)     # looks like a subprocess.Popen
        out, err = fork.communicate(timeout=60)

A run is a real process, with a pid, signals, files and sockets of its own, that began with its imports done:
a tenth of what an interpreter costs. `tricks` are functions by name, as `e2e_tricks` has them, that the new
process calls first: what a test must change in a process, and only in that one. Coverage is measured in a run
that is `measured`, when it is measured at all.
"""

import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self, TextIO

import coverage

from tests.e2e.e2e_tricks import at_once

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
Trick = Sequence[Any]
"""``["module:function", argument, …]``"""

WARM = """\
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: warm}
spec: {gateways: [gw-1]}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: warm}
spec: {gatewayLists: [warm]}
"""


class Fork:
    """A run; what `subprocess.Popen` says of a process, as far as it is asked for here."""

    def __init__(self, line: socket.socket, stdout: Any, stderr: TextIO | None) -> None:
        self._line = line
        self._said = line.makefile("r", encoding="utf-8")
        self._stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self._guard = threading.Lock()
        self.pid = int(self._said.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
        self.close()

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("reconciler", timeout or 0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it wrote to stdout and stderr. Who isn't done in time is killed: TimeoutExpired."""
        late = threading.Event()
        alarm = threading.Timer(timeout or threading.TIMEOUT_MAX, lambda: (late.set(), self.kill()))
        alarm.start()
        try:
            err = self.stderr.read() if self.stderr else ""
            self.wait()
        finally:
            alarm.cancel()
        if late.is_set():
            raise subprocess.TimeoutExpired("reconciler", timeout or 0, stderr=err)
        self._stdout.seek(0)
        return self._stdout.read(), err

    def send_signal(self, kind: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, kind)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        for each in (self._said, self._line, self._stdout, self.stderr):
            if each is not None:
                each.close()

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._line], [], [], timeout)[0]:
            # Several threads may wait for the one line.
            with self._guard:
                if self.returncode is None:
                    self.returncode = int(self._said.readline())
        return self.returncode


class Forks:
    """The process that forks; starts a run when it is called."""

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair()
        # Its own coverage isn't wanted; a run may have its own.
        env = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
        env |= {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.e2e_forks", str(theirs.fileno())],
                cwd=ROOT,
                env=env,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._socket = ours
        assert select.select([ours], [], [], START_SECONDS)[0], "no warm process in time"
        assert ours.recv(1) == b"!", "the warm process ended"
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._server.wait(START_SECONDS)

    def __call__(
        self,
        arguments: Sequence[str],
        folder: Path,
        env: Mapping[str, str],
        *,
        tricks: Sequence[Trick] = (),
        terminal: int | None = None,
        stdout_apart: bool = False,
        measured: bool = False,
    ) -> Fork:
        """Begin a run of `reconciler`.

        `terminal` is the terminal that it has in the place of all streams, or of all but stdout.
        """
        request = {
            "arguments": arguments,
            "folder": str(folder),
            "env": dict(env),
            "tricks": tricks,
            "measured": measured,
        }
        ours, theirs = socket.socketpair()
        # A file takes all that comes, so that only one pipe has to be read.
        stdout = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - `Fork` closes it
        read, write = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            if terminal is None:
                streams = [nothing, stdout.fileno(), write]
            else:
                streams = [terminal, stdout.fileno() if stdout_apart else terminal, terminal]
            socket.send_fds(self._socket, [b"!"], [theirs.fileno(), *streams])
            ours.sendall(json.dumps(request).encode() + b"\n")
        finally:
            theirs.close()
            os.close(write)
            os.close(nothing)
        return Fork(ours, stdout, os.fdopen(read, encoding="utf-8", errors="replace"))


# --- in the process that forks ---------------------------------------------------------------------------


def main(descriptor: int) -> None:
    """Fork for each who asks, until nobody can ask any more."""
    with socket.socket(fileno=descriptor) as asked:
        # A process that is killed loses nothing that it wrote: only a power cut does.
        os.fsync = lambda descriptor: None
        _warm_up()
        at_once()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        asked.send(b"!")
        while True:
            _, descriptors, _, _ = socket.recv_fds(asked, 1, 4)
            if not descriptors:
                return
            if os.fork() == 0:
                asked.close()
                _keep(*descriptors)
            for each in descriptors:
                os.close(each)


def _warm_up() -> None:
    """Import what any command may need, and fill the caches that a plan fills."""
    import reconciler
    from reconciler.cli import main as run

    for module in pkgutil.walk_packages(reconciler.__path__, "reconciler."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    with tempfile.TemporaryDirectory() as folder, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        Path(folder, "warm.yaml").write_text(WARM)
        os.environ["RECONCILER_URL"] = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with contextlib.redirect_stderr(io.StringIO()) as said:
            assert run(["plan", f"{folder}/warm.yaml"]) == 1
        assert "refused the connection" in said.getvalue(), said.getvalue()
    gc.collect()
    gc.freeze()


def _keep(line: int, *streams: int) -> NoReturn:
    """Start the run, and tell its pid and then its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with socket.socket(fileno=line) as told:
        with told.makefile("r", encoding="utf-8") as asked:
            request = json.loads(asked.readline())
        pid = os.fork()
        if pid == 0:
            told.close()
            _run(request, *streams)
        told.sendall(f"{pid}\n".encode())
        for each in streams:
            os.close(each)
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(OSError):  # nobody may be listening any more
            told.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _run(request: Mapping[str, Any], *streams: int) -> NoReturn:
    from reconciler.cli import main as run

    code = 70
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["env"])
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        for stream in set(streams):
            os.close(stream)
        sys.stdin, sys.stdout, sys.stderr = _stream(0, "r"), _stream(1, "w"), _stream(2, "w")
        sys.stderr.reconfigure(line_buffering=True)
        for name, *arguments in request["tricks"]:
            module, _, function = name.partition(":")
            getattr(importlib.import_module(module), function)(*arguments)
        measuring = coverage.process_startup() if request["measured"] else None
        code = run(request["arguments"])
        if measuring:
            measuring.stop()
            measuring.save()
        # An interpreter that ends hears no signal any more.
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(kind, signal.SIG_IGN)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - it is told, as an interpreter does
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(code)


def _stream(number: int, mode: str) -> Any:
    return open(number, mode, encoding="utf-8", closefd=False)


if __name__ == "__main__":
    main(int(sys.argv[1]))
