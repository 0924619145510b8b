"""Who is in which wave: exact shares, in an order that is the same on every machine.

Tests: `tests/rollout/test_rollout_waves.py`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate, chain, compress, groupby, islice, repeat, starmap
from typing import Final, overload

from reconciler.model.rollouts import Wave
from reconciler.model.sets import count_shared, within, without

_EMPTY: Final[frozenset[str]] = frozenset()
_FEW: Final = 4
"""Sets of less than this part of a line are hashed to be counted; for larger ones it is gone through."""
_AT_ONCE: Final = 256
"""So many are hashed side by side, step after step: quicker than one after the other."""
_SIZE: Final = 8
"""Bytes of a hash."""


def assigned(gateways: frozenset[str], waves: Sequence[Wave], seed: str) -> Waves:
    """The gateways of each wave, disjoint.

    A wave takes of those who are meant, in the order of `ordered`, who is in no earlier wave, until its share
    of those who are meant is taken by it and the waves before it.
    """
    return _assigned(gateways, tuple(waves), seed)


@lru_cache(maxsize=4)
def _assigned(gateways: frozenset[str], waves: tuple[Wave, ...], seed: str) -> Waves:
    """What is found out about a fleet that is looked at again and again is found out once."""
    return Waves(gateways, waves, seed)


class Waves(Sequence[frozenset[str]]):
    """The gateways of each wave of a fleet, found out only as far as somebody asks.

    The sizes of waves that name nobody follow from their shares. Who is in which of them takes a hash of each
    gateway, and doesn't matter as long as all of them are alike: all in, all done, or none of them.
    """

    def __init__(self, gateways: frozenset[str], waves: Sequence[Wave], seed: str) -> None:
        self._gateways = gateways
        self._sets: dict[int, frozenset[str]] = {}
        """By their places, the waves of which somebody asked who is in them."""
        self._runs: list[_Run] = []
        """Those that follow each other without naming anybody."""
        self._named: list[int] = []
        """The places of those that do."""
        taken: frozenset[str] = _EMPTY
        sizes: list[int] = []
        hashed: _Hashed | None = None
        for names, these in groupby(waves, lambda wave: wave.candidates is not None):
            if names:
                for run in self._runs[-1:]:
                    taken = taken.union(*map(self._of, run.numbers))
                    hashed = run.hashed
                for wave in these:
                    self._named.append(len(sizes))
                    mine = self._sets[len(sizes)] = _named(wave, gateways, taken, seed)
                    taken |= mine
                    sizes.append(len(mine))
            else:
                at, before = len(sizes), len(taken)
                for wave in these:
                    sizes.append(max(0, wave.share.of(len(gateways)) - before))
                    before += sizes[-1]
                self._runs.append(_Run(taken, without(gateways, taken), at, sizes[at:], seed, hashed))
        self.sizes: Final[tuple[int, ...]] = tuple(sizes)
        """How many gateways each wave has."""

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, place: int) -> frozenset[str]: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[frozenset[str]]: ...
    def __getitem__(self, place: int | slice) -> frozenset[str] | Sequence[frozenset[str]]:
        numbers = range(len(self))[place]
        return self._of(numbers) if isinstance(numbers, int) else [self._of(each) for each in numbers]

    def _of(self, number: int) -> frozenset[str]:
        if number not in self._sets:
            run = next(run for run in self._runs if number in run.numbers)
            self._sets[number] = run.members(number)
        return self._sets[number]

    @property
    def everyone(self) -> frozenset[str]:
        """Who is in any of them."""
        return self._gateways if sum(self.sizes) == len(self._gateways) else _EMPTY.union(*self)

    def counts(self, *parts: frozenset[str], apart: bool = False) -> Sequence[Sequence[int]]:
        """How many of each of `parts` are in each wave; who is not of the fleet is in none.

        Parts that have nobody in common are counted quickest, all at once. `apart`: they are known to have
        nobody in common, and to be of the fleet.
        """
        found = [[0] * len(self) for _ in parts]
        for run in self._runs:
            for counts, told in zip(found, run.counts(parts, apart=apart), strict=True):
                counts[run.numbers.start : run.numbers.stop] = told
        for number in self._named:
            for counts, part in zip(found, parts, strict=True):
                counts[number] = count_shared(self._sets[number], part)
        return found


def _named(wave: Wave, gateways: frozenset[str], taken: frozenset[str], seed: str) -> frozenset[str]:
    meant = gateways & (wave.candidates or _EMPTY)
    free = meant - taken
    lacking = max(0, wave.share.of(len(meant)) - (len(meant) - len(free)))
    return free if lacking >= len(free) else frozenset(ordered(free, seed)[:lacking])


def sizes(gateways: frozenset[str], waves: Sequence[Wave], seed: str) -> Sequence[int]:
    """How many gateways each wave has: where none names any, nobody has to know which."""
    return assigned(gateways, waves, seed).sizes


def ordered(gateways: Collection[str], seed: str) -> list[str]:
    """`gateways` by a hash that `seed` keys: with another seed other ones come first."""
    return sorted(gateways, key=_keyed(seed))


@dataclass(eq=False)
class _Run:
    """Waves that divide what those before them left, by their shares."""

    taken: frozenset[str]
    """Who is in a wave before them."""
    rest: frozenset[str]
    """Who is not."""
    at: int
    """The place of the first of them."""
    sizes: Sequence[int]
    seed: str
    earlier: _Hashed | None = None
    """The hashes of all of `rest`, and others, if they were made."""
    line: _Line | None = field(default=None, init=False)

    @property
    def numbers(self) -> range:
        """Their places."""
        return range(self.at, self.at + len(self.sizes))

    @property
    def hashed(self) -> _Hashed | None:
        """The hashes of its gateways, if they were made."""
        return self.line.hashed if self.line else self.earlier

    def members(self, number: int) -> frozenset[str]:
        """Who is in one of its waves."""
        size = self.sizes[number - self.at]
        if size in (0, len(self.rest)):
            return self.rest if size else _EMPTY
        if self.line is None:
            self.line = self._made(())
        return self.line.members(number - self.at)

    def counts(self, parts: Sequence[frozenset[str]], *, apart: bool) -> Sequence[Sequence[int]]:
        """How many of each of `parts` are in each of its waves. See `Waves.counts`."""
        known = [self._known(part) for part in parts]
        if None not in known:
            return [each or () for each in known]
        mine = [without(part, self.taken) for part in parts]
        line = self.line = self.line or self._made(mine, apart=apart)
        return [
            line.counts(part, self.rest) if each is None else each
            for each, part in zip(known, mine, strict=True)
        ]

    def _known(self, part: frozenset[str]) -> Sequence[int] | None:
        """The counts of a part, if they don't depend on who is in which wave."""
        if not part or part.isdisjoint(self.rest):
            return [0] * len(self.sizes)
        if within(self.rest, part):
            return self.sizes
        if len(self.rest) in self.sizes:
            many = count_shared(self.rest, part)
            return [many if size else 0 for size in self.sizes]
        return None

    def _made(self, parts: Sequence[frozenset[str]], *, apart: bool = False) -> _Line:
        if self.earlier:
            return _Line(self.earlier.only(self.rest), self.sizes, self.seed)
        nobody_else = apart and sum(map(len, parts)) == len(self.rest)
        others = _EMPTY if nobody_else else self.rest.difference(*parts)
        if len(others) + sum(map(len, parts)) == len(self.rest):
            # They have nobody in common, and nobody else: each is hashed by itself, and counted at once.
            return _Line(_hashed((*parts, others), self.seed), self.sizes, self.seed)
        return _Line(_hashed((self.rest,), self.seed), self.sizes, self.seed)


