"""`explain`: what a field means, from the schemas; and which file set it, from the resources."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import paint_for, write_lines
from reconciler.errors import Exit, InvalidInput, UsageError
from reconciler.model import Kind, ResourceId
from reconciler.text import nearest

if TYPE_CHECKING:
    from reconciler.loading import Loaded
    from reconciler.project import LoadedProject


@click.command("explain")
@click.argument("field", metavar="[KIND[.FIELD]...]", required=False, shell_complete=completing("fields"))
@click.option(
    "--from",
    "origin",
    metavar="NAME[.FIELD]",
    help="Say which file and line set a field of a resource, and what that replaced.",
)
@global_flags
@click.pass_obj
def command(flags: Flags, field: str | None, origin: str | None) -> Exit:
    """Explain a kind or a field, or say which file set it.

    KIND.FIELD is written as in YAML, and `spec` may be left out: Campaign.schedules. With --from, NAME is a
    campaign or another resource as KIND/NAME: --from line-3.desiredStatus, with -e in an environment.
    """
    paint = paint_for(sys.stdout, flags)
    if origin is not None:
        if field is not None:
            raise UsageError("--from stands alone", hint=f"Leave out {field}, or --from.")
        write_lines(_origins(flags, origin))
        return Exit.DONE
    from reconciler.report.explanations import field_lines, kind_lines
    from reconciler.validation.schema_fields import find

    write_lines(kind_lines(paint) if field is None else field_lines(find(field), paint))
    return Exit.DONE


def _origins(flags: Flags, text: str) -> Iterator[str]:
    """What `--from` says: of one field, or of every field below it."""
    from reconciler.loading import load
    from reconciler.overlays import about, read_layers
    from reconciler.overlays.history import fields, located, said
    from reconciler.report.explanations import origin_lines, unset_lines
    from reconciler.validation.schema_fields import find

    loaded = _project(flags)
    read = load(loaded.resources, base=loaded.root, excluded=loaded.excluded)
    layers = read_layers(loaded.overlays, base=loaded.root)
    resource, dotted = _resource(text, [read, *layers])
    documents = about(resource, read, layers)
    path = located(documents, dotted)
    if path and path[0] not in ("apiVersion", "kind", "metadata"):
        path = located(documents, dotted if path[0] == "spec" else f"spec.{dotted}")
    paint = paint_for(sys.stdout, flags)
    found = fields(documents, path) or (path,)
    for each in found:
        if known := said(documents, each):
            yield from origin_lines(resource, each, known, paint)
        else:
            yield from unset_lines(resource, find(".".join((resource.kind, *each))))


def _project(flags: Flags) -> LoadedProject:
    from reconciler.project import load_project

    loaded = load_project(
        cwd=Path.cwd(),
        environ=os.environ,
        file=flags.project,
        environment=flags.environment,
        need_server=False,
    )
    if any(finding.is_error for finding in loaded.findings):
        raise InvalidInput(loaded.findings)
    return loaded


def _resource(text: str, every: Sequence[Loaded]) -> tuple[ResourceId, str]:
    """The resource that `text` begins with, and the field that follows; names may have dots, too."""
    from reconciler.loading.nodes import resource_of

    first, _, after = text.partition("/")
    named = next((kind for kind in Kind if kind.lower() == first.lower()), None)
    kind, rest = (named, after) if named else (Kind.CAMPAIGN, text)
    known = {found for each in every for document in each.documents if (found := resource_of(document))}
    names = {each.name for each in known if each.kind is kind}
    meant = [name for name in names if rest == name or rest.startswith(f"{name}.")]
    if meant:
        name = max(meant, key=len)
        return ResourceId(kind, name), rest[len(name) + 1 :]
    unread = [finding for each in every for finding in each.unread]
    if unread:
        raise InvalidInput(unread)
    word = rest.partition(".")[0]
    near = nearest(word, names)
    there_are = f"There are: {', '.join(sorted(names))}." if names else f"No {kind} is declared."
    hint = f"Did you mean {near}?" if near else there_are
    raise UsageError(f"there is no {kind} of the name {word!r}", hint=hint)
