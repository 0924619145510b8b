"""What there is to see of a controller: one value, which metrics, the API and the page are made from.

Times are epoch milliseconds.

Tests: `tests/controller/test_controller_web.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.controller.counts import Counts
from reconciler.controller.past import LookResult, PastLook
from reconciler.model import Change, ChangedIn, Server
from reconciler.report.statuses import Row, StatusReport
from reconciler.rollout.views import RolloutView


@dataclass(frozen=True, slots=True)
class CalendarShown:
    """What a calendar says at the last look."""

    name: str
    """Its resource."""
    open: bool | None
    """None: it is read in the zone of each gateway."""
    turns: int | None = None
    """When that changes; None: nobody knows."""
    frozen: str | None = None
    """The freeze that holds, by its name."""


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """What a controller knows: the last look, those before it, and when it looks next."""

    project: str
    """The name of the project, or of its folder."""
    began: int
    """When the process began."""
    interval: int
    """Milliseconds between two looks, at most."""
    environment: str | None = None
    """The environment of the project."""
    server: Server | None = None
    """None: the project could not be read yet."""
    commit: str | None = None
    """What is checked out, where that is known."""
    ticked: int = 0
    """When its loop last went round."""
    looks: Sequence[PastLook] = ()
    """The last ones, newest first."""
    next_look: int | None = None
    """When it looks again; None: it is looking."""
    status: StatusReport | None = None
    """What the server said last, after whatever was sent; None: it was not read yet."""
    at: int | None = None
    """When it said so."""
    calendars: Sequence[CalendarShown] = ()
    """By name."""
    counts: Counts = field(default_factory=Counts)
    """What happened since it began."""

    @property
    def standby(self) -> bool:
        """Whether somebody else held the lock at the last look."""
        return bool(self.looks) and self.looks[0].result is LookResult.STANDBY

    @property
    def rows(self) -> Sequence[Row]:
        """Every campaign that is declared or owned."""
        return self.status.rows if self.status else ()

    @property
    def rollouts(self) -> Sequence[RolloutView]:
        """Where each rollout stands."""
        return self.status.plan.rollouts if self.status else ()

    @property
    def held(self) -> Sequence[Row]:
        """The campaigns that a person stopped."""
        return [row for row in self.rows if row.held]

    @property
    def drift(self) -> Sequence[Change]:
        """What somebody changed on the server."""
        changes = self.status.plan.changes if self.status else ()
        return [each for each in changes if each.changed_in in (ChangedIn.SERVER, ChangedIn.BOTH)]

    @property
    def causes(self) -> Mapping[str, int]:
        """Why gateways failed → how many, of those that were asked; the most frequent first."""
        found: Counter[str] = Counter()
        for row in self.rows:
            for cause, gateways in (row.gateways.causes if row.gateways else {}).items():
                found[cause] += len(gateways)
        return dict(found.most_common())


class Board:
    """Where the loop hangs what there is to see, and everybody else finds it."""

    def __init__(self, shown: Shown) -> None:
        self.shown = shown


__all__ = ["Board", "CalendarShown", "LookResult", "PastLook", "Shown"]
