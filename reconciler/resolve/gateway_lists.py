"""GatewayLists: ids from YAML and from a data file as one set, and the things behind gateways."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain
from pathlib import Path

from reconciler.filereading import read_whole
from reconciler.loading.nodes import Document, unsure
from reconciler.loading.referenced_files import Files, Problem, beside, reading
from reconciler.loading.tables import Misread
from reconciler.model import Place
from reconciler.resolve.idfiles import COLUMN, IdFile, read_ids
from reconciler.resolve.ids import ODD_CELL, ODD_LINE, Ids, check_ids, warn_of_odd_ids
from reconciler.resolve.source import ResourceSource
from reconciler.resolve.times import parse_zone
from reconciler.text import quoted

ZONE_COLUMN = "timezone"
"""The column that says the zone of a gateway."""


@dataclass(frozen=True, slots=True)
class GatewayList:
    """The gateways of a list and the things of some of them.

    ``whole`` is False when ids may be missing for an error that was found: nothing is concluded from
    their absence then; ``whole_things`` is the same of the things.
    """

    gateways: frozenset[str] = frozenset()
    things: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    whole: bool = True
    whole_things: bool = True
    labels: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    """Column of the data file → value → its gateways; only columns that were asked for."""
    columns: frozenset[str] = frozenset()
    """Every column of the data file but that of the ids."""
    zones: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Time zone → its gateways, as far as the list names one."""
    digest: str = ""
    """Of all its ids, in their order; empty where nobody asked for it."""
    source: ResourceSource | None = field(default=None, repr=False, compare=False)


def resolve_gateway_list(
    source: ResourceSource, files: Files, columns: Collection[str] = frozenset(), *, digested: bool = False
) -> GatewayList:
    """The ids of ``gateways`` and ``file`` together; each wrong, repeated or reserved one is an error.

    `columns`: what is kept of a data file beside the ids. `digested`: a digest of them is wanted.
    """
    inline: Sequence[str] = source.spec.get("gateways") or ()
    named = _DataFile(source.giver("file"), str(source.spec.get("file", "")))
    read = _read(source, named, files, columns)
    data = read or IdFile()

    def place(index: int) -> Place:
        if index < len(inline):
            return source.place("gateways", index)
        return data.place(named.shown, index - len(inline))

    in_file = Ids(data.ids, lambda index: data.place(named.shown, index))
    gateways, good = check_ids(source, Ids([*inline, *data.ids], place) if inline else in_file)
    warn_of_odd_ids(source, in_file, ODD_LINE if data.cell is None else ODD_CELL)
    if data.blanks is not None:
        _warn_of_blanks(source, data.place(named.shown, data.blanks))
    whole = good and read is not None and not any(unsure(source.spec, key) for key in ("gateways", "file"))
    things = _things(source, gateways, whole)
    return GatewayList(
        gateways,
        things,
        whole,
        whole and not unsure(source.spec, "things"),
        {name: _grouped(data.ids, cells, gateways) for name, cells in data.columns.items()},
        frozenset(data.header) - {COLUMN},
        _zones(source, named, data, gateways),
        _digest(inline, data.ids) if digested else "",
        source,
    )


def _digest(*ids: Sequence[str]) -> str:
    """No good id has a line break in it."""
    return blake2b("\n".join(chain(*ids)).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class _DataFile:
    """What a list calls its file, and the document that does."""

    giver: Document
    name: str

    @property
    def shown(self) -> str:
        """How reports call it."""
        return beside(self.giver, self.name)


def _grouped(
    ids: Sequence[str], cells: Sequence[str], gateways: frozenset[str]
) -> Mapping[str, frozenset[str]]:
    """Value → the gateways that have it; an empty cell says nothing."""
    found: dict[str, list[str]] = {}
    for gateway, cell in zip(ids, cells, strict=True):
        if cell:
            found.setdefault(cell, []).append(gateway)
    return {value: gateways.intersection(members) for value, members in sorted(found.items())}


def _zones(
    source: ResourceSource, file: _DataFile, data: IdFile, gateways: frozenset[str]
) -> Mapping[str, frozenset[str]]:
    """The zone of each gateway: its cell of the column, else that of the list."""
    cells = data.columns.get(ZONE_COLUMN, ())
    found: dict[str, frozenset[str]] = {}
    for name, members in _grouped(data.ids, cells, gateways).items() if cells else ():
        zone = parse_zone(name)
        if isinstance(zone, Problem):
            source.problem(zone, data.cell_place(file.shown, cells.index(name), ZONE_COLUMN))
        else:
            found[name] = members
    if "timezone" in source.spec:
        own = str(source.spec["timezone"])
        zone = parse_zone(own)
        if isinstance(zone, Problem):
            source.problem(zone, source.place("timezone"))
        else:
            rest = gateways.difference(*found.values())
            found[own] = found.get(own, frozenset()) | rest
    return found


def _read(source: ResourceSource, file: _DataFile, files: Files, columns: Collection[str]) -> IdFile | None:
    """The file that the list refers to, empty when it refers to none; None when it can't be read."""
    if "file" not in source.spec:
        return IdFile()
    path = files.find(file.giver, file.name)
    data = path if isinstance(path, Problem) else _content(file.name, path)
    if isinstance(data, Problem):
        source.problem(data, source.place("file"))
        return None
    read = read_ids(file.name, data, columns)
    if isinstance(read, Misread):
        place = Place(file.shown, read.line, read.column)
        source.problem(read.problem, place)
        return None
    return read


def _warn_of_blanks(source: ResourceSource, place: Place) -> None:
    message = "a blank stands before the quotes of a cell; it is read as if it weren't there"
    source.warning(
        "odd-gateway-id", message, place, "write the quotes right behind the comma: others read it otherwise"
    )


def _content(name: str, path: Path) -> bytes | Problem:
    return reading(name, lambda: read_whole(path))


def _things(source: ResourceSource, gateways: frozenset[str], whole: bool) -> Mapping[str, tuple[str, ...]]:
    """The things of each gateway, sorted by gateway; a gateway has to be in the list."""
    things: dict[str, tuple[str, ...]] = {}
    for gateway, ids in sorted((source.spec.get("things") or {}).items()):
        if gateway in gateways:
            things[str(gateway)] = tuple(map(str, ids))
        elif whole:
            source.error(
                "thing-outside-list",
                f"things are given for the gateway {quoted(gateway)}, which is not in this list",
                source.place("things", gateway, key=True),
                "add the gateway to the list, or take its things out",
            )
    return things
