"""What the state learns: before a step is sent, and after it is settled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import assert_never

from reconciler.model import (
    Action,
    AddGateways,
    ApproveCampaign,
    AssignPackages,
    CloseGateways,
    CreateCampaign,
    DeleteCampaign,
    DeletePackage,
    DesiredStatus,
    EditCampaign,
    EndCampaign,
    Json,
    Outcome,
    OutcomeStatus,
    RegisterCallback,
    RemoveGateways,
    RetireCampaign,
    RunOnThings,
    ScheduleWindow,
    SetDistributionList,
    StartCampaign,
    Step,
    StopCampaign,
    UploadPackage,
)
from reconciler.providers.base import Field
from reconciler.state.applied import (
    ADDED,
    ASSUMED_SETTINGS,
    MEMBERSHIP,
    REFUSED,
    ROLLOUT,
    callback_field,
    callback_value,
    packages_value,
    recorded_settings,
    schedule_field,
    things_value,
    unclear,
    window_value,
)
from reconciler.state.base import (
    BracketClosed,
    BracketOpened,
    CampaignForgotten,
    CampaignOwned,
    CampaignReplaced,
    Event,
    FieldApplied,
    FreezeEnded,
    Intent,
    IntentDropped,
    IntentNoted,
    MembersApplied,
    MembersForgotten,
    Origin,
    Owned,
    PackageForgotten,
    PackageUploaded,
    PredecessorEnded,
    PredecessorForgotten,
    ReplacementBegun,
    StatusSet,
    Uploaded,
    upload_key,
)


def before(step: Step, salt: str, now: int, others: Mapping[str, Collection[str]]) -> tuple[Event, ...]:
    """Intents, the status to return to, and a wish that Git gave up: durable before the call is sent.

    `now` is in epoch seconds; `others` are the packages that hold a content already.
    """
    match action := step.action:
        case CreateCampaign():
            begun = (ReplacementBegun(action.resource),) if action.replaces else ()
            return (*begun, IntentNoted(_intent(action, salt, now, others)))
        case RetireCampaign():
            return (ReplacementBegun(action.resource),)
        case UploadPackage():
            return (IntentNoted(_intent(action, salt, now, others)),)
        case StopCampaign(bracket=True):
            return (BracketOpened(action.resource, DesiredStatus.STARTED),)
        case StopCampaign(predecessor=True):
            return ()
        case StopCampaign():
            # If the answer is lost, the stop isn't taken for a person's.
            return (StatusSet(action.resource, None),)
        case RunOnThings():
            return tuple(_things(action, step.gateways, unclear))
        case _:
            return ()


def after(
    outcome: Outcome,
    salt: str,
    now: int,
    packages: Mapping[str, str],
    others: Mapping[str, Collection[str]],
) -> tuple[Event, ...]:
    """What a step changed, once it has ended; `packages` are the uploads of this run, by content.

    `others`: see `before`.
    """
    if outcome.left:
        done = frozenset(outcome.step.gateways) - frozenset(outcome.left)
        unsettled = _unsettled(outcome, outcome.left, salt, now, others)
        settled = members(outcome.step.action, outcome.step.only(done).gateways, packages)
        return (*settled, *unsettled, *_refused(outcome))
    gateways = outcome.step.gateways
    if not outcome.settled:
        return (*_unsettled(outcome, gateways, salt, now, others), *_refused(outcome))
    if gateways:
        return tuple(members(outcome.step.action, gateways, packages))
    return tuple(_settled(outcome, salt, now))


def _refused(outcome: Outcome) -> Iterator[Event]:
    """Whom the server doesn't take into a rollout: later looks leave them out."""
    action = outcome.step.action
    if isinstance(action, AddGateways) and action.by_wave and outcome.refused:
        yield MembersApplied(action.resource, ROLLOUT, REFUSED, outcome.refused)


