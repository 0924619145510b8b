"""Steps that begin or end at the same moment: what is written of them, at once, and who waits for that.

Tests: `tests/apply/test_apply_state.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from reconciler.model import AssignPackages, Outcome, ScheduleWindow, StepGroup
from reconciler.state.base import Event, MembersApplied

_ALIKE: Final = ScheduleWindow | AssignPackages


@dataclass(slots=True)
class Together:
    """What came together so far. ``sync``: whether it has to outlast the machine."""

    sync: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)
    _group: StepGroup | None = None
    """The steps of which the last event is, where all of them make the same."""
    _more: list[str] = field(default_factory=list)
    """Gateways that it is about, too, and doesn't name yet."""

    def learn(self, outcome: Outcome, changed: Callable[[Outcome], Sequence[Event]]) -> None:
        """A step has ended, and what it `changed` is to be written.

        Windows and overrides come by the ten thousand: those of one group make one event.
        """
        step = outcome.step
        alike = isinstance(step.action, _ALIKE) and outcome.settled and not outcome.left
        if alike and step.group is self._group:
            self._more += step.gateways
            return
        events = changed(outcome)
        self._add(events)
        self._group = step.group if alike and events else None

    def note(self, events: Sequence[Event]) -> None:
        """What has to be written before a step is sent; it outlasts the machine."""
        self._add(events)
        self.sync = True

    def _add(self, events: Sequence[Event]) -> None:
        self.events.extend(events)
        self._group = None

    @property
    def events(self) -> list[Event]:
        """All that is to be written, in order."""
        if self._more:
            last = self._events[-1]
            assert isinstance(last, MembersApplied)
            self._events[-1] = replace(last, gateways=(*last.gateways, *self._more))
            self._more = []
        return self._events
