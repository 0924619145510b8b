"""The words for the status of a campaign: read by the codec, a part of the facts.

Tests: `tests/providers/test_pulse_shapes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from reconciler.model import Phase

PHASES: Final[Mapping[str, Phase]] = MappingProxyType(
    {
        "CREATED": Phase.READY,
        "APPROVED": Phase.READY,
        "APPROVAL_NEEDED": Phase.WAITING,
        "STARTED": Phase.RUNNING,
        "STOPPED": Phase.PAUSED,
    }
)
