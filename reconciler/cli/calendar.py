"""`calendar`: when gateways may be released."""

from __future__ import annotations

import json
import sys
import time

import click

from reconciler.cli.answer import family, output
from reconciler.cli.flags import Flags, global_flags
from reconciler.cli.output import failing, paint_for, write, write_lines
from reconciler.cli.running import workspace
from reconciler.errors import Exit

command = family("calendar", "Show when calendars are open.")


@command.command()
@click.argument("name", metavar="CALENDAR")
@click.option(
    "--days",
    type=click.IntRange(1, 366),
    default=14,
    show_default=True,
    help="How many days to look ahead.",
)
@click.option("--timezone", "zone", metavar="ZONE", help="The zone to read times in.")
@output
@global_flags
@click.pass_obj
def show(flags: Flags, *, name: str, days: int, zone: str | None, output: str) -> Exit:
    """Show the next windows and the freezes of a calendar."""
    from reconciler.app import calendars
    from reconciler.report.plan_document import FORMAT_VERSION

    with failing(output):
        found = calendars.show(workspace(flags), name, days=days, zone=zone, now=int(time.time() * 1000))
        if output == "json":
            write([json.dumps({"formatVersion": FORMAT_VERSION, **found.data}, indent=2) + "\n"])
        else:
            write_lines(found.lines(paint_for(sys.stdout, flags)))
        return Exit.DONE
