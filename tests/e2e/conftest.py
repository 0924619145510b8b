"""Fixtures of the runs over TCP: an empty server and a folder for a test, warm processes for all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_runs import TOKEN, Live, Workplace

from reconciler.embedded import Running
from tests.e2e.e2e_forks import Forks


@pytest.fixture
def live() -> Iterator[Live]:
    """An empty server that wants the token."""
    with Running(token=TOKEN, record=True) as running:
        yield Live(running)


@pytest.fixture
def place(tmp_path: Path, live: Live, forks: Forks) -> Workplace:
    """A folder with resources, and the server and token in the environment."""
    env = {"RECONCILER_URL": live.url, "RECONCILER_TOKEN": TOKEN}
    return Workplace(tmp_path / "work", env, canaries=[TOKEN], start=forks)


@pytest.fixture
def nowhere(tmp_path: Path, forks: Forks) -> Workplace:
    """A folder with resources; no server is named."""
    return Workplace(tmp_path / "work", start=forks)
