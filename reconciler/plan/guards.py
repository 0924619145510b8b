"""What stands against a plan: limits on what one run may do to devices. Pure.

| guard                       | default | what is counted                                                   |
|-----------------------------|---------|-------------------------------------------------------------------|
| `maxGatewaysRemovedPercent` | 30      | gateways that one campaign loses: all, or of 10 live ones or more |
| `maxDeletes`                | 10      | campaigns that are deleted; and apart from them, packages         |
| `maxStarts`                 | 10      | campaigns that are started; closing a bracket is no start, and a  |
|                             |         | successor only where it has other packages                        |
| `maxInFlightInterrupted`    | 0       | gateways in flight that are stopped, deleted, removed or closed,  |
|                             |         | or that move to a successor                                       |
| `allowEmpty`                | false   | gateways of a campaign that loses all; what an empty project owns |
| `mayLoseSettings`           | false   | edits that could wipe settings that nobody knows                  |
| `mayReleaseAtOnce`          | false   | gateways that join past a rollout that was given up before its end |
| `mayLeaveBehind`            | false   | gateways that are done or failed with packages that change        |
| `allowAllMissing`           | false   | campaigns of ours, two or more, when the server has none of them  |

To delete what was replaced counts as no deletion. Closed gateways are not in flight. What interrupts says
the server: removing and closing only in a campaign that may be running, a stop, an end and a deletion all
that are in flight.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from reconciler.model import (
    DeleteCampaign,
    DeletePackage,
    Desired,
    EditCampaign,
    EndCampaign,
    Finding,
    GatewayChange,
    Live,
    LiveCampaign,
    Phase,
    Place,
    RemoveGateways,
    ResourceId,
    RolloutRecord,
    Severity,
    StartCampaign,
    StopCampaign,
    Verb,
    gateways_of,
    of_former,
)
from reconciler.plan.finished import LEFT_BEHIND, finished, left_behind, targeted
from reconciler.plan.model import GuardTrip, Plan
from reconciler.providers.base import Facts, Field
from reconciler.settings import GitWaiver
from reconciler.state.base import State


class Guard(StrEnum):
    """The guards, named as in the project file."""

    GATEWAYS_REMOVED = "maxGatewaysRemovedPercent"
    DELETES = "maxDeletes"
    STARTS = "maxStarts"
    IN_FLIGHT = "maxInFlightInterrupted"
    EMPTY = "allowEmpty"
    SETTINGS = "mayLoseSettings"
    LEFT_BEHIND = "mayLeaveBehind"
    ALL_MISSING = "allowAllMissing"
    AT_ONCE = "mayReleaseAtOnce"


Limits = Mapping[str, int | float | bool]
Waivers = Mapping[str, str]
"""Guard → the reason for going on, as it was given for one run."""

DEFAULTS: Final[Limits] = MappingProxyType(
    {
        Guard.GATEWAYS_REMOVED: 30,
        Guard.DELETES: 10,
        Guard.STARTS: 10,
        Guard.IN_FLIGHT: 0,
        Guard.EMPTY: False,
        Guard.SETTINGS: False,
        Guard.LEFT_BEHIND: False,
        Guard.ALL_MISSING: False,
        Guard.AT_ONCE: False,
    }
)
SMALL: Final = 10
"""A campaign of fewer gateways may lose any part of them, but not all."""
LOSES_SETTINGS: Final = "may-lose-settings"
"""The code of the finding that an edit could wipe settings."""
NEEDLESS: Final = "waiver-not-needed"
"""The code of the finding that nothing trips a guard that was waived."""

_TOLD: Final = frozenset({LOSES_SETTINGS, LEFT_BEHIND})
"""Codes of findings that a guard takes over."""
_NAMED: Final = 3
_NOBODY: Final[frozenset[str]] = frozenset()
_RUNNING: Final = frozenset({Phase.RUNNING, Phase.BUSY, Phase.UNKNOWN})
_ALL: Final = 2
"""From so many campaigns on it is no accident that all are gone."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan was made from, as far as guards ask.

    ``given_up`` is how many things a prune would take from a project that declares no resource at all,
    ``missing`` how many campaigns of ours the server lacks when it has none of those that were looked for.
    """

    desired: Desired
    live: Live
    facts: Facts
    given_up: int
    missing: int
    rollouts: Mapping[ResourceId, RolloutRecord]
    """Where the rollouts of the state stand that aren't complete."""


