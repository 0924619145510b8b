"""Steps that go out in parcels: drawn as they are ready, sent by a `ParcelSender`, told as outcomes.

| what a report says of a gateway | what becomes of its step                                        |
|---------------------------------|-----------------------------------------------------------------|
| done                            | done                                                            |
| ended otherwise                 | that outcome                                                    |
| nothing                         | it goes out again, in another parcel                            |

Nobody there to send: the steps are failed, and say so. The next run sends them.

Tests: `tests/apply/test_apply_carrying.py`, `tests/apply/test_apply_parcels.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from itertools import count, islice
from typing import Final

from reconciler.apply.containment import unforeseen
from reconciler.apply.patience import Newborns, words
from reconciler.apply.sender import PARCEL, ParcelReport, ParcelSender, parcel_of
from reconciler.errors import ReconcilerError
from reconciler.model import Outcome, OutcomeStatus, Step, StepGroup
from reconciler.providers.base import Bindings

IN_VAIN: Final = 20
"""So many reports of nothing at all, one after the other, and the rest of a parcel is given up."""
_UNSENT: Final = "nobody who carries parcels came to send it"

Against = Callable[[Step], Outcome | None]
"""What becomes of a step that may not be sent now; None: it may."""


class Carrying:
    """The steps of one run that `sender` carries."""

    def __init__(self, sender: ParcelSender, bindings: Bindings, newborns: Newborns) -> None:
        self.sender = sender
        self._bindings = bindings
        self._newborns = newborns
        self._ready: deque[tuple[StepGroup, Iterator[Step]]] = deque()
        self._numbers = count(1)

    @property
    def ready(self) -> bool:
        """Whether there are steps to draw, perhaps."""
        return bool(self._ready)

    def carries(self, group: StepGroup) -> bool:
        """Whether the steps of `group` are to be given to `add`."""
        return self.sender.carries(group)

    def add(self, group: StepGroup, steps: Iterator[Step]) -> None:
        """Steps of `group`, all that they need having ended."""
        self._ready.append((group, steps))

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Held for each parcel: see `ParcelSender.turn`."""
        return self.sender.turn()

    def draw(self) -> list[Step]:
        """The next steps of one group, those of a parcel at most; none: there are none."""
        drawn: list[Step] = []
        while self._ready and len(drawn) < PARCEL:
            group, steps = self._ready[0]
            if drawn and group is not drawn[0].group:
                break
            drawn += islice(steps, PARCEL - len(drawn))
            if len(drawn) < PARCEL:
                self._ready.popleft()
        return drawn

    async def carry(self, steps: Sequence[Step], against: Against) -> AsyncIterator[list[Outcome]]:
        """What becomes of `steps`, of one group, as it is known: each of them once."""
        left, in_vain = list(steps), 0
        while left:
            if stands := against(left[0]):
                yield [replace(stands, step=step) for step in left]
                return
            try:
                report = await self._send(left)
            except ReconcilerError as error:
                yield [Outcome.unsent(step, OutcomeStatus.FAILED, words(error)) for step in left]
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the other steps go on
                yield [unforeseen(step, error) for step in left]
                return
            ended = dict(_outcomes(left, report))
            if ended:
                yield list(ended.values())
            in_vain = 0 if ended else in_vain + 1
            left = [step for index, step in enumerate(left) if index not in ended]
            if in_vain == IN_VAIN:
                yield [Outcome.unsent(step, OutcomeStatus.FAILED, _UNSENT) for step in left]
                return

    async def _send(self, steps: Sequence[Step]) -> ParcelReport:
        group, gateways = steps[0].group, [step.gateways[0] for step in steps]
        young = self._newborns.young(steps[0])
        name = f"{group.key}#{next(self._numbers)}"
        return await self.sender.send(parcel_of(group, gateways, self._bindings, name=name, young=young))


def _outcomes(steps: Sequence[Step], report: ParcelReport) -> Iterator[tuple[int, Outcome]]:
    """Index in `steps` → what `report` says became of it."""
    for index in report.indices():
        if index < len(steps):
            yield index, Outcome(steps[index], OutcomeStatus.DONE)
    for each in report.ended:
        if each.index < len(steps):
            step = steps[each.index]
            outcome = Outcome(
                step,
                OutcomeStatus(each.status),
                each.message,
                each.attempts,
                unclear=each.unclear,
                refused=step.gateways if each.refused else (),
            )
            yield each.index, outcome
