"""What a set is made for: rows of a list, of a CSV file, or of two of these, each with each.

Tests: `tests/sets/test_sets_tables.py`, `tests/sets/test_sets_expanding.py`.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Final

from reconciler.filereading import read_whole
from reconciler.findings import Findings
from reconciler.loading.nodes import Ambiguous, Document, MarkedList, MarkedMap, resource_of
from reconciler.loading.referenced_files import Files, Problem, beside, reading
from reconciler.loading.scalars import canonical
from reconciler.loading.tables import SPACE, Misread, cell_at, header_of, not_csv, text_of
from reconciler.model import Finding, Place, RowPlace, Severity
from reconciler.text import control_character, did_you_mean, first, invisible_character, quoted

MOST_ROWS: Final = 100_000
"""How many rows a set may have."""
LONGEST: Final = 10_000
"""Characters of one value."""
_FEW: Final = 5
_FORMULA: Final = re.compile(r"=|@[A-Za-z]|#(?:REF|N/A|NAME|VALUE|DIV|NUM|NULL)\b")
_ROUNDED: Final = re.compile(r"[-+]?\d+(?:[.,]\d+)?[eE]\+\d+")


class Cell(str):
    """Text of a CSV file, of which nobody said what type it has."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class RowSource:
    """Where the values of some names of a row stand; the place of None is that of the row."""

    names: Collection[str]
    at: Callable[[str | None], RowPlace]


@dataclass(frozen=True, slots=True)
class SetRow:
    """The values of one campaign."""

    values: Mapping[str, object]
    origins: tuple[RowSource, ...]
    written: Mapping[str, str] = field(default_factory=dict)
    """How numbers and booleans are written, where others would write them otherwise (``1.10``)."""

    def text(self, name: str) -> str:
        """A value in the middle of a text."""
        return self.written.get(name) or canonical(self.values[name])

    def places(self, names: Collection[str] = ()) -> tuple[RowPlace, ...]:
        """Where the values of `names` stand; without any, where the row does."""
        values = [origin.at(name) for origin in self.origins for name in names if name in origin.names]
        return tuple(values) or tuple(origin.at(None) for origin in self.origins)


@dataclass(frozen=True, slots=True)
class Generator:
    """Where rows come from."""

    path: tuple[str | int, ...]
    """In the document of the set."""
    names: Mapping[str, Place]
    """What its rows have values for, and where a name stands first."""
    count: int
    rows: Callable[[], Iterator[SetRow]]
    table: bool = False
    """Whether it reads a file that may well be kept for other purposes, too."""


