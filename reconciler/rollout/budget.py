"""How many gateways may be released and not done at once, in each group. Pure.

Tests: `tests/rollout/test_rollout_gate.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model import Budget
from reconciler.model.sets import joined, without
from reconciler.rollout.situation import Situation


class Slots:
    """How many more may be released and not done, in each group.

    A failed gateway keeps its slot until a person forgives it, because it may be down.
    """

    def __init__(self, budget: Budget, seen: Situation) -> None:
        everyone = joined((seen.waves.everyone, without(seen.entered, seen.waves.everyone)))
        named = budget.groups or {}
        rest = everyone.difference(*named.values())
        groups = [everyone & group for group in named.values()] + ([rest] if rest else [])
        busy = seen.entered - seen.done - seen.forgiven
        self._groups = groups
        self._left = [budget.of(len(group)) - len(group & busy) for group in groups]
        self.used, self.idle = len(busy), len(busy & seen.idle)
        self.most = sum(budget.of(len(group)) for group in groups)

    def take(self, gateways: Sequence[str]) -> Iterator[str]:
        """Of `gateways`, in this order, those that there is room for."""
        group_of = {
            each: number for number, group in enumerate(self._groups) for each in group.intersection(gateways)
        }
        for each in gateways:
            number = group_of[each]
            if self._left[number] > 0:
                self._left[number] -= 1
                yield each
