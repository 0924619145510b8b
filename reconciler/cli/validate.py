"""`validate`: every finding of the files at once. Calls no server and reads no secret."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from reconciler.cli.flags import Flags, global_flags
from reconciler.cli.options import paths
from reconciler.cli.output import paint_for, write, write_lines
from reconciler.cli.running import workspace
from reconciler.errors import Exit

if TYPE_CHECKING:
    from reconciler.app.pipeline import Checked
    from reconciler.app.workspace import Workspace


@click.command("validate")
@paths
@click.option(
    "--output",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@global_flags
@click.pass_obj
def command(flags: Flags, paths: tuple[str, ...], output: str) -> Exit:
    """Check resources without calling a server.

    PATHs are YAML files and folders; without one, those of the project file. Without --environment, every
    environment that has overlays or resources of its own is checked, too.
    """
    from reconciler.app.pipeline import check_everywhere

    place = workspace(flags, paths)
    checked = check_everywhere(place)
    findings = checked.findings
    match output:
        case "json":
            from reconciler.report.plan_document import findings_chunks

            write(findings_chunks(findings))
        case "github":
            from reconciler.report.annotations import github_lines
            from reconciler.report.workflow_commands import orders

            write_lines(github_lines(findings, _named_from_root(checked, place)), orders(sys.stdout))
        case "sarif":
            from reconciler.report.annotations import sarif

            write([sarif(findings, _named_from_root(checked, place))])
        case _:
            from reconciler.report.plan_text import validation_lines

            write_lines(validation_lines(findings, checked.documents, paint_for(sys.stdout, flags)))
    return Exit.DONE if checked.sound else Exit.ERROR


def _named_from_root(checked: Checked, place: Workspace) -> Callable[[str], str]:
    """Code hosts know a file by its name from the root of the repository."""
    from functools import partial

    from reconciler.app.repository import from_root, repository_root

    return partial(from_root, folder=checked.root, root=repository_root(checked.root, place.environ))
