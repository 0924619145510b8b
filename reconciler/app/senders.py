"""Who sends the calls of a plan: this process, or workers where there is much that may be repeated.

Tests: `tests/app/test_app_senders.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from reconciler.apply.sender import WORTHWHILE, ParcelSender, may_leave
from reconciler.errors import ReconcilerError
from reconciler.plan.model import Plan
from reconciler.providers.base import Provider
from reconciler.settings import DaskWorkers, LocalWorkers, Project
from reconciler.state.base import Session


def worth_workers(plan: Plan) -> bool:
    """Whether `plan` has calls that workers would send."""
    return any(len(group) >= WORTHWHILE and may_leave(group) for group in plan.groups)


@asynccontextmanager
async def sender_for(
    project: Project, plan: Plan, provider: Provider, session: Session, parallelism: int
) -> AsyncIterator[ParcelSender | None]:
    """The workers of the project as long as the block runs; None: this process sends all.

    ReconcilerError when none of them can be had; then nothing was sent.
    """
    at = project.server.workers
    if at is None or project.server.embedded or not worth_workers(plan):
        yield None
        return
    if isinstance(at, DaskWorkers) and session.until is None:
        raise ReconcilerError(
            f"{at}: these workers may outlive this process, and the lock of a state in a file doesn't",
            hint="Keep the state where machines share it (postgresql://, s3://): its lock is a lease. Or take"
            " processes of this machine: --workers local:4.",
        )
    try:
        from reconciler.workers.cluster import fleet
        from reconciler.workers.cluster import session as name
        from reconciler.workers.fleet import Orders
    except ImportError as error:
        raise ReconcilerError(
            f"workers need a package that isn't installed: {error.name}",
            hint="`pip install 'reconciler[dask]'` brings it. Without workers this process sends all.",
        ) from error
    from reconciler.pacing import RateLimiter
    from reconciler.workers.access import ref_of

    pace = provider.pace or RateLimiter(project.server.max_requests_per_second)
    alone = isinstance(at, LocalWorkers)
    orders = Orders(name(), ref_of(project.server), parallelism, lambda: session.until, alone=alone)
    async with fleet(at, orders, pace) as there:
        yield there
