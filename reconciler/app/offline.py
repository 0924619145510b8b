"""`plan --snapshot`: a plan without server, network, credentials and secrets, on what `snapshot` saved.

Tests: `tests/snapshot/test_snapshot_plans.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from reconciler.app.pipeline import Planned, make, prepare
from reconciler.app.workspace import Workspace
from reconciler.errors import ReconcilerError, StateError
from reconciler.model import Server
from reconciler.options import Options
from reconciler.plan.model import Snapshot
from reconciler.providers.opening import facts_of
from reconciler.providers.snapshot import SavedServer, saved_server
from reconciler.settings import Project
from reconciler.snapshot import Header, SnapshotFile, open_snapshot, read_state
from reconciler.state.base import LockInfo, Session, State


async def plan_offline(
    workspace: Workspace, options: Options, file: Path, *, pace: Path | None = None
) -> Planned:
    """The plan that the server of the snapshot in `file` would have got when it was taken."""
    saved = open_snapshot(file)
    store = SavedState(f"snapshot {file}", read_state(saved))
    job = prepare(workspace, saved=store, pace=pace)
    # Waiting is useless: a snapshot doesn't change.
    project = replace(job.project, server=replace(job.project.server, settle=0.0))
    planned = await make(replace(job, project=project), store.load(), replayed(project, saved), options)
    taken = saved.header.taken
    snapshot = Snapshot(taken, max(0, int(time.time() - taken / 1000)))
    return replace(planned, plan=replace(planned.plan, snapshot=snapshot))


def replayed(project: Project, saved: SnapshotFile) -> SavedServer:
    """The server as the snapshot has it; ReconcilerError when that is of another project or server."""
    _check(project, saved.header)
    return saved_server(saved, facts_of(project.server))


def _check(project: Project, header: Header) -> None:
    ours, theirs = (project.name, project.environment), (header.project, header.environment)
    if ours != theirs:
        raise ReconcilerError(
            f"the snapshot is of {_described(*theirs)}, and this is {_described(*ours)}",
            hint="Choose the same --project and --environment as when it was taken.",
        )
    # The project may leave the server to flags and variables, which a run without credentials often lacks.
    if not project.server.embedded and project.server.identity != header.server:
        raise ReconcilerError(
            f"the snapshot is of {header.server}, and the project's server is {project.server.identity}",
            hint="Take a snapshot of that server, or choose the --environment that it was taken in.",
        )


def _described(project: str | None, environment: str | None) -> str:
    what = f"the project {project!r}" if project else "no project file"
    return f"{what} in the environment {environment!r}" if environment else f"{what} without an environment"


@dataclass(frozen=True, slots=True)
class SavedState:
    """A `StateStore` that can only be read: the state as far as a snapshot has it."""

    url: str
    saved: State

    def load(self) -> State:
        """See `StateStore.load`."""
        return self.saved

    def locked(
        self, server: Server, operation: str, *, timeout: float = 0.0
    ) -> AbstractContextManager[Session]:
        """Nothing can be written."""
        del server, operation, timeout
        self._refuse()

    def audit_lines(self) -> Iterator[str]:
        """A snapshot has no audit log."""
        return iter(())

    def holder(self) -> LockInfo | None:
        """Nobody locks a snapshot."""
        return None

    def unlock(self, lock_id: str) -> None:
        """There is no lock."""
        del lock_id
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise StateError("a snapshot can't be written", hint="Leave --snapshot out.")
