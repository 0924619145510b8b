"""Who may be in a campaign now: the stage between what is live and what differs. Pure.

A campaign with a rollout is narrowed to the gateways that are in already, and to those that this look
releases. A rollout never takes a declared gateway out.

Where a server can't change the packages of a campaign, others begin a *revision*:

| the live campaign          | who is in the revision | what becomes of it                               |
|----------------------------|------------------------|--------------------------------------------------|
| has the declared packages  | its members            | it grows wave by wave                            |
| has others                 | nobody                 | a successor begins with the first wave, or empty |

Members of earlier revisions stay where they are until their wave.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from reconciler.model import (
    Calendar,
    Claim,
    Desired,
    DesiredCampaign,
    DesiredRollout,
    DesiredStatus,
    DuringFreeze,
    Finding,
    Live,
    LiveCampaign,
    OnFailure,
    Ownership,
    Phase,
    ResourceId,
    RolloutRecord,
    RolloutStatus,
    Severity,
)
from reconciler.model.rollouts import GATEWAY_ZONE
from reconciler.model.sets import divided, joined, shared
from reconciler.model.waves import assigned
from reconciler.ownership import owned_by
from reconciler.providers.base import Changing, Facts, Field, Stage
from reconciler.rollout.calendars import Opening, openings
from reconciler.rollout.counts import level
from reconciler.rollout.forecast import RehearsedPace, ends, expected, forecast
from reconciler.rollout.freezing import Freezing, freezing
from reconciler.rollout.gate import look
from reconciler.rollout.order import Standing
from reconciler.rollout.revisions import (
    EMPTY,
    earlier_of,
    ends_of,
    goes_on_in,
    is_revised,
    own_of,
    revision_of,
    waves_of,
)
from reconciler.rollout.sampling import for_only
from reconciler.rollout.situation import CheckAnswer, Decision, Situation
from reconciler.rollout.views import RolloutView, wave_views
from reconciler.state.applied import FORGIVEN, REFUSED, ROLLOUT
from reconciler.state.base import Event, MembersForgotten, Owned, RolloutNoted, State

_ADOPTED: Final = "adopted"


@dataclass(frozen=True, slots=True)
class Pace:
    """What a look knows beside the server and the state."""

    facts: Facts
    now: int
    """Epoch milliseconds."""
    checks: Mapping[ResourceId, Sequence[CheckAnswer]] | None = None
    """None: nobody asked them."""
    resume: bool = False
    """A person ends what is paused and held."""
    adopt: bool = False
    """What others made, and is declared, becomes ours."""
    rehearsed: Mapping[ResourceId, RehearsedPace] = field(default_factory=dict)
    """How long the waves took in a rehearsal, where a person gave one."""


@dataclass(frozen=True, slots=True)
class Paced:
    """`Desired`, narrowed to who may be in now."""

    desired: Desired
    rollouts: tuple[RolloutView, ...] = ()
    records: tuple[Event, ...] = ()
    """What the state learns, before the first call."""
    findings: tuple[Finding, ...] = ()


def paced(desired: Desired, live: Live, state: State, pace: Pace) -> Paced:
    """One look at every rollout. Campaigns without one are as they were."""
    campaigns: list[DesiredCampaign] = []
    views: list[RolloutView] = []
    records: list[Event] = []
    by_id = {owned.id: owned for owned in state.campaigns.values()}
    standing = Standing(desired, state)
    for campaign in standing.ordered():
        claim = live.claims.get(campaign.resource)
        wish = campaign.rollout
        if wish is None or campaign.gateways is None or claim is None or not _ours(claim):
            campaigns.append(campaign)
            if wish is None and (known := state.campaigns.get(campaign.resource)) and known.rollout:
                records.append(RolloutNoted(campaign.resource, None))
            continue
        owned = owned_by(campaign, claim, state, by_id)[0]
        there = live.campaigns.get(campaign.resource) if owned else None
        about = _About(
            campaign,
            wish,
            there,
            owned,
            claim,
            standing.before(wish),
            is_revised(campaign, there, live, state, pace.facts, adopt=pace.adopt),
            earlier_of(owned, live),
        )
        pacing = _Pacing(about, state, pace)
        view, record, narrowed, noted = pacing.paced()
        standing.learn(view)
        campaigns.append(narrowed)
        views.append(view)
        records += noted
        if owned is not None and owned.rollout != record:
            records.append(RolloutNoted(campaign.resource, record))
    if not (views or records):
        return Paced(desired)
    places = {campaign.resource: at for at, campaign in enumerate(desired.campaigns)}
    for each in (campaigns, views):
        each.sort(key=lambda one: places[one.resource])
    narrowed_down = replace(desired, campaigns=tuple(campaigns))
    return Paced(narrowed_down, tuple(views), tuple(records), tuple(_findings(views)))


def _ours(claim: Claim) -> bool:
    return claim.held or claim.ownership is Ownership.NONE


@dataclass(frozen=True, slots=True)
class _About:
    """A campaign with a rollout, its live side, and what we own of it."""

    campaign: DesiredCampaign
    wish: DesiredRollout
    there: LiveCampaign | None
    owned: Owned | None
    claim: Claim
    before: str
    """Which campaigns come before it and aren't complete."""
    revised: bool = False
    """See `DesiredCampaign.revised`."""
    earlier: tuple[LiveCampaign, ...] = ()
    """What it replaced, as far as that hasn't ended."""


