"""`export`: what the server has as resources. Changes neither server nor state."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import options as shared
from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import paint_for, write_lines
from reconciler.errors import Exit
from reconciler.settings import Project

if TYPE_CHECKING:
    from reconciler.export import Wanted


@click.command("export")
@click.option(
    "--out",
    default=".",
    metavar="DIR",
    show_default=True,
    shell_complete=completing("folders"),
    help="The folder to write to.",
)
@click.option("--name", "names", multiple=True, metavar="GLOB", help="Only campaigns of such a name.")
@click.option(
    "--overrides",
    type=click.Choice(["all", "none"]),
    default="all",
    show_default=True,
    help="Read the packages of every open gateway, a call each, or of none.",
)
@click.option("--force", is_flag=True, help="Write over files that somebody else made or changed.")
@click.option("--dry-run", is_flag=True, help="Only say which files it would write.")
@global_flags
@click.pass_obj
def command(
    flags: Flags, /, *, out: str, names: tuple[str, ...], overrides: str, force: bool, dry_run: bool
) -> Exit:
    """Write what the server has as resources, to take it into Git.

    `plan --adopt` on what is written has no step. Settings, callbacks, schedules and things can't be read
    back: comments say where they go. GLOB is matched with names on the server, and may be given repeatedly.
    """
    from reconciler.app.pipeline import settle
    from reconciler.export import Wanted

    project = settle(flags, dict(os.environ), cwd=Path.cwd())
    wanted = Wanted(Path(out), names, overrides == "all", force, dry_run)
    write_lines(shared.run(flags, _export(flags, project, wanted), engine=project.server.engine))
    return Exit.DONE


async def _export(flags: Flags, project: Project, wanted: Wanted) -> list[str]:
    """Do it; what to say of it."""
    from reconciler.app.pipeline import connected
    from reconciler.app.surveying import counting
    from reconciler.export import export
    from reconciler.report.surveys import exported_lines
    from reconciler.state.base import bound_to
    from reconciler.state.stores import open_store

    store = open_store(project.state_url, root=project.root)
    async with connected(project) as provider, counting(provider) as told:
        state = bound_to(store.load(), provider.server, url=store.url)
        owners = {owned.id: resource for resource, owned in state.campaigns.items()}
        made = await export(provider, owners, wanted, told)
    said = exported_lines(
        made,
        provider.server,
        wanted.folder,
        dry_run=wanted.dry_run,
        force=wanted.force,
        paint=paint_for(sys.stdout, flags),
    )
    return list(said)
