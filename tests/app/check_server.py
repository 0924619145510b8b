"""A server on this machine that answers checks with whatever bytes a test wants."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Respond = Callable[[bytes], "bytes | None"]
"""Of a request the whole answer; None: no byte, until the client has gone."""


def answer(body: object = b"", status: str = "200 OK", **headers: str) -> bytes:
    """An answer as it goes over the wire; what is no bytes goes as JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(sent)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + sent


def sample(*values: str) -> bytes:
    """What Prometheus answers to an instant query."""
    rows = [{"metric": {}, "value": [1_800_000_000.0, value]} for value in values]
    return answer({"status": "success", "data": {"resultType": "vector", "result": rows}})


@dataclass
class CheckServer:
    url: str = ""
    respond: Respond = lambda _: answer()
    requests: list[bytes] = field(default_factory=list)

    @property
    def first_lines(self) -> list[str]:
        return [request.split(b"\r\n", 1)[0].decode() for request in self.requests]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.split(b"\r\n\r\n", 1)[1] or b"null") for request in self.requests]


@contextmanager
def check_server() -> Iterator[CheckServer]:
    found = CheckServer()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            request = _read(self.request)
            found.requests.append(request)
            said = found.respond(request)
            if said is None:
                self.request.recv(1)
            else:
                self.request.sendall(said)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Who has gone is no error."""

    with Server(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def _read(connection: Any) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        ),
        0,
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
