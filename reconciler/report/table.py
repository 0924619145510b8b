"""Tables and bars for the terminal. Widths are columns of a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from reconciler.providers.base import Stage
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
) -> Iterator[str]:
    """Aligned columns under `headings`; `tones` colour the last cell of each row. Cells are cleaned."""
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(headings, *cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        return "  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=False))

    yield paint(line(headings).rstrip(), Tone.STRONG)
    for index, row in enumerate(cells):
        last = paint(row[-1], tones[index]) if tones else row[-1]
        yield f"{line(row[:-1])}  {last}" if len(row) > 1 else last


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
