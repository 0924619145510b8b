"""What a plan needs of a project's state, as lines of a snapshot: what is ours, and what was last applied.

The lines are the events that make such a state. Digests of secrets stay behind, and so does the salt: who
holds both can try out every value of a short secret, and a snapshot is made to be handed on. What is left of
a secret is that there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.snapshot.file import SnapshotFile, Writer, explained, parts
from reconciler.state.applied import withheld
from reconciler.state.base import (
    CampaignOwned,
    Event,
    IntentNoted,
    MembersApplied,
    PackageUploaded,
    State,
)
from reconciler.state.codec import decode_event, encode_event
from reconciler.state.folding import fold


def write_state(state: State, writer: Writer) -> None:
    """The lines of `state`."""
    for event in _events(state):
        writer.line("state", event=withheld(encode_event(event)))


def read_state(snapshot: SnapshotFile) -> State:
    """The state as far as the snapshot has it, belonging to its server; without lineage and salt."""
    version = snapshot.header.state_version
    with explained(snapshot.path):
        events = (decode_event(event.value, version) for event in snapshot.events())
        return fold(State(lineage="", salt="", server=snapshot.server), events)


def _events(state: State) -> Iterator[Event]:
    """The events that make `state` out of an empty one, always in the same order."""
    for resource, owned in sorted(state.campaigns.items()):
        yield CampaignOwned(replace(owned, members={}))
        for name, groups in sorted(owned.members.items()):
            for value in sorted(groups):
                for gateways in parts(groups[value]):
                    yield MembersApplied(resource, name, value, gateways)
    yield from (PackageUploaded(uploaded) for _, uploaded in sorted(state.packages.items()))
    yield from (IntentNoted(intent) for _, intent in sorted(state.intents.items()))
