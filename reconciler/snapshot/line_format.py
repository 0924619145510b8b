"""The file of a snapshot: JSON lines, the last of them a digest of all before it.

    {"kind": "snapshot", "formatVersion": 1, "taken": …, "server": {…}, "project": …, "environment": …, …}
    {"kind": "campaign", "id": …, "name": …, "status": …, "description": …, "packages": […], …}
    {"kind": "gateways", "state": …, "closed": …, "ids": […]}    of the campaign above, a thousand a line
    {"kind": "overrides", "packages": […], "ids": […]}           the same
    {"kind": "values", "field": …, "value": …, "ids": […]}       the same
    {"kind": "package", "id": …, "name": …, "description": …, "sha256": …}
    {"kind": "state", "event": {…}}                              of what the project owns: see `write_state`
    {"kind": "end", "lines": …, "sha256": …}

The same content gives the same bytes. Nobody holds all of it: lines are written as they come, and of the
long ones a reader keeps only where they stand. ``schemas/snapshot.json`` describes a line. The digest tells
a broken file from a whole one; it isn't a signature.

Tests: `tests/snapshot/test_snapshot_file.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import BinaryIO, Final

from reconciler.codec import Coder, Format, Left, Shape, Tag, coder
from reconciler.model import DistributionList, Json, LiveCampaign, LivePackage, Membership, Phase, Server
from reconciler.state.applied import withheld
from reconciler.state.base import FORMAT_VERSION as STATE_VERSION
from reconciler.state.base import (
    CampaignOwned,
    Event,
    IntentNoted,
    MembersApplied,
    PackageUploaded,
    State,
)
from reconciler.state.state_format import encode_event

FORMAT_VERSION: Final = 1
IDS_PER_LINE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: what the snapshot is of."""

    server: Server
    taken: int
    """When it was started, epoch milliseconds."""
    overrides: str
    """Which gateways' packages were read."""
    project: str | None = None
    """The name of the project; None without a project file."""
    environment: str | None = None
    """The environment of the project; None without one."""
    state_version: int = STATE_VERSION
    """The format version of the ``state`` lines."""


@dataclass(frozen=True, slots=True)
class GatewaysLine:
    """Gateways of the campaign above."""

    state: str
    """Their state in the campaign."""
    closed: bool
    """Whether the campaign is closed for them."""
    ids: tuple[str, ...]
    """Gateways, sorted; at most a thousand."""


@dataclass(frozen=True, slots=True)
class OverridesLine:
    """What gateways of the campaign above get; only those that were asked about."""

    packages: tuple[str, ...]
    """Ids of packages, in the server's order."""
    ids: tuple[str, ...]
    """Gateways, sorted; at most a thousand."""


@dataclass(frozen=True, slots=True)
class ValuesLine:
    """What the server reports about gateways of the campaign above, if it does."""

    field: str
    """Which field it is."""
    value: str
    """Its value, as in a state."""
    ids: tuple[str, ...]
    """Gateways, sorted; at most a thousand."""


@dataclass(frozen=True, slots=True)
class StateLine:
    """A fact of the project's state: who owns what, what was last applied. Never a secret or its digest."""

    event: Json
    """As in the journal of the state; a secret is ``{"withheld": true}``."""


@dataclass(frozen=True, slots=True)
class EndLine:
    """The last line."""

    lines: int
    """How many lines there are before this one."""
    sha256: str
    """SHA-256 of all lines before this one, hex."""


Line = Header | LiveCampaign | GatewaysLine | OverridesLine | ValuesLine | LivePackage | StateLine | EndLine

SNAPSHOT_FORMAT: Final = Format(
    tags={
        Line: Tag(
            "kind",
            {
                Header: "snapshot",
                LiveCampaign: "campaign",
                GatewaysLine: "gateways",
                OverridesLine: "overrides",
                ValuesLine: "values",
                LivePackage: "package",
                StateLine: "state",
                EndLine: "end",
            },
        )
    },
    shapes={
        Header: Shape(
            constants={"formatVersion": FORMAT_VERSION},
            first=("taken", "server", "project", "environment"),
            always=frozenset({"project", "environment", "state_version"}),
        ),
        Server: Shape(always=frozenset({"organization"})),
        LiveCampaign: Shape(
            always=frozenset({"description", "packages", "distribution"}),
            without={
                "phase": Left("the provider tells it from the status", Phase.UNKNOWN),
                "gateways": Left("they stand in lines of their own"),
                "overrides": Left("they stand in lines of their own"),
                "distribution_read": Left("a snapshot reads all of them", value=True),
            },
        ),
        DistributionList: Shape(always=frozenset({"interval"})),
        LivePackage: Shape(always=frozenset({"description", "sha256"})),
    },
)


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
        self.line(header)

    def line(self, line: Line) -> None:
        data = json.dumps(line_coder().encode(line, None), allow_nan=False).encode() + b"\n"
        self._sha256.update(data)
        self._lines += 1
        self._out.write(data)

    def campaign(self, live: LiveCampaign) -> None:
        """A campaign with all that was read of it."""
        members = live.gateways or Membership()
        self.line(live)
        for state in sorted(members.states):
            everyone = members.states[state]
            shut = everyone & members.closed
            for part in parts(everyone - shut if shut else everyone):
                self.line(GatewaysLine(state, closed=False, ids=part))
            for part in parts(shut):
                self.line(GatewaysLine(state, closed=True, ids=part))
        by_packages: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for gateway, packages in live.overrides.items():
            by_packages[packages].append(gateway)
        for packages in sorted(by_packages):
            for part in parts(by_packages[packages]):
                self.line(OverridesLine(packages, part))

        for name, groups in sorted(members.values.items()):
            for value in sorted(groups):
                for part in parts(groups[value]):
                    self.line(ValuesLine(name, value, part))

    def package(self, package: LivePackage) -> None:
        self.line(package)

    def end(self) -> None:
        """The last line."""
        self.line(EndLine(self._lines, self._sha256.hexdigest()))


@cache
def line_coder() -> Coder:
    """Looked up once: there are many lines."""
    return coder(SNAPSHOT_FORMAT, Line)


def write_state(state: State, writer: Writer) -> None:
    """The lines of what a plan needs of a project's state: what is ours, and what was last applied.

    They are the events that make such a state. Digests of secrets stay behind, and so does the salt: who
    holds both can try out every value of a short secret, and a snapshot is made to be handed on. What is left
    of a secret is that there is one.
    """
    for event in _events(state):
        writer.line(StateLine(withheld(encode_event(event))))


def _events(state: State) -> Iterator[Event]:
    """The events that make `state` out of an empty one, always in the same order."""
    for resource, owned in sorted(state.campaigns.items()):
        yield CampaignOwned(replace(owned, members={}))
        for name, groups in sorted(owned.members.items()):
            for value in sorted(groups):
                for gateways in parts(groups[value]):
                    yield MembersApplied(resource, name, value, gateways)
    yield from (PackageUploaded(uploaded) for _, uploaded in sorted(state.packages.items()))
    yield from (IntentNoted(intent) for _, intent in sorted(state.intents.items()))
