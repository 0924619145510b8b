"""Files of somebody else as text, and tables of CSV: what everything that reads them has in common.

UTF-8, with or without a byte order mark. White space around a cell doesn't count.

Tests: `tests/resolve/test_resolve_idfiles.py`, `tests/sets/test_sets_tables.py`.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.loading.referenced_files import Problem
from reconciler.loading.stand_ins import CONFLICT, HEAD, conflict_marker, encoded_as, stand_in
from reconciler.text import quoted

SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Misread:
    """What is wrong with the file, and in which line and column (from 1)."""

    problem: Problem
    line: int = 1
    column: int = 1


def text_of(name: str, data: bytes) -> str | Misread:
    """The text of the file that a resource calls `name`; what stands in its place is found."""
    if instead := stand_in(data[:HEAD], size=len(data)):
        return Misread(Problem(instead.code, f"{quoted(name)} is {instead.what}", instead.hint))
    hint = "save the file as UTF-8"
    if encoding := encoded_as(data):
        return Misread(Problem("not-utf8", f"{quoted(name)} is {encoding}", hint))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return Misread(Problem("not-utf8", f"{quoted(name)} is not UTF-8 text", hint), line, column)
    if (at := conflict_marker(text)) is not None:
        problem = Problem(CONFLICT.code, f"{quoted(name)} holds {CONFLICT.what}", CONFLICT.hint)
        return Misread(problem, text.count("\n", 0, at) + 1)
    return text


def cell_at(rows: Sequence[str], number: int, cell: int) -> tuple[int, int]:
    """Line and column (from 1) of what stands in a cell of the record that begins in line `number`.

    Where the record is too short, that is behind it. Quotes are as for `csv`: a cell begins with one.
    """
    fresh, quoting, quoted = True, False, False
    for line in range(number, len(rows) + 1):
        text = rows[line - 1].rstrip("\r\n")
        for column, char in enumerate(text, 1):
            if not cell and char not in SPACE and not (fresh and char == '"'):
                return line, column
            if char == '"' and (fresh or quoting):
                quoting, quoted = True, not quoted
            if fresh and char == " ":
                continue  # blanks before quotes
            fresh = char == "," and not quoted
            if fresh:
                quoting = False
                cell -= 1
        if not quoted:
            return line, len(text) + 1
    return number, 1


def not_csv(name: str, error: csv.Error, rows: Sequence[str], line: int, code: str) -> Misread:
    """Why the file that a resource calls `name` can't be read as CSV, from `line` on."""
    limit = csv.field_size_limit()
    # No type tells that, only its words.
    if "field limit" in str(error) and (found := _long_cell(rows, limit)):
        *at, size = found
        message = f"a cell of {quoted(name)} has {size:,} characters; a cell may have {limit:,} at most"
        hint = "shorten it; if it isn't meant to be so long, close its quotes where it ends"
        return Misread(Problem(code, message, hint), *at)
    hint = "it must be CSV with commas; double the quotes inside of quotes"
    return Misread(Problem(code, f"{quoted(name)} is not CSV: {error}", hint), line)


def _long_cell(rows: Sequence[str], limit: int) -> tuple[int, int, int] | None:
    """Line, column and length of the first cell that is longer than `limit`; `csv` doesn't tell where."""
    begun = (1, 1)
    fresh, quoting, quoted, size = True, False, False, 0
    for line, row in enumerate(rows, 1):
        if not quoted:
            if size > limit:
                break
            begun, fresh, quoting, size = (line, 1), True, False, 0
        if len(row) + size <= limit and not quoted and '"' not in row:
            continue
        for column, char in enumerate(row, 1):
            if char == '"' and (fresh or quoting):
                # A doubled one stands for one.
                size += quoting and not quoted
                quoting, quoted, fresh = True, not quoted, False
            elif not quoted and char in ",\r\n":
                if size > limit:
                    return *begun, size
                begun, fresh, quoting, size = (line, column + 1), True, False, 0
            elif fresh and char == " ":
                begun = (line, column + 1)
            else:
                size += 1
                fresh = False
    return (*begun, size) if size > limit else None


def header_of(reader: Any) -> tuple[int, list[str]]:
    """The first record that isn't blank, and the line in which it begins; nothing at the end."""
    number = 1
    for row in reader:
        if row:
            return number, [cell.strip(SPACE) for cell in row]
        number = reader.line_num + 1
    return 1, []
