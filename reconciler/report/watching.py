"""What is said of all gateways together, and while somebody watches them.

Tests: `tests/report/test_report_watching.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from reconciler.report.statuses import StatusReport
from reconciler.report.table import percent
from reconciler.text import duration, plural


def total_words(status: StatusReport) -> str:
    """``3,120 gateways: 62 % done, 1,940 done, 12 failed, 1,168 to go``; empty where there are none."""
    read = [row.gateways for row in status.rows if row.gateways is not None]
    total, done = sum(it.total for it in read), sum(it.done for it in read)
    if not total:
        return ""
    counts = (
        (done, "done"),
        (sum(sum(it.done_before.values()) for it in read), "done with earlier packages"),
        (sum(it.failed for it in read), "failed"),
        (sum(it.pending for it in read), "to go"),
    )
    said = [f"{count:,} {word}" for count, word in counts if count]
    return f"{plural(total, 'gateway')}: {', '.join([f'{percent(done, total)} done', *said])}"


class WatchedPace:
    """How fast gateways come to an end while somebody watches; `clock` answers seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, int] | None = None

    def words(self, status: StatusReport) -> str:
        """``, 45/min, 26 minutes left``; empty while nobody can tell."""
        # Gateways of a campaign that isn't running make no progress.
        left = sum(row.gateways.pending for row in status.rows if row.running and row.gateways)
        now, (begun, before) = self._clock(), self._first or (0.0, 0)
        if self._first is None or left > before:
            self._first = now, left
            return ""
        ended = before - left
        if not ended or not left or now <= begun:
            return ""
        rate = ended / (now - begun)
        shown = f"{rate:,.0f}/s" if rate >= 1 else f"{rate * 60:,.0f}/min" if rate * 60 >= 1 else "slowly"
        return f", {shown}, {duration(max(1, round(left / rate)))} left"


def still_words(status: StatusReport) -> str:
    """Why there is nothing more to watch, where gateways still have something to come."""
    waiting = sum(row.gateways.pending for row in status.rows if row.gateways is not None)
    return (
        ""
        if status.final
        else f"Nothing is on its way: {plural(waiting, 'gateway')} in campaigns that don't run."
    )
