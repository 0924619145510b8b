"""Events folded into a state: what a journal says, one event after the other.

Tests: `tests/state/test_state_fold.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.codec import detached
from reconciler.model import DesiredStatus, ResourceId
from reconciler.state.base import (
    PLANS_KEPT,
    BracketClosed,
    BracketOpened,
    CampaignAbandoned,
    CampaignForgotten,
    CampaignOwned,
    CampaignReplaced,
    Event,
    FieldApplied,
    FieldsDeclared,
    FreezeEnded,
    IntentDropped,
    IntentNoted,
    MembersApplied,
    MembersForgotten,
    NoticeNoted,
    OnRemoveSet,
    Owned,
    PackageForgotten,
    PackageUploaded,
    PlanApplied,
    Predecessor,
    PredecessorEnded,
    PredecessorForgotten,
    ReplacementBegun,
    RolloutNoted,
    SaltChosen,
    State,
    StatusSet,
    Uploaded,
    upload_key,
)

UNFOLDED = 50_000
"""So many events wait to be folded, at most: folding copies what is known of the gateways of a campaign."""


def fold(state: State, events: Iterable[Event]) -> State:  # noqa: C901 - a case each
    """`state` after `events`; pure. One pass over the events, so folding a long journal is linear."""
    campaigns = dict(state.campaigns)
    packages = dict(state.packages)
    intents = dict(state.intents)
    members = _Members(campaigns)
    for event in events:
        match event:
            case IntentNoted(intent):
                intents[intent.key] = intent
            case IntentDropped(key):
                intents.pop(key, None)
            case CampaignOwned() | CampaignReplaced():
                if owned := _owned_by(campaigns, event):
                    intents.pop(str(owned.resource), None)
                    members.drop(owned.resource)
                    campaigns[owned.resource] = owned
            case CampaignForgotten(resource) | CampaignAbandoned(resource):
                members.drop(resource)
                campaigns.pop(resource, None)
                packages |= _left_behind(packages, event)
            case PackageUploaded(uploaded):
                intents.pop(upload_key(uploaded.sha256), None)
                packages[uploaded.sha256] = uploaded
            case PackageForgotten(sha256):
                packages.pop(sha256, None)
            case PlanApplied() | SaltChosen() | NoticeNoted():
                state = _state_after(state, event)
            case MembersApplied() | MembersForgotten():
                if event.resource in campaigns:
                    members.change(event)
            case _:
                if event.resource in campaigns:
                    campaigns[event.resource] = _owned_after(campaigns[event.resource], event)
    members.settle()
    return replace(state, campaigns=campaigns, packages=packages, intents=intents)


class PendingState:
    """A state, and events that are folded into it once it is looked at, or once many wait."""

    def __init__(self, base: State) -> None:
        self.base = base
        """The state without the events that wait: whose it is, and its serial."""
        self._waiting: list[Event] = []

    def add(self, events: Sequence[Event]) -> None:
        self._waiting += map(detached, events)
        if len(self._waiting) >= UNFOLDED:
            self.fold()

    def fold(self) -> State:
        """The state after all events so far."""
        if self._waiting:
            self.base = fold(self.base, self._waiting)
            self._waiting.clear()
        return self.base

    def saved_as(self, serial: int) -> None:
        """There is a snapshot of that serial."""
        self.base = replace(self.base, serial=serial)


def _left_behind(
    packages: Mapping[str, Uploaded], event: CampaignForgotten | CampaignAbandoned
) -> dict[str, Uploaded]:
    uploads = event.uploads if isinstance(event, CampaignAbandoned) else ()
    return {i: replace(packages[i], left_behind=True) for i in uploads if i in packages}


def _state_after(state: State, event: PlanApplied | SaltChosen | NoticeNoted) -> State:
    match event:
        case PlanApplied(digest, whole):
            plans = {**state.plans, digest: whole}
            return replace(state, plans=dict(list(plans.items())[-PLANS_KEPT:]))
        case SaltChosen(salt):
            return replace(state, salt=salt)
        case NoticeNoted(notice, at):
            told = {key: since for key, since in state.told.items() if key != notice}
            return replace(state, told=told if at is None else {**told, notice: at})


class _Members:
    """The gateways of `campaigns` while a fold goes on: sets that change, for events come one by one."""

    def __init__(self, campaigns: dict[ResourceId, Owned]) -> None:
        self._campaigns = campaigns
        self._open: dict[ResourceId, dict[str, dict[str, set[str]]]] = {}

    def change(self, event: MembersApplied | MembersForgotten) -> None:
        fields = self._open.get(event.resource)
        if fields is None:
            known = self._campaigns[event.resource].members
            fields = {f: {v: set(ids) for v, ids in groups.items()} for f, groups in known.items()}
            self._open[event.resource] = fields
        for name in fields if event.field is None else (event.field,):
            for gateways in fields.get(name, {}).values():
                gateways.difference_update(event.gateways)
        if isinstance(event, MembersApplied):
            fields.setdefault(event.field, {}).setdefault(event.value, set()).update(event.gateways)

    def drop(self, resource: ResourceId) -> None:
        self._open.pop(resource, None)

    def settle(self) -> None:
        for resource, fields in self._open.items():
            kept = {
                f: {v: frozenset(ids) for v, ids in groups.items() if ids} for f, groups in fields.items()
            }
            members = {name: groups for name, groups in kept.items() if groups}
            self._campaigns[resource] = replace(self._campaigns[resource], members=members)


def _owned_by(campaigns: Mapping[ResourceId, Owned], event: CampaignOwned | CampaignReplaced) -> Owned | None:
    """What is owned by `event`; None for what was replaced already."""
    if isinstance(event, CampaignOwned):
        return event.owned
    before = campaigns.get(event.resource)
    if before is None or before.id != event.replaces:
        return None
    return before.succeeded(event)


def _owned_after(  # noqa: PLR0911 - a case each
    owned: Owned,
    event: StatusSet
    | BracketOpened
    | BracketClosed
    | ReplacementBegun
    | PredecessorEnded
    | FreezeEnded
    | PredecessorForgotten
    | FieldApplied
    | FieldsDeclared
    | OnRemoveSet
    | RolloutNoted,
) -> Owned:
    match event:
        case ReplacementBegun():
            return replace(owned, replacing=True)
        case PredecessorEnded() | PredecessorForgotten():
            return replace(owned, predecessors=tuple(_predecessors_after(owned.predecessors, event)))
        case FreezeEnded(id=key):
            record = owned.rollout
            left = tuple(each for each in record.stopped if each != key) if record else ()
            status = DesiredStatus.STARTED if key == owned.id else owned.status
            return replace(owned, status=status, rollout=record and replace(record, stopped=left))
        case StatusSet(status=status):
            return replace(owned, status=status)
        case BracketOpened(return_to=return_to):
            return replace(owned, return_to=return_to)
        case BracketClosed():
            return replace(owned, return_to=None)
        case OnRemoveSet(on_remove=on_remove):
            return replace(owned, on_remove=on_remove)
        case FieldsDeclared(fields=fields, kept=kept):
            # What the server keeps is only known for what was sent.
            still = {name: value for name, value in owned.kept.items() if name not in fields}
            return replace(owned, declared={**owned.declared, **fields}, kept={**still, **kept})
        case RolloutNoted(rollout=rollout):
            return replace(owned, rollout=rollout)
        case FieldApplied(field=name, value=value):
            others = {k: v for k, v in owned.applied.items() if k != name}
            kept = {k: v for k, v in owned.kept.items() if k != name}
            return replace(owned, applied=others if value is None else {**others, name: value}, kept=kept)


def _predecessors_after(
    before: Iterable[Predecessor], event: PredecessorEnded | PredecessorForgotten
) -> Iterator[Predecessor]:
    for each in before:
        if each.id != event.id:
            yield each
        elif isinstance(event, PredecessorEnded):
            yield replace(each, ended=True)
