"""What a plan means for devices: who is in its campaigns, joins, starts, is interrupted, gets packages. Pure.

| of a campaign | which gateways                                                                            |
|---------------|-------------------------------------------------------------------------------------------|
| `members`     | in it once the plan is done; of one that is deleted, those that were                      |
| `join`        | that it gains                                                                             |
| `leave`       | that it loses; of one that is deleted, all                                                |
| `start`       | open and not final, where it is started; none where that closes a bracket                 |
| `stop`        | open and not final, where it is stopped, also to be deleted; none for a bracket           |
| `interrupt`   | in flight when they are stopped, deleted, removed or closed: what the guard counts        |
| `update`      | that join, and open ones that aren't final and whose packages change                      |
| `finished`    | final ones whose packages change; not on a way back to those that they finished with      |

Packages of a gateway change with those of its campaign, unless it has its own, or with its own. All of it is
counted as things are now. What isn't known is None, never a guess: members that nobody read, or that a
distribution list which is set by this plan will choose.

Tests: `tests/plan/test_plan_devices.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Final

from reconciler.model import (
    Action,
    AddGateways,
    AssignPackages,
    BoundPackage,
    CloseGateways,
    CreateCampaign,
    DeleteCampaign,
    DeletePackage,
    Desired,
    EditCampaign,
    Finding,
    Live,
    LiveCampaign,
    PackageFile,
    PendingUpload,
    RemoveGateways,
    ResourceId,
    SetDistributionList,
    StartCampaign,
    StopCampaign,
    UploadPackage,
    carried_by,
    target_of,
)
from reconciler.plan.finished import finished, left_behind, reassigned, repackaged
from reconciler.plan.guards import flying_of_formers, in_flight_among, touched_gateways
from reconciler.plan.model import CampaignImpact, Devices, Packages, Plan
from reconciler.plan.packages import labels, untold
from reconciler.providers.base import Facts, Field
from reconciler.state.base import State

_NOBODY: Final[frozenset[str]] = frozenset()
_Sets = Mapping[str, frozenset[str] | None]
"""Name of a count → whom it counts; None where that isn't known."""
_COUNTS: Final = tuple(each.name for each in fields(Devices))


def _repackaged(plan: Plan) -> frozenset[ResourceId]:
    """Campaigns that get other packages, those that are replaced too."""
    replaced = {row.resource for row in plan.impact.campaigns if Field.PACKAGES in row.replaced}
    return repackaged(plan) | replaced


def counted(plan: Plan) -> frozenset[ResourceId]:
    """The campaigns whose members have to be known to say what happens to devices."""
    return _repackaged(plan) | {
        group.action.resource
        for group in plan.groups
        if isinstance(group.action, DeleteCampaign) or _starts_or_stops(group.action)
        if target_of(group.action)
    }


def _starts_or_stops(action: Action) -> bool:
    """Whether it does so for good; a bracket does neither."""
    return isinstance(action, StartCampaign | StopCampaign) and not action.bracket


def unnamed(plan: Plan, live: Live, state: State, facts: Facts) -> frozenset[str]:
    """Ids of packages that are to be called by what nobody knows yet: of what happens to devices."""
    telling = {
        group.action.resource
        for group in plan.groups
        if isinstance(group.action, AddGateways | DeleteCampaign) or _starts_or_stops(group.action)
    } | _repackaged(plan)
    there = (live.campaigns.get(resource) for resource in telling)
    had = {package for found in there if found for package in found.packages}
    given = {
        package
        for group in plan.groups
        for package in carried_by(group.action)
        if isinstance(package, str)
        and (group.action.resource in telling or isinstance(group.action, AssignPackages))
    }
    # What overrides were before is in their changes.
    before = (_packages_of(each.before) for each in plan.changes if each.field == Field.OVERRIDES)
    own = {package for found in before for package in found if isinstance(package, str)}
    gone = {group.action.target for group in plan.groups if isinstance(group.action, DeletePackage)}
    return untold(had | given | own | gone, live, state, facts)


