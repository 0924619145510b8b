"""What is kept of a project, looked at and fixed by hand: no server is called.

One function a command, each answers with what to say of it.

Tests: `tests/cli/test_cli_state.py`.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from reconciler.app.auditlog import audited
from reconciler.app.caller import Caller, Question
from reconciler.app.workspace import state_of
from reconciler.audit.origin import actor
from reconciler.audit.recorder import AuditRecorder
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model import Json, Kind, ResourceId, Server
from reconciler.report import state_answers as shown
from reconciler.report.command_answers import Answer, declined, done, idle
from reconciler.settings import Project
from reconciler.state.base import Session, State, StateStore
from reconciler.state.entries import StateEntry, entries
from reconciler.state.locks import described, new_lock
from reconciler.text import first, nearest, plural


@dataclass(frozen=True)
class StateSession:
    """One command's project and state. ``approved``: nobody has to be asked."""

    project: Project
    store: StateStore
    command: str
    caller: Caller
    approved: bool = False
    lock_timeout: float = 0.0

    @property
    def server(self) -> Server:
        """The project's server."""
        return self.project.server.identity

    @property
    def state(self) -> State:
        """The state, which must belong to the project's server (WrongServer)."""
        return state_of(self.project, self.store)

    @property
    def who(self) -> str:
        """Who gives the command."""
        return actor(os.environ) or new_lock(self.command).holder

    @property
    def now(self) -> int:
        """Epoch milliseconds."""
        return int(time.time() * 1000)

    def sure(self, question: str) -> bool:
        """Whether a person, or ``--auto-approve``, says yes."""
        asked = Question(
            f"{question} Type 'yes': ",
            refusal="there is no terminal to ask on, so nothing was done",
            hint="--auto-approve does it without asking.",
        )
        return self.approved or self.caller.ask(asked)

    @contextmanager
    def writing(self, about: Mapping[str, Json]) -> Iterator[Session]:
        """The state under its lock; what this command is `about` stands in the audit log first."""
        with self.recording(about) as (session, _):
            yield session

    @contextmanager
    def recording(self, about: Mapping[str, Json]) -> Iterator[tuple[Session, AuditRecorder]]:
        """The same, with what writes more lines of the log."""
        timeout = self.lock_timeout
        run = audited(self.project, self.store, self.command, self.caller, timeout=timeout, about=about)
        with run as both:
            yield both


def show_list(session: StateSession) -> Answer:
    """What is owned, and what was last applied of it."""
    return shown.state_list(session.state, session.store.url)


def show_entry(session: StateSession, resource: str) -> Answer:
    """All that is kept of one resource."""
    state = session.state
    return shown.state_entry(_entry(state, resource, session.store.url), state, session.store.url)


def move(session: StateSession, old: str, new: str) -> Answer:
    """Give what is kept of a resource to another one of its kind."""
    url = session.store.url
    source, target = _entry(session.state, old, url), _new_name(old, new)
    _must_be_free(session.state, target, url)
    about = {"resource": str(source.resource), "to": str(target)}
    if not session.sure(f"Give what the state {url} keeps of {source.resource} to {target}?"):
        return declined("state-mv", about)
    with session.writing({"about": {**about, "ids": source.ids}}) as writing:
        _must_be_free(writing.state, target, url)
        writing.record(*_entry(writing.state, old, url).moved(target))
    sentence = f"{target} has what {source.resource} had ({_of(source)}); the server was not called"
    return done("state-mv", about, None, sentence)


def forget(session: StateSession, resource: str) -> Answer:
    """Forget a resource: what is on the server stays, and is no longer ours."""
    url = session.store.url
    entry = _entry(session.state, resource, url)
    about = {"resource": str(entry.resource)}
    if not session.sure(f"Forget {entry.resource} ({_of(entry)}) in the state {url}?"):
        return declined("state-rm", about)
    with session.writing({"about": {**about, "ids": entry.ids}}) as writing:
        writing.record(*_entry(writing.state, resource, url).forgotten())
    return done("state-rm", about, None, f"{entry.resource} is forgotten; {_what_that_means(entry)}")


def unlock(session: StateSession, lock_id: str | None, *, force: bool) -> Answer:
    """Who holds the lock; given its id, or with `force`, it is taken away."""
    url, holder = session.store.url, session.store.holder()
    if lock_id is None and not force:
        return shown.lock(holder, url)
    about = {"lock": holder.id if holder else lock_id or ""}
    if holder is None:
        return idle("state-unlock", about, f"nobody holds the lock of {url}")
    who = described(holder)
    # With another lock's id the store refuses in any case, so nothing is asked.
    if lock_id in (None, holder.id) and not session.sure(f"Take the lock of {url} from {who}?"):
        return declined("state-unlock", about)
    session.store.unlock(holder.id if lock_id is None else lock_id)
    with session.writing({"about": {"lock": shown.lock_item(holder)}}):
        pass  # only now the log can be written
    return done("state-unlock", about, None, f"the lock of {url} was taken from {who}")


def _entry(state: State, word: str, url: str) -> StateEntry:
    """What `state` keeps of the resource `word`; ReconcilerError, with what may be meant, when nothing."""
    held = {str(resource): entry for resource, entry in entries(state).items()}
    if word in held:
        return held[word]
    meant = nearest(word, held) or next((name for name in held if name.endswith(f"/{word}")), None)
    hint = f"Did you mean {meant}?" if meant else "`reconciler state list` shows what there is."
    try:
        ResourceId.parse(word)
    except ValueError:
        raise UsageError(f"{word!r} is not KIND/NAME", hint=hint) from None
    raise ReconcilerError(f"the state {url} keeps nothing of {word}", hint=hint)


def _new_name(old: str, new: str) -> ResourceId:
    """The resource `new`; UsageError when it can't be one, or is of another kind than `old`."""
    from reconciler.validation.schemas import schema

    kind = ResourceId.parse(old).kind
    hint = f"Write {kind}/NAME."
    try:
        target = ResourceId.parse(new)
    except ValueError:
        raise UsageError(f"{new!r} is not KIND/NAME", hint=hint) from None
    if target.kind is not kind:
        raise UsageError(f"{old} is a {kind}, and {new} is not", hint=hint)
    if not re.search(schema(kind)["$defs"]["name"]["pattern"], target.name):
        hint = "Use letters, digits, -, _ and ., beginning with a letter or digit."
        raise UsageError(f"no resource can be called {target.name!r}", hint=hint)
    return target


def _must_be_free(state: State, target: ResourceId, url: str) -> None:
    if found := entries(state).get(target):
        raise ReconcilerError(
            f"the state {url} keeps something of {target} already: {_of(found)}",
            hint=f"If that is no longer true, `reconciler state rm {target}` forgets it.",
        )


def _of(entry: StateEntry) -> str:
    """What an entry is about, in a few words."""
    if entry.owned:
        return f"campaign {entry.owned.id}"
    if entry.uploads:
        return f"{plural(len(entry.uploads), 'package')}: {first(entry.ids, 3)}"
    return "an interrupted create"


def _what_that_means(entry: StateEntry) -> str:
    if entry.resource.kind is Kind.PACKAGE_SET:
        return (
            "what was uploaded stays on the server, and no --prune deletes it. The next apply uploads it"
            " again, unless --adopt lets it take that by its mark"
        )
    if entry.owned is None:
        return "should the create have happened all the same, its campaign is not ours"
    return (
        f"campaign {entry.owned.id} stays on the server as it is, and no --prune deletes it. While it is"
        " declared, a plan says that it isn't ours: `apply --adopt` takes it again, but what was last applied"
        " of settings, callbacks, windows and things is no longer known"
    )