class _Pacing:
    """One campaign."""

    def __init__(self, about: _About, state: State, pace: Pace) -> None:
        self._campaign, self._wish, self._pace, self._claim = about.campaign, about.wish, pace, about.claim
        self._before = about.before
        self._there, self._owned, self._revised = about.there, about.owned, about.revised
        self._declared = about.campaign.gateways or EMPTY
        members = self._there.gateways if self._there and not self._revised else None
        closed = (about.campaign.closed or EMPTY) | (members.closed if members else EMPTY)
        # Don't copy a million ids without need.
        self._fleet = self._declared - closed if closed else self._declared
        self._states = dict(members.states) if members else {}
        self._here = {state: shared(self._declared, ids) for state, ids in self._states.items()}
        here = tuple(self._here.values())
        self._inside = self._declared if here and divided(self._declared, here) else joined(here)
        """Declared gateways that are members, closed ones among them; none of an earlier revision."""
        self._formers = about.earlier
        if self._revised and self._there:
            self._formers = (*self._formers, self._there)
        """What earlier revisions are in, oldest first."""
        earlier = EMPTY.union(*map(goes_on_in, self._formers))
        self._earlier = (self._fleet & earlier) - self._inside if earlier else EMPTY
        """Declared gateways that are in earlier revisions only."""
        self._revision = revision_of(about.campaign, state.salt)
        self._ends_of = ends_of(about.wish, self._declared, closed)
        known = about.owned.rollout if about.owned else None
        ends = known.ends if known and self._ends_of and known.ends_of == self._ends_of else ()
        self._waves = assigned(self._fleet, about.wish.waves, about.wish.seed, ends)

    def paced(self) -> tuple[RolloutView, RolloutRecord, DesiredCampaign, tuple[Event, ...]]:
        """How it stands, its record, who may be in now, and what else the state learns."""
        record, changed = self._begin()
        seen = self._situation(record)
        decision = look(self._wish, record, seen)
        self._freezing = self._freeze(seen)
        known = self._noted(REFUSED)
        lists = self._lists if known or decision.release else decision.record.lists
        frozen, stopped = self._freezing.frozen, self._freezing.stopped
        own = own_of(self._campaign)
        ends = self._waves.ends if self._ends_of else ()
        noted_so = replace(
            decision.record,
            frozen=frozen,
            stopped=stopped,
            own=own,
            lists=lists,
            ends=ends,
            ends_of=self._ends_of if ends else "",
        )
        decision = replace(decision, record=noted_so)
        view = self._view(decision, seen, changed=changed)
        again = tuple(sorted(known)) if decision.opens or not self._refused else ()
        noted = (MembersForgotten(self._campaign.resource, again, ROLLOUT),) if again else ()
        return view, decision.record, self._narrowed(decision, changed=changed), noted

    def _freeze(self, seen: Situation) -> Freezing:
        """What a freeze stops now, and what is started again after one."""
        known = self._owned.rollout if self._owned else None
        if known is None or seen.stays:
            stopped: frozenset[str] = EMPTY  # of what Git stops nothing is started again
        elif self._revised and self._there and self._stands_aborted(known):
            stopped = frozenset(known.stopped) - {self._there.id}
        else:
            stopped = frozenset(known.stopped)
        openings = seen.openings.values()
        return freezing(
            None if self._revised else self._there,
            self._formers,
            stopped,
            self._pace.facts,
            holds=self._wish.during_freeze is DuringFreeze.STOP
            and not seen.stays
            and any(each.frozen is not None for each in openings),
            inside=bool(self._inside),
            held=seen.held,
            may_start=all(each.open for each in openings),
        )

    def _view(self, decision: Decision, seen: Situation, *, changed: bool) -> RolloutView:
        record = decision.record
        told = seen.above if decision.promoted else seen.openings
        until = [each.until for each in told.values() if each.open and each.until is not None]
        earliest = forecast(self._wish, record, seen)
        rehearsed = self._pace.rehearsed.get(self._campaign.resource)
        told_of = expected(self._wish, record, seen, rehearsed)
        return RolloutView(
            self._campaign.resource,
            self._wish.policy,
            record.status,
            len(self._fleet),
            len(self._entered),
            joins=len(decision.release),
            failed=len(seen.failed - seen.forgiven),
            all_failed=sum(
                len(members)
                for state, members in self._states.items()
                if self._pace.facts.stage(state) is Stage.FAILED
            ),
            wave=record.wave,
            opens=decision.opens,
            why=record.why,
            by=record.by,
            at=record.at,
            reached=record.reached,
            since=record.since,
            waves=tuple(wave_views(self._wish, decision, earliest, told_of.openings)),
            waits=decision.waits,
            next_look=min((wait.until for wait in decision.waits if wait.until is not None), default=None),
            ends=ends(self._wish, record, seen, earliest),
            expected_end=told_of.end,
            now=self._pace.now,
            zone=_zone(self._wish.calendars),
            open_until=min(until, default=None),
            stops=(self._stops(record) and self._running) or bool(self._freezing.halts),
            changed=changed,
            with_before=len(seen.done) if changed else 0,
            moves=len(self._earlier & decision.release),
            earlier=len(self._earlier - decision.release),
            place=self._wish.place,
            checks=self._unasked(record),
        )

    def _unasked(self, record: RolloutRecord) -> tuple[str, ...]:
        """The checks that stand before what comes next, where nobody has asked them."""
        if self._pace.checks is not None or record.status is RolloutStatus.COMPLETE:
            return ()
        return tuple(check.name for check in self._wish.checks)

    # --- where it stands -----------------------------------------------------------------------

    def _begin(self) -> tuple[RolloutRecord, bool]:
        """The record that the look begins with, and whether an edit waits for a person."""
        now, plan = self._pace.now, waves_of(self._wish)
        known = self._owned.rollout if self._owned else None
        if known is None:
            return self._first(plan), False
        record = known
        other = record.revision not in ("", self._revision)
        if self._revised and (other or record.since or record.status is RolloutStatus.COMPLETE):
            return self._next_revision(record, plan), False
        if other and self._there and self._replaces and self._campaign.settings is None:
            # Another revision was taken back before it had a campaign.
            record = replace(record, revision=self._revision, plan="")
        if record.plan != plan:
            record = replace(
                record,
                plan=plan,
                edited=bool(self._entered),
                wave=level(self._waves, self._entered, self._refused),
                since=0 if self._revised else now,  # what has no campaign yet hasn't begun
                reached=None,
            )
        changed = record.revision not in ("", self._revision) and bool(self._entered)
        if self._pace.resume and record.status is RolloutStatus.PAUSED:
            record = replace(record, status=RolloutStatus.PROGRESSING, why="", at=now)
            record, changed = replace(record, revision=self._revision), False
        if changed:
            if record.status is RolloutStatus.PROGRESSING:
                record = replace(record, status=RolloutStatus.PAUSED, why="changed", by="", at=now)
            return record, True
        return replace(record, revision=self._revision), False

    def _first(self, plan: str) -> RolloutRecord:
        """Of a rollout that the state knows nothing of."""
        now, entered = self._pace.now, self._entered
        reached = level(self._waves, entered, self._refused)
        record = RolloutRecord(self._revision, plan, wave=reached)
        if not (entered or self._earlier):
            return record
        record = replace(record, since=now if self._running and entered else 0)
        if self._claim.ownership is not Ownership.ADOPTED:
            # It is newly declared on a campaign of ours: Git just said so.
            return record
        if self._fleet <= entered | self._refused and not self._earlier:
            return replace(record, status=RolloutStatus.COMPLETE, at=now)
        if self._pace.resume:
            return record
        return replace(record, status=RolloutStatus.PAUSED, why=_ADOPTED, at=now)

    def _next_revision(self, before: RolloutRecord, plan: str) -> RolloutRecord:
        """It begins anew: what was found out about other packages says nothing of these.

        A pause that a person ordered, or that waits for a person since the state was lost, goes on.
        """
        record = RolloutRecord(self._revision, plan)
        stays = before.status is RolloutStatus.PAUSED and (before.by or before.why == _ADOPTED)
        if not stays or self._pace.resume:
            return record
        return replace(record, status=before.status, why=before.why, by=before.by, at=before.at)

    @property
    def _replaces(self) -> bool:
        return self._pace.facts.changing(Field.PACKAGES) is Changing.REPLACED

    @cached_property
    def _entered(self) -> frozenset[str]:
        return self._inside if self._fleet is self._declared else shared(self._fleet, self._inside)

    @cached_property
    def _refused(self) -> frozenset[str]:
        """Whom the server didn't take; nobody where they are to be tried again."""
        refused = self._noted(REFUSED)
        if not refused or self._pace.resume:
            return EMPTY
        record = self._owned.rollout if self._owned else None
        return refused if record is not None and record.lists in ("", self._lists) else EMPTY

    @cached_property
    def _lists(self) -> str:
        """The declared gateways as a digest."""
        return hashlib.sha256("\n".join(sorted(self._declared)).encode()).hexdigest()[:16]

    def _noted(self, value: str) -> frozenset[str]:
        return self._owned.members.get(ROLLOUT, {}).get(value, EMPTY) if self._owned else EMPTY

    @property
    def _running(self) -> bool:
        """Whether the campaign of this revision runs."""
        return self._there is not None and not self._revised and self._there.phase is Phase.RUNNING

    def _situation(self, record: RolloutRecord) -> Situation:
        facts, campaign = self._pace.facts, self._campaign
        by_stage: dict[Stage, list[frozenset[str]]] = {}
        for state, members in self._here.items():
            fleet = members if self._fleet is self._declared else shared(self._fleet, members)
            by_stage.setdefault(facts.stage(state), []).append(fleet)
        done, failed, idle = (
            joined(by_stage.get(stage, ())) for stage in (Stage.DONE, Stage.FAILED, Stage.IDLE)
        )
        checks = self._pace.checks
        return Situation(
            self._pace.now,
            self._waves,
            self._entered,
            done,
            failed,
            idle,
            self._noted(FORGIVEN),
            self._refused,
            running=self._running,
            held=self._held(record),
            stays=campaign.status is not DesiredStatus.STARTED,
            before=self._before,
            openings=self._openings(self._wish.calendars),
            above=self._openings(self._campaign.calendars),
            checks=None if checks is None else checks.get(campaign.resource, ()),
        )

    def _held(self, record: RolloutRecord) -> bool:
        """Whether a person stopped what we started."""
        there, owned = self._there, self._owned
        if there is None or owned is None or self._pace.resume or record.frozen:
            return False
        return (
            there.phase is Phase.PAUSED
            and owned.status == DesiredStatus.STARTED
            and owned.return_to is None
            and self._campaign.status is DesiredStatus.STARTED
        )

    def _openings(self, calendars: Sequence[Calendar]) -> Mapping[str, Opening]:
        return openings(calendars, self._wish.zones, self._pace.now)

    # --- what is asked for now -----------------------------------------------------------------

    def _narrowed(self, decision: Decision, *, changed: bool) -> DesiredCampaign:
        campaign = self._campaign
        released = joined((self._inside, decision.release))
        whole = len(released) == len(self._declared)  # nobody else is ever released
        campaign = replace(
            campaign,
            begun=decision.record,
            gateways=self._declared if whole else released,
            whole=None if whole else self._declared,
            status=self._status(decision, released),
            calendars=campaign.calendars if decision.promoted else self._wish.calendars,
        )
        if self._formers:
            campaign = replace(campaign, halts=self._freezing.halts, thaws=self._freezing.thaws)
        if self._revised:
            return self._of_revision(campaign, decision)
        if self._earlier:
            rests = self._campaign.status is DesiredStatus.STOPPED
            campaign = replace(campaign, staying=self._earlier - released, rests=rests)
        if changed:
            # The edit waits until a person resumes.
            campaign = replace(campaign, packages=None, settings=None)
        return campaign if whole else for_only(campaign, released)

    def _of_revision(self, campaign: DesiredCampaign, decision: Decision) -> DesiredCampaign:
        """What a successor begins with; where a person has to speak first, what is there as it is."""
        if decision.record.status is RolloutStatus.PROGRESSING:
            # A held campaign isn't replaced; the diff says so.
            status = self._campaign.status if self._held(decision.record) else campaign.status
            status = self._for_freeze(status)
            staying = self._earlier - decision.release
            rests = self._campaign.status is DesiredStatus.STOPPED
            began = replace(campaign, revised=True, staying=staying, status=status, rests=rests)
            return for_only(began, decision.release)
        there = self._there.gateways if self._there else None
        here = self._declared.intersection(there) if there is not None else self._declared
        thaws = DesiredStatus.STARTED if self._there and self._there.id in self._freezing.thaws else None
        stays = self._campaign.status is DesiredStatus.STOPPED
        status = campaign.status if stays else self._for_freeze(thaws)
        return for_only(
            replace(
                campaign,
                gateways=here,
                staying=self._earlier - here,
                packages=None,
                settings=None,
                delivery=None,
                status=status,
            ),
            here,
        )

    def _for_freeze(self, status: DesiredStatus | None) -> DesiredStatus | None:
        """What is wished of a campaign whose revision is over: a freeze stops and starts it, too."""
        assert self._there is not None
        key, found = self._there.id, self._freezing
        if key in found.halts or (key in found.stopped and key not in found.thaws):
            return DesiredStatus.STOPPED
        return status

    def _stops(self, record: RolloutRecord) -> bool:
        """Whether the policy wants the campaign stopped."""
        return record.frozen or self._stands_aborted(record)

    def _stands_aborted(self, record: RolloutRecord) -> bool:
        """Whether an abort stops it."""
        stops = self._wish.on_failure is OnFailure.STOP or record.stops
        return record.status is RolloutStatus.ABORTED and stops

    def _status(self, decision: Decision, released: frozenset[str]) -> DesiredStatus | None:
        if self._stops(decision.record):
            return DesiredStatus.STOPPED
        starts = self._campaign.status is DesiredStatus.STARTED and not self._running
        if starts and (not released or self._unbegun(decision.record)):
            return None  # there is nobody yet to start for
        return self._campaign.status

    def _unbegun(self, record: RolloutRecord) -> bool:
        """Whether a start would release those who are in, before the rollout does or while it may not."""
        if self._there is not None and self._there.phase not in (Phase.READY, Phase.WAITING):
            return False  # it has run
        bars = self._wish.paused or record.status in (RolloutStatus.PAUSED, RolloutStatus.ABORTED)
        return not record.wave or (bars and not record.since)


