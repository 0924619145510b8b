"""What a step calls, as reports show it."""

from __future__ import annotations

from urllib.parse import quote

from reconciler.model import DeletePackage, Outcome, Step, target_of
from reconciler.text import clean


def path_of(step: Step, made: str | None = None) -> str:
    """The path, ids filled in and percent-encoded; one that this plan makes, if any, is `made`.

    Without it that stays ``{campaign_id}``.
    """
    path = step.operation.path
    target = target_of(step.action) or made
    if target is not None:
        placeholder = "{package_id}" if isinstance(step.action, DeletePackage) else "{campaign_id}"
        path = path.replace(placeholder, quote(target, safe=""))
    if "{gateway_id}" in path and step.gateways:
        path = path.replace("{gateway_id}", quote(step.gateways[0], safe=""))
    return path


def request_of(step: Step, made: str | None = None) -> str:
    """``PUT /api/campaigns/42/start``, with the number of gateways where one call carries many."""
    many = f" ({len(step.gateways):,} gateways)" if len(step.gateways) > 1 else ""
    return f"{step.operation.method} {path_of(step, made)}{many}"


def explained(outcome: Outcome) -> str:
    """``PUT /api/campaigns/42/start: 403 …``; an error of a request names the request already."""
    message = clean(outcome.message) or "no reason was given"
    if message.startswith(f"{outcome.step.operation.method} /"):
        return message
    return f"{request_of(outcome.step, outcome.target)}: {message}"
