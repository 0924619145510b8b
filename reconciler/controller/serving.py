"""HTTP in a thread of its own: an answer doesn't wait for a plan.

Tests: `tests/controller/test_controller_run.py`.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from reconciler.errors import ReconcilerError, UsageError

if TYPE_CHECKING:
    from starlette.applications import Starlette

_START: Final = 30.0
_END: Final = 10.0
"""Seconds."""


def address_of(listen: str) -> tuple[str, int]:
    """Host and port of ``127.0.0.1:9464`` or ``[::1]:9464``; UsageError."""
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdecimal() or int(port) > 65_535:
        raise UsageError(f"--listen {listen!r} isn't an address", hint="Write it as 127.0.0.1:9464.")
    return host, int(port)


@contextmanager
def served(app: Starlette, host: str, port: int) -> Iterator[str]:
    """Serves `app` for as long as the block runs; gives the URL. ReconcilerError when it can't listen."""
    import uvicorn

    listener = _listening(host, port)
    config = uvicorn.Config(
        app, lifespan="off", ws="none", log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=2, timeout_keep_alive=30, limit_concurrency=200,
    )  # fmt: skip
    server = uvicorn.Server(config)
    started = threading.Event()
    startup = server.startup

    async def told(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = told  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, args=([listener],), name="http", daemon=True)
    thread.start()
    try:
        if not started.wait(_START):
            raise ReconcilerError("the HTTP server of this process did not start")
        named, bound = listener.getsockname()[:2]
        yield f"http://[{named}]:{bound}" if ":" in named else f"http://{named}:{bound}"
    finally:
        server.should_exit = True
        thread.join(_END)
        listener.close()


def _listening(host: str, port: int) -> socket.socket:
    listener: socket.socket | None = None
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise ReconcilerError(
            f"it can't listen on {host}:{port}: {error.strerror or error}",
            hint="Name another address with --listen; port 0 takes a free one.",
        ) from error
    return listener
