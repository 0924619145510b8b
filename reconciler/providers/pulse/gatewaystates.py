"""The states of a gateway in a campaign, in the order in which it goes through them.

Documented up to WAITING_FOR_DOWNLOAD_APPROVAL; the rest is how the names read. FAILED ends every phase.
"""

from __future__ import annotations

from typing import Final

from reconciler.model import GATEWAY_STATES, SchedulePhase

ORDER: Final = GATEWAY_STATES[:-1]
FAILED: Final = GATEWAY_STATES[-1]
_COMPLETE: Final = {
    SchedulePhase.DOWNLOAD: ORDER.index("DOWNLOAD_COMPLETE"),
    SchedulePhase.EXECUTION: ORDER.index("EXECUTION_COMPLETE"),
    SchedulePhase.ACTIVATION: ORDER.index("ACTIVATION_COMPLETE"),
}
BEGUN: Final = ORDER.index("SCHEDULED_DOWNLOAD")
"""From here on a gateway has begun with the update."""


def past(state: str, phase: SchedulePhase) -> bool:
    """Whether a gateway in `state` has that phase behind it; a word that nobody knows says nothing."""
    return state == FAILED or (state in ORDER and ORDER.index(state) >= _COMPLETE[phase])


def in_flight(state: str) -> bool:
    """Whether a gateway in `state` has begun and not ended; a word that nobody knows may mean that."""
    return state not in (*ORDER[:BEGUN], ORDER[-1], FAILED)
