"""`import`: ties a declared resource to what is on the server already. Writes the state, and nothing else."""

from __future__ import annotations

import sys

import click

from reconciler.cli.answer import lock_timeout
from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import paint_for, write_lines
from reconciler.cli.running import Terminal, run, workspace
from reconciler.errors import Exit


@click.command("import")
@click.argument("resource", metavar="KIND/NAME", shell_complete=completing("resources"))
@click.argument("server_id", metavar="ID")
@lock_timeout
@global_flags
@click.pass_obj
def command(flags: Flags, resource: str, server_id: str, lock_timeout: float) -> Exit:
    """Link a resource to an object that is already on the server.

    Campaign/NAME becomes the live campaign with that id, whatever its name there; what can't be read back
    is assumed to be as declared. PackageSet/NAME: the live package with that id is assumed to hold the
    content of the set's file. Only the state is written.
    """
    from reconciler.app.importing import Importing, importable
    from reconciler.app.pipeline import prepare

    named = importable(resource)
    job = prepare(workspace(flags))
    importing = Importing(job, named, server_id, Terminal(), lock_timeout, paint_for(sys.stdout, flags))
    write_lines(run(flags, importing.run()))
    return Exit.DONE
