"""Which file set a field of a resource: what `explain --from` says.

Tests: `tests/cli/test_cli_explain.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.app.workspace import Workspace, for_sets, read_files
from reconciler.errors import InvalidInput, UsageError
from reconciler.model import Kind, ResourceId
from reconciler.report.terminal import Paint, plain
from reconciler.text import nearest

if TYPE_CHECKING:
    from reconciler.loading import Loaded


def origins(workspace: Workspace, text: str, paint: Paint = plain) -> Iterator[str]:
    """Which file and line set a field, or every field below it, and what that replaced.

    `text` is NAME[.FIELD] of a campaign, or KIND/NAME[.FIELD]. UsageError when there is no such resource.
    """
    from reconciler.overlays import about
    from reconciler.overlays.history import fields, located, said
    from reconciler.report.explanations import origin_lines, unset_lines
    from reconciler.sets import expanded
    from reconciler.validation.schema_fields import find

    # Any server will do.
    loaded = replace(workspace, url=None, state=None).load(server=False)
    if any(finding.is_error for finding in loaded.findings):
        raise InvalidInput(loaded.findings)
    written = read_files(loaded)
    read, layers = expanded(*written, *for_sets(loaded.root))
    resource, dotted = _resource(text, [read, *layers])
    documents = about(resource, *(written if resource.kind is Kind.CAMPAIGN_SET else (read, layers)))
    path = located(documents, dotted)
    if path and path[0] not in ("apiVersion", "kind", "metadata"):
        path = located(documents, dotted if path[0] == "spec" else f"spec.{dotted}")
    found = fields(documents, path) or (path,)
    for each in found:
        if known := said(documents, each):
            yield from origin_lines(resource, each, known, paint)
        else:
            yield from unset_lines(resource, find(".".join((resource.kind, *each))))


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
