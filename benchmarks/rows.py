"""A line of the table, and how two figures are told side by side."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.measure import Figure


@dataclass(frozen=True)
class Row:
    """A line of the table. ``goal`` is what ``value`` may be at most (``<``) or at least (``>``)."""

    what: str
    value: float
    goal: str = ""
    detail: str = ""

    @property
    def met(self) -> str:
        if not self.goal:
            return ""
        limit = float(self.goal[1:])
        return "yes" if (self.value <= limit if self.goal[0] == "<" else self.value >= limit) else "**no**"


def said(ours: Figure, peer: Figure) -> str:
    """Seconds of both, and our peak of memory."""
    walls, cpus = f"{ours.wall:.2f} s / {peer.wall:.2f} s wall", f"{ours.cpu:.2f} s / {peer.cpu:.2f} s CPU"
    return f"{walls}, {cpus}, {ours.peak:.0f} MB"
