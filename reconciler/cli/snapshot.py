"""`snapshot`: what plans need, saved to plan without credentials. Takes no lock, and writes one file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reconciler.cli import options as shared
from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import write_lines
from reconciler.cli.running import run, workspace
from reconciler.errors import Exit


@click.command("snapshot")
@shared.paths
@click.option(
    "--out", required=True, metavar="FILE", shell_complete=completing("files"), help="The file to write."
)
@click.option(
    "--overrides",
    type=click.Choice(["declared", "all", "none"]),
    default="declared",
    show_default=True,
    help="Whose packages to read, a call for each gateway: those that the resources give an override or that"
    " had one, all open ones, or none.",
)
@global_flags
@click.pass_obj
def command(flags: Flags, paths: tuple[str, ...], out: str, overrides: str) -> Exit:
    """Save what a plan needs, so that planning needs no credentials.

    `plan --snapshot FILE` then needs no network, credentials or secrets, as in a pull request from a fork.
    The file holds no settings of the server, no secrets and no digests of them.
    """
    from reconciler.app.surveying import snapshot_of
    from reconciler.report.surveys import taken_lines
    from reconciler.snapshot import Overrides

    taking = snapshot_of(workspace(flags, paths), Overrides(overrides), Path(out))
    project = taking.project
    taken = run(flags, taking.run(sys.stderr), engine=project.server.engine)
    write_lines(taken_lines(taken, project.server.identity, taking.path))
    return Exit.DONE
