"""How gateways get their packages: what is declared of it, against what the server tells.

Tests: `tests/diff/test_diff_delivery.py`.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from reconciler.codec.members import camel
from reconciler.model import DeliveryTerms, Json
from reconciler.text import instant


def shown_terms(terms: DeliveryTerms) -> Json:
    """What is declared, by the names of YAML, and with times as YAML has them."""
    return {camel(name): _shown(name, value) for name, value in _said(terms).items()}


def differing_terms(wanted: DeliveryTerms, live: DeliveryTerms | None) -> tuple[Json, Json] | None:
    """Before and after of what is declared and differs; what the server doesn't tell doesn't differ."""
    told = _said(live) if live else {}
    differing = {name: value for name, value in _said(wanted).items() if told.get(name, value) != value}
    if not differing:
        return None
    before = {camel(name): _shown(name, told[name]) for name in differing}
    return before, {camel(name): _shown(name, value) for name, value in differing.items()}


def _shown(name: str, value: Any) -> Json:
    """A value as YAML has it; a start at zero is one at no given time."""
    if name not in ("force_after", "start_at"):
        return value  # type: ignore[no-any-return]
    return instant(value) if value else None


def all_terms(wanted: DeliveryTerms | None, live: DeliveryTerms | None) -> DeliveryTerms | None:
    """What is declared, and the rest as the server tells it."""
    if wanted is None or live is None:
        return wanted or live
    return replace(live, **_said(wanted))


def _said(terms: DeliveryTerms) -> dict[str, Any]:
    values = ((each.name, getattr(terms, each.name)) for each in fields(terms))
    return {name: value for name, value in values if value is not None}
