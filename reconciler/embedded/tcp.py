"""The server over TCP: in the foreground until a signal, or in a thread for as long as a `with` block.

Tests: `tests/embedded/test_embedded_server.py`.
"""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.embedded.app import create_app
from reconciler.embedded.context import Context
from reconciler.embedded.errors import EmbeddedError
from reconciler.embedded.faults import CONNECTION
from reconciler.embedded.middleware import RequestLog

_START_SECONDS = 30
_SHUTDOWN_SECONDS = 5
_END_SECONDS = 30


class SeenCall(NamedTuple):
    """A call as a test wants to compare it; `body` is its JSON or None."""

    method: str
    path: str
    status: int
    body: object


class _Server(uvicorn.Server):
    """Says when it listens, and ends on a signal without raising it again."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, app: Starlette, listener: socket.socket, ready: Callable[[str], None]) -> None:
        config = uvicorn.Config(
            _with_connection(app),
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
        super().__init__(config)
        self._listener = listener
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            self._ready(_url(self._listener))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        kinds = (signal.SIGINT, signal.SIGTERM)
        before = {kind: signal.signal(kind, self.handle_exit) for kind in kinds}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)

    def serve_until_told(self) -> None:
        with self._listener:
            self.run(sockets=[self._listener])


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket. It is told its protocol: only then asyncio sets TCP_NODELAY (else 40 ms an answer)."""
    listener: socket.socket | None = None
    try:
        if not 0 <= port <= 65_535:
            # The resolver would silently use the port modulo 65536.
            raise OSError("a port is a number from 0 to 65535")
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise EmbeddedError(
            f"The embedded server can't listen on {host}:{port}: {error}. "
            "Name another address, or port 0 for a free one."
        ) from error
    return listener


def _with_connection(app: ASGIApp) -> ASGIApp:
    """`app` with the connection of each request at hand, so that a fault can cut it.

    ASGI has no way to do that. The `send` of uvicorn is a method of the request, which knows its transport.
    """

    async def connected(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            cycle: Any = getattr(send, "__self__", None)
            scope = {**scope, "extensions": {**scope.get("extensions", {}), CONNECTION: cycle.transport}}
        await app(scope, receive, send)

    return connected


def _closing(listener: socket.socket, make: Callable[[], Starlette]) -> Starlette:
    """Make the app; the address is free again if that fails."""
    try:
        return make()
    except BaseException:
        listener.close()
        raise


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    database: Path | str,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    username: str | None = None,
    password: str | None = None,
    approval_needed: bool | None = None,
    simulate: float | None = None,
    allowed_hosts: Collection[str] = (),
    pages: Callable[[Starlette], Sequence[BaseRoute]] | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is in flight and return.

    Port 0 takes a free one. `pages` gives more routes, for people who look at the app. `ready` gets the URL
    once connections are accepted. Raises EmbeddedError when the address or the database can't be used.
    """
    listener = _listen(host, port)
    make = partial(
        create_app,
        database,
        token=token,
        username=username,
        password=password,
        approval_needed=approval_needed,
        simulate=simulate,
        host=host,
        allowed_hosts=allowed_hosts,
    )
    app = _closing(listener, make)
    if pages is not None:
        app.router.routes.extend(pages(app))
    _Server(app, listener, ready or (lambda _: None)).serve_until_told()


class Running:
    """A server in a thread of this process, over TCP: `with Running(…) as server: server.url`."""

    app: Starlette
    url: str

    def __init__(
        self,
        database: Path | str = ":memory:",
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        approval_needed: bool | None = None,
        record: bool = False,
        simulate: float | None = None,
    ) -> None:
        self._address = (host, port)
        self._make = partial(
            create_app,
            database,
            token=token,
            username=username,
            password=password,
            approval_needed=approval_needed,
            record=record,
            simulate=simulate,
            host=host,
        )

    @property
    def calls(self) -> list[SeenCall]:
        """What the server saw, in order of arrival; needs `record=True`."""
        return [
            SeenCall(seen.method, seen.path, seen.status, seen.body) for seen in list(self._recorder.seen)
        ]

    def forget_calls(self) -> None:
        """Start the record afresh."""
        self._recorder.seen.clear()

    @property
    def _recorder(self) -> RequestLog:
        context: Context = self.app.state.context
        return context.recorder

    def __enter__(self) -> Self:
        listener = _listen(*self._address)
        self.app = _closing(listener, self._make)
        self.url = _url(listener)
        started = threading.Event()
        self._server = _Server(self.app, listener, lambda _: started.set())
        self._thread = threading.Thread(
            target=self._server.serve_until_told, name="embedded-server", daemon=True
        )
        self._thread.start()
        if not started.wait(timeout=_START_SECONDS):
            raise EmbeddedError(f"The embedded server at {self.url} did not start.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        # Wakes the event loop, which may sleep for long.
        with contextlib.suppress(RuntimeError):
            self._server.loop.call_soon_threadsafe(lambda: None)
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            raise EmbeddedError(f"The embedded server at {self.url} did not end.")
