"""Gateways that are done or failed while their packages change: with which, and what becomes of them. Pure.

Whether a server runs them again is a fact of it. Where it does not, or doesn't say, they are left behind: the
plan says so, the state remembers them, and `status` goes on telling who is done with something else. Who was
left behind by an earlier edit has finished with what was there before that, and is not left behind by a
way back to it.

Tests: `tests/plan/test_plan_finished.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from reconciler.model import (
    Action,
    AssignPackages,
    BoundPackage,
    EditCampaign,
    Finding,
    LiveCampaign,
    Place,
    RemoveGateways,
    ResourceId,
    Severity,
    of_former,
    sorted_ids,
    target_of,
)
from reconciler.plan.model import Plan
from reconciler.providers.base import Facts, Field
from reconciler.state.applied import FINISHED, finished_of, finished_value, packages_of
from reconciler.state.base import MembersApplied, Owned, State
from reconciler.text import first, plural

LEFT_BEHIND: Final = "may-leave-behind"
"""The code of the finding that gateways have finished with other packages."""
_NOBODY: Final[frozenset[str]] = frozenset()
_AT_ONCE: Final = 10_000
"""Gateways of an event."""
_NAMED: Final = 3
NEXT: Final = "for those, too, declare a new campaign with the new packages"
"""What to do instead."""

Finished = Mapping[frozenset[str], frozenset[str]]
"""Packages (ids) → gateways that have finished with them, and are to have others."""


def repackaged(plan: Plan) -> frozenset[ResourceId]:
    """Campaigns that are there and get other packages."""
    edited = {g.action.resource for g in plan.groups if isinstance(g.action, EditCampaign)}
    return frozenset(
        each.resource for each in plan.changes if each.field == Field.PACKAGES and each.resource in edited
    )


def reassigned(plan: Plan) -> Mapping[ResourceId, frozenset[str]]:
    """Campaign → gateways that get packages of their own that differ from what they get now."""
    found: dict[ResourceId, set[str]] = defaultdict(set)
    for change in plan.changes:
        if change.field == Field.OVERRIDES and not _alike(change.before, change.after):
            found[change.resource].update(change.members)
    return {resource: frozenset(gateways) for resource, gateways in found.items()}


def finished(
    plan: Plan, campaigns: Mapping[ResourceId, LiveCampaign], state: State, facts: Facts
) -> Mapping[ResourceId, Finished]:
    """Of the `campaigns` whose packages `plan` changes: who has finished with others than those that come."""
    whole, single = repackaged(plan), reassigned(plan)
    actions: dict[ResourceId, list[Action]] = defaultdict(list)
    for group in plan.groups:
        if group.action.resource in whole or group.action.resource in single:
            actions[group.action.resource].append(group.action)
    owned = {each.id: each for each in state.campaigns.values()}
    found = {}
    for resource, asked in actions.items():
        live = campaigns.get(resource)
        if live is None or live.gateways is None:
            continue
        states = live.gateways.states.items()
        final = _NOBODY.union(*(ids for word, ids in states if facts.stage(word).final))
        leaving = _NOBODY.union(*(a.gateways for a in asked if isinstance(a, RemoveGateways)))
        own, before = owned.get(live.id), final - leaving if leaving else final
        if before and (groups := _groups(live, own, before, asked, single.get(resource, _NOBODY))):
            found[resource] = groups
    return found


def targeted(plan: Plan, by_id: Mapping[str, LiveCampaign | None]) -> Mapping[ResourceId, LiveCampaign]:
    """The campaigns that `plan` is about, as they were read by their ids."""
    actions = (group.action for group in plan.groups if not of_former(group.action))
    ids = {action.resource: target for action in actions if (target := target_of(action))}
    return {resource: found for resource, target in ids.items() if (found := by_id.get(target))}


def remembered(plan: Plan, found: Mapping[ResourceId, Finished], facts: Facts) -> Iterator[MembersApplied]:
    """What the state is to know of those that have finished, before their packages change."""
    for resource, groups in sorted(found.items()) if not facts.finished_run_again else ():
        for ids, gateways in sorted(groups.items(), key=lambda item: sorted(item[0])):
            value = finished_value(ids, plan.package_names)
            ordered = sorted_ids(gateways)
            for at in range(0, len(ordered), _AT_ONCE):
                yield MembersApplied(resource, FINISHED, value, ordered[at : at + _AT_ONCE])


def left_behind(
    plan: Plan,
    found: Mapping[ResourceId, Finished],
    facts: Facts,
    places: Mapping[ResourceId, Place],
) -> Iterator[Finding]:
    """A word for each campaign some of whose gateways the server may not run again."""
    if facts.finished_run_again:
        return
    never = facts.finished_run_again is False
    for resource, groups in sorted(found.items()):
        said = [
            f"{plural(len(gateways), 'gateway')} finished with {_names(ids, plan)}"
            for ids, gateways in sorted(groups.items(), key=lambda item: (-len(item[1]), sorted(item[0])))
        ]
        yield Finding(
            LEFT_BEHIND,
            f"{resource}: {' and '.join(said)}; the server {'does' if never else 'may'} not run them again,"
            f" so they {'keep' if never else 'may keep'} that",
            places.get(resource),
            NEXT,
            resource,
            Severity.WARNING,
        )


def done_before(owned: Owned, packages: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Names of packages → gateways that finished with them, and are to have others by now.

    `packages`: those of the campaign.
    """
    current, own = frozenset(packages), _own(owned, None)
    single = _NOBODY.union(*own.values())
    found: dict[str, frozenset[str]] = {}
    for value, gateways in owned.members.get(FINISHED, {}).items():
        packages_then = finished_of(value)
        ids = frozenset(packages_then)
        others = gateways & (single - own.get(ids, _NOBODY))
        if ids != current:
            others |= gateways - single
        if others:
            label = ", ".join(packages_then.values()) or "no package"
            found[label] = found.get(label, _NOBODY) | others
    return found


