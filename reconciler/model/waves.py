"""Who is in which wave: exact shares, in an order that is the same on every machine.

Tests: `tests/rollout/test_rollout_waves.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
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
            # Avoid copying a whole fleet just to count it.
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


def ordered(gateways: Collection[str], seed: str) -> list[str]:
    """`gateways` by a hash that `seed` keys: with another seed other ones come first."""
    begun = _begun(seed)

    def hashed(gateway: str) -> bytes:
        name, made = gateway.encode(), begun()
        made.update(name)
        return made.digest() + name

    return sorted(gateways, key=hashed)


class _Line:
    """`ordered`, of which nothing is sorted that isn't asked for."""

    def __init__(self, gateways: frozenset[str], seed: str) -> None:
        self._seed = seed
        self._buckets = _buckets(gateways, seed)
        self._at = 0
        """The bucket before which everybody is taken."""

    def take(self, number: int, taken: set[str]) -> frozenset[str]:
        """The first `number` that are not `taken`: there are as many, and now they are, too."""
        parts: list[Collection[str]] = []
        while number > 0:
            free = set(self._buckets[self._at]) - taken
            if len(free) > number:
                parts.append(ordered(free, self._seed)[:number])
                break
            parts.append(free)
            number -= len(free)
            self._at += 1
        return frozenset().union(*parts)


def _buckets(gateways: frozenset[str], seed: str) -> list[list[str]]:
    """Gateways by the first byte of their hashes: only where a wave ends, the rest of these is needed."""
    begun = _begun(seed)
    buckets: list[list[str]] = [[] for _ in range(256)]
    for gateway in gateways:
        made = begun()
        made.update(gateway.encode())
        buckets[made.digest()[0]].append(gateway)
    return buckets


def _begun(seed: str) -> Callable[[], blake2b]:
    """What makes a hash that is keyed already."""
    key = blake2b(seed.encode(), digest_size=16).digest()
    return blake2b(digest_size=8, key=key).copy
