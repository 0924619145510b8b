"""The table at the end of a soak."""

import json
from collections import Counter
from collections.abc import Iterator

import pytest

COUNTS = "soak"
"""The property of a test in which it tells what it counted."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    total: Counter[str] = Counter()
    failures: dict[str, str] = {}
    for report in _ended(terminalreporter):
        for name, value in report.user_properties:
            if name == COUNTS:
                counts = json.loads(str(value))
                failures.update(counts.pop("failures"))
                total.update(counts)
    if not total:
        return
    terminalreporter.section("soak")
    for name, count in sorted(total.items(), key=lambda item: (" " in item[0], item[0])):
        terminalreporter.line(f"{count:9,}  {name}")
    terminalreporter.line(f"{len(failures):9,}  failures")
    for again, why in sorted(failures.items()):
        terminalreporter.line(f"{again}  # {why}", red=True)


def _ended(terminalreporter: pytest.TerminalReporter) -> Iterator[pytest.TestReport]:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            if report.when == "call":
                yield report
