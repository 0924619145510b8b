"""GatewayLists: ids from YAML and from a data file as one set, and the things behind gateways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.filereading import read_whole
from reconciler.loading.nodes import unsure
from reconciler.model import Place
from reconciler.resolve.idfiles import IdFile, Misread, read_ids
from reconciler.resolve.ids import ODD_CELL, ODD_LINE, Ids, check_ids, warn_of_odd_ids
from reconciler.resolve.referenced_files import Files, beside, reading
from reconciler.resolve.source import Problem, ResourceSource
from reconciler.text import quoted


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


def resolve_gateway_list(source: ResourceSource, files: Files) -> GatewayList:
    """The ids of ``gateways`` and ``file`` together; each wrong, repeated or reserved one is an error."""
    inline: Sequence[str] = source.spec.get("gateways") or ()
    read = _data_file(source, files)
    data = read or IdFile()
    file = beside(source.giver("file"), str(source.spec.get("file", "")))

    def place(index: int) -> Place:
        if index < len(inline):
            return source.place("gateways", index)
        return data.place(file, index - len(inline))

    gateways, good = check_ids(source, Ids([*inline, *data.ids], place))
    odd = ODD_LINE if data.cell is None else ODD_CELL
    warn_of_odd_ids(source, Ids(data.ids, lambda index: data.place(file, index)), odd)
    if data.blanks is not None:
        _warn_of_blanks(source, data.place(file, data.blanks))
    whole = good and read is not None and not any(unsure(source.spec, key) for key in ("gateways", "file"))
    things = _things(source, gateways, whole)
    return GatewayList(gateways, things, whole, whole and not unsure(source.spec, "things"))


def _data_file(source: ResourceSource, files: Files) -> IdFile | None:
    """The file that the list refers to, empty when it refers to none; None when it can't be read."""
    if "file" not in source.spec:
        return IdFile()
    name = str(source.spec["file"])
    path = files.find(source.giver("file"), name)
    data = path if isinstance(path, Problem) else _content(name, path)
    if isinstance(data, Problem):
        source.problem(data, source.place("file"))
        return None
    read = read_ids(name, data)
    if isinstance(read, Misread):
        place = Place(beside(source.giver("file"), name), read.line, read.column)
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
