"""Who is in a campaign that is the way back from another one, and that never both run. Pure; before `paced`.

| the other one's rollout             | the way back                                                         |
|-------------------------------------|----------------------------------------------------------------------|
| was never aborted                   | stands by: nothing is created                                        |
| stands aborted, its campaign runs   | waits: nobody joins                                                  |
| stands aborted, its campaign stands | takes those whose devices it may have changed                        |
| goes on by a person's word          | keeps whom it took, and goes on; where nobody is in yet, it waits    |

While a way back is under way, the other one waits: nobody joins it, and it isn't started. A way back is under
way when somebody is in it, it isn't complete, and it runs or is about to.

Whom it took is kept in the state, with the other campaign: it is known before this one is created.

Tests: `tests/rollout/test_rollout_recall.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from reconciler.model import (
    Desired,
    DesiredCampaign,
    DesiredStatus,
    Finding,
    Live,
    LiveCampaign,
    OnFailure,
    Phase,
    RolloutStatus,
    Severity,
)
from reconciler.providers.base import Facts
from reconciler.rollout.revisions import EMPTY
from reconciler.rollout.sampling import for_only
from reconciler.state.applied import ROLLBACK
from reconciler.state.base import Event, MembersApplied, Owned, State

_MOVES = frozenset({Phase.RUNNING, Phase.BUSY, Phase.UNKNOWN})
"""The campaign may reach devices."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """`Desired`, in which ways back have the gateways that they take."""

    desired: Desired
    records: tuple[Event, ...] = ()
    """What the state learns, before the first call."""
    findings: tuple[Finding, ...] = ()


def recalled(desired: Desired, live: Live, state: State, facts: Facts, *, resume: bool = False) -> Recalled:
    """One look at every way back. `resume`: a person starts again what was stopped."""
    excluded = desired.focus.excluded if desired.focus else ()
    declared = {campaign.resource: campaign for campaign in (*desired.campaigns, *excluded)}
    seen = _Seen(live, state, facts, resume)
    pairs = {
        campaign.rollback_of: _Pair(campaign, declared.get(campaign.rollback_of), seen)
        for campaign in declared.values()
        if campaign.rollback_of is not None
    }
    if not pairs:
        return Recalled(desired)
    campaigns: list[DesiredCampaign] = []
    records: list[Event] = []
    findings: list[Finding] = []
    for campaign in desired.campaigns:
        if campaign.rollback_of is not None:
            pair = pairs[campaign.rollback_of]
            campaigns += pair.way_back()
            records += pair.records()
            findings += pair.findings()
        elif campaign.resource in pairs:
            campaigns.append(pairs[campaign.resource].first())
            findings += pairs[campaign.resource].findings_of_first()
        else:
            campaigns.append(campaign)
    return Recalled(replace(desired, campaigns=tuple(campaigns)), tuple(records), tuple(findings))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look knows."""

    live: Live
    state: State
    facts: Facts
    resume: bool
    """A person starts again what was stopped."""


