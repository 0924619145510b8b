"""A worker of a fleet, and what is said of one that can't be used.

Tests: `tests/workers/test_workers_cluster.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler import __version__
from reconciler.errors import ReconcilerError
from reconciler.text import clean, plural
from reconciler.workers.admission import Admitted

ANSWER: Final = 15.0
"""Seconds in which a worker answers what it is asked."""


class LostWorker(Exception):
    """The worker that had a parcel is gone."""


@dataclass(slots=True)
class FleetMember:
    """A worker that is used."""

    who: Admitted
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    speed: float = 0.0
    """Calls a second of its last parcel."""


async def ended_with(future: Any) -> object:
    """What `future` ends with, also where that is an error."""
    try:
        return await future
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        return error
    except Exception as error:  # noqa: BLE001 - of the engine: the parcel goes out again
        return error


def odd(error: object) -> str:
    """What is said of a worker that doesn't answer as ours do."""
    if "No module named" in str(error) or isinstance(error, AttributeError):
        # Dask reports it in several ways: the function that a run calls isn't there.
        return f"it has no reconciler {__version__} with workers: {clean(str(error))[:200]}"
    if isinstance(error, TimeoutError):
        return f"it did not answer within {ANSWER:.0f} s"
    return f"it answered {clean(f'{type(error).__name__}: {error}')[:200]}"


def nobody(refused: Mapping[str, str], *, lost: float | None = None) -> ReconcilerError:
    """No worker can be used: all are refused, or lost and nobody came in `lost` seconds, or none came."""
    if refused:
        each = "; ".join(f"{address}: {clean(why)}" for address, why in sorted(refused.items())[:5])
        hint = "Give the workers this version and the same credentials as here, and set their clocks."
        return ReconcilerError(f"none of {plural(len(refused), 'worker')} can be used: {each}", hint=hint)
    if lost is not None:
        return ReconcilerError(
            f"all workers were lost, and none came back within {lost:.0f} s",
            hint="Start workers, then run it again: only what is missing is sent.",
        )
    return ReconcilerError(
        "the scheduler has no workers", hint="Start some: `dask worker`; see the page about workers."
    )
