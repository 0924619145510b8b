"""Campaigns with all that can be read of them, one by one: for who wants everything, not just a difference.

Of each campaign: get-campaign, list-gateways (all pages), get-distribution-list, and get-gateway-packages of
the gateways that are asked for. A few campaigns are read at the same time, and no more are held.

Tests: `tests/export/test_export_run.py`, `tests/snapshot/test_snapshot_plans.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from reconciler.errors import Refusal, Refused
from reconciler.model import LiveCampaign, Membership
from reconciler.pool import in_order
from reconciler.providers.base import Facts, Field, Reads

READINGS = 3
"""How often a campaign is read anew whose gateways leave while they are asked about."""

_LONGEST_ID: Final = 1_000
"""Characters. No server takes an address with more in it, thrice as long where they are escaped."""

Overridden = Callable[[LiveCampaign], Collection[str]]
"""Of which gateways of a campaign (whose members are known) the packages are to be read."""


def open_members(live: LiveCampaign) -> frozenset[str]:
    """Every gateway that the campaign is not closed for."""
    members = live.gateways or Membership()
    return frozenset(members) - members.closed


async def survey(
    reads: Reads, facts: Facts, ids: Iterable[str], overridden: Overridden
) -> AsyncGenerator[LiveCampaign]:
    """The campaigns in the order of `ids`, without those that vanish while they are read.

    What the server lacks, by its `facts`, is not asked for.
    """

    async def read(campaign_id: str) -> LiveCampaign | None:
        for _ in range(READINGS - 1):
            try:
                return await _whole(reads, facts, campaign_id, overridden)
            except Refused as error:
                if Refusal.NO_SUCH_OBJECT not in error.meaning:
                    raise
        return await _whole(reads, facts, campaign_id, overridden)

    async with aclosing(in_order(ids, read, limit=reads.parallelism)) as campaigns:
        async for live in campaigns:
            if live:
                yield live


async def _whole(reads: Reads, facts: Facts, campaign_id: str, overridden: Overridden) -> LiveCampaign | None:
    live = await reads.campaign(campaign_id)
    if live is None:
        return None
    live = replace(live, gateways=await reads.gateways(live.id))
    if facts.supports(Field.DISTRIBUTION):
        distribution = await reads.distribution_list(live.id)
        live = replace(live, distribution=distribution, distribution_read=True)
    # Gateways with such ids have no URL of their own, whatever the server lists; the others are read.
    reserved = facts.limits.reserved_ids
    asked = frozenset(each for each in overridden(live) if each not in reserved and len(each) <= _LONGEST_ID)
    if asked and facts.supports(Field.OVERRIDES):
        live = replace(live, overrides=await reads.overrides(live.id, asked))
    return live
