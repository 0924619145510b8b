"""The actions that put one campaign right, and whether the server would take them in its status.

| live    | to edit | wish  | actions                             |
|---------|---------|-------|-------------------------------------|
| running | yes     | keep  | stop, edit, …, start (a bracket)    |
| running | yes     | stop  | stop, edit, …                       |
| running | no      | stop  | stop, …                             |
| other   | yes     | start | edit, …, start                      |
| other   | yes     | keep  | edit, …                             |
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diff import CampaignDiff, Removal, Run
from reconciler.model import Action, Finding, LiveCampaign, Phase, Reason, ResourceId, Verb
from reconciler.providers.base import Provider


def campaign_actions(found: CampaignDiff, provider: Provider) -> tuple[Action, ...] | Finding:
    """What to do, in order; a finding when the server would refuse it whatever comes first."""
    live = found.live
    if live and found.edit and not _can(provider, Verb.EDIT, live):
        return _refused(found.desired.resource, live, "edited")
    return tuple(_actions(found, provider))


def removal_actions(removal: Removal, provider: Provider) -> tuple[Action, ...] | Finding:
    """Delete a campaign, after a stop if it runs."""
    live, resource = removal.live, removal.owned.resource
    if not _can(provider, Verb.DELETE, live):
        return _refused(resource, live, "deleted")
    delete = Action(Verb.DELETE, resource, Reason.REMOVED_FROM_GIT, live.id)
    if provider.allows(Verb.DELETE, live.phase):
        return (delete,)
    return (Action(Verb.STOP, resource, Reason.STOP_TO_DELETE, live.id), delete)


def _can(provider: Provider, verb: Verb, live: LiveCampaign) -> bool:
    """Whether the server takes `verb` now, or once the campaign is stopped."""
    return provider.allows(verb, live.phase) or (
        live.phase is Phase.RUNNING
        and provider.allows(Verb.STOP, live.phase)
        and provider.allows(verb, Phase.PAUSED)
    )


def _actions(found: CampaignDiff, provider: Provider) -> Iterator[Action]:
    campaign, live, wish = found.desired, found.live, found.wish
    resource, target = campaign.resource, live.id if live else None
    pause = bool(live and found.edit and not provider.allows(Verb.EDIT, live.phase))
    bracket = pause and wish.run is Run.KEEP
    if wish.run is Run.STOP:
        yield Action(Verb.STOP, resource, wish.reason, target)
    elif bracket:
        yield Action(Verb.STOP, resource, Reason.STOP_TO_EDIT, target, bracket=True)
    if found.create:
        reason, on_remove = found.changes[0].reason, campaign.on_remove
        yield Action(Verb.CREATE, resource, reason, fields=found.fields, on_remove=on_remove)
    elif found.edit:
        yield Action(Verb.EDIT, resource, Reason.DIFFERS, target, fields=found.fields)
    if found.distribution:
        yield Action(Verb.DISTRIBUTE, resource, Reason.DIFFERS, target, distribution=found.distribution)
    if found.lost:
        yield Action(Verb.REMOVE, resource, Reason.LEAVES, target, found.lost)
    if found.gained:
        yield Action(Verb.ADD, resource, Reason.JOINS, target, found.gained)
    if wish.approve:
        yield Action(Verb.APPROVE, resource, Reason.WANTS_APPROVAL, target, only_if_waiting=found.create)
    if wish.run is Run.START:
        interrupted = wish.reason is Reason.FINISH_INTERRUPTED
        yield Action(Verb.START, resource, wish.reason, target, approve=campaign.approve, bracket=interrupted)
    elif bracket:
        yield Action(Verb.START, resource, Reason.START_AGAIN, target, approve=campaign.approve, bracket=True)


def _refused(resource: ResourceId, live: LiveCampaign, what: str) -> Finding:
    return Finding(
        "unknown-status",
        f"{resource} can't be {what} while it is {live.status!r}, a status that this version doesn't know",
        hint="bring it to a known status on the server",
        resource=resource,
    )
