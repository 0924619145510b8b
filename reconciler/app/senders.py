"""Who sends the calls of a plan: this process, or workers where there is much that may be repeated.

Tests: `tests/app/test_app_senders.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from reconciler.app.crew import crew_of
from reconciler.apply.sender import WORTHWHILE, ParcelSender, may_leave
from reconciler.errors import ReconcilerError
from reconciler.plan.model import Plan
from reconciler.providers.base import Provider
from reconciler.settings import DaskWorkers, Project
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
    async with crew_of(project, provider, session, parallelism) as fleet:
        yield fleet