def with_devices(plan: Plan, live: Live, desired: Desired, state: State, facts: Facts) -> Plan:
    """`plan` with its impact in devices and packages, and the names of the packages that it is about."""
    actions: dict[ResourceId, list[Action]] = defaultdict(list)
    for group in plan.groups:
        actions[group.action.resource].append(group.action)
    own = _with_packages_of_their_own(desired, live, state)
    others = reassigned(plan)
    final = finished(plan, live.campaigns, state, facts)
    touched, formers = touched_gateways(plan, facts), flying_of_formers(plan, live, facts)
    repackages = _repackaged(plan)
    campaigns = [
        _Campaign(
            row,
            live.campaigns.get(row.resource),
            tuple(actions[row.resource]),
            touched.get(row.resource, _NOBODY),
            own.get(row.resource, _NOBODY),
            others.get(row.resource, _NOBODY),
            _NOBODY.union(*final.get(row.resource, {}).values()),
            repackages=row.resource in repackages,
            formers=formers.get(row.resource, _NOBODY),
            facts=facts,
        )
        for row in plan.impact.campaigns
    ]
    spoken = _spoken_of(plan, [campaign.live for campaign in campaigns])
    spoken.update(each for groups in final.values() for ids in groups for each in ids)
    called = labels(spoken, _files(plan, desired), live, state)
    repeated = _in_several(campaigns)
    totals: dict[str, int | None] = dict.fromkeys(_COUNTS, 0)
    often: dict[str, dict[str, int]] = {name: defaultdict(int) for name in _COUNTS}
    rows = []
    for campaign in campaigns:
        sets = campaign.sets()
        for name, found in sets.items():
            total = totals[name]
            totals[name] = None if found is None or total is None else total + len(found)
            for gateway in repeated & found if found and repeated else ():
                often[name][gateway] += 1
        counts = {name: None if found is None else len(found) for name, found in sets.items()}
        rows.append(replace(campaign.row, devices=Devices(**counts), packages=campaign.packages(called)))
    distinct = {
        name: None if total is None else total - sum(n - 1 for n in often[name].values())
        for name, total in totals.items()
    }
    impact = replace(plan.impact, campaigns=tuple(rows), devices=Devices(**distinct))
    keyed = sorted((_key(package), name) for package, name in called.items())
    made = replace(plan, impact=impact, package_names=dict(keyed))
    places = {each.resource: each.place_of("packageSet") for each in desired.campaigns}
    left = left_behind(made, final, facts, places)
    return replace(made, findings=tuple(sorted((*plan.findings, *left), key=Finding.sort_key)))


