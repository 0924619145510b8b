"""The program as people run it: processes of their own, TCP between them and the server.

    workplace.run("apply", "--auto-approve") -> Ran(code, out, err)

`Gate` is a small HTTP proxy before a server: it can hold a request before or after the server has seen it,
answer in its place, or cut the connection.
"""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from reconciler.embedded import Running
from reconciler.embedded.operations import API

ROOT = Path(__file__).parents[2]
SECONDS = 60
TOKEN = "token-canary-1f0b"

CAMPAIGN = """\
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec:
  description: Line 3
  packageSet: firmware
  gatewayLists: [hall]
  desiredStatus: STARTED
"""

RESOURCES = f"""\
apiVersion: reconciler/v1
kind: PackageSet
metadata: {{name: firmware}}
spec:
  packages:
    - file: firmware.bin
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {{name: hall}}
spec:
  gateways: [gw-1, gw-2, gw-3]
---
{CAMPAIGN}"""

WHOLE_WAY = ["upload-package", "create-campaign", "add-gateways", "start-campaign"]
"""The writes that the resources need on an empty server, in order."""

_OPERATIONS = [
    (
        one.method,
        re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(one.path.rstrip("/"))) + "/?"),
        one.name,
    )
    for one in API
]


def operation_of(method: str, path: str) -> str:
    """The name of the operation that a request is; `get-versions` and the like by their path."""
    for known, pattern, name in _OPERATIONS:
        if known == method and pattern.fullmatch(path):
            return name
    return path.removeprefix("/api/")


# --- processes ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """How a process ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """The last message on stderr: the line with the error, and its hints."""
        return self.err[self.err.rindex("error: ") :] if "error: " in self.err else self.err


def environment(**more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "PYTHONWARNINGS": "error",
        **more,
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "reconciler", *arguments]


Start = Callable[[Sequence[str], Path, Mapping[str, str]], Any]
"""(arguments, folder, environment) → a `subprocess.Popen`, or what looks like one."""


def cold(arguments: Sequence[str], folder: Path, env: Mapping[str, str]) -> "subprocess.Popen[str]":
    """A process of its own, from the start of its interpreter; `e2e_forks` has warm ones."""
    return subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


@dataclass
class Workplace:
    """A folder with resources; every run in it is held against what no run may say."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    canaries: list[str] = field(default_factory=list)
    """What may never be said or kept."""
    ran: list[Ran] = field(default_factory=list)
    start: Start = cold

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "resources.yaml").write_text(RESOURCES)
        (self.folder / "firmware.bin").write_bytes(b"firmware")

    def run(self, *arguments: str, **env: str) -> Ran:
        """Run `reconciler` with the arguments to its end."""
        with self.started(*arguments, **env) as process:
            return process.end()

    @contextmanager
    def started(self, *arguments: str, **env: str) -> Iterator["Process"]:
        """The same as a process that is still running; it does not outlive the block."""
        with self.start(arguments, self.folder, environment(**{**self.env, **env})) as popen:
            try:
                yield Process(self, popen)
            finally:
                popen.kill()

    def note(self, ran: Ran) -> Ran:
        self.ran.append(ran)
        for text in (ran.out, ran.err):
            assert "Traceback" not in text, text
            assert "bug in reconciler" not in text, text
            assert not [canary for canary in self.canaries if canary in text], text
        return ran

    def apply(self, *arguments: str) -> Ran:
        ran = self.run("apply", "--auto-approve", "resources.yaml", *arguments)
        assert ran.code == 0, ran
        return ran

    def empty(self) -> bool:
        """Whether a plan has no step."""
        ran = self.run("plan", "--detailed-exitcode", "resources.yaml")
        assert ran.code in (0, 2), ran
        assert (ran.code == 0) == ran.out.endswith("\nNo changes.\n"), ran
        return ran.code == 0

    def edit(self, old: str, new: str, name: str = "resources.yaml") -> None:
        text = (self.folder / name).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        (self.folder / name).write_text(text.replace(old, new))

    @property
    def state(self) -> Path:
        return self.folder / ".reconciler" / "state.json"

    def kept(self) -> str:
        """Everything that the tool keeps in this folder."""
        return "".join(
            path.read_text("utf-8") for path in (self.folder / ".reconciler").rglob("*") if path.is_file()
        )


@dataclass(frozen=True)
class Process:
    """A run that goes on."""

    place: Workplace
    popen: subprocess.Popen[str]

    def end(self) -> Ran:
        """Wait for its end."""
        out, err = self.popen.communicate(timeout=SECONDS)
        return self.place.note(Ran(self.popen.returncode, out, err))

    def until(self, text: str) -> None:
        """Read stderr until a line holds `text`."""
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            if text in line:
                return
        raise AssertionError(f"the process ended before it said {text!r}")

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(SECONDS)


# --- servers ------------------------------------------------------------------------------------------


class Live:
    """A real server over TCP, and what it saw."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.url = running.url

    def operations(self) -> list[str]:
        """Every call so far, in order of arrival."""
        return [operation_of(call.method, call.path) for call in self.running.calls]

    def writes(self) -> list[str]:
        return [operation_of(c.method, c.path) for c in self.running.calls if c.method != "GET"]

    def forget(self) -> None:
        self.running.forget_calls()

    def call(self, method: str, path: str, body: object = None) -> Any:
        """A call of the API by somebody else than the tool."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.load(answer)

    def campaigns(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", "/api/campaigns?page.size=1000")["campaigns"]
        return found

    def packages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", "/api/programs?page.size=1000")["programs"]
        return found

    def gateways(self, campaign_id: str) -> set[str]:
        rows = self.call("GET", f"/api/campaigns/{campaign_id}/devices?page.size=1000")["gateways"]
        return {row["gatewayId"] for row in rows}


@dataclass(frozen=True)
class Answer:
    """An answer in place of the server's; a body of None cuts the connection without one."""

    status: int = 200
    body: bytes | None = b""
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None
    """The length that the headers claim, where it isn't that of the body."""


