"""What a state holds of one resource, and how that is given to another resource, or forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.model import Kind, ResourceId
from reconciler.state.base import (
    CampaignForgotten,
    CampaignOwned,
    Event,
    Intent,
    IntentDropped,
    IntentNoted,
    Owned,
    PackageForgotten,
    PackageUploaded,
    State,
    Uploaded,
)


@dataclass(frozen=True, slots=True)
class StateEntry:
    """A campaign that is owned or was about to be created, or the packages that a PackageSet asked for."""

    resource: ResourceId
    owned: Owned | None = None
    intent: Intent | None = None
    uploads: tuple[Uploaded, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """What it is about on the server."""
        return (*((self.owned.id,) if self.owned else ()), *(upload.id for upload in self.uploads))

    def moved(self, to: ResourceId) -> Iterator[Event]:
        """It belongs to `to`, a resource of the same kind that holds nothing, from now on."""
        if self.owned:
            yield CampaignOwned(replace(self.owned, resource=to))
        if self.intent:
            yield IntentNoted(replace(self.intent, key=str(to)))
        yield from (PackageUploaded(replace(upload, resource=to)) for upload in self.uploads)
        if self.resource.kind is Kind.CAMPAIGN:
            yield from self.forgotten()

    def forgotten(self) -> Iterator[Event]:
        """The state knows nothing of it any more."""
        if self.owned:
            yield CampaignForgotten(self.resource)
        if self.intent:
            yield IntentDropped(self.intent.key)
        yield from (PackageForgotten(upload.sha256) for upload in self.uploads)


def entries(state: State) -> Mapping[ResourceId, StateEntry]:
    """Every resource that `state` holds something of, sorted."""
    found = {resource: StateEntry(resource, owned) for resource, owned in state.campaigns.items()}
    for key, intent in state.intents.items():
        if resource := _campaign(key):
            found[resource] = replace(found.get(resource, StateEntry(resource)), intent=intent)
    for upload in sorted(state.packages.values(), key=lambda upload: (upload.name, upload.sha256)):
        entry = found.get(upload.resource, StateEntry(upload.resource))
        found[upload.resource] = replace(entry, uploads=(*entry.uploads, upload))
    return dict(sorted(found.items()))


def _campaign(key: str) -> ResourceId | None:
    """The campaign that an intent is about; None for an upload."""
    try:
        return ResourceId.parse(key)
    except ValueError:
        return None
