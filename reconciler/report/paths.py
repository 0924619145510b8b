"""What a step calls, as reports show it.

Tests: `tests/report/test_report_plan_document.py`.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from reconciler.model import Outcome, Step, target_of
from reconciler.text import clean

_PLACEHOLDER = re.compile(r"\{[^}]*\}")
"""The first stands for the object that a call is about, the second for a gateway."""


def path_of(step: Step, made: str | None = None) -> str:
    """The path, ids filled in and percent-encoded; one that this plan makes, if any, is `made`.

    Without it that stays the placeholder that it is.
    """
    ids = (target_of(step.action) or made, step.gateways[0] if step.gateways else None)
    path = step.operation.path
    for placeholder, value in zip(_PLACEHOLDER.findall(path), ids, strict=False):
        if value is not None:
            path = path.replace(placeholder, quote(value, safe="", errors="replace"))
    return path


def reason_of(outcome: Outcome) -> str:
    """Why a step ended as it did: its message, without the request that an error of one begins with."""
    message = clean(outcome.message) or "no reason was given"
    if message.startswith(f"{outcome.step.operation.method} /"):
        request, colon, reason = message.partition(": ")
        return reason if colon and reason else request
    return message
