"""Exact shares, disjoint waves, the same on every machine."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reconciler.model.waves as waves_of
from reconciler.model import Share, Wave
from reconciler.model.waves import Waves, assigned, ordered, sizes

IDS = st.frozensets(st.text("abcdefg0123", min_size=1, max_size=5), max_size=60)
SHARES = st.one_of(st.builds(Share, st.integers(1, 40)), st.builds(Share, st.none(), st.integers(1, 100_000)))


def fleet(number: int) -> frozenset[str]:
    return frozenset(f"gw-{each:05}" for each in range(number))


def percent(value: float) -> Share:
    return Share(thousandths=round(value * 1000))


@pytest.mark.parametrize(
    ("total", "shares", "sizes"),
    [
        (20, (1.0, 10.0, 100.0), [1, 1, 18]),
        (5000, (1.0, 10.0, 50.0, 100.0), [50, 450, 2000, 2500]),
        (3, (0.001, 50.0, 100.0), [1, 1, 1]),
        (0, (1.0, 100.0), [0, 0]),
    ],
)
def test_shares_are_cumulative_and_rounded_up(
    total: int, shares: tuple[float, ...], sizes: list[int]
) -> None:
    waves = [Wave(f"w{share}", percent(share)) for share in shares]
    assert list(map(len, assigned(fleet(total), waves, "seed"))) == sizes


def test_the_canaries_count_in_the_shares_after_them() -> None:
    canaries = frozenset(["gw-00003", "gw-00004", "stranger"])
    waves = [Wave("canary", candidates=canaries), Wave("w", percent(1)), Wave("rest")]
    found = assigned(fleet(500), waves, "seed")
    assert found[0] == frozenset(["gw-00003", "gw-00004"])
    assert [len(each) for each in found] == [2, 3, 495]


def test_what_no_wave_names_is_in_none() -> None:
    found = assigned(fleet(10), [Wave("w", Share(4))], "seed")
    assert list(map(len, found)) == [4]


@given(IDS, st.lists(st.builds(Wave, st.just("w"), SHARES, st.one_of(st.none(), IDS)), max_size=6), st.text())
def test_waves_are_disjoint_exact_and_of_the_fleet(
    gateways: frozenset[str], waves: list[Wave], seed: str
) -> None:
    found = assigned(gateways, waves, seed)
    taken: set[str] = set()
    for wave, members in zip(waves, found, strict=True):
        meant = gateways if wave.candidates is None else gateways & wave.candidates
        assert not members & taken
        assert members <= meant
        before = len(meant & taken)
        taken |= members
        assert len(meant & taken) == max(before, wave.share.of(len(meant)))
        if wave.candidates is None:
            free = [each for each in ordered(gateways, seed) if each not in taken - members]
            assert members == frozenset(free[: len(members)])
    assert list(sizes(gateways, waves, seed)) == list(map(len, found))
    assert found.everyone == taken


@given(IDS, st.text())
def test_newcomers_move_nobody_of_the_first_wave_but_at_its_edge(gateways: frozenset[str], seed: str) -> None:
    wave = [Wave("w", Share(5)), Wave("rest")]
    before = assigned(gateways, wave, seed)[0]
    after = assigned(gateways | {"zz-newcomer"}, wave, seed)[0]
    assert len(before - after) <= 1


def test_an_order_is_that_of_the_keyed_hashes() -> None:
    """As rollouts that are under way have it: another one would release others."""
    key = blake2b(b"line-3", digest_size=16).digest()

    def hashed(gateway: str) -> tuple[bytes, str]:
        return blake2b(gateway.encode(), digest_size=8, key=key).digest(), gateway

    many = fleet(3000)
    in_order = sorted(many, key=hashed)
    assert ordered(many, "line-3") == in_order
    found = assigned(many, [Wave("w", Share(7)), Wave("v", percent(10)), Wave("u", percent(50))], "line-3")
    assert tuple(found) == tuple(frozenset(in_order[a:b]) for a, b in ((0, 7), (7, 300), (300, 1500)))


@st.composite
def divided(draw: st.DrawFn) -> tuple[frozenset[str], list[Wave], list[frozenset[str]]]:
    """A fleet, waves, and parts of it that mostly have nobody in common; some know strangers, or nobody."""
    names = draw(st.lists(st.integers(0, 10**6).map("gw-{}".format), unique=True, max_size=300))
    named = (
        st.lists(st.sampled_from(names), unique=True).map(frozenset) if names else st.just(frozenset[str]())
    )
    shares = st.one_of(SHARES, st.builds(Share, st.integers(1, 400)))
    waves = draw(st.lists(st.builds(Wave, st.just("w"), shares, st.one_of(st.none(), named)), max_size=6))
    ends = [0, *sorted(draw(st.lists(st.integers(0, len(names)), max_size=4))), len(names)]
    parts = [frozenset(names[a:b]) for a, b in pairwise(ends)]
    more = draw(st.lists(st.sampled_from([frozenset(names), frozenset({"x"}), frozenset(names[:3]) | {"x"}])))
    return frozenset(names), waves, draw(st.permutations([*parts, *more]))


@given(divided(), st.booleans(), st.data())
def test_what_is_counted_is_who_is_in_the_waves(
    divided: tuple[frozenset[str], list[Wave], list[frozenset[str]]], known: bool, data: st.DataObject
) -> None:
    """Whatever was asked before, whichever way is the quickest: each wave as a set says the same."""
    gateways, waves, parts = divided
    sets = list(Waves(gateways, waves, "seed"))
    found = Waves(gateways, waves, "seed")
    if known and waves:
        number = data.draw(st.integers(0, len(waves) - 1))
        assert found[number] == sets[number]
    for some in (parts[: len(parts) // 2], parts, parts[:1]):
        told = found.counts(*some)
        assert [list(each) for each in told] == [[len(part & wave) for wave in sets] for part in some]
    assert list(found) == sets


FIVE = (
    Wave("canary", Share(100)),
    *(Wave(f"{share} %", percent(share)) for share in (1.0, 10.0, 50.0)),
    Wave("rest"),
)
NAMED = (Wave("canary", candidates=frozenset({"gw-00001", "gw-00002"})), *FIVE)


SPOILED: list[Callable[[list[str]], list[str]]] = [
    lambda ends: ends[1:],
    lambda ends: [ends[0], *ends],
    lambda ends: [ends[0][:16] + "stranger", *ends[1:]],
    lambda ends: ["0123456789abcdef" + ends[0][16:], *ends[1:]],
    lambda ends: [ends[0].replace("a", "A").replace("e", "E") + " ", *ends[1:]],
    lambda ends: [ends[0][16:], *ends[1:]],
    lambda ends: [ends[0][:10], *ends[1:]],
    lambda ends: ["", *ends[1:]],
    lambda ends: ends[::-1] if len(ends) > 1 else [],
    lambda ends: [],
]
"""What is no end of the same waves any more: a state may be older, or edited."""


@pytest.mark.parametrize("spoiled", range(len(SPOILED)))
def test_ends_that_are_spoiled_count_for_nothing(spoiled: int) -> None:
    everyone = fleet(2_000)
    made = Waves(everyone, FIVE, "seed")
    assert len(made[1]) == 0 < len(made[2])
    assert len(made.ends) == 4
    assert Waves(everyone, FIVE, "seed", made.ends).ends == made.ends
    assert Waves(everyone, FIVE, "seed", SPOILED[spoiled]([*made.ends])).ends == ()
    assert Waves(everyone, FIVE, "other", made.ends).ends == ()


@given(divided(), st.sampled_from([None, *SPOILED]), st.randoms(use_true_random=False))
def test_what_is_counted_by_noted_ends_is_the_same(
    divided: tuple[frozenset[str], list[Wave], list[frozenset[str]]],
    spoiled: Callable[[list[str]], list[str]] | None,
    random: Random,
) -> None:
    gateways, waves, _ = divided
    made = Waves(gateways, waves, "seed")
    sets = list(made)
    ends = [*made.ends]
    if spoiled and ends:
        ends = spoiled(ends)
    found = Waves(gateways, waves, "seed", ends)
    assert found.ends == (() if spoiled and ends != [*made.ends] else made.ends)
    names = sorted(gateways)
    random.shuffle(names)
    places = [0, *sorted(random.randint(0, len(names)) for _ in range(3)), random.choice((len(names), 0))]
    parts = [frozenset(names[a:b]) for a, b in pairwise(places)]
    for some in (parts, parts[:1], parts[1:]):
        expected = [[len(part & wave) for wave in sets] for part in some]
        few = [part | {"stranger"} for part in some]
        for told in (found.counts(*some, apart=True), found.counts(*few), found.counts(*some)):
            assert [list(each) for each in told] == expected
    assert list(found) == sets


def test_ends_of_others_that_look_right_are_seen_where_they_can_not_be(hashed: list[str]) -> None:
    """Whoever notes them says of whom they are; what can't be is counted anew all the same."""
    everyone = fleet(1_000)
    line = ordered(everyone, "seed")
    waves = [Wave("few", Share(10)), Wave("rest")]
    wrong = Waves(everyone, [Wave("few", Share(500)), Wave("rest")], "seed")
    assert len(wrong[0]) == 500
    found = Waves(everyone, waves, "seed", wrong.ends)
    assert found.ends == wrong.ends
    failed = frozenset(line[:300])
    assert [*map(list, found.counts(failed, everyone - failed, apart=True))] == [[10, 290], [0, 700]]
    assert found.ends != wrong.ends


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The gateways that were hashed, in that order."""
    found: list[str] = []

    class Watched:
        def __init__(self, *key: bytes, **how: Any) -> None:
            self._made = blake2b(*key, **how)

        def copy(self) -> "Watched":
            other = Watched()
            other._made = self._made.copy()
            return other

        def update(self, name: bytes) -> None:
            found.append(name.decode())
            self._made.update(name)

        def digest(self) -> bytes:
            return self._made.digest()

    monkeypatch.setattr(waves_of, "blake2b", Watched)
    return found


@pytest.mark.parametrize("waves", [FIVE, NAMED])
def test_where_all_are_alike_none_is_hashed(waves: Sequence[Wave], hashed: list[str]) -> None:
    everyone = fleet(20_000)
    found = Waves(everyone, waves, "seed")
    again = frozenset(sorted(everyone))
    others = frozenset[str]()
    assert list(map(list, found.counts(everyone, others, again))) == [
        list(found.sizes),
        [0] * len(waves),
        list(found.sizes),
    ]
    assert sum(found.sizes) == 20_000
    assert found.everyone is everyone
    assert hashed == []


def test_canaries_that_stand_otherwise_take_no_hash_either(hashed: list[str]) -> None:
    everyone, canaries = fleet(20_000), frozenset({"gw-00001", "gw-00002"})
    found = Waves(everyone, NAMED, "seed")
    done, idle = found.counts(canaries, everyone - canaries)
    assert (list(done), list(idle)) == ([2, 0, 0, 0, 0, 0], [0, *found.sizes[1:]])
    assert hashed == []


def test_a_gateway_is_hashed_once_except_where_a_wave_ends(hashed: list[str]) -> None:
    """256 parts: in four of them a wave ends, so their gateways are put in order."""
    everyone = fleet(20_000)
    line = ordered(everyone, "seed")
    inside, failed = frozenset(line[:9_000]), frozenset(line[9_000:10_000])
    hashed.clear()
    found = Waves(everyone, FIVE, "seed")
    told = found.counts(inside, failed, frozenset())
    assert list(map(list, told)) == [[100, 100, 1_800, 7_000, 0], [0, 0, 0, 1_000, 0], [0] * 5]
    assert 20_000 < len(hashed) < 20_000 + 4 * 120
    hashed.clear()
    assert found.counts(inside, failed)[1][3] == 1_000
    assert [*map(len, found)] == list(found.sizes)
    assert list(found.counts(inside | failed)[0]) == [*found.sizes[:4], 0]
    assert hashed == [], "who is in which wave is known by now"
    assert list(found.counts(frozenset(line[50:150]))[0]) == [50, 50, 0, 0, 0]
    assert sorted(hashed) == sorted(line[50:150]), "few are quicker to hash than all to go through"


@pytest.mark.parametrize("waves", [FIVE, NAMED])
def test_where_the_ends_are_known_only_those_who_stand_otherwise_are_hashed(
    waves: Sequence[Wave], hashed: list[str]
) -> None:
    everyone = fleet(20_000)
    line = ordered(everyone, "seed")
    first = Waves(everyone, waves, "seed")
    assert first.ends == (), "nobody was hashed yet"
    idle, failed = frozenset(line[5:905]), frozenset(line[17_000:17_100])
    parts = (everyone - idle - failed, failed, idle)
    told = first.counts(*parts, apart=True)
    assert len(first.ends) == 4
    hashed.clear()
    known = Waves(everyone, waves, "seed", first.ends)
    assert len(hashed) == 4, "the ends themselves"
    assert [*map(list, known.counts(*parts, apart=True))] == [*map(list, told)]
    assert len(hashed) <= 1_004
    hashed.clear()
    assert [*map(list, known.counts(failed, apart=True))] == [list(told[1])]
    assert len(hashed) <= 100
    hashed.clear()
    assert known.counts(idle | {"stranger"}, idle | failed) == known.counts(idle, idle | failed)
    assert len(hashed) <= 4_000, "few"
    hashed.clear()
    assert frozenset().union(*known) == everyone
    assert len(hashed) > 19_000, "who is in a wave is never taken from what was noted"


def test_ends_are_noted_where_all_waves_that_name_nobody_follow_each_other() -> None:
    site = frozenset(sorted(fleet(200))[:50])
    waves = (Wave("w", Share(50)), Wave("site", candidates=site), Wave("rest"))
    found = Waves(fleet(200), waves, "seed")
    assert [len(found[0]), found.ends] == [50, ()]


def test_waves_that_name_gateways_in_between_hash_nobody_twice(hashed: list[str]) -> None:
    everyone = fleet(2_000)
    site = frozenset(sorted(everyone)[:500])
    waves = (Wave("w", Share(50)), Wave("site", candidates=site), Wave("half", percent(50)), Wave("rest"))
    found = Waves(everyone, waves, "seed")
    assert list(map(len, found)) == list(found.sizes)
    assert sum(found.sizes) == 2_000
    assert len(hashed) < 2_000 + 2 * 30


def test_who_is_in_which_wave_is_worked_out_once(hashed: list[str]) -> None:
    some = [Wave("w", percent(10)), Wave("v", percent(50))]
    assert assigned(fleet(40), some, "once")[1] is assigned(fleet(40), some, "once")[1]
    assert set(hashed) == fleet(40)
    hashed.clear()
    assert list(sizes(fleet(40), [*some, Wave("rest")], "never")) == [4, 16, 20]
    assert hashed == [], "nobody has to know who, to know how many"


def test_an_order_is_the_same_in_another_process() -> None:
    code = (
        "from reconciler.model.waves import ordered\n"
        "print(','.join(ordered(frozenset(f'gw-{n}' for n in range(50)), 'line-3')))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert outputs == {",".join(ordered(frozenset(f"gw-{n}" for n in range(50)), "line-3"))}


def test_another_seed_has_other_guinea_pigs() -> None:
    assert ordered(fleet(100), "one")[:10] != ordered(fleet(100), "other")[:10]
