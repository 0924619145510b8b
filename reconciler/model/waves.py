"""Who is in which wave: exact shares, in an order that is the same on every machine.

Tests: `tests/rollout/test_rollout_waves.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

from reconciler.model.rollouts import Wave


def assigned(gateways: frozenset[str], waves: Sequence[Wave], seed: str) -> tuple[frozenset[str], ...]:
    """The gateways of each wave, disjoint.

    A wave takes of those who are meant, in the order of `ordered`, who is in no earlier wave, until its share
    of those who are meant is taken by it and the waves before it.
    """
    return _assigned(gateways, tuple(waves), seed)


@lru_cache(maxsize=4)
def _assigned(gateways: frozenset[str], waves: tuple[Wave, ...], seed: str) -> tuple[frozenset[str], ...]:
    """A hash for each gateway of a fleet: of what is looked at again and again it is made once."""
    taken: set[str] = set()
    found: list[frozenset[str]] = []
    line: _Line | None = None
    for wave in waves:
        if wave.candidates is None:
            # Of a whole fleet nothing is copied to be counted.
            lacking = wave.share.of(len(gateways)) - len(taken)
            if lacking >= len(gateways) - len(taken):
                mine = gateways - taken
            elif lacking <= 0:
                mine = frozenset()
            else:
                line = line or _Line(gateways, seed)
                mine = line.take(lacking, taken)
        else:
            meant = gateways & wave.candidates
            free = meant - taken
            lacking = max(0, wave.share.of(len(meant)) - (len(meant) - len(free)))
            mine = free if lacking >= len(free) else frozenset(ordered(free, seed)[:lacking])
        taken |= mine
        found.append(mine)
    return tuple(found)


def sizes(gateways: frozenset[str], waves: Sequence[Wave], seed: str) -> list[int]:
    """How many gateways each wave has: where none names any, nobody has to know which."""
    if any(wave.candidates is not None for wave in waves):
        return list(map(len, assigned(gateways, waves, seed)))
    found: list[int] = []
    for wave in waves:
        found.append(max(0, wave.share.of(len(gateways)) - sum(found)))
    return found


def ordered(gateways: frozenset[str], seed: str) -> list[str]:
    """`gateways` by a hash that `seed` keys: with another seed other ones come first."""
    return [each[_DIGEST:].decode() for bucket in _buckets(gateways, seed) for each in sorted(bucket)]


_DIGEST = 8
"""Bytes of a hash."""


class _Line:
    """`ordered`, of which nothing is sorted that isn't asked for."""

    def __init__(self, gateways: frozenset[str], seed: str) -> None:
        self._buckets = _buckets(gateways, seed)
        self._at = 0
        """The bucket before which everybody is taken."""

    def take(self, number: int, taken: set[str]) -> frozenset[str]:
        """The first `number` that are not `taken`: there are as many, and now they are, too."""
        found: set[str] = set()
        while len(found) < number:
            bucket = self._buckets[self._at]
            free = {each[_DIGEST:].decode() for each in bucket} - taken
            if len(found) + len(free) > number:
                in_turn = (each[_DIGEST:].decode() for each in sorted(bucket))
                found.update([each for each in in_turn if each in free][: number - len(found)])
            else:
                found |= free
                self._at += 1
        return frozenset(found)


def _buckets(gateways: frozenset[str], seed: str) -> list[list[bytes]]:
    """Hashes, each with its gateway behind it, by their first byte."""
    key = blake2b(seed.encode(), digest_size=16).digest()
    begun = blake2b(digest_size=_DIGEST, key=key).copy
    buckets: list[list[bytes]] = [[] for _ in range(256)]
    for gateway in gateways:
        name, hashed = gateway.encode(), begun()
        hashed.update(name)
        digest = hashed.digest()
        buckets[digest[0]].append(digest + name)
    return buckets
