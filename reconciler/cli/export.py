"""`export`: what the server has as resources. Changes neither server nor state."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import paint_for, write_lines
from reconciler.cli.running import run, workspace
from reconciler.errors import Exit


@click.command("export")
@click.option(
    "--out",
    default=".",
    metavar="DIR",
    show_default=True,
    shell_complete=completing("folders"),
    help="The folder to write to.",
)
@click.option("--name", "names", multiple=True, metavar="GLOB", help="Only campaigns whose name matches.")
@click.option(
    "--overrides",
    type=click.Choice(["all", "none"]),
    default="all",
    show_default=True,
    help="Read the packages of every open gateway, a call each, or of none.",
)
@click.option("--force", is_flag=True, help="Overwrite files that somebody else made or changed.")
@click.option("--dry-run", is_flag=True, help="Only list the files that it would write.")
@global_flags
@click.pass_obj
def command(
    flags: Flags, /, *, out: str, names: tuple[str, ...], overrides: str, force: bool, dry_run: bool
) -> Exit:
    """Write what is on the server as resources, ready for Git.

    `plan --adopt` then shows no step for them. Settings, callbacks, schedules and things can't be read
    back; comments show where to add them. GLOB is matched with names on the server. Repeatable.
    """
    from reconciler.app.surveying import export_server
    from reconciler.export import Wanted
    from reconciler.report.surveys import exported_lines

    project = workspace(flags).settle()
    wanted = Wanted(Path(out), names, overrides == "all", force, dry_run)
    made = run(flags, export_server(project, wanted, sys.stderr), engine=project.server.engine)
    said = exported_lines(
        made,
        project.server.identity,
        wanted.folder,
        dry_run=dry_run,
        force=force,
        paint=paint_for(sys.stdout, flags),
    )
    write_lines(said)
    return Exit.DONE
