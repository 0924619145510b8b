"""Where commands about the state are done: the project and what is kept of it; no server is called."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.answer import command_name, present
from reconciler.cli.ask import confirmed
from reconciler.cli.flags import Flags
from reconciler.cli.output import failing
from reconciler.errors import Exit
from reconciler.model import Json, Server
from reconciler.settings import Project
from reconciler.state.base import Session, State, StateStore, bound_to

if TYPE_CHECKING:
    from reconciler.report.command_answers import Answer


@dataclass(frozen=True)
class StateSession:
    """One command's project and state. ``approved``: nobody has to be asked."""

    project: Project
    store: StateStore
    command: str
    approved: bool = False
    lock_timeout: float = 0.0

    @property
    def server(self) -> Server:
        """The project's server."""
        return self.project.server.identity

    @property
    def state(self) -> State:
        """The state, which must belong to the project's server (WrongServer)."""
        return bound_to(self.store.load(), self.server, url=self.store.url)

    def sure(self, question: str) -> bool:
        """Whether a person, or ``--auto-approve``, says yes."""
        return self.approved or confirmed(
            f"{question} Type 'yes': ",
            refusal="there is no terminal to ask on, so nothing was done",
            hint="--auto-approve does it without asking.",
        )

    @contextmanager
    def writing(self, about: Mapping[str, Json]) -> Iterator[Session]:
        """The state under its lock; what this command is `about` stands in the audit log first."""
        from reconciler.cli.audited import audited

        with audited(self.project, self.store, self.command, timeout=self.lock_timeout, about=about) as (
            session,
            _,
        ):
            yield session


def from_state(
    flags: Flags,
    form: str,
    main: Callable[[StateSession], Answer],
    *,
    approved: bool = False,
    lock_timeout: float = 0.0,
) -> Exit:
    """Run `main` at a session, and write the answer that it gives."""
    from reconciler.cli.compose import settle
    from reconciler.cli.options import run
    from reconciler.state.stores import open_store

    async def at_state() -> tuple[Server, Answer]:
        project = settle(flags, os.environ, cwd=Path.cwd(), access=False)
        store = open_store(project.state_url, root=project.root)
        session = StateSession(project, store, command_name(), approved, lock_timeout)
        return session.server, main(session)

    with failing(form):
        return present(flags, form, *run(flags, at_state()))
