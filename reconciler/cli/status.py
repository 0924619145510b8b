"""`status`: declared campaigns as the server has them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from reconciler.cli import options as shared
from reconciler.cli.compose import prepare
from reconciler.cli.exits import plan_exit
from reconciler.cli.flags import Flags, global_flags
from reconciler.cli.output import paint_for, write_lines
from reconciler.cli.plan import plan_once
from reconciler.errors import Exit
from reconciler.options import Options


@click.command("status")
@shared.paths
@global_flags
@click.pass_obj
def command(flags: Flags, paths: tuple[str, ...]) -> Exit:
    """Show declared campaigns as the server has them.

    Only what a comparison needs is read: gateways are counted where a list of them is declared.
    """
    from reconciler.report.status import status_lines, status_rows

    job = prepare(flags, paths, dict(os.environ), cwd=Path.cwd())
    planned = shared.run(flags, plan_once(job, Options()))
    rows = status_rows(job.desired, planned.live, planned.state, planned.plan)
    write_lines(status_lines(planned.plan, rows, paint_for(sys.stdout, flags)))
    return plan_exit(planned.plan)
