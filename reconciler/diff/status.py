"""Should a campaign run? The live phase against Git's wish, as one table.

| phase   | wish STARTED            | wish STOPPED | no wish                       |
|---------|-------------------------|--------------|-------------------------------|
| ready   | start                   | satisfied    | keep                          |
| waiting | approve, start; or wait | satisfied    | keep (approve, if Git says so)|
| running | satisfied               | stop         | keep                          |
| paused  | start, unless held      | satisfied    | keep                          |
| busy    | start, unless we did    | stop, if we started it | keep                |
| finished | satisfied              | satisfied    | keep                          |
| ended   | say so                  | satisfied    | keep                          |
| unknown | refuse                  | refuse       | keep                          |

An open bracket (`return_to`) is finished wherever Git doesn't wish the campaign stopped. Held: our wish
to run was met once, hasn't changed since, and the campaign is paused: somebody stopped it for a reason.
So is a paused one that is adopted: nobody knows any more whether we started it, and it is kept as if we did.
A step for a busy campaign waits until the server is done with it.
"""

from __future__ import annotations

from reconciler.diff.model import Run, Transition
from reconciler.model import DesiredCampaign, DesiredStatus, Finding, LiveCampaign, Phase, Reason, Severity
from reconciler.options import Options
from reconciler.state.base import BracketClosed, Event, Owned, StatusSet
from reconciler.text import clean


def transition_for_new(campaign: DesiredCampaign) -> Transition:
    """What is to become of a campaign that is still to be created."""
    start = campaign.status is DesiredStatus.STARTED
    return Transition(Run.START if start else Run.KEEP, Reason.WANTS_STARTED, campaign.approve)


def transition_of(
    campaign: DesiredCampaign, live: LiveCampaign, owned: Owned, options: Options, *, adopting: bool
) -> Transition:
    """What is to become of a campaign of ours, or (`adopting`) of one that becomes ours by this plan."""
    approve = campaign.approve and live.phase is Phase.WAITING
    if adopting and live.phase is Phase.PAUSED and campaign.status is DesiredStatus.STARTED:
        if options.resume:
            return Transition(Run.START, Reason.RESUMED)
        met = StatusSet(campaign.resource, DesiredStatus.STARTED)
        return Transition(findings=(_found_stopped(campaign, live),), records=(met,))
    records = _records(campaign, live, owned)
    wanted = _wanted(campaign, live, owned, options)
    if isinstance(wanted, Finding):
        held = live.phase is Phase.PAUSED
        return Transition(held=held, findings=(wanted,), records=records)
    run, reason = wanted
    if run is Run.START and live.phase is Phase.WAITING and not campaign.approve:
        return Transition(findings=(_waiting(campaign, live),), records=records)
    # A campaign that the server is still working on may be waiting for approval next.
    approve = approve or (campaign.approve and live.phase is Phase.BUSY and run is Run.START)
    return Transition(run, reason, approve, records=records)


def _wanted(  # noqa: PLR0911 - a row of the table each
    campaign: DesiredCampaign, live: LiveCampaign, owned: Owned, options: Options
) -> tuple[Run, Reason] | Finding:
    """What is to become of its running, or why nothing does."""
    ours = owned.status == DesiredStatus.STARTED
    interrupted = owned.return_to is not None
    match campaign.status, live.phase:
        case _, Phase.UNKNOWN if campaign.status or interrupted:
            return _unknown(campaign, live)
        case DesiredStatus.STOPPED, Phase.RUNNING:
            return Run.STOP, Reason.WANTS_STOPPED
        case DesiredStatus.STOPPED, Phase.BUSY if ours:
            return Run.STOP, Reason.WANTS_STOPPED
        case (DesiredStatus.STOPPED, _) | (_, Phase.RUNNING | Phase.FINISHED):
            return Run.KEEP, Reason.WANTS_APPROVAL
        case _, Phase.ENDED if campaign.status or interrupted:
            return _ended(campaign, live)
        case _, _ if interrupted:
            return Run.START, Reason.FINISH_INTERRUPTED
        case DesiredStatus.STARTED, Phase.BUSY if ours:
            return _busy(campaign, live)
        case DesiredStatus.STARTED, Phase.PAUSED if ours:
            return (Run.START, Reason.RESUMED) if options.resume else _held(campaign, live)
        case DesiredStatus.STARTED, _:
            return Run.START, Reason.WANTS_STARTED
    return Run.KEEP, Reason.WANTS_APPROVAL


def _records(campaign: DesiredCampaign, live: LiveCampaign, owned: Owned) -> tuple[Event, ...]:
    """What the state learns of wishes that are met without a call, or that Git gave up."""
    events: list[Event] = []
    runs = live.phase in (Phase.RUNNING, Phase.FINISHED)
    open_ = live.phase in (Phase.RUNNING, Phase.UNKNOWN, Phase.BUSY)
    met = runs if campaign.status is DesiredStatus.STARTED else not open_
    if campaign.status is None and owned.status is not None:
        events.append(StatusSet(campaign.resource, None))
    elif campaign.status is not None and met and owned.status != campaign.status:
        events.append(StatusSet(campaign.resource, campaign.status))
    over = runs or live.phase is Phase.ENDED or campaign.status is DesiredStatus.STOPPED
    if owned.return_to and over:
        events.append(BracketClosed(campaign.resource))
    return tuple(events)


def _held(campaign: DesiredCampaign, live: LiveCampaign) -> Finding:
    return Finding(
        "held",
        f"{campaign.resource} was started by us and is {live.status} now:"
        f" somebody stopped it, and it is left so{_last_by(live)}",
        campaign.place_of("desiredStatus"),
        "start it again with --resume, or write desiredStatus: STOPPED",
        campaign.resource,
        Severity.NOTE,
    )


def _last_by(live: LiveCampaign) -> str:
    return f"; last changed by {clean(live.modified_by)}" if live.modified_by else ""


def _busy(campaign: DesiredCampaign, live: LiveCampaign) -> Finding:
    return Finding(
        "still-busy",
        f"{campaign.resource} was started by us and is {live.status} now: the server is still at work on it",
        campaign.place_of("desiredStatus"),
        "run this again in a moment; where it stays so, see the server's log",
        campaign.resource,
        Severity.NOTE,
    )


def _ended(campaign: DesiredCampaign, live: LiveCampaign) -> Finding:
    return Finding(
        "ended",
        f"{campaign.resource} is {live.status}: somebody ended it, and it never runs again",
        campaign.place_of("desiredStatus"),
        "write desiredStatus: STOPPED; a change that makes a successor of it starts that",
        campaign.resource,
        Severity.WARNING,
    )


def _found_stopped(campaign: DesiredCampaign, live: LiveCampaign) -> Finding:
    return Finding(
        "held",
        f"{campaign.resource} is adopted, and is {live.status}:"
        f" somebody may have stopped it, and it is left so{_last_by(live)}",
        campaign.place_of("desiredStatus"),
        "start it with --resume, or write desiredStatus: STOPPED",
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
