"""Where a run is: the one way to its project, to the files of that, to its server and to its state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.app.caller import Caller, Unattended
from reconciler.errors import InvalidInput, ReconcilerError
from reconciler.model import Finding, Kind, ResourceId
from reconciler.settings import Engine, Project
from reconciler.state.base import State, StateStore, bound_to
from reconciler.trust.folders import refuse_links
from reconciler.trust.needs import TrustNeed, refusal

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.routing import BaseRoute

    from reconciler.loading import Loaded
    from reconciler.loading.referenced_files import Files
    from reconciler.pacing import Backoff
    from reconciler.project import LoadedProject
    from reconciler.project.loader import AnyPath
    from reconciler.providers.base import Provider
    from reconciler.sets import Takes

EMBEDDED_DATABASE: Final = Path(".reconciler/embedded.db")
PARALLELISM: Final = 16
"""Requests that are under way at the same time, where nobody says how many."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder, environment variables, and what was said over both; None: it was not said.

    Nothing is read before it is asked for, and then each time anew.
    """

    folder: Path
    environ: Mapping[str, str]
    project: AnyPath | None = None
    """The project file."""
    environment: str | None = None
    url: str | None = None
    state: str | None = None
    paths: tuple[AnyPath, ...] = ()
    """Files and folders in the place of the resources of the project."""
    caller: Caller = field(default_factory=Unattended)
    """Who may be asked for trust."""

    @property
    def environment_given(self) -> bool:
        """Whether somebody chose the environment."""
        return self.environment is not None or bool(self.environ.get("RECONCILER_ENVIRONMENT"))

    def inside(self, environment: str | None) -> Workspace:
        """The same in that environment."""
        return replace(self, environment=environment)

    def load(self, *, server: bool = True, access: bool = True) -> LoadedProject:
        """The settings, and all that is wrong with them.

        Not `server`: none is needed. Not `access`: it is named, and not called, so no secret has to be there.
        """
        from reconciler.project import load_project

        return load_project(
            cwd=self.folder,
            environ=self.environ,
            file=self.project,
            environment=self.environment,
            url=self.url,
            state=self.state,
            paths=self.paths,
            need_server=server,
            need_access=access,
        )

    def settle(self, *, access: bool = True) -> Project:
        """The settings of a run that needs a server and no resources; InvalidInput when they are wrong."""
        loaded = replace(self, paths=()).load(access=access)
        if loaded.project is None or any(finding.is_error for finding in loaded.findings):
            raise InvalidInput(loaded.findings)
        return self.trusted(loaded.project, findings=loaded.findings, server=access)

    def trusted(
        self,
        project: Project,
        more: Iterable[TrustNeed] = (),
        *,
        findings: Sequence[Finding] = (),
        server: bool = True,
    ) -> Project:
        """`project`, once all that it needs and `more` is trusted: else InvalidInput, with `findings`, too.

        Not `server`: only the state is connected.
        """
        from reconciler.app.trusting import TrustGate

        return TrustGate(self.environ, self.caller).admit(project, more, findings=findings, server=server)


def read_resources(source: Project | LoadedProject, *, part: bool = False) -> Loaded:
    """The resources of a run: sets expanded, and its environment laid over them.

    `part`: not all of the project's.
    """
    read, layers = read_files(source)
    if not layers and not any(each.value.get("kind") == Kind.CAMPAIGN_SET for each in read.documents):
        return read
    from reconciler.sets import laid

    return laid(read, layers, *for_sets(source.root), part=part)


def read_files(source: Project | LoadedProject) -> tuple[Loaded, Sequence[Loaded]]:
    """The resources as they stand in the files, and the layers of the environment."""
    from reconciler.loading import load

    alone = source.file is None
    read = load(source.resources, base=source.root, excluded=source.excluded, ours_only=alone)
    if not source.overlays:
        return read, ()
    from reconciler.overlays import read_layers

    return read, read_layers(source.overlays, base=source.root)


def for_sets(root: Path) -> tuple[Files, Takes]:
    """What sets are expanded with: the files of the project, and what the fields of resources take."""
    from reconciler.loading.referenced_files import Files
    from reconciler.validation.schema_fields import types_at

    return Files(root), types_at


def declared_name(project: Project, resource: ResourceId) -> str | None:
    """The name on the server that `resource` declares; None when it isn't declared, or can't be read.

    An order by hand must not fail for a mistake somewhere else in the files, so findings don't count here.
    """
    for document in read_resources(project).documents:
        metadata, spec = document.value.get("metadata"), document.value.get("spec")
        named = metadata.get("name") if isinstance(metadata, Mapping) else None
        if document.value.get("kind") == resource.kind and named == resource.name:
            declared = spec.get("name", named) if isinstance(spec, Mapping) else named
            return str(declared)
    return None


def store_of(project: Project) -> StateStore:
    """Where the project's state is kept; InvalidInput unless it is trusted (`Workspace.trusted`)."""
    from reconciler.state.stores import open_store

    _refuse(need for need in project.needs if need.of_state)
    return open_store(project.state_url, root=project.root)


