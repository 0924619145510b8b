"""What may have been made twice: named by every plan, until somebody decides which one stays.

Tests: `tests/diff/test_diff_duplicates.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.diff.model import CampaignDiff
from reconciler.model import Desired, Finding, Live, PackageById, PackageFile, Severity
from reconciler.ownership import overriding, owners_of
from reconciler.state.base import State


def duplicates(
    compared: Iterable[CampaignDiff], desired: Desired, live: Live, state: State
) -> tuple[Finding, ...]:
    """A warning for each namesake of a campaign of ours, and each package that holds what ours does."""
    return (*_campaigns(compared, live, state), *_packages(desired, live, state))


def _campaigns(compared: Iterable[CampaignDiff], live: Live, state: State) -> Iterator[Finding]:
    owned = set(owners_of(state))
    owned |= {campaign_id for claim in live.claims.values() if claim.held for campaign_id in claim.ids}
    for found in compared:
        campaign, ours = found.desired, found.live
        if ours is None or ours.name != campaign.name:
            continue
        for other in live.namesakes.get(campaign.name, ()):
            if other.id not in owned:
                yield Finding(
                    "possible-duplicate",
                    f"two live campaigns have the name {campaign.name!r}: {ours.id}, which is"
                    f" {campaign.resource}, and {other.id} ({other.status}), which nobody owns",
                    campaign.place_of("name"),
                    f"delete {other.id} on the server if it was made twice; to keep it instead, delete"
                    f" {ours.id}, then `reconciler state rm {campaign.resource}` and"
                    f" `reconciler import {campaign.resource} {other.id}`",
                    campaign.resource,
                    Severity.WARNING,
                )


def _packages(desired: Desired, live: Live, state: State) -> Iterator[Finding]:
    explained = frozenset().union(*map(overriding, state.campaigns.values()))
    explained |= {upload.id for upload in state.packages.values()}
    explained |= {ref.id for ref in desired.packages if isinstance(ref, PackageById)}
    for file in desired.packages:
        known = state.packages.get(file.sha256) if isinstance(file, PackageFile) else None
        if known is None or live.users is None or not live.package_ids.get(known.id):
            continue
        assert isinstance(file, PackageFile)
        for other in live.packages_by_content.get(file.sha256, ()):
            if other.id in explained or live.users.get(other.id):
                continue
            yield Finding(
                "possible-duplicate",
                f"two live packages hold the content of {file.name}: {known.id}, which is ours, and"
                f" {other.id} ({other.name}), which no campaign uses",
                file.place,
                f"if it was uploaded twice, `reconciler package delete {other.id}`; or declare it by its id",
                file.resource,
                Severity.WARNING,
            )
