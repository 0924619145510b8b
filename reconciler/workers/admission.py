"""Which workers are used: those of the same version, on time, who can sign in. Others are refused by name.

Pure. Tests: `tests/workers/test_workers_admission.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

AHEAD: Final = 5.0
"""Seconds that the clock of a worker may be off: a parcel's time is kept by that clock."""
AT_A_TIME: Final = 2
"""Parcels of one worker under way: while one ends the other keeps it busy."""


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a worker says of itself."""

    version: str
    now: float
    """Epoch seconds, by its clock."""
    threads: int
    """How many parcels it would work on at a time."""
    name: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """A worker that is used."""

    address: str
    name: str
    slots: int
    offset: float
    """Seconds that its clock is ahead of ours."""


def clock_offset(said: float, asked: float, answered: float) -> float:
    """How far a clock is surely ahead of ours that `said` its time between two of ours; below 0: behind."""
    if said > answered:
        return said - answered
    return min(0.0, said - asked)


def admitted(
    address: str, said: Introduction, *, version: str, asked: float, answered: float
) -> Admitted | str:
    """The worker at `address`, or why it isn't used. `asked`, `answered`: when, by our clock."""
    if said.version != version:
        return f"it runs reconciler {said.version}, and this is {version}"
    offset = clock_offset(said.now, asked, answered)
    if abs(offset) > AHEAD:
        way = "ahead" if offset > 0 else "behind"
        return f"its clock is {abs(offset):.0f} s {way}"
    return Admitted(address, said.name, max(1, min(AT_A_TIME, said.threads)), offset)
