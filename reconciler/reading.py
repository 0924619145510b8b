"""The one reader: what a scope asks for and nobody has read yet.

campaigns by name or all of them   list-campaigns
campaigns by id                    get-campaign
and of each, at the same time      list-gateways (all pages), get-gateway-packages, get-distribution-list
packages                           get-package, list-packages by name or content
names of packages                  get-package
who uses packages                  get-campaign of all that are listed
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from reconciler.errors import Refused
from reconciler.model import Aspects, CampaignSummary, Live, LiveCampaign, LivePackage, Membership, Scope
from reconciler.pool import concurrently
from reconciler.providers.base import Facts, Reads
from reconciler.text import id_form

_Listed = TypeVar("_Listed", CampaignSummary, LivePackage)


async def read(scope: Scope, reads: Reads, live: Live | None = None) -> Live:
    """`live` with all that `scope` asks for; nothing is read twice. ServerError when a read fails for good.

    A package that a campaign has is there. What a campaign that isn't there would have is not read.
    """
    live = live or Live()
    live = await _names(scope, reads, live)
    live = await _campaigns(scope.campaigns, reads, live)
    live = await _packages(scope, reads, live)
    if scope.users:
        live = await _users(reads, live)
    return replace(live, scope=live.scope | scope)


def forgotten(live: Live, scope: Scope) -> Live:
    """`live` as if nobody had read what `scope` asks for: to read it again."""
    return replace(
        live,
        by_id={key: found for key, found in live.by_id.items() if key not in scope.campaigns},
        listed=None if scope.whole else live.listed,
        namesakes={name: found for name, found in live.namesakes.items() if name not in scope.names},
        package_ids={key: there for key, there in live.package_ids.items() if key not in scope.package_ids},
        packages_by_content={
            sha256: found
            for sha256, found in live.packages_by_content.items()
            if sha256 not in scope.contents
        },
    )


async def _names(scope: Scope, reads: Reads, live: Live) -> Live:
    """Names answer from the whole list where it was read."""
    unknown = scope.names - live.namesakes.keys()
    if (scope.whole or scope.users) and live.listed is None:
        live = replace(live, listed=await reads.campaigns())
    if not unknown:
        return live
    listed = await reads.campaigns(unknown) if live.listed is None else live.listed
    return replace(live, namesakes={**live.namesakes, **_grouped(unknown, listed, lambda each: each.name)})


async def _campaigns(wanted: Mapping[str, Aspects], reads: Reads, live: Live) -> Live:
    async def more(campaign_id: str) -> LiveCampaign | None:
        found = by_id[campaign_id]
        return found and await _aspects(found, wanted[campaign_id], reads)

    by_id = {
        **live.by_id,
        **await _by_id(_missing(wanted, live), reads),
    }
    asked = [i for i, aspects in wanted.items() if aspects != Aspects()]
    by_id |= await concurrently(asked, more, limit=reads.parallelism)
    of_ours = {resource: by_id[known.id] or known for resource, known in live.campaigns.items()}
    return replace(live, by_id=by_id, campaigns=of_ours)


async def _by_id(ids: Iterable[str], reads: Reads) -> dict[str, LiveCampaign | None]:
    """Each under the id that it was asked for by, however the server writes it."""

    async def one(campaign_id: str) -> LiveCampaign | None:
        found = await reads.campaign(campaign_id)
        return found if found is None or found.id == campaign_id else replace(found, id=campaign_id)

    return await concurrently(ids, one, limit=reads.parallelism)


def _missing(ids: Iterable[str], live: Live) -> list[str]:
    return [each for each in ids if each not in live.by_id]


async def _aspects(live: LiveCampaign, wanted: Aspects, reads: Reads) -> LiveCampaign:
    if wanted.members and live.gateways is None:
        live = replace(live, gateways=await reads.gateways(live.id))
    members = live.gateways or Membership()
    asked = wanted.overrides - live.overrides.keys() - members.closed
    if asked := asked - members.lacking(asked):
        overrides = await reads.overrides(live.id, asked)
        live = replace(live, overrides={**live.overrides, **overrides})
    if wanted.distribution and not live.distribution_read:
        distribution = await reads.distribution_list(live.id)
        live = replace(live, distribution=distribution, distribution_read=True)
    return live


async def _packages(scope: Scope, reads: Reads, live: Live) -> Live:
    in_place = {package for campaign in live.by_id.values() if campaign for package in campaign.packages}
    ids = scope.package_ids - live.package_ids.keys()
    used = {id_form(package): package for package in in_place}
    known = {each: used[form] for each in ids if (form := id_form(each)) in used}
    looked_up = await concurrently(sorted(ids - known.keys()), reads.package, limit=reads.parallelism)
    known |= {each: found.id for each, found in looked_up.items() if found}
    exists = {each: each in known for each in ids}
    names = scope.package_names - live.named_packages.keys()
    contents = scope.contents - live.packages_by_content.keys()
    listed = await reads.packages(names) if names else ()
    found = await reads.packages_of(contents) if contents else {}
    called = {**live.called, **{each.id: each for each in looked_up.values() if each}}
    called |= await _called(sorted(scope.called - called.keys()), reads)
    return replace(
        live,
        called=called,
        package_ids={**live.package_ids, **exists},
        spelled={**live.spelled, **{each: found for each, found in known.items() if found != each}},
        named_packages={**live.named_packages, **_grouped(names, listed, lambda each: each.name)},
        packages_by_content={**live.packages_by_content, **found},
    )


async def _called(ids: Iterable[str], reads: Reads) -> Mapping[str, LivePackage]:
    """What packages are called. A name is only comfort: who may not read it does without."""

    async def one(package_id: str) -> LivePackage | None:
        try:
            return await reads.package(package_id)
        except Refused:
            return None

    found = await concurrently(ids, one, limit=reads.parallelism)
    return {package_id: package for package_id, package in found.items() if package is not None}


async def _users(reads: Reads, live: Live) -> Live:
    read_already = {id_form(each) for each in live.by_id}
    listed = (summary.id for summary in live.listed or ())
    everybody = [each for each in listed if id_form(each) not in read_already]
    by_id = {**live.by_id, **await _by_id(everybody, reads)}
    users: dict[str, set[str]] = defaultdict(set)
    for campaign_id, campaign in by_id.items():
        for package in campaign.packages if campaign else ():
            users[package].add(campaign_id)
    return replace(live, by_id=by_id, users={package: frozenset(ids) for package, ids in users.items()})


def _grouped(
    keys: Collection[str], listed: Iterable[_Listed], key_of: Callable[[_Listed], str | None]
) -> dict[str, tuple[_Listed, ...]]:
    """Key → what has it, by id; empty where nothing has."""
    groups: dict[str, list[_Listed]] = {key: [] for key in sorted(keys)}
    for each in listed:
        key = key_of(each)
        if key in groups:
            groups[key].append(each)
    return {key: tuple(sorted(group, key=lambda each: each.id)) for key, group in groups.items()}


def operations_of(live: Live, facts: Facts) -> frozenset[str]:
    """The operations that it takes to read `live`."""
    campaigns = [campaign for campaign in live.by_id.values() if campaign]
    in_place = {package for campaign in campaigns for package in campaign.packages}
    made = {
        "campaigns": live.listed is not None or bool(live.namesakes),
        "campaign": bool(live.by_id),
        "gateways": any(campaign.gateways is not None for campaign in campaigns),
        "distribution_list": any(campaign.distribution_read for campaign in campaigns),
        "overrides": any(campaign.overrides for campaign in campaigns),
        "packages": bool(live.named_packages),
        "packages_of": bool(live.packages_by_content),
        "package": not live.package_ids.keys() <= in_place or bool(live.scope.called),
    }
    return frozenset(facts.reads[name] for name, read in made.items() if read and name in facts.reads)