def _settled(outcome: Outcome, salt: str, now: int) -> Iterator[Event]:  # noqa: PLR0912, PLR0915, C901
    """Of a step that isn't about single gateways."""
    resource = outcome.step.resource
    match action := outcome.step.action:
        case CreateCampaign():
            assert outcome.created is not None
            applied = _applied(action, salt)
            if action.replaces is not None:
                yield CampaignReplaced(
                    resource, action.replaces, outcome.created, _return_to(action), applied, since=now
                )
            else:
                owned = Owned(
                    resource,
                    outcome.created,
                    Origin.CREATED,
                    action.on_remove,
                    applied=applied,
                    since=now,
                    rollout=action.rollout,
                )
                yield CampaignOwned(owned)
        case UploadPackage(file=file):
            assert outcome.created is not None
            yield PackageUploaded(
                Uploaded(
                    file.sha256,
                    outcome.created,
                    file.name,
                    resource,
                    description=file.description,
                    since=now,
                )
            )
        case DeleteCampaign(predecessor=True):
            if action.target is not None:
                yield PredecessorForgotten(resource, action.target)
        case DeleteCampaign():
            yield CampaignForgotten(resource)
        case EndCampaign():
            if action.target is not None:
                yield PredecessorEnded(resource, action.target)
        case DeletePackage():
            if action.sha256 is not None:
                yield PackageForgotten(action.sha256)
        case EditCampaign():
            for name, value in _applied(action, salt).items():
                yield FieldApplied(resource, name, value)
                yield FieldApplied(resource, ASSUMED_SETTINGS, None)
        case RegisterCallback():
            told = None if action.callback is None else callback_value(action.callback)
            yield FieldApplied(resource, callback_field(action.event), told)
        case SetDistributionList():
            yield FieldApplied(resource, Field.DISTRIBUTION, action.distribution.id)
        case StartCampaign(predecessor=True):
            if action.target is not None:
                yield FreezeEnded(resource, action.target)
        case StartCampaign(bracket=True):
            # It restores what was before; the next plan compares that with Git.
            yield BracketClosed(resource)
        case StartCampaign():
            yield StatusSet(resource, DesiredStatus.STARTED)
        case StopCampaign(predecessor=True):
            pass
        case StopCampaign(bracket=False):
            yield StatusSet(resource, DesiredStatus.STOPPED)
        case StopCampaign():
            if outcome.status is OutcomeStatus.NOT_NEEDED:
                # Somebody else stopped it: no later run may start it again.
                yield BracketClosed(resource)
        case ApproveCampaign() | RetireCampaign():
            pass
        case (
            AddGateways()
            | RemoveGateways()
            | AssignPackages()
            | ScheduleWindow()
            | RunOnThings()
            | CloseGateways()
        ):
            pass
        case _:
            assert_never(action)


def members(action: Action, gateways: tuple[str, ...], packages: Mapping[str, str]) -> Iterator[Event]:
    """What is kept of single gateways: what can't be read, who had an override, who was added by us."""
    resource = action.resource
    match action:
        case AddGateways():
            if action.distribution:
                yield MembersApplied(resource, MEMBERSHIP, ADDED, gateways)
        case RemoveGateways(moving=moving):
            if not moving:  # what is known is of the successor
                yield MembersForgotten(resource, gateways)
        case AssignPackages():
            ids = (p if isinstance(p, str) else packages[p.sha256] for p in action.packages)
            yield MembersApplied(resource, Field.OVERRIDES, packages_value(ids), gateways)
        case ScheduleWindow():
            field, value = schedule_field(action.phase), window_value(action.window)
            yield MembersApplied(resource, field, value, gateways)
        case RunOnThings():
            yield from _things(action, gateways, str)


def _things(action: RunOnThings, gateways: tuple[str, ...], kept_as: Callable[[str], str]) -> Iterator[Event]:
    groups: dict[str, list[str]] = {}
    for gateway in gateways:
        groups.setdefault(kept_as(things_value(action.things[gateway])), []).append(gateway)
    for value, those in groups.items():
        yield MembersApplied(action.resource, Field.THINGS, value, tuple(those))


def _unsettled(
    outcome: Outcome, gateways: tuple[str, ...], salt: str, now: int, others: Mapping[str, Collection[str]]
) -> tuple[Event, ...]:
    """What surely didn't happen, for `gateways`, leaves no intent, no bracket and no doubt behind."""
    if outcome.status is not OutcomeStatus.FAILED or outcome.unclear:
        action = outcome.step.action
        if outcome.unclear and isinstance(action, CreateCampaign | UploadPackage):
            # The call is over on our side; the next run counts the settle time from now.
            return (IntentNoted(replace(_intent(action, salt, now, others), ended=True)),)
        return ()
    match action := outcome.step.action:
        case CreateCampaign():
            return (IntentDropped(str(action.resource)),)
        case UploadPackage():
            return (IntentDropped(upload_key(action.file.sha256)),)
        case StopCampaign(bracket=True):
            return (BracketClosed(action.resource),)
        case RunOnThings():
            return (MembersForgotten(action.resource, gateways, Field.THINGS),)
        case _:
            return ()


def _intent(
    action: CreateCampaign | UploadPackage, salt: str, now: int, others: Mapping[str, Collection[str]]
) -> Intent:
    match action:
        case CreateCampaign():
            return Intent(
                str(action.resource),
                action.fields.name,
                _applied(action, salt),
                action.replaces,
                _return_to(action),
                since=now,
            )
        case UploadPackage(file=file):
            beside = tuple(sorted(others.get(file.sha256, ())))
            return Intent(upload_key(file.sha256), file.name, since=now, others=beside)


def _return_to(action: CreateCampaign) -> str | None:
    return DesiredStatus.STARTED if action.starts else None


def _applied(action: CreateCampaign | EditCampaign, salt: str) -> dict[str, Json]:
    settings, listed = action.fields.settings, action.fields.distribution
    found: dict[str, Json] = {}
    if settings is not None:
        found[Field.SETTINGS.value] = recorded_settings(settings, salt)
    if listed is not None:
        found[Field.DISTRIBUTION.value] = listed.id
    return found
