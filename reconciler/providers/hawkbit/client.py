"""The reads that plans need: `reconciler.providers.base.Reads` over the Management API.

Tests: `tests/providers/test_hawkbit_tape.py`, `tests/providers/test_hawkbit_reads.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from reconciler.errors import Refused
from reconciler.model import (
    CampaignSummary,
    DeliveryTerms,
    DistributionList,
    Force,
    LiveCampaign,
    LivePackage,
    Membership,
    Only,
)
from reconciler.pool import concurrently
from reconciler.providers.base.contents import holding
from reconciler.providers.base.facts import phase_of
from reconciler.providers.hawkbit import codec
from reconciler.providers.hawkbit.codec import CONTENT_KEY, Module, Rollout
from reconciler.providers.hawkbit.entry import MISSING
from reconciler.providers.hawkbit.members import Memberships
from reconciler.providers.hawkbit.query import any_of, is_own_tag, tag_of, without_but
from reconciler.providers.hawkbit.statuses import PHASES
from reconciler.providers.http.wire import Wire

_FORCES: Final[Mapping[str, Force]] = {
    "soft": Force.NEVER,
    "forced": Force.ALWAYS,
    "timeforced": Force.AFTER,
    "downloadonly": Force.NEVER,
}


def terms_of(rollout: Rollout) -> DeliveryTerms:
    """How a rollout is delivered. A confirmation isn't told, nor is a start that has been."""
    force = _FORCES.get(rollout.kind)
    return DeliveryTerms(
        force=force,
        force_after=rollout.force_time if force is Force.AFTER else None,
        only=Only.DOWNLOAD if rollout.kind == "downloadonly" else Only.ALL,
        start_at=None if rollout.begun else rollout.start_at or 0,
    )


class HawkbitClient(Memberships):
    """`reconciler.providers.base.Reads`."""

    def __init__(self, wire: Wire, **how: int) -> None:
        super().__init__(wire, **how)
        self._queries: dict[str, str] = {}
        """Rollout → its query, which never changes."""

    @property
    def requests(self) -> Mapping[str, int]:
        """See `Reads.requests`."""
        return self.wire.requests

    async def campaigns(self, names: Collection[str] | None = None) -> tuple[CampaignSummary, ...]:
        """See `Reads.campaigns`: rollouts that aren't deleted."""
        if names is None:
            listed = await self.listed("list-rollouts", codec.rollout_row)
            found: Iterable[Rollout] = (each for each in listed.values() if not each.gone)
        else:
            found = await self.rollouts_named(names)
        return tuple(CampaignSummary(each.id, each.name, each.status) for each in found)

    async def campaign(self, campaign_id: str) -> LiveCampaign | None:
        """See `Reads.campaign`: the rollout, and the modules of its distribution set."""
        found = await self.rollout(campaign_id)
        if found is None:
            return None
        self._queries[found.id] = found.query
        bundle = await self.one("get-set", codec.bundle, set=found.bundle)
        return LiveCampaign(
            id=found.id,
            name=found.name,
            status=found.status,
            phase=phase_of(found.status, PHASES),
            description=found.description,
            packages=bundle.modules if bundle else (),
            delivery=terms_of(found),
            modified_by=found.modified_by or None,
        )

    async def gateways(self, campaign_id: str) -> Membership:
        """See `Reads.gateways`."""
        return await self.members(await self.there(campaign_id))

    async def there(self, campaign_id: str) -> Rollout:
        """A rollout that has to be there."""
        found = await self.rollout(campaign_id)
        if found is None:
            raise Refused(
                f"there is no rollout {campaign_id}, or it is deleted",
                request=f"GET /rest/v1/rollouts/{campaign_id}",
                meaning=MISSING,
                hint="Plan again.",
            )
        return found

    async def distribution_list(self, campaign_id: str) -> DistributionList | None:
        """See `Reads.distribution_list`: the target filter that has just the query of the rollout.

        Of filters with one query nobody can tell which it was made with, so each of their names means it.
        """
        query = self._queries.get(campaign_id) or (await self.there(campaign_id)).query
        if is_own_tag(tag_of(query)):
            return None
        plain, _ = without_but(query)
        same = {key: name for key, (name, said) in (await self.filters()).items() if said == plain}
        if not same:
            return None
        first, *others = sorted(same.values())
        return DistributionList(first, also=tuple(sorted([*others, *same])))

    async def overrides(self, campaign_id: str, gateways: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """See `Reads.overrides`: everybody in a rollout gets its set."""
        bundle = await self.one("get-set", codec.bundle, set=(await self.there(campaign_id)).bundle)
        return dict.fromkeys(sorted(gateways), bundle.modules if bundle else ())

    async def packages(self, names: Collection[str] | None = None) -> tuple[LivePackage, ...]:
        """See `Reads.packages`: software modules, with the content of those that hold one file."""
        queries = None if names is None else any_of("name", sorted(names))
        found = await self.modules(queries)
        return await self.told(each for each in found if names is None or each.package.name in names)

    async def packages_of(self, contents: Collection[str]) -> Mapping[str, tuple[LivePackage, ...]]:
        """See `Reads.packages_of`: modules that say so in their metadata, and whose file has that hash."""
        found = await self.modules(any_of(f"metadata.{CONTENT_KEY}", sorted(contents)))
        return holding(contents, await self.told(found), lambda package: package.sha256)

    async def package(self, package_id: str) -> LivePackage | None:
        """See `Reads.package`."""
        found = await self.one("get-module", codec.module, module=package_id)
        if found is None or found.deleted:
            return None
        [package] = await self.told([found])
        return package

    async def told(self, modules: Iterable[Module]) -> tuple[LivePackage, ...]:
        """Modules as packages, each with the hash of its one file."""
        found = {
            each.package.id: replace(each.package, version=each.version, type=each.kind) for each in modules
        }
        held = await concurrently(list(found), self.held, limit=self.parallelism)
        return tuple(
            replace(package, sha256=next(iter(held[key].values())) if len(held[key]) == 1 else None)
            for key, package in found.items()
        )
