"""Reading the file of a snapshot. Of its long lines only where they stand is kept. See `line_format`."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from reconciler.codec import Malformed, parse
from reconciler.errors import ReconcilerError, unreadable
from reconciler.filereading import only_a_file
from reconciler.model import Json, LiveCampaign, LivePackage, Membership, Server
from reconciler.snapshot.line_format import (
    FORMAT_VERSION,
    EndLine,
    GatewaysLine,
    Header,
    Line,
    OverridesLine,
    StateLine,
    ValuesLine,
    line_coder,
)
from reconciler.state.base import State
from reconciler.state.folding import fold
from reconciler.state.state_format import decode_event

_LAST_MOMENT: Final = 253_402_300_799_000
"""Epoch milliseconds."""


@dataclass
class SnapshotFile:
    """A whole, unbroken snapshot. A `reconciler.providers.snapshot.Saved`."""

    path: Path
    header: Header
    campaigns: dict[str, LiveCampaign] = field(default_factory=dict)
    packages: dict[str, LivePackage] = field(default_factory=dict)
    lists: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Campaign id → where its lines of gateways and overrides begin."""
    state: list[int] = field(default_factory=list)
    """Where the lines about the project's state begin."""

    @property
    def server(self) -> Server:
        return self.header.server

    def gateways(self, campaign_id: str) -> Membership:
        """See `Saved.gateways`."""
        states: dict[str, set[str]] = defaultdict(set)
        closed: set[str] = set()
        values: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for line in self._at(self.lists.get(campaign_id, ())):
            if isinstance(line, GatewaysLine):
                states[line.state].update(line.ids)
                closed.update(line.ids if line.closed else ())
            elif isinstance(line, ValuesLine):
                values[line.field][line.value].update(line.ids)
        return Membership(
            {state: frozenset(ids) for state, ids in states.items()},
            frozenset(closed),
            {name: {v: frozenset(ids) for v, ids in groups.items()} for name, groups in values.items()},
        )

    def overrides(self, campaign_id: str) -> Mapping[str, tuple[str, ...]]:
        """See `Saved.overrides`."""
        found: dict[str, tuple[str, ...]] = {}
        for line in self._at(self.lists.get(campaign_id, ())):
            if isinstance(line, OverridesLine):
                found.update(dict.fromkeys(line.ids, line.packages))
        return found

    def events(self) -> Iterator[Json]:
        """The events that make the project's state."""
        return (line.event for line in self._at(self.state) if isinstance(line, StateLine))

    def _at(self, offsets: Iterable[int]) -> Iterator[Line]:
        with explained(self.path), self.path.open("rb") as file:
            for offset in offsets:
                file.seek(offset)
                yield _read(parse(file.readline()), f"line at byte {offset}")


def open_snapshot(path: Path) -> SnapshotFile:
    """The snapshot at `path`, read once from end to end; ReconcilerError when it isn't a whole one."""
    with explained(path):
        only_a_file(path)
    with explained(path), path.open("rb") as file:
        lines = _verified(file)
        _, first, place = next(lines, (0, None, "line 1"))
        found = SnapshotFile(path, _header(first, place))
        campaign = ""
        for offset, document, place in lines:
            match _kind(document, place):
                case "gateways" | "overrides" | "values" if campaign:
                    found.lists[campaign].append(offset)
                case "state":
                    found.state.append(offset)
                case "campaign" | "package":
                    line = _read(document, place)
                    if isinstance(line, LiveCampaign):
                        campaign = line.id
                        found.campaigns[campaign] = line
                    elif isinstance(line, LivePackage):
                        found.packages[line.id] = line
                case _:
                    raise Malformed.wrong("another kind of line").within(place)
    return found


def _read(document: Json, place: str) -> Line:
    if isinstance(document, dict) and document.get("kind") == "package" and "mark" in document:
        # Older files also have `mark`, the first digits of the content, which the description repeats.
        del document["mark"]
        document.setdefault("sha256", None)
    try:
        line: Line = line_coder().decode(document, None)
    except Malformed as error:
        error.within(place)
        raise
    return line


def _kind(document: Json, place: str) -> Json:
    if not isinstance(document, dict):
        raise Malformed.wrong("an object").within(place)
    if "kind" not in document:
        raise Malformed.missing("kind").within(place)
    kind: Json = document["kind"]
    return kind


def _verified(file: BinaryIO) -> Iterator[tuple[int, Json, str]]:
    """Offset, content and place of every line but the last, which has to be true of them."""
    sha256 = hashlib.sha256()
    offset = 0
    for number, data in enumerate(file, 1):
        if not data.endswith(b"\n"):
            break
        document, place = parse(data), f"line {number}"
        if _kind(document, place) == "end":
            if _read(document, place) == EndLine(number - 1, sha256.hexdigest()) and not file.read(1):
                return
            raise Malformed("what its last line says of the others isn't true: it was changed")
        sha256.update(data)
        yield offset, document, place
        offset += len(data)
    raise Malformed("it has no last line: it was cut off")


def _header(document: Json, place: str) -> Header:
    if not isinstance(document, dict) or document.get("kind") != "snapshot":
        raise Malformed("it doesn't begin like one")
    version = document.get("formatVersion")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise Malformed.wrong("a natural number").within("formatVersion").within(place)
    if version > FORMAT_VERSION:
        raise ReconcilerError(
            f"the snapshot has format version {version}, and this reconciler knows versions up to"
            f" {FORMAT_VERSION}",
            hint="It was taken by a newer reconciler: use that version or a later one.",
        )
    header = _read(document, place)
    assert isinstance(header, Header)
    if header.taken > _LAST_MOMENT:
        raise Malformed.wrong("a time before the year 10000").within("taken").within(place)
    return header


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns what goes wrong with the file into one clear error."""
    try:
        yield
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise ReconcilerError(
            f"{path} isn't a whole snapshot: {error}",
            hint="Take it again with `reconciler snapshot --out FILE`.",
        ) from error


def read_state(snapshot: SnapshotFile) -> State:
    """The state as far as the snapshot has it, belonging to its server; without lineage and salt."""
    version = snapshot.header.state_version
    with explained(snapshot.path):
        events = (decode_event(event, version) for event in snapshot.events())
        return fold(State(lineage="", salt="", server=snapshot.server), events)
