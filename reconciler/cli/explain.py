"""`explain`: what a field means, from the schemas; and which file set it, from the resources."""

from __future__ import annotations

import sys

import click

from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import paint_for, write_lines
from reconciler.cli.running import workspace
from reconciler.errors import Exit, UsageError


@click.command("explain")
@click.argument("field", metavar="[KIND[.FIELD]...]", required=False, shell_complete=completing("fields"))
@click.option(
    "--from",
    "origin",
    metavar="NAME[.FIELD]",
    help="Show which file and line set a field of a resource, and what it replaced.",
)
@global_flags
@click.pass_obj
def command(flags: Flags, field: str | None, origin: str | None) -> Exit:
    """Explain a kind or a field, or find the file that set a value.

    Write KIND.FIELD as in YAML, without `spec` if you like: Campaign.schedules. With --from, NAME is a
    campaign, or another resource as KIND/NAME: --from line-3.desiredStatus. Add -e for an environment.
    """
    paint = paint_for(sys.stdout, flags)
    if origin is not None:
        if field is not None:
            raise UsageError("--from stands alone", hint=f"Leave out {field}, or --from.")
        from reconciler.app.explaining import origins

        write_lines(origins(workspace(flags), origin, paint))
        return Exit.DONE
    from reconciler.report.explanations import field_lines, kind_lines
    from reconciler.validation.schema_fields import find

    write_lines(kind_lines(paint) if field is None else field_lines(find(field), paint))
    return Exit.DONE
