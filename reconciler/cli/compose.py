"""Puts the stages together: the one place that knows the real provider, server and state store."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.flags import Flags
from reconciler.errors import InvalidInput, ReconcilerError
from reconciler.model import Desired, Finding, Live, Severity
from reconciler.options import Options
from reconciler.plan.model import Plan
from reconciler.settings import Project
from reconciler.state.base import State, StateStore, bound_to

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from reconciler.pacing import Backoff
    from reconciler.providers.base import Provider
    from reconciler.providers.console import Console

EMBEDDED_DATABASE = Path(".reconciler/embedded.db")


@dataclass(frozen=True, slots=True)
class Checked:
    """What all stages up to resolve made of the input. ``desired`` is usable only without errors."""

    project: Project | None
    desired: Desired
    documents: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """Input without errors, and where to take it. ``warnings`` are what was found on the way."""

    project: Project
    desired: Desired
    store: StateStore
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and the two sides that it was made from."""

    plan: Plan
    live: Live
    state: State


def check(
    flags: Flags, paths: Sequence[str], environ: Mapping[str, str], *, cwd: Path, offline: bool
) -> Checked:
    """Load, validate and resolve; every finding of all three at once.

    `offline`: no server is needed, and no secret is read.
    """
    from reconciler.loading import load
    from reconciler.project import load_project
    from reconciler.resolve import resolve
    from reconciler.validation import validate

    loaded = load_project(
        cwd=cwd,
        environ=environ,
        file=flags.project,
        environment=flags.environment,
        url=flags.url,
        state=flags.state,
        paths=paths,
        need_server=not offline,
    )
    project = loaded.project
    resources, root = (project or loaded).resources, (project or loaded).root
    read = load(resources, base=root)
    valid = validate(read.documents, complete=read.complete)
    resolved = resolve(valid.documents, root=root, environ=None if offline or not project else environ)
    findings = (*loaded.findings, *read.findings, *valid.findings, *resolved.findings)
    return Checked(
        project,
        resolved.desired,
        len(read.documents),
        tuple(sorted(findings, key=Finding.sort_key)),
    )


def prepare(flags: Flags, paths: Sequence[str], environ: Mapping[str, str], *, cwd: Path) -> Job:
    """Input to plan with; InvalidInput, with everything that was found, when there is an error in it."""
    from reconciler.state.stores import open_store

    checked = check(flags, paths, environ, cwd=cwd, offline=False)
    if checked.project is None or any(finding.is_error for finding in checked.findings):
        raise InvalidInput(checked.findings)
    project, desired = checked.project, checked.desired
    # Paths given beside a project file are a part of the project: what they lack may well be declared.
    partial = project.file is not None and bool(paths)
    if partial:
        desired = replace(desired, complete=False)
    return Job(project, desired, open_store(project.state_url, root=project.root), checked.findings)


def settle(flags: Flags, environ: Mapping[str, str], *, cwd: Path) -> Project:
    """The settings of a run that needs a server and no resources; InvalidInput when they are wrong."""
    from reconciler.project import load_project

    loaded = load_project(
        cwd=cwd,
        environ=environ,
        file=flags.project,
        environment=flags.environment,
        url=flags.url,
        state=flags.state,
    )
    if loaded.project is None or any(finding.is_error for finding in loaded.findings):
        raise InvalidInput(loaded.findings)
    return loaded.project


@asynccontextmanager
async def connected(project: Project) -> AsyncIterator[Provider]:
    """The project's server, for as long as the block runs."""
    from reconciler.providers.pulse.provider import connect

    async with AsyncExitStack() as stack:
        app = _app(project, stack)
        yield await stack.enter_async_context(connect(project.server, app=app))


@asynccontextmanager
async def opened(
    project: Project, *, backoff: Backoff | None = None
) -> AsyncIterator[tuple[Provider, Console]]:
    """The project's server for plans and for people, for as long as the block runs."""
    from reconciler.providers.pulse.console import PulseConsole, Watched
    from reconciler.providers.pulse.engine import open_engine
    from reconciler.providers.pulse.provider import connect

    server = project.server
    async with AsyncExitStack() as stack:
        app = _app(project, stack)
        engine = open_engine(server.url, app=app, ca_file=server.ca_file, timeout=server.timeout)
        watched = Watched(await stack.enter_async_context(engine))
        async with connect(server, transport=watched, backoff=backoff) as provider:
            yield provider, PulseConsole(provider.client, watched)


async def make(job: Job, state: State, provider: Provider, options: Options) -> Planned:
    """Observe and plan; nothing is written anywhere. `state` must belong to the provider's server."""
    from reconciler.diff import Ask, diff
    from reconciler.observe import observe
    from reconciler.plan import make_plan

    bound = bound_to(state, provider.server, url=job.store.url)
    live = await observe(job.desired, bound, provider, options)
    ask = Ask(options, now=int(time.time() * 1000), past=provider.past)
    plan = make_plan(diff(job.desired, live, bound, ask), provider)
    findings = [*job.warnings, *plan.findings]
    if options.prune and not job.desired.complete:
        findings.append(_NOT_PRUNED)
    return Planned(replace(plan, findings=tuple(findings)), live, bound)


def _app(project: Project, stack: AsyncExitStack) -> Starlette | None:
    """The server in this process, closed with `stack`; None where the project names another one."""
    if not project.server.embedded:
        return None
    app = _embedded(project.root / EMBEDDED_DATABASE)
    stack.callback(app.state.context.store.close)
    return app


def _embedded(database: Path) -> Starlette:
    """The server in this process, on its own database."""
    from reconciler.embedded import EmbeddedError

    try:
        from reconciler.embedded import create_app

        return create_app(database)
    except EmbeddedError as error:
        raise ReconcilerError(str(error)) from error


_NOT_PRUNED = Finding(
    "prune-needs-whole-project",
    "nothing is deleted, because only some paths of the project were given",
    hint="Leave the paths out to prune.",
    severity=Severity.WARNING,
)