@dataclass(slots=True)
class Generators:
    """Reads the generators of one set; what is wrong with them goes to ``findings``."""

    document: Document
    files: Files
    findings: Findings

    def generators(self) -> Sequence[Generator]:
        """Those that can be used. What has not the form of one is left to validation."""
        spec = self.document.value.get("spec")
        given = spec.get("generators") if isinstance(spec, MarkedMap) else None
        if not isinstance(given, MarkedList):
            return ()
        found = (self._generator(each, ("spec", "generators", at)) for at, each in enumerate(given))
        return tuple(each for each in found if each is not None)

    def _generator(self, given: object, path: tuple[str | int, ...]) -> Generator | None:
        if not isinstance(given, MarkedMap) or len(given) != 1:
            return None
        match next(iter(given.items())):
            case "list", MarkedList() as rows:
                return self._nonempty(self._listed(rows, (*path, "list")))
            case "csv", str(name) if not isinstance(name, Ambiguous):
                found = self._csv(name, (*path, "csv"))
                return self._nonempty(found) if found else None
            case "matrix", MarkedList() as both if len(both) == 2:
                pair = [self._generator(each, (*path, "matrix", at)) for at, each in enumerate(both)]
                return self._matrix(pair[0], pair[1], (*path, "matrix")) if all(pair) else None
        return None

    def _nonempty(self, generator: Generator) -> Generator | None:
        """A list or file without rows is a mistake more often than a wish: whole fleets would go."""
        if generator.count:
            return generator
        hint = "give it a row, or take the generator out if no campaign is wanted: `generators: []`"
        self._error("empty-generator", "the generator has no rows", self._place(generator.path), hint)
        return None

    # --- lists -----------------------------------------------------------------------------------

    def _listed(self, items: MarkedList, path: tuple[str | int, ...]) -> Generator:
        names: dict[str, Place] = {}
        for at, item in enumerate(items):
            if isinstance(item, MarkedMap):
                for name in item.keys() - names.keys():
                    names[name] = self._place((*path, at, name), key=True)
        return Generator(path, names, len(items), partial(self._of_list, items, path))

    def _of_list(self, items: MarkedList, path: tuple[str | int, ...]) -> Iterator[SetRow]:
        for at, item in enumerate(items):
            if isinstance(item, MarkedMap):
                here = (*path, at)
                written = {name: text for name in item if (text := self.document.written((*here, name)))}
                yield SetRow(item, (RowSource(item.keys(), partial(self._in_list, here)),), written)

    def _in_list(self, path: tuple[str | int, ...], name: str | None) -> RowPlace:
        place = self._place(path if name is None else (*path, name))
        return RowPlace(place.file, place.line, place.column)

    # --- files -----------------------------------------------------------------------------------

    def _csv(self, name: str, path: tuple[str | int, ...]) -> Generator | None:
        giver = self.document.giver(path)
        found = self.files.find(giver, name)
        data = found if isinstance(found, Problem) else _content(name, found)
        if isinstance(data, Problem):
            self._error(data.code, data.message, self._place(path), data.hint)
            return None
        table = read_table(name, data)
        file = beside(giver, name)
        if isinstance(table, Misread):
            problem = table.problem
            self._error(problem.code, problem.message, Place(file, table.line, table.column), problem.hint)
            return None
        names = {each: Place(file, *table.heading(each)) for each in table.header}
        return Generator(path, names, len(table.records), partial(table.rows, file), table=True)

    # --- two of them -----------------------------------------------------------------------------

    def _matrix(
        self, one: Generator | None, other: Generator | None, path: tuple[str | int, ...]
    ) -> Generator | None:
        assert one is not None, "both are there"
        assert other is not None, "both are there"
        if twice := sorted(one.names.keys() & other.names.keys()):
            message = f"{quoted(twice[0])} is a value of both generators of a matrix"
            hint = f"give it another name in one of them; the other one is at {one.names[twice[0]]}"
            self._error("duplicate-value", message, other.names[twice[0]], hint)
            return None
        table = one.table or other.table
        return Generator(
            path, {**one.names, **other.names}, one.count * other.count, partial(_each, one, other), table
        )

    # --- what is said ----------------------------------------------------------------------------

    def unknown(self, name: str, place: Place, generator: Generator) -> None:
        """No row of a generator has a value of that name."""
        where = self._place(generator.path)
        message = f"no row of the generator at {where} has a value for {quoted(f'${{{name}}}')}"
        known = sorted(generator.names)
        hint = did_you_mean(name, known, lambda near: quoted(f"${{{near}}}"))
        self._error("unknown-placeholder", message, place, hint or f"its rows have {first(known, _FEW)}")

    def unused(self, names: Collection[str], generator: Generator) -> None:
        """Values that no placeholder uses: in a list that was written for the set, or in a file."""
        left = [name for name in generator.names if name not in names]
        if not left:
            return
        place = generator.names[left[0]]
        message = f"no placeholder of the template uses {first([quoted(name) for name in left], _FEW)}"
        severity = Severity.NOTE if generator.table else Severity.WARNING
        hint = None if generator.table else "take it out, or write it into the template"
        self._add("unused-value", message, place, hint, severity)

    def wrong(self, row: SetRow, name: str, *, inside: bool) -> Finding | None:
        """What is wrong with a value of a row; `inside`: it stands in the middle of a text."""
        value = row.values.get(name)
        if isinstance(value, Ambiguous):
            return None  # validation says how it reads
        if value is None or (isinstance(value, Cell) and not value):
            message = f"the row has no value for {quoted(f'${{{name}}}')}"
            return self._about(row, name, "missing-value", message, "give it one in every row")
        if isinstance(value, list | dict) and inside:
            message = (
                f"the value for {quoted(f'${{{name}}}')} is a list or a mapping, in the middle of a text"
            )
            hint = f"write ${{{name}}} alone, or give it a text"
            return self._about(row, name, "bad-value", message, hint)
        for text in value if isinstance(value, list) else (value,):
            if isinstance(text, str) and (why := _wrong(text, cell=isinstance(text, Cell))):
                return self._about(
                    row, name, "bad-value", f"the value for {quoted(f'${{{name}}}')} {why[0]}", why[1]
                )
        return None

    def odd(self, row: SetRow, name: str) -> Finding | None:
        """A value that is probably not what somebody typed."""
        value = row.values[name]
        if not isinstance(value, Cell) or not _ROUNDED.fullmatch(value):
            return None
        message = f"{quoted(value)} looks like a number that a spreadsheet rounded"
        hint = "export the column as text, and look for the digits that are lost"
        found = self._about(row, name, "odd-value", message, hint)
        return replace(found, severity=Severity.WARNING)

    def _about(self, row: SetRow, name: str, code: str, message: str, hint: str) -> Finding:
        at = row.places((name,))[-1]
        place = Place(at.file, at.line, at.column)
        return Finding(code, message, place, hint, resource_of(self.document))

    def _place(self, path: Sequence[str | int], *, key: bool = False) -> Place:
        return self.document.place(path, key=key)

    def _error(self, code: str, message: str, place: Place, hint: str | None) -> None:
        self._add(code, message, place, hint, Severity.ERROR)

    def _add(self, code: str, message: str, place: Place, hint: str | None, severity: Severity) -> None:
        self.findings.add([Finding(code, message, place, hint, resource_of(self.document), severity)])


