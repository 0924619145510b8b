"""A campaign with fewer gateways: those released, or a sample with the same waves for rehearsals. Pure.

Tests: `tests/rollout/test_rollout_sampling.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from reconciler.model import Assignment, Budget, DesiredCampaign, DesiredRollout, Override, Wave
from reconciler.model.rollouts import Share
from reconciler.model.waves import assigned, ordered

_SMALL = 50
"""So many of each wave are kept where there is room, because a gate that is asked of three says little."""


def sampled(campaign: DesiredCampaign, wish: DesiredRollout, most: int) -> DesiredCampaign:
    """`campaign` with about `most` of its gateways, spread over its waves; every zone and group has one.

    Counts of the policy shrink with them, and are at least 1 where they were.
    """
    fleet = (campaign.gateways or frozenset()) - (campaign.closed or frozenset())
    if len(fleet) <= most:
        return campaign
    whole = assigned(fleet, wish.waves, wish.seed)
    groups = wish.budget.groups if wish.budget and wish.budget.groups else {}
    waves = _kept(whole, [*wish.zones.values(), *groups.values()], wish.seed, most)
    chosen = frozenset[str]().union(*waves)
    share = len(chosen) / len(fleet)
    smaller = replace(
        wish,
        waves=tuple(_smaller(wave, members, share) for wave, members in zip(wish.waves, waves, strict=True)),
        zones={zone: members & chosen for zone, members in wish.zones.items()},
        budget=wish.budget and _budget(wish.budget, chosen, share),
    )
    shrunk = replace(
        campaign,
        gateways=chosen,
        closed=None if campaign.closed is None else frozenset(),
        rollout=smaller,
        zones={zone: members & chosen for zone, members in campaign.zones.items()},
    )
    return for_only(shrunk, chosen)


def _kept(
    waves: Sequence[frozenset[str]], strata: Iterable[frozenset[str]], seed: str, most: int
) -> Sequence[frozenset[str]]:
    total = sum(map(len, waves)) or 1  # the waves may mean nobody
    floor = max(1, min(_SMALL, most // (2 * len(waves))))
    spread = max(0, most - floor * len(waves))
    lines = [ordered(wave, seed) for wave in waves]
    kept = [set(line[: floor + spread * len(line) // total]) for line in lines]
    chosen = set().union(*kept)
    for stratum in strata:
        if not chosen.isdisjoint(stratum):
            continue
        for line, mine in zip(lines, kept, strict=True):
            found = next((each for each in line if each in stratum), None)
            if found is not None:
                mine.add(found)
                chosen.add(found)
                break
    return [frozenset(each) for each in kept]


def _smaller(wave: Wave, members: frozenset[str], share: float) -> Wave:
    """Just these gateways."""
    gate = replace(wave.gate, max_failed=_count(wave.gate.max_failed, share))
    return replace(wave, candidates=members, share=Share(), gate=gate)


def _budget(budget: Budget, chosen: frozenset[str], share: float) -> Budget:
    groups = None
    if budget.groups is not None:
        groups = {name: members & chosen for name, members in budget.groups.items()}
    return replace(budget, count=_count(budget.count, share), groups=groups)


def _count(count: int | None, share: float) -> int | None:
    return count if not count else max(1, round(count * share))


def for_only(campaign: DesiredCampaign, released: frozenset[str]) -> DesiredCampaign:
    """The campaign; what is for single gateways in it is for those only."""
    overrides, schedules, things = campaign.overrides, campaign.schedules, campaign.things
    return replace(
        campaign,
        overrides=None if overrides is None else tuple(_overrides(overrides, released)),
        schedules=None if schedules is None else tuple(_assignments(schedules, released)),
        things=None if things is None else {id_: ids for id_, ids in things.items() if id_ in released},
    )


def _overrides(overrides: Iterable[Override], released: frozenset[str]) -> Iterator[Override]:
    narrowed = (replace(each, gateways=each.gateways & released) for each in overrides)
    return (each for each in narrowed if each.gateways)


def _assignments(schedules: Iterable[Assignment], released: frozenset[str]) -> Iterator[Assignment]:
    for each in schedules:
        if each.gateways is None:
            yield each
        elif mine := each.gateways & released:
            yield replace(each, gateways=mine)
