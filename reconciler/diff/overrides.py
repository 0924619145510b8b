"""Packages of single gateways. They can be read: the effective list, with the campaign's own for most.

An override can't be cleared. One that is dropped is answered with the campaign's own packages, and kept in
mind: that gateway no longer follows the campaign by itself.

| gateway                                       | what happens                             |
|-----------------------------------------------|------------------------------------------|
| declared, and has the packages                | nothing                                  |
| declared, and has others                      | assigned                                 |
| … which the server makes of those, once sent  | nothing                                  |
| declared, and joins                           | assigned, unless they are the campaign's |
| had an override, none is declared any more    | gets the campaign's packages             |
| `packageOverrides` left out                   | stays as it is, with a word              |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from reconciler.diff.packages import shown_packages
from reconciler.diff.view import EMPTY, Part, View, count
from reconciler.model import BoundPackage, Change, Finding, Json, Reason, sorted_ids
from reconciler.model.sets import joined, without
from reconciler.providers.base import Field
from reconciler.state.applied import packages_of, packages_value
from reconciler.state.base import Event

Packages = tuple[BoundPackage, ...]


@dataclass(frozen=True, slots=True)
class PackagesFor:
    """Packages to assign to some gateways, sorted."""

    packages: Packages
    gateways: tuple[str, ...]
    reason: Reason


def diff_overrides(view: View, own: Packages | None, *, edits_packages: bool) -> Part[PackagesFor]:
    """What to assign. `own`: the campaign's packages after this plan; None when they are not managed."""
    recorded = view.recorded(Field.OVERRIDES)
    had = without(joined(tuple(recorded.values())) & view.members, view.joining)
    if view.campaign.overrides is None:
        return Part(findings=(_kept(view, had),) if had else ())
    base = own if own is not None else view.live.packages if view.live else ()
    effective = _Effective(view)
    todo: list[PackagesFor] = []
    records: list[Event] = []
    declared: list[frozenset[str]] = []
    for override in view.campaign.overrides:
        packages = tuple(dict.fromkeys(view.bound.packages[ref] for ref in override.packages))
        targets = override.gateways & view.members
        declared.append(targets)
        value = packages_value([p for p in packages if isinstance(p, str)])
        explicit = recorded.get(value, EMPTY)
        members = without(targets, view.joining)
        kept = frozenset(g for g in explicit & members if effective.keeps(g, value))
        same = kept | {g for g in members if effective.of(g) == frozenset(packages)}
        if edits_packages:
            same = frozenset(g for g in same if g in explicit or not effective.follows(g))
        if fresh := frozenset(g for g in without(same, explicit) if not effective.follows(g)):
            records.append(view.applied(Field.OVERRIDES, value, fresh))
        # New members get the campaign's packages anyway.
        joining = EMPTY if frozenset(packages) == frozenset(base) else targets & view.joining
        reason = Reason.NOT_ON_SERVER if view.live is None else Reason.JOINS
        todo += _group(packages, joining, reason)
        todo += _group(packages, without(members, same), Reason.DIFFERS)
    if view.live:
        dropped = without(had, joined(declared))
        back = frozenset(g for g in dropped if effective.of(g) != frozenset(base))
        todo += _group(base, back, Reason.TAKEN_BACK)
    return Part(tuple(todo), tuple(_changes(view, todo, effective)), (), tuple(records))


def _group(packages: Packages, gateways: frozenset[str], reason: Reason) -> tuple[PackagesFor, ...]:
    return (PackagesFor(packages, sorted_ids(gateways), reason),) if gateways else ()


@dataclass(frozen=True)
class _Effective:
    """What gateways get now: read, or by `--refresh recorded` as it was last assigned."""

    view: View

    @cached_property
    def _campaign(self) -> frozenset[str]:
        return frozenset(self.view.live.packages if self.view.live else ())

    @cached_property
    def _recorded(self) -> Mapping[str, frozenset[str]]:
        groups = self.view.recorded(Field.OVERRIDES).items()
        return {gateway: given for value, ids in groups for given in [packages_of(value)] for gateway in ids}

    def of(self, gateway: str) -> frozenset[str]:
        assert self.view.live is not None
        if gateway in self.view.live.overrides:
            return frozenset(self.view.live.overrides[gateway])
        return self._recorded.get(gateway, self._campaign)

    def keeps(self, gateway: str, sent: str) -> bool:
        """Whether it has what the server makes of the packages `sent`, as the state keeps them."""
        return sorted(self.of(gateway)) == self._kept.get(sent)

    @cached_property
    def _kept(self) -> Mapping[str, Json]:
        owned = self.view.owned
        kept = owned.kept.get(Field.OVERRIDES) if owned else None
        return kept if isinstance(kept, Mapping) else {}

    def follows(self, gateway: str) -> bool:
        """Whether it may just be getting the campaign's own packages, which are about to change."""
        return self.of(gateway) == self._campaign


def _changes(view: View, todo: list[PackagesFor], effective: _Effective) -> Iterator[Change]:
    for item in todo:
        for before, gateways in _by_effective(view, item, effective).items():
            yield Change(
                view.campaign.resource,
                Field.OVERRIDES,
                None if before is None else list(before),
                shown_packages(item.packages, view.bound),
                item.reason,
                members=tuple(gateways),
            )


def _by_effective(
    view: View, item: PackagesFor, effective: _Effective
) -> Mapping[tuple[str, ...] | None, list[str]]:
    groups: dict[tuple[str, ...] | None, list[str]] = defaultdict(list)
    for gateway in item.gateways:
        joins = view.live is None or gateway in view.joining
        groups[None if joins else tuple(sorted(effective.of(gateway)))].append(gateway)
    return groups


def _kept(view: View, had: frozenset[str]) -> Finding:
    return view.note(
        "override-kept",
        f"packageOverrides is left out, so not managed, and an override stays for {count(had)}",
        Field.OVERRIDES,
        "write packageOverrides: [] to give them the campaign's packages",
    )
