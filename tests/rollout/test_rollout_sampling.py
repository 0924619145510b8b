"""A smaller campaign for a rehearsal: the same waves, and somebody of every zone and group."""

from pathlib import Path

import pytest

from reconciler.model import (
    Assignment,
    Budget,
    DesiredCampaign,
    DesiredRollout,
    Gate,
    Kind,
    Override,
    Place,
    ResourceId,
    Wave,
)
from reconciler.model.rollouts import Share
from reconciler.model.waves import assigned
from reconciler.rollout.sampling import sampled

FLEET = frozenset(f"gw-{number}" for number in range(10_000))
CANARY = frozenset(f"gw-{number}" for number in range(30))
RARE = frozenset({"gw-9999"})
WAVES = (
    Wave("canary", candidates=CANARY, gate=Gate(max_failed=50)),
    Wave("some", Share(thousandths=10_000)),
    Wave("rest"),
)


def campaign(wish: DesiredRollout, **more: object) -> DesiredCampaign:
    resource = ResourceId(Kind.CAMPAIGN, "line-3")
    made = DesiredCampaign(resource, "line-3", Place(Path("a.yaml"), 1, 1), gateways=FLEET, rollout=wish)
    for name, value in more.items():
        object.__setattr__(made, name, value)
    return made


def waves_of(found: DesiredCampaign) -> list[int]:
    wish = found.rollout
    assert wish is not None
    return [len(wave) for wave in assigned(found.gateways or frozenset(), wish.waves, wish.seed)]


def test_who_has_few_keeps_all() -> None:
    wish = DesiredRollout("careful", WAVES, "x")
    whole = campaign(wish)
    assert sampled(whole, wish, 10_000) is whole


@pytest.mark.parametrize("most", [1, 7, 100, 2_000, 9_999])
def test_about_as_many_as_asked_in_every_wave(most: int) -> None:
    wish = DesiredRollout("careful", WAVES, "x")
    found = sampled(campaign(wish), wish, most)
    waves = waves_of(found)
    assert all(waves)
    assert sum(waves) == len(found.gateways or ()) <= max(most, len(WAVES))
    assert found.gateways is not None
    assert found.gateways < FLEET


def test_a_small_wave_is_kept_whole() -> None:
    wish = DesiredRollout("careful", WAVES, "x")
    assert waves_of(sampled(campaign(wish), wish, 2_000))[0] == len(CANARY)


def test_every_zone_and_group_is_kept() -> None:
    most = FLEET - RARE
    budget = Budget(count=400, groups={"big": most, "rare": RARE})
    wish = DesiredRollout("careful", WAVES, "x", budget=budget, zones={"UTC": most, "Asia/Tokyo": RARE})
    found = sampled(campaign(wish), wish, 100)
    assert (found.gateways or frozenset()) >= RARE
    smaller = found.rollout
    assert smaller is not None
    assert smaller.budget is not None
    assert smaller.zones["Asia/Tokyo"] == RARE
    assert (smaller.budget.groups or {})["rare"] == RARE


def test_counts_shrink_and_stay_at_least_one() -> None:
    wish = DesiredRollout("careful", WAVES, "x", budget=Budget(count=400))
    smaller = sampled(campaign(wish), wish, 1_000).rollout
    assert smaller is not None
    assert smaller.budget is not None
    assert 35 <= (smaller.budget.count or 0) <= 45
    assert smaller.waves[0].gate.max_failed == 5
    assert smaller.waves[1].gate.max_failed is None
    tiny = sampled(campaign(wish), wish, 10).rollout
    assert tiny is not None
    assert tiny.waves[0].gate.max_failed == 1


def test_what_is_for_single_gateways_is_for_those_that_are_left() -> None:
    wish = DesiredRollout("careful", WAVES, "x")
    made = campaign(
        wish,
        closed=frozenset({"gw-1"}),
        overrides=(Override(FLEET, ()),),
        schedules=(Assignment({}, FLEET),),
    )
    found = sampled(made, wish, 100)
    assert found.closed == frozenset()
    assert "gw-1" not in (found.gateways or ())
    assert [each.gateways for each in found.overrides or ()] == [found.gateways]
    assert [each.gateways for each in found.schedules or ()] == [found.gateways]


def test_waves_that_mean_nobody_stay_empty() -> None:
    nobody = frozenset({"gw-x"})
    wish = DesiredRollout("careful", (Wave("a", candidates=nobody), Wave("b", candidates=nobody)), "x")
    found = sampled(campaign(wish), wish, 100)
    assert (found.gateways, waves_of(found)) == (frozenset(), [0, 0])
