"""What the files of a project call a campaign, without making anything else of them."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model import ResourceId
from reconciler.settings import Project


def declared_name(project: Project, resource: ResourceId) -> str | None:
    """The name on the server that `resource` declares; None when it isn't declared, or can't be read.

    An order by hand must not fail for a mistake somewhere else in the files, so findings don't count here.
    """
    from reconciler.app.pipeline import read_resources

    for document in read_resources(project).documents:
        metadata, spec = document.value.get("metadata"), document.value.get("spec")
        named = metadata.get("name") if isinstance(metadata, Mapping) else None
        if document.value.get("kind") == resource.kind and named == resource.name:
            declared = spec.get("name", named) if isinstance(spec, Mapping) else named
            return str(declared)
    return None
