"""Should a campaign run? The live phase against Git's wish, as one table.

| phase   | wish STARTED            | wish STOPPED | no wish                       |
|---------|-------------------------|--------------|-------------------------------|
| ready   | start                   | satisfied    | keep                          |
| waiting | approve, start; or wait | satisfied    | keep (approve, if Git says so)|
| running | satisfied               | stop         | keep                          |
| paused  | start, unless held      | satisfied    | keep                          |
| unknown | refuse                  | refuse       | keep                          |

An open bracket (`return_to`) is finished wherever Git doesn't wish the campaign stopped. Held: our wish
to run was met once, hasn't changed since, and the campaign is paused: somebody stopped it for a reason.
"""

from __future__ import annotations

from reconciler.diff.model import Run, Transition
from reconciler.model import DesiredCampaign, DesiredStatus, Finding, LiveCampaign, Phase, Reason, Severity
from reconciler.options import Options
from reconciler.state.base import BracketClosed, Event, Owned, StatusSet


def transition_for_new(campaign: DesiredCampaign) -> Transition:
    """What is to become of a campaign that is still to be created."""
    start = campaign.status is DesiredStatus.STARTED
    return Transition(Run.START if start else Run.KEEP, Reason.WANTS_STARTED, campaign.approve)


def transition_of(
    campaign: DesiredCampaign, live: LiveCampaign, owned: Owned, options: Options
) -> Transition:
    """What is to become of a campaign of ours."""
    interrupted = owned.return_to is not None
    approve = campaign.approve and live.phase is Phase.WAITING
    records = _records(campaign, live, owned)
    if live.phase is Phase.UNKNOWN and (campaign.status or interrupted):
        return Transition(findings=(_unknown(campaign, live),), records=records)
    match campaign.status, live.phase:
        case DesiredStatus.STOPPED, Phase.RUNNING:
            return Transition(Run.STOP, Reason.WANTS_STOPPED, records=records)
        case (DesiredStatus.STOPPED, _) | (_, Phase.RUNNING):
            return Transition(approve=approve, reason=Reason.WANTS_APPROVAL, records=records)
        case _, _ if interrupted:
            reason = Reason.FINISH_INTERRUPTED
        case DesiredStatus.STARTED, Phase.PAUSED if owned.status == DesiredStatus.STARTED:
            if not options.resume:
                return Transition(findings=(_held(campaign, live),), records=records)
            reason = Reason.RESUMED
        case DesiredStatus.STARTED, _:
            reason = Reason.WANTS_STARTED
        case _:
            return Transition(approve=approve, reason=Reason.WANTS_APPROVAL, records=records)
    if live.phase is Phase.WAITING and not campaign.approve:
        return Transition(findings=(_waiting(campaign, live),), records=records)
    return Transition(Run.START, reason, approve, records=records)


def _records(campaign: DesiredCampaign, live: LiveCampaign, owned: Owned) -> tuple[Event, ...]:
    """What the state learns of wishes that are met without a call, or that Git gave up."""
    events: list[Event] = []
    met = (
        live.phase is Phase.RUNNING
        if campaign.status is DesiredStatus.STARTED
        else live.phase not in (Phase.RUNNING, Phase.UNKNOWN)
    )
    if campaign.status is None and owned.status is not None:
        events.append(StatusSet(campaign.resource, None))
    elif campaign.status is not None and met and owned.status != campaign.status:
        events.append(StatusSet(campaign.resource, campaign.status))
    over = live.phase is Phase.RUNNING or campaign.status is DesiredStatus.STOPPED
    if owned.return_to and over:
        events.append(BracketClosed(campaign.resource))
    return tuple(events)


def _held(campaign: DesiredCampaign, live: LiveCampaign) -> Finding:
    return Finding(
        "held",
        f"{campaign.resource} was started by us and is {live.status} now:"
        " somebody stopped it, and it is left so",
        campaign.place_of("desiredStatus"),
        "start it again with --resume, or write desiredStatus: STOPPED",
        campaign.resource,
        Severity.NOTE,
    )


def _waiting(campaign: DesiredCampaign, live: LiveCampaign) -> Finding:
    return Finding(
        "waiting-for-approval",
        f"{campaign.resource} can't start while it is {live.status}",
        campaign.place_of("approve"),
        "approve it on the server, or write approve: true",
        campaign.resource,
        Severity.NOTE,
    )


def _unknown(campaign: DesiredCampaign, live: LiveCampaign) -> Finding:
    return Finding(
        "unknown-status",
        f"{campaign.resource} has the status {live.status!r}, which this version doesn't know;"
        " it is neither started nor stopped",
        campaign.place_of("desiredStatus"),
        "bring it to a known status on the server, or leave desiredStatus out",
        campaign.resource,
    )
