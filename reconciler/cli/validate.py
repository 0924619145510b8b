"""`validate`: every finding of the files at once. Calls no server and reads no secret."""

from __future__ import annotations

import sys

import click

from reconciler.cli.flags import Flags, global_flags
from reconciler.cli.options import paths
from reconciler.cli.output import paint_for, write, write_lines
from reconciler.cli.running import workspace
from reconciler.errors import Exit


@click.command("validate")
@paths
@click.option(
    "--output",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
    help="The form of the findings.",
)
@global_flags
@click.pass_obj
def command(flags: Flags, paths: tuple[str, ...], output: str) -> Exit:
    """Check resources without calling a server.

    PATHs are YAML files and folders; without one, those of the project file. Without --environment, every
    environment that has overlays or resources of its own is checked, too.
    """
    from reconciler.app.pipeline import check_everywhere

    checked = check_everywhere(workspace(flags, paths))
    findings = checked.findings
    match output:
        case "json":
            from reconciler.report.plan_document import findings_chunks

            write(findings_chunks(findings))
        case "github":
            from reconciler.report.annotations import github_lines

            write_lines(github_lines(findings))
        case "sarif":
            from reconciler.report.annotations import sarif

            write([sarif(findings)])
        case _:
            from reconciler.report.plan_text import validation_lines

            write_lines(validation_lines(findings, checked.documents, paint_for(sys.stdout, flags)))
    return Exit.DONE if checked.sound else Exit.ERROR
