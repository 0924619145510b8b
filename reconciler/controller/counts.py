"""What a controller counts, as one value: a look makes the next of it.

Tests: `tests/controller/test_controller_metrics.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from reconciler.controller.past import PastLook

_K = TypeVar("_K", bound=Hashable)

BUCKETS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Upper bounds of what looks take, in seconds."""


@dataclass(frozen=True, slots=True)
class Happened:
    """What one look adds, as in `Counts`."""

    requests: Mapping[tuple[str, str], int] = field(default_factory=dict)
    steps: Mapping[tuple[str, str], int] = field(default_factory=dict)
    turns: Mapping[tuple[str, str], int] = field(default_factory=dict)
    notices: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Counts:
    """Everything since the process began; a file of an earlier run may be the beginning of it."""

    looks: Mapping[str, int] = field(default_factory=dict)
    """Result → how many."""
    took: tuple[int, ...] = (0,) * (len(BUCKETS) + 1)
    """How many looks took so long: by `BUCKETS`, and longer."""
    seconds: float = 0.0
    """What all took together."""
    succeeded: int | None = None
    """When a look last went well, epoch milliseconds."""
    requests: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Operation, outcome → how many."""
    steps: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Operation, outcome → how many."""
    turns: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Campaign, what its rollout turned to → how often."""
    notices: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Event, outcome → how often people were told."""

    def after(self, look: PastLook, happened: Happened, campaigns: Iterable[str] | None = None) -> Counts:
        """The same with one look more; of rollouts only those of `campaigns` stay (None: all)."""
        bucket = bisect_left(BUCKETS, look.seconds)
        turns = _added(self.turns, happened.turns)
        if campaigns is not None:
            known = frozenset(campaigns)
            turns = {key: count for key, count in turns.items() if key[0] in known}
        ended = look.at + round(look.seconds * 1000)
        return Counts(
            _added(self.looks, {look.result.value: 1}),
            tuple(count + (index == bucket) for index, count in enumerate(self.took)),
            self.seconds + look.seconds,
            ended if look.result.well else self.succeeded,
            _added(self.requests, happened.requests),
            _added(self.steps, happened.steps),
            turns,
            _added(self.notices, happened.notices),
        )


def _added(before: Mapping[_K, int], more: Mapping[_K, int]) -> dict[_K, int]:
    return {key: before.get(key, 0) + more.get(key, 0) for key in {**before, **more}}