class Hold:
    """A request that is held until `release` lets it go on, or `drop` loses it."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._go = threading.Event()
        self._lost = False

    def wait(self, process: Process) -> None:
        """Wait until the request of `process` is there."""
        while not self._reached.wait(0.05):
            assert process.popen.poll() is None, process.end()

    def reached(self, seconds: float) -> bool:
        """Whether it is there within so many seconds."""
        return self._reached.wait(seconds)

    def release(self) -> None:
        self._go.set()

    def drop(self) -> None:
        self._lost = True
        self._go.set()

    def block(self) -> Answer | None:
        self._reached.set()
        self._go.wait(SECONDS)
        return Answer(body=None) if self._lost else None


Moment = Literal["begun", "before", "after"]
"""Before the server has seen a request (begun: before its body was sent), or after that."""


@dataclass
class Trap:
    """What happens to the next `times` requests of an operation."""

    operation: str
    moment: Moment
    do: Hold | Answer | Callable[[], None]
    times: int = 1


class Gate:
    """An HTTP proxy on loopback before `upstream`; None: there is nobody behind it."""

    def __init__(self, upstream: str | None = None) -> None:
        self._upstream = urlsplit(upstream).netloc if upstream else None
        self._traps: list[Trap] = []
        self._guard = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.gate = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, name="gate", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for trap in self._traps:
            if isinstance(trap.do, Hold):
                trap.do.drop()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def hold(self, operation: str, moment: Moment) -> Hold:
        """Hold the next request of `operation`."""
        hold = Hold()
        self._traps.append(Trap(operation, moment, hold))
        return hold

    def answer(self, operation: str, answer: Answer, *, times: int = 1, moment: Moment = "before") -> None:
        """Answer in place of the server, or ("after") instead of what the server answered."""
        self._traps.append(Trap(operation, moment, answer, times))

    def call(self, operation: str, what: Callable[[], None], moment: Moment = "before") -> None:
        """Do something when the next request of `operation` comes by."""
        self._traps.append(Trap(operation, moment, what))

    def meet(self, operation: str, moment: Moment) -> Answer | None:
        """Spring the trap that waits for this request, if there is one."""
        with self._guard:
            trap = next(
                (
                    each
                    for each in self._traps
                    if each.times and each.moment == moment and each.operation in (operation, "*")
                ),
                None,
            )
            if trap is None:
                return None
            trap.times -= 1
        match trap.do:
            case Answer():
                return trap.do
            case Hold():
                return trap.do.block()
            case _:
                trap.do()
        return None

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if self._upstream is None:
            return Answer(404, b'{"message": "nobody is behind this gate"}')
        connection = HTTPConnection(self._upstream, timeout=SECONDS)
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            data = response.read()
            kept = {key: value for key, value in response.getheaders() if key.lower() == "content-type"}
            return Answer(response.status, data, kept)
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    gate: Gate

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def _handle(self) -> None:
        gate = self.server.gate
        operation = operation_of(self.command, urlsplit(self.path).path)
        answer = gate.meet(operation, "begun")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = answer or gate.meet(operation, "before")
        if answer is None:
            headers = {key: value for key, value in self.headers.items() if key.lower() != "connection"}
            answer = gate.forward(self.command, self.path, headers, body)
            answer = gate.meet(operation, "after") or answer
        if answer.body is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(answer.status)
        for key, value in answer.headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(answer.promised or len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()
        if answer.promised is not None:
            self.close_connection = True

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Every method (`do_GET` and so on) is handled alike."""
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def unused_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port
