"""What a closed calendar holds back of a plan: whatever may make a device begin. Pure.

| of a campaign                                       | goes out while the calendar is closed  |
|-----------------------------------------------------|----------------------------------------|
| who joins; packages, windows, things of single ones | for those in whose zone it is open     |
| approve, distribution list                          | where it is open for all who are in    |
| start                                               | where it is open for all not done yet  |
| an edit of packages, or one that interrupts         | where it is open for all who are in    |
| a successor, with all that belongs to it            | where it is open for all who are in    |
| the start that closes a bracket                     | always                                 |
| stop, remove, close, delete                         | always                                 |
| upload, create, callbacks, what is noted            | always                                 |

Of a campaign whose packages are held back nothing else reaches devices either: who joins is to get the new
ones. Who joins a rollout is the rollout's to say. What goes out may not be sent after the calendar closes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, TypeVar

from reconciler.diff import CampaignDiff, Diff, Run, Transition
from reconciler.diff.overrides import PackagesFor
from reconciler.diff.schedules import WindowFor
from reconciler.model import (
    Action,
    AddGateways,
    ApproveCampaign,
    AssignPackages,
    Calendar,
    Change,
    CreateCampaign,
    Desired,
    DesiredCampaign,
    EditCampaign,
    EndCampaign,
    GatewayChange,
    Phase,
    Reason,
    ResourceId,
    RetireCampaign,
    RunOnThings,
    ScheduleWindow,
    SetDistributionList,
    StartCampaign,
    StepGroup,
    StopCampaign,
    Verb,
)
from reconciler.plan.model import GuardTrip, HeldBack, Plan
from reconciler.providers.base import Facts, Field
from reconciler.rollout.calendars import Opening, opening_everywhere, openings

WAIVER: Final = "calendar"
"""What is waived, as on the command line."""
_EDITED: Final = frozenset({Field.NAME, Field.DESCRIPTION, Field.PACKAGES, Field.SETTINGS, Field.DELIVERY})
_PACKAGES: Final = frozenset({Field.PACKAGES})
_NOBODY: Final[frozenset[str]] = frozenset()
_Of = TypeVar("_Of", PackagesFor, WindowFor)


@dataclass(frozen=True, slots=True)
class Sifted:
    """What may be planned now, and what waits."""

    difference: Diff
    waits: tuple[HeldBack, ...] = ()
    until: Mapping[ResourceId, int] = field(default_factory=dict)
    """Campaign → when the calendar closes for what reaches its devices."""


def without_calendars(desired: Desired) -> Desired:
    """`desired` as if the project named no calendar: a person waives it."""
    return replace(desired, campaigns=tuple(map(_without, desired.campaigns)))


def _without(campaign: DesiredCampaign) -> DesiredCampaign:
    rollout = campaign.rollout
    if rollout is not None:
        own = tuple(each for each in rollout.calendars if each not in campaign.calendars)
        rollout = replace(rollout, calendars=own)
    return replace(campaign, calendars=(), rollout=rollout)


def waived(plan: Plan, desired: Desired, now: int, reason: str) -> Iterator[GuardTrip]:
    """What of `plan` reaches devices although a calendar of the project is closed: `reason` lets it."""
    for campaign in desired.campaigns:
        told = openings(campaign.calendars, campaign.zones, now).values()
        closed = list(dict.fromkeys(name for each in told for name in each.closed))
        groups = [group for group in plan.groups if group.action.resource == campaign.resource]
        sent = sum(len(group) for group in groups if _releases(group.action, interrupting=True))
        if closed and sent:
            said = f"{campaign.resource}: {sent:,} calls reach devices while {_closed(closed)}"
            yield GuardTrip(WAIVER, said, campaign.resource, sent, 0, reason)


def _closed(names: Sequence[str]) -> str:
    many = len(names) > 1
    return f"the calendar{'s' if many else ''} {' and '.join(names)} {'are' if many else 'is'} closed"


def held_back(difference: Diff, facts: Facts, now: int) -> Sifted:
    """`difference` without what has to wait for a calendar; `now` in epoch milliseconds."""
    campaigns: list[CampaignDiff] = []
    waits: list[HeldBack] = []
    until: dict[ResourceId, int] = {}
    names: set[str] = set()
    for found in difference.campaigns:
        asked = found.desired.calendars
        if not asked:
            campaigns.append(found)
            continue
        told = _Told(asked, found.desired.zones, openings(asked, found.desired.zones, now), now)
        left, wait = _Held(found, facts, told).left()
        campaigns.append(left)
        if told.until is not None:
            until[found.desired.resource] = told.until
        if wait is not None:
            waits.append(wait)
            if found.live is not None and found.renamed and not left.renamed:
                names.add(found.live.name)
    if not waits:
        return Sifted(difference, until=until)
    kept, more = _without_names(campaigns, names)
    resources = {found.desired.resource for found in difference.campaigns}
    others = (change for change in difference.changes if change.resource not in resources)
    told_changes = (*others, *(change for found in kept for change in found.changes))
    return Sifted(replace(difference, campaigns=kept, changes=told_changes), (*waits, *more), until)


def _without_names(
    campaigns: Sequence[CampaignDiff], names: Collection[str]
) -> tuple[tuple[CampaignDiff, ...], tuple[HeldBack, ...]]:
    """Nobody takes a name whose owner has to keep it a while longer."""
    kept: list[CampaignDiff] = []
    waits: list[HeldBack] = []
    for found in campaigns:
        if found.desired.name in names and found.renamed:
            waits.append(HeldBack(found.desired.resource, (Verb.CREATE.value,)))
        else:
            kept.append(found)
    return tuple(kept), tuple(waits)


def closing(groups: Iterable[StepGroup], until: Mapping[ResourceId, int]) -> tuple[StepGroup, ...]:
    """`groups`, those that reach devices with the time after which they may not be sent."""
    every = tuple(groups)
    brackets = {
        group.action.resource
        for group in every
        if isinstance(group.action, StopCampaign) and group.action.bracket
    }
    return tuple(
        replace(group, not_after=until[group.action.resource])
        if group.action.resource in until
        and _releases(group.action, interrupting=group.action.resource in brackets)
        else group
        for group in every
    )


def _releases(action: Action, *, interrupting: bool) -> bool:
    """Whether devices may begin something by it; `interrupting`: its campaign is stopped for a while."""
    match action:
        case AddGateways() | ApproveCampaign() | SetDistributionList() | AssignPackages():
            return True
        case ScheduleWindow() | RunOnThings() | RetireCampaign() | EndCampaign():
            return True
        case StartCampaign(bracket=bracket):
            return not bracket
        case StopCampaign(bracket=bracket):
            return bracket
        case CreateCampaign(replaces=replaces):
            return replaces is not None
        case EditCampaign(fields=fields):
            return interrupting or fields.packages is not None
        case _:
            return False


@dataclass(frozen=True)
class _Told:
    """What calendars say now."""

    calendars: Sequence[Calendar]
    zones: Mapping[str, frozenset[str]]
    openings: Mapping[str, Opening]
    now: int

    @property
    def all_open(self) -> bool:
        return all(each.open for each in self.openings.values())

    @property
    def until(self) -> int | None:
        """When one of those closes that are open."""
        ends = (each.until for each in self.openings.values() if each.open)
        return min((end for end in ends if end is not None), default=None)

    @property
    def by_zone(self) -> bool:
        return "" not in self.openings

    @cached_property
    def free(self) -> frozenset[str]:
        """The gateways in whose zone they are open; only where that matters."""
        return _NOBODY.union(*(ids for zone, ids in self.zones.items() if self.openings[zone].open))

    def everywhere(self, members: Collection[str]) -> Opening:
        """For all of `members` at once."""
        from zoneinfo import ZoneInfo

        if not self.by_zone:
            return self.openings[""]
        here = [zone for zone, ids in self.zones.items() if not ids.isdisjoint(members)]
        if not here:
            opens = (each.opens for each in self.openings.values() if each.opens is not None)
            closed = tuple(dict.fromkeys(name for each in self.openings.values() for name in each.closed))
            return Opening(self.all_open, opens=min(opens, default=None), closed=closed)
        return opening_everywhere(self.calendars, map(ZoneInfo, here), self.now)

    def of(self, gateways: Collection[str]) -> list[Opening]:
        """In the zones of `gateways`."""
        if not self.by_zone:
            return [self.openings[""]]
        return [self.openings[zone] for zone, ids in self.zones.items() if not ids.isdisjoint(gateways)]


class _Held:
    """One campaign, of which something may have to wait."""

    def __init__(self, found: CampaignDiff, facts: Facts, told: _Told) -> None:
        self._found, self._facts, self._told = found, facts, told
        self._what: list[str] = []
        self._gateways: set[str] = set()
        self._closed: list[Opening] = []

    def left(self) -> tuple[CampaignDiff, HeldBack | None]:
        """What needs no calendar, and what waits."""
        if self._told.all_open or not self._reaches():
            return self._found, None
        left = self._whole() if self._replacement() else self._parts()
        if not self._what:
            return self._found, None
        opens = [each.opens for each in self._closed if each.opens is not None]
        names = dict.fromkeys(name for each in self._closed for name in each.closed)
        frozen = next((each.frozen for each in self._closed if each.frozen is not None), None)
        wait = HeldBack(
            self._found.desired.resource,
            tuple(self._what),
            len(self._gateways),
            min(opens, default=None),
            tuple(names),
            frozen,
        )
        return left, wait

    def _reaches(self) -> bool:
        """Whether anything of it may have to wait: mostly nothing has."""
        found, transition = self._found, self._found.transition
        if found.desired.revised:
            return False  # nobody moves whom the rollout doesn't release
        whole = (found.successor, found.edit, found.distribution, transition.approve)
        single = (found.gained, found.overrides, found.schedules, found.things)
        return any(whole) or any(single) or transition.run is Run.START

    # --- a successor ---------------------------------------------------------------------------

    def _replacement(self) -> bool:
        if self._found.successor is None:
            return False
        told = self._told.everywhere(self._members(self._found.gained))
        if not told.open:
            self._hold("replace", told)
        return not told.open

    def _whole(self) -> CampaignDiff:
        """All of it waits; only what ends something goes out."""
        found = self._found
        goes = found.transition.run is Run.STOP or self._closes(found.transition)
        keeps = found.transition if goes else Transition(held=found.transition.held)
        keeps = replace(keeps, approve=False)
        changes = tuple(each for each in found.changes if goes and each.field == Field.STATUS)
        return replace(
            found,
            successor=None,
            itself=None,
            replaced=(),
            starts=False,
            keeps_name=False,
            edit=False,
            gained=(),
            lost=(),
            distribution=None,
            callbacks=(),
            overrides=(),
            schedules=(),
            things={},
            closes=(),
            transition=keeps,
            changes=changes,
            declares={},
        )

    # --- one by one ----------------------------------------------------------------------------

    def _parts(self) -> CampaignDiff:
        found, told = self._found, self._told
        # The rollout decides which gateways join.
        nobody = _NOBODY if found.desired.rollout is None else frozenset(found.gained)
        free = told.free | nobody
        everywhere = told.everywhere(self._members(found.gained))
        if found.edit and not everywhere.open and self._interrupts():
            found, free = self._without_edit(found, _EDITED, everywhere), nobody
        elif found.edit and not everywhere.open and self._changed(Field.PACKAGES):
            found, free = self._without_edit(found, _PACKAGES, everywhere), nobody
        if found.distribution and not everywhere.open:
            self._hold(Verb.DISTRIBUTE.value, everywhere)
            found = _dropping(replace(found, distribution=None), {Field.DISTRIBUTION})
        found = self._for_free(found, free)
        return self._standing(found)

    def _without_edit(self, found: CampaignDiff, fields: frozenset[Field], told: Opening) -> CampaignDiff:
        self._hold(Verb.EDIT.value, told)
        left = _dropping(found, fields)
        rest = any(_name(change) in _EDITED for change in left.changes)
        return replace(left, edit=rest, fields=replace(found.fields, packages=None))

    def _for_free(self, found: CampaignDiff, free: frozenset[str]) -> CampaignDiff:
        """The same, for gateways that are `free` only."""
        joining = self._kept(Verb.ADD, found.gained, free)
        overrides = tuple(self._of(Verb.OVERRIDE, found.overrides, free))
        schedules = tuple(self._of(Verb.SCHEDULE, found.schedules, free))
        going = set(self._kept(Verb.THINGS, tuple(found.things), free))
        changes = tuple(_narrowed(found.changes, free, joining))
        declares = dict(found.declares)
        if len(joining) < len(found.gained):
            declares.pop(Field.GATEWAYS.value, None)
        return replace(
            found,
            gained=joining,
            overrides=overrides,
            schedules=schedules,
            things={gateway: ids for gateway, ids in found.things.items() if gateway in going},
            changes=changes,
            declares=declares,
        )

    def _of(self, verb: Verb, items: Iterable[_Of], free: frozenset[str]) -> Iterator[_Of]:
        for item in items:
            if kept := self._kept(verb, item.gateways, free):
                yield replace(item, gateways=kept)

    def _kept(self, verb: Verb, gateways: tuple[str, ...], free: frozenset[str]) -> tuple[str, ...]:
        kept = tuple(each for each in gateways if each in free)
        if len(kept) < len(gateways):
            held = [each for each in gateways if each not in free]
            self._gateways.update(held)
            self._closed += [each for each in self._told.of(held) if not each.open]
            self._say(verb.value)
        return kept

    def _standing(self, found: CampaignDiff) -> CampaignDiff:
        """The same, neither approved nor started before its time."""
        transition = found.transition
        starts = transition.run is Run.START and not self._closes(transition)
        if not (starts or transition.approve):
            return found
        members, going = self._members(found.gained), self._open_members(found.gained)
        if members and not going and not transition.approve:
            return found  # all who are in are done: nobody begins anything by it
        told = self._told.everywhere(going)
        if told.open:
            return found
        if transition.approve:
            self._hold(Verb.APPROVE.value, told)
        if starts:
            self._hold(Verb.START.value, told)
        run = Run.KEEP if starts else transition.run
        left = replace(found, transition=replace(transition, run=run, approve=False))
        return _dropping(left, {Field.STATUS}) if starts or run is Run.KEEP else left

    def _closes(self, transition: Transition) -> bool:
        """Whether its start closes a bracket. One that takes over from a predecessor begins something."""
        ended = all(each.ended for each in self._found.formers)
        return transition.reason is Reason.FINISH_INTERRUPTED and ended

    # --- whom it is about ----------------------------------------------------------------------

    def _members(self, joining: Iterable[str]) -> Collection[str]:
        """Who is in it once some have joined; all that may be where nobody has read it."""
        live = self._found.live
        if not self._told.by_zone:
            return _NOBODY
        if live is not None and live.gateways is None:
            return _NOBODY.union(*self._told.zones.values())
        inside = frozenset(live.gateways) - live.gateways.closed if live and live.gateways else _NOBODY
        return inside.difference(self._found.lost).union(joining)

    def _open_members(self, joining: Iterable[str]) -> Collection[str]:
        """Of those: who isn't done."""
        live = self._found.live
        members = self._members(joining)
        if not self._told.by_zone or live is None or live.gateways is None:
            return members
        final = (ids for state, ids in live.gateways.states.items() if self._facts.stage(state).final)
        return frozenset(members).difference(*final)

    def _interrupts(self) -> bool:
        live = self._found.live
        return (
            live is not None and live.phase is Phase.RUNNING and not self._facts.allows(Verb.EDIT, live.phase)
        )

    def _changed(self, name: Field) -> bool:
        return any(_name(change) == name for change in self._found.changes)

    def _hold(self, what: str, told: Opening) -> None:
        self._closed.append(told)
        self._say(what)

    def _say(self, what: str) -> None:
        if what not in self._what:
            self._what.append(what)


def _name(change: Change) -> str:
    return change.field.partition(".")[0]


def _dropping(found: CampaignDiff, fields: Collection[Field]) -> CampaignDiff:
    """`found` without what it changes and declares of these fields."""
    return replace(
        found,
        changes=tuple(change for change in found.changes if _name(change) not in fields),
        declares={name: value for name, value in found.declares.items() if name not in fields},
    )


def _narrowed(changes: Iterable[Change], free: frozenset[str], joining: Sequence[str]) -> Iterator[Change]:
    """`changes` of single gateways for those that are `free` only; closing is for all."""
    for change in changes:
        if (moved := change.gateways) is not None:
            if joining or moved.lost:
                after = moved.after - len(moved.gained) + len(joining)
                yield replace(change, gateways=GatewayChange(moved.before, after, tuple(joining), moved.lost))
        elif change.members and _name(change) != Field.CLOSED:
            if kept := tuple(each for each in change.members if each in free):
                yield replace(change, members=kept)
        else:
            yield change
