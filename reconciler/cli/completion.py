"""`completion`: the script by which a shell completes our commands, as click makes it."""

from __future__ import annotations

import os
from pathlib import PurePath

import click

from reconciler.cli.flags import global_flags
from reconciler.cli.output import write
from reconciler.errors import Exit, UsageError

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_RECONCILER_COMPLETE"
"""Set by the script when it asks what a word completes to."""


_CUT_AT_COMMAS = 'string split "," $completion'
_CUT_ONCE = 'string split --max 1 "," $completion'
"""What click has fish do, and what it should: in the help of a flag a comma is a comma."""


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@global_flags
@click.pass_context
def command(context: click.Context, shell: str | None) -> Exit:
    """Print a completion script for your shell.

    The shell is bash, zsh or fish; by default the one in the variable SHELL. In bash, run:
    eval "$(reconciler completion bash)"
    """
    from click.shell_completion import get_completion_class

    chosen = shell or PurePath(os.environ.get("SHELL", "")).name
    made = get_completion_class(chosen) if chosen in SHELLS else None
    if made is None:
        raise UsageError("SHELL doesn't say which shell this is", hint=f"Name one of {', '.join(SHELLS)}.")
    script = made(context.find_root().command, {}, "reconciler", VARIABLE).source()
    write([script.replace(_CUT_AT_COMMAS, _CUT_ONCE), "\n"])
    return Exit.DONE
