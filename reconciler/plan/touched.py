"""Which objects a plan touches, of all that were read for it. Pure.

Its steps and records touch the campaigns that they are about, the names that they take, the packages that
they carry, upload, recognise or delete, and what the state says of these. What is compared and left as it
is, is not touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model import (
    Action,
    Aspects,
    CreateCampaign,
    DeletePackage,
    EditCampaign,
    Live,
    LiveCampaign,
    ResourceId,
    Scope,
    UploadPackage,
    carried_by,
    target_of,
)
from reconciler.plan.model import Plan
from reconciler.state.base import (
    CampaignOwned,
    IntentDropped,
    IntentNoted,
    NoticeNoted,
    PackageForgotten,
    PackageUploaded,
    PlanApplied,
    SaltChosen,
    State,
)


@dataclass(frozen=True, slots=True)
class Touched:
    """What to read of the server; of which resources and uploads (by content) the state's word counts."""

    scope: Scope
    resources: frozenset[ResourceId]
    uploads: frozenset[str]


def touched_by(plan: Plan, live: Live, state: State) -> Touched:
    """What `plan` touches of `live` and `state`, which it was made from."""
    actions = [group.action for group in plan.groups]
    about = [action for action in actions if not isinstance(action, UploadPackage | DeletePackage)]
    owned = [record.owned for record in plan.records if isinstance(record, CampaignOwned)]
    resources = {action.resource for action in about} | set(_recorded(plan))
    uploads = set(_contents(plan))
    known = [state.packages[sha256] for sha256 in uploads if sha256 in state.packages]
    carried = {package for action in actions for package in _carried(action)}
    packages = carried | {upload.id for upload in known} | set(_recognised(plan))
    ids = {target for action in about if (target := target_of(action))} | {each.id for each in owned}
    for resource in resources:
        ids |= {each.id for each in (live.campaigns.get(resource), state.campaigns.get(resource)) if each}
    names = {name for action in about for name in _taken(action, live)}
    names |= {found.name for each in owned if (found := live.by_id.get(each.id))}
    deleted = {action.target for action in actions if isinstance(action, DeletePackage)}
    named = live.named_packages.items()
    return Touched(
        Scope(
            campaigns={key: _read_of(live.by_id[key]) for key in sorted(ids) if key in live.by_id},
            names=frozenset(names & live.namesakes.keys()),
            package_ids=frozenset(packages & live.package_ids.keys()),
            package_names=frozenset(name for name, found in named if packages & {each.id for each in found}),
            contents=frozenset(uploads & live.packages_by_content.keys()),
            users=frozenset(deleted) if live.users is not None else frozenset(),
        ),
        frozenset(resources),
        frozenset(uploads) | {s for s, upload in state.packages.items() if upload.id in packages},
    )


def _recorded(plan: Plan) -> Iterator[ResourceId]:
    """The campaigns that the records are about."""
    for record in plan.records:
        match record:
            case CampaignOwned(owned):
                yield owned.resource
            case PackageUploaded() | PackageForgotten() | IntentNoted() | IntentDropped():
                pass
            case PlanApplied() | SaltChosen() | NoticeNoted():
                pass
            case _:
                yield record.resource


def _contents(plan: Plan) -> Iterator[str]:
    """The contents of packages that come, go or are recognised."""
    for group in plan.groups:
        match group.action:
            case UploadPackage(file=file):
                yield file.sha256
            case DeletePackage(sha256=str() as sha256):
                yield sha256
    for record in plan.records:
        match record:
            case PackageUploaded(uploaded):
                yield uploaded.sha256
            case PackageForgotten(sha256):
                yield sha256


def _recognised(plan: Plan) -> Iterator[str]:
    yield from (record.uploaded.id for record in plan.records if isinstance(record, PackageUploaded))


def _carried(action: Action) -> Iterator[str]:
    """The packages that have to be there for `action`."""
    yield from (package for package in carried_by(action) if isinstance(package, str))
    if isinstance(action, DeletePackage):
        yield action.target


def _taken(action: Action, live: Live) -> Iterator[str]:
    """The name that `action` gives to a campaign that had none, or another one."""
    if isinstance(action, CreateCampaign | EditCampaign):
        target = target_of(action)
        found = live.by_id.get(target) if target else None
        if found is None or found.name != action.fields.name:
            yield action.fields.name


def _read_of(found: LiveCampaign | None) -> Aspects:
    """What was read of a campaign."""
    if found is None:
        return Aspects()
    return Aspects(found.gateways is not None, found.distribution_read, frozenset(found.overrides))
