"""One part of a campaign, compared alone, and all that comes of it in a form that a table can hold.

Gateways are letters: ``"ab"`` are the gateways a and b. Each field has a place that is called as it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.diff import Ask
from reconciler.diff.packages import Bound
from reconciler.diff.view import Part, View
from reconciler.model import (
    BoundPackage,
    Change,
    DistributionList,
    Finding,
    LiveCampaign,
    Membership,
    PackageById,
    PackageRef,
    Phase,
    Place,
    SchedulePhase,
    Severity,
)
from reconciler.options import Options
from reconciler.providers.base import Stage, StateFacts
from reconciler.state.base import Event, MembersApplied, Origin, Owned
from tests.fakes import NOW, PULSE, campaign, rid

LINE = rid("line")
FIELDS = ("schedules", "packageOverrides", "callbackSet", "runOnThings", "closedGateways", "gatewayLists")
PLACES = {name: Place(name, 1, 1) for name in (*FIELDS, "distributionList")}
PACKAGES: Mapping[PackageRef, BoundPackage] = {PackageById(key, Place("p", 1, 1)): key for key in "pqr"}


def live(
    members: str = "abc",
    *,
    closed: str = "",
    states: Mapping[str, str] | None = None,
    packages: str = "p",
    overrides: Mapping[str, str] | None = None,
    distribution: DistributionList | None = None,
) -> LiveCampaign:
    """`states`: those of gateways that have another one than ``idle``."""
    groups: dict[str, set[str]] = {"idle": set(members) - set("".join((states or {}).values()))}
    groups |= {state: set(ids) for state, ids in (states or {}).items()}
    return LiveCampaign(
        "1",
        "line",
        "READY",
        Phase.READY,
        packages=tuple(packages),
        gateways=Membership({s: frozenset(ids) for s, ids in groups.items()}, frozenset(closed)),
        distribution=distribution,
        distribution_read=True,
        overrides={gateway: tuple(each) for gateway, each in (overrides or {}).items()},
    )


FACTS = replace(
    PULSE,
    states={f"past {phase}": StateFacts(Stage.UNDER_WAY, frozenset({phase})) for phase in SchedulePhase},
)


@dataclass(frozen=True)
class Side:
    """What a part is compared with. ``members`` are those after the plan; ``new``: nothing is live yet."""

    recorded: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Field → value → gateways that it was last applied to."""
    applied: Mapping[str, Any] = field(default_factory=dict)
    members: str = "abc"
    joining: str = ""
    leaving: str = ""
    live: LiveCampaign = field(default_factory=live)
    new: bool = False
    adopting: bool = False
    reassert: bool = False


def view(side: Side, **declared: Any) -> View:
    """`declared`: fields of the campaign."""
    members = {name: {v: frozenset(ids) for v, ids in each.items()} for name, each in side.recorded.items()}
    origin = Origin.ADOPTED if side.adopting else Origin.CREATED
    owned = Owned(LINE, "1", origin, applied=side.applied, members=members)
    return View(
        campaign(places=PLACES, **declared),
        None if side.new else side.live,
        None if side.new else owned,
        side.adopting,
        Ask(Options(reassert=side.reassert), NOW, FACTS),
        Bound(PACKAGES),
        "5a17",
        frozenset(side.members),
        frozenset(side.members if side.new else side.joining),
        frozenset(side.leaving),
    )


@dataclass(frozen=True)
class Found:
    """All that comes of a part, exactly."""

    todo: list[Any] = field(default_factory=list)
    changes: list[tuple[Any, ...]] = field(default_factory=list)
    """field, before, after, reason, gateways."""
    notes: list[tuple[str, str, str]] = field(default_factory=list)
    """code, place, message."""
    records: list[Event] = field(default_factory=list)

    def __add__(self, other: "Found") -> "Found":
        return Found(
            self.todo + other.todo,
            self.changes + other.changes,
            self.notes + other.notes,
            self.records + other.records,
        )


def found(part: Part[Any], todo: Iterable[Any] | None = None) -> Found:
    """What `part` says; `todo`: what it is to do in another form."""
    return Found(
        list(part.todo if todo is None else todo),
        [_change(change) for change in part.changes],
        [noted(finding) for finding in part.findings],
        list(part.records),
    )


def _change(change: Change) -> tuple[Any, ...]:
    assert change.resource == LINE
    assert change.gateways is None
    return change.field, change.before, change.after, change.reason.value, "".join(change.members)


def noted(finding: Finding) -> tuple[str, str, str]:
    """Code, place and message of a note."""
    assert finding.place is not None
    assert finding.resource == LINE
    assert finding.severity is Severity.NOTE
    return finding.code, finding.place.file, finding.message.removeprefix("Campaign/line: ")


def applied(name: str, value: str, gateways: str) -> MembersApplied:
    """The record that these have it."""
    return MembersApplied(LINE, name, value, tuple(gateways))