def all_missing(live: Live, state: State) -> int:
    """How many campaigns of ours were looked for, if the server has none of them; else 0."""
    there = {found.id for found in live.campaigns.values()}
    ours = any(r in live.campaigns or owned.id in there for r, owned in state.campaigns.items())
    return 0 if ours else len(live.gone)


def interrupted(plan: Plan, facts: Facts) -> frozenset[ResourceId]:
    """The campaigns of which every gateway in flight is interrupted: their members have to be known."""
    actions = (group.action for group in plan.groups if not of_former(group.action))
    return frozenset(a.resource for a in actions if a.verb in facts.interrupting and not gateways_of(a))


def ended_formers(plan: Plan, facts: Facts) -> Mapping[str, ResourceId]:
    """Campaigns that an earlier run replaced, and that this one ends or stops: their members count, too."""
    actions = (group.action for group in plan.groups if of_former(group.action))
    ends = (a for a in actions if isinstance(a, EndCampaign | StopCampaign) and a.verb in facts.interrupting)
    return {end.target: end.resource for end in ends if end.target}


def _moving_on(plan: Plan, facts: Facts) -> Iterator[RemoveGateways]:
    """Who leaves what is replaced wave by wave."""
    if Verb.REMOVE in facts.interrupting:
        for group in plan.groups:
            if isinstance(group.action, RemoveGateways) and group.action.moving:
                yield group.action


def flying_of_formers(plan: Plan, live: Live, facts: Facts) -> Mapping[ResourceId, frozenset[str]]:
    """Campaign → gateways in flight in those that it replaced and that are ended now, or that they leave."""
    found: dict[ResourceId, frozenset[str]] = {}
    for key, resource in ended_formers(plan, facts).items():
        if former := live.by_id.get(key):
            found[resource] = found.get(resource, frozenset()) | in_flight_among(former, None, facts)
    for action in _moving_on(plan, facts):
        if former := live.by_id.get(action.target or ""):
            flying = in_flight_among(former, frozenset(action.gateways), facts)
            found[action.resource] = found.get(action.resource, frozenset()) | flying
    return found


def guarded(
    plan: Plan,
    basis: Basis,
    limits: Limits,
    waivers: Waivers,
    declared: Sequence[GitWaiver] = (),
    *,
    passed: Sequence[GuardTrip] = (),
) -> Plan:
    """`plan` with the guards that it trips; what one says is no longer a finding beside it.

    `passed`: what else a waiver lets pass.
    """
    found = (*trips(plan, basis, limits), *passed)
    said = {trip.message for trip in found}
    kept = (f for f in plan.findings if not (f.code in _TOLD and f.message in said))
    return waive(replace(plan, guards=found, findings=tuple(kept)), waivers, declared)


def waive(plan: Plan, waivers: Waivers, declared: Sequence[GitWaiver] = ()) -> Plan:
    """`plan` with the reasons for going on beside its guards, and a note for each that nothing calls for.

    `declared` are those of Git that are in force: what an earlier look at Git waived is no longer waived.
    """
    found = tuple(_waived(trip, waivers, declared) for trip in plan.guards)
    needless = sorted(set(waivers) - {trip.guard for trip in found})
    said = (finding for finding in plan.findings if finding.code != NEEDLESS)
    return replace(plan, guards=found, findings=(*said, *map(_needless, needless)))


def _waived(trip: GuardTrip, waivers: Waivers, declared: Sequence[GitWaiver]) -> GuardTrip:
    if trip.until is not None:
        trip = replace(trip, waived=None, until=None, waived_at=None)
    if reason := waivers.get(trip.guard, trip.waived):
        return replace(trip, waived=reason)
    if not (chosen := _covering(trip, declared)):
        return trip
    reasons = "; ".join(dict.fromkeys(each.reason for each in chosen))
    return replace(trip, waived=reasons, until=min(each.until for each in chosen), waived_at=chosen[0].place)


