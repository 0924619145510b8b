"""`state`: what is kept of a project, looked at and mended by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli.answer import auto_approve, family, lock_timeout, output
from reconciler.cli.flags import Flags, global_flags
from reconciler.errors import Exit, ReconcilerError, UsageError
from reconciler.model import Kind, ResourceId

if TYPE_CHECKING:
    from reconciler.cli.statesession import StateSession
    from reconciler.report.command_answers import Answer
    from reconciler.state.base import State
    from reconciler.state.entries import StateEntry

command = family("state", "Look at what is kept of a project, and mend it by hand.")


@command.command("list")
@output
@global_flags
@click.pass_obj
def list_(flags: Flags, output: str) -> Exit:
    """List what is owned, and what was last applied of it."""
    from reconciler.cli.statesession import from_state
    from reconciler.report.state_answers import state_list

    return from_state(flags, output, lambda session: state_list(session.state, session.store.url))


@command.command()
@click.argument("resource", metavar="KIND/NAME")
@output
@global_flags
@click.pass_obj
def show(flags: Flags, resource: str, output: str) -> Exit:
    """Show all that is kept of one resource. Secrets are kept as digests, and not shown."""
    from reconciler.cli.statesession import from_state
    from reconciler.report.state_answers import state_entry

    def main(session: StateSession) -> Answer:
        state = session.state
        return state_entry(_entry(state, resource, session.store.url), state, session.store.url)

    return from_state(flags, output, main)


@command.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@auto_approve
@lock_timeout
@output
@global_flags
@click.pass_obj
def mv(flags: Flags, *, old: str, new: str, auto_approve: bool, lock_timeout: float, output: str) -> Exit:
    """Give what is kept of a resource to another one, as when it was renamed.

    OLD and NEW are KIND/NAME of one kind. The server is not called.
    """
    from reconciler.cli.statesession import from_state

    def main(session: StateSession) -> Answer:
        from reconciler.report.command_answers import declined, done

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

    return from_state(flags, output, main, approved=auto_approve, lock_timeout=lock_timeout)


@command.command()
@click.argument("resource", metavar="KIND/NAME")
@auto_approve
@lock_timeout
@output
@global_flags
@click.pass_obj
def rm(flags: Flags, *, resource: str, auto_approve: bool, lock_timeout: float, output: str) -> Exit:
    """Forget a resource. The server is not called: what is there stays, and is no longer ours."""
    from reconciler.cli.statesession import from_state

    def main(session: StateSession) -> Answer:
        from reconciler.report.command_answers import declined, done

        url = session.store.url
        entry = _entry(session.state, resource, url)
        about = {"resource": str(entry.resource)}
        if not session.sure(f"Forget {entry.resource} ({_of(entry)}) in the state {url}?"):
            return declined("state-rm", about)
        with session.writing({"about": {**about, "ids": entry.ids}}) as writing:
            writing.record(*_entry(writing.state, resource, url).forgotten())
        return done("state-rm", about, None, f"{entry.resource} is forgotten; {_what_that_means(entry)}")

    return from_state(flags, output, main, approved=auto_approve, lock_timeout=lock_timeout)


@command.command()
@click.argument("lock_id", metavar="[LOCK_ID]", required=False)
@click.option("--force", is_flag=True, help="Take it away whatever its id, and don't ask.")
@auto_approve
@lock_timeout
@output
@global_flags
@click.pass_obj
def unlock(
    flags: Flags, *, lock_id: str | None, force: bool, auto_approve: bool, lock_timeout: float, output: str
) -> Exit:
    """Say who holds the lock; given its id, take it away.

    Only for a lock whose holder is gone: two runs that write at once spoil each other's work.
    """
    from reconciler.cli.statesession import from_state

    def main(session: StateSession) -> Answer:
        from reconciler.report import state_answers as answers
        from reconciler.report.command_answers import declined, done, idle
        from reconciler.state.locks import described

        url, holder = session.store.url, session.store.holder()
        if lock_id is None and not force:
            return answers.lock(holder, url)
        about = {"lock": holder.id if holder else lock_id or ""}
        if holder is None:
            return idle("state-unlock", about, f"nobody holds the lock of {url}")
        who = described(holder)
        # One of another id the store refuses, whatever the answer would be.
        if lock_id in (None, holder.id) and not session.sure(f"Take the lock of {url} from {who}?"):
            return declined("state-unlock", about)
        session.store.unlock(holder.id if lock_id is None else lock_id)
        with session.writing({"about": {"lock": answers.lock_item(holder)}}):
            pass  # only now the log can be written
        return done("state-unlock", about, None, f"the lock of {url} was taken from {who}")

    return from_state(flags, output, main, approved=auto_approve or force, lock_timeout=lock_timeout)


def _entry(state: State, word: str, url: str) -> StateEntry:
    """What `state` keeps of the resource `word`; ReconcilerError, with what may be meant, when nothing."""
    from reconciler.state.entries import entries
    from reconciler.text import nearest

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
    import re

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
    from reconciler.state.entries import entries

    if found := entries(state).get(target):
        raise ReconcilerError(
            f"the state {url} keeps something of {target} already: {_of(found)}",
            hint=f"If that is no longer true, `reconciler state rm {target}` forgets it.",
        )


def _of(entry: StateEntry) -> str:
    """What an entry is about, in a few words."""
    from reconciler.text import first, plural

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
