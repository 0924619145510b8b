"""Packages of single gateways. They can be read: the effective list, with the campaign's own for most.

An override can't be cleared. One that is dropped is answered with the campaign's own packages, and kept in
mind: that gateway no longer follows the campaign by itself.

| gateway                                       | what happens                             |
|-----------------------------------------------|------------------------------------------|
| declared, and has the packages                | nothing                                  |
| declared, and has others                      | assigned                                 |
| declared, and joins                           | assigned, unless they are the campaign's |
| had an override, none is declared any more    | gets the campaign's packages             |
| `packageOverrides` left out                   | stays as it is, with a word              |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.diff.packages import Bound, shown_packages
from reconciler.diff.view import EMPTY, Part, View, count
from reconciler.model import BoundPackage, Change, Finding, Reason, sorted_ids
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


def diff_overrides(
    view: View, bound: Bound, own: Packages | None, *, edits_packages: bool
) -> Part[PackagesFor]:
    """What to assign. `own`: the campaign's packages after this plan; None when they are not managed."""
    recorded = view.recorded(Field.OVERRIDES)
    had = (EMPTY.union(*recorded.values()) & view.members) - view.joining
    if view.campaign.overrides is None:
        return Part(findings=(_kept(view, had),) if had else ())
    base = own if own is not None else view.live.packages if view.live else ()
    todo: list[PackagesFor] = []
    records: list[Event] = []
    declared = EMPTY
    for override in view.campaign.overrides:
        packages = tuple(dict.fromkeys(bound.packages[ref] for ref in override.packages))
        targets = override.gateways & view.members
        declared |= targets
        value = packages_value([p for p in packages if isinstance(p, str)])
        explicit = recorded.get(value, EMPTY)
        same = frozenset(g for g in targets - view.joining if _has(view, g, packages))
        if edits_packages:
            same = frozenset(g for g in same if g in explicit or not _follows(view, g))
        if fresh := frozenset(g for g in same - explicit if not _follows(view, g)):
            records.append(view.applied(Field.OVERRIDES, value, fresh))
        # Who joins gets the campaign's packages by joining.
        joining = EMPTY if frozenset(packages) == frozenset(base) else targets & view.joining
        others = targets - view.joining - same
        reason = Reason.NOT_ON_SERVER if view.live is None else Reason.JOINS
        todo += _group(packages, joining, reason)
        todo += _group(packages, others, Reason.DIFFERS)
    if view.live:
        back = frozenset(g for g in had - declared if not _has(view, g, base))
        todo += _group(base, back, Reason.TAKEN_BACK)
    return Part(tuple(todo), tuple(_changes(view, todo, bound)), (), tuple(records))


def _group(packages: Packages, gateways: frozenset[str], reason: Reason) -> tuple[PackagesFor, ...]:
    return (PackagesFor(packages, sorted_ids(gateways), reason),) if gateways else ()


def _effective(view: View, gateway: str) -> frozenset[str]:
    """What the gateway gets now: read, or by `--refresh recorded` as it was last assigned."""
    assert view.live is not None
    if gateway in view.live.overrides:
        return frozenset(view.live.overrides[gateway])
    for value, gateways in view.recorded(Field.OVERRIDES).items():
        if gateway in gateways:
            return packages_of(value)
    return frozenset(view.live.packages)


def _has(view: View, gateway: str, packages: Packages) -> bool:
    return _effective(view, gateway) == frozenset(packages)


def _follows(view: View, gateway: str) -> bool:
    """Whether the gateway may just be getting the campaign's own packages, which are about to change."""
    assert view.live is not None
    return _effective(view, gateway) == frozenset(view.live.packages)


def _changes(view: View, todo: list[PackagesFor], bound: Bound) -> Iterator[Change]:
    for item in todo:
        groups: Mapping[tuple[str, ...] | None, list[str]] = _by_effective(view, item)
        for before, gateways in groups.items():
            yield Change(
                view.campaign.resource,
                Field.OVERRIDES,
                None if before is None else list(before),
                shown_packages(item.packages, bound),
                item.reason,
                members=tuple(gateways),
            )


def _by_effective(view: View, item: PackagesFor) -> dict[tuple[str, ...] | None, list[str]]:
    groups: dict[tuple[str, ...] | None, list[str]] = defaultdict(list)
    for gateway in item.gateways:
        joins = view.live is None or gateway in view.joining
        groups[None if joins else tuple(sorted(_effective(view, gateway)))].append(gateway)
    return groups


def _kept(view: View, had: frozenset[str]) -> Finding:
    return view.note(
        "override-kept",
        f"packageOverrides is left out, so not managed, and an override stays for {count(had)}",
        Field.OVERRIDES,
        "write packageOverrides: [] to give them the campaign's packages",
    )
