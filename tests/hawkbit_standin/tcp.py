"""The stand-in over TCP, in a thread, for as long as a `with` block."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from tests.hawkbit_standin.app import Standin


class Served(Standin):
    """A stand-in that is served at ``url``."""

    url = ""


@contextmanager
def running() -> Iterator[Served]:
    """A server of its own."""
    standin = Served()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    standin.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        standin.app,
        interface="asgi3",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        date_header=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    listener.listen(128)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield standin
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
        assert not thread.is_alive()
