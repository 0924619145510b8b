"""What is there: the reads that plans are made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from reconciler.model import CampaignSummary, DistributionList, LiveCampaign, LivePackage, Membership


class Reads(Protocol):
    """Reads of one server.

    They raise ServerError (after retrying what may be retried) and never return a part of a list.
    """

    @property
    def parallelism(self) -> int:
        """How many reads are worth asking for at a time."""
        ...

    @property
    def requests(self) -> Mapping[str, int]:
        """How many requests were sent so far, by operation name (sign-in and the like too)."""
        ...

    async def campaigns(self, names: Collection[str] | None = None) -> tuple[CampaignSummary, ...]:
        """The whole list of campaigns, or those of exactly these names, in the fewest requests."""
        ...

    async def campaign(self, campaign_id: str) -> LiveCampaign | None:
        """A campaign without its gateways and distribution list; None when there is no such id.

        Its ``applied`` holds what the server tells of settings and callbacks, where it does.
        """
        ...

    async def gateways(self, campaign_id: str) -> Membership:
        """All gateways of a campaign, and what the server tells of single ones, where it does."""
        ...

    async def distribution_list(self, campaign_id: str) -> DistributionList | None:
        """The distribution list, None when it isn't set."""
        ...

    async def overrides(self, campaign_id: str, gateways: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """The effective packages of each of `gateways`."""
        ...

    async def packages(self, names: Collection[str] | None = None) -> tuple[LivePackage, ...]:
        """The whole list of packages, or those of exactly these names, in the fewest requests."""
        ...

    async def packages_of(self, contents: Collection[str]) -> Mapping[str, tuple[LivePackage, ...]]:
        """Content (64 hex digits of SHA-256) → the packages that hold it, as well as the server can tell."""
        ...

    async def package(self, package_id: str) -> LivePackage | None:
        """A package, None when there is no such id."""
        ...
