"""What is ours and no longer declared: deleted, abandoned, or left with a word.

| onRemove | --prune | live | outcome                                       |
|----------|---------|------|-----------------------------------------------|
| delete   | yes     | yes  | deleted                                       |
| delete   | yes     | no   | forgotten                                     |
| delete   | no      | any  | stays, with a note                            |
| abandon  | any     | any  | forgotten, with a note                        |

A create whose answer was lost, and that Git has given up since, may have made the campaign that has its name:
that one is not deleted, but named. When there is none, the create is forgotten.

Nothing is removed that a declared resource claims, or while a part of the project is left out. An upload
goes only when, after this plan, no live campaign uses it; one that gateways of an abandoned campaign have of
their own is given up, because nobody can see whether they still do. A PackageSet may keep some of its earlier
uploads, the newest ones: what was rolled out before is there for a way back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from reconciler.diff.model import CampaignDiff, Removal
from reconciler.diff.refusals import not_answering
from reconciler.diff.replacement import formers_of
from reconciler.diff.untargeted import heirs, not_deleted
from reconciler.model import (
    Change,
    ChangedIn,
    Desired,
    Finding,
    Live,
    LiveCampaign,
    OnRemove,
    PackageById,
    Phase,
    Reason,
    ResourceId,
    Severity,
)
from reconciler.options import Options
from reconciler.ownership import overriding, removable, unanswered, unanswered_uploads
from reconciler.providers.base import Field
from reconciler.state.base import (
    CampaignAbandoned,
    CampaignForgotten,
    Event,
    Intent,
    IntentDropped,
    Owned,
    PackageForgotten,
    State,
    Uploaded,
    upload_key,
)
from reconciler.text import first, id_form, plural

_FEW: Final = 3
REMOVED_CAMPAIGN: Final = "campaign"
"""The field of the change by which a campaign is deleted."""


def remove_campaigns(
    desired: Desired, live: Live, state: State, options: Options
) -> tuple[tuple[Removal, ...], tuple[Finding, ...], tuple[Event, ...]]:
    """(to delete, words about what stays, what the state forgets)."""
    taking_over = heirs(desired, state)
    uploads = defaultdict(list)
    for sha256, upload in state.packages.items():
        uploads[upload.id].append(sha256)
    claimed = {id_form(i) for claim in live.claims.values() for i in claim.ids}
    deletable = {owned.resource for owned in removable(desired, state, options)}
    removals: list[Removal] = []
    findings: list[Finding] = []
    forgotten: list[Event] = []
    for resource in sorted(desired.removed(state.campaigns)):
        owned = state.campaigns[resource]
        if id_form(owned.id) in claimed:
            continue
        if owned.on_remove is OnRemove.ABANDON:
            findings.append(_abandoned(resource, owned))
            left = sorted(sha256 for package in overriding(owned) for sha256 in uploads.get(package, ()))
            forgotten.append(CampaignAbandoned(resource, tuple(left)))
        elif resource not in deletable:
            findings.append(_stays(resource, owned))
        elif resource in live.unreadable:
            findings.append(not_answering(resource, owned.id))
        elif found := live.campaigns.get(resource):
            if heir := taking_over.get(found.name):
                findings.append(not_deleted(resource, found, heir))
            else:
                formers, about = formers_of(owned, live)
                removals.append(Removal(owned, found, formers))
                forgotten += about
        else:
            forgotten.append(CampaignForgotten(resource))
    ours = claimed | {id_form(owned.id) for owned in state.campaigns.values()}
    for resource, intent in unanswered(desired, state).items():
        named = {found.id for found in live.namesakes.get(intent.name, ())}
        if perhaps := {each for each in named if id_form(each) not in ours}:
            findings.append(_perhaps_ours(resource, intent, perhaps))
        else:
            forgotten.append(IntentDropped(str(resource)))
    return tuple(removals), tuple(findings), tuple(forgotten)


def remove_packages(
    live: Live,
    state: State,
    candidates: Collection[Uploaded],
    campaigns: Collection[CampaignDiff],
    removals: Collection[Removal],
    *,
    keep: Mapping[ResourceId, int],
    given_up: Collection[Event],
) -> tuple[tuple[Uploaded, ...], tuple[Finding, ...], tuple[Event, ...]]:
    """The same for uploads; `candidates` are ours and no longer declared, `given_up` tells of campaigns.

    `keep`: see `Desired.keep`.
    """
    if not candidates or live.users is None:
        return (), (), ()
    after: dict[str, Collection[object]] = {r.live.id: () for r in removals if _known(r.live)}
    # Campaigns that are replaced are deleted, since packages are only asked for with a prune.
    formers = (*(each.formers for each in removals), *(found.formers for found in campaigns))
    after |= {former.id: () for each in formers for former in each if former.live and not former.staying}
    for found in campaigns:
        if found.itself and found.itself.staying:
            continue
        if found.live and _known(found.live) and found.fields.packages is not None:
            after[found.live.id] = () if found.successor else frozenset(found.fields.packages)
    wanted = {package for packages in after.values() for package in packages}
    created = (found.successor or found for found in campaigns if found.create or found.successor)
    wanted |= {package for each in created for package in each.fields.packages or ()}
    wanted |= _overriding(state, {removal.owned.resource for removal in removals})
    left = {sha256 for event in given_up if isinstance(event, CampaignAbandoned) for sha256 in event.uploads}
    removed: list[Uploaded] = []
    findings: list[Finding] = []
    forgotten: list[Event] = []
    earlier = defaultdict[ResourceId, list[Uploaded]](list)
    for upload in candidates:
        spelled = live.spelled.get(upload.id, upload.id)
        users = [i for i in live.users.get(spelled, ()) if spelled in after.get(i, (spelled,))]
        if not live.package_ids.get(upload.id):
            forgotten.append(PackageForgotten(upload.sha256))
        elif upload.left_behind or upload.sha256 in left:
            findings.append(_left_behind(upload))
            forgotten.append(PackageForgotten(upload.sha256))
        elif users or not wanted.isdisjoint((upload.id, spelled)):
            findings.append(_in_use(upload, users))
            earlier[upload.resource].append(upload)
        else:
            removed.append(upload)
            earlier[upload.resource].append(upload)
    for resource, count in keep.items():
        newest = sorted(earlier[resource], key=lambda each: (each.since or 0, each.sha256))[-count:]
        digests = {each.sha256 for each in newest}
        if kept := [each for each in removed if each.sha256 in digests]:
            removed = [each for each in removed if each.sha256 not in digests]
            findings.append(_kept(resource, count, kept))
    return tuple(removed), tuple(findings), tuple(forgotten)


def lost_uploads(desired: Desired, live: Live, state: State) -> tuple[tuple[Finding, ...], tuple[Event, ...]]:
    """(packages that an interrupted upload of a file may have made that is given up, what is forgotten)."""
    ours = {id_form(upload.id) for upload in state.packages.values()}
    ours |= {id_form(ref.id) for ref in desired.packages if isinstance(ref, PackageById)}
    findings: list[Finding] = []
    forgotten: list[Event] = []
    for sha256, intent in unanswered_uploads(desired, state).items():
        here = intent.made(each.id for each in live.packages_by_content.get(sha256, ()))
        made = sorted(each for each in here if id_form(each) not in ours)
        if made:
            findings.append(_perhaps_uploaded(intent, made))
        else:
            forgotten.append(IntentDropped(upload_key(sha256)))
    return tuple(findings), tuple(forgotten)


def _overriding(state: State, going: Collection[ResourceId]) -> set[str]:
    """Packages that an override of a campaign that stays gave to some gateway."""
    staying = (owned for resource, owned in state.campaigns.items() if resource not in going)
    return {package for owned in staying for package in overriding(owned)}


def _known(live: LiveCampaign) -> bool:
    """Whether its status is known; else the plan may have to leave the campaign as it is."""
    return live.phase is not Phase.UNKNOWN


def campaign_removed(removal: Removal) -> Change:
    live = removal.live
    before: Mapping[str, str] = {"id": live.id, "name": live.name, "status": live.status}
    return Change(
        removal.owned.resource,
        REMOVED_CAMPAIGN,
        before,
        None,
        Reason.REMOVED_FROM_GIT,
        changed_in=ChangedIn.GIT,
    )


def package_removed(upload: Uploaded) -> Change:
    before = {"id": upload.id, "name": upload.name, "sha256": upload.sha256}
    return Change(
        upload.resource, Field.PACKAGES, before, None, Reason.NO_LONGER_USED, changed_in=ChangedIn.GIT
    )


def _stays(resource: ResourceId, owned: Owned) -> Finding:
    return Finding(
        "not-declared",
        f"{resource} (id {owned.id}) is ours and no longer declared; it stays on the server",
        hint="delete it with --prune",
        resource=resource,
        severity=Severity.NOTE,
    )


def _abandoned(resource: ResourceId, owned: Owned) -> Finding:
    return Finding(
        "abandoned",
        f"{resource} (id {owned.id}) is no longer declared; it stays on the server and is no longer ours",
        resource=resource,
        severity=Severity.NOTE,
    )


def _perhaps_ours(resource: ResourceId, intent: Intent, ids: Collection[str]) -> Finding:
    return Finding(
        "perhaps-ours",
        "it is no longer declared, and an apply that was to create it was interrupted: the campaign"
        f" {intent.name!r} (id {', '.join(sorted(ids))}) may be ours; it stays on the server",
        hint="delete it on the server if it is, or declare it again",
        resource=resource,
        severity=Severity.NOTE,
    )


def _perhaps_uploaded(intent: Intent, ids: Sequence[str]) -> Finding:
    packages = "the package" if len(ids) == 1 else f"the {len(ids)} packages"
    return Finding(
        "perhaps-ours",
        f"the file {intent.name} is no longer declared, and an apply that was to upload it was interrupted:"
        f" {packages} of its content (id {', '.join(ids)}) may be ours, and"
        f" {'stays' if len(ids) == 1 else 'stay'} on the server",
        hint=f"`reconciler package delete {ids[0]}` where no campaign uses it, or declare the file again",
        severity=Severity.NOTE,
    )


def _left_behind(upload: Uploaded) -> Finding:
    return Finding(
        "abandoned",
        f"the package {upload.name} (id {upload.id}) is no longer declared; it stays on the server and is"
        " no longer ours, for gateways of an abandoned campaign were given it",
        resource=upload.resource,
        severity=Severity.NOTE,
    )


def _in_use(upload: Uploaded, users: Collection[str]) -> Finding:
    who = f"campaigns {', '.join(sorted(users))} use it" if users else "a campaign of this project uses it"
    return Finding(
        "package-in-use",
        f"the package {upload.name} (id {upload.id}) is no longer declared; it stays, for {who}",
        resource=upload.resource,
        severity=Severity.NOTE,
    )


def _kept(resource: ResourceId, count: int, kept: Sequence[Uploaded]) -> Finding:
    named = first([f"{each.name} (id {each.id})" for each in kept], _FEW)
    return Finding(
        "upload-kept",
        f"{resource} keeps {plural(count, 'earlier upload')} for a way back: {named}",
        resource=resource,
        severity=Severity.NOTE,
    )
