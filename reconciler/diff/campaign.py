"""One declared campaign against its live side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.diff.detail import details
from reconciler.diff.model import CampaignDiff, Run, RunWish
from reconciler.diff.packages import Bound
from reconciler.diff.settings import diff_settings, shown
from reconciler.diff.status import run_wish, wish_for_new
from reconciler.model import (
    BoundPackage,
    CampaignFields,
    Change,
    DesiredCampaign,
    DistributionList,
    Finding,
    GatewayChange,
    Json,
    LiveCampaign,
    PendingUpload,
    Reason,
    Severity,
    sorted_ids,
)
from reconciler.options import Options
from reconciler.providers.base import Field
from reconciler.state.base import Event, Owned


@dataclass(frozen=True, slots=True)
class Ask:
    """What a comparison needs beside both sides: the switches, and the salt of recorded secrets."""

    options: Options
    salt: str


@dataclass(frozen=True, slots=True)
class Found:
    """A campaign's difference, what to say about it, and what the state learns without a call."""

    difference: CampaignDiff
    findings: tuple[Finding, ...] = ()
    records: tuple[Event, ...] = ()


def diff_new(campaign: DesiredCampaign, bound: Bound, reason: Reason) -> Found:
    """A campaign that is to be created: every managed field is a change."""
    packages = _bind(campaign, bound)
    gained = sorted_ids((campaign.gateways or frozenset()) - (campaign.closed or frozenset()))
    rows: list[tuple[str, Json]] = [(Field.NAME, campaign.name)]
    if campaign.description is not None:
        rows.append((Field.DESCRIPTION, campaign.description))
    if packages is not None:
        rows.append((Field.PACKAGES, _shown(packages, bound)))
    rows += ((f"{Field.SETTINGS}.{key}", shown(v)) for key, v in sorted((campaign.settings or {}).items()))
    if campaign.distribution is not None:
        rows.append((Field.DISTRIBUTION, _distribution(campaign.distribution)))
    if campaign.status is not None:
        rows.append((Field.STATUS, campaign.status.value))
    changes = [Change(campaign.resource, name, None, after, reason) for name, after in rows]
    if gained:
        change = GatewayChange(0, len(gained), gained=gained)
        changes.append(Change(campaign.resource, Field.GATEWAYS, None, None, reason, change))
    difference = CampaignDiff(
        desired=campaign,
        live=None,
        fields=CampaignFields(campaign.name, campaign.description, packages, campaign.settings),
        changes=tuple(changes),
        gained=gained,
        distribution=campaign.distribution,
        wish=wish_for_new(campaign),
    )
    return Found(difference)


def diff_live(campaign: DesiredCampaign, live: LiveCampaign, owned: Owned, bound: Bound, ask: Ask) -> Found:
    """A campaign that is ours, or becomes ours by this plan."""
    packages = _bind(campaign, bound)
    settings = diff_settings(campaign, owned, ask.salt)
    wish = run_wish(campaign, live, owned, ask.options)
    edits = [*_field_changes(campaign, live, packages, bound), *settings.changes]
    distribution = _distribution_to_set(campaign, live)
    gained, lost, spared = _gateways(campaign, live)
    difference = CampaignDiff(
        desired=campaign,
        live=live,
        fields=CampaignFields(campaign.name, campaign.description, packages, settings.send),
        changes=(
            *edits,
            *_distribution_changes(campaign, live, distribution),
            *_gateway_changes(campaign, live, gained, lost),
            *_status_changes(campaign, live, wish),
        ),
        edit=bool(edits),
        gained=gained,
        lost=lost,
        distribution=distribution,
        wish=wish,
    )
    lossy = [settings.lossy] if edits and settings.lossy else []
    about_members = [_spared(campaign, len(spared))] if spared else []
    return Found(
        difference,
        findings=(*settings.findings, *lossy, *about_members, *wish.findings),
        records=(*settings.records, *wish.records),
    )


def _bind(campaign: DesiredCampaign, bound: Bound) -> tuple[BoundPackage, ...] | None:
    if campaign.packages is None:
        return None
    return tuple(dict.fromkeys(bound.packages[ref] for ref in campaign.packages))


