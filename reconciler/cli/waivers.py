"""``--waive GUARD --reason TEXT``: which guards may be passed this once, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from reconciler.errors import UsageError

_C = TypeVar("_C", bound=Callable[..., Any])


def waivers(command: _C) -> _C:
    """The two options: the first reason is that of the first waiver, and so on."""
    reason = click.option("--reason", multiple=True, metavar="TEXT", help="Why; one for each --waive.")
    waive = click.option("--waive", multiple=True, metavar="GUARD", help="Pass this guard, this once.")
    return waive(reason(command))


def given(guards: Sequence[str], reasons: Sequence[str]) -> Mapping[str, str]:
    """Guard → reason; UsageError says everything that is wrong with them."""
    from reconciler.plan.guards import Guard

    trouble = [_unknown(name) for name in dict.fromkeys(guards) if name not in list(Guard)]
    trouble += [f"{name} is waived twice" for name in dict.fromkeys(guards) if guards.count(name) > 1]
    if len(guards) != len(reasons):
        counts = f"{len(guards)} × --waive and {len(reasons)} × --reason"
        trouble.append(f"every --waive needs a --reason of its own, and there are {counts}")
    elif not all(reason.strip() for reason in reasons):
        trouble.append("a --reason is empty")
    if trouble:
        raise UsageError("; ".join(trouble), hint='Write --waive GUARD --reason "…" for each guard.')
    return {guard: reason.strip() for guard, reason in zip(guards, reasons, strict=True)}


def _unknown(name: str) -> str:
    from reconciler.plan.guards import Guard
    from reconciler.text import nearest

    near = nearest(name, Guard)
    known = f"did you mean {near}?" if near else f"there are: {', '.join(Guard)}"
    return f"there is no guard {name!r} ({known})"
