"""`doctor`: is everything there that the other commands need?"""

from __future__ import annotations

import sys

import click

from reconciler.cli.answer import output as form
from reconciler.cli.flags import Flags, global_flags
from reconciler.cli.running import run, workspace
from reconciler.errors import Exit


@click.command("doctor")
@form
@global_flags
@click.pass_obj
def command(flags: Flags, output: str) -> Exit:
    """Check that everything is there that the other commands need.

    Looks at the project file, address, TLS, sign-in, clock, permissions and state. Exit 1 when one of
    them is wrong. Nothing is changed: of permissions only the reads are tried.
    """
    from reconciler.app.checks import diagnose
    from reconciler.cli.output import paint_for, write, write_lines
    from reconciler.report.doctor_report import doctor_document, doctor_lines

    found = run(flags, diagnose(workspace(flags)))
    if output == "json":
        write([doctor_document(found)])
    else:
        write_lines(doctor_lines(found, paint_for(sys.stdout, flags)))
    return Exit.DONE if found.healthy else Exit.ERROR
