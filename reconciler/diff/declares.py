"""What a campaign declares of fields that can be read, for the state to know once that is so.

Tests: `tests/diff/test_diff_declares.py`, `tests/diff/test_diff_whose.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from reconciler.diff.view import EMPTY, View
from reconciler.model import BoundPackage, DistributionList, Json, PendingUpload
from reconciler.model.sets import without
from reconciler.providers.base import Field
from reconciler.state.declared import (
    distribution_value,
    members_count,
    members_value,
    packages_list,
    text_value,
)


def declared_now(
    view: View, packages: tuple[BoundPackage, ...] | None, *, changed: Collection[str]
) -> Mapping[str, Json]:
    """Field → what is declared, where the state knows something else; `changed`: what this plan changes.

    What the server kept for a value is forgotten where it has the value itself by now.
    """
    campaign, owned = view.campaign, view.owned
    found: dict[str, Json] = {Field.NAME.value: text_value(campaign.name)}
    if campaign.description is not None:
        found[Field.DESCRIPTION.value] = text_value(campaign.description)
    if packages is not None:
        found[Field.PACKAGES.value] = packages_declared(packages)
    if campaign.distribution is not None:
        found[Field.DISTRIBUTION.value] = distribution_value(set_distribution(view, campaign.distribution))
    if campaign.status is not None:
        found[Field.STATUS.value] = campaign.status.value
    if owned:
        now = _there(view) if owned.kept else {}
        over = {n for n, kept in owned.kept.items() if n in found and now.get(n) != kept and n not in changed}
        found = {n: v for n, v in found.items() if n in over or owned.declared.get(n) != v}
    if campaign.gateways is not None and (members := declared_members(view)) is not None:
        known = owned.declared.get(Field.GATEWAYS) if owned else None
        # Unchanged gateways, maybe a million, aren't counted again.
        if Field.GATEWAYS in changed or members_count(known) != len(members):
            found[Field.GATEWAYS.value] = members_value(members)
    return found


def declared_members(view: View) -> frozenset[str] | None:
    """Who is to be a member; None where nobody says."""
    gateways = view.campaign.gateways
    return None if gateways is None else without(gateways, view.campaign.closed or EMPTY)


def set_distribution(view: View, wanted: DistributionList) -> DistributionList:
    """`wanted`, with the interval that is set where none is declared."""
    current = view.live.distribution if view.live else None
    if current is None:
        return wanted
    called = current.id if current.is_called(wanted.id) else wanted.id
    return DistributionList(called, current.interval if wanted.interval is None else wanted.interval)


def packages_declared(packages: tuple[BoundPackage, ...]) -> Json:
    """The packages as the state keeps them; one that is still to be uploaded by its content."""
    pending = sorted(package.sha256 for package in packages if isinstance(package, PendingUpload))
    ids = packages_list(package for package in packages if isinstance(package, str))
    return [*_items(ids), *({"upload": sha256} for sha256 in pending)]


def _items(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list) else []


def _there(view: View) -> Mapping[str, Json]:
    """What the server has."""
    live = view.live
    if live is None:
        return {}
    return {
        Field.NAME: text_value(live.name),
        Field.DESCRIPTION: text_value(live.description),
        Field.PACKAGES: packages_list(live.packages),
        Field.DISTRIBUTION: distribution_value(live.distribution),
    }
