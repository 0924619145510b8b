"""Real processes on loopback: a scheduler with two workers for all tests, a server for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from counting_server import CountingServer, counting_server
from worker_processes import WorkerProcesses

TOKEN = "token-canary-77aa"


@pytest.fixture(scope="session")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcesses]:
    """Two workers that nobody hurts."""
    with WorkerProcesses(tmp_path_factory.mktemp("workers")) as cluster:
        cluster.start("alpha", env={"PULSE_TOKEN": TOKEN})
        cluster.start("beta", env={"PULSE_TOKEN": TOKEN})
        yield cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[WorkerProcesses]:
    """A scheduler without workers, for a test alone."""
    with WorkerProcesses(tmp_path) as alone:
        yield alone


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with counting_server() as counting:
        yield counting
