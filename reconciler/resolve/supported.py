"""What a server lacks, or takes no more of, among what a campaign declares."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from reconciler.providers.base import Facts, Field
from reconciler.resolve.source import Findings, ResourceSource

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


def check_supported(source: ResourceSource, facts: Facts, findings: Findings) -> None:
    """An error at each field of a campaign that the server lacks, and at texts that it can't keep."""
    for key, value in source.spec.items():
        field = _FIELDS.get(key)
        # `runOnThings: false` asks for nothing.
        if field is not None and value is not False and not facts.supports(field):
            findings.error(
                source,
                source.place(key),
                "unsupported-field",
                f"{key} is declared, but a server of the kind {facts.provider!r} has no such thing",
                "leave it out",
            )
    limits = facts.limits
    name = str(source.spec.get("name", source.resource.name if source.resource else ""))
    where = source.place("name") if "name" in source.spec else source.document.place(("metadata", "name"))
    if limits.name is not None and len(name) > limits.name:
        message = f"the name has {len(name)} characters, but {limits.name} is the most that the server keeps"
        findings.error(source, where, "too-long", message, "shorten it")
    description, most = str(source.spec.get("description", "")), limits.description
    if most is not None and len(description) > most:
        message = f"the description has {len(description)} characters, but {most} is the most"
        findings.error(source, source.place("description"), "too-long", message, "shorten it")
