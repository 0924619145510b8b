"""The gateways of waves, counted by how they stand. Pure.

Tests: `tests/rollout/test_rollout_counts.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Final

from reconciler.model.sets import divided, without
from reconciler.model.waves import Waves

_EMPTY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Tally:
    """The gateways of a wave, counted."""

    total: int
    entered: int
    done: int
    failed: int
    idle: int
    refused: int

    def less(self, those: Tally) -> Tally:
        """Without `those`, who are among them, and whom the server refuses."""
        return Tally(
            self.total - those.total,
            self.entered - those.entered,
            self.done - those.done,
            self.failed - those.failed,
            self.idle - those.idle,
            refused=0,
        )


@dataclass(frozen=True)
class WaveCounts:
    """How the gateways of `waves` stand: `done`, `failed` and `idle` are disjoint parts of `entered`."""

    waves: Waves
    entered: frozenset[str]
    done: frozenset[str]
    failed: frozenset[str]
    idle: frozenset[str]
    refused: frozenset[str]

    @cached_property
    def tallies(self) -> tuple[Tally, ...]:
        """Every wave."""
        # Who is counted once needn't be looked up in each of the sets.
        named = (self.done, self.failed, self.idle)
        others = _EMPTY if divided(self.entered, named) else self.entered.difference(*named)
        if sum(map(len, named)) + len(others) == len(self.entered):
            *states, left = self.waves.counts(*named, others, apart=True)
            inside: Sequence[int] = [sum(each) for each in zip(*states, left, strict=True)]
        else:
            inside, *states = self.waves.counts(self.entered, *named)
        (refused,) = self.waves.counts(self.refused)
        return tuple(map(Tally, self.waves.sizes, inside, *states, refused))

    @cached_property
    def counted(self) -> Sequence[Tally]:
        """Every wave without those whom the server refuses."""
        out = self.refused
        if not out:
            return self.tallies
        parts = (out, *(out & each for each in (self.entered, self.done, self.failed, self.idle)))
        tallies = self.tallies
        those = map(Tally, *self.waves.counts(*parts), repeat(0))
        return [each.less(some) for each, some in zip(tallies, those, strict=True)]

    def lacking(self, refused: frozenset[str]) -> Sequence[int]:
        """How many of each wave are neither in nor `refused`."""
        (out,) = self.waves.counts(without(refused, self.entered))
        return [each.total - each.entered - more for each, more in zip(self.tallies, out, strict=True)]

    @cached_property
    def whole(self) -> Tally:
        """All who are in, as one wave, without those whom the server refuses."""
        parts = (self.entered, self.done, self.failed, self.idle)
        inside, done, failed, idle = (len(part) - len(self.refused & part) for part in parts)
        return Tally(inside, inside, done, failed, idle, refused=0)


def level(waves: Waves, entered: frozenset[str], refused: frozenset[str] = _EMPTY) -> int:
    """How many leading waves are wholly in. A wave without gateways counts when a later one does."""
    found = 0
    told = zip(waves.sizes, *waves.counts(entered, without(refused, entered)), strict=True)
    for number, (size, inside, out) in enumerate(told, start=1):
        if inside + out < size:
            break
        if size:
            found = number
    return found
