"""The words for where a rollout and a target in it are.

Tests: `tests/providers/test_hawkbit_facts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from reconciler.model import Phase
from reconciler.providers.base.facts import Stage, StateFacts

PHASES: Final[Mapping[str, Phase]] = MappingProxyType(
    {
        "READY": Phase.READY,
        "WAITING_FOR_APPROVAL": Phase.WAITING,
        "RUNNING": Phase.RUNNING,
        "PAUSED": Phase.PAUSED,
        "CREATING": Phase.BUSY,
        "STARTING": Phase.BUSY,
        "STOPPING": Phase.BUSY,
        "FINISHED": Phase.FINISHED,
        "STOPPED": Phase.ENDED,
        "APPROVAL_DENIED": Phase.ENDED,
    }
)
BUSY: Final = frozenset({"creating", "starting", "stopping"})
"""The server is still at work on it."""
STATES: Final[Mapping[str, StateFacts]] = MappingProxyType(
    {
        "notstarted": StateFacts(Stage.IDLE),
        "scheduled": StateFacts(Stage.IDLE),
        "wait_for_confirmation": StateFacts(Stage.IDLE),
        "running": StateFacts(Stage.UNDER_WAY),
        "retrieved": StateFacts(Stage.UNDER_WAY, loading=True),
        "download": StateFacts(Stage.UNDER_WAY, loading=True),
        "downloaded": StateFacts(Stage.UNDER_WAY),
        "warning": StateFacts(Stage.UNDER_WAY),
        "cancel_rejected": StateFacts(Stage.UNDER_WAY),
        "canceling": StateFacts(Stage.UNDER_WAY),
        "finished": StateFacts(Stage.DONE),
        "canceled": StateFacts(Stage.FAILED),
        "error": StateFacts(Stage.FAILED),
    }
)
"""The states of a target, in the order in which it goes through them."""
