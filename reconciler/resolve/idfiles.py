"""Files of gateway ids: ``.txt`` with one id a line, ``.csv`` with a ``gatewayId`` column.

UTF-8, with or without a byte order mark. In text ``#`` begins a comment at the start of a line and after
white space. White space around an id doesn't count. A line counts once; places are made only when asked for.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import PurePosixPath
from sys import intern

from reconciler.loading.referenced_files import Problem
from reconciler.loading.tables import SPACE, Misread, cell_at, header_of, not_csv, text_of
from reconciler.model import Place
from reconciler.text import quoted

COLUMN = "gatewayId"
_ALMOST = ("gatewayid", "gateway", "id")


@dataclass(frozen=True, slots=True)
class IdFile:
    """The ids of a file in their order, and the line (from 1) in which each, or its record, begins.

    ``cell``: which cell of a record of CSV holds the id, from 0; None in text.
    """

    ids: Sequence[str] = ()
    numbers: Sequence[int] = ()
    rows: Sequence[str] = field(default=(), repr=False)
    cell: int | None = None
    blanks: int | None = None
    """The first id that is another one when blanks before quotes count as a part of a cell."""
    header: Sequence[str] = ()
    """The columns of a table."""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    """Those that were asked for: what each record holds there, in the order of ``ids``."""

    def cell_place(self, file: str, index: int, column: str) -> Place:
        """Where the value of `column` stands that belongs to the id at `index`."""
        return Place(file, *cell_at(self.rows, self.numbers[index], self.header.index(column)))

    def place(self, file: str, index: int) -> Place:
        """Where the id at `index` stands, the file being called `file`."""
        number = self.numbers[index]
        if self.cell is not None:
            return Place(file, *cell_at(self.rows, number, self.cell))
        return Place(file, number, self.rows[number - 1].find(self.ids[index]) + 1)


def read_ids(name: str, data: bytes, columns: Collection[str] = ()) -> IdFile | Misread:
    """The ids in the content of the file `name`, whose suffix tells its format, and these `columns` of it."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in (".txt", ".csv"):
        hint = f"use .txt with one id a line, or .csv with a {COLUMN} column"
        return Misread(Problem("bad-id-file", f"{quoted(name)} is neither .txt nor .csv", hint))
    text = text_of(name, data)
    if isinstance(text, Misread):
        return text
    if suffix == ".txt":
        words = text.split()
        # The usual case: each line is just an id.
        if "#" not in text and "\n".join(words) == text.removesuffix("\n"):
            return IdFile(words, range(1, len(words) + 1), words)
        return _from_text(text.split("\n"))
    return _from_csv(name, list(StringIO(text, newline="\n")), columns)


def _from_text(rows: Sequence[str]) -> IdFile:
    ids: list[str] = []
    numbers = array("L")
    for number, row in enumerate(rows, 1):
        id_ = row.strip(SPACE)
        if "#" in id_:
            id_ = _without_comment(id_)
        if id_:
            ids.append(id_)
            numbers.append(number)
    return IdFile(ids, numbers, rows)


def _without_comment(line: str) -> str:
    if line.startswith("#"):
        return ""
    at = min((at for at in (line.find(" #"), line.find("\t#")) if at >= 0), default=len(line))
    return line[:at].strip(SPACE)


def _from_csv(name: str, rows: Sequence[str], columns: Collection[str]) -> IdFile | Misread:
    read = _table(name, rows, columns, skip_blanks=True)
    if isinstance(read, IdFile) and any(map(_BLANK_BEFORE_QUOTES.search, rows)):
        other = _table(name, rows, (), skip_blanks=False)
        ids = other.ids if isinstance(other, IdFile) else ()
        differing = (n for n, id_ in enumerate(read.ids) if n >= len(ids) or ids[n] != id_)
        return replace(read, blanks=next(differing, None))
    return read


_BLANK_BEFORE_QUOTES = re.compile('(?:^|,) +"')


def _table(
    name: str, rows: Sequence[str], columns: Collection[str], *, skip_blanks: bool
) -> IdFile | Misread:
    """`skip_blanks`: blanks between a comma and quotes don't count, as most people mean it."""
    reader = csv.reader(rows, strict=True, skipinitialspace=skip_blanks)
    ids: list[str] = []
    numbers = array("L")
    try:
        number, header = header_of(reader)
        if header.count(COLUMN) != 1:
            problem, cell = _no_column(name, header)
            return Misread(problem, *cell_at(rows, number, cell))
        column = header.index(COLUMN)
        wanted = {each: header.index(each) for each in columns if header.count(each) == 1}
        kept: dict[str, list[str]] = {each: [] for each in wanted}
        number = reader.line_num + 1
        for row in reader:
            if row:  # not a blank line
                ids.append(row[column].strip(SPACE) if column < len(row) else "")
                numbers.append(number)
                for each, at in wanted.items():
                    # Many records share few values.
                    kept[each].append(intern(row[at].strip(SPACE)) if at < len(row) else "")
            number = reader.line_num + 1
    except csv.Error as error:
        return not_csv(name, error, rows, max(reader.line_num, 1), "bad-id-file")
    return IdFile(ids, numbers, rows, column, header=header, columns=kept)


def _no_column(name: str, header: Sequence[str]) -> tuple[Problem, int]:
    """What is wrong with the header, and in which cell."""
    cell = 0
    if COLUMN in header:
        cell = header.index(COLUMN, header.index(COLUMN) + 1)
        return Problem(
            "bad-id-file", f"{quoted(name)} has several {COLUMN} columns", "keep one of them"
        ), cell
    if any(";" in cell or "\t" in cell for cell in header):
        hint = "the columns must be separated by commas"
    elif near := [cell for cell in header if cell.casefold().replace("_", "") in _ALMOST]:
        hint, cell = f"rename the column {quoted(near[0])}", header.index(near[0])
    else:
        hint = f"the first line has to name the columns, one of them {COLUMN}"
    return Problem("bad-id-file", f"{quoted(name)} has no {COLUMN} column", hint), cell
