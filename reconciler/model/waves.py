"""Who is in which wave: exact shares, in an order that is the same on every machine.

Tests: `tests/rollout/test_rollout_waves.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from reconciler.model.rollouts import Wave


def assigned(gateways: frozenset[str], waves: Sequence[Wave], seed: str) -> tuple[frozenset[str], ...]:
    """The gateways of each wave, disjoint.

    A wave takes of those who are meant, in the order of `ordered`, who is in no earlier wave, until its share
    of those who are meant is taken by it and the waves before it.
    """
    taken: set[str] = set()
    found: list[frozenset[str]] = []
    line: list[str] | None = None
    for wave in waves:
        meant = gateways if wave.candidates is None else gateways & wave.candidates
        free = meant - taken
        lacking = wave.share.of(len(meant)) - (len(meant) - len(free))
        if lacking >= len(free):
            mine = free
        elif lacking <= 0:
            mine = frozenset()
        elif wave.candidates is None:
            line = line or ordered(gateways, seed)
            mine = _first(line, free, lacking)
        else:
            mine = frozenset(ordered(free, seed)[:lacking])
        taken |= mine
        found.append(mine)
    return tuple(found)


def ordered(gateways: frozenset[str], seed: str) -> list[str]:
    """`gateways` by a hash that `seed` keys: with another seed other ones come first."""
    key = blake2b(seed.encode(), digest_size=16).digest()
    hashed = [(blake2b(each.encode(), digest_size=8, key=key).digest(), each) for each in gateways]
    return [each for _, each in sorted(hashed)]


def _first(line: Sequence[str], free: frozenset[str], number: int) -> frozenset[str]:
    found: set[str] = set()
    for each in line:
        if each in free:
            found.add(each)
            if len(found) == number:
                break
    return frozenset(found)
