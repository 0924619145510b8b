"""Who is in a campaign that is the way back from another one. Pure; the stage before `paced`.

| the other one's rollout             | the way back                                                         |
|-------------------------------------|----------------------------------------------------------------------|
| was never aborted                   | stands by: nothing is created                                        |
| stands aborted, its campaign runs   | waits: nobody joins                                                  |
| stands aborted, its campaign stands | takes those whose devices it may have changed                        |
| goes on by a person's word          | keeps whom it took                                                   |

Whom it took is kept in the state, with the other campaign: it is known before this one is created.

Tests: `tests/rollout/test_rollout_recall.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from reconciler.model import (
    Desired,
    DesiredCampaign,
    Finding,
    Live,
    LiveCampaign,
    Phase,
    ResourceId,
    RolloutStatus,
    Severity,
)
from reconciler.providers.base import Facts
from reconciler.rollout.stage import EMPTY, for_only
from reconciler.state.applied import ROLLBACK
from reconciler.state.base import Event, MembersApplied, State

_MOVES = frozenset({Phase.RUNNING, Phase.BUSY, Phase.UNKNOWN})
"""The campaign may reach devices."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """`Desired`, in which ways back have the gateways that they take."""

    desired: Desired
    records: tuple[Event, ...] = ()
    """What the state learns, before the first call."""
    findings: tuple[Finding, ...] = ()


def recalled(desired: Desired, live: Live, state: State, facts: Facts) -> Recalled:
    """One look at every way back. Other campaigns are as they were."""
    if not any(campaign.rollback_of for campaign in desired.campaigns):
        return Recalled(desired)
    campaigns: list[DesiredCampaign] = []
    records: list[Event] = []
    findings: list[Finding] = []
    for campaign in desired.campaigns:
        if campaign.rollback_of is None:
            campaigns.append(campaign)
            continue
        one = _Recall(campaign, campaign.rollback_of, live, state, facts)
        campaigns += one.campaign()
        records += one.records()
        findings += one.findings()
    return Recalled(replace(desired, campaigns=tuple(campaigns)), tuple(records), tuple(findings))


class _Recall:
    """One way back."""

    def __init__(
        self, campaign: DesiredCampaign, other: ResourceId, live: Live, state: State, facts: Facts
    ) -> None:
        self._campaign, self._other = campaign, other
        self._known = campaign.resource in state.campaigns or campaign.resource in live.campaigns
        owned = state.campaigns.get(other)
        before = owned.members.get(ROLLBACK, {}).get(campaign.resource.name, EMPTY) if owned else EMPTY
        there = live.campaigns.get(other)
        aborted = bool(owned and owned.rollout and owned.rollout.status is RolloutStatus.ABORTED)
        self._new = (_changed(there, facts) - before) if aborted else EMPTY
        self._joined = _members(live.campaigns.get(campaign.resource))
        self._taken = before | self._new | self._joined
        # One that the run leaves alone was not looked at: it may run.
        unseen = owned is not None and other not in live.gone
        self._moves = unseen if there is None else there.phase in _MOVES

    def campaign(self) -> Iterator[DesiredCampaign]:
        """The campaign with its gateways; none while it stands by, or waits and isn't there yet."""
        if not self._known and (not self._taken or self._moves):
            return
        wish, gateways = self._campaign.rollout, self._taken
        if wish is not None and self._moves:
            wish = replace(wish, behind=str(self._other))
        elif self._moves:
            gateways = self._joined
        yield for_only(replace(self._campaign, gateways=gateways, rollout=wish), gateways)

    def records(self) -> Iterator[Event]:
        """Whom it takes from now on."""
        if self._new:
            yield MembersApplied(
                self._other, ROLLBACK, self._campaign.resource.name, tuple(sorted(self._new))
            )

    def findings(self) -> Iterator[Finding]:
        """What it waits for."""
        resource, place = self._campaign.resource, self._campaign.place_of("rollbackOf")
        if not self._taken:
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