@dataclass(frozen=True)
class _Campaign:
    """A campaign that a plan touches.

    ``touched``: who leaves or is closed, None for all of them, as the guard of what is interrupted sees it;
    ``own``: who has packages of its own; ``others``: whose packages of its own change; ``finished``: who is
    done or failed with other packages than come.
    """

    row: CampaignImpact
    live: LiveCampaign | None
    actions: tuple[Action, ...]
    touched: frozenset[str] | None
    own: frozenset[str]
    others: frozenset[str]
    finished: frozenset[str]
    repackages: bool
    facts: Facts
    formers: frozenset[str] = _NOBODY
    """Gateways in flight in campaigns that it replaced, and that are ended now."""

    def sets(self) -> _Sets:
        """Who is counted as what."""
        join, leave = self._moves()
        before, chosen = self.before, self._chosen_by_server
        if before is None:
            unknown = {"members": None, "join": None if chosen else join, "leave": leave}
            return {**dict.fromkeys(_COUNTS, _NOBODY), **unknown, **self._unread(join)}
        gone = before if self.row.deleted else leave
        after = (before - leave if leave else before) | join if leave or join else before
        open_ = after - self._closed - self._named(CloseGateways) if self._closes else after
        # In a successor all gateways begin anew.
        waiting = open_ if self.row.replaced else open_ - self._final if self._final else open_
        waiting_before = before - self._closed - self._final
        changing = self._changing(after)
        update = join | (changing & waiting) | (self._taken_along if self._other_packages else _NOBODY)
        if self.facts.finished_run_again:
            update |= (changing & self._final) - self._closed
        flying = _NOBODY
        if self.live is not None and self.live.gateways is not None:
            flying = in_flight_among(self.live, self.touched, self.facts)
        return {
            "members": None if chosen else after,
            "join": None if chosen else join,
            "leave": gone,
            "start": (None if chosen else waiting) if self._starts else _NOBODY,
            "stop": (waiting_before if self.row.deleted else waiting) if self.row.stops else _NOBODY,
            "interrupt": flying | self.formers,
            "update": None if chosen else update,
            "finished": self.finished,
        }

    def packages(self, called: Mapping[BoundPackage, str]) -> Packages:
        """Its packages by name, as they were and as they will be; ids of those that nobody knows."""
        before: tuple[BoundPackage, ...] = self.live.packages if self.live else ()
        after = () if self.row.deleted else self._given if self._other_packages else before
        return Packages(tuple(_shown(before, called)), tuple(_shown(after, called)))

    @property
    def _given(self) -> tuple[BoundPackage, ...]:
        """What its gateways get once the plan is done."""
        given: tuple[BoundPackage, ...] = self.live.packages if self.live else ()
        for action in self.actions:
            if isinstance(action, CreateCampaign | EditCampaign) and action.fields.packages is not None:
                given = action.fields.packages
        return given

    @property
    def _other_packages(self) -> bool:
        """The order of packages means nothing."""
        return set(self._given) != set(self.live.packages if self.live else ())

    @property
    def _taken_along(self) -> frozenset[str]:
        """Whom a successor takes over."""
        return self._named(AddGateways) if self.row.replaced else _NOBODY

    @property
    def _leaving(self) -> frozenset[str]:
        return self._named(RemoveGateways)

    @property
    def _moving(self) -> frozenset[str]:
        """Who leaves what it replaces, or replaced."""
        found = (a.gateways for a in self.actions if isinstance(a, RemoveGateways) and a.moving)
        return _NOBODY.union(*found)

    def _moves(self) -> tuple[frozenset[str], frozenset[str]]:
        """Who joins and who leaves; a successor takes the others along."""
        joins = self._named(AddGateways)
        if self.before is not None and (moving := self._moving):
            return joins, (self._leaving - moving) | (moving - joins - self.before)
        if self.row.replaced and self.before is not None:
            return joins - self.before, self.before - joins - self._closed
        return joins, self._leaving

    @cached_property
    def before(self) -> frozenset[str] | None:
        """Who is in it now; None when nobody read that. A revision begins with nobody."""
        if self.live is None or self.row.revision:
            return _NOBODY
        found = self.live.gateways
        return None if found is None else frozenset().union(*found.states.values())

    @cached_property
    def _final(self) -> frozenset[str]:
        found = self.live.gateways if self.live else None
        states = found.states.items() if found else ()
        return _NOBODY.union(*(ids for state, ids in states if self.facts.stage(state).final))

    @property
    def _closed(self) -> frozenset[str]:
        return self.live.gateways.closed if self.live and self.live.gateways else _NOBODY

    @property
    def _closes(self) -> bool:
        return bool(self._closed) or any(isinstance(action, CloseGateways) for action in self.actions)

    @property
    def _starts(self) -> bool:
        if self.row.replaced:
            return self.row.starts
        starts = (action for action in self.actions if isinstance(action, StartCampaign))
        return any(not (action.bracket or action.predecessor) for action in starts)

    @property
    def _chosen_by_server(self) -> bool:
        """Whether another distribution list is set, which nobody has evaluated yet."""
        there = self.live.distribution if self.live else None
        created = (a.fields.distribution for a in self.actions if isinstance(a, CreateCampaign))
        sets = (a.distribution for a in self.actions if isinstance(a, SetDistributionList))
        wanted = (each for each in (*created, *sets) if each is not None)
        return any(there is None or not there.is_called(each.id) for each in wanted)

    def _changing(self, after: frozenset[str]) -> frozenset[str]:
        """Members whose packages change, except for those that join."""
        found = self.others & after if self.others else _NOBODY
        if self.repackages:
            found |= after - self.own - self._named(AssignPackages)
        return found - self._moves()[0] if found else found

    def _unread(self, join: frozenset[str]) -> _Sets:
        """What can't be said without the members."""
        asked = {
            "leave": self.row.deleted,
            "start": self._starts,
            "stop": self.row.stops,
            "interrupt": self.touched is None or bool(self.touched),
            "update": self.repackages or bool(self.others) or self._chosen_by_server,
            "finished": self.repackages or bool(self.others),
        }
        unknown: dict[str, frozenset[str] | None] = {name: None for name, needed in asked.items() if needed}
        return {"update": join, **unknown}

    def _named(self, kind: type[Action]) -> frozenset[str]:
        found = (action for action in self.actions if isinstance(action, kind))
        return _NOBODY.union(*(getattr(action, "gateways", ()) for action in found))


