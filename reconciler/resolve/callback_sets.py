"""CallbackSets: where a campaign calls back, and about what.

Tests: `tests/resolve/test_resolve_campaigns.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model import Callback, CallbackEvent
from reconciler.resolve.source import ResourceSource
from reconciler.text import did_you_mean, quoted

Callbacks = Mapping[CallbackEvent, Callback]


def resolve_callback_set(source: ResourceSource) -> Callbacks:
    """The callbacks of a CallbackSet by event; one without a destination is left out."""
    callbacks: dict[CallbackEvent, Callback] = {}
    for event in CallbackEvent:
        declared = source.spec.get(event, {})
        states = _states(source, event) if "trackedStates" in declared else None
        if "notificationDestinationId" in declared:
            callbacks[event] = Callback(str(declared["notificationDestinationId"]), states)
    return callbacks


def _states(source: ResourceSource, event: CallbackEvent) -> frozenset[str]:
    states, known = source.spec[event]["trackedStates"], source.facts.states
    for index, state in enumerate(states):
        if state not in known:
            message = f"{quoted(state)} is no state of a gateway that is known here"
            near = did_you_mean(state, known) or f"known are {', '.join(known)}"
            place = source.place(event, "trackedStates", index)
            source.warning("unknown-state", message, place, near)
    return frozenset(map(str, states))
