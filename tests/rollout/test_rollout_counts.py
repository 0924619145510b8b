"""Waves counted by how their gateways stand, beside the same by sets alone; then whole looks both ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import (
    Budget,
    Claim,
    DesiredRollout,
    DesiredStatus,
    Gate,
    ListedGateways,
    Live,
    LiveCampaign,
    Membership,
    OnDeadline,
    Ownership,
    Phase,
    RolloutRecord,
    Share,
    Wave,
)
from reconciler.model.sets import divided, shared
from reconciler.model.waves import Waves, ordered
from reconciler.rollout import stage
from reconciler.rollout.counts import Tally, WaveCounts, level
from reconciler.rollout.stage import Pace, Paced, paced
from reconciler.state.applied import FORGIVEN, REFUSED, ROLLOUT
from reconciler.state.base import Origin, Owned, RolloutNoted, State
from reconciler.state.folding import fold
from tests.fakes import NOW, PULSE, campaign, desired, rid

FLEET = frozenset(f"gw-{number:03}" for number in range(100))
WAVES = (Wave("canary", Share(10)), Wave("half", Share(thousandths=50_000)), Wave("rest"))
CANARY, HALF, REST = Waves(FLEET, WAVES, "seed")
NOBODY = frozenset[str]()


@pytest.mark.parametrize(
    ("entered", "refused", "expected"),
    [
        (NOBODY, NOBODY, 0),
        (CANARY, NOBODY, 1),
        (FLEET, NOBODY, 3),
        (FLEET - CANARY, NOBODY, 0),
        (FLEET - CANARY, CANARY, 3),
        (CANARY, CANARY | {"stranger"}, 1),
        (frozenset(sorted(CANARY)[:5]), frozenset(sorted(CANARY)[:5]), 0),
    ],
)
def test_the_level_is_how_many_leading_waves_are_in(
    entered: frozenset[str], refused: frozenset[str], expected: int
) -> None:
    assert level(Waves(FLEET, WAVES, "seed"), entered, refused) == expected


def test_a_wave_without_gateways_counts_when_a_later_one_does() -> None:
    waves = (Wave("a", Share(10)), Wave("b", Share(10)), Wave("c", Share(20)), Wave("d", Share(20)))
    found = Waves(FLEET, waves, "seed")
    assert [level(found, each) for each in (found[0], found[0] | found[2])] == [1, 3]


def test_the_intersection_is_the_set_itself_only_where_it_is_all_of_it() -> None:
    assert shared(CANARY, set(FLEET)) is CANARY
    assert shared(FLEET, CANARY) == CANARY
    strangers = {f"x-{number}" for number in range(200)}
    assert shared(CANARY, strangers | CANARY) is CANARY
    assert shared(FLEET, strangers | CANARY) == CANARY


@given(st.lists(st.integers(0, 4), max_size=12), st.booleans(), st.booleans(), st.permutations(range(4)))
def test_a_whole_is_divided_by_parts_that_have_nobody_in_common_and_leave_nobody_out(
    places: list[int], twice: bool, all_of_it: bool, order: list[int]
) -> None:
    """Each gateway is in the part of its place, 4: in none; now and then the first is in two."""
    parts = [{n for n, place in enumerate(places) if place == part} for part in range(4)]
    if twice and places:
        parts[(places[0] + 1) % 4].add(0)
    whole = frozenset().union(*parts) if all_of_it else frozenset(range(len(places)))
    named = [frozenset(map(str, parts[each])) for each in order]
    expected = sum(map(len, parts)) == len(whole) == len(frozenset().union(*parts))
    assert divided(frozenset(map(str, whole)), named) is expected


@st.composite
def stood(draw: st.DrawFn) -> list[frozenset[str]]:
    """Who is in, done, failed, idle and refused; now and then a gateway is told twice."""
    names = draw(st.permutations(sorted(FLEET)))
    inside, done, failed, idle = sorted(
        draw(st.lists(st.integers(0, 100), min_size=4, max_size=4)), reverse=True
    )
    ends = sorted((done, failed, idle))
    parts = [frozenset(names[a:b]) for a, b in ((0, ends[0]), (ends[0], ends[1]), (ends[1], ends[2]))]
    twice = draw(st.booleans())
    parts[1] |= frozenset(names[:1]) if twice and ends[2] else NOBODY
    refused = frozenset(draw(st.lists(st.sampled_from([*names, "stranger"]), max_size=8)))
    return [frozenset(names[: max(inside, ends[2])]), *parts, refused]


@given(stood())
def test_counts_are_those_of_the_sets(stood: list[frozenset[str]]) -> None:
    entered, done, failed, idle, refused = stood
    found = WaveCounts(Waves(FLEET, WAVES, "seed"), entered, done, failed, idle, refused)

    def tally(wave: frozenset[str], out: frozenset[str] = NOBODY) -> Tally:
        parts = (wave, *(wave & each for each in (entered, done, failed, idle)))
        return Tally(*(len(each - out) for each in parts), 0 if out is refused else len(wave & refused))

    waves = (CANARY, HALF, REST)
    assert found.tallies == tuple(map(tally, waves))
    assert list(found.counted) == [tally(wave, refused) for wave in waves]
    assert found.whole == tally(entered, refused)
    for some in (refused, NOBODY):
        assert list(found.lacking(some)) == [len(wave - entered - some) for wave in waves]


# --- looks -----------------------------------------------------------------------------------------


class BySets(Waves):
    """Every wave as a set, counted by intersections: what is quick must say the same."""

    ends = ()

    def __init__(
        self, gateways: frozenset[str], waves: Sequence[Wave], seed: str, ends: Sequence[str] = ()
    ) -> None:
        line, taken = ordered(gateways, seed), set[str]()
        self._found: list[frozenset[str]] = []
        for wave in waves:
            meant = [each for each in line if wave.candidates is None or each in wave.candidates]
            lacking = wave.share.of(len(meant)) - len(taken.intersection(meant))
            mine = [each for each in meant if each not in taken][: max(0, lacking)]
            taken.update(mine)
            self._found.append(frozenset(mine))
        self.sizes = tuple(map(len, self._found))  # type: ignore[misc]

    def _of(self, number: int) -> frozenset[str]:
        return self._found[number]

    @property
    def everyone(self) -> frozenset[str]:
        return frozenset().union(*self._found)

    def counts(self, *parts: frozenset[str], apart: bool = False) -> Sequence[Sequence[int]]:
        return [[len(part & wave) for wave in self._found] for part in parts]


STATES = ("INSTANTIATED", "WAITING_FOR_DOWNLOAD", "ACTIVATION_COMPLETE", "FAILED")
HOUR = 3_600_000


@dataclass
class Fleet:
    """A campaign in waves; devices, lists, waves and people that change between looks."""

    random: Random
    names: list[str]
    listed: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    states: dict[str, str] = field(default_factory=dict)
    waves: tuple[Wave, ...] = ()
    state: State = field(default_factory=lambda: State("x", "salt"))
    now: int = NOW

    def wave(self, number: int) -> Wave:
        chance = self.random
        few, many = (frozenset(chance.sample(self.names, chance.randint(0, most))) for most in (4, 40))
        share = chance.choice(
            (Share(chance.randint(1, 50)), Share(None, chance.randint(1, 100_000)), Share())
        )
        candidates = chance.choice((None, None, None, few, many))
        gate = Gate(chance.choice((0.0, 50.0, 90.0)), 40.0, chance.choice((1, 20)), chance.choice((None, 9)))
        soak, deadline = chance.choice((0, HOUR)), chance.choice((None, None, 2 * HOUR))
        return Wave(f"w{number}", share, candidates, soak, deadline, gate=gate)

    def changed(self) -> None:
        """The world goes on: lists and waves are edited, devices move on, somebody joins by hand."""
        chance = self.random
        self.now += chance.choice((0, HOUR // 2, 3 * HOUR))
        if not self.waves or chance.random() < 0.1:
            self.waves = (*map(self.wave, range(chance.randint(0, 4))), Wave("rest"))
        if not self.listed or chance.random() < 0.2:
            self.listed ^= set(chance.sample(self.names, chance.randint(1, 60)))
        if chance.random() < 0.1:
            self.closed ^= set(chance.sample(self.names, 3))
        alike = chance.random() < 0.3
        for each in sorted(self.states):
            if alike or chance.random() < 0.5:
                self.states[each] = STATES[2 if alike else chance.choice((0, 1, 2, 2, 2, 2, 2, 3))]
        if chance.random() < 0.1:
            self.states[chance.choice(self.names)] = STATES[0]

    def look(self) -> tuple[Paced, Paced]:
        """The same look, the quick way and by sets."""
        chance = self.random
        wish = DesiredRollout(
            "careful",
            self.waves,
            "seed",
            chance.choice((None, None, Budget(20))),
            on_deadline=chance.choice(tuple(OnDeadline)),
            listed=ListedGateways(gateways := frozenset(self.listed), " ".join(sorted(self.listed))),
        )
        declared = replace(campaign("line", rollout=wish, status=DesiredStatus.STARTED), gateways=gateways)
        wanted = desired(declared)
        by_state = {state: {each for each, its in self.states.items() if its == state} for state in STATES}
        membership = Membership(by_state, frozenset(self.closed & self.states.keys()))
        there = LiveCampaign("1", "line", "STARTED", Phase.RUNNING, gateways=membership)
        live = Live(campaigns={LINE: there}, claims={LINE: Claim(Ownership.OWNED, ("1",))})
        pace = Pace(PULSE, self.now, resume=chance.random() < 0.2)
        quick = paced(wanted, live, self.state, pace)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stage, "assigned", BySets)
            whole = paced(wanted, live, self.state, pace)
        return quick, whole

    def alone(self, found: Paced) -> tuple[object, ...]:
        """All that a look found, but between whom waves end."""
        (wanted,) = found.desired.campaigns
        noted = [each.rollout for each in found.records if isinstance(each, RolloutNoted)]
        others = [each for each in found.records if not isinstance(each, RolloutNoted)]
        (record,) = noted or [self.state.campaigns[LINE].rollout]
        assert record is not None
        assert wanted.begun is not None
        record, begun = (replace(each, ends=(), ends_of="") for each in (record, wanted.begun))
        return replace(wanted, begun=begun), found.rollouts, record, others, found.findings

    def joined(self, found: Paced) -> None:
        """Who was released joins, except for those that the server refuses."""
        (released,) = (each.gateways or NOBODY for each in found.desired.campaigns)
        joins = released - self.states.keys()
        refused = frozenset(each for each in joins if self.random.random() < 0.05)
        self.states |= dict.fromkeys(joins - refused, STATES[0])
        self.state = fold(self.state, found.records)
        known = self.state.campaigns[LINE]
        noted = dict(known.members.get(ROLLOUT, {}))
        noted[REFUSED] = noted.get(REFUSED, NOBODY) | refused
        failed = frozenset(each for each, state in self.states.items() if state == "FAILED")
        if self.random.random() < 0.2:
            noted[FORGIVEN] = failed
        owned = replace(known, members={**known.members, ROLLOUT: noted})
        self.state = replace(self.state, campaigns={LINE: owned})


LINE = rid("line")


def test_looks_see_the_same_whichever_way_waves_are_counted() -> None:
    """Views, records, findings and who may be in, over worlds in which everything changes between looks."""
    seen = Counter[str]()
    for seed in range(60):
        random = Random(seed)
        world = Fleet(random, [f"gw-{random.randint(0, 10**6)}" for _ in range(random.choice((80, 400)))])
        record = random.choice((None, RolloutRecord(wave=1, since=NOW - HOUR)))
        owned = Owned(LINE, "1", Origin.CREATED, status="STARTED", rollout=record)
        world.state = replace(world.state, campaigns={LINE: owned})
        ends: tuple[str, ...] = ()
        for _ in range(25):
            world.changed()
            quick, whole = world.look()
            assert world.alone(quick) == world.alone(whole)
            world.joined(quick)
            (view,) = quick.rollouts
            seen.update([view.status.value, *(wait.reason.value for wait in view.waits)])
            seen.update({"joins": view.joins, "opens": view.opens > 0})
            record = world.state.campaigns[LINE].rollout
            assert record is not None
            seen.update({"ends": bool(record.ends), "same ends": bool(record.ends) and record.ends == ends})
            ends = record.ends
    assert {"aborted", "paused", "complete", "success", "soak", "budget", "joins", "opens", "ends"} <= (
        +seen
    ).keys()
