"""The file of a snapshot: JSON lines, the last of them a digest of all before it.

    {"kind": "snapshot", "formatVersion": 1, "taken": …, "server": {…}, "project": …, "environment": …, …}
    {"kind": "campaign", "id": …, "name": …, "status": …, "description": …, "packages": […], …}
    {"kind": "gateways", "state": …, "closed": …, "ids": […]}    of the campaign above, a thousand a line
    {"kind": "overrides", "packages": […], "ids": […]}           the same
    {"kind": "package", "id": …, "name": …, "description": …, "sha256": …}
    {"kind": "state", "event": {…}}                              of what the project owns: see `kept`
    {"kind": "end", "lines": …, "sha256": …}

The same content gives the same bytes. Nobody holds all of it: lines are written as they come, and of the
long ones a reader keeps only where they stand. ``schemas/snapshot.json`` describes a line. The digest tells
a broken file from a whole one; it is no signature.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from reconciler.errors import ReconcilerError
from reconciler.model import DistributionList, Json, LiveCampaign, LivePackage, Membership, Phase, Server
from reconciler.state.base import FORMAT_VERSION as STATE_VERSION
from reconciler.state.nodes import Malformed, Node

FORMAT_VERSION: Final = 1
IDS_PER_LINE: Final = 1_000
_LAST_MOMENT: Final = 253_402_300_799_000
"""Epoch milliseconds."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a snapshot is of. ``taken`` in epoch milliseconds; ``overrides``: which ones were read."""

    server: Server
    taken: int
    overrides: str
    project: str | None = None
    environment: str | None = None
    state_version: int = STATE_VERSION


def parts(ids: Collection[str]) -> Iterator[tuple[str, ...]]:
    """`ids`, sorted, in as many parts as they need lines."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), IDS_PER_LINE):
        yield tuple(ordered[start : start + IDS_PER_LINE])


class Writer:
    """Writes the lines of a snapshot to `out`; ``end`` makes it whole."""

    def __init__(self, out: BinaryIO, header: Header) -> None:
        self._out = out
        self._sha256 = hashlib.sha256()
        self._lines = 0
        server = header.server
        self.line(
            "snapshot",
            formatVersion=FORMAT_VERSION,
            taken=header.taken,
            server={"provider": server.provider, "url": server.url, "organization": server.organization},
            project=header.project,
            environment=header.environment,
            overrides=header.overrides,
            stateVersion=header.state_version,
        )

    def line(self, kind: str, **values: Json) -> None:
        data = json.dumps({"kind": kind, **values}, allow_nan=False).encode() + b"\n"
        self._sha256.update(data)
        self._lines += 1
        self._out.write(data)

    def lists(self, kind: str, ids: Collection[str], **values: Json) -> None:
        """`ids`, sorted, in as many lines as they need."""
        for part in parts(ids):
            self.line(kind, **values, ids=part)

    def campaign(self, live: LiveCampaign) -> None:
        """A campaign with all that was read of it."""
        distribution, members = live.distribution, live.gateways or Membership()
        self.line(
            "campaign",
            id=live.id,
            name=live.name,
            status=live.status,
            description=live.description,
            packages=list(live.packages),
            distribution=None
            if distribution is None
            else {"id": distribution.id, "interval": distribution.interval},
        )
        for state in sorted(members.states):
            everyone = members.states[state]
            shut = everyone & members.closed
            self.lists("gateways", everyone - shut if shut else everyone, state=state, closed=False)
            self.lists("gateways", shut, state=state, closed=True)
        by_packages: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for gateway, packages in live.overrides.items():
            by_packages[packages].append(gateway)
        for packages in sorted(by_packages):
            self.lists("overrides", by_packages[packages], packages=list(packages))

    def package(self, package: LivePackage) -> None:
        self.line(
            "package",
            id=package.id,
            name=package.name,
            description=package.description,
            sha256=package.sha256,
        )

    def end(self) -> None:
        """The last line."""
        self.line("end", lines=self._lines, sha256=self._sha256.hexdigest())


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
        with explained(self.path):
            for line in self._lists_of(campaign_id, "gateways"):
                state, is_closed, ids = line.members("kind", "state", "closed", "ids")[1:]
                states[state.text()].update(ids.texts())
                if is_closed.value is True:
                    closed.update(ids.texts())
        return Membership({state: frozenset(ids) for state, ids in states.items()}, frozenset(closed))

    def overrides(self, campaign_id: str) -> Mapping[str, tuple[str, ...]]:
        """See `Saved.overrides`."""
        found: dict[str, tuple[str, ...]] = {}
        with explained(self.path):
            for line in self._lists_of(campaign_id, "overrides"):
                packages, ids = line.members("kind", "packages", "ids")[1:]
                found.update(dict.fromkeys(ids.texts(), tuple(packages.texts())))
        return found

    def events(self) -> Iterator[Node]:
        """The events that make the project's state."""
        return (line.members("kind", "event")[1] for line in self._at(self.state))

    def _lists_of(self, campaign_id: str, kind: str) -> Iterator[Node]:
        lines = self._at(self.lists.get(campaign_id, ()))
        return (line for line in lines if line.member("kind").text() == kind)

    def _at(self, offsets: Iterable[int]) -> Iterator[Node]:
        with self.path.open("rb") as file:
            for offset in offsets:
                file.seek(offset)
                yield Node(json.loads(file.readline()), f"line at byte {offset}")


