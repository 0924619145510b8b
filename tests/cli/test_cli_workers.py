"""`--workers` of commands that read: what they say and ask is the same. The workers are in this process."""

import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.app import crew as crews
from reconciler.pacing import RateLimiter
from reconciler.providers.opening import opened
from reconciler.settings import LocalWorkers, WorkersAt
from tests.readers.reading_crew import Crew

TWO = ("--workers", "local:2")


class Fleet(Crew):
    """Workers that are none: they read over a connection of their own."""

    async def settle(self) -> None:
        """Nothing was sent."""


@pytest.fixture
def fleets(monkeypatch: pytest.MonkeyPatch) -> list[Fleet]:
    """Every fleet that was started; a request is worth one."""
    cluster = pytest.importorskip("reconciler.workers.cluster")
    access = pytest.importorskip("reconciler.workers.access")
    made: list[Fleet] = []

    @asynccontextmanager
    async def fleet(at: WorkersAt, orders: Any, pace: RateLimiter) -> AsyncIterator[Fleet]:
        assert at == LocalWorkers(2)
        settings = access.settings_here(orders.ref, os.environ, Path.cwd())
        async with opened(settings) as provider:
            made.append(Fleet([provider]))
            yield made[-1]

    monkeypatch.setattr(cluster, "fleet", fleet)
    monkeypatch.setattr(crews, "WORTHWHILE", 1)
    return made


def operations(world: Any) -> Counter[str]:
    """What was asked since this was last asked; not who somebody is."""
    seen = Counter(call.path for call in world.server.calls if call.path != "/api/versions")
    world.server.forget_calls()
    return seen


@pytest.mark.parametrize(
    "command",
    [
        ("plan", "--output", "json"),
        ("plan", "--detailed-exitcode"),
        ("apply", "--dry-run"),
        ("status",),
        ("status", "--output", "json", "--gateways"),
    ],
    ids=" ".join,
)
def test_what_is_said_and_asked_is_the_same(
    world: Any, fleets: list[Fleet], command: tuple[str, ...]
) -> None:
    operations(world)
    alone = world.run(*command, "resources")
    asked = operations(world)
    assert not fleets
    together = world.run(*command, "resources", *TWO)
    assert (together.code, together.out, together.err) == (alone.code, alone.out, alone.err)
    assert operations(world) == asked
    assert [len(each.parcels) > 0 for each in fleets] == [True]


@pytest.mark.parametrize(
    "told",
    [
        {"status": 404, "body": {"message": "there is no such campaign"}},
        {"status": 403, "body": {"message": "you may not"}},
        {"status": 503, "body": {"message": "out of order"}, "headers": {"Retry-After": "400"}},
        {"body": b"<html>sign in here</html>"},
        {"body": {"gateways": "all of them"}},
    ],
    ids=["gone", "forbidden", "failing", "garbage", "odd"],
)
@pytest.mark.parametrize("command", ["plan", "status"])
def test_what_cannot_be_read_is_said_in_the_same_words(
    world: Any, fleets: list[Fleet], command: str, told: dict[str, Any]
) -> None:
    world.proxy.tell("list-gateways", **told)
    ran = []
    for more in ((), TWO):
        found = world.run(command, "resources", *more)
        ran.append((found.code, found.out, found.err, Counter(world.proxy.seen)["list-gateways"]))
        world.proxy.seen.clear()
    assert ran[0] == ran[1]
    assert ran[0][0] == 1
    assert "/devices" in ran[0][2]
    assert fleets[0].parcels


def test_an_apply_reads_by_workers_and_looks_again_by_itself(world: Any, fleets: list[Fleet]) -> None:
    resources = next(iter(Path("resources").glob("*.yaml")))
    before = resources.read_text()
    assert "gw-3" in before
    resources.write_text(before.replace("gw-3", "gw-4"))
    ran = world.run("apply", "--auto-approve", "resources", *TWO)
    assert ran.code == 0, ran.err
    assert [len(each.parcels) > 0 for each in fleets] == [True]
    assert all(part.gateways is None for each in fleets[0].parcels for part in each.parts)
    assert world.run("plan", "--detailed-exitcode", "resources").code == 0


@pytest.mark.parametrize("command", ["plan", "status"])
@pytest.mark.parametrize("workers", ["4", "local:0", "tcp://host:1"])
def test_workers_that_are_none_are_a_mistake_of_the_command_line(
    world: Any, command: str, workers: str
) -> None:
    ran = world.run(command, "resources", "--workers", workers)
    assert ran.code == 64
    assert f"--workers {workers}" in ran.err


@pytest.mark.parametrize("command", ["plan", "status"])
def test_the_embedded_server_has_no_workers(world: Any, command: str) -> None:
    ran = world.run("--url", "embedded:", command, "resources", *TWO)
    assert ran.code == 64
    assert "the embedded server is in this process" in ran.err
