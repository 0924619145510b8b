"""`trust`: what project files may do that only a person may allow. No server is called."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from reconciler.cli.answer import auto_approve, family, output
from reconciler.cli.flags import Flags, global_flags
from reconciler.cli.running import workspace
from reconciler.errors import Exit, UsageError

if TYPE_CHECKING:
    from reconciler.app.workspace import Workspace
    from reconciler.report.command_answers import Answer

command = family("trust", "Manage which hosts get secrets, and what may be run and read.")


@command.command("list")
@output
@global_flags
@click.pass_obj
def list_(flags: Flags, output: str) -> Exit:
    """List what you allowed on this machine."""
    from reconciler.app.trusted import list_trust

    return _answered(flags, output, list_trust)


@command.command()
@click.argument("pair", nargs=-1, metavar="[SECRET HOST]")
@auto_approve
@output
@global_flags
@click.pass_obj
def add(flags: Flags, *, pair: tuple[str, ...], auto_approve: bool, output: str) -> Exit:
    """Allow what the project file asks for, or one secret for one host.

    SECRET is a variable's NAME, file:PATH, command:TEXT, postgresql or s3. HOST is HOST, HOST:PORT or a URL.
    What you allow is kept in your own configuration folder, not in the project.
    """
    from reconciler.app.trusted import add_trust

    if len(pair) not in (0, 2):
        raise UsageError(
            "trust add takes SECRET and HOST, or neither", hint="See reconciler trust add --help"
        )
    return _answered(flags, output, lambda where: add_trust(where, pair, approved=auto_approve))


@command.command()
@click.argument("words", nargs=-1, required=True, metavar="ID|HOST|SECRET|PATH...")
@output
@global_flags
@click.pass_obj
def remove(flags: Flags, *, words: tuple[str, ...], output: str) -> Exit:
    """Forget what you allowed: by the id that `trust list` shows, by host, secret or path."""
    from reconciler.app.trusted import remove_trust

    return _answered(flags, output, lambda where: remove_trust(where, words))


def _answered(flags: Flags, form: str, main: Callable[[Workspace], Answer]) -> Exit:
    """Write what `main` answers: there is no server to name."""
    from reconciler.cli.output import failing, paint_for, write, write_lines
    from reconciler.report.plan_document import FORMAT_VERSION

    with failing(form):
        answer = main(workspace(flags))
    if form == "json":
        document = {"formatVersion": FORMAT_VERSION, **answer.data}
        write([json.dumps(document, ensure_ascii=False, indent=2), "\n"])
    else:
        write_lines(answer.lines(paint_for(sys.stdout, flags)))
    return Exit.DONE