def _covering(trip: GuardTrip, declared: Sequence[GitWaiver]) -> Sequence[GitWaiver]:
    """The waivers that let `trip` pass: one for all campaigns, or those that leave no more than its limit."""
    latest = sorted((each for each in declared if each.guard == trip.guard), key=lambda each: -each.until)
    if whole := [each for each in latest if each.campaign is None]:
        return whole[:1]
    counts = trip.counts or ({trip.resource: trip.found} if trip.resource else {})
    named = {each.campaign: each for each in reversed(latest) if each.campaign and each.campaign in counts}
    left = sum(count for resource, count in counts.items() if resource not in named)
    return [named[each] for each in sorted(named)] if named and left <= trip.limit else ()


def reconsidered(
    plan: Plan,
    live: Live,
    facts: Facts,
    limits: Limits,
    waivers: Waivers,
    *,
    state: State,
    declared: Sequence[GitWaiver] = (),
) -> Plan:
    """`plan`, made earlier, with the guards of what it interrupts and leaves behind as things are in `live`.

    The states of gateways go on changing, and a plan does not rest on them; all that the other guards count
    is as it was, or the plan is stale.
    """
    campaigns, known = targeted(plan, live.by_id), {**DEFAULTS, **limits}
    again = (Guard.IN_FLIGHT, Guard.LEFT_BEHIND)
    said = (*plan.findings, *(_as_finding(trip) for trip in plan.guards if trip.guard == Guard.LEFT_BEHIND))
    places = {f.resource: f.place for f in said if f.code == LEFT_BEHIND and f.resource and f.place}
    final = finished(plan, campaigns, state, facts)
    left = tuple(left_behind(plan, final, facts, places))
    counts = {resource: len(_NOBODY.union(*groups.values())) for resource, groups in final.items()}
    guards = (
        *(trip for trip in plan.guards if trip.guard not in again),
        *_interrupted(
            plan,
            campaigns,
            flying_of_formers(plan, live, facts),
            facts,
            int(known[Guard.IN_FLIGHT]),
        ),
        *(() if known[Guard.LEFT_BEHIND] else _left_behind(left, counts)),
    )
    order = {guard.value: number for number, guard in enumerate(Guard)}
    ordered = sorted(guards, key=lambda trip: order.get(trip.guard, len(order)))
    findings = (
        *(finding for finding in plan.findings if finding.code != LEFT_BEHIND),
        *(left if known[Guard.LEFT_BEHIND] else ()),
    )
    return waive(replace(plan, guards=tuple(ordered), findings=findings), waivers, declared)


def trips(plan: Plan, basis: Basis, limits: Limits) -> tuple[GuardTrip, ...]:
    """Every guard that `plan` trips, in the order of the table above, then by campaign.

    `limits` are those of the project file; where it says nothing the defaults hold.
    """
    known = {**DEFAULTS, **limits}
    deletes, starts = int(known[Guard.DELETES]), int(known[Guard.STARTS])
    return (
        *_removed(plan, basis, known[Guard.GATEWAYS_REMOVED]),
        *_many(Guard.DELETES, deletes, "campaign", "deleted", _deleted(plan)),
        *_many(Guard.DELETES, deletes, "package", "deleted", _packages(plan)),
        *_many(Guard.STARTS, starts, "campaign", "started", _started(plan)),
        *_interrupted(
            plan,
            basis.live.campaigns,
            flying_of_formers(plan, basis.live, basis.facts),
            basis.facts,
            int(known[Guard.IN_FLIGHT]),
        ),
        *(() if known[Guard.EMPTY] else _emptied(plan, basis)),
        *(() if known[Guard.SETTINGS] else _wiped(plan)),
        *(() if known[Guard.LEFT_BEHIND] else _left_behind(plan.findings, _finished_of(plan))),
        *(() if known[Guard.ALL_MISSING] else _missing(basis.missing)),
        *(() if known[Guard.AT_ONCE] else _at_once(plan, basis)),
    )