def _zone(calendars: Sequence[Calendar]) -> str:
    """The zone that all of them name."""
    zones = {calendar.zone for calendar in calendars}
    return zones.pop() if len(zones) == 1 and GATEWAY_ZONE not in zones else ""


def _findings(views: Iterable[RolloutView]) -> Iterator[Finding]:
    for view in views:
        resource, name = view.resource, view.resource.name
        if view.aborted:
            message = f"{resource}: {view.why}; nobody else is released. {view.entered:,} gateways have it"
            hint = (
                f"see `reconciler rollout show {name} --failed`; go on with"
                f" `reconciler rollout resume {name} --reason TEXT`, with --forgive to count them no more"
            )
            yield Finding("rollout-aborted", message, view.place, hint, resource)
        elif view.changed:
            message = (
                f"{resource}: what it rolls out was changed while {view.entered:,} gateways are in:"
                f" {view.with_before:,} are done with what was there, {view.entered - view.with_before:,}"
                " would get the new; the edit waits for a person"
            )
            hint = (
                "a new release is better a new campaign; to edit this one:"
                f" `reconciler rollout resume {name} --reason TEXT`"
            )
            yield Finding("rollout-changed", message, view.place, hint, resource, Severity.WARNING)
        elif view.status is RolloutStatus.PAUSED:
            message = f"{resource}: its rollout is paused: {view.why}"
            hint = f"go on with `reconciler rollout resume {name} --reason TEXT`"
            yield Finding("rollout-paused", message, view.place, hint, resource, Severity.NOTE)
