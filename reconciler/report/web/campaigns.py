"""A campaign with all that is shown of it: devices and firmware first, calls and ids last.

Tests: `tests/report/test_web_fleet.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from reconciler.model import Change, ChangedIn, Finding, ResourceId, RolloutStatus
from reconciler.plan.model import Plan
from reconciler.providers.base import Stage
from reconciler.report.blocks import Block
from reconciler.report.plan_text import ChangeRow, change_rows
from reconciler.report.rollouts_report import wait_words, wave_words
from reconciler.report.statuses import Row
from reconciler.report.table import percent
from reconciler.report.terminal import Tone
from reconciler.report.web.pictures import Piece, Timeline, progress, timeline, wave_progress
from reconciler.rollout.situation import WaitFor
from reconciler.rollout.views import RolloutView, WavePhase, WaveView
from reconciler.text import plural

TONES = {Tone.ERROR: "bad", Tone.WARNING: "warn", Tone.GOOD: "good"}
"""Tone → a class of the style."""
_PERSON = frozenset({WaitFor.APPROVAL, WaitFor.PAUSED, WaitFor.HELD})
"""Waits that only a person ends."""


class Urgency(IntEnum):
    """Who is shown first."""

    WRONG = 0
    ASKS = 1
    DIFFERS = 2
    RUNS = 3
    QUIET = 4


@dataclass(frozen=True, slots=True)
class Mark:
    """A word or two about a campaign, and its tone."""

    tone: str
    words: str


@dataclass(frozen=True, slots=True)
class Counted:
    """So many gateways stand so; ``kind`` is their colour in the bar."""

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class WaveShown:
    """A wave with its bar."""

    number: int
    wave: WaveView
    pieces: tuple[Piece, ...]
    words: str


@dataclass(frozen=True, slots=True)
class RolloutShown:
    """A rollout with its pictures."""

    view: RolloutView
    stands: str
    waves: tuple[WaveShown, ...]
    waits: tuple[str, ...]
    timeline: Timeline | None


def rollout_shown(view: RolloutView, now: int) -> RolloutShown:
    """`view` as it stands at `now`."""
    stands = f"{view.where} opens" if view.opens else f"{view.where}, {view.status}"
    waves = tuple(
        WaveShown(number, wave, wave_progress(wave), _stands(view, wave))
        for number, wave in enumerate(view.waves, start=1)
    )
    waits = tuple(wait_words(view, wait) for wait in view.waits)
    over = view.status is not RolloutStatus.PROGRESSING
    return RolloutShown(view, stands, waves, waits, None if over else timeline(view, now))


def _stands(view: RolloutView, wave: WaveView) -> str:
    """How it stands; when it can open is said beside."""
    return "not open yet" if wave.phase is WavePhase.LATER else wave_words(view, wave)


@dataclass(frozen=True, slots=True)
class CampaignShown:
    """A row of `status`, its rollout, and what a plan says of it."""

    row: Row
    rollout: RolloutView | None = None
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    compared: bool = True
    """Whether there is something that it should be like."""

    @property
    def title(self) -> str:
        """As people know it."""
        return self.row.name or self.row.resource.name

    @property
    def subtitle(self) -> str:
        """As Git knows it, where that is another name."""
        return "" if self.title == self.row.resource.name else self.row.resource.name

    @property
    def key(self) -> str:
        """Its name in addresses."""
        return self.row.resource.name

    @property
    def firmware(self) -> str:
        """Its packages by name."""
        return ", ".join(self.row.firmware)

    @property
    def refused(self) -> int:
        """How many gateways the server will not take."""
        return sum(wave.refused for wave in self.rollout.waves) if self.rollout else 0

    @property
    def kept(self) -> int:
        """How many gateways its rollout still keeps out."""
        if self.row.gateways is None or self.rollout is None:
            return 0
        return max(0, self.rollout.total - self.rollout.entered - self.refused)

    @property
    def total(self) -> int:
        """How many gateways it has, those of waves that aren't open included."""
        return (self.row.gateways.total if self.row.gateways else 0) + self.kept

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Its bar."""
        gateways = self.row.gateways
        return progress(gateways.stages, gateways.done, self.total) if gateways else ()

    @property
    def share(self) -> str:
        """``62 % done``."""
        gateways = self.row.gateways
        return f"{percent(gateways.done, self.total)} done" if gateways and self.total else ""

    @property
    def counts(self) -> Iterator[Counted]:
        """How its gateways stand."""
        gateways = self.row.gateways
        if gateways is None:
            return
        if gateways.done:
            yield Counted("done", f"{gateways.done:,} done")
        for names, count in gateways.done_before.items():
            yield Counted("before", f"{count:,} done with {names}")
        for stage, words in ((Stage.UNDER_WAY, "under way"), (Stage.IDLE, "not begun")):
            if count := gateways.stages.get(stage, 0):
                yield Counted(stage.value.replace(" ", "-"), f"{count:,} {words}")
        if gateways.failed:
            yield Counted("failed", f"{gateways.failed:,} failed")
        if self.kept:
            yield Counted("track", f"{self.kept:,} not released")
        if self.refused:
            yield Counted("refused", f"{self.refused:,} refused by the server")

    @property
    def marks(self) -> Iterator[Mark]:
        """What a person should know at once."""
        rollout, row = self.rollout, self.row
        if rollout is not None and rollout.status in (RolloutStatus.ABORTED, RolloutStatus.PAUSED):
            tone = "bad" if rollout.aborted else "warn"
            yield Mark(tone, rollout.status.value)
        if row.gateways and row.gateways.failed:
            yield Mark("bad", f"{row.gateways.failed:,} failed")
        if not self.compared:
            yield Mark("plain", row.verdict)
            return
        if row.held:
            yield Mark("warn", "held: somebody stopped it")
        if row.waiting or self.asks_person:
            yield Mark("warn", "waits for a person")
        if self.drifted:
            yield Mark("warn", "changed on the server")
        elif row.changes:
            yield Mark("plain", f"{plural(row.changes, 'change')} to apply")
        told = row.held or row.waiting or row.changes
        if not row.in_sync and not told:
            yield Mark(TONES.get(row.tone, "plain"), row.verdict)
        elif row.in_sync and self.urgency > Urgency.ASKS:
            yield Mark("good", "in sync")

    @property
    def rollout_line(self) -> str:
        """Where its rollout stands, and what it waits for, in a line."""
        if self.rollout is None:
            return ""
        view = self.rollout
        stands = f"{view.where} opens" if view.opens else view.where
        first = next((wait_words(view, wait) for wait in view.waits), "")
        if first.startswith(stands):
            return f"waits: {first}"
        return f"{stands}; waits: {first}" if first else stands

    @property
    def asks_person(self) -> bool:
        """Whether its rollout waits for a person's word."""
        return self.rollout is not None and any(
            wait.reason is WaitFor.APPROVAL for wait in self.rollout.waits
        )

    @property
    def drifted(self) -> bool:
        """Whether somebody changed it on the server."""
        return any(change.changed_in in (ChangedIn.SERVER, ChangedIn.BOTH) for change in self.changes)

    @property
    def urgency(self) -> Urgency:
        """How soon somebody should look."""
        row, rollout = self.row, self.rollout
        failed = bool(row.gateways and row.gateways.failed)
        if row.tone is Tone.ERROR or failed or (rollout is not None and rollout.aborted):
            return Urgency.WRONG
        asked = rollout is not None and any(wait.reason in _PERSON for wait in rollout.waits)
        if row.held or row.waiting or asked:
            return Urgency.ASKS
        if self.compared and not row.in_sync:
            return Urgency.DIFFERS
        runs = row.running and row.gateways is not None and row.gateways.pending
        return Urgency.RUNS if runs else Urgency.QUIET

    def matches(self, text: str) -> bool:
        """Whether somebody who looks for `text` means it."""
        wanted = text.casefold()
        said = (self.row.name, self.row.resource.name, *self.row.firmware, *self.row.ids)
        return any(wanted in each.casefold() for each in said)

    def change_rows(self, plan: Plan) -> Sequence[ChangeRow]:
        """What differs, field by field."""
        return list(change_rows(Block(self.row.resource, self.changes, (), None), plan))


def by_resource(items: Sequence[Change]) -> dict[ResourceId, list[Change]]:
    """The changes of each resource."""
    found: dict[ResourceId, list[Change]] = {}
    for each in items:
        found.setdefault(each.resource, []).append(each)
    return found
