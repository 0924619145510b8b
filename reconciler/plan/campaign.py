"""The actions that put one campaign right, and whether the server would take them in its status.

| live    | to edit | then  | actions                             |
|---------|---------|-------|-------------------------------------|
| running | yes     | keep  | stop, edit, …, start (a bracket)    |
| running | no, but what the server takes only while it is stopped | keep | a bracket |
| running | joiners with an override or window of their own, unless they join directly | keep | a bracket |
| running | yes     | stop  | stop, edit, …                       |
| running | no      | stop  | stop, …                             |
| other   | yes     | start | edit, …, start                      |
| other   | yes     | keep  | edit, …                             |

Where the server can't edit what differs a successor takes over (`replacement`):

| live    | successor | actions                                                                    |
|---------|-----------|----------------------------------------------------------------------------|
| any     | to start  | retire the old, create, …, end the old, start                              |
| running | to stand still | stop, retire the old, create, …, end the old                          |
| other   | to stand still | retire the old, create, …, end the old                                |
| any     | of a rollout | retire the old, create, …, some leave the old, start if somebody is in    |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from reconciler.diff import CampaignDiff, Removal, Run
from reconciler.model import (
    Action,
    AddGateways,
    ApproveCampaign,
    AssignPackages,
    CloseGateways,
    CreateCampaign,
    DeleteCampaign,
    Draft,
    EditCampaign,
    EndCampaign,
    Finding,
    Joining,
    LiveCampaign,
    Phase,
    Reason,
    RegisterCallback,
    RemoveGateways,
    ResourceId,
    RunOnThings,
    ScheduleWindow,
    SetDistributionList,
    StartCampaign,
    StopCampaign,
    Verb,
)
from reconciler.plan.replacement import (
    all_formers,
    deletions_of,
    draft_of,
    ends_of,
    leaves_of,
    rests_of,
    room_for,
    thaws_of,
)
from reconciler.providers.base import Facts, Field
from reconciler.state.applied import callback_field


def campaign_actions(found: CampaignDiff, facts: Facts, *, prune: bool) -> tuple[Action, ...] | Finding:
    """What to do; a finding when the server would refuse something of it whatever comes first."""
    live, resource = found.live, found.desired.resource
    if found.transition.approve and not facts.knows(Verb.APPROVE):
        # A server without approvals gets none.
        found = replace(found, transition=replace(found.transition, approve=False))
    if found.successor:
        return tuple(_replaced(found, found.successor, facts, prune=prune))
    if live and found.edit and not _can(facts, Verb.EDIT, live):
        return _refused(resource, live, "edited")
    here = _settled(live.phase) if live else Phase.READY
    target = live.id if live else None
    draft = draft_of(found.gone, found.gained) if facts.members_first and not live else None
    changes = (*_attachments(found, target), *_members(found, target, draft))
    pause = _pause(found, changes, facts) if found.transition.run is Run.KEEP else None
    actions = tuple(_actions(found, changes, pause, draft))
    if live:
        actions += (
            *rests_of(found, facts),
            *leaves_of(found),
            *ends_of(found),
            *thaws_of(found, facts),
            *(deletions_of(resource, found.formers) if prune else ()),
        )
    phase = Phase.PAUSED if pause or found.transition.run is Run.STOP else here
    verbs = {action.verb for action in changes} | ({Verb.EDIT} if found.edit else set())
    denied = [verb for verb in verbs if not facts.allows(verb, phase)]
    match found.transition.run:
        case Run.STOP if live and live.phase is not Phase.BUSY and not facts.allows(Verb.STOP, live.phase):
            denied.append(Verb.STOP)
        case Run.START if not facts.allows(Verb.START, Phase.READY if found.transition.approve else phase):
            denied.append(Verb.START)
    return _denied(resource, live, sorted(denied)) if denied else actions


def removal_actions(removal: Removal, facts: Facts) -> tuple[Action, ...] | Finding:
    """Delete a campaign, after a stop if it runs."""
    live, resource = removal.live, removal.owned.resource
    if not _can(facts, Verb.DELETE, live):
        return _refused(resource, live, "deleted")
    delete = DeleteCampaign(resource, Reason.REMOVED_FROM_GIT, live.id)
    before = tuple(_formers_removed(removal, facts))
    if facts.allows(Verb.DELETE, _settled(live.phase)):
        return (*before, delete)
    return (StopCampaign(resource, Reason.STOP_TO_DELETE, live.id), *before, delete)


def _formers_removed(removal: Removal, facts: Facts) -> Iterator[Action]:
    """Ends and deletes those that a campaign was the successor of."""
    resource = removal.owned.resource
    for former in removal.formers:
        ended = former.ended or (former.live and facts.allows(Verb.DELETE, former.live.phase))
        if former.live and not ended:
            yield EndCampaign(resource, Reason.REMOVED_FROM_GIT, former.id, successor=removal.live.id)
    yield from deletions_of(resource, removal.formers)


def _settled(phase: Phase) -> Phase:
    """The phase in which a step finds the campaign: it waits until the server is done with it."""
    return Phase.READY if phase is Phase.BUSY else phase


def _can(facts: Facts, verb: Verb, live: LiveCampaign) -> bool:
    """Whether the server takes `verb` now, or once the campaign is stopped."""
    return facts.allows(verb, _settled(live.phase)) or (
        live.phase is Phase.RUNNING
        and facts.allows(Verb.STOP, live.phase)
        and facts.allows(verb, Phase.PAUSED)
    )


def _replaced(found: CampaignDiff, new: CampaignDiff, facts: Facts, *, prune: bool) -> Iterator[Action]:
    """A successor with all that differs takes the place of the campaign."""
    campaign, live, transition = found.desired, found.live, found.transition
    assert live is not None
    resource, approve = campaign.resource, campaign.approve
    if transition.run is Run.STOP:
        yield StopCampaign(resource, transition.reason, live.id)
    draft = draft_of(live.id, new.gained) if facts.members_first else None
    yield from room_for(found, facts)
    yield CreateCampaign(
        resource,
        Reason.REPLACES,
        new.fields,
        campaign.on_remove,
        draft=draft,
        replaces=live.id,
        # A rollout starts it because Git wants that, not because of an earlier run.
        starts=found.starts and not campaign.revised,
    )
    yield from _attachments(new, None)
    yield from _members(new, None, draft)
    if approve and facts.knows(Verb.APPROVE):
        yield ApproveCampaign(resource, Reason.MAY_WANT_APPROVAL, None, only_if_waiting=True)
    yield from rests_of(found, facts)
    yield from leaves_of(found)
    yield from ends_of(found)
    yield from thaws_of(found, facts)
    if found.starts:
        yield StartCampaign(resource, Reason.TAKES_OVER, None, approve=approve, bracket=not campaign.revised)
    if prune:
        yield from deletions_of(resource, all_formers(found))


def _actions(
    found: CampaignDiff, changes: Sequence[Action], pause: Reason | None, draft: Draft | None
) -> Iterator[Action]:
    campaign, live, transition = found.desired, found.live, found.transition
    resource, target = campaign.resource, live.id if live else None
    if transition.run is Run.STOP:
        yield StopCampaign(resource, transition.reason, target)
    elif pause:
        yield StopCampaign(resource, pause, target, bracket=True)
    if found.create:
        reason, begun = found.changes[0].reason, campaign.begun
        yield CreateCampaign(resource, reason, found.fields, campaign.on_remove, draft=draft, rollout=begun)
    elif found.edit:
        yield EditCampaign(resource, Reason.DIFFERS, target, fields=found.fields)
    yield from changes
    if transition.approve:
        unsure = live is None or live.phase is Phase.BUSY
        reason = Reason.MAY_WANT_APPROVAL if unsure else Reason.WANTS_APPROVAL
        yield ApproveCampaign(resource, reason, target, only_if_waiting=unsure)
    if transition.run is Run.START:
        interrupted = transition.reason is Reason.FINISH_INTERRUPTED
        yield StartCampaign(
            resource, transition.reason, target, approve=campaign.approve, bracket=interrupted
        )
    elif pause:
        yield StartCampaign(resource, Reason.START_AGAIN, target, approve=campaign.approve, bracket=True)


def _pause(found: CampaignDiff, changes: Sequence[Action], facts: Facts) -> Reason | None:
    """Why a running campaign has to be stopped for a while: where that helps."""
    live = found.live
    if live is None or live.phase is not Phase.RUNNING or not facts.allows(Verb.STOP, live.phase):
        return None
    if found.edit and not facts.allows(Verb.EDIT, live.phase):
        return Reason.STOP_TO_EDIT
    verbs = {action.verb for action in changes}
    if any(not facts.allows(v, live.phase) and facts.allows(v, Phase.PAUSED) for v in verbs):
        return Reason.STOP_TO_CHANGE
    joining = set(found.gained) if found.desired.joining is Joining.PAUSE else set()
    own = chain(*(o.gateways for o in found.overrides), *(s.gateways for s in found.schedules))
    return None if joining.isdisjoint(own) else Reason.STOP_TO_JOIN


def _attachments(found: CampaignDiff, target: str | None) -> Iterator[Action]:
    """What hangs on the campaign as a whole."""
    resource = found.desired.resource
    reasons = {change.field: change.reason for change in found.changes}
    for event, callback in found.callbacks:
        reason = reasons[callback_field(event)]
        yield RegisterCallback(resource, reason, target, event=event, callback=callback)
    if found.distribution:
        yield SetDistributionList(resource, Reason.DIFFERS, target, distribution=found.distribution)


def _members(found: CampaignDiff, target: str | None, draft: Draft | None) -> Iterator[Action]:
    """Who is in the campaign, and what is about single gateways."""
    resource = found.desired.resource
    shared = found.desired.distribution or (found.live.distribution if found.live else None)
    if found.lost:
        yield RemoveGateways(resource, Reason.LEAVES, target, found.lost)
    if found.gained:
        by_wave = found.desired.rollout is not None
        yield AddGateways(
            resource,
            Reason.JOINS,
            target,
            found.gained,
            distribution=shared,
            draft=draft,
            by_wave=by_wave,
        )
    for override in found.overrides:
        gateways, packages = override.gateways, override.packages
        yield AssignPackages(resource, override.reason, target, gateways, packages=packages)
    for item in found.schedules:
        phase, window = item.phase, item.window
        yield ScheduleWindow(resource, item.reason, target, item.gateways, phase=phase, window=window)
    if found.things:
        reason = next(change.reason for change in found.changes if change.field == Field.THINGS)
        yield RunOnThings(resource, reason, target, tuple(found.things), things=found.things)
    if found.closes:
        yield CloseGateways(resource, Reason.CLOSES, target, found.closes)


def _refused(resource: ResourceId, live: LiveCampaign, what: str) -> Finding:
    return Finding(
        "unknown-status",
        f"{resource} can't be {what} while it is {live.status!r}, a status that this version doesn't know",
        hint="bring it to a known status on the server",
        resource=resource,
    )


def _denied(resource: ResourceId, live: LiveCampaign | None, verbs: Sequence[Verb]) -> Finding:
    when = f"while it is {live.status!r}" if live else "when it is new"
    return Finding(
        "not-allowed",
        f"{resource}: the server takes no {' and no '.join(verbs)} {when}, nor once it is stopped",
        hint="bring it to another status on the server, or take that out of the resource",
        resource=resource,
    )
