"""Progress of an apply: one bar on a terminal, elsewhere a line each 5 % and each 30 s."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TextIO

from reconciler.model import Outcome, OutcomeStatus
from reconciler.model.doubts import Doubt
from reconciler.report.terminal import ANEW, columns, fitting
from reconciler.report.wording import looking
from reconciler.text import duration

_REDRAW: Final = 0.1
_SHARE: Final = 20
"""A plain line for each such part of all steps, ..."""
_QUIET: Final = 30.0
"""... and when there was none for so many seconds."""
_LOOKS: Final = 20
"""How many looks for what is in doubt are named while it runs."""
_BAR: Final = 30
_BLOCKS: Final = ("█", "░")
_LETTERS: Final = ("#", ".")
_BAD: Final = frozenset({OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN})


class Progress:
    """Told of every outcome of `total` steps; writes to `stream`. ``close`` ends it.

    `width` is that of the terminal; `clock` answers seconds. Why steps failed is for the summary to say.
    """

    def __init__(
        self,
        total: int,
        stream: TextIO,
        *,
        terminal: bool,
        width: int = 80,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._stream = stream
        self._terminal = terminal
        self._width = width
        self._clock = clock
        self._begun = clock()
        self._drawn = self._begun
        self._ended = 0
        self._failed = 0
        self._looked = 0
        self._said = 0
        self._signs = _BLOCKS if _can_show(stream) else _LETTERS
        if terminal and total:
            self._redraw()

    def __call__(self, outcome: Outcome) -> None:
        """Count `outcome`, and show it where that doesn't flood."""
        if outcome.status is OutcomeStatus.SKIPPED:
            return
        self._ended += 1
        self._failed += outcome.status in _BAD
        now, last = self._clock(), self._ended == self._total
        if self._terminal:
            if last or now - self._drawn >= _REDRAW:
                self._redraw()
        elif last or self._ended * _SHARE // self._total > self._said or now - self._drawn >= _QUIET:
            self._said, self._drawn = self._ended * _SHARE // self._total, now
            self._say(self._words())

    def looking(self, doubt: Doubt) -> None:
        """Say for what the run waits."""
        self._looked += 1
        if self._looked <= _LOOKS:
            self._clear()
            self._say(looking(doubt))

    def close(self) -> None:
        """Leave the terminal on an empty line."""
        self._clear()
        self._stream.flush()

    def _redraw(self) -> None:
        self._drawn = self._clock()
        words = self._words()
        room = self._width - 1
        size = min(_BAR, room - columns(words) - 2)
        full = size * self._ended // self._total
        bar = f"{self._signs[0] * full}{self._signs[1] * (size - full)}  " if size >= _BAR // 3 else ""
        self._stream.write(f"{ANEW}{bar}{fitting(words, room)}")
        self._stream.flush()

    def _words(self) -> str:
        """``45 %: 1,365 of 3,033 calls, 325/s, 2 failed, 4 seconds left``."""
        said = [f"{self._ended * 100 // self._total} %: {self._ended:,} of {self._total:,} calls"]
        seconds = self._clock() - self._begun
        rate = self._ended / seconds if seconds >= 1 else 0.0
        if rate:
            said.append(f"{rate:,.0f}/s" if rate >= 1 else f"{rate * 60:,.0f}/min")
        if self._failed:
            said.append(f"{self._failed:,} failed")
        if rate and self._ended < self._total:
            said.append(f"{duration(max(1, round((self._total - self._ended) / rate)))} left")
        return ", ".join(said)

    def _clear(self) -> None:
        if self._terminal:
            self._stream.write(ANEW)

    def _say(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


def _can_show(stream: TextIO) -> bool:
    """Whether `stream` can show the blocks of a bar."""
    try:
        "".join(_BLOCKS).encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
