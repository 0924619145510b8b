"""From everything that differs to a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from reconciler.diff import CampaignDiff, Diff
from reconciler.model import (
    Action,
    DesiredCampaign,
    Finding,
    Need,
    PackageFile,
    PendingUpload,
    Phase,
    Reason,
    ResourceId,
    StepGroup,
    Verb,
)
from reconciler.plan.campaign import campaign_actions, removal_actions
from reconciler.plan.impact import impact
from reconciler.plan.model import Plan
from reconciler.plan.order import in_order, needs
from reconciler.providers.base import Field, Provider
from reconciler.state.base import Uploaded


def make_plan(difference: Diff, provider: Provider) -> Plan:
    """The fewest steps that undo `difference`, in a safe order. Pure but for the provider's facts."""
    build = _Build(provider)
    for file in difference.uploads:
        build.upload(file)
    refused: dict[ResourceId, Finding] = {}
    for resource, actions in _planned(difference, provider):
        if isinstance(actions, Finding):
            refused[resource] = actions
        else:
            build.chain(actions)
    planned = [found for found in difference.campaigns if found.desired.resource not in refused]
    build.moves(planned)
    build.names(planned)
    for upload in difference.package_removals:
        build.delete_package(upload, difference)
    groups = in_order(build.groups.values())
    return Plan(
        server=provider.server,
        groups=groups,
        changes=tuple(change for change in difference.changes if change.resource not in refused),
        findings=tuple(sorted((*difference.findings, *refused.values()), key=Finding.sort_key)),
        impact=impact(difference, planned, groups, provider),
        records=difference.records,
        unreadable=_unreadable(planned, provider),
    )


def _planned(
    difference: Diff, provider: Provider
) -> Iterator[tuple[ResourceId, tuple[Action, ...] | Finding]]:
    for found in difference.campaigns:
        yield found.desired.resource, campaign_actions(found, provider)
    for removal in difference.removals:
        yield removal.owned.resource, removal_actions(removal, provider)


def _unreadable(campaigns: Iterable[CampaignDiff], provider: Provider) -> dict[ResourceId, tuple[str, ...]]:
    blind = [name for name in Field if not provider.traits(name).readable]
    managed = {
        found.desired.resource: tuple(name.value for name in blind if _manages(found.desired, name))
        for found in campaigns
    }
    return {resource: names for resource, names in managed.items() if names}


def _manages(campaign: DesiredCampaign, name: Field) -> bool:
    values = {
        Field.SETTINGS: campaign.settings,
        Field.SCHEDULES: campaign.schedules,
        Field.CALLBACKS: campaign.callbacks,
        Field.THINGS: campaign.things,
    }
    return values.get(name) is not None


class _Build:
    """Groups as they are put together. Keys are ``operation:resource``, then ``operation:resource#2``."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.groups: dict[str, StepGroup] = {}
        self.keys: Counter[str] = Counter()
        self.uploads: dict[str, str] = {}

    def add(self, action: Action, needed: Iterable[Need], name: str | None = None) -> StepGroup:
        lowered = self.provider.lower(action)
        key = f"{lowered.operation.name}:{name or action.resource.name}"
        self.keys[key] += 1
        if self.keys[key] > 1:
            key = f"{key}#{self.keys[key]}"
        group = StepGroup(key, action, lowered.operation, lowered.per_call, tuple(needed))
        self.groups[key] = group
        return group

    def upload(self, file: PackageFile) -> None:
        action = Action(Verb.UPLOAD, file.resource, Reason.NOT_ON_SERVER, file=file)
        self.uploads[file.sha256] = self.add(action, (), file.sha256[:12]).key

    def chain(self, actions: Iterable[Action]) -> None:
        """The actions of one campaign, each after those that the order puts before it."""
        actions = tuple(actions)
        uploads = [self._brought_by(action) for action in actions]
        earlier: list[StepGroup] = []
        for action, own in zip(actions, uploads, strict=True):
            # A campaign isn't interrupted before everything that its edit needs is there.
            brought = chain.from_iterable(uploads) if action.bracket and action.verb is Verb.STOP else own
            needed = (*(Need(key) for key in brought), *needs(action, earlier))
            earlier.append(self.add(action, dict.fromkeys(needed)))

    def _brought_by(self, action: Action) -> tuple[str, ...]:
        bound = action.fields.packages if action.fields else action.packages
        pending = (package for package in bound or () if isinstance(package, PendingUpload))
        return tuple(self.uploads[package.sha256] for package in pending)

    def moves(self, campaigns: Iterable[CampaignDiff]) -> None:
        """Gateways leave a running campaign before they join another one."""
        leaving: dict[str, tuple[str, ...]] = {}
        joining: list[tuple[StepGroup, CampaignDiff]] = []
        by_resource = {(g.action.resource, g.action.verb): g for g in self.groups.values()}
        for found in campaigns:
            resource = found.desired.resource
            if found.lost and found.live and found.live.phase is Phase.RUNNING:
                key = (by_resource[resource, Verb.REMOVE].key,)
                leaving.update((gateway, leaving.get(gateway, ()) + key) for gateway in found.lost)
            if found.gained:
                joining.append((by_resource[resource, Verb.ADD], found))
        if leaving:
            for group, found in joining:
                left = sorted({key for gateway in found.gained for key in leaving.get(gateway, ())})
                self.also_needs(group, (Need(key, by_gateway=True) for key in left))

    def names(self, campaigns: Iterable[CampaignDiff]) -> None:
        """A name is given up before a new campaign takes it."""
        by_resource = {(g.action.resource, g.action.verb): g for g in self.groups.values()}
        leaving: dict[str, str] = {}
        taking: list[tuple[StepGroup, str]] = []
        for found in campaigns:
            resource = found.desired.resource
            if found.live is None:
                taking.append((by_resource[resource, Verb.CREATE], found.desired.name))
            elif found.live.name != found.desired.name:
                leaving[found.live.name] = by_resource[resource, Verb.EDIT].key
        for group, name in taking:
            if name in leaving:
                self.also_needs(group, (Need(leaving[name]),))

    def also_needs(self, group: StepGroup, more: Iterable[Need]) -> None:
        needed = tuple(dict.fromkeys((*group.needs, *more)))
        self.groups[group.key] = StepGroup(group.key, group.action, group.operation, group.per_call, needed)

    def delete_package(self, upload: Uploaded, difference: Diff) -> None:
        """A package goes when those who used it are deleted or have another one."""
        users: Mapping[ResourceId, bool] = {
            **{
                c.desired.resource: True
                for c in difference.campaigns
                if c.live and upload.id in c.live.packages
            },
            **{r.owned.resource: True for r in difference.removals if upload.id in r.live.packages},
        }
        needed = [
            Need(group.key)
            for group in self.groups.values()
            if group.action.resource in users and group.action.verb in (Verb.EDIT, Verb.DELETE)
        ]
        verb, reason, content = Verb.DELETE_PACKAGE, Reason.NO_LONGER_USED, upload.sha256
        action = Action(verb, upload.resource, reason, upload.id, sha256=content)
        self.add(action, needed, content[:12])
