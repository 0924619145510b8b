"""What a server lacks, or takes no more of, among what a campaign declares."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from reconciler.providers.base import Field
from reconciler.resolve.source import ResourceSource

_FIELDS: Final[Mapping[str, Field]] = MappingProxyType(
    {
        "name": Field.NAME,
        "description": Field.DESCRIPTION,
        "packageSet": Field.PACKAGES,
        "settings": Field.SETTINGS,
        "gatewayLists": Field.GATEWAYS,
        "distributionList": Field.DISTRIBUTION,
        "packageOverrides": Field.OVERRIDES,
        "schedules": Field.SCHEDULES,
        "callbackSet": Field.CALLBACKS,
        "closedGateways": Field.CLOSED,
        "runOnThings": Field.THINGS,
        "desiredStatus": Field.STATUS,
    }
)
"""What YAML calls a field, and which field of a server it manages."""


def check_supported(source: ResourceSource) -> None:
    """An error at each field of a campaign that the server lacks, and at texts that it can't keep."""
    facts, limits = source.facts, source.facts.limits
    for key, value in source.spec.items():
        field = _FIELDS.get(key)
        # `runOnThings: false` asks for nothing.
        if field is not None and value is not False and not facts.supports(field):
            message = f"{key} is declared, but a server of the kind {facts.provider!r} has no such thing"
            source.error("unsupported-field", message, source.place(key), "leave it out")
    name = str(source.spec.get("name", source.resource.name if source.resource else ""))
    described = str(source.spec.get("description", ""))
    where = source.place("name") if "name" in source.spec else source.document.place(("metadata", "name"))
    for what, text, most, place in (
        ("name", name, limits.name, where),
        ("description", described, limits.description, source.place("description")),
    ):
        if most is not None and len(text) > most:
            message = f"the {what} has {len(text)} characters, but {most} is the most"
            source.error("too-long", message, place, "shorten it")
