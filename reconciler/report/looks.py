"""A look of a controller in a line.

Tests: `tests/controller/test_controller_run.py`.
"""

from __future__ import annotations

from reconciler.text import clean, moment, plural


def look_line(at: int, result: str, steps: int, seconds: float, why: str = "") -> str:
    """``2027-01-10 21:00:00 UTC: applied, 12 steps in 3.2 s``; `at` in epoch milliseconds."""
    sent = f", {plural(steps, 'step')}" if steps else ""
    reason = f": {clean(why)}" if why else ""
    return f"{moment(at)}: {result}{sent} in {seconds:.1f} s{reason}"
