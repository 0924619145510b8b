"""Who is in which wave: exact shares, in an order that is the same on every machine.

Tests: `tests/rollout/test_rollout_waves.py`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
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


def assigned(gateways: frozenset[str], waves: Sequence[Wave], seed: str, ends: Sequence[str] = ()) -> Waves:
    """The gateways of each wave, disjoint.

    A wave takes of those who are meant, in the order of `ordered`, who is in no earlier wave, until its share
    of those who are meant is taken by it and the waves before it.

    `ends`: those of the same gateways, waves and seed, from `Waves.ends`, where somebody noted them.
    """
    return _assigned(gateways, tuple(waves), seed, tuple(ends))


@lru_cache(maxsize=4)
def _assigned(gateways: frozenset[str], waves: tuple[Wave, ...], seed: str, ends: tuple[str, ...]) -> Waves:
    """What is found out about a fleet that is looked at again and again is found out once."""
    return Waves(gateways, waves, seed, ends)


class Waves(Sequence[frozenset[str]]):
    """The gateways of each wave of a fleet, found out only as far as somebody asks.

    The sizes of waves that name nobody follow from their shares. Who is in which of them takes a hash of each
    gateway, and doesn't matter as long as all of them are alike: all in, all done, or none of them. Where it
    is known between whom the waves end, only those are hashed to be counted who stand otherwise than most.
    """

    def __init__(
        self, gateways: frozenset[str], waves: Sequence[Wave], seed: str, ends: Sequence[str] = ()
    ) -> None:
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
        if len(self._runs) == 1:
            self._runs[0].ends = _read_ends(ends, self._runs[0])

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

    @property
    def ends(self) -> tuple[str, ...]:
        """Between whom its waves end, for `assigned`, as far as that is known by now.

        Empty, too, where waves that name gateways stand between those that don't.
        """
        ends = self._runs[0].ends if len(self._runs) == 1 else None
        return ends.written if ends else ()

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
    ends: _Ends | None = field(default=None, init=False)
    """Between whom they end, as noted before or as `line` shows it."""

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
        return self._lined(()).members(number - self.at)

    def counts(self, parts: Sequence[frozenset[str]], *, apart: bool) -> Sequence[Sequence[int]]:
        """How many of each of `parts` are in each of its waves. See `Waves.counts`."""
        known = [self._known(part) for part in parts]
        if None not in known:
            return [each or () for each in known]
        mine = [without(part, self.taken) for part in parts]
        if self.line is None and self.ends:
            few = sum(map(len, mine)) * _FEW < len(self.rest)
            if few and not apart:
                return [self.ends.counts(part & self.rest) for part in mine]
            if apart and (found := self._by_ends(mine, self.ends)):
                return found
        line = self._lined(mine, apart=apart)
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

    def _by_ends(self, parts: Sequence[frozenset[str]], ends: _Ends) -> Sequence[Sequence[int]] | None:
        """The counts of parts that have nobody in common; the largest is what the others leave of each wave.

        None where these can't be the ends.
        """
        left = len(self.rest) - sum(map(len, parts))
        largest = max(range(len(parts)), key=lambda number: len(parts[number]))
        derived = len(parts[largest]) > left
        found = [ends.counts(() if derived and n == largest else part) for n, part in enumerate(parts)]
        others = ends.counts(self.rest.difference(*parts) if derived and left else ())
        free = [size - sum(each) for size, *each in zip(self.sizes, others, *found, strict=True)]
        if derived:
            found[largest] = free
        return found if min(free, default=0) >= 0 else None

    def _lined(self, parts: Sequence[frozenset[str]], *, apart: bool = False) -> _Line:
        """All of its gateways in their order; the ends that this shows are the true ones."""
        if self.line is None:
            self.line = self._made(parts, apart=apart)
            self.ends = self.line.ends
        return self.line

    def _made(self, parts: Sequence[frozenset[str]], *, apart: bool) -> _Line:
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
        key, places, bounds = _keyed(seed), list(accumulate(sizes)), list[bytes]()
        self.ends = _Ends(bounds, len(sizes), seed)
        gateways, firsts = list(hashed.gateways), hashed.firsts
        table, alone = bytearray(256), dict[int, bytes]()
        many, at = Counter(firsts), 0
        for first in range(256):
            until = at + many[first]
            if cuts := [end - at for end in places if at <= end < until]:
                keys = {place: key(gateways[place]) for place in _places(firsts, first)}
                in_order = sorted(keys.values())
                bounds += (in_order[cut] for cut in cuts)
                alone |= keys
            table[first] = bisect_right(bounds, bytes([first]))
            at = until
        marks = bytearray(firsts.translate(table))
        for place, key_there in alone.items():
            marks[place] = bisect_right(bounds, key_there)
        self._marks = bytes(marks)
        """The wave of each gateway, in the order of `hashed`; one more than the last: it is in none."""

    def members(self, wave: int) -> frozenset[str]:
        """Who is in the wave with this number, from 0 on."""
        return frozenset(compress(self.hashed.gateways, map(wave.__eq__, self._marks)))

    def counts(self, some: frozenset[str], everyone: frozenset[str]) -> Sequence[int]:
        """How many of `some` are in each wave, of `everyone` in the line."""
        marks: Iterable[int]
        if (place := self.hashed.place_of(some)) is not None:
            marks = self._marks[place : place + len(some)]
        elif len(some) * _FEW < len(everyone):
            return self.ends.counts(some & everyone)
        else:
            marks = compress(self._marks, map(some.__contains__, self.hashed.gateways))
        return self.ends.told(marks)


@dataclass(frozen=True, slots=True)
class _Ends:
    """Between whom waves end: the key of the first gateway behind each, as far as there is one."""

    keys: Sequence[bytes]
    waves: int
    seed: str

    @property
    def written(self) -> tuple[str, ...]:
        """As text: a hash in hex, and a name. Read by `_read_ends`."""
        return tuple(key[:_SIZE].hex() + key[_SIZE:].decode() for key in self.keys)

    def counts(self, some: Collection[str]) -> list[int]:
        """How many of `some` are in each wave."""
        digests = chain.from_iterable(map(_pieces, _digests(some, self.seed)))
        keys = map(bytes.__add__, digests, map(str.encode, some))
        return self.told(map(partial(bisect_right, self.keys), keys))

    def told(self, marks: Iterable[int]) -> list[int]:
        """How many `marks` name each wave."""
        found = Counter(marks)
        return [found[wave] for wave in range(self.waves)]


def _read_ends(written: Sequence[str], run: _Run) -> _Ends | None:
    """Ends that were noted, where they may be those of `run`: as many, in order, of its gateways."""
    names = [each[2 * _SIZE :] for each in written]
    many = sum(end < len(run.rest) for end in accumulate(run.sizes))
    if not names or len(names) != many or not run.rest.issuperset(names):
        return None
    keys = list(map(_keyed(run.seed), names))
    ends = _Ends(keys, len(run.sizes), run.seed)
    return ends if keys == sorted(keys) and ends.written == tuple(written) else None


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
    firsts = b"".join(digests[::_SIZE] for digests in _digests(chain.from_iterable(parts), seed))
    return _Hashed(parts, firsts)


def _digests(gateways: Iterable[str], seed: str) -> Iterator[bytes]:
    """The hashes of `gateways`, one behind the other, in pieces."""
    begun, names = _begun(seed), map(str.encode, gateways)
    while some := list(islice(names, _AT_ONCE)):
        made = list(starmap(begun, repeat((), len(some))))
        deque(map(blake2b.update, made, some), maxlen=0)
        yield b"".join(map(blake2b.digest, made))


def _pieces(digests: bytes) -> Iterator[bytes]:
    """Each of the hashes."""
    return (digests[at : at + _SIZE] for at in range(0, len(digests), _SIZE))


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
