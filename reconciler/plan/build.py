"""From everything that differs to a plan.

Tests: `tests/plan/test_plan_order.py`, `tests/plan/test_plan_properties.py`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from reconciler.diff import CampaignDiff, Diff, Removal
from reconciler.model import (
    Action,
    DeletePackage,
    DesiredCampaign,
    Finding,
    Need,
    PackageFile,
    PendingUpload,
    Phase,
    Reason,
    ResourceId,
    Server,
    StepGroup,
    StopCampaign,
    UploadPackage,
    Verb,
    carried_by,
)
from reconciler.ownership import overriding
from reconciler.plan.campaign import campaign_actions, removal_actions
from reconciler.plan.impact import impact
from reconciler.plan.model import Plan
from reconciler.plan.order import CampaignOrder, in_order, moves, stage
from reconciler.providers.base import Facts, Field


def make_plan(difference: Diff, facts: Facts, server: Server) -> Plan:
    """The fewest steps that undo `difference` on `server`, in a safe order. Pure."""
    build = _Build(facts)
    for file in difference.uploads:
        build.upload(file)
    refused: dict[ResourceId, Finding] = {}
    for resource, actions in _planned(difference, facts):
        if isinstance(actions, Finding):
            refused[resource] = actions
        else:
            build.chain(actions)
    planned = [found for found in difference.campaigns if found.desired.resource not in refused]
    build.moves(planned)
    build.names(planned, difference.removals)
    build.delete_packages(difference)
    groups = in_order(build.groups.values())
    return Plan(
        server=server,
        groups=groups,
        changes=tuple(change for change in difference.changes if change.resource not in refused),
        findings=tuple(sorted((*difference.findings, *refused.values()), key=Finding.sort_key)),
        impact=impact(difference, planned, groups),
        records=difference.records,
        unreadable=_unreadable(planned, facts),
        declares={found.desired.resource: found.declares for found in planned if found.declares},
    )


def _planned(difference: Diff, facts: Facts) -> Iterator[tuple[ResourceId, tuple[Action, ...] | Finding]]:
    for found in difference.campaigns:
        yield found.desired.resource, campaign_actions(found, facts, prune=difference.prune)
    for removal in difference.removals:
        yield removal.owned.resource, removal_actions(removal, facts)


def _unreadable(campaigns: Iterable[CampaignDiff], facts: Facts) -> dict[ResourceId, tuple[str, ...]]:
    blind = [name for name in Field if facts.supports(name) and not facts.readable(name)]
    managed = {
        found.desired.resource: tuple(name.value for name in blind if _manages(found.desired, name))
        for found in campaigns
        if not found.create  # nothing of it can have been changed behind our back
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

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.groups: dict[str, StepGroup] = {}
        self.keys: Counter[str] = Counter()
        self.uploads: dict[str, str] = {}

    def add(self, action: Action, needed: Iterable[Need], name: str | None = None) -> StepGroup:
        lowered = self.facts.lower(action)
        key = f"{lowered.operation.name}:{name or action.resource.name}"
        self.keys[key] += 1
        if self.keys[key] > 1:
            key = f"{key}#{self.keys[key]}"
        group = StepGroup(key, action, lowered.operation, lowered.per_call, tuple(needed), lowered.also)
        self.groups[key] = group
        return group

    def upload(self, file: PackageFile) -> None:
        action = UploadPackage(file.resource, Reason.NOT_ON_SERVER, file)
        self.uploads[file.sha256] = self.add(action, (), file.sha256[:12]).key

    def chain(self, actions: Iterable[Action]) -> None:
        """The actions of one campaign, each after those that the order puts before it."""
        actions = sorted(actions, key=lambda action: stage(action, self.facts))
        uploads = [self._brought_by(action) for action in actions]
        order = CampaignOrder(self.facts)
        for action, own in zip(actions, uploads, strict=True):
            # Don't interrupt a campaign before everything that its edit needs is there.
            interrupts = isinstance(action, StopCampaign) and action.bracket
            brought = chain.from_iterable(uploads) if interrupts else own
            needed = (*(Need(key) for key in brought), *order.needs(action))
            order.add(self.add(action, dict.fromkeys(needed)))

    def _brought_by(self, action: Action) -> tuple[str, ...]:
        pending = (package for package in carried_by(action) if isinstance(package, PendingUpload))
        return tuple(self.uploads[package.sha256] for package in pending)

    def moves(self, campaigns: Iterable[CampaignDiff]) -> None:
        """Gateways leave a running campaign before they join another one."""
        leaving: dict[str, list[str]] = {}
        joining: list[tuple[StepGroup, CampaignDiff]] = []
        by_resource = {
            (g.action.resource, g.action.verb): g for g in self.groups.values() if not moves(g.action)
        }
        for group in self.groups.values():
            if moves(group.action):
                for gateway in group.gateways:
                    leaving.setdefault(gateway, []).append(group.key)
        for found in campaigns:
            resource = found.desired.resource
            if found.lost and found.live and found.live.phase is Phase.RUNNING:
                # Gateways leave a replaced campaign only when it ends.
                leaves = by_resource.get((resource, Verb.END if found.successor else Verb.REMOVE))
                for gateway in found.lost:
                    leaving.setdefault(gateway, []).extend([leaves.key] if leaves else [])
            if found.gained or (found.successor and found.successor.gained):
                first = found.successor or (found.create and self.facts.members_first)
                # Members of a campaign that hasn't started aren't under way in it yet.
                joins = by_resource.get((resource, Verb.START if first else Verb.ADD))
                joining += [(joins, found)] if joins else []
        if leaving:
            for group, found in joining:
                own = found.desired.resource
                gained = found.successor.gained if found.successor else found.gained
                keys = {key for gateway in gained for key in leaving.get(gateway, ())}
                # The order within its own campaign is settled already.
                left = sorted(key for key in keys if self.groups[key].action.resource != own)
                one_by_one = group.action.verb is Verb.ADD
                self.also_needs(
                    group,
                    (
                        Need(key, by_gateway=one_by_one and self.groups[key].action.verb is Verb.REMOVE)
                        for key in left
                    ),
                )

    def names(self, campaigns: Iterable[CampaignDiff], removals: Iterable[Removal]) -> None:
        """Whoever has a name is renamed or deleted before somebody else takes it."""
        by_resource = {(g.action.resource, g.action.verb): g for g in self.groups.values()}
        deleted = {
            removal.live.name: group.key
            for removal in removals
            if (group := by_resource.get((removal.owned.resource, Verb.DELETE)))
        }
        edited: dict[str, str] = {}
        taking: list[tuple[StepGroup, str]] = []
        for found in campaigns:
            name, live = found.desired.name, found.live
            if live is None:
                taking.append((by_resource[found.desired.resource, Verb.CREATE], name))
            elif found.successor:
                if found.renamed:
                    taking.append((by_resource[found.desired.resource, Verb.CREATE], name))
                if retires := by_resource.get((found.desired.resource, Verb.RETIRE)):
                    edited[live.name] = retires.key
            elif found.renamed:
                group = by_resource[found.desired.resource, Verb.EDIT]
                edited[live.name] = group.key
                taking.append((group, name))
        for group, name in taking:
            # Edits don't wait for each other: two campaigns may swap their names.
            givers = {deleted.get(name), edited.get(name) if group.action.verb is Verb.CREATE else None}
            self.also_needs(group, (Need(key) for key in sorted(filter(None, givers))))

    def also_needs(self, group: StepGroup, more: Iterable[Need]) -> None:
        needed = tuple(dict.fromkeys((*group.needs, *more)))
        self.groups[group.key] = replace(group, needs=needed)

    def delete_packages(self, difference: Diff) -> None:
        """A package goes when those who used it are deleted or have another one."""
        users: dict[str, set[ResourceId]] = defaultdict(set)
        for found in difference.campaigns:
            formers = (former.live for former in found.formers)
            for live in filter(None, (found.live, *formers)):
                for package in live.packages:
                    users[package].add(found.desired.resource)
        for removal in difference.removals:
            formers = (former.live for former in removal.formers)
            carried = (package for live in formers if live for package in live.packages)
            for package in (*removal.live.packages, *carried, *overriding(removal.owned)):
                users[package].add(removal.owned.resource)
        writes: dict[ResourceId, str] = {
            g.action.resource: g.key
            for g in self.groups.values()
            if g.action.verb in (Verb.EDIT, Verb.DELETE)
        }
        for upload in difference.package_removals:
            needed = (Need(writes[resource]) for resource in sorted(users[upload.id]) if resource in writes)
            action = DeletePackage(upload.resource, Reason.NO_LONGER_USED, upload.id, upload.sha256)
            self.add(action, needed, upload.sha256[:12])
