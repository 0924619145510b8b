"""How gateways get their packages: words and times of a campaign's `delivery`.

Tests: `tests/resolve/test_resolve_delivery.py`.
"""

from __future__ import annotations

from reconciler.loading.referenced_files import Problem
from reconciler.model import DeliveryTerms, Force, Only
from reconciler.resolve.source import ResourceSource
from reconciler.resolve.times import parse_time


def resolve_delivery(source: ResourceSource) -> DeliveryTerms:
    """What is declared of it; a time that can't be read is left out."""
    spec = source.spec["delivery"]
    force = Force(spec["force"]) if "force" in spec else None
    if ("forceAfter" in spec) is not (force is Force.AFTER):
        if force is Force.AFTER:
            message, where = "`force: after` needs a time", source.place("delivery", "force")
            hint = "add forceAfter"
        else:
            message, where = (
                "forceAfter means nothing without `force: after`",
                source.place("delivery", "forceAfter"),
            )
            hint = "add force: after, or leave it out"
        source.error("force-after", message, where, hint)
    if "only" in spec and force is not None:
        source.error(
            "force-and-only",
            "what is only downloaded is never forced",
            source.place("delivery", "force"),
            "leave force out, or only",
        )
    return DeliveryTerms(
        force=force,
        force_after=_time(source, "forceAfter"),
        only=Only(spec["only"]) if "only" in spec else None,
        confirm=bool(spec["confirm"]) if "confirm" in spec else None,
        start_at=_time(source, "startAt"),
    )


def _time(source: ResourceSource, key: str) -> int | None:
    if key not in source.spec["delivery"]:
        return None
    instant = parse_time(str(source.spec["delivery"][key]), None)
    if isinstance(instant, Problem):
        source.problem(instant, source.place("delivery", key))
        return None
    return instant
