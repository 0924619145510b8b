"""What is ours: which live campaign a declared one is tied to, and what a prune may delete. Pure.

| state knows it | live campaigns of its name                     | tie       |
|----------------|------------------------------------------------|-----------|
| `import` says  | any                                            | ADOPTED   |
| yes, a successor was about to be created | one of its name that isn't ours | SUCCEEDED |
| yes            | any                                            | OWNED     |
| no             | one is owned by a resource no longer declared  | MOVED     |
| no             | none, or only those that leave the name        | NONE      |
| no             | several                                        | AMBIGUOUS |
| no             | one, owned by another resource                 | NOT_OURS  |
| no, an intent  | one                                            | RECOVERED |
| no             | one, and ``--adopt``                           | ADOPTED   |
| no             | one                                            | NOT_OURS  |

An intent counts for the name that it was noted with. What is no longer declared is known only when every
resource of the project is there.

Where a server has successors, a campaign may have made room for one: its name then is the declared one and
its own id. Such a one counts as a campaign of the declared name where there is no other and it hasn't ended,
and else as a predecessor of the one that there is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from reconciler.model import (
    CampaignSummary,
    Claim,
    Desired,
    DesiredCampaign,
    Kind,
    OnRemove,
    Ownership,
    PackageById,
    PackageFile,
    PackageRef,
    Phase,
    ResourceId,
)
from reconciler.options import Options
from reconciler.providers.base import Facts, Field
from reconciler.state.applied import packages_of
from reconciler.state.base import (
    CampaignForgotten,
    CampaignOwned,
    CampaignReplaced,
    Event,
    Intent,
    OnRemoveSet,
    Origin,
    Owned,
    Predecessor,
    State,
    Uploaded,
    upload_key,
)
from reconciler.text import id_form

Declared = Mapping[ResourceId, DesiredCampaign]
Names = Mapping[str, Sequence[CampaignSummary]]
_ALONE: Mapping[str, Sequence[CampaignSummary]] = MappingProxyType({})
_NEW = frozenset({Phase.READY, Phase.WAITING})


def owners_of(state: State) -> dict[str, ResourceId]:
    """Campaign id → the resource that owns it, predecessors too."""
    return {
        key: resource
        for resource, owned in state.campaigns.items()
        for key in (*(each.id for each in owned.predecessors), owned.id)
    }


def retired(names: Collection[str], listed: Iterable[CampaignSummary], facts: Facts) -> Names:
    """Name → the campaigns that made room for a successor of that name, by id."""
    marked = [each for each in listed if each.name.endswith(facts.retired_name("", each.id))]
    if not marked:
        return {}
    made: dict[str, list[CampaignSummary]] = {}
    for name in sorted(names):
        if found := [each for each in marked if each.name == facts.retired_name(name, each.id)]:
            made[name] = sorted(found, key=lambda each: each.id)
    return made


def claims_of(  # noqa: C901 - a row of the table each
    campaigns: Iterable[DesiredCampaign],
    desired: Desired,
    state: State,
    names: Names,
    options: Options,
    *,
    retired: Names = _ALONE,
    phase: Callable[[str], Phase] = lambda _: Phase.UNKNOWN,
) -> dict[ResourceId, Claim]:
    """The tie of each of `campaigns`; `names` holds the live campaigns of every name that isn't owned yet.

    `retired`: name → those that made room for a successor. `phase`: what a status means.
    """
    declared = {campaign.resource: campaign for campaign in desired.campaigns}
    everywhere = desired.declared
    owners = {id_form(key): resource for key, resource in owners_of(state).items()}

    def owner(campaign_id: str) -> ResourceId | None:
        return owners.get(id_form(campaign_id))

    def strangers(name: str) -> list[str]:
        return [live.id for live in names.get(name, ()) if owner(live.id) is None]

    def one(campaign: DesiredCampaign) -> Claim:
        if given := options.imports.get(campaign.resource):
            return Claim(Ownership.ADOPTED, (given,))
        intent = state.intents.get(str(campaign.resource))
        if owned := state.campaigns.get(campaign.resource):
            made = strangers(intent.name) if intent and intent.replaces == owned.id else []
            if len(made) > 1:
                return Claim(Ownership.AMBIGUOUS, tuple(sorted(made)))
            return Claim(Ownership.SUCCEEDED, tuple(made)) if made else Claim(Ownership.OWNED, (owned.id,))
        if intent and intent.name != campaign.name and (lost := strangers(intent.name)):
            # Made by a create whose answer was lost; the name was changed in Git since.
            return Claim(Ownership.RECOVERED if len(lost) == 1 else Ownership.AMBIGUOUS, tuple(sorted(lost)))
        namesakes = names.get(campaign.name, ())
        moved = [
            state.campaigns[of].id for live in namesakes if (of := owner(live.id)) and of not in everywhere
        ]
        if len(moved) == 1 and desired.complete:
            return Claim(Ownership.MOVED, tuple(moved))
        match [live.id for live in namesakes if not _leaves(live, owner(live.id), declared)]:
            case []:
                return gone_before(campaign)
            case [rival]:
                ours = intent is not None and intent.name == campaign.name
                alone = (
                    Ownership.RECOVERED
                    if ours
                    else Ownership.ADOPTED
                    if options.adopt
                    else Ownership.NOT_OURS
                )
                before = earlier(campaign)
                status = next(live.status for live in namesakes if live.id == rival)
                over = {each.id for each in before if phase(each.status) is Phase.ENDED}
                return Claim(
                    Ownership.NOT_OURS if owner(rival) else alone,
                    (rival,),
                    predecessors=tuple(each.id for each in before),
                    ended=frozenset() if phase(status) in _NEW else frozenset(over),
                )
            case rivals:
                return Claim(Ownership.AMBIGUOUS, tuple(sorted(rivals)))

    def earlier(campaign: DesiredCampaign) -> list[CampaignSummary]:
        """Nobody's campaigns that made room for one of the name."""
        return [live for live in retired.get(campaign.name, ()) if owner(live.id) is None]

    def gone_before(campaign: DesiredCampaign) -> Claim:
        """Of a campaign whose name nobody has: one may have made room for a successor that never came."""
        match [live for live in earlier(campaign) if phase(live.status) is not Phase.ENDED]:
            case []:
                return Claim(Ownership.NONE)
            case [live]:
                tie = Ownership.ADOPTED if options.adopt else Ownership.NOT_OURS
                return Claim(tie, (live.id,), name=live.name)
            case several:
                return Claim(Ownership.AMBIGUOUS, tuple(live.id for live in several))

    return {campaign.resource: one(campaign) for campaign in campaigns}