def _key(package: BoundPackage) -> str:
    """Its id, or the digest of what is still to be uploaded."""
    return package if isinstance(package, str) else package.sha256


def _shown(packages: Iterable[BoundPackage], called: Mapping[BoundPackage, str]) -> Iterator[str]:
    for package in packages:
        yield called.get(package) or _key(package)


def _with_packages_of_their_own(
    desired: Desired, live: Live, state: State
) -> Mapping[ResourceId, frozenset[str]]:
    """Campaign → gateways that have or are to have packages of their own."""
    found: dict[ResourceId, set[str]] = defaultdict(set)
    resources = {each.id: resource for resource, each in live.campaigns.items()}
    for owned in state.campaigns.values():
        for gateways in owned.members.get(Field.OVERRIDES, {}).values():
            found[resources.get(owned.id, owned.resource)] |= gateways
    for campaign in desired.campaigns:
        for override in campaign.overrides or ():
            found[campaign.resource] |= override.gateways
    return {resource: frozenset(gateways) for resource, gateways in found.items()}


def _in_several(campaigns: Iterable[_Campaign]) -> frozenset[str]:
    """Gateways that more than one of the campaigns is about. No set of all of one is made for that."""
    campaigns = tuple(campaigns)
    if len(campaigns) < 2:
        return _NOBODY
    once: set[str] = set()
    again: set[str] = set()
    for campaign in campaigns:
        found = campaign.live.gateways if campaign.live else None
        parts: list[Set[str]] = list(found.states.values()) if found else []
        parts += [frozenset(a.gateways) for a in campaign.actions if isinstance(a, AddGateways)]
        for part in parts:
            again |= once & part
        for part in parts:
            once |= part
    return frozenset(again)


def _spoken_of(plan: Plan, campaigns: Iterable[LiveCampaign | None]) -> set[BoundPackage]:
    """Packages that reports of `plan` may name."""
    found: set[BoundPackage] = {package for live in campaigns if live for package in live.packages}
    for group in plan.groups:
        found.update(carried_by(group.action))
        if isinstance(group.action, DeletePackage):
            found.add(group.action.target)
    for change in plan.changes:
        if change.field in (Field.PACKAGES, Field.OVERRIDES):
            found |= _packages_of(change.before) | _packages_of(change.after)
    return found


def _packages_of(value: object) -> set[BoundPackage]:
    """The packages of a change: ids, and what is still to be uploaded."""
    found: set[BoundPackage] = set()
    for each in value if isinstance(value, list) else ():
        match each:
            case str():
                found.add(each)
            case {"sha256": str(sha256)}:
                found.add(PendingUpload(sha256))
    return found


def _files(plan: Plan, desired: Desired) -> Iterator[PackageFile]:
    """Files that may be uploaded; of two with one content, the one that is comes last."""
    yield from (ref for ref in desired.packages if isinstance(ref, PackageFile))
    yield from (group.action.file for group in plan.groups if isinstance(group.action, UploadPackage))
