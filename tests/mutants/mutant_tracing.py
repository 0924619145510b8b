"""A plugin of pytest, for the run that learns which test executes what: says how long each test takes.

``$MUTANT_TRACE`` is a folder. ``seconds.json`` in it gets the seconds of each test that passed; the files of
`mutant_calls` are beside it.
"""

import json
import os
from pathlib import Path

import pytest

_SECONDS: dict[str, float] = {}
_FAILED: set[str] = set()
_SKIPPED: set[str] = set()


def _place() -> Path:
    return Path(os.environ["MUTANT_TRACE"]) / os.environ.get("PYTEST_XDIST_WORKER", "main")


def pytest_configure(config: pytest.Config) -> None:
    # Not before: the process of the tests itself is not to be watched, only what it starts.
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        os.environ["MUTANT_CALLS"] = str(_place())
    _note("")


def pytest_runtest_logstart(nodeid: str) -> None:
    _note(nodeid)


def _note(nodeid: str) -> None:
    _place().with_suffix(".test").write_text(nodeid, encoding="utf-8")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _SECONDS[report.nodeid] = _SECONDS.get(report.nodeid, 0.0) + report.duration
    if report.failed:
        _FAILED.add(report.nodeid)
    elif report.skipped:
        _SKIPPED.add(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _FAILED.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        fit = {nodeid: seconds for nodeid, seconds in _SECONDS.items() if nodeid not in _FAILED | _SKIPPED}
        text = json.dumps({"seconds": fit, "failed": sorted(_FAILED)})
        Path(os.environ["MUTANT_TRACE"], "seconds.json").write_text(text, encoding="utf-8")
