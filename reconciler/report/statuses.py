"""What `status` found: a row for each campaign, and its gateways counted.

Tests: `tests/report/test_report_status_report.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model import ResourceId
from reconciler.plan.model import Plan
from reconciler.providers.base import Stage
from reconciler.providers.base.questions import GatewayStatus
from reconciler.report.terminal import Tone
from reconciler.text import clean


class Sync(StrEnum):
    """How a campaign stands to what is declared."""

    IN_SYNC = "in-sync"
    CHANGED = "changed"
    HELD = "held"
    WAITING = "waiting"
    """For an approval."""
    NOT_OURS = "not-ours"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class GatewayLine:
    """A gateway of a campaign that was asked about."""

    status: GatewayStatus
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Gateways:
    """The gateways of a campaign, counted. ``states`` come in the order of a gateway's way."""

    states: Mapping[str, int] = field(default_factory=dict)
    stages: Mapping[Stage, int] = field(default_factory=dict)
    closed: int = 0
    open: Mapping[Stage, int] = field(default_factory=dict)
    """``stages`` without those that are closed."""
    pending: int = 0
    """Those that something is still to come of: not final, and not closed."""
    done_before: Mapping[str, int] = field(default_factory=dict)
    """Names of packages → gateways that are done with them, and were to have others since."""
    causes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Why gateways failed → which, of those that were asked about; an empty cause is one that isn't told."""
    listed: tuple[GatewayLine, ...] = ()

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def done(self) -> int:
        """Those that are done with the packages of now."""
        return self.stages.get(Stage.DONE, 0) - sum(self.done_before.values())

    @property
    def failed(self) -> int:
        return self.stages.get(Stage.FAILED, 0)

    @property
    def unasked(self) -> int:
        """Failed gateways whose cause wasn't asked for."""
        return self.failed - sum(map(len, self.causes.values()))

    @property
    def counts(self) -> str:
        """``FAILED 1, INSTANTIATED 2``."""
        return ", ".join(f"{clean(state) or '(no state)'} {count:,}" for state, count in self.states.items())

    @property
    def short_counts(self) -> str:
        """``failed 1, waiting download 2``."""
        return ", ".join(f"{_short(state)} {count:,}" for state, count in self.states.items())


@dataclass(frozen=True, slots=True)
class Row:
    """A campaign that is declared or owned."""

    resource: ResourceId
    name: str
    ids: tuple[str, ...]
    status: str | None
    gateways: Gateways | None
    """None when they were not read."""
    tone: Tone
    verdict: str
    changes: int = 0
    held: bool = False
    waiting: bool = False
    in_sync: bool = False
    unreadable: tuple[str, ...] = ()
    running: bool = False
    """Whether its gateways may be on their way."""
    firmware: tuple[str, ...] = ()
    """Its packages by name, as on the server; by id if the name is unknown."""
    sync: Sync = Sync.CHANGED
    """How it stands to what is declared."""

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, without colour."""
        return self._cells(lambda state: state)

    @property
    def short_cells(self) -> tuple[str, ...]:
        """The same with a short name of the state."""
        return self._cells(_short)

    def _cells(self, named: Callable[[str], str]) -> tuple[str, ...]:
        counts = "-"
        if self.gateways is not None:
            counts = f"{self.gateways.total:,}"
            if len(self.gateways.states) == 1:
                counts += f" {named(next(iter(self.gateways.states)))}".rstrip()
        return (
            str(self.resource),
            self.name or "-",
            ", ".join(self.ids) or "-",
            self.status or "-",
            counts,
            self.verdict,
        )


def _short(state: str) -> str:
    """``waiting download`` of ``WAITING_FOR_DOWNLOAD``: no more than what tells it from others."""
    words = [word for word in clean(state).lower().replace("_", " ").split() if word != "for"]
    return " ".join(words) or "(no state)"


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One look at everything."""

    plan: Plan
    rows: Sequence[Row]

    @property
    def final(self) -> bool:
        """Whether every gateway has reached its final state."""
        return not any(row.gateways and row.gateways.pending for row in self.rows)

    @property
    def still(self) -> bool:
        """Whether nothing can change by itself: no campaign runs whose gateways have something to come."""
        return not any(row.running and row.gateways and row.gateways.pending for row in self.rows)


def done_before(gateways: Gateways) -> str:
    """``done with fw-2.1.bin: 98``."""
    return ", ".join(f"done with {clean(names)}: {count:,}" for names, count in gateways.done_before.items())
