"""For how long yet what wasn't found may be there all the same: lists lag, and calls may still be under way.

Tests: `tests/observe/test_observe_doubt.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from reconciler.model.doubts import Doubt, Missing, OnDoubt, unheard
from reconciler.pacing import Settling
from reconciler.state.base import Intent

_SENT_WITHIN: Final = 900
"""A create goes out within so many seconds after its intent was noted: it may have to wait for its turn."""
_UPLOADED_WITHIN: Final = 86_400
"""An upload may take its time."""


@dataclass(frozen=True, slots=True)
class Lookout:
    """How long to look for what may be there; ``now`` is in epoch seconds, ``told`` hears of each wait."""

    settling: Settling = field(default_factory=Settling)
    now: int = 0
    told: OnDoubt = unheard

    def after(self, since: int | None) -> float:
        """How much is left of the settle time that began at `since`; nothing of one that nobody noted."""
        if since is None:
            return 0.0
        # A time in the future, from a clock ahead of ours, must not lengthen the wait.
        return max(0.0, min(self.settling.seconds, since + self.settling.seconds - self.now))

    def of_intent(self, intent: Intent) -> float:
        """How much is left for what a create or an upload may have made whose answer nobody has."""
        if intent.since is not None and intent.ended:
            return self.after(intent.since)
        within = _UPLOADED_WITHIN if intent.key.startswith("sha256:") else _SENT_WITHIN
        long_ago = intent.since is not None and self.now - intent.since > within + self.settling.seconds
        # The run that noted it died, and the call may have ended any time after that.
        return 0.0 if long_ago else self.settling.seconds

    def tell(self, what: Iterable[str], why: Missing, seconds: float) -> None:
        """Say what is waited for."""
        for each in sorted(what):
            self.told(Doubt(each, why, seconds))
