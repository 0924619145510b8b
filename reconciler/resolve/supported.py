"""What a server lacks, or takes no more of, among what a campaign declares."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from reconciler.providers.base import Detail, Field
from reconciler.resolve.source import ResourceSource

_FIELDS: Final[Mapping[str, Field]] = MappingProxyType(
    {
        "name": Field.NAME,
        "description": Field.DESCRIPTION,
        "packageSet": Field.PACKAGES,
        "settings": Field.SETTINGS,
        "gatewayLists": Field.GATEWAYS,
        "rollbackOf": Field.GATEWAYS,
        "distributionList": Field.DISTRIBUTION,
        "packageOverrides": Field.OVERRIDES,
        "schedules": Field.SCHEDULES,
        "callbackSet": Field.CALLBACKS,
        "closedGateways": Field.CLOSED,
        "runOnThings": Field.THINGS,
        "desiredStatus": Field.STATUS,
        "delivery": Field.DELIVERY,
    }
)
"""What YAML calls a field, and which field of a server it manages."""
_DETAILS: Final = MappingProxyType({detail.value: detail for detail in Detail})


def check_supported(source: ResourceSource) -> None:
    """An error at each field of a campaign that the server lacks, and at texts that it can't keep."""
    facts, limits = source.facts, source.facts.limits
    for key, value in source.spec.items():
        field = _FIELDS.get(key)
        # `runOnThings: false` asks for nothing.
        if field is not None and value is not False and not facts.supports(field):
            message = f"{key} is declared, but a server of the kind {facts.provider!r} has no such thing"
            source.error("unsupported-field", message, source.place(key), "leave it out")
    for name, field in (("delivery", Field.DELIVERY), ("distributionList", Field.DISTRIBUTION)):
        value = source.spec.get(name)
        if facts.supports(field) and isinstance(value, Mapping):
            for key in value:
                detail = _DETAILS.get(f"{name}.{key}")
                if detail is not None and detail not in facts.details:
                    _lacks(source, detail, name, key)
    if facts.lists_decide and {"gatewayLists", "distributionList"} <= source.spec.keys():
        message = f"on a server of the kind {facts.provider!r} a distributionList alone decides who is in it"
        source.error("unsupported-field", message, source.place("gatewayLists"), "keep one of them")
    for key, field in _FIELDS.items():
        if facts.supports(field) and facts.fields[field].required and key not in source.spec:
            message = f"a campaign on a server of the kind {facts.provider!r} is made with a {key}"
            source.error("missing-field", message, source.place(), f"add {key}")
    name = str(source.spec.get("name", source.resource.name if source.resource else ""))
    described = str(source.spec.get("description", ""))
    for what, text, most, path in (
        ("name", name, limits.name, ("spec", "name") if "name" in source.spec else ("metadata", "name")),
        ("description", described, limits.description, ("spec", "description")),
    ):
        if most is not None and len(text) > most:
            message = f"the {what} has {len(text)} characters, but {most} is the most"
            source.error("too-long", message, source.document.place(path), "shorten it")


def check_set_supported(source: ResourceSource) -> None:
    """An error at each word about packages that the server doesn't keep."""
    details = source.facts.details
    if "version" in source.spec and Detail.SET_VERSION not in details:
        _lacks(source, Detail.SET_VERSION, "version")
    for index, item in enumerate(source.spec.get("packages") or ()):
        for key in ("version", "type", "vendor"):
            if key in item and Detail(f"packages.{key}") not in details:
                _lacks(source, Detail(f"packages.{key}"), "packages", index, key)


def _lacks(source: ResourceSource, detail: Detail, *path: str | int) -> None:
    name = detail.rpartition(".")[2]
    message = f"{name} is declared, but a server of the kind {source.facts.provider!r} has no such thing"
    source.error("unsupported-field", message, source.place(*path), "leave it out")
