"""Seeded runs, and the table at the end of a soak."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import pytest

COUNTS = "soak"
"""The property of a test in which it tells what it counted."""

Record = Callable[[str, object], None]


def run_all(
    seeds: Iterable[int],
    run: Callable[[int], Mapping[str, int]],
    record: Record,
    *,
    what: str,
    alone: str,
    wrong: type[Exception],
) -> None:
    """Make the `run` of each seed, which gives its counts; failures (`wrong`) at once, each with its story.

    `what` names the runs in the table; `alone` are the settings with which `make soak` makes just one.
    """
    counts: Counter[str] = Counter()
    failures: dict[str, str] = {}
    stories = []
    for seed in seeds:
        counts[what] += 1
        try:
            counts.update(run(seed))
        except wrong as error:
            again, story = f"SOAK_SEED={seed} {alone} make soak", str(error)
            failures[again] = story.rpartition("\n")[2][:200]
            stories.append(f"{again}\n{story}")
    record(COUNTS, json.dumps({**counts, "failures": failures}))
    if failures:
        pytest.fail("\n\n".join(stories), pytrace=False)


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
    for name, count in sorted(total.items(), key=lambda item: (" " in item[0], _in_order(item[0]))):
        terminalreporter.line(f"{count:9,}  {name}")
    terminalreporter.line(f"{len(failures):9,}  failures")
    for again, why in sorted(failures.items()):
        terminalreporter.line(f"{again}  # {why}", red=True)


def _in_order(name: str) -> list[tuple[int, str]]:
    """``P2 held`` before ``P10 held``."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"([0-9]+)", name)]


def _ended(terminalreporter: pytest.TerminalReporter) -> Iterator[pytest.TestReport]:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            if report.when == "call":
                yield report
