"""`state`: what is kept of a project, looked at and fixed by hand."""

from __future__ import annotations

import click

from reconciler.cli.answer import auto_approve, family, from_state, lock_timeout, output
from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.errors import Exit

command = family("state", "Inspect the recorded state, and repair it by hand.")


@command.command("list")
@output
@global_flags
@click.pass_obj
def list_(flags: Flags, output: str) -> Exit:
    """List what this project owns, and when it was last applied."""
    from reconciler.app import statesession

    return from_state(flags, output, statesession.show_list)


@command.command()
@click.argument("resource", metavar="KIND/NAME", shell_complete=completing("resources"))
@output
@global_flags
@click.pass_obj
def show(flags: Flags, resource: str, output: str) -> Exit:
    """Show what is recorded of a resource. Secrets are recorded as digests, and not shown."""
    from reconciler.app import statesession

    return from_state(flags, output, lambda session: statesession.show_entry(session, resource))


@command.command()
@click.argument("old", metavar="OLD", shell_complete=completing("resources"))
@click.argument("new", metavar="NEW", shell_complete=completing("resources"))
@auto_approve
@lock_timeout
@output
@global_flags
@click.pass_obj
def mv(flags: Flags, *, old: str, new: str, auto_approve: bool, lock_timeout: float, output: str) -> Exit:
    """Move the record of a resource to another name, after a rename.

    OLD and NEW are KIND/NAME of one kind. The server is not called.
    """
    from reconciler.app import statesession

    return from_state(
        flags,
        output,
        lambda session: statesession.move(session, old, new),
        approved=auto_approve,
        lock_timeout=lock_timeout,
    )


@command.command()
@click.argument("resource", metavar="KIND/NAME", shell_complete=completing("resources"))
@auto_approve
@lock_timeout
@output
@global_flags
@click.pass_obj
def rm(flags: Flags, *, resource: str, auto_approve: bool, lock_timeout: float, output: str) -> Exit:
    """Forget a resource. The server is not called: what is there stays, and is no longer ours."""
    from reconciler.app import statesession

    return from_state(
        flags,
        output,
        lambda session: statesession.forget(session, resource),
        approved=auto_approve,
        lock_timeout=lock_timeout,
    )


@command.command()
@click.argument("lock_id", metavar="[LOCK_ID]", required=False)
@click.option("--force", is_flag=True, help="Remove it whatever its id, without a question.")
@auto_approve
@lock_timeout
@output
@global_flags
@click.pass_obj
def unlock(
    flags: Flags, *, lock_id: str | None, force: bool, auto_approve: bool, lock_timeout: float, output: str
) -> Exit:
    """Show who holds the lock; with its id, remove it.

    Remove it only when its holder is gone: two runs that write at once damage each other's work.
    """
    from reconciler.app import statesession

    return from_state(
        flags,
        output,
        lambda session: statesession.unlock(session, lock_id, force=force),
        approved=auto_approve or force,
        lock_timeout=lock_timeout,
    )
