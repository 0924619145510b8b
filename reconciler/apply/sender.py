"""The seam to those who send a part of a run: calls in parcels, for somebody else to send.

Only calls whose repetition changes nothing ever leave the process that holds the lock: whoever carries a
parcel may die with it, or send it twice. What can't be repeated, carries a secret or needs a look stays here.

A parcel is the same call for many gateways, as plain values. Nothing is written down before it is sent; what
its report says done is recorded, and the rest goes out again.

Tests: `tests/contract/test_sender_contract.py`, `tests/apply/test_apply_parcels.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Final, Protocol, assert_never

from reconciler.model import (
    AssignPackages,
    Repeat,
    ScheduleWindow,
    StepGroup,
)
from reconciler.providers.base import Bindings

PARCEL: Final = 1_000
"""Calls of one parcel: less than a second of a fast server, and little beside what it costs to hand over."""
WORTHWHILE: Final = 2_000
"""Fewer calls than that are sent here."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """The same call for each of `gateways`. Plain values, and no secret among them.

    ``rate`` is for the sender to fill in, and ``until`` for it to make earlier.
    """

    id: str
    """Of this parcel; a part that goes out again is another one."""
    group: str
    """The key of the steps that it is of, for messages."""
    operation: str
    """The name of the call."""
    resource: str
    """The resource of the campaign."""
    target: str
    """The server's id of that."""
    gateways: tuple[str, ...]
    phase: str | None = None
    """What a window gates; None: it is no window."""
    window: tuple[int, int] | None = None
    """Epoch milliseconds."""
    packages: tuple[str, ...] = ()
    """The server's ids of what the gateways get."""
    young: float | None = None
    """For so many seconds yet *there is no such thing* may only mean that the server doesn't show it."""
    rate: float | None = None
    """Calls a second at most; None: as many as the server takes."""
    until: float = math.inf
    """Epoch seconds, after which nothing of it may be sent."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the call for one gateway of a parcel ended, where there is more to say than *done*."""

    index: int
    """Of the gateway in the parcel."""
    status: str
    """An `OutcomeStatus`."""
    message: str = ""
    attempts: int = 1
    unclear: bool = False
    refused: bool = False
    """A clear no was about this gateway."""


@dataclass(frozen=True, slots=True)
class ParcelReport:
    """What became of a parcel. Of a gateway that isn't in it nothing was sent, or nobody knows it."""

    id: str
    done: bytes = b""
    """A bit a gateway, the lowest of the first byte first: done at once, and no more is to be said."""
    ended: tuple[Ended, ...] = ()
    """All others that came to an end."""
    limited: int = 0
    """How often the server said that calls come too fast."""
    asked: float = 0.0
    """For so many seconds yet the server asked to wait."""
    seconds: float = 0.0
    """How long it took."""
    worker: str = ""
    """Who sent it."""

    def indices(self) -> Iterator[int]:
        """Of the gateways in ``done``, ascending."""
        return (at * 8 + bit for at, byte in enumerate(self.done) for bit in range(8) if byte >> bit & 1)


class ParcelSender(Protocol):
    """Carries parcels: to processes of this machine, or to other machines."""

    @property
    def most(self) -> int:
        """Not more parcels than that are ever under way."""
        ...

    def carries(self, group: StepGroup) -> bool:
        """Whether the steps of `group` go out in parcels; see `may_leave`."""
        ...

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Held for each parcel that is under way; entering waits while there are enough of them.

        After `halt`, or where nobody can be found to send, it waits no longer.
        """
        ...

    async def send(self, parcel: Parcel) -> ParcelReport:
        """What became of `parcel`. Who is lost with it is replaced, and then it is sent again.

        ReconcilerError when nobody is there to send it.
        """
        ...

    async def halt(self) -> None:
        """Of parcels under way nothing more is sent than what is on its way to the server: they end."""
        ...


def may_leave(group: StepGroup) -> bool:
    """Whether the calls of `group` may be sent by somebody else: by what the provider says of them."""
    operations = (group.operation, *group.also)
    return (
        isinstance(group.action, ScheduleWindow | AssignPackages)
        and group.per_call == 1
        and all(operation.repeat is Repeat.IDEMPOTENT for operation in operations)
    )


def parcel_of(
    group: StepGroup, gateways: Iterable[str], bindings: Bindings, *, name: str, young: float | None = None
) -> Parcel:
    """The steps of `group` for `gateways`, bound to the ids that this run made."""
    action = group.action
    assert isinstance(action, ScheduleWindow | AssignPackages), "nothing else leaves"
    parcel = Parcel(
        name,
        group.key,
        group.operation.name,
        str(action.resource),
        action.target or bindings.campaigns[action.resource],
        tuple(gateways),
        young=young,
        until=math.inf if group.not_after is None else group.not_after / 1000,
    )
    match action:
        case ScheduleWindow(phase=phase, window=window):
            return replace(parcel, phase=str(phase), window=(window.begin, window.end))
        case AssignPackages(packages=packages):
            ids = tuple(p if isinstance(p, str) else bindings.packages[p.sha256] for p in packages)
            return replace(parcel, packages=ids)
        case _:
            assert_never(action)
