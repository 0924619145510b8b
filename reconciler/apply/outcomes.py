"""Outcomes by the million: most steps are done, and no more is to be said of them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Final, overload

from reconciler.model import Outcome, OutcomeStatus, Step, StepGroup


class Outcomes(Sequence[Outcome]):
    """A sequence of outcomes that only grows.

    One that says nothing but *done* takes eight bytes, and nothing at all where `extend` got it behind the
    one of the step before it.
    """

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self._groups: list[StepGroup] = []
        self._numbers: dict[str, int] = {}
        self._group = array("I")
        self._index = array("I")
        self._others: dict[int, Outcome] = {}
        self._firsts: dict[int, int] = {}
        """Where the first one of a group stands that is just *done*; and how many there are."""
        self._plain: dict[int, int] = {}
        self._size = 0
        # Runs of steps: where each begins and ends, and with which step. Between runs they came one by one.
        self._begins = array("Q")
        self._ends = array("Q")
        self._run_group = array("I")
        self._run_index = array("I")
        self._singles = array("Q")
        for outcome in outcomes:
            self.append(outcome)

    def append(self, outcome: Outcome) -> None:
        step = outcome.step
        self._group.append(self._counted(outcome))
        self._index.append(step.index)
        self._size += 1

    def extend(self, outcomes: Iterable[Outcome]) -> None:
        """Append each of `outcomes`: few bytes where they are of steps that follow each other."""
        for outcome in outcomes:
            step = outcome.step
            number = self._counted(outcome)
            if not self._goes_on(number, step.index):
                self._begins.append(self._size)
                self._ends.append(self._size)
                self._run_group.append(number)
                self._run_index.append(step.index)
                self._singles.append(len(self._group))
            self._ends[-1] += 1
            self._size += 1

    def _counted(self, outcome: Outcome) -> int:
        """The number of its group."""
        group = outcome.step.group
        number = self._numbers.setdefault(group.key, len(self._groups))
        if number == len(self._groups):
            self._groups.append(group)
        if not _plain(outcome):
            self._others[self._size] = outcome
        elif number in self._plain:
            self._plain[number] += 1
        else:
            self._plain[number] = 1
            self._firsts[self._size] = number
        return number

    def _goes_on(self, number: int, index: int) -> bool:
        """Whether a step is the next one of the last run, behind which nothing came."""
        if not self._ends or self._ends[-1] != self._size or self._run_group[-1] != number:
            return False
        return index == self._run_index[-1] + self._size - self._begins[-1]

    def __len__(self) -> int:
        return self._size

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

    def alike(self) -> Iterator[tuple[Outcome, int]]:
        """See `alike`."""
        for position in sorted((*self._firsts, *self._others)):
            number = self._firsts.get(position)
            yield self._at(position), 1 if number is None else self._plain[number]

    def _at(self, position: int) -> Outcome:
        if other := self._others.get(position):
            return other
        number, index = self._step(position)
        return Outcome(Step(self._groups[number], index), OutcomeStatus.DONE)

    def _step(self, position: int) -> tuple[int, int]:
        run = bisect_right(self._begins, position) - 1
        if run < 0:
            return self._group[position], self._index[position]
        if position < self._ends[run]:
            return self._run_group[run], self._run_index[run] + position - self._begins[run]
        single = self._singles[run] + position - self._ends[run]
        return self._group[single], self._index[single]


def alike(outcomes: Iterable[Outcome]) -> Iterator[tuple[Outcome, int]]:
    """`outcomes` in order, and for how many each stands: those of a group that are just *done* are one."""
    return outcomes.alike() if isinstance(outcomes, Outcomes) else ((outcome, 1) for outcome in outcomes)


_REST: Final = attrgetter(*(each.name for each in fields(Outcome) if each.name != "step"))
_DONE: Final = (OutcomeStatus.DONE, *(each.default for each in fields(Outcome)[2:]))


def _plain(outcome: Outcome) -> bool:
    """Whether it says nothing but *done*, of a whole step."""
    rest: object = _REST(outcome)
    return outcome.step.part is None and rest == _DONE
