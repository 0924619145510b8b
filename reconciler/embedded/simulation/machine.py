"""What a gateway does next: the table of its states, its polls and its windows.

Pure; times are epoch milliseconds. A gateway polls every so many seconds, at its own offset, and most moves
happen then. Work begins at a poll and goes on by itself; each step of it begins and ends inside the window of
its phase, if there is one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class On(StrEnum):
    """What takes a gateway out of a state."""

    POLL = "at the next poll"
    APPROVAL = "at the next poll; a gateway with headless packages doesn't stop here"
    WINDOW = "at the first poll inside the window of the phase; without a window at the next poll"
    WORK = "when the work of the phase is done; back to where it began when the window ends before"


@dataclass(frozen=True, slots=True)
class Move:
    """The way out of a state. `phase` is whose window or work it is."""

    on: On
    to: str
    phase: str = ""


DOWNLOAD: Final = "download"
EXECUTION: Final = "execution"
ACTIVATION: Final = "activation"
PHASES: Final = (DOWNLOAD, EXECUTION, ACTIVATION)

FIRST: Final = "INSTANTIATED"
FAILED: Final = "FAILED"
FINAL: Final = frozenset({"ACTIVATION_COMPLETE", FAILED})

MOVES: Final[Mapping[str, Move]] = {
    FIRST: Move(On.POLL, "INVENTORY_UP_TO_DATE"),
    "INVENTORY_UP_TO_DATE": Move(On.POLL, "WAITING_FOR_DOWNLOAD_APPROVAL"),
    "WAITING_FOR_DOWNLOAD_APPROVAL": Move(On.APPROVAL, "SCHEDULED_DOWNLOAD"),
    "SCHEDULED_DOWNLOAD": Move(On.WINDOW, "WAITING_FOR_DOWNLOAD", DOWNLOAD),
    "WAITING_FOR_DOWNLOAD": Move(On.WORK, "DOWNLOAD_COMPLETE", DOWNLOAD),
    "DOWNLOAD_COMPLETE": Move(On.POLL, "WAITING_FOR_EXECUTION_APPROVAL"),
    "WAITING_FOR_EXECUTION_APPROVAL": Move(On.APPROVAL, "SCHEDULED_EXECUTION"),
    "SCHEDULED_EXECUTION": Move(On.WINDOW, "WAITING_FOR_EXECUTION", EXECUTION),
    "WAITING_FOR_EXECUTION": Move(On.WORK, "EXECUTION_COMPLETE", EXECUTION),
    "EXECUTION_COMPLETE": Move(On.POLL, "WAITING_FOR_ACTIVATION_APPROVAL"),
    "WAITING_FOR_ACTIVATION_APPROVAL": Move(On.APPROVAL, "SCHEDULED_ACTIVATION"),
    "SCHEDULED_ACTIVATION": Move(On.WINDOW, "WAITING_FOR_ACTIVATION", ACTIVATION),
    "WAITING_FOR_ACTIVATION": Move(On.WORK, "ACTIVATION_COMPLETE", ACTIVATION),
}

# The states in which a phase waits to begin or to go on.
SCHEDULED: Final[Mapping[str, str]] = {
    move.phase: state for state, move in MOVES.items() if move.on is On.WINDOW
}


@dataclass(frozen=True, slots=True)
class PhaseWindow:
    """From `begin` until `end`."""

    begin: int
    end: int

    def holds(self, start: int, duration: int) -> bool:
        """Whether what begins at `start` is over when the window ends."""
        return self.begin <= start and start + duration <= self.end


@dataclass(frozen=True, slots=True)
class Polls:
    """When a gateway polls: at every `offset` + n × `every`."""

    every: int
    offset: int

    @classmethod
    def of(cls, gateway_id: str, *, seed: int, every: int) -> "Polls":
        digest = hashlib.blake2b(f"{seed}:{gateway_id}".encode(), digest_size=8).digest()
        return cls(every, int.from_bytes(digest) % every)

    def after(self, moment: int) -> int:
        """The first poll later than `moment`."""
        return moment + self.every - (moment - self.offset) % self.every


def may_work(window: PhaseWindow | None, start: int, duration: int) -> bool:
    """Whether a step of work that takes `duration` may begin at `start`."""
    return window is None or window.holds(start, duration)


def after_poll(state: str, *, headless: bool, may_begin: bool) -> str:
    """The state that a poll leads to; `may_begin` says whether the work of its phase may begin now."""
    move = MOVES[state]
    if move.on is On.WORK or (move.on is On.WINDOW and not may_begin):
        return state
    following = MOVES[move.to]
    return following.to if headless and following.on is On.APPROVAL else move.to


def next_poll(state: str, polls: Polls, now: int, window: PhaseWindow | None, duration: int) -> int | None:
    """The next poll after `now` that leads on; None when none does, until it gets another window.

    `duration` is what the first step of its work takes.
    """
    if MOVES[state].on is not On.WINDOW or window is None:
        return polls.after(now)
    poll = polls.after(max(now, window.begin - 1))
    return poll if window.holds(poll, duration) else None