class _Line:
    """Gateways in the order of `ordered`, cut into waves: nothing is sorted but where one ends."""

    def __init__(self, hashed: _Hashed, sizes: Sequence[int], seed: str) -> None:
        self.hashed = hashed
        self._key = _keyed(seed)
        self._ends = list(accumulate(sizes))
        self._bounds: list[bytes] = []
        """The key of the first gateway behind each wave, as far as there is one."""
        gateways, firsts = list(hashed.gateways), hashed.firsts
        table, alone = bytearray(256), dict[int, bytes]()
        many, at = Counter(firsts), 0
        for first in range(256):
            until = at + many[first]
            if cuts := [end - at for end in self._ends if at <= end < until]:
                keys = {place: self._key(gateways[place]) for place in _places(firsts, first)}
                in_order = sorted(keys.values())
                self._bounds += (in_order[cut] for cut in cuts)
                alone |= keys
            table[first] = self._wave(bytes([first]))
            at = until
        marks = bytearray(firsts.translate(table))
        for place, key in alone.items():
            marks[place] = self._wave(key)
        self._marks = bytes(marks)
        """The wave of each gateway, in the order of `hashed`; one more than the last: it is in none."""

    def _wave(self, key: bytes) -> int:
        return bisect_right(self._bounds, key)

    def members(self, wave: int) -> frozenset[str]:
        """Who is in the wave with this number, from 0 on."""
        return frozenset(compress(self.hashed.gateways, map(wave.__eq__, self._marks)))

    def counts(self, some: frozenset[str], everyone: frozenset[str]) -> Sequence[int]:
        """How many of `some` are in each wave, of `everyone` in the line."""
        marks: Iterable[int]
        if (place := self.hashed.place_of(some)) is not None:
            marks = self._marks[place : place + len(some)]
        elif len(some) * _FEW < len(everyone):
            marks = (self._wave(self._key(gateway)) for gateway in some & everyone)
        else:
            marks = compress(self._marks, map(some.__contains__, self.hashed.gateways))
        found = Counter(marks)
        return [found[wave] for wave in range(len(self._ends))]


