"""The workers of a run, from the first time that something is worth them until its end.

Reading and sending use the same ones. None is started for a project that asks for none, nor for little.

Tests: `tests/app/test_app_crew.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from reconciler.errors import ReconcilerError
from reconciler.model import Desired
from reconciler.pacing import RateLimiter
from reconciler.providers.base import Provider, Reads
from reconciler.readers.shared import SharedReads, sharing
from reconciler.settings import LocalWorkers, Project, ServerSettings
from reconciler.state.base import Session

if TYPE_CHECKING:
    from reconciler.workers.fleet import WorkerFleet


WORTHWHILE: Final = 5_000
"""Fewer requests than that are read here: with the start of workers it takes as much of this process."""


def expected_reads(desired: Desired, server: ServerSettings) -> int:
    """About how many requests it takes to read who is in the campaigns, and what overrides they have."""
    pages = (-(-len(each.gateways or ()) // server.page_size) for each in desired.campaigns)
    overridden = (len(it.gateways) for each in desired.campaigns for it in each.overrides or ())
    return sum(max(1, each) for each in pages) + sum(overridden)


class Crew:
    """The workers of `project`, beside an open `provider`. What is started ends with `stack`."""

    def __init__(self, project: Project, provider: Provider, parallelism: int, stack: AsyncExitStack) -> None:
        self.session: Session | None = None
        """Whose lock binds those who send."""
        self._project = project
        self._pace = provider.pace
        self._parallelism = parallelism
        self._stack = stack
        self._fleet: WorkerFleet | None = None
        self._turn = asyncio.Lock()

    async def fleet(self) -> WorkerFleet:
        """All of them. ReconcilerError when none can be had."""
        async with self._turn:
            if self._fleet is None:
                self._fleet = await self._started()
            return self._fleet

    async def _started(self) -> WorkerFleet:
        at, server = self._project.server.workers, self._project.server
        assert at is not None, "there are some"
        try:
            from reconciler.workers.cluster import fleet
            from reconciler.workers.cluster import session as name
            from reconciler.workers.fleet import Orders
        except ImportError as error:
            raise ReconcilerError(
                f"workers need a package that isn't installed: {error.name}",
                hint="`pip install 'reconciler[dask]'` brings it. Without workers this process does it all.",
            ) from error
        from reconciler.workers.access import ref_of

        pace = self._pace or RateLimiter(server.max_requests_per_second)
        alone = isinstance(at, LocalWorkers)
        orders = Orders(name(), ref_of(server), self._parallelism, self._until, alone=alone)
        return await self._stack.enter_async_context(fleet(at, orders, pace))

    def _until(self) -> float | None:
        return None if self.session is None else self.session.until


class CrewReads(SharedReads):
    """`SharedReads` of a crew."""

    def __init__(self, own: Reads, crew: Crew) -> None:
        super().__init__(own, crew.fleet)
        self.crew = crew


@asynccontextmanager
async def crewed(
    project: Project, provider: Provider, parallelism: int, expected: int
) -> AsyncIterator[Provider]:
    """`provider`, which workers read, too, where about `expected` requests are worth them."""
    if project.server.workers is None or project.server.embedded or expected < WORTHWHILE:
        yield provider
        return
    async with AsyncExitStack() as stack:
        reads = CrewReads(provider.reads, Crew(project, provider, parallelism, stack))
        try:
            yield sharing(provider, reads)
        finally:
            await reads.aclose()


@asynccontextmanager
async def crew_of(
    project: Project, provider: Provider, session: Session, parallelism: int
) -> AsyncIterator[WorkerFleet]:
    """The workers, to send for `session`: those that have read, or new ones. Nobody sends after the block."""
    async with AsyncExitStack() as stack:
        reads = provider.reads
        crew = reads.crew if isinstance(reads, CrewReads) else Crew(project, provider, parallelism, stack)
        crew.session = session
        fleet = await crew.fleet()
        try:
            yield fleet
        finally:
            await asyncio.shield(fleet.settle())
            crew.session = None
