"""The states of a gateway in a campaign, in the order in which it goes through them.

Documented up to WAITING_FOR_DOWNLOAD_APPROVAL; the rest is how the names read. FAILED ends every phase.
"""

from __future__ import annotations

from typing import Final

from reconciler.model import SchedulePhase

FAILED: Final = "FAILED"
ORDER: Final = (
    "INSTANTIATED",
    "INVENTORY_UP_TO_DATE",
    "WAITING_FOR_DOWNLOAD_APPROVAL",
    "SCHEDULED_DOWNLOAD",
    "WAITING_FOR_DOWNLOAD",
    "DOWNLOAD_COMPLETE",
    "WAITING_FOR_EXECUTION_APPROVAL",
    "SCHEDULED_EXECUTION",
    "WAITING_FOR_EXECUTION",
    "EXECUTION_COMPLETE",
    "WAITING_FOR_ACTIVATION_APPROVAL",
    "SCHEDULED_ACTIVATION",
    "WAITING_FOR_ACTIVATION",
    "ACTIVATION_COMPLETE",
)
_COMPLETE: Final = {
    SchedulePhase.DOWNLOAD: ORDER.index("DOWNLOAD_COMPLETE"),
    SchedulePhase.EXECUTION: ORDER.index("EXECUTION_COMPLETE"),
    SchedulePhase.ACTIVATION: ORDER.index("ACTIVATION_COMPLETE"),
}


def past(state: str, phase: SchedulePhase) -> bool:
    """Whether a gateway in `state` has that phase behind it; a word that nobody knows says nothing."""
    if state == FAILED:
        return True
    return state in ORDER and ORDER.index(state) >= _COMPLETE[phase]