def _leaves(live: CampaignSummary, owner: ResourceId | None, declared: Declared) -> bool:
    """Whether a live campaign belongs to a resource that this run gives another name."""
    return owner is not None and owner in declared and declared[owner].name != live.name


def unanswered(desired: Desired, state: State) -> dict[ResourceId, Intent]:
    """Creates of ours whose answer was lost, and whose campaign Git has given up since."""
    creates = {
        ResourceId.parse(key): intent
        for key, intent in sorted(state.intents.items())
        if key.startswith(f"{Kind.CAMPAIGN}/")
    }
    removed = desired.removed(
        resource for resource, it in creates.items() if it.replaces or resource not in state.campaigns
    )
    return {resource: intent for resource, intent in creates.items() if resource in removed}


def unanswered_uploads(desired: Desired, state: State) -> dict[str, Intent]:
    """SHA-256 → an upload of ours whose answer was lost, and whose file Git has given up since.

    Which files are declared is a question to the whole project.
    """
    if not desired.complete or desired.focus:
        return {}
    declared = {upload_key(ref.sha256) for ref in desired.packages if isinstance(ref, PackageFile)}
    uploads = {key: it for key, it in sorted(state.intents.items()) if key.startswith(upload_key(""))}
    return {key.removeprefix(upload_key("")): it for key, it in uploads.items() if key not in declared}


def owned_by(
    campaign: DesiredCampaign, claim: Claim, state: State, by_id: Mapping[str, Owned]
) -> tuple[Owned | None, tuple[Event, ...]]:
    """What we own of `campaign` once the tie is recorded, and the events that record it.

    `by_id`: the campaigns of `state` by their id on the server.
    """
    resource, on_remove = campaign.resource, campaign.on_remove
    match claim.ownership:
        case Ownership.OWNED:
            owned = state.campaigns[resource]
            if owned.id != claim.ids[0]:
                # The server lists the campaign under another spelling of its id.
                respelled = replace(owned, id=claim.ids[0], on_remove=on_remove)
                return respelled, (CampaignOwned(respelled),)
            if owned.on_remove == on_remove:
                return owned, ()
            return replace(owned, on_remove=on_remove), (OnRemoveSet(resource, on_remove),)
        case Ownership.SUCCEEDED:
            intent, before = state.intents[str(resource)], state.campaigns[resource]
            event = CampaignReplaced(
                resource, before.id, claim.ids[0], intent.return_to, intent.applied, since=intent.since
            )
            owned = replace(before.succeeded(event), on_remove=on_remove)
            more = (OnRemoveSet(resource, on_remove),) if on_remove != before.on_remove else ()
            return owned, (event, *more)
        case Ownership.ADOPTED:
            ended = claim.ended
            predecessors = tuple(Predecessor(each, each in ended) for each in claim.predecessors)
            owned = Owned(resource, claim.ids[0], Origin.ADOPTED, on_remove, predecessors=predecessors)
            return owned, (CampaignOwned(owned),)
        case Ownership.RECOVERED:
            applied = state.intents[str(resource)].applied
            owned = Owned(resource, claim.ids[0], Origin.CREATED, on_remove, applied=applied)
            return owned, (CampaignOwned(owned),)
        case Ownership.MOVED:
            before = by_id[claim.ids[0]]
            owned = replace(before, resource=resource, on_remove=on_remove)
            return owned, (CampaignForgotten(before.resource), CampaignOwned(owned))
        case _:
            return None, ()


def overriding(owned: Owned) -> frozenset[str]:
    """Packages that an override gave to some gateway of a campaign of ours."""
    values = owned.members.get(Field.OVERRIDES, {})
    return frozenset().union(*map(packages_of, values))


def removable(desired: Desired, state: State, options: Options) -> tuple[Owned, ...]:
    """Owned campaigns that a prune may delete: no longer declared, and not to be abandoned."""
    removed = sorted(desired.removed(state.campaigns)) if options.prune else ()
    owned = (state.campaigns[resource] for resource in removed)
    return tuple(each for each in owned if each.on_remove is OnRemove.DELETE)


def removable_packages(desired: Desired, state: State, options: Options) -> tuple[Uploaded, ...]:
    """Uploads of ours that no PackageSet declares any more, however, when a prune may delete them.

    Who uses them is a question to the whole project.
    """
    if not (options.prune and desired.complete) or desired.focus:
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
        c
        for c in desired.campaigns
        if claims[c.resource].held or claims[c.resource].ownership is Ownership.NONE
    )
