"""Ask the server for exactly what desired and owned things need.

    1  names that nobody owns yet          list-campaigns    (all of it before a deletion)
    2  every campaign that is or becomes ours    get-campaign
    3  names of vanished and renamed ones  list-campaigns
    4  gateways, where it matters who is in  list-gateways     all pages
       then, if there are gateways to lose or a list is declared: get-distribution-list
       and of those that declare an override or had one: get-gateway-packages
    5  packages that a difference would use    get-package, list-packages

Nothing is read twice, and nothing whose answer can't matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.model import (
    CampaignSummary,
    Claim,
    Desired,
    DesiredCampaign,
    Live,
    LiveCampaign,
    LivePackage,
    Membership,
    OnRemove,
    PackageById,
    PackageByName,
    PackageFile,
    PackageRef,
    ResourceId,
    Tie,
)
from reconciler.options import Options
from reconciler.ownership import tie
from reconciler.pool import concurrently
from reconciler.providers.base import Field, Provider
from reconciler.state.base import Owned, State, Uploaded, upload_key

MARK_LENGTH = 16


async def observe(desired: Desired, state: State, provider: Provider, options: Options) -> Live:
    """Read the live side of `desired` and `state`. ServerError when a read fails for good."""
    reading = _Reading(desired, state, provider, options)
    await reading.read_campaigns()
    await reading.read_members()
    return await reading.read_packages()


def removable(desired: Desired, state: State, options: Options) -> tuple[Owned, ...]:
    """Owned campaigns that a prune may delete: no longer declared, and not to be abandoned."""
    if not (options.prune and desired.complete):
        return ()
    declared = {campaign.resource for campaign in desired.campaigns}
    return tuple(
        owned
        for resource, owned in sorted(state.campaigns.items())
        if resource not in declared and owned.on_remove is OnRemove.DELETE
    )


def removable_packages(desired: Desired, state: State, options: Options) -> tuple[Uploaded, ...]:
    """Uploads of ours that no PackageSet declares any more, however, when a prune may delete them."""
    if not (options.prune and desired.complete):
        return ()
    declared = {_key(ref) for ref in desired.packages}
    return tuple(
        upload
        for sha256, upload in sorted(state.packages.items())
        if declared.isdisjoint((sha256, upload.id, upload.name))
    )


def _key(ref: PackageRef) -> str:
    match ref:
        case PackageFile():
            return ref.sha256
        case PackageById():
            return ref.id
        case _:
            return ref.name


def comparable(desired: Desired, claims: Mapping[ResourceId, Claim]) -> tuple[DesiredCampaign, ...]:
    """The declared campaigns that are ours, or may become so."""
    return tuple(
        c for c in desired.campaigns if claims[c.resource].held or claims[c.resource].tie is Tie.NONE
    )


def used_packages(campaigns: Iterable[DesiredCampaign]) -> tuple[PackageRef, ...]:
    """Every package that some campaign is to have, without repetition."""
    refs: dict[PackageRef, None] = {}
    for campaign in campaigns:
        refs.update(dict.fromkeys(campaign.packages or ()))
        for override in campaign.overrides or ():
            refs.update(dict.fromkeys(override.packages))
    return tuple(refs)


def _about_gateways(campaign: DesiredCampaign) -> bool:
    """Whether it matters who is in the campaign."""
    parts = (campaign.gateways, campaign.overrides, campaign.schedules, campaign.closed, campaign.things)
    return any(part is not None for part in parts)


@dataclass
class _Reading:
    """The reads of one run as they come in."""

    desired: Desired
    state: State
    provider: Provider
    options: Options
    names: dict[str, list[CampaignSummary]] = field(default_factory=lambda: defaultdict(list))
    known_names: set[str] = field(default_factory=set)
    whole: tuple[CampaignSummary, ...] | None = None
    by_id: dict[str, LiveCampaign | None] = field(default_factory=dict)
    claims: dict[ResourceId, Claim] = field(default_factory=dict)
    gone: set[ResourceId] = field(default_factory=set)
    campaigns: dict[ResourceId, LiveCampaign] = field(default_factory=dict)

    async def read_campaigns(self) -> None:
        declared = {campaign.resource: campaign for campaign in self.desired.campaigns}
        orphans = removable(self.desired, self.state, self.options)
        if orphans or removable_packages(self.desired, self.state, self.options):
            self.whole = await self.provider.campaigns()
            self._index(self.whole)
        unowned = [c for c in declared.values() if c.resource not in self.state.campaigns]
        lost = (self.state.intents.get(str(campaign.resource)) for campaign in unowned)
        await self._look_up((*(c.name for c in unowned), *(intent.name for intent in lost if intent)))
        await self._claim(declared.values(), self.state)
        await self._get(owned.id for owned in orphans)
        for owned in orphans:
            if live := self.by_id[owned.id]:
                self.campaigns[owned.resource] = live
            else:
                self.gone.add(owned.resource)

        vanished = [declared[resource] for resource in sorted(self.gone) if resource in declared]
        renamed = [c for c in declared.values() if c.resource in self.campaigns and self._renames(c)]
        await self._look_up(campaign.name for campaign in (*vanished, *renamed))
        without = {r: owned for r, owned in self.state.campaigns.items() if r not in self.gone}
        await self._claim(vanished, replace(self.state, campaigns=without))

    def _renames(self, campaign: DesiredCampaign) -> bool:
        return self.campaigns[campaign.resource].name != campaign.name

    def _index(self, summaries: Iterable[CampaignSummary]) -> None:
        for summary in summaries:
            self.names[summary.name].append(summary)

    async def _look_up(self, names: Iterable[str]) -> None:
        unknown = set(names) - self.known_names
        if self.whole is None and unknown:
            self._index(await self.provider.campaigns(unknown))
        self.known_names |= unknown

    async def _get(self, ids: Iterable[str]) -> None:
        self.by_id.update(await concurrently((i for i in ids if i not in self.by_id), self.provider.campaign))

    async def _claim(self, campaigns: Iterable[DesiredCampaign], state: State) -> None:
        """Tie `campaigns` to the server, and read those that are ours."""
        claims = tie(campaigns, self.desired, state, self.names, self.options)
        await self._get(made.ids[0] for made in claims.values() if made.held)
        for resource, made in claims.items():
            live = self.by_id[made.ids[0]] if made.held else None
            if live:
                self.campaigns[resource] = live
            elif made.held:
                self.gone.add(resource)
                made = Claim(Tie.NONE)  # noqa: PLW2901 - it vanished between list and read
            self.claims[resource] = made

    async def read_members(self) -> None:
        declared = {c.resource: c for c in self.desired.campaigns if c.resource in self.campaigns}

        async def read(resource: ResourceId) -> LiveCampaign:
            campaign, live = declared[resource], self.campaigns[resource]
            losing = False
            if _about_gateways(campaign):
                members = await self.provider.gateways(live.id)
                live = replace(live, gateways=members)
                losing = campaign.gateways is not None and bool(members.beyond(campaign.gateways))
                overridden = self._overridden(campaign, members)
                live = replace(live, overrides=await self.provider.overrides(live.id, overridden))
            if losing or campaign.distribution is not None:
                distribution = await self.provider.distribution_list(live.id)
                live = replace(live, distribution=distribution, distribution_read=True)
            return live

        self.campaigns.update(await concurrently(declared, read))

    def _overridden(self, campaign: DesiredCampaign, members: Membership) -> frozenset[str]:
        """Open members that declare an override, or had one."""
        if campaign.overrides is None or self.options.refresh_recorded:
            return frozenset()
        owned = self.state.campaigns.get(campaign.resource)
        had = owned.members.get(Field.OVERRIDES, {}).values() if owned else ()
        declared = (override.gateways for override in campaign.overrides)
        asked = frozenset().union(*declared, *had) - members.closed - (campaign.closed or frozenset())
        return asked - members.lacking(asked)

    async def read_packages(self) -> Live:
        wanted = used_packages(comparable(self.desired, self.claims))
        in_place = {package for live in self.campaigns.values() for package in live.packages}
        files = {ref.sha256 for ref in self.desired.packages if isinstance(ref, PackageFile)}
        ids = {ref.id for ref in wanted if isinstance(ref, PackageById)}
        ids |= {upload.id for sha256, upload in self.state.packages.items() if sha256 in files}
        ids |= {u.id for u in removable_packages(self.desired, self.state, self.options)}
        looked_up = await concurrently(sorted(ids - in_place), self.provider.package)
        exists = {i: i in in_place or looked_up[i] is not None for i in ids}

        names = {ref.name for ref in wanted if isinstance(ref, PackageByName)}
        lost = {
            sha256
            for sha256 in files
            if sha256 not in self.state.packages or not exists[self.state.packages[sha256].id]
        }
        marks = {s[:MARK_LENGTH] for s in lost if self.options.adopt or upload_key(s) in self.state.intents}
        listed = await self.provider.packages(None if marks else names) if marks or names else ()
        return Live(
            campaigns=self.campaigns,
            claims=self.claims,
            gone=frozenset(self.gone),
            namesakes={name: tuple(self.names.get(name, ())) for name in sorted(self.known_names)},
            package_ids=exists,
            named_packages=_grouped(names, listed, lambda package: package.name),
            marked_packages=_grouped(marks, listed, lambda package: package.mark),
            users=await self._users(exists),
        )

    async def _users(self, exists: Mapping[str, bool]) -> Mapping[str, frozenset[str]] | None:
        """Who uses which package, over every live campaign; read only before packages are deleted."""
        uploads = removable_packages(self.desired, self.state, self.options)
        if not uploads:
            return None
        if any(exists[upload.id] for upload in uploads):
            await self._get(summary.id for summary in self.whole or ())
        users: dict[str, set[str]] = defaultdict(set)
        for campaign_id, live in self.by_id.items():
            for package in live.packages if live else ():
                users[package].add(campaign_id)
        return {package: frozenset(ids) for package, ids in users.items()}


def _grouped(
    keys: Iterable[str], packages: Iterable[LivePackage], key_of: Callable[[LivePackage], str | None]
) -> dict[str, tuple[LivePackage, ...]]:
    """Key → the packages that have it, by id; empty where none has."""
    groups: dict[str, list[LivePackage]] = {key: [] for key in sorted(keys)}
    for package in packages:
        key = key_of(package)
        if key in groups:
            groups[key].append(package)
    return {key: tuple(sorted(group, key=lambda p: p.id)) for key, group in groups.items()}
