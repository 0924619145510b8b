"""Progress of an apply: one redrawn line on a terminal, a bounded number of plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TextIO

from reconciler.model import Outcome, OutcomeStatus
from reconciler.model.doubts import Doubt
from reconciler.report.paths import explained
from reconciler.report.terminal import fitting
from reconciler.report.wording import OUTCOMES, looking
from reconciler.text import clean

_REDRAW: Final = 0.1
_LINES: Final = 40
"""About how many plain lines a whole apply writes."""
_FAILURES: Final = 20
"""How many failures are named while it runs; the summary has them all."""
_BAD: Final = frozenset({OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN})


class Progress:
    """Told of every outcome of `total` steps; writes to `stream`. ``close`` ends it.

    `width` is that of the terminal; `clock` answers seconds.
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
        self._drawn = float("-inf")
        self._ended = 0
        self._failed = 0
        self._looked = 0
        self._every = max(1, total // _LINES)

    def __call__(self, outcome: Outcome) -> None:
        """Count `outcome`, and show it where that doesn't flood."""
        self._ended += 1
        if outcome.status in _BAD:
            self._failed += 1
            if self._failed <= _FAILURES:
                self._clear()
                self._say(f"{OUTCOMES[outcome.status]}: {explained(outcome)}")
        if self._terminal:
            self._redraw(outcome)
        elif self._ended % self._every == 0 or self._ended == self._total:
            self._say(self._line(outcome))

    def looking(self, doubt: Doubt) -> None:
        """Say for what the run waits."""
        self._looked += 1
        if self._looked <= _FAILURES:
            self._clear()
            self._say(looking(doubt))

    def close(self) -> None:
        """Leave the terminal on an empty line."""
        self._clear()
        self._stream.flush()

    def _redraw(self, outcome: Outcome) -> None:
        now = self._clock()
        if now - self._drawn >= _REDRAW or self._ended == self._total:
            self._drawn = now
            self._stream.write(f"\r\x1b[K{fitting(self._line(outcome), self._width - 1)}")
            self._stream.flush()

    def _line(self, outcome: Outcome) -> str:
        failed = f", {self._failed:,} failed" if self._failed else ""
        seconds = self._clock() - self._begun
        rate = f", {self._ended / seconds:,.0f}/s" if seconds >= 1 else ""
        step = outcome.step
        what = f"{step.operation.name} {clean(str(step.resource))}"
        return f"{self._ended:,}/{self._total:,} steps{failed}{rate}: {what} {OUTCOMES[outcome.status]}"

    def _clear(self) -> None:
        if self._terminal:
            self._stream.write("\r\x1b[K")

    def _say(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()
