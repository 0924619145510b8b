"""A plan cut into what it does to each resource, and what it says beside: what text and Markdown share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from reconciler.model import Change, Finding, Kind, Reason, ResourceId, Severity, StepGroup, Verb
from reconciler.plan.finished import NEXT
from reconciler.plan.guards import Guard
from reconciler.plan.model import CampaignImpact, GuardTrip, Partial, Plan
from reconciler.providers.base import Field
from reconciler.report.devices import staying
from reconciler.report.wording import show
from reconciler.state.applied import MEMBERSHIP
from reconciler.state.base import (
    CampaignAbandoned,
    CampaignForgotten,
    CampaignOwned,
    CampaignReplaced,
    Event,
    FieldApplied,
    MembersApplied,
    Origin,
    PackageForgotten,
    PackageUploaded,
    PredecessorForgotten,
)
from reconciler.text import clean, first, moment, plural

_ASSUMED: Final = "is assumed to be as declared: it can't be read"
_AS_DECLARED: Final = "is as declared already"
_READ_BACK: Final = frozenset({Field.OVERRIDES, Field.DISTRIBUTION, MEMBERSHIP})
"""Fields of single gateways that the server tells."""


@dataclass(frozen=True, slots=True)
class StepLine:
    """Steps of one operation that follow each other for one reason."""

    operation: str
    reason: Reason
    destructive: bool
    steps: int
    gateways: int

    def __str__(self) -> str:
        """``schedule-download × 37 gateways``, ``add-gateways × 3 calls (250 gateways)``."""
        if not self.gateways:
            return self.operation if self.steps == 1 else f"{self.operation} × {self.steps:,}"
        gateways = plural(self.gateways, "gateway")
        if self.steps == self.gateways:
            return f"{self.operation} × {gateways}"
        calls = f" × {plural(self.steps, 'call')}" if self.steps > 1 else ""
        return f"{self.operation}{calls} ({gateways})"


@dataclass(frozen=True, slots=True)
class Block:
    """What a plan does to one resource."""

    resource: ResourceId
    changes: tuple[Change, ...]
    groups: tuple[StepGroup, ...]
    impact: CampaignImpact | None

    @property
    def sign(self) -> str:
        """``+`` for what is made, ``-`` for what is deleted, ``~`` for what is changed."""
        if self.impact is not None:
            return "+" if self.impact.created else "-" if self.impact.deleted else "~"
        verbs = {group.action.verb for group in self.groups}
        made, gone = Verb.UPLOAD in verbs, Verb.DELETE_PACKAGE in verbs
        return "~" if made is gone else "+" if made else "-"

    @property
    def steps(self) -> int:
        return sum(map(len, self.groups))

    @property
    def destructive(self) -> bool:
        return any(group.operation.destructive for group in self.groups)

    @property
    def reason(self) -> Reason | None:
        """The reason of most of it, to be said once; None when there is no such."""
        whys = [item.reason for item in self.changes] or [group.action.reason for group in self.groups]
        reasons = Counter(whys)
        [(reason, count)] = reasons.most_common(1)
        return reason if 2 * count > reasons.total() else None

    @property
    def lines(self) -> tuple[StepLine, ...]:
        """The steps in their order, neighbours of one operation and reason together."""
        found = []
        for (operation, reason), members in groupby(
            self.groups, key=lambda group: (group.operation, group.action.reason)
        ):
            together = tuple(members)
            steps = sum(map(len, together))
            gateways = sum(len(group.gateways) for group in together if group.per_call)
            found.append(StepLine(operation.name, reason, operation.destructive, steps, gateways))
        return tuple(found)

    @property
    def heading(self) -> str:
        """``Campaign/line-3 "Line 3": created, starts``."""
        if self.impact is None:
            return clean(str(self.resource))
        what = ", ".join(happenings(self.impact))
        return f"{clean(str(self.resource))} {show(self.impact.name)}" + (f": {what}" if what else "")


def happenings(impact: CampaignImpact) -> Iterator[str]:
    """What happens to a campaign as a whole, in words."""
    if impact.created:
        yield "created"
    if impact.revision:
        yield f"begins a revision, because the server can't edit {_named(impact.replaced)}"
    elif impact.replaced:
        yield f"replaces the campaign: the server can't edit {_named(impact.replaced)}"
    if impact.ends:
        yield f"ends {plural(impact.ends, 'campaign')} that it replaced"
    if impact.deleted:
        yield "stopped and deleted" if impact.stops else "deleted"
    if impact.interrupted:
        yield "stopped and started again"
    if impact.starts:
        yield "starts"
    if impact.stops and not impact.deleted:
        yield "stops"
    if impact.stay:
        yield f"{staying(impact.stay)} until their wave"


def _named(fields: Sequence[str]) -> str:
    return " and ".join(map(clean, fields))


def blocks(plan: Plan) -> Sequence[Block]:
    """One block for each resource that has a change or a step: packages first, then by name."""
    changes: dict[ResourceId, list[Change]] = {}
    groups: dict[ResourceId, list[StepGroup]] = {}
    for change in plan.changes:
        changes.setdefault(change.resource, []).append(change)
    for group in plan.groups:
        groups.setdefault(group.action.resource, []).append(group)
    impacts = {impact.resource: impact for impact in plan.impact.campaigns}
    order = sorted({*changes, *groups}, key=lambda resource: (resource.kind is Kind.CAMPAIGN, resource))
    return [
        Block(
            resource, tuple(changes.get(resource, ())), tuple(groups.get(resource, ())), impacts.get(resource)
        )
        for resource in order
    ]


def part(partial: Partial) -> str:
    """``1 of 40 campaigns (--target Campaign/line-3)``; nothing of it may steer a terminal."""
    many = f"{partial.campaigns:,} of {plural(partial.total, 'campaign')}"
    return f"{many} ({clean(' '.join(partial.asked))})"


def unreadable(plan: Plan) -> Iterator[str]:
    """What is managed and can't be read, with the campaigns that manage it."""
    campaigns: dict[str, list[str]] = {}
    created = {row.resource for row in plan.impact.campaigns if row.created}
    for resource, fields in sorted(plan.unreadable.items()):
        # A campaign that this plan creates has no earlier values.
        for name in fields if resource not in created else ():
            campaigns.setdefault(name, []).append(str(resource))
    for name, resources in sorted(campaigns.items()):
        yield f"{clean(name)}: {first(resources, 3)}"