def _shown(packages: tuple[BoundPackage, ...], bound: Bound) -> Json:
    """Packages as a change shows them: ids, and names of those still to be uploaded."""
    return [
        {"upload": bound.names[package]} if isinstance(package, PendingUpload) else package
        for package in packages
    ]


def _field_changes(
    campaign: DesiredCampaign, live: LiveCampaign, packages: tuple[BoundPackage, ...] | None, bound: Bound
) -> list[Change]:
    """Fields that can be read and that an edit sets. The order of packages means nothing."""
    rows: list[tuple[str, Json, Json]] = []
    if campaign.name != live.name:
        rows.append((Field.NAME, live.name, campaign.name))
    if campaign.description is not None and campaign.description != live.description:
        rows.append((Field.DESCRIPTION, live.description, campaign.description))
    if packages is not None and set(packages) != set(live.packages):
        rows.append((Field.PACKAGES, list(live.packages), _shown(packages, bound)))
    return [Change(campaign.resource, name, before, after, Reason.DIFFERS) for name, before, after in rows]


def _gateways(
    campaign: DesiredCampaign, live: LiveCampaign
) -> tuple[tuple[str, ...], tuple[str, ...], frozenset[str]]:
    """(gained, lost, spared). While a distribution list is set the server owns membership."""
    if campaign.gateways is None or live.gateways is None:
        return (), (), frozenset()
    gained = live.gateways.lacking(campaign.gateways - (campaign.closed or frozenset()))
    beyond = live.gateways.beyond(campaign.gateways)
    if live.distribution or campaign.distribution:
        return sorted_ids(gained), (), beyond
    return sorted_ids(gained), sorted_ids(beyond), frozenset()


def _gateway_changes(
    campaign: DesiredCampaign, live: LiveCampaign, gained: tuple[str, ...], lost: tuple[str, ...]
) -> list[Change]:
    if live.gateways is None or not (gained or lost):
        return []
    before = len(live.gateways)
    change = GatewayChange(before, before + len(gained) - len(lost), gained, lost)
    reason = Reason.DIFFERS if gained and lost else Reason.JOINS if gained else Reason.LEAVES
    return [Change(campaign.resource, Field.GATEWAYS, None, None, reason, change)]


def _spared(campaign: DesiredCampaign, count: int) -> Finding:
    return Finding(
        "membership-by-distribution-list",
        f"{campaign.resource} has {count} gateways that no list declares;"
        " they stay, for a distribution list decides who is a member",
        campaign.place_of("gatewayLists"),
        None,
        campaign.resource,
        Severity.NOTE,
    )


def _distribution_to_set(campaign: DesiredCampaign, live: LiveCampaign) -> DistributionList | None:
    wanted, current = campaign.distribution, live.distribution
    if wanted is None:
        return None
    if wanted.interval is None and current is not None:
        wanted = DistributionList(wanted.id, current.interval)
    return None if wanted == current else wanted


def _distribution_changes(
    campaign: DesiredCampaign, live: LiveCampaign, wanted: DistributionList | None
) -> list[Change]:
    if wanted is None:
        return []
    after = _distribution(wanted)
    if live.distribution is None:
        return [Change(campaign.resource, Field.DISTRIBUTION, None, after, Reason.DIFFERS)]
    return [
        Change(campaign.resource, f"{Field.DISTRIBUTION}.{path}", old, new, Reason.DIFFERS)
        for path, old, new in details(_distribution(live.distribution), after)
    ]


def _distribution(value: DistributionList) -> Mapping[str, Json]:
    interval = {} if value.interval is None else {"reevaluationIntervalSeconds": value.interval}
    return {"distributionListId": value.id, **interval}


def _status_changes(campaign: DesiredCampaign, live: LiveCampaign, wish: RunWish) -> list[Change]:
    targets = {Run.START: "STARTED", Run.STOP: "STOPPED"}
    after = targets.get(wish.run, "APPROVED" if wish.approve else None)
    return [Change(campaign.resource, Field.STATUS, live.status, after, wish.reason)] if after else []
