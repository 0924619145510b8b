"""What is read by somebody else, and what they answer: plain values, and the seam to whoever reads.

Reading changes nothing, so a parcel may be lost, or be read twice: whoever misses an answer asks again.

Tests: `tests/readers/test_readers_parcels.py`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from reconciler.errors import NotExecuted, Refusal, Refused, ServerError, Unauthorized, Unclear
from reconciler.model import Membership

READ_SECONDS: Final = 600.0
"""A parcel ends by then: the largest campaign takes minutes of a slow server."""
_SEPARATOR: Final = "\n"


@dataclass(frozen=True, slots=True)
class PartOfCampaign:
    """What is to be read of one campaign."""

    campaign: str
    """The server's id."""
    gateways: tuple[str, ...] | None = None
    """Whose effective packages; None: who is in it."""


@dataclass(frozen=True, slots=True)
class ReadParcel:
    """Parts of campaigns, to be read by one. ``rate`` and ``until`` as those of what is sent."""

    id: str
    parts: tuple[PartOfCampaign, ...]
    rate: float | None = None
    """Calls a second at most; None: as many as the server takes."""
    until: float = math.inf
    """Epoch seconds, after which nothing of it is asked any more."""


_Ids = str | tuple[str, ...]
"""Ids as one text, by lines; one by one where an id has several lines."""


def packed(ids: Collection[str]) -> _Ids:
    """A million ids as one value, which takes no time to hand over."""
    text = _SEPARATOR.join(ids)
    return text if text.count(_SEPARATOR) == len(ids) - 1 else tuple(ids)


def unpacked(ids: _Ids) -> set[str]:
    """The ids again."""
    return set(ids.split(_SEPARATOR) if isinstance(ids, str) else ids)


@dataclass(frozen=True, slots=True)
class PackedMembers:
    """A `Membership`."""

    states: tuple[tuple[str, _Ids], ...]
    closed: _Ids = ()
    values: Mapping[str, tuple[tuple[str, _Ids], ...]] = field(default_factory=dict)
    count: int = 0

    @classmethod
    def of(cls, members: Membership) -> PackedMembers:
        """`members` for the way."""
        return cls(
            _grouped(members.states),
            packed(members.closed),
            {name: _grouped(values) for name, values in members.values.items()},
            len(members),
        )

    def members(self) -> Membership:
        """As it was read."""
        return Membership(
            {state: unpacked(ids) for state, ids in self.states},
            frozenset(unpacked(self.closed)),
            {
                name: {value: frozenset(unpacked(ids)) for value, ids in values}
                for name, values in self.values.items()
            },
        )


def _grouped(groups: Mapping[str, Collection[str]]) -> tuple[tuple[str, _Ids], ...]:
    return tuple((name, packed(ids)) for name, ids in groups.items())


@dataclass(frozen=True, slots=True)
class ReadFault:
    """A `ServerError` that ended a read for good."""

    kind: str
    message: str
    request: str
    status: int | None
    retry_after: float | None
    hint: str | None
    meaning: tuple[str, ...]

    @classmethod
    def of(cls, error: ServerError) -> ReadFault:
        """`error` for the way."""
        kind = next(each.__name__ for each in type(error).__mro__ if each.__name__ in _FAULTS)
        said = error.message.removeprefix(f"{error.request}: ")
        meaning = tuple(sorted(each.value for each in error.meaning))
        return cls(kind, said, error.request, error.status, error.retry_after, error.hint, meaning)

    def error(self) -> ServerError:
        """The same error here."""
        return _FAULTS[self.kind](
            self.message,
            request=self.request,
            status=self.status,
            retry_after=self.retry_after,
            hint=self.hint,
            meaning=frozenset(map(Refusal, self.meaning)),
        )


_FAULTS: Final[Mapping[str, type[ServerError]]] = {
    kind.__name__: kind for kind in (NotExecuted, Unauthorized, Refused, Unclear, ServerError)
}
Overrides = Mapping[str, tuple[str, ...]]
PartRead = PackedMembers | Overrides | ReadFault


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What was read of a parcel. A part that isn't in it was not read to its end."""

    id: str
    parts: Mapping[int, PartRead] = field(default_factory=dict)
    """Index of the part in the parcel → what was read, or why it couldn't be."""
    calls: tuple[tuple[str, str, int], ...] = ()
    """Operation, outcome of a request, how many."""
    limited: int = 0
    """How often the server said that calls come too fast."""
    seconds: float = 0.0
    """How long it took."""

    @property
    def requests(self) -> int:
        """How many were sent for it."""
        return sum(count for _, _, count in self.calls)


class ParcelReader(Protocol):
    """Reads parcels: in processes of this machine, or on other machines."""

    @property
    def slots(self) -> int:
        """How many parcels they read at a time, by now; at least 1."""
        ...

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Held for each parcel that is under way; entering waits while there are enough of them."""
        ...

    async def read(self, parcel: ReadParcel, beside: int) -> ReadReport:
        """What is read of `parcel`. Who is lost with it is replaced, and then it is read again.

        `beside`: how many parcels want a part of the rate, this one too. ReconcilerError when nobody is
        there to read it.
        """
        ...