def _needless(guard: str) -> Finding:
    return Finding(
        "waiver-not-needed",
        f"{guard} was waived, and nothing in this plan trips it",
        hint="leave the waiver out next time, or it lets pass what it was not meant for",
        severity=Severity.NOTE,
    )


def _removed(plan: Plan, basis: Basis, percent: float) -> Iterator[GuardTrip]:
    # From its digits: 30.1 means 301 thousandths, not the nearest binary number.
    part, shown = Fraction(str(percent)) / 100, str(percent).removesuffix(".0")
    for resource, gateways, place in _memberships(plan, basis):
        most, lost = int(gateways.before * part), len(gateways.lost)
        if (gateways.before >= SMALL or lost == gateways.before) and lost > most:
            message = (
                f"{resource} would lose {lost:,} of its {gateways.before:,} gateways;"
                f" at most {most:,} ({shown} %) may go at once"
            )
            yield GuardTrip(Guard.GATEWAYS_REMOVED, message, resource, lost, most, place=place)


def _memberships(plan: Plan, basis: Basis) -> Iterator[tuple[ResourceId, GatewayChange, Place | None]]:
    """The memberships that change, by campaign, and where they are declared."""
    places = {campaign.resource: campaign.place_of("gatewayLists") for campaign in basis.desired.campaigns}
    for change in sorted(plan.changes, key=lambda change: change.resource):
        if change.gateways is not None:
            yield change.resource, change.gateways, places.get(change.resource)


def _many(
    guard: Guard, limit: int, noun: str, what: str, names: Sequence[str | ResourceId]
) -> Iterator[GuardTrip]:
    if len(names) > limit:
        message = f"{_count(len(names), noun)} would be {what} ({_first([*map(str, names)])}); {_most(limit)}"
        counts = {name: 1 for name in names if isinstance(name, ResourceId)}
        yield GuardTrip(guard, message, None, len(names), limit, counts=counts)


def _deleted(plan: Plan) -> Sequence[ResourceId]:
    actions = (group.action for group in plan.groups if not of_former(group.action))
    return sorted(action.resource for action in actions if isinstance(action, DeleteCampaign))


def _started(plan: Plan) -> Sequence[ResourceId]:
    """The campaigns that are started; not those for which it only closes a bracket."""
    actions = (group.action for group in plan.groups)
    starts = (action for action in actions if isinstance(action, StartCampaign) and not action.predecessor)
    repackaged = {row.resource for row in plan.impact.campaigns if Field.PACKAGES in row.replaced}
    return sorted(action.resource for action in starts if not action.bracket or action.resource in repackaged)


def _packages(plan: Plan) -> Sequence[str]:
    actions = (group.action for group in plan.groups)
    packages = (action.target for action in actions if isinstance(action, DeletePackage))
    return sorted(plan.package_names.get(package, package) for package in packages)


def _interrupted(
    plan: Plan,
    campaigns: Mapping[ResourceId, LiveCampaign],
    formers: Mapping[ResourceId, frozenset[str]],
    facts: Facts,
    limit: int,
) -> Iterator[GuardTrip]:
    # Stops that a rollout policy asks for don't count.
    braked = {view.resource for view in plan.rollouts if view.stops}
    flying = {
        resource: in_flight_among(live, leaving, facts)
        for resource, leaving in touched_gateways(plan, facts).items()
        if resource not in braked and (live := campaigns.get(resource))
    }
    flying |= {
        each: ids | flying.get(each, frozenset()) for each, ids in formers.items() if each not in braked
    }
    counts = {resource: len(gateways) for resource, gateways in sorted(flying.items()) if gateways}
    total = sum(counts.values())
    if total > limit:
        where = _first([f"{count:,} in {resource}" for resource, count in counts.items()])
        many = f"{_count(total, 'gateway')} in the middle of an update"
        message = f"{many} would be interrupted ({where}); {_most(limit)}"
        resource = next(iter(counts)) if len(counts) == 1 else None
        yield GuardTrip(Guard.IN_FLIGHT, message, resource, total, limit, counts=counts)


