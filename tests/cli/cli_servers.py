"""A server over TCP in a thread, a proxy before it that answers as told, and a project that names it."""

import json
import re
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from reconciler.embedded import Running
from reconciler.providers.pulse.operations import OPERATIONS

_PATTERNS = [
    (
        one.method,
        re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(one.path.rstrip("/"))) + "/?"),
        one.name,
    )
    for one in OPERATIONS.values()
]
UPLOADS = {"upload-package", "stream-package"}


def operation_of(method: str, path: str) -> str:
    """The operation that a request is; `gateways` may not be called `things`."""
    for known, pattern, name in _PATTERNS:
        if known == method and pattern.fullmatch(path):
            return name
    return path


def call(url: str, method: str, path: str, body: object = None) -> Any:
    """A call by somebody else than the tool."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


@dataclass
class Told:
    """What a proxy answers instead of the server; ``cut``: nothing, the connection ends."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    after: bool = False
    """The server gets the request first."""
    times: int = 1_000_000


class Proxy:
    """Before `target`, or before nothing; `told` says what is answered by operation."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.told: dict[str, Told] = {}
        self.seen: list[str] = []
        self.url = ""

    def tell(self, operation: str, **answer: Any) -> None:
        self.told[operation] = Told(**answer)

    def count(self, operation: str) -> int:
        return self.seen.count(operation)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    proxy: Proxy

    def _handle(self) -> None:
        proxy, body = self.proxy, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = operation_of(self.command, urlsplit(self.path).path)
        proxy.seen.append(name)
        told = proxy.told.get(name)
        if told and told.times:
            told.times -= 1
            if told.after:
                self._forward(body)
            if told.cut:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            raw = told.body if isinstance(told.body, bytes) else json.dumps(told.body or {}).encode()
            self._answer(told.status, raw, told.headers)
            return
        self._answer(*self._forward(body), {})

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        connection = HTTPConnection(self.proxy.target.netloc, timeout=30)
        try:
            headers = {key: value for key, value in self.headers.items() if key.lower() != "connection"}
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        if "Date" in headers:
            self.send_response_only(status)
        else:
            self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


for _method in ("GET", "PUT", "POST", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler._handle)


@contextmanager
def proxied(target: str) -> Iterator[Proxy]:
    """A proxy before `target` for as long as the block runs."""
    proxy = Proxy(target)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


@dataclass
class World:
    """A server, a project folder that names it, and the command line in that folder."""

    server: Running
    proxy: Proxy
    folder: Path
    run: Callable[..., Any]

    def api(self, method: str, path: str, body: object = None) -> Any:
        return call(self.server.url, method, path, body)

    def operations(self) -> list[str]:
        return [operation_of(seen.method, seen.path) for seen in self.server.calls]

    def writes(self) -> list[str]:
        return [operation_of(seen.method, seen.path) for seen in self.server.calls if seen.method != "GET"]

    def id_of(self, name: str) -> str:
        (found,) = [
            c["id"] for c in self.api("GET", "/api/campaigns?page.size=100")["campaigns"] if c["name"] == name
        ]
        return str(found)

    def put(self, campaign_id: str, gateway: str, **body: Any) -> None:
        """Put a gateway into a state."""
        self.api("PUT", f"/_embedded/campaigns/{campaign_id}/devices/{gateway}", body)


@pytest.fixture
def world(folder: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A server with the resources of `folder` applied, behind a proxy."""
    with Running(record=True) as server, proxied(server.url) as proxy:
        monkeypatch.setenv("RECONCILER_URL", proxy.url)
        ran = run("apply", "resources", "--auto-approve")
        assert ran.code == 0, ran
        server.forget_calls()
        proxy.seen.clear()
        yield World(server, proxy, folder, run)
