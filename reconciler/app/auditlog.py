"""What a command says of itself in the audit log, before it does anything."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import reconciler
from reconciler.audit.origin import actor, commit
from reconciler.audit.recorder import AuditedRun, AuditRecorder, Waiver, Who, recording
from reconciler.cli.signals import interruptible
from reconciler.model import Json, Server
from reconciler.plan.file import plan_digest
from reconciler.plan.model import Plan
from reconciler.settings import Project
from reconciler.state.base import (
    CampaignAbandoned,
    CampaignForgotten,
    CampaignOwned,
    Event,
    PackageForgotten,
    PackageUploaded,
    Session,
    StateStore,
)
from reconciler.state.locks import new_lock


@contextmanager
def audited(
    project: Project,
    store: StateStore,
    operation: str,
    *,
    timeout: float,
    about: Mapping[str, Json] | None = None,
) -> Iterator[tuple[Session, AuditRecorder]]:
    """Holds the lock for a command by hand, with its begin in the log; its end is written behind the block.

    StateLocked when somebody else still holds it after `timeout` seconds.
    """
    server = project.server.identity
    run = _run(project, server, operation, about=about or {})
    with ExitStack() as stack:
        with interruptible():
            session = stack.enter_context(store.locked(server, operation, timeout=timeout))
        yield session, stack.enter_context(recording(session, run))


@contextmanager
def audited_plan(
    project: Project, plan: Plan, session: Session, *, file: str | None = None
) -> Iterator[AuditRecorder]:
    """The begin of an apply stands in the log, and behind the block its end.

    Not of one that sends nothing, and changes nothing in what is ours. ``file`` is the digest of the file
    that the plan stood in.
    """
    about = _ownership(plan.records)
    if plan.empty and not about:
        yield AuditRecorder(session)
        return
    if file is not None:
        about["planFile"] = file
    waived = tuple(
        Waiver(trip.guard, trip.waived, trip.found, trip.limit, trip.resource)
        for trip in plan.guards
        if trip.waived is not None
    )
    run = _run(
        project, plan.server, "apply", plan=plan_digest(plan), steps=_steps(plan), waived=waived, about=about
    )
    with recording(session, run) as recorder:
        yield recorder


def _run(project: Project, server: Server, operation: str, **more: Any) -> AuditedRun:
    lock = new_lock(operation)
    who = Who(lock.holder, lock.host, actor(os.environ))
    return AuditedRun(
        operation,
        reconciler.__version__,
        who,
        server,
        project.name,
        project.environment,
        commit(os.environ, project.root),
        **more,
    )


def _steps(plan: Plan) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for group in plan.groups:
        counts[group.operation.name] += len(group)
    return counts


def _ownership(records: Iterable[Event]) -> dict[str, Json]:
    """What becomes ours without a call, and what no longer is."""
    takes: list[Json] = []
    forgets: list[Json] = []
    for event in records:
        match event:
            case CampaignOwned(owned):
                takes.append({"resource": str(owned.resource), "id": owned.id})
            case PackageUploaded(uploaded):
                takes.append(
                    {"resource": str(uploaded.resource), "id": uploaded.id, "sha256": uploaded.sha256}
                )
            case CampaignForgotten(resource) | CampaignAbandoned(resource):
                forgets.append({"resource": str(resource)})
            case PackageForgotten(digest):
                forgets.append({"sha256": digest})
    found: dict[str, Json] = {"takes": takes, "forgets": forgets}
    return {name: each for name, each in found.items() if each}
