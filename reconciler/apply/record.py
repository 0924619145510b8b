"""What the state learns: before a step is sent, and after it is settled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

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
    MembersApplied,
    MembersForgotten,
    Origin,
    Owned,
    PackageForgotten,
    PackageUploaded,
    StatusSet,
    Uploaded,
    upload_key,
)
from reconciler.state.values import (
    ADDED,
    ASSUMED_SETTINGS,
    MEMBERSHIP,
    callback_field,
    callback_value,
    packages_value,
    schedule_field,
    things_value,
    unclear,
    window_value,
)


def before(step: Step, salt: str) -> tuple[Event, ...]:
    """Intents, the status to return to, and a wish that Git gave up: durable before the call is sent."""
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
        case Verb.STOP:
            # Should the answer be lost, nobody takes it for somebody else's stop.
            return (StatusSet(action.resource, None),)
        case Verb.THINGS:
            return tuple(_things(step, unclear))
        case _:
            return ()


def after(
    outcome: Outcome, salt: str, packages: Mapping[str, str] = MappingProxyType({})
) -> tuple[Event, ...]:
    """What a step changed, once it has ended; `packages` are the uploads of this run, by content."""
    if outcome.left:
        done = frozenset(outcome.step.gateways) - frozenset(outcome.left)
        return tuple(_members(outcome.step.only(done), packages))
    if not outcome.settled:
        return _unsettled(outcome)
    if outcome.step.gateways:
        return tuple(_members(outcome.step, packages))
    return (*_objects(outcome, salt), *_fields(outcome.step, salt), *_running(outcome))


def _objects(outcome: Outcome, salt: str) -> Iterator[Event]:
    """Campaigns and packages that came or went."""
    action, resource = outcome.step.action, outcome.step.resource
    match action.verb:
        case Verb.CREATE:
            assert outcome.created is not None
            applied = _applied(outcome.step, salt)
            owned = Owned(resource, outcome.created, Origin.CREATED, action.on_remove, applied=applied)
            yield CampaignOwned(owned)
        case Verb.UPLOAD:
            assert action.file is not None
            assert outcome.created is not None
            yield PackageUploaded(Uploaded(action.file.sha256, outcome.created, action.file.name, resource))
        case Verb.DELETE:
            yield CampaignForgotten(resource)
        case Verb.DELETE_PACKAGE:
            assert action.sha256 is not None
            yield PackageForgotten(action.sha256)


def _fields(step: Step, salt: str) -> Iterator[Event]:
    """What was written of fields that can't be read, or can't be taken back."""
    action, resource = step.action, step.resource
    match action.verb:
        case Verb.EDIT:
            for name, value in _applied(step, salt).items():
                yield FieldApplied(resource, name, value)
                yield FieldApplied(resource, ASSUMED_SETTINGS, None)
        case Verb.CALLBACK:
            assert action.event is not None
            assert action.callback is not None
            yield FieldApplied(resource, callback_field(action.event), callback_value(action.callback))
        case Verb.DISTRIBUTE:
            assert action.distribution is not None
            yield FieldApplied(resource, Field.DISTRIBUTION, action.distribution.id)


def _running(outcome: Outcome) -> Iterator[Event]:
    action, resource = outcome.step.action, outcome.step.resource
    match action.verb:
        case Verb.START if action.bracket:
            # It returns to what was, whatever Git wishes: that is for the next plan to say.
            yield BracketClosed(resource)
        case Verb.START:
            yield StatusSet(resource, DesiredStatus.STARTED)
        case Verb.STOP if not action.bracket:
            yield StatusSet(resource, DesiredStatus.STOPPED)
        case Verb.STOP if outcome.status is OutcomeStatus.NOT_NEEDED:
            # Somebody else stopped it: no later run may start it again.
            yield BracketClosed(resource)


def _members(step: Step, packages: Mapping[str, str]) -> Iterator[Event]:
    """What is kept of single gateways: what can't be read, who had an override, who was added by us."""
    action, resource, gateways = step.action, step.resource, step.gateways
    match action.verb:
        case Verb.ADD if action.distribution:
            yield MembersApplied(resource, MEMBERSHIP, ADDED, gateways)
        case Verb.REMOVE:
            yield MembersForgotten(resource, gateways)
        case Verb.OVERRIDE:
            ids = (p if isinstance(p, str) else packages[p.sha256] for p in action.packages or ())
            yield MembersApplied(resource, Field.OVERRIDES, packages_value(ids), gateways)
        case Verb.SCHEDULE:
            assert action.phase is not None
            assert action.window is not None
            field, value = schedule_field(action.phase), window_value(action.window)
            yield MembersApplied(resource, field, value, gateways)
        case Verb.THINGS:
            yield from _things(step, str)


def _things(step: Step, kept_as: Callable[[str], str]) -> Iterator[Event]:
    things = step.action.things or {}
    groups: dict[str, list[str]] = {}
    for gateway in step.gateways:
        groups.setdefault(kept_as(things_value(things[gateway])), []).append(gateway)
    for value, gateways in groups.items():
        yield MembersApplied(step.resource, Field.THINGS, value, tuple(gateways))


def _unsettled(outcome: Outcome) -> tuple[Event, ...]:
    """What surely didn't happen leaves no intent, no bracket and no doubt behind."""
    action = outcome.step.action
    if outcome.status is not OutcomeStatus.FAILED or outcome.unclear:
        return ()
    match action.verb:
        case Verb.CREATE:
            return (IntentDropped(str(action.resource)),)
        case Verb.UPLOAD:
            assert action.file is not None
            return (IntentDropped(upload_key(action.file.sha256)),)
        case Verb.STOP if action.bracket:
            return (BracketClosed(action.resource),)
        case Verb.THINGS:
            return (MembersForgotten(action.resource, outcome.step.gateways, Field.THINGS),)
        case _:
            return ()


def _applied(step: Step, salt: str) -> dict[str, Json]:
    fields = step.action.fields
    if fields is None or fields.settings is None:
        return {}
    return {Field.SETTINGS.value: recorded_settings(fields.settings, salt)}
