"""A server as it was when a snapshot of it was taken: reads answer from the snapshot, and nothing is sent.

What such a server can do are the facts of its kind. A read that the snapshot has no answer for is an error
that says how to take one that has.

Tests: `tests/providers/test_snapshot_reads.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

from reconciler.errors import ReconcilerError
from reconciler.model import (
    CampaignSummary,
    DistributionList,
    LiveCampaign,
    LivePackage,
    Membership,
    Server,
)
from reconciler.providers.base import Facts
from reconciler.providers.base.contents import holding
from reconciler.text import id_form

Found = TypeVar("Found")


class Saved(Protocol):
    """What a snapshot holds of a server. Large parts are read when they are asked for."""

    @property
    def server(self) -> Server: ...

    @property
    def campaigns(self) -> Mapping[str, LiveCampaign]:
        """Every campaign by its id, in the order of ids; without members, and ``phase`` is not told."""
        ...

    @property
    def packages(self) -> Mapping[str, LivePackage]:
        """Every package by its id, in the order of ids."""
        ...

    def gateways(self, campaign_id: str) -> Membership:
        """All gateways of a campaign."""
        ...

    def overrides(self, campaign_id: str) -> Mapping[str, tuple[str, ...]]:
        """The effective packages of those gateways that were asked about."""
        ...


@dataclass(frozen=True, slots=True)
class SavedServer:
    """`reconciler.providers.base.Source` of a snapshot: it has no writes, and answers nobody's questions."""

    server: Server
    facts: Facts
    reads: SnapshotReads


def saved_server(saved: Saved, facts: Facts) -> SavedServer:
    """The server that was `saved`, of the kind that `facts` are of."""
    return SavedServer(saved.server, facts, SnapshotReads(saved, facts))


class SnapshotReads:
    """`reconciler.providers.base.Reads` over what was `saved`."""

    parallelism: Final = 1
    requests: Final[Mapping[str, int]] = {}

    def __init__(self, saved: Saved, facts: Facts) -> None:
        self._saved = saved
        self._facts = facts

    async def campaigns(self, names: Collection[str] | None = None) -> tuple[CampaignSummary, ...]:
        """See `Reads.campaigns`."""
        return tuple(
            CampaignSummary(saved.id, saved.name, saved.status)
            for saved in self._saved.campaigns.values()
            if names is None or saved.name in names
        )

    async def campaign(self, campaign_id: str) -> LiveCampaign | None:
        """See `Reads.campaign`."""
        saved = self._saved.campaigns.get(campaign_id) or _written_otherwise(
            campaign_id, self._saved.campaigns
        )
        if saved is None:
            return None
        phase = self._facts.phase(saved.status)
        return replace(saved, phase=phase, distribution=None, distribution_read=False)

    async def gateways(self, campaign_id: str) -> Membership:
        """See `Reads.gateways`."""
        return self._saved.gateways(campaign_id)

    async def distribution_list(self, campaign_id: str) -> DistributionList | None:
        """See `Reads.distribution_list`."""
        return self._saved.campaigns[campaign_id].distribution

    async def overrides(self, campaign_id: str, gateways: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """See `Reads.overrides`."""
        saved = self._saved.overrides(campaign_id) if gateways else {}
        if missing := sorted(gateways - saved.keys()):
            more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
            raise ReconcilerError(
                f"the snapshot doesn't say which packages the gateway {missing[0]}{more} of campaign"
                f" {self._saved.campaigns[campaign_id].name!r} gets",
                hint="Take it again, with `--overrides all`, or with the resources that are planned now;"
                " or plan with `--refresh recorded`, which trusts what was last applied.",
            )
        return {gateway: saved[gateway] for gateway in sorted(gateways)}

    async def packages(self, names: Collection[str] | None = None) -> tuple[LivePackage, ...]:
        """See `Reads.packages`."""
        return tuple(p for p in self._saved.packages.values() if names is None or p.name in names)

    async def packages_of(self, contents: Collection[str]) -> Mapping[str, tuple[LivePackage, ...]]:
        """See `Reads.packages_of`."""
        return holding(contents, self._saved.packages.values(), self._facts.digits)

    async def package(self, package_id: str) -> LivePackage | None:
        """See `Reads.package`."""
        packages = self._saved.packages
        return packages.get(package_id) or _written_otherwise(package_id, packages)


def _written_otherwise(wanted: str, saved: Mapping[str, Found]) -> Found | None:
    """What has that id in other letters, as a server may find it."""
    form = id_form(wanted)
    return next((found for key, found in saved.items() if id_form(key) == form), None)