def _each(one: Generator, other: Generator) -> Iterator[SetRow]:
    inner = tuple(other.rows())
    for row in one.rows():
        for more in inner:
            yield SetRow(
                {**row.values, **more.values},
                (*row.origins, *more.origins),
                {**row.written, **more.written},
            )


def _content(name: str, path: Path) -> bytes | Problem:
    return reading(name, lambda: read_whole(path))


def _wrong(text: str, *, cell: bool) -> tuple[str, str] | None:
    """What a value may not be, and what to do."""
    if len(text) > LONGEST:
        return f"has {len(text):,} characters, but {LONGEST:,} is the most", "shorten it"
    if "${" in text:
        return "holds a placeholder itself, and rows are not filled in", "write the value out"
    if not cell:
        return None  # validation looks at what stands in YAML
    if bad := control_character(text):
        return f"has the control character {bad} in it", "remove it; it may be invisible in your editor"
    if unseen := invisible_character(text, in_prose=True):
        at, which = unseen
        return f"has the invisible character {which} in it, at its character {at + 1}", "remove it"
    if _FORMULA.match(text):
        return f"is a formula, or an error of one: {quoted(text)}", "write the value that it stands for"
    return None


# --- tables --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file: its columns, and its records with the line (from 1) in which each begins."""

    header: Mapping[str, int]
    """Column → its cell in a record, from 0."""
    first: int
    """The line of the header."""
    records: Sequence[Sequence[str]]
    numbers: Sequence[int]
    lines: Sequence[str] = field(repr=False)

    def heading(self, column: str) -> tuple[int, int]:
        """Line and column where the name of a column stands."""
        return cell_at(self.lines, self.first, self.header[column])

    def rows(self, file: str) -> Iterator[SetRow]:
        """Every record as a row; a cell that isn't there is empty."""
        for number, record in zip(self.numbers, self.records, strict=True):
            values = {
                name: Cell(record[at]) if at < len(record) else Cell("") for name, at in self.header.items()
            }
            yield SetRow(values, (RowSource(self.header.keys(), partial(self._at, file, number)),))

    def _at(self, file: str, number: int, name: str | None) -> RowPlace:
        return RowPlace(file, *cell_at(self.lines, number, 0 if name is None else self.header[name]))


def read_table(name: str, data: bytes) -> Table | Misread:
    """The table in the content of the file `name`; what isn't a table is found."""
    if PurePosixPath(name).suffix.lower() != ".csv":
        hint = "use .csv: the first line names the columns, each other line is a row"
        return Misread(Problem("bad-table", f"{quoted(name)} is no .csv file", hint))
    text = text_of(name, data)
    if isinstance(text, Misread):
        return text
    lines = list(StringIO(text, newline="\n"))
    return _table(name, lines)


def _table(name: str, lines: Sequence[str]) -> Table | Misread:
    reader = csv.reader(lines, strict=True, skipinitialspace=True)
    records: list[tuple[str, ...]] = []
    numbers = array("L")
    try:
        begin, header = header_of(reader)
        if why := _wrong_header(name, header):
            problem, cell = why
            return Misread(problem, *cell_at(lines, begin, cell))
        number = reader.line_num + 1
        for record in reader:
            if len(record) > len(header) and any(cell.strip(SPACE) for cell in record[len(header) :]):
                what = f"the row has {len(record)} cells, but {quoted(name)} names {len(header)} columns"
                hint = "quote a cell that holds a comma, or name the column"
                return Misread(Problem("bad-table", what, hint), *cell_at(lines, number, len(header)))
            if any(cell.strip(SPACE) for cell in record):
                records.append(tuple(cell.strip(SPACE) for cell in record))
                numbers.append(number)
                if len(records) > MOST_ROWS:
                    what = f"{quoted(name)} has more than {MOST_ROWS:,} rows"
                    return Misread(
                        Problem("set-too-large", what, "make several files, and sets, of it"), number
                    )
            number = reader.line_num + 1
    except csv.Error as error:
        return not_csv(name, error, lines, max(reader.line_num, 1), "bad-table")
    return Table({each: at for at, each in enumerate(header) if each}, begin, records, numbers, lines)


def _wrong_header(name: str, header: Sequence[str]) -> tuple[Problem, int] | None:
    """What is wrong with the names of the columns, and in which cell."""
    if not any(header):
        hint = "the first line has to name the columns"
        return Problem("bad-table", f"{quoted(name)} names no columns", hint), 0
    seen: dict[str, int] = {}
    for cell, column in enumerate(header):
        if column and seen.setdefault(column, cell) != cell:
            return Problem(
                "bad-table", f"{quoted(name)} has several columns {quoted(column)}", "keep one of them"
            ), cell
        if unseen := control_character(column) or (invisible_character(column) or ("", ""))[1]:
            message = f"the name of the column {quoted(column)} has the invisible character {unseen} in it"
            return Problem("bad-table", message, "remove it: nobody could write it in a placeholder"), cell
        if ";" in column or "\t" in column:
            message = f"the columns of {quoted(name)} are not separated by commas"
            return Problem("bad-table", message, "export it with commas"), cell
    return None
