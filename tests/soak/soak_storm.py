"""One storm: a run of the soak on a server whose lists lag, and that goes on with calls it has answered.

Lists, and often single reads too, show what was made only up to 5 seconds later; a create or an upload whose
answer was cut, or that a proxy gave up on, is done up to 3 seconds after that. The settle time is 10 seconds.
All of it, and all waits, pass `Storm.hurry` times as fast.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.embedded.faults.rules import LAGGING
from tests.e2e.e2e_forks import Trick
from tests.soak.soak_run import Deed, Ground, Soak, Told

SETTLE, LAG, LATER = 10, 5_000, 3_000
"""Seconds, milliseconds, milliseconds."""
ENGINES = ("httpx", "aiohttp")
MAKERS = ("create-campaign", "upload-package", "stream-package")
LISTS = ("list-campaigns", "list-packages")

LATE_ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "cut, done later": {"effect": "cut"},
    "504, done later": {"effect": "status", "status": 504},
    "502 html, done later": {"effect": "html", "status": 502},
}


class Storm(Soak):
    """One run; every other one by another engine."""

    hurry = 10.0

    def __init__(self, ground: Ground, seed: int) -> None:
        super().__init__(ground, seed)
        self.engine = ENGINES[seed % len(ENGINES)]
        self.server = {"settleSeconds": SETTLE, "engine": self.engine}
        self.tricks: Sequence[Trick] = self.hurried()
        self.told.counts[f"engine {self.engine}"] += 1

    def go(self) -> Told:
        """See `Soak.go`."""
        self._quiet()
        return super().go()

    def more_rules(self) -> list[dict[str, Any]]:
        """A lag, and often a create or an upload that is done after its answer."""
        chance, named = self.random, dict[str, dict[str, Any]]()
        for name in chance.sample(sorted(LATE_ANSWERS), chance.choice([1, 1, 2, 3])):
            late = {**LATE_ANSWERS[name], "when": "later", "milliseconds": self._scaled(LATER)}
            named[name] = {**late, "operations": list(MAKERS), "probability": 0.7, "count": 3}
        operations = chance.choice([sorted(LAGGING), LISTS, ["list-campaigns"], ["list-packages"]])
        lag = {"effect": "lag", "operations": list(operations), "milliseconds": self._scaled(LAG)}
        named["lag of single reads, too" if len(operations) > 2 else "lag of lists"] = lag
        self.armed = [*self.armed, *named]
        return [*named.values()]

    def _scaled(self, most: int) -> int:
        return int(self.random.random() * most / self.hurry)

    def _people(self, some: Sequence[Deed]) -> None:
        """Somebody meddles, once everything that was asked for is done: else nobody could say whose it is."""
        self._quiet()
        super()._people(some)

    def _ended(self, ran: Any) -> None:
        super()._ended(ran)
        if self.random.random() < 0.5:
            self._quiet()

    def _quiet(self) -> None:
        ends = time.monotonic() + 20
        while self.ground.context.faults.under_way:
            assert time.monotonic() < ends
            time.sleep(0.01)
