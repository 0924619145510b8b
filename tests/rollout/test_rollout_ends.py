"""Between whom waves end, kept in the record of a rollout: of what it holds, and that it is used."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import reconciler.model.waves as waves_of
from reconciler.model import DesiredRollout, ListedGateways, RolloutRecord, Share, Wave
from reconciler.rollout.revisions import ends_of
from tests.rollout.test_rollout_stage import NAMES, _members, look, project, put
from tests.world import World, run

FLEET = frozenset(NAMES)
CLOSED = frozenset(["gw-01"])
CANARY = Wave("canary", candidates=frozenset(["gw-03"]))
WISH = DesiredRollout(
    "careful",
    (CANARY, Wave("half", Share(None, 50_000)), Wave("rest")),
    "seed",
    listed=ListedGateways(FLEET, "d1"),
)


def test_strangers_that_are_closed_decide_nothing() -> None:
    assert ends_of(WISH, FLEET, CLOSED | {"stranger"}) == ends_of(WISH, FLEET, CLOSED) != ""


@pytest.mark.parametrize(
    "other",
    [
        lambda: ends_of(replace(WISH, seed="other"), FLEET, CLOSED),
        lambda: ends_of(replace(WISH, waves=WISH.waves[1:]), FLEET, CLOSED),
        lambda: ends_of(replace(WISH, waves=(CANARY, Wave("half", Share(10)), WISH.waves[2])), FLEET, CLOSED),
        lambda: ends_of(
            replace(WISH, waves=(replace(CANARY, candidates=frozenset(["gw-04"])), *WISH.waves[1:])),
            FLEET,
            CLOSED,
        ),
        lambda: ends_of(replace(WISH, listed=ListedGateways(FLEET, "d2")), FLEET, CLOSED),
        lambda: ends_of(WISH, FLEET, frozenset(["gw-02"])),
        lambda: ends_of(WISH, FLEET, frozenset()),
    ],
)
def test_whatever_decides_the_ends_changes_the_digest(other: Callable[[], str]) -> None:
    assert other() not in ("", ends_of(WISH, FLEET, CLOSED))


@pytest.mark.parametrize(
    "unknown",
    [
        lambda: ends_of(replace(WISH, listed=None), FLEET, CLOSED),
        lambda: ends_of(WISH, frozenset(sorted(FLEET)), CLOSED),
        lambda: ends_of(
            replace(WISH, waves=(replace(CANARY, candidates=frozenset(map(str, range(10_001)))),)),
            FLEET,
            CLOSED,
        ),
    ],
    ids=["no digest", "gateways that a stage chose", "many that are named"],
)
def test_where_it_is_not_known_there_is_none(unknown: Callable[[], str]) -> None:
    assert unknown() == ""


def test_a_look_that_knows_the_ends_hashes_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waves = "[{name: canary, gateways: [gw-03, gw-05]}, {name: half, upTo: 50%}, {}]"
    text = project(waves=waves, policy="  gate: {maxFailedPercent: 100}\n  soak: 1h")

    def record(world: World) -> RolloutRecord:
        (owned,) = world.store.load().campaigns.values()
        assert owned.rollout is not None
        return owned.rollout

    async def body() -> None:
        async with World.open(tmp_path) as world:
            await world.apply(text)
            for _ in range(2):
                await put(world, sorted(*await _members(world)), "ACTIVATION_COMPLETE")
                await look(world, text)
                world.now += 3_600_000
                await look(world, text)
            assert record(world).wave == 3
            await put(world, NAMES, "ACTIVATION_COMPLETE")
            await put(world, NAMES[:4], "FAILED")
            seen = await look(world, text)
            assert len(record(world).ends) == 1
            waves_of._assigned.cache_clear()
            monkeypatch.setattr(waves_of, "_hashed", None)
            again = await look(world, text)
            assert again.waves == seen.waves
            assert sum(wave.failed for wave in again.waves) == 4
            plan = await world.make_plan(text)
            assert (plan.empty, plan.records) == (True, ())

            monkeypatch.undo()
            fewer = text.replace("gw-19", "gw-99")
            before = record(world)
            await look(world, fewer)
            assert record(world).ends_of != before.ends_of, "of other gateways"

    run(body())
