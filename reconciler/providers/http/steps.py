"""What steps on a server over HTTP share, whichever it is.

Tests: `tests/providers/test_pulse_steps.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final, TypeVar

from reconciler.errors import NotExecuted, ReconcilerError, Unclear
from reconciler.model import Action, BoundPackage, PendingUpload, Step, target_of
from reconciler.providers.base.writes import Bindings, Readback

Value = TypeVar("Value")

_DIGITS: Final = 16
"""Of a SHA-256, in messages."""


def campaign_of(action: Action, bindings: Bindings) -> str:
    """The id of the campaign (or package) that `action` is about."""
    found = target_of(action) or bindings.campaigns.get(action.resource)
    if found is None:
        raise ReconcilerError(f"{action.resource} has no id on the server yet: what creates it was not done")
    return found


async def first(read: Awaitable[Value], step: Step) -> Value:
    """What a step has to know before it is sent; while it can't be read, the step is surely not executed."""
    try:
        return await read
    except Unclear as error:
        raise NotExecuted(
            f"not sent, because a read that comes first failed: {error.message}",
            request=request_of(step),
            retry_after=error.retry_after,
            hint=error.hint,
        ) from error


def one_made(what: str, ids: list[str]) -> Readback:
    """One: it was made; none: it was not; several: nobody can tell which is ours."""
    if len(ids) > 1:
        raise ReconcilerError(
            f"there are {len(ids)} {what}: {' and '.join(ids)}",
            hint="One of them may be ours, sent just now. Delete the wrong one, then apply again.",
        )
    return Readback(bool(ids), created=ids[0] if ids else None)


def packages_of(packages: tuple[BoundPackage, ...], bindings: Bindings) -> tuple[str, ...]:
    """Packages by their ids; those that this run uploads by the id that they got."""
    return tuple(package_of(package, bindings) for package in packages)


def package_of(package: BoundPackage, bindings: Bindings) -> str:
    if not isinstance(package, PendingUpload):
        return package
    found = bindings.packages.get(package.sha256)
    if found is None:
        raise ReconcilerError(f"the package with sha256 {package.sha256[:_DIGITS]}… was not uploaded")
    return found


def request_of(step: Step) -> str:
    """The call of `step`, for a message."""
    return f"{step.operation.method} {step.operation.path}"
