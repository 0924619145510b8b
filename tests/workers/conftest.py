"""Real processes on loopback: a scheduler with two workers for all tests, a server for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from counting_server import CountingServer, counting_server
from worker_processes import Nursery, WorkerProcesses

TOKEN = "token-canary-77aa"


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where schedulers and workers come from."""
    with Nursery() as born:
        yield born


@pytest.fixture(scope="session")
def two_workers(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcesses]:
    """Two workers that nobody hurts."""
    with WorkerProcesses(nursery, tmp_path_factory.mktemp("workers")) as cluster:
        for name in ("alpha", "beta"):
            cluster.begin(name, env={"PULSE_TOKEN": TOKEN})
        for name in ("alpha", "beta"):
            cluster.there(name)
        yield cluster


@pytest.fixture
def cluster(nursery: Nursery, tmp_path: Path) -> Iterator[WorkerProcesses]:
    """A scheduler without workers, for a test alone."""
    with WorkerProcesses(nursery, tmp_path) as alone:
        yield alone


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with counting_server() as counting:
        yield counting
