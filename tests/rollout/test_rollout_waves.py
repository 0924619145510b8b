"""Exact shares, disjoint waves, the same on every machine."""

import subprocess
import sys
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reconciler.model.waves as waves_of
from reconciler.model import Share, Wave
from reconciler.model.waves import assigned, ordered, sizes

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
    assert sizes(gateways, waves, seed) == list(map(len, found))


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
    assert found == tuple(frozenset(in_order[a:b]) for a, b in ((0, 7), (7, 300), (300, 1500)))


def test_who_is_in_which_wave_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def buckets(gateways: frozenset[str], seed: str) -> object:
        made.append(seed)
        return counted(gateways, seed)

    counted = waves_of._buckets
    monkeypatch.setattr(waves_of, "_buckets", buckets)
    some = [Wave("w", percent(10)), Wave("v", percent(50))]
    assert assigned(fleet(40), some, "once") == assigned(fleet(40), some, "once")
    assert made == ["once"]
    assert sizes(fleet(40), [*some, Wave("rest")], "never") == [4, 16, 20]
    assert made == ["once"], "nobody has to know who, to know how many"


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