def recorded(records: Sequence[Event]) -> Iterator[str]:  # noqa: C901 - a case each
    """What apply only writes down, because the server already has it."""
    for before, event, after in zip((None, *records), records, (*records[1:], None), strict=False):
        match event:
            case CampaignForgotten(resource) if isinstance(after, CampaignOwned):
                # The campaign moved to another resource, and the state keeps it under that name from now on.
                now, id_ = clean(str(after.owned.resource)), clean(after.owned.id)
                yield f"{clean(str(resource))} is {now} from now on: it is campaign {id_} on the server"
            case CampaignOwned() if isinstance(before, CampaignForgotten):
                pass
            case CampaignOwned(owned):
                how = "is adopted" if owned.origin is Origin.ADOPTED else "is found again"
                yield f"{clean(str(owned.resource))} {how}: it is campaign {clean(owned.id)} on the server"
            case CampaignReplaced(resource, id=id_):
                yield f"{clean(str(resource))} was replaced: it is campaign {clean(id_)} on the server"
            case PredecessorForgotten(resource, id_):
                yield f"{clean(str(resource))} replaced campaign {clean(id_)}: the server no longer has that"
            case CampaignForgotten(resource):
                yield f"{clean(str(resource))} is forgotten: the server no longer has it"
            case CampaignAbandoned(resource):
                yield f"{clean(str(resource))} is given up: it stays on the server"
            case PackageUploaded(uploaded):
                yield f"package {show(uploaded.name)} is on the server already: it is {clean(uploaded.id)}"
            case PackageForgotten(sha256):
                yield f"package sha256:{clean(sha256[:16])} is forgotten: it is gone, or is given up"
            case FieldApplied(resource, name):
                how = _AS_DECLARED if name in _READ_BACK else _ASSUMED
                yield f"{clean(str(resource))} {clean(name)} {how}"
            case MembersApplied(resource, name, _, gateways):
                whose = f"{clean(str(resource))} {clean(name)} of {plural(len(gateways), 'gateway')}"
                yield f"{whose} {_AS_DECLARED if name in _READ_BACK else _ASSUMED}"
            case _:
                pass


# --- guards ----------------------------------------------------------------------------------------


_MEND: Final[Mapping[str, str]] = {
    Guard.GATEWAYS_REMOVED: "see whether the gateway lists lack somebody",
    Guard.DELETES: "see whether the files lack something",
    Guard.STARTS: "see whether all of these are meant to start now",
    Guard.IN_FLIGHT: "wait until these gateways are done (`reconciler status`)",
    Guard.EMPTY: "see whether the files lack something",
    Guard.SETTINGS: "declare every setting that the campaign needs",
    Guard.AT_ONCE: "keep the rollout until it is complete",
    Guard.LEFT_BEHIND: NEXT,
    Guard.ALL_MISSING: "see whether URL, organization and state belong together (`reconciler doctor`)",
}


def findings_of(plan: Plan) -> tuple[Finding, ...]:
    """All that a plan has to say: its findings, and each guard that it trips as one more."""
    return (*plan.findings, *map(_finding, plan.guards))


def guard_item(trip: GuardTrip) -> dict[str, object]:
    """One guard of the document; ``waived`` is the reason, null while it stands."""
    return {
        "guard": trip.guard,
        "message": trip.message,
        "resource": str(trip.resource) if trip.resource else None,
        "found": trip.found,
        "limit": trip.limit,
        "waived": trip.waived,
        **({"until": moment(trip.until)} if trip.until is not None else {}),
    }


def _in_git(trip: GuardTrip) -> str:
    if trip.until is None:
        return ""
    where = f" ({trip.waived_at})" if trip.waived_at else ""
    return f" in Git{where} until {moment(trip.until)}"


def mending(trip: GuardTrip) -> str:
    """What to do about a guard that trips, unless it is meant."""
    return _MEND[trip.guard]


def _finding(trip: GuardTrip) -> Finding:
    if trip.waived is not None:
        message = f"{trip.guard}: {trip.message}. Waived{_in_git(trip)}: {trip.waived}"
        return Finding("guard-waived", message, trip.place, None, trip.resource, Severity.NOTE)
    hint = (
        f'{mending(trip)}; if it is meant, apply with --waive {trip.guard} --reason "…",'
        " or waive it in Git: guards.waivers in the project file"
    )
    return Finding("guard-tripped", f"{trip.guard}: {trip.message}", trip.place, hint, trip.resource)