def _refuse(needs: Iterable[TrustNeed]) -> None:
    """Nothing is connected that somebody still has to allow."""
    if found := tuple(map(refusal, needs)):
        raise InvalidInput(found)


def state_of(project: Project, store: StateStore) -> State:
    """The state in `store`, which must belong to the project's server (WrongServer)."""
    return bound_to(store.load(), project.server.identity, url=store.url)


def event_loop(engine: Engine | None = None) -> asyncio.Runner:
    """What runs a run. The engine aiohttp does so on uvloop where that is installed, in half the time."""
    loops: Callable[[], asyncio.AbstractEventLoop] | None = None
    if engine is Engine.AIOHTTP:
        with suppress(ImportError):
            from uvloop import new_event_loop as loops
    return asyncio.Runner(loop_factory=loops)


@asynccontextmanager
async def connected(
    project: Project, *, parallelism: int = PARALLELISM, backoff: Backoff | None = None, reading: int = 0
) -> AsyncIterator[Provider]:
    """The project's server, for as long as the block runs; at most `parallelism` requests at a time.

    `reading`: about how many requests reading takes; much of it is shared with the workers of the project.
    InvalidInput unless it is trusted (`Workspace.trusted`).
    """
    from reconciler.providers.opening import opened

    _refuse(project.needs)
    async with AsyncExitStack() as stack:
        settings, app = project.server, _app(project, stack)
        if app is not None:
            from reconciler.embedded import runs_again

            settings = replace(settings, finished_run_again=runs_again(app))
        server = opened(settings, app=app, parallelism=parallelism, backoff=backoff)
        provider = await stack.enter_async_context(server)
        if settings.workers is not None and reading:
            from reconciler.app.crew import crewed

            provider = await stack.enter_async_context(crewed(project, provider, parallelism, reading))
        yield provider


def _app(project: Project, stack: AsyncExitStack) -> Starlette | None:
    """The server in this process, closed with `stack`; None where the project names another one."""
    if not project.server.embedded:
        return None
    database = project.root / EMBEDDED_DATABASE
    refuse_links(database, project.root, what="the database of the embedded server")
    app = _embedded(database)
    stack.callback(app.state.context.store.close)
    return app


def _embedded(database: Path) -> Starlette:
    """The server in this process, on its own database."""
    with as_ours():
        from reconciler.embedded import create_app

        return create_app(database)


def serve_embedded(
    database: Path,
    *,
    host: str,
    port: int,
    token: str | None,
    approval_needed: bool | None,
    simulate: float | None,
    allowed_hosts: Sequence[str],
    ready: Callable[[str, str | None], None],
) -> None:
    """Serve the embedded server over TCP until a signal ends it.

    `ready` is told its URL, and why it has no pages for people, if so.
    """
    refuse_links(database, Path.cwd(), what="the database of the embedded server")
    with as_ours():
        from reconciler.embedded import serve

        trouble: str | None = None

        def pages(app: Starlette) -> Sequence[BaseRoute]:
            nonlocal trouble
            from reconciler.app.served import served_pages

            try:
                return served_pages(app, token)
            except ReconcilerError as error:
                trouble = f"{error.message}. {error.hint}"
                return ()

        serve(
            database,
            host=host,
            port=port,
            token=token,
            approval_needed=approval_needed,
            simulate=simulate,
            allowed_hosts=allowed_hosts,
            pages=pages,
            ready=lambda url: ready(url, trouble),
        )


@contextmanager
def as_ours() -> Iterator[None]:
    """An error of the embedded server as one of ours."""
    from reconciler.embedded import EmbeddedError

    try:
        yield
    except EmbeddedError as error:
        raise ReconcilerError(str(error)) from error