def touched_gateways(plan: Plan, facts: Facts) -> Mapping[ResourceId, frozenset[str] | None]:
    """Campaign → the gateways that leave it or are closed; None where all of them are touched."""
    whole = interrupted(plan, facts)
    leaving: dict[ResourceId, set[str]] = defaultdict(set)
    for group in plan.groups:
        action = group.action
        interrupts = action.verb in facts.interrupting and not of_former(action)
        if interrupts and action.resource not in whole:
            leaving[action.resource].update(gateways_of(action))
    return {**dict.fromkeys(whole), **{each: frozenset(ids) for each, ids in leaving.items()}}


def in_flight_among(live: LiveCampaign, leaving: frozenset[str] | None, facts: Facts) -> frozenset[str]:
    """The gateways in flight among those `leaving` a campaign; None: among all of them."""
    if live.gateways is None or (leaving is not None and live.phase not in _RUNNING):
        return frozenset()
    states = (ids for state, ids in live.gateways.states.items() if facts.in_flight(state))
    flying = frozenset().union(*states) - live.gateways.closed
    return flying if leaving is None else flying & leaving


def _emptied(plan: Plan, basis: Basis) -> Iterator[GuardTrip]:
    for resource, gateways, place in _memberships(plan, basis):
        if gateways.before and not gateways.after:
            what = f"all of its {gateways.before:,} gateways" if gateways.before > 1 else "its only gateway"
            message = f"{resource} would lose {what}"
            yield GuardTrip(Guard.EMPTY, message, resource, gateways.before, 0, place=place)
    if basis.given_up:
        owned = _count(basis.given_up, "campaign or package", "campaigns and packages")
        message = f"no resource is declared at all, and --prune would give up all that is ours ({owned})"
        yield GuardTrip(Guard.EMPTY, message, None, basis.given_up, 0)


def _wiped(plan: Plan) -> Iterator[GuardTrip]:
    edited = {group.action.resource for group in plan.groups if isinstance(group.action, EditCampaign)}
    for found in sorted(plan.findings, key=Finding.sort_key):
        if found.code == LOSES_SETTINGS and found.resource in edited:
            yield GuardTrip(Guard.SETTINGS, found.message, found.resource, 1, 0, place=found.place)


def _missing(count: int) -> Iterator[GuardTrip]:
    if count >= _ALL:
        message = (
            f"the server has none of the {count:,} campaigns that are ours: it is another server or tenant,"
            " or somebody deleted them all; what is declared would be created anew"
        )
        yield GuardTrip(Guard.ALL_MISSING, message, None, count, 0)


def _at_once(plan: Plan, basis: Basis) -> Iterator[GuardTrip]:
    given_up = {each.resource: each for each in basis.desired.campaigns if each.rollout is None}
    for campaign in plan.impact.campaigns:
        record = basis.rollouts.get(campaign.resource)
        if record and campaign.gained and campaign.resource in given_up:
            message = (
                f"{campaign.resource} gives up its rollout, {record.status} at wave {record.wave}:"
                f" {_count(campaign.gained, 'gateway')} would be released at once"
            )
            place = given_up[campaign.resource].place
            yield GuardTrip(Guard.AT_ONCE, message, campaign.resource, campaign.gained, 0, place=place)


def _left_behind(findings: Iterable[Finding], counts: Mapping[ResourceId, int]) -> Iterator[GuardTrip]:
    for found in sorted(findings, key=Finding.sort_key):
        if found.code == LEFT_BEHIND and found.resource:
            count = counts.get(found.resource, 1)
            yield GuardTrip(Guard.LEFT_BEHIND, found.message, found.resource, count, 0, place=found.place)


def _finished_of(plan: Plan) -> Mapping[ResourceId, int]:
    return {row.resource: row.devices.finished for row in plan.impact.campaigns if row.devices.finished}


def _as_finding(trip: GuardTrip) -> Finding:
    return Finding(LEFT_BEHIND, trip.message, trip.place, resource=trip.resource)


def _count(count: int, noun: str, many: str | None = None) -> str:
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def _most(limit: int) -> str:
    return f"the limit is {limit:,}"


def _first(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
