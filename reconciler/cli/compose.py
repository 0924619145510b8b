"""Puts the stages together: the one place that knows the real provider, server and state store."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.flags import Flags
from reconciler.errors import InvalidInput, ReconcilerError
from reconciler.model import Desired, Finding, Live, Severity
from reconciler.options import Options
from reconciler.plan.model import Partial, Plan
from reconciler.settings import Project
from reconciler.state.base import State, StateStore, bound_to

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from reconciler.loading import Loaded
    from reconciler.pacing import Backoff
    from reconciler.project import LoadedProject
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
    apart: tuple[str, ...] = ()
    """The environments of the project with other resources or with overlays."""


@dataclass(frozen=True, slots=True)
class Job:
    """Input without errors, and where to take it. ``warnings`` are what was found on the way.

    ``documents``: how many resources were read. ``waivers``: guard → why it may be passed this once.
    """

    project: Project
    desired: Desired
    store: StateStore
    warnings: tuple[Finding, ...] = ()
    documents: int = 0
    waivers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Planned:
    """A plan, and the two sides that it was made from.

    Without a `repr` of a million gateways: asyncio makes one of what a run returned, when it takes its signal
    handler back.
    """

    plan: Plan
    live: Live
    state: State


def check(
    flags: Flags, paths: Sequence[str], environ: Mapping[str, str], *, cwd: Path, offline: bool
) -> Checked:
    """Load, validate and resolve; every finding of all three at once.

    `offline`: no server is needed, and no secret is read.
    """
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
    root = loaded.root
    read = read_resources(project or loaded, part=bool(paths))
    valid = validate(read.documents, unread=read.unread)
    resolved = resolve(valid.documents, root=root, environ=None if offline or not project else environ)
    findings = (*loaded.findings, *read.findings, *valid.findings, *resolved.findings)
    if project:
        findings += tuple(_of_the_state(project, offline=offline))
    return Checked(
        project,
        resolved.desired,
        len(read.documents),
        tuple(sorted(findings, key=Finding.sort_key)),
        loaded.apart,
    )


def _of_the_state(project: Project, *, offline: bool) -> Iterator[Finding]:
    """What keeps the state's URL from being opened; a library may be missing where it isn't needed."""
    from reconciler.state.stores import open_store

    try:
        open_store(project.state_url, root=project.root)
    except ReconcilerError as error:
        if not (offline and isinstance(error.__cause__, ImportError)):
            yield Finding("bad-url", error.message, hint=error.hint)


def check_everywhere(flags: Flags, paths: Sequence[str], environ: Mapping[str, str], *, cwd: Path) -> Checked:
    """`check` without a server; where no environment is chosen, in each that is apart, too.

    What is found in an environment only, says so.
    """
    checked = check(flags, paths, environ, cwd=cwd, offline=True)
    if flags.environment is not None or environ.get("RECONCILER_ENVIRONMENT"):
        return checked
    found, known = list(checked.findings), frozenset(checked.findings)
    for name in checked.apart:
        inside = check(replace(flags, environment=name), paths, environ, cwd=cwd, offline=True).findings
        new = (finding for finding in inside if finding not in known)
        found += (replace(each, message=f"in the environment {name}: {each.message}") for each in new)
    return replace(checked, findings=tuple(sorted(found, key=Finding.sort_key)))


def read_resources(source: Project | LoadedProject, *, part: bool = False) -> Loaded:
    """The resources of a run, with its environment laid over them. `part`: not all of the project's."""
    from reconciler.loading import load

    read = load(source.resources, base=source.root, excluded=source.excluded)
    if not source.overlays:
        return read
    from reconciler.overlays import overlaid, read_layers

    return overlaid(read, read_layers(source.overlays, base=source.root), part=part)


def prepare(
    flags: Flags,
    paths: Sequence[str],
    environ: Mapping[str, str],
    *,
    cwd: Path,
    saved: StateStore | None = None,
) -> Job:
    """Input to plan with; InvalidInput, with everything that was found, when there is an error in it.

    `saved`: a state in the place of the project's, to plan without server, credentials and secrets.
    """
    from reconciler.state.stores import open_store

    checked = check(flags, paths, environ, cwd=cwd, offline=saved is not None)
    if checked.project is None or any(finding.is_error for finding in checked.findings):
        raise InvalidInput(checked.findings)
    project, desired = checked.project, checked.desired
    # Paths given beside a project file are a part of the project: what they lack may well be declared.
    partial = project.file is not None and bool(paths)
    if partial:
        desired = replace(desired, complete=False)
    store = saved or open_store(project.state_url, root=project.root)
    return Job(project, desired, store, checked.findings, checked.documents)


def settle(flags: Flags, environ: Mapping[str, str], *, cwd: Path, access: bool = True) -> Project:
    """The settings of a run that needs a server and no resources; InvalidInput when they are wrong.

    Not `access`: the server is named, and not called, so no secret has to be there.
    """
    from reconciler.project import load_project

    loaded = load_project(
        cwd=cwd,
        environ=environ,
        file=flags.project,
        environment=flags.environment,
        url=flags.url,
        state=flags.state,
        need_access=access,
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
        engine = open_engine(
            server.url, app=app, ca_file=server.ca_file, timeout=server.timeout, engine=server.engine
        )
        watched = Watched(await stack.enter_async_context(engine))
        async with connect(server, transport=watched, backoff=backoff) as provider:
            yield provider, PulseConsole(provider.client, watched)


async def make(job: Job, state: State, provider: Provider, options: Options) -> Planned:
    """Observe and plan; nothing is written anywhere. `state` must belong to the provider's server."""
    from reconciler.diff import Ask, diff
    from reconciler.observe import observe, observe_members
    from reconciler.plan import make_plan
    from reconciler.plan.guards import Basis, guarded, interrupted
    from reconciler.plan.impact import with_reads, with_removed
    from reconciler.targets import narrowed

    bound = bound_to(state, provider.server, url=job.store.url)
    job = replace(job, desired=narrowed(job.desired, bound, options.targets))
    live = await observe(job.desired, bound, provider, options)
    ask = Ask(options, now=int(time.time() * 1000), past=provider.past)
    plan = make_plan(diff(job.desired, live, bound, ask), provider)
    findings = [*job.warnings, *plan.findings]
    if options.prune and not job.desired.complete:
        findings.append(_NOT_PRUNED)
    plan = replace(plan, findings=tuple(findings), partial=_partial(job.desired))
    live = await observe_members(live, interrupted(plan), provider)
    found = with_reads(with_removed(plan.impact, live), provider.requests, provider.operations)
    plan = replace(plan, impact=found)
    emptied = options.prune and job.desired.complete and not job.documents and not job.desired.focus
    given_up = len(bound.campaigns) + len(bound.packages) if emptied else 0
    basis = Basis(job.desired, live, provider.in_flight, given_up)
    return Planned(guarded(plan, basis, job.project.guards, job.waivers), live, bound)


def _partial(desired: Desired) -> Partial | None:
    focus = desired.focus
    if focus is None:
        return None
    campaigns = len(desired.campaigns) + len(focus.removed)
    return Partial(focus.asked, campaigns, campaigns + len(focus.excluded))


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
