"""A real Chromium, once for a module; where there is none its tests are skipped, by its name.

While it is there an event loop runs in this thread, so that nothing else can start one.
"""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette

Serving = Callable[[Starlette], AbstractContextManager[str]]


def chromium() -> str | None:
    """Where a Chromium of this machine is."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    path = chromium()
    if path is None:
        pytest.skip("needs chromium (Debian's package of that name)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        # In a container there is no other sandbox than that of the container.
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def serving() -> Serving:
    """An app over TCP, for as long as the block runs: its URL."""

    @contextmanager
    def serve(app: Starlette) -> Iterator[str]:
        config = uvicorn.Config(app, port=0, log_config=None, access_log=False, ws="none", lifespan="off")
        server = uvicorn.Server(config)
        listening = threading.Event()
        begin = server.startup

        async def startup(sockets=None) -> None:  # type: ignore[no-untyped-def]
            await begin(sockets)
            listening.set()

        server.startup = startup  # type: ignore[method-assign]
        server.capture_signals = contextmanager(lambda: iter([None]))  # type: ignore[method-assign]
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        assert listening.wait(20)
        (listener,) = server.servers[0].sockets
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()

    return serve