def _groups(
    live: LiveCampaign,
    owned: Owned | None,
    final: frozenset[str],
    asked: Iterable[Action],
    single: frozenset[str],
) -> Finished:
    """With what those that are `final` have finished, where it isn't what they are to have."""
    had = _finished_with(live, owned, final)
    own = _NOBODY.union(*_own(owned, live).values())
    wanted: list[tuple[frozenset[BoundPackage], frozenset[str]]] = []
    for action in asked:
        match action:
            case AssignPackages(gateways=assigned, packages=packages):
                wanted.append((frozenset(packages), frozenset(assigned) & single))
                own |= frozenset(assigned)
    edits = (a.fields.packages for a in asked if isinstance(a, EditCampaign))
    wanted += [(frozenset(packages), final - own) for packages in edits if packages is not None]
    found: dict[frozenset[str], frozenset[str]] = {}
    for ids, gateways in had.items():
        for after, whom in wanted:
            if ids != after and (hit := gateways & whom):
                found[ids] = found.get(ids, _NOBODY) | hit
    return found


def _finished_with(
    live: LiveCampaign, owned: Owned | None, final: frozenset[str]
) -> Mapping[frozenset[str], frozenset[str]]:
    """Packages → those of `final` that have finished with them."""
    own = _own(owned, live)
    had = {ids: gateways & final for ids, gateways in own.items()}
    rest = final.difference(*own.values()) if own else final
    current = frozenset(live.packages)
    had[current] = had.get(current, _NOBODY) | rest
    for value, known in owned.members.get(FINISHED, {}).items() if owned else ():
        ids = frozenset(finished_of(value))
        if earlier := known & final:
            had = {each: gateways - earlier for each, gateways in had.items()}
            had[ids] = had.get(ids, _NOBODY) | earlier
    return {ids: gateways for ids, gateways in had.items() if gateways}


def _own(owned: Owned | None, live: LiveCampaign | None) -> Mapping[frozenset[str], frozenset[str]]:
    """Packages → gateways that have them of their own, as they were read, or else as they were assigned."""
    recorded = owned.members.get(Field.OVERRIDES, {}) if owned else {}
    found: dict[frozenset[str], set[str]] = defaultdict(set)
    read = live.overrides if live else {}
    for value, gateways in recorded.items():
        found[packages_of(value)] |= gateways - read.keys() if read else gateways
    for gateway, packages in read.items():
        if live and set(packages) != set(live.packages):
            found[frozenset(packages)].add(gateway)
    return {ids: frozenset(gateways) for ids, gateways in found.items()}


def _alike(before: object, after: object) -> bool:
    if not isinstance(before, list) or not isinstance(after, list):
        return False
    both = [*before, *after]
    return all(isinstance(each, str) for each in both) and set(before) == set(after)


def _names(ids: Iterable[str], plan: Plan) -> str:
    named = sorted(plan.package_names.get(each, each) for each in ids)
    return first(named, _NAMED) if named else "no package"
