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
    """Check the set-up: project, server, sign-in, permissions, state.

    Also checks the address, TLS and the clock. Exits with 1 when something is wrong. Changes nothing: it
    only tries permissions to read.
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