@dataclass(frozen=True, slots=True)
class _Hashed:
    """Gateways in parts, and the first byte of the hash of each in the same order."""

    parts: tuple[Collection[str], ...]
    firsts: bytes

    @property
    def gateways(self) -> Iterator[str]:
        return chain.from_iterable(self.parts)

    def place_of(self, part: Collection[str]) -> int | None:
        """Where one of the parts begins."""
        places = accumulate(map(len, self.parts), initial=0)
        return next((place for place, each in zip(places, self.parts, strict=False) if each is part), None)

    def only(self, some: frozenset[str]) -> _Hashed:
        """Those that are in `some`."""
        kept = bytes(map(some.__contains__, self.gateways))
        return _Hashed((list(compress(self.gateways, kept)),), bytes(compress(self.firsts, kept)))


def _hashed(parts: tuple[frozenset[str], ...], seed: str) -> _Hashed:
    """The only place that goes through a fleet to hash it; the rest of a hash is needed where a wave ends."""
    begun, firsts = _begun(seed), bytearray()
    gateways = map(str.encode, chain.from_iterable(parts))
    while some := list(islice(gateways, _AT_ONCE)):
        made = list(starmap(begun, repeat((), len(some))))
        deque(map(blake2b.update, made, some), maxlen=0)
        firsts += b"".join(map(blake2b.digest, made))[::_SIZE]
    return _Hashed(parts, bytes(firsts))


def _places(firsts: bytes, first: int) -> Iterator[int]:
    place = firsts.find(first)
    while place >= 0:
        yield place
        place = firsts.find(first, place + 1)


def _keyed(seed: str) -> Callable[[str], bytes]:
    """What tells the place of a gateway in the order: its hash, then its name."""
    begun = _begun(seed)

    def keyed(gateway: str) -> bytes:
        name, made = gateway.encode(), begun()
        made.update(name)
        return made.digest() + name

    return keyed


def _begun(seed: str) -> Callable[[], blake2b]:
    """What makes a hash that is keyed already."""
    key = blake2b(seed.encode(), digest_size=16).digest()
    return blake2b(digest_size=_SIZE, key=key).copy