def open_snapshot(path: Path) -> SnapshotFile:
    """The snapshot at `path`, read once from end to end; ReconcilerError when it isn't a whole one."""
    with explained(path), path.open("rb") as file:
        lines = _verified(file)
        _, first = next(lines, (0, Node(None, "line 1")))
        found = SnapshotFile(path, _header(first))
        campaign = ""
        for offset, line in lines:
            kind = line.member("kind").text()
            if kind == "campaign":
                live = _campaign(line)
                campaign = live.id
                found.campaigns[campaign] = live
            elif kind in ("gateways", "overrides") and campaign:
                found.lists[campaign].append(offset)
            elif kind == "package":
                package = _package(line)
                found.packages[package.id] = package
            elif kind == "state":
                found.state.append(offset)
            else:
                raise line.wrong("another kind of line")
    return found


def _verified(file: BinaryIO) -> Iterator[tuple[int, Node]]:
    """Offset and content of every line but the last, which has to be true of them."""
    sha256 = hashlib.sha256()
    offset = 0
    for number, data in enumerate(file, 1):
        if not data.endswith(b"\n"):
            break
        line = Node(json.loads(data), f"line {number}")
        if line.member("kind").value == "end":
            lines, digest = line.members("kind", "lines", "sha256")[1:]
            if (lines.value, digest.value) == (number - 1, sha256.hexdigest()) and not file.read(1):
                return
            raise Malformed("what its last line says of the others isn't true: it was changed")
        sha256.update(data)
        yield offset, line
        offset += len(data)
    raise Malformed("it has no last line: it was cut off")


def _header(line: Node) -> Header:
    if not isinstance(line.value, dict) or line.value.get("kind") != "snapshot":
        raise Malformed("it doesn't begin like one")
    version = line.member("formatVersion").integer()
    if version > FORMAT_VERSION:
        raise ReconcilerError(
            f"the snapshot has format version {version}, and this reconciler knows versions up to"
            f" {FORMAT_VERSION}",
            hint="It was taken by a newer reconciler: use that version or a later one.",
        )
    keys = ("kind", "formatVersion", "taken", "server", "project", "environment", "overrides", "stateVersion")
    taken, server, project, environment, overrides, state_version = line.members(*keys)[2:]
    provider, url, organization = server.members("provider", "url", "organization")
    if taken.integer() > _LAST_MOMENT:
        raise taken.wrong("a time before the year 10000")
    return Header(
        Server(provider.text(), url.text(), organization.optional_text()),
        taken.integer(),
        overrides.text(),
        project.optional_text(),
        environment.optional_text(),
        state_version.integer(),
    )


def _campaign(line: Node) -> LiveCampaign:
    keys = ("kind", "id", "name", "status", "description", "packages", "distribution")
    campaign_id, name, status, description, packages, distribution = line.members(*keys)[1:]
    found: DistributionList | None = None
    if distribution.value is not None:
        list_id, interval = distribution.members("id", "interval")
        found = DistributionList(list_id.text(), None if interval.value is None else interval.integer())
    return LiveCampaign(
        id=campaign_id.text(),
        name=name.text(),
        status=status.text(),
        phase=Phase.UNKNOWN,
        description=description.text(),
        packages=tuple(packages.texts()),
        distribution=found,
        distribution_read=True,
    )


def _package(line: Node) -> LivePackage:
    package_id, name, description, sha256 = line.members("kind", "id", "name", "description", "sha256")[1:]
    return LivePackage(package_id.text(), name.text(), description.text(), sha256.optional_text())


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns what goes wrong with the file into one clear error."""
    try:
        yield
    except OSError as error:
        raise ReconcilerError(f"{path} can't be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ReconcilerError(
            f"{path} is no whole snapshot: {error}",
            hint="Take it again with `reconciler snapshot --out FILE`.",
        ) from error
