"""Files of gateway ids: ``.txt`` with one id a line, ``.csv`` with a ``gatewayId`` column.

UTF-8, with or without a byte order mark. In text ``#`` begins a comment at the start of a line and after
white space. White space around an id doesn't count. A line counts once; places are made only when asked for.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import PurePosixPath

from reconciler.model import Place
from reconciler.resolve.words import Problem, shown

COLUMN = "gatewayId"
ALMOST = ("gatewayid", "gateway", "id")
SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Misread:
    """What is wrong with the file, and in which line and column (from 1)."""

    problem: Problem
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class IdFile:
    """The ids of a file in their order, and the line (from 1) of each."""

    ids: Sequence[str] = ()
    numbers: Sequence[int] = ()
    rows: Sequence[str] = field(default=(), repr=False)

    def place(self, file: str, index: int) -> Place:
        """Where the id at `index` stands, the file being called `file`."""
        number = self.numbers[index]
        return Place(file, number, max(self.rows[number - 1].find(self.ids[index]), 0) + 1)


def read_ids(name: str, data: bytes) -> IdFile | Misread:
    """The ids in the content of the file `name`, whose suffix tells its format."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in (".txt", ".csv"):
        hint = f"use .txt with one id a line, or .csv with a {COLUMN} column"
        return Misread(Problem("bad-id-file", f"{shown(name)} is neither .txt nor .csv", hint))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = data.rfind(b"\n", 0, error.start) + 1
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - start + 1
        hint = "save the file as UTF-8"
        return Misread(Problem("not-utf8", f"{shown(name)} is not UTF-8 text", hint), line, column)
    if suffix == ".txt":
        rows, words = text.split("\n"), text.split()
        # In most files the lines are just the ids.
        if "#" not in text and words == (rows if rows[-1] else rows[:-1]):
            return IdFile(words, range(1, len(words) + 1), rows)
        return _from_text(rows)
    return _from_csv(name, list(StringIO(text, newline="\n")))


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


def _from_csv(name: str, rows: Sequence[str]) -> IdFile | Misread:
    reader = csv.reader(rows, strict=True)
    ids: list[str] = []
    numbers = array("L")
    try:
        header = [cell.strip(SPACE) for cell in _next_row(reader)]
        if header.count(COLUMN) != 1:
            return Misread(_no_column(name, header))
        column = header.index(COLUMN)
        number = reader.line_num + 1
        for row in reader:
            if row:  # not a blank line
                ids.append(row[column].strip(SPACE) if column < len(row) else "")
                numbers.append(number)
            number = reader.line_num + 1
    except csv.Error as error:
        hint = "it must be CSV with commas; double the quotes inside of quotes"
        return Misread(
            Problem("bad-id-file", f"{shown(name)} is not CSV: {error}", hint), max(reader.line_num, 1)
        )
    return IdFile(ids, numbers, rows)


def _next_row(reader: Iterator[list[str]]) -> list[str]:
    """The next row that isn't blank; empty at the end."""
    return next(filter(None, reader), [])


def _no_column(name: str, header: Sequence[str]) -> Problem:
    if COLUMN in header:
        return Problem("bad-id-file", f"{shown(name)} has several {COLUMN} columns", "keep one of them")
    if any(";" in cell or "\t" in cell for cell in header):
        hint = "the columns must be separated by commas"
    elif near := [
        cell for cell in header if cell.casefold().replace("_", "") in ("gatewayid", "gateway", "id")
    ]:
        hint = f"rename the column {shown(near[0])}"
    else:
        hint = f"the first line has to name the columns, one of them {COLUMN}"
    return Problem("bad-id-file", f"{shown(name)} has no {COLUMN} column", hint)
