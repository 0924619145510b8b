"""What runs in a worker: a connection to the server for each parcel that it works on at a time.

Functions here are called by name from the process of a run, with plain values. A worker serves several runs,
each by its own `WorkerBench`, named as that session.

Tests: `tests/workers/test_workers_cluster.py`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from distributed import Worker, WorkerPlugin, get_worker

from reconciler import __version__
from reconciler.apply.parcels import LentPace, ParcelRunner
from reconciler.apply.sender import Parcel, ParcelReport
from reconciler.errors import ReconcilerError, Refused, Unauthorized, fault_in_words
from reconciler.pacing import Backoff, Settling
from reconciler.providers.opening import opened
from reconciler.readers.parcels import ReadParcel, ReadReport
from reconciler.readers.runner import ReadRunner
from reconciler.workers.access import ServerRef, settings_here
from reconciler.workers.admission import Introduction

_IDLE: Final = 600.0
"""Seconds after which what a run left behind is cleared away by the next one that comes."""


@dataclass(frozen=True, slots=True)
class _Slot:
    """A connection, and what it is used for: one parcel at a time."""

    sending: ParcelRunner
    reading: ReadRunner


class WorkerBench(WorkerPlugin):
    """The connections of one session in one worker."""

    def __init__(self, ref: ServerRef, slots: int, parallelism: int) -> None:
        self.stop = asyncio.Event()
        self.used = time.monotonic()
        self._ref = ref
        self._slots = slots
        self._parallelism = parallelism
        self._stack = AsyncExitStack()
        self._free: asyncio.Queue[_Slot] = asyncio.Queue()
        self._flying = 0
        self._landed = asyncio.Condition()

    async def setup(self, worker: Worker) -> None:
        """Open the server, and sign in. ReconcilerError says what is missing."""
        settings = settings_here(self._ref, os.environ, Path.cwd())
        for slot in range(self._slots):
            pace = LentPace()
            server = opened(settings, parallelism=self._parallelism, limiter=pace)
            provider = await self._stack.enter_async_context(server)
            if slot == 0:
                greeting = await provider.questions.greet()
                if greeting.error and (
                    isinstance(greeting.error, Unauthorized) or not isinstance(greeting.error, Refused)
                ):
                    raise greeting.error
            sending = ParcelRunner(
                provider.writes,
                provider.facts.operations,
                pace,
                Backoff(),
                Settling(settings.settle),
                self._parallelism,
                worker=str(worker.name),
            )
            self._free.put_nowait(_Slot(sending, ReadRunner(provider, pace, self._parallelism)))

    async def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - the engine calls it so
        """Close all of it."""
        self.stop.set()
        await self._stack.aclose()

    async def carry(self, parcel: Parcel) -> ParcelReport:
        """Send `parcel`."""
        async with self._slot() as slot:
            return await slot.sending.run(parcel, self.stop)

    async def read(self, parcel: ReadParcel) -> ReadReport:
        """Read `parcel`."""
        async with self._slot() as slot:
            return await slot.reading.run(parcel, self.stop)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[_Slot]:
        self._flying += 1
        slot = await self._free.get()
        try:
            yield slot
        finally:
            self._free.put_nowait(slot)
            self.used = time.monotonic()
            async with self._landed:
                self._flying -= 1
                self._landed.notify_all()

    async def quiet(self) -> None:
        """Send nothing more; returns once nothing is under way."""
        self.stop.set()
        async with self._landed:
            await self._landed.wait_for(lambda: not self._flying)


def dask_setup(worker: Worker) -> None:  # noqa: ARG001 - the engine calls it so
    """In a process of this machine: a terminal tells all of them to end, which is for the run to decide."""
    for name in ("SIGINT", "SIGHUP"):
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)


def introduce(dask_worker: Worker) -> Introduction:
    """Who the worker is."""
    return Introduction(__version__, time.time(), dask_worker.state.nthreads, str(dask_worker.name))


async def join(session: str, ref: ServerRef, slots: int, parallelism: int, dask_worker: Worker) -> str | None:
    """Get ready for a session; why that isn't possible, in words, or None."""
    for name, plugin in list(dask_worker.plugins.items()):
        if isinstance(plugin, WorkerBench) and time.monotonic() - plugin.used > _IDLE:
            await dask_worker.plugin_remove(name)
    bench = WorkerBench(ref, slots, parallelism)
    try:
        await bench.setup(dask_worker)
    except ReconcilerError as error:
        await bench.teardown(dask_worker)
        return error.message
    except Exception as error:  # noqa: BLE001 - whatever it is, this worker isn't used, and says why
        await bench.teardown(dask_worker)
        return fault_in_words(error)
    dask_worker.plugins[session] = bench
    return None


async def quiet(session: str, dask_worker: Worker) -> bool:
    """Whether nothing of the session is under way, nor will be."""
    bench = dask_worker.plugins.get(session)
    if isinstance(bench, WorkerBench):
        await bench.quiet()
    return True


async def leave(session: str, dask_worker: Worker) -> None:
    """Clear a session away."""
    if session in dask_worker.plugins:
        await dask_worker.plugin_remove(session)


async def carry(session: str, parcel: Parcel) -> ParcelReport:
    """The task: what becomes of `parcel`. Of a worker that doesn't know the session: nothing was sent."""
    bench: Any = get_worker().plugins.get(session)
    return await bench.carry(parcel) if isinstance(bench, WorkerBench) else ParcelReport(parcel.id)


async def read(session: str, parcel: ReadParcel) -> ReadReport:
    """The task: what is in `parcel`. Of a worker that doesn't know the session: nothing was read."""
    bench: Any = get_worker().plugins.get(session)
    return await bench.read(parcel) if isinstance(bench, WorkerBench) else ReadReport(parcel.id)
