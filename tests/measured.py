"""What the measurement of coverage counts: what tests reach on purpose, in their own process.

Tracing more than doubles the time of a test. Left out of it are properties (hypothesis), and the tests of
`REPEATED`, which reach again what others reach, many times over or in many processes. So the figure can only
become lower than the truth, and the gate stays one: a line that nothing else reaches needs a test of its own.
"""

import importlib
import os
import pkgutil
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
REPEATED: Mapping[str, str] = {
    "dialects": "the scenarios of `scenarios`, once for each dialect",
    "docs": "the whole program, and Sphinx",
    "e2e": "the whole program, as processes against a server",
    "examples/test_rehearsal.py": "the whole program, as processes against a server",
    "forge/test_forge_workflows.py": "the tools of others",
    "packaging": "the tools of others, and whole interpreters",
    "properties": "random episodes; `scenarios` has those that matter",
    "scale": "the way through the code, whose steps it counts with a tracer of its own",
    "scenarios/test_status_table.py": "every status against every wish; the other scenarios reach the same",
    "soak": "random worlds, as processes against a server",
}
"""Files and folders of tests, each with what it repeats."""
VARIABLE = "COVERAGE_PROCESS_CONFIG"
"""Says to a process what to measure."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """What is run when the package is imported counts, and not how tests are found and rewritten."""
    if _measuring():
        import reconciler

        for module in pkgutil.walk_packages(reconciler.__path__, "reconciler."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    with unmeasured():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    if not _left_out(item):
        return (yield)
    with unmeasured():
        return (yield)


def _left_out(item: pytest.Item) -> bool:
    """Whether what the test does isn't measured."""
    if "MUTANT_TRACE" in os.environ:  # which test executes what is asked of all of them
        return False
    if hasattr(getattr(item, "obj", None), "hypothesis"):
        return True
    return any(item.path.is_relative_to(TESTS / name) for name in REPEATED)


@contextmanager
def unmeasured() -> Iterator[None]:
    """Within the block no coverage is measured, in this process and those that it starts."""
    stopped = []
    # A worker of xdist is measured twice: as a process that was started, and by pytest-cov.
    while measuring := _measuring():
        measuring.stop()
        stopped.append(measuring)
    with pytest.MonkeyPatch.context() as patch:
        if stopped:
            patch.delenv(VARIABLE, raising=False)
        try:
            yield
        finally:
            for measuring in reversed(stopped):
                measuring.start()


def _measuring() -> Any:
    """The measurement that goes on; None where there is none."""
    coverage = sys.modules.get("coverage")
    return coverage.Coverage.current() if coverage else None
