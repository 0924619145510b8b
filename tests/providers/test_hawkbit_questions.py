"""What people ask by hand, and what `doctor` wants to know."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from reconciler.errors import Refusal, Refused, Unauthorized
from reconciler.model import Secret
from reconciler.settings import Basic
from tests.hawkbit_standin.app import User
from tests.providers.hawkbit_world import HawkbitWorld, line

Body = Callable[[HawkbitWorld], Awaitable[None]]


def on(folder: Path, body: Body, **settings: object) -> None:
    async def main() -> None:
        async with HawkbitWorld.open(folder, **settings) as world:
            await body(world)

    asyncio.run(main())


def test_a_campaign_and_its_gateways(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, 2, 3))
        asks, key = world.provider.questions, str(world.rollout("line").id)
        world.devices("success", [1])
        world.devices("failure", [2])
        progress = await asks.campaign_progress(key)
        assert (progress.name, progress.status, progress.gateways) == ("line", "running", 3)
        assert {word: n for word, n in progress.states.items() if n} == {
            "finished": 1,
            "error": 1,
            "running": 1,
        }
        assert await asks.gateway_state(key, "gw-01") == "finished"
        failed = await asks.gateway_status(key, "gw-02")
        assert (failed.state, failed.cause) == ("error", "simulated")
        assert "simulated" in failed.execution
        assert await asks.gateway_packages(key, "gw-01") == (str(next(iter(world.server.world.modules))),)
        assert await asks.active_campaigns("gw-03") == (key,)
        assert await asks.active_campaigns("gw-01") == ()
        counts = await asks.counts()
        assert (counts.ready, counts.started, counts.stopped) == (0, 1, 0)
        with pytest.raises(Refused, match="isn't in the rollout"):
            await asks.gateway_state(key, "gw-19")
        with pytest.raises(Refused, match="poll by themselves"):
            await asks.notify(key, "gw-01")

    on(tmp_path, body)


def test_a_gateway_that_nothing_was_done_for_yet(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1, status="STOPPED"))
        key = str(world.rollout("line").id)
        assert await world.provider.questions.gateway_state(key, "gw-01") == "notstarted"
        assert (await world.provider.questions.gateway_status(key, "gw-01")).execution == ()

    on(tmp_path, body)


def test_packages_with_who_brought_them(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1))
        [info] = await world.provider.questions.package_infos()
        assert (info.package.name, info.created_by) == ("fw.bin", "admin")
        assert info.digits is not None
        assert len(info.digits) == 64
        assert await world.provider.questions.package_info(info.package.id) == info
        assert await world.provider.questions.package_info("999") is None

    on(tmp_path, body)


def test_one_call_tells_every_right(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        asks = world.provider.questions
        assert not [probe for probe in await asks.probe() if probe.error]
        world.server.seen.clear()
        world.server.users["admin"] = User("admin", frozenset({"READ_TARGET", "READ_ROLLOUT"}))
        probes = {probe.operation.name: probe for probe in await asks.probe()}
        assert world.server.calls("GET", "POST") == ["GET /rest/v1/userinfo"]
        assert probes["list-rollouts"].error is None
        assert probes["list-rollouts"].tried
        lacking = probes["list-modules"].error
        assert lacking is not None
        assert "READ_SOFTWARE_MODULE" in str(lacking)
        assert Refusal.NOT_PERMITTED in lacking.meaning
        assert not probes["create-rollout"].tried

    on(tmp_path, body)


@pytest.mark.parametrize(
    ("roles", "lacking"),
    [
        ({"ROLE_TENANT_ADMIN"}, set()),
        ({"ROLE_TARGET_ADMIN", "ROLE_REPOSITORY_ADMIN", "ROLE_ROLLOUT_ADMIN"}, set()),
        ({"ROLE_TARGET_ADMIN", "ROLE_ROLLOUT_ADMIN"}, {"list-modules", "get-module"}),
    ],
)
def test_roles_hold_rights(tmp_path: Path, roles: set[str], lacking: set[str]) -> None:
    async def body(world: HawkbitWorld) -> None:
        world.server.users["admin"] = User("admin", frozenset(roles))
        probes = await world.provider.questions.probe()
        assert {p.operation.name for p in probes if p.error and p.tried} >= lacking
        assert bool(lacking) is any(p.error for p in probes)

    on(tmp_path, body)


def test_a_greeting_says_who_is_not_let_in(tmp_path: Path) -> None:
    async def body(world: HawkbitWorld) -> None:
        greeting = await world.provider.questions.greet()
        assert isinstance(greeting.error, Unauthorized)

    on(tmp_path, body, auth=Basic("admin", Secret("X", "wrong")))


@pytest.mark.parametrize(
    ("status", "minutes", "named"),
    [
        ("starting", 6, True),
        ("creating", 60, True),
        ("stopping", 7, True),
        ("deleting", 6, True),
        ("starting", 4, False),
        ("running", 600, False),
        ("paused", 600, False),
    ],
)
def test_a_rollout_that_hangs_is_a_concern(tmp_path: Path, status: str, minutes: int, named: bool) -> None:
    async def body(world: HawkbitWorld) -> None:
        await world.apply(line(1))
        held = world.server.world
        held.slow_ms = 1 << 40
        rollout = world.rollout("line")
        rollout.status, rollout.modified_at = status, held.now() - minutes * 60_000
        concerns = await world.provider.questions.concerns()
        assert bool(concerns) is named
        assert all("'line'" in each and status in each and "minutes" in each for each in concerns)

    on(tmp_path, body)
