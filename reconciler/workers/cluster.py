"""Where workers come from: processes that are started for one run, or a Dask scheduler that is there.

What the engine itself says on its logs isn't for users: our errors say what happened, where, and what to do.

Tests: `tests/workers/test_workers_cluster.py`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib.util import find_spec
from secrets import token_hex
from typing import Any, Final

import dask.config
from distributed import Client, LocalCluster
from distributed.security import Security

from reconciler.errors import ReconcilerError
from reconciler.pacing import RateLimiter
from reconciler.settings import DaskWorkers, Engine, LocalWorkers, WorkersAt
from reconciler.text import clean
from reconciler.trust.hosts import is_loopback
from reconciler.workers import bench
from reconciler.workers.admission import AT_A_TIME
from reconciler.workers.fleet import Orders, WorkerFleet

_SECONDS: Final = 30.0
"""So long a scheduler, or processes that are started, may take to answer."""
_CLIENT: Final = "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__TLS__CLIENT__CERT and …__TLS__CLIENT__KEY"


@asynccontextmanager
async def fleet(at: WorkersAt, orders: Orders, pace: RateLimiter) -> AsyncIterator[WorkerFleet]:
    """The workers at `at`, as long as the block runs. ReconcilerError when none can be had."""
    fast = orders.ref.engine == Engine.AIOHTTP and find_spec("uvloop") is not None
    opening = _local(at, fast=fast) if isinstance(at, LocalWorkers) else _remote(at)
    with _hushed():
        async with opening as client, WorkerFleet(client, orders, pace).working() as there:
            yield there


def session() -> str:
    """A name that no other run has."""
    return f"reconciler-{token_hex(8)}"


@contextmanager
def _hushed() -> Iterator[None]:
    """Meanwhile the engine's own logs go nowhere."""
    logs = [logging.getLogger(name) for name in ("distributed", "tornado")]
    before = [(log, log.handlers, log.propagate, log.level) for log in logs]
    for log in logs:
        log.handlers, log.propagate = [logging.NullHandler()], False
        log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for log, handlers, propagate, level in before:
            log.handlers, log.propagate = handlers, propagate
            log.setLevel(level)


@asynccontextmanager
async def _local(at: LocalWorkers, *, fast: bool) -> AsyncIterator[Client]:
    """Processes of this machine that end with us. Their keys are made for this run: nobody else gets in."""
    quiet: dict[str, object] = {
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        "distributed.worker.preload": [bench.__name__],
        "distributed.admin.event-loop": "uvloop" if fast else "tornado",
    }
    async with AsyncExitStack() as stack:
        stack.enter_context(dask.config.set(quiet))
        try:
            cluster = LocalCluster(
                n_workers=at.count,
                threads_per_worker=AT_A_TIME,
                processes=True,
                memory_limit=0,
                host="127.0.0.1",
                dashboard_address=None,
                # Without an address the scheduler would listen for browsers, and on every one.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                asynchronous=True,
                silence_logs=logging.CRITICAL,
                security=Security.temporary(),
            )
            async with asyncio.timeout(_SECONDS + 5 * at.count):
                await stack.enter_async_context(cluster)
            client = await stack.enter_async_context(Client(cluster, asynchronous=True, set_as_default=False))
        except ImportError as error:
            raise _missing(error) from error
        except Exception as error:
            raise ReconcilerError(
                f"{at}: the workers did not start: {clean(f'{type(error).__name__}: {error}')}",
                hint="Is there memory for them? Without workers this process sends all by itself.",
            ) from error
        yield client


@asynccontextmanager
async def _remote(at: DaskWorkers) -> AsyncIterator[Client]:
    security: Any = Security()
    secure = security.get_connection_args("client").get("ssl_context") is not None
    if not secure and not is_loopback(at.host):
        raise ReconcilerError(
            f"{at}: nothing tells how to speak TLS to this scheduler, and it is on another machine",
            hint=f"Give scheduler and workers certificates, and set {_CLIENT} here; what a scheduler sends is"
            " run, so it has to be the right one.",
        )
    host = f"[{at.host}]" if ":" in at.host else at.host
    address = f"{'tls' if secure else 'tcp'}://{host}:{at.port}"
    with warnings.catch_warnings():
        # Another version of the engine: where it can't be understood, an error says so.
        warnings.simplefilter("ignore")
        client = Client(address, asynchronous=True, security=security, timeout=_SECONDS, set_as_default=False)
        try:
            await client
        except Exception as error:
            await client.close()
            raise _unreachable(at, address, error) from error
    async with client:
        yield client


def _unreachable(at: DaskWorkers, address: str, error: Exception) -> ReconcilerError:
    if isinstance(error.__cause__ or error, ssl.SSLError):
        return ReconcilerError(
            f"{at}: no TLS connection to the scheduler: {error.__cause__ or error}",
            hint=f"Are {_CLIENT} those of this cluster?",
        )
    return ReconcilerError(
        f"{at}: no scheduler answered at {address} within {_SECONDS:.0f} s",
        hint="Is `dask scheduler` running there, is its port open to this machine, and is TLS spoken on both"
        " sides, or on none?",
    )


def _missing(error: ImportError) -> ReconcilerError:
    return ReconcilerError(
        f"workers need a package that isn't installed: {error.name or error}",
        hint="`pip install 'reconciler[dask]'` brings all of them.",
    )