class _Pair:
    """A campaign and the way back from it, which never both run."""

    def __init__(self, back: DesiredCampaign, first: DesiredCampaign | None, seen: _Seen) -> None:
        live, state, facts, resume = seen.live, seen.state, seen.facts, seen.resume
        assert back.rollback_of is not None, "it is a way back"
        self._back, self._first, self._other, self._resume = back, first, back.rollback_of, resume
        self._owned, self._its = state.campaigns.get(self._other), state.campaigns.get(back.resource)
        self._there, self._here = live.campaigns.get(self._other), live.campaigns.get(back.resource)
        self._known = self._its is not None or self._here is not None
        taken = self._owned.members.get(ROLLBACK, {}) if self._owned else {}
        before = taken.get(back.resource.name, EMPTY)
        record = self._owned.rollout if self._owned else None
        aborted = record is not None and record.status is RolloutStatus.ABORTED
        self._new = (_changed(self._there, facts) - before) if aborted else EMPTY
        self._joined = _members(self._here)
        self._taken = before | self._new | self._joined
        # One that the run leaves alone was not looked at: it may run.
        unseen = self._owned is not None and self._other not in live.gone
        self._moves = unseen if self._there is None else self._there.phase in _MOVES
        self._under_way = self._is_under_way(facts, unseen=back.resource not in live.gone)
        resumed = aborted and resume and not (first and _stops(first, self._owned))
        # A way back without members begins only while the other rollout stands aborted.
        self._waits = self._moves or (not self._under_way and (not aborted or resumed))

    def _is_under_way(self, facts: Facts, *, unseen: bool) -> bool:
        """Whether somebody is in the way back who isn't through, and it runs or is about to."""
        its, here, back = self._its, self._here, self._back
        if its is None or (its.rollout and its.rollout.status is RolloutStatus.COMPLETE):
            return False
        if here is None:
            return unseen and its.status == DesiredStatus.STARTED
        if not self._joined or (back.rollout is None and _all_final(here, facts)):
            return False
        if here.phase in _MOVES:
            return True
        if here.phase in (Phase.FINISHED, Phase.ENDED) or back.status is not DesiredStatus.STARTED:
            return False
        held = here.phase is Phase.PAUSED and its.status == DesiredStatus.STARTED and not its.return_to
        return not _stops(back, its) and (self._resume or not held)

    # --- the way back --------------------------------------------------------------------------

    def way_back(self) -> Iterator[DesiredCampaign]:
        """It, with its gateways; nothing while it stands by, or waits and isn't there yet."""
        if not self._known and (not self._taken or self._waits):
            return
        wish, gateways = self._back.rollout, self._taken
        if wish is not None and self._waits:
            wish = replace(wish, behind=str(self._other))
        elif self._waits:
            gateways = self._joined
        campaign = replace(self._back, gateways=gateways, rollout=wish)
        if self._waits:
            campaign = _left_standing(campaign, self._here, self._its, resume=self._resume)
        yield for_only(campaign, gateways)

    def records(self) -> Iterator[Event]:
        """Whom it takes from now on."""
        if self._new:
            yield MembersApplied(self._other, ROLLBACK, self._back.resource.name, tuple(sorted(self._new)))

    def findings(self) -> Iterator[Finding]:
        """What it waits for."""
        resource, place = self._back.resource, self._back.place_of("rollbackOf")
        if not self._taken or (self._waits and not self._moves and not self._joined):
            message = (
                f"{resource} stands by: it is the way back from {self._other}, whose rollout isn't aborted"
            )
            yield Finding("rollback-stands-by", message, place, None, resource, Severity.NOTE)
        elif self._moves and self._taken - self._joined:
            count = len(self._taken - self._joined)
            message = (
                f"{resource} is to take {count:,} gateways back from {self._other}, which still runs: nobody"
                " joins before it has stopped"
            )
            hint = "`onFailure: stop` of its policy stops it; else stop it with `reconciler campaign stop`"
            yield Finding("rollback-waits", message, place, hint, resource, Severity.WARNING)

    # --- the other one -------------------------------------------------------------------------

    def first(self) -> DesiredCampaign:
        """It; while its way back is under way nobody joins it, and it isn't started."""
        first = self._first
        assert first is not None, "it is declared"
        if not self._under_way or first.rollout is None:
            return first
        first = replace(first, rollout=replace(first.rollout, way_back=str(self._back.resource)))
        return _left_standing(first, self._there, self._owned, resume=self._resume)

    def findings_of_first(self) -> Iterator[Finding]:
        """That it waits, where it would go on."""
        first, record = self._first, self._owned.rollout if self._owned else None
        back = self._back.resource
        if first is None or not self._under_way or first.status is not DesiredStatus.STARTED:
            return
        if self._there is not None and self._there.phase in _MOVES:
            message = f"{self._other} runs while its way back {back} is under way: devices may get both"
            hint = f"stop one of them: `reconciler campaign stop {self._other.name}`, or {back.name}"
        elif record is not None and record.status is RolloutStatus.ABORTED and not self._resume:
            return
        else:
            message = (
                f"{self._other} waits: its way back {back} is under way, and only one of them may run; it"
                " isn't started, and nobody joins it"
            )
            hint = (
                f"let {back.name} complete; or end it: write `desiredStatus: STOPPED` in it, or"
                f" `reconciler rollout abort {back.name} --stop --reason TEXT`"
            )
        place = first.place_of("desiredStatus")
        yield Finding("rollback-under-way", message, place, hint, self._other, Severity.WARNING)


def _stops(campaign: DesiredCampaign, owned: Owned | None) -> bool:
    """Whether its aborted rollout keeps it stopped."""
    record, wish = owned.rollout if owned else None, campaign.rollout
    if record is None or record.status is not RolloutStatus.ABORTED:
        return False
    return record.stops or (wish is not None and wish.on_failure is OnFailure.STOP)


def _left_standing(
    campaign: DesiredCampaign, there: LiveCampaign | None, owned: Owned | None, *, resume: bool
) -> DesiredCampaign:
    """`campaign`, which nothing starts; one that a person stopped stays held."""
    if campaign.status is not DesiredStatus.STARTED or there is None or there.phase in _MOVES:
        return campaign
    if there.phase is not Phase.PAUSED:
        return replace(campaign, status=None)
    held = owned is not None and owned.status == DesiredStatus.STARTED
    return campaign if held and not resume else replace(campaign, status=DesiredStatus.STOPPED)


def _all_final(there: LiveCampaign, facts: Facts) -> bool:
    states = there.gateways.states.items() if there.gateways else ()
    return all(facts.stage(state).final for state, members in states if members)


def _changed(there: LiveCampaign | None, facts: Facts) -> frozenset[str]:
    """The members whose devices may no longer be as they were."""
    if there is None or there.gateways is None:
        return EMPTY
    states = there.gateways.states.items()
    return EMPTY.union(*(members for state, members in states if facts.changed(state)))


def _members(there: LiveCampaign | None) -> frozenset[str]:
    if there is None or there.gateways is None:
        return EMPTY
    return EMPTY.union(*there.gateways.states.values())
