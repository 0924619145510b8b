"""How values of single gateways and callbacks stand in a state: one short text for each.

The gateways of a value stand together, so the text is what tells two values apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from reconciler.model import Callback, CallbackEvent, Json, SchedulePhase, Window

_UNCLEAR = "?"

ASSUMED_SETTINGS = "settings.assumed"
"""The field that says that the recorded settings were never sent, so that there may be others."""
MEMBERSHIP = "gateways"
"""The field that says who was added by us, where a distribution list adds gateways, too."""
ADDED = "added"


def callback_field(event: CallbackEvent) -> str:
    """The field of one callback."""
    return f"callbackSet.{event}"


def callback_value(callback: Callback) -> Mapping[str, Json]:
    """A callback as states and changes hold it."""
    states = {} if callback.states is None else {"trackedStates": sorted(callback.states)}
    return {"notificationDestinationId": callback.destination, **states}


def schedule_field(phase: SchedulePhase) -> str:
    """The field of the windows of one phase."""
    return f"schedules.{phase}"


def window_value(window: Window) -> str:
    """``begin/end``, epoch milliseconds."""
    return f"{window.begin}/{window.end}"


def window_end(value: str) -> int:
    """When a window ends, epoch milliseconds."""
    return int(value.partition("/")[2])


def packages_value(ids: Iterable[str]) -> str:
    """Package ids as a sorted JSON array: their order means nothing."""
    return json.dumps(sorted(set(ids)))


def packages_of(value: str) -> frozenset[str]:
    """The inverse of `packages_value`."""
    return frozenset(json.loads(value))


def things_value(ids: Iterable[str]) -> str:
    """Thing ids as a sorted JSON array."""
    return json.dumps(sorted(set(ids)))


def unclear(value: str) -> str:
    """`value`, sent without a clear answer so far."""
    return _UNCLEAR + value
