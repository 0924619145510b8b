"""Tables and bars for the terminal. Widths are columns of a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Self

from reconciler.providers.base import Stage
from reconciler.report.lines import Line, wrapped
from reconciler.report.terminal import Paint, Tone, columns, padded, plain
from reconciler.text import clean

BLOCKS: Final[Mapping[Stage, str]] = {
    Stage.DONE: "█",
    Stage.UNDER_WAY: "▒",
    Stage.IDLE: "░",
    Stage.FAILED: "×",
}
LETTERS: Final[Mapping[Stage, str]] = {
    Stage.DONE: "#",
    Stage.UNDER_WAY: "=",
    Stage.IDLE: ".",
    Stage.FAILED: "x",
}
"""For terminals whose encoding lacks the blocks."""
_TONES: Final = {
    Stage.DONE: Tone.GOOD,
    Stage.UNDER_WAY: Tone.WARNING,
    Stage.IDLE: Tone.QUIET,
    Stage.FAILED: Tone.ERROR,
}


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    paint: Paint = plain,
    *,
    tones: Sequence[Tone] = (),
    drop: Sequence[str] = ("ID", "SHA-256"),
) -> Iterator[str]:
    """Aligned columns under `headings`; `tones` colour the last cell of each row. Cells are cleaned.

    Where they are too wide for a terminal the columns `drop` are left out, in this order; what is then still
    too long goes on below the beginning of the last column.
    """
    cells = [[clean(cell) for cell in row] for row in rows]
    grid = _Grid(headings, cells, paint, tones, drop)
    everything = tuple(range(len(headings)))
    for index in range(-1, len(cells)):
        yield _TableLine(grid, index, everything)


class _Grid:
    """All cells of a table; the line -1 is the heading."""

    def __init__(
        self,
        headings: Sequence[str],
        cells: Sequence[Sequence[str]],
        paint: Paint,
        tones: Sequence[Tone],
        drop: Sequence[str],
    ) -> None:
        self.headings = headings
        self.cells = cells
        self.paint = paint
        self.tones = tones
        self.drop = [headings.index(name) for name in drop if name in headings[1:-1]]
        self.widths = [max(map(columns, column)) for column in zip(headings, *cells, strict=True)]

    def line(self, index: int, kept: Sequence[int]) -> str:
        """A line with the columns `kept`."""
        row = self.headings if index < 0 else self.cells[index]
        most = "  ".join(padded(row[each], self.widths[each]) for each in kept[:-1])
        last = row[kept[-1]]
        if index < 0:
            return self.paint(f"{most}  {last}" if most else last, Tone.STRONG)
        last = self.paint(last, self.tones[index]) if self.tones else last
        return f"{most}  {last}" if most else last

    def begin(self, kept: Sequence[int]) -> int:
        """Where the last column begins."""
        return sum(self.widths[each] + 2 for each in kept[:-1])

    def fitting(self, width: int) -> Sequence[int]:
        """The columns that fit."""
        kept = list(range(len(self.headings)))
        for each in self.drop:
            if self.begin(kept) + self.widths[-1] <= width:
                break
            kept.remove(each)
        return kept


class _TableLine(Line):
    """A line of a table, which knows all the others."""

    def __new__(cls, grid: _Grid, index: int, kept: Sequence[int]) -> Self:
        made = super().__new__(cls, grid.line(index, kept), grid.begin(kept))
        made.grid = grid
        made.at = index
        return made

    grid: _Grid
    at: int

    def within(self, width: int) -> Iterator[str]:
        """See `Line`."""
        kept = self.grid.fitting(width)
        return wrapped(self.grid.line(self.at, kept), width, self.grid.begin(kept))


def pairs(values: Sequence[tuple[str, str]], paint: Paint = plain) -> Iterator[str]:
    """``Name   value`` a line, the values aligned."""
    values = [(clean(name), value) for name, value in values]
    width = max((columns(name) for name, _ in values), default=0)
    for name, value in values:
        yield f"{paint(padded(name, width), Tone.STRONG)}  {clean(value)}".rstrip()


def bar(counts: Mapping[Stage, int], width: int, paint: Paint = plain, *, blocks: bool = True) -> str:
    """`counts` as a bar of `width` columns; a stage that has anything at all shows, where there is room."""
    signs = BLOCKS if blocks else LETTERS
    order = (Stage.DONE, Stage.UNDER_WAY, Stage.IDLE, Stage.FAILED)
    sizes = _shares([counts.get(stage, 0) for stage in order], width)
    return "".join(
        paint(signs[stage] * size, _TONES[stage]) for stage, size in zip(order, sizes, strict=True) if size
    )


def _shares(counts: Sequence[int], width: int) -> list[int]:
    """`width` split as `counts` are, by largest remainder; what counts gets one while another has two."""
    total = sum(counts)
    if not total:
        return [0] * len(counts)
    shares = [count * width // total for count in counts]
    by_rest = sorted(range(len(counts)), key=lambda i: (-(counts[i] * width % total), i))
    for index in by_rest[: width - sum(shares)]:
        shares[index] += 1
    for index, count in enumerate(counts):
        largest = shares.index(max(shares))
        if count and not shares[index] and shares[largest] > 1:
            shares[index], shares[largest] = 1, shares[largest] - 1
    return shares


def percent(part: int, whole: int) -> str:
    """``62 %``, rounded down, so that 100 % is all of it."""
    return f"{part * 100 // whole} %" if whole else "-"
