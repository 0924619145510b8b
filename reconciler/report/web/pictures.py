"""Counts and times become shapes on a line that is `WIDE` units long. Words stand beside them, never in them.

Tests: `tests/report/test_web_pictures.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.providers.base import Stage
from reconciler.rollout.views import RolloutView, WavePhase, WaveView
from reconciler.text import moment

WIDE: Final = 1_000
_LEAST: Final = 8
"""What is there at all can be seen."""
_ORDER: Final = (Stage.DONE, Stage.UNDER_WAY, Stage.IDLE, Stage.FAILED)
_HOUR: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line: from where on, how wide, and what it means (a class of the style)."""

    at: int
    width: int
    kind: str


def stacked(counts: Iterable[tuple[str, int]], whole: int) -> tuple[Piece, ...]:
    """Kind → count, side by side; together at most as wide as their share of `whole`.

    What counts at all is seen, for which the widest gives room.
    """
    told = [(kind, count) for kind, count in counts if count > 0]
    total = sum(count for _, count in told)
    if not total:
        return ()
    room = max(_LEAST * len(told), WIDE * total // max(whole, total))
    widths = [max(_LEAST, room * count // total) for _, count in told]
    widths[widths.index(max(widths))] += room - sum(widths)
    pieces: list[Piece] = []
    at = 0
    for (kind, _), width in zip(told, widths, strict=True):
        pieces.append(Piece(at, width, kind))
        at += width
    return tuple(pieces)


def progress(stages: Mapping[Stage, int], done: int, whole: int = 0) -> tuple[Piece, ...]:
    """Gateways of a campaign; of those that are done only `done` are so with what they are to have.

    `whole`: how many there will be, where that is more.
    """
    counts = {stage.value.replace(" ", "-"): stages.get(stage, 0) for stage in _ORDER}
    before = counts["done"] - done
    counts["done"] = done
    parts = [("done", done), ("before", before), *((k, n) for k, n in counts.items() if k != "done")]
    return stacked(parts, max(whole, sum(counts.values()) + before))


def wave_progress(wave: WaveView) -> tuple[Piece, ...]:
    """Gateways of a wave: who isn't in yet is no piece."""
    over = wave.done + wave.failed + wave.idle
    parts = (
        ("done", wave.done),
        ("under-way", max(0, wave.entered - over)),
        ("idle", wave.idle),
        ("failed", wave.failed),
        ("refused", wave.refused),
    )
    return stacked(parts, wave.gateways)


@dataclass(frozen=True, slots=True)
class WaveLine:
    """When a wave is open, or can be at the earliest."""

    wave: WaveView
    pieces: tuple[Piece, ...]
    begin: int | None
    """When it opens at the earliest; None: it is open, or nobody knows."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Waves one below the other on one axis of time. Epoch milliseconds."""

    begin: int
    end: int
    lines: tuple[WaveLine, ...]

    @property
    def words(self) -> str:
        """What the axis says."""
        return f"{moment(self.begin)} to {moment(self.end)}"


def timeline(view: RolloutView, now: int) -> Timeline | None:
    """Its waves from `now` on; None where nobody knows when anything comes."""
    known = [wave.not_before for wave in view.waves if wave.not_before is not None]
    last = max([*known, *([view.ends] if view.ends is not None else [])], default=None)
    if last is None or last <= now:
        return None
    # Leave room at the end, so that the last wave is visible.
    end = max(last, max(known, default=now) + max(_HOUR, (last - now) // 12))
    found = []
    for at, wave in enumerate(view.waves):
        later = (each.not_before for each in view.waves[at + 1 :] if each.not_before is not None)
        until = next(later, end)
        found.append(WaveLine(wave, tuple(_stretch(wave, now, end, until)), wave.not_before))
    return Timeline(now, end, tuple(found))


def _stretch(wave: WaveView, begin: int, end: int, until: int) -> Sequence[Piece]:
    if wave.phase is WavePhase.PASSED:
        return ()
    if wave.phase in (WavePhase.OPEN, WavePhase.OPENS):
        start, kind = begin, "open"
    elif wave.not_before is None:
        return ()
    else:
        start, kind = max(begin, wave.not_before), "word" if wave.approval else "later"
    at = WIDE * (start - begin) // (end - begin)
    stop = WIDE * (max(start, until) - begin) // (end - begin)
    at = min(at, WIDE - _LEAST)
    return (Piece(at, max(_LEAST, stop - at), kind),)


def shares(counts: Iterable[tuple[str, int]], most: int) -> Mapping[str, tuple[Piece, ...]]:
    """Each count as a line of its own, `most` as long as all of it."""
    return {kind: stacked([(kind, count)], most) for kind, count in counts}
