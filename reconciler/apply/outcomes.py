"""Outcomes by the million: most steps are done, and no more is to be said of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from reconciler.model import Outcome, OutcomeStatus, Step, StepGroup


class Outcomes(Sequence[Outcome]):
    """A sequence of outcomes that only grows. One that says nothing but *done* takes eight bytes."""

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self._groups: list[StepGroup] = []
        self._numbers: dict[str, int] = {}
        self._group = array("I")
        self._index = array("I")
        self._others: dict[int, Outcome] = {}
        for outcome in outcomes:
            self.append(outcome)

    def append(self, outcome: Outcome) -> None:
        step = outcome.step
        if step.part is not None or outcome != Outcome(step, OutcomeStatus.DONE):
            self._others[len(self)] = outcome
        number = self._numbers.setdefault(step.group.key, len(self._groups))
        if number == len(self._groups):
            self._groups.append(step.group)
        self._group.append(number)
        self._index.append(step.index)

    def __len__(self) -> int:
        return len(self._group)

    @overload
    def __getitem__(self, at: int) -> Outcome: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Outcome]: ...
    def __getitem__(self, at: int | slice) -> Outcome | Sequence[Outcome]:
        if isinstance(at, slice):
            return [self[position] for position in range(len(self))[at]]
        return self._at(range(len(self))[at])

    def __iter__(self) -> Iterator[Outcome]:
        return map(self._at, range(len(self)))

    def _at(self, position: int) -> Outcome:
        if other := self._others.get(position):
            return other
        step = Step(self._groups[self._group[position]], self._index[position])
        return Outcome(step, OutcomeStatus.DONE)
