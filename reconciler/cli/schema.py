"""`schema`: the published JSON Schemas."""

from __future__ import annotations

import json

import click

from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import write
from reconciler.errors import Exit, UsageError


@click.command("schema")
@click.argument("kind", required=False, shell_complete=completing("schemas"))
@global_flags
@click.pass_obj
def command(flags: Flags, kind: str | None) -> Exit:
    """Print the JSON Schema of a kind.

    Without KIND, one schema for resources of all kinds. Also for Project, overlay, and the documents that
    reconciler writes: plan, status, state and others.
    """
    from reconciler.validation.schemas import schema, schema_names, union

    del flags
    names = schema_names()
    if kind is None:
        found = union()
    elif name := next((name for name in names if name.lower() == kind.lower()), None):
        found = schema(name)
    else:
        raise UsageError(f"there is no schema of {kind!r}", hint=f"There are: {', '.join(names)}.")
    write([json.dumps(found, indent=2, ensure_ascii=False), "\n"])
    return Exit.DONE
