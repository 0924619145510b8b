"""What the state learns: before a step is sent, and after it is settled."""

from __future__ import annotations

from reconciler.model import DesiredStatus, Json, Outcome, OutcomeStatus, Step, Verb
from reconciler.providers.base import Field
from reconciler.state.applied import recorded_settings
from reconciler.state.base import (
    BracketClosed,
    BracketOpened,
    CampaignForgotten,
    CampaignOwned,
    Event,
    FieldApplied,
    Intent,
    IntentDropped,
    IntentNoted,
    Origin,
    Owned,
    PackageForgotten,
    PackageUploaded,
    StatusSet,
    Uploaded,
    upload_key,
)


def before(step: Step, salt: str) -> tuple[Event, ...]:
    """Intents, and the status to return to: durable before the call is sent."""
    action = step.action
    match action.verb:
        case Verb.CREATE:
            assert action.fields is not None
            intent = Intent(str(action.resource), action.fields.name, _applied(step, salt))
            return (IntentNoted(intent),)
        case Verb.UPLOAD:
            assert action.file is not None
            return (IntentNoted(Intent(upload_key(action.file.sha256), action.file.name)),)
        case Verb.STOP if action.bracket:
            return (BracketOpened(action.resource, DesiredStatus.STARTED),)
        case _:
            return ()


def after(outcome: Outcome, salt: str) -> tuple[Event, ...]:
    """What a settled step changed."""
    action, resource = outcome.step.action, outcome.step.resource
    if not outcome.settled:
        return _unsettled(outcome)
    if action.file is not None:
        assert outcome.created is not None
        uploaded = Uploaded(action.file.sha256, outcome.created, action.file.name, resource)
        return (PackageUploaded(uploaded),)
    match action.verb:
        case Verb.CREATE:
            assert outcome.created is not None
            applied = _applied(outcome.step, salt)
            owned = Owned(resource, outcome.created, Origin.CREATED, action.on_remove, applied=applied)
            return (CampaignOwned(owned),)
        case Verb.EDIT:
            return tuple(
                FieldApplied(resource, name, value) for name, value in _applied(outcome.step, salt).items()
            )
        case Verb.START:
            closed = (BracketClosed(resource),) if action.bracket else ()
            return (StatusSet(resource, DesiredStatus.STARTED), *closed)
        case Verb.STOP if not action.bracket:
            return (StatusSet(resource, DesiredStatus.STOPPED),)
        case Verb.DELETE:
            return (CampaignForgotten(resource),)
        case Verb.DELETE_PACKAGE:
            assert action.sha256 is not None
            return (PackageForgotten(action.sha256),)
        case _:
            return ()


def _unsettled(outcome: Outcome) -> tuple[Event, ...]:
    """A create or upload that surely didn't happen leaves no intent behind."""
    action = outcome.step.action
    if outcome.status is not OutcomeStatus.FAILED or outcome.unclear:
        return ()
    match action.verb:
        case Verb.CREATE:
            return (IntentDropped(str(action.resource)),)
        case Verb.UPLOAD:
            assert action.file is not None
            return (IntentDropped(upload_key(action.file.sha256)),)
        case _:
            return ()


def _applied(step: Step, salt: str) -> dict[str, Json]:
    fields = step.action.fields
    if fields is None or fields.settings is None:
        return {}
    return {Field.SETTINGS.value: recorded_settings(fields.settings, salt)}
