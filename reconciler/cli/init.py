"""`init`: a small project to begin with. Nothing that is there is ever overwritten."""

from __future__ import annotations

import os
from pathlib import Path

import click

from reconciler.app.newproject import CI, make_project
from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import write_lines
from reconciler.errors import Exit


@click.command("init")
@click.argument("directory", metavar="[DIR]", default=".", shell_complete=completing("folders"))
@click.option(
    "--ci",
    type=click.Choice([*CI, "none"]),
    default="none",
    show_default=True,
    help="Also make the workflow file of a service that runs CI.",
)
@global_flags
@click.pass_obj
def command(flags: Flags, directory: str, ci: str) -> Exit:
    """Make a small project to begin with.

    In DIR: a project file, example resources, JSON Schemas for the editor and a .gitignore. Where there is
    a project already, only the workflow file, which goes to the root of the repository: it is run nowhere
    else. Nothing is overwritten.
    """
    del flags
    write_lines(make_project(Path(directory), ci, os.environ))
    return Exit.DONE
