"""A snapshot: what plans need of a server and of a project's state, in one file, to plan without either."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import BinaryIO

from reconciler.errors import StateError
from reconciler.model import Desired, Json, LiveCampaign, ResourceId
from reconciler.providers.base import Facts, Field, Reads
from reconciler.snapshot.file import SnapshotFile, open_snapshot, read_state
from reconciler.snapshot.line_format import Header, Writer, write_state
from reconciler.state.applied import WITHHELD, known_plain
from reconciler.state.base import State
from reconciler.survey import Overridden, open_members, survey
from reconciler.text import smells_secret

__all__ = [
    "Header",
    "Overrides",
    "SnapshotFile",
    "Taken",
    "gateways_to_ask",
    "open_snapshot",
    "read_state",
    "take",
]


class Overrides(StrEnum):
    """Of which gateways the packages are read: a call for each."""

    DECLARED = "declared"
    """Those that the resources give an override, or that had one."""
    ALL = "all"
    NONE = "none"


@dataclass(slots=True)
class Taken:
    """How much a snapshot holds."""

    campaigns: int = 0
    gateways: int = 0
    overrides: int = 0
    packages: int = 0


async def take(
    reads: Reads,
    facts: Facts,
    header: Header,
    out: BinaryIO,
    *,
    load: Callable[[], State],
    overridden: Overridden,
    on_campaign: Callable[[int, int], None] = lambda _done, _total: None,
) -> Taken:
    """Write a snapshot of a server and of the state that `load` gives to `out`.

    StateError when the state changed meanwhile: somebody applied, and the two sides would not fit.
    """
    state = load()
    writer = Writer(out, header)
    taken = Taken()
    secret = {o.id: known_plain(o.applied.get(Field.SETTINGS))[1] for o in state.campaigns.values()}
    lines = await reads.campaigns()
    ids = sorted(line.id for line in lines)
    async with aclosing(survey(reads, facts, ids, overridden)) as campaigns:
        async for live in campaigns:
            writer.campaign(replace(live, applied=_without_secrets(live, secret.get(live.id, frozenset()))))
            taken.campaigns += 1
            taken.gateways += len(live.gateways or ())
            taken.overrides += len(live.overrides)
            on_campaign(taken.campaigns, len(ids))
    for package in sorted(await reads.packages(), key=lambda package: package.id):
        writer.package(package)
        taken.packages += 1
    if _facts(load()) != _facts(state):
        raise StateError(
            "somebody applied while the snapshot was taken, so it would show neither before nor after",
            hint="Take it again when that is done.",
        )
    write_state(state, writer)
    writer.end()
    return taken


def _without_secrets(live: LiveCampaign, secret: Collection[str]) -> Mapping[str, Json]:
    """What the server tells of a campaign, without the values of settings that are or may be secrets."""
    settings = live.applied.get(Field.SETTINGS)
    if not isinstance(settings, Mapping):
        return live.applied
    hidden = {key for key in settings if key in secret or smells_secret(key)}
    return {
        **live.applied,
        Field.SETTINGS: {k: dict(WITHHELD) if k in hidden else v for k, v in settings.items()},
    }


def _facts(state: State) -> tuple[object, ...]:
    """What a state says; a state that was never written has another lineage each time it is asked for."""
    return state.campaigns, state.packages, state.intents


def gateways_to_ask(overrides: Overrides, desired: Desired, state: State) -> Overridden:
    """Whose packages a snapshot reads: what a plan for `desired` may ask, where it is not all or none.

    A declared campaign may become any of its name, as `--adopt` takes them.
    """
    if overrides is not Overrides.DECLARED:
        return open_members if overrides is Overrides.ALL else lambda _: ()
    by_id: dict[str, frozenset[str]] = {}
    by_name: dict[str, frozenset[str]] = defaultdict(frozenset)
    declared: Mapping[ResourceId, frozenset[str]] = {
        campaign.resource: frozenset().union(*(o.gateways for o in campaign.overrides))
        for campaign in desired.campaigns
        if campaign.overrides
    }
    for campaign in desired.campaigns:
        by_name[campaign.name] |= declared.get(campaign.resource, frozenset())
    for resource, owned in state.campaigns.items():
        had = frozenset().union(*owned.members.get(Field.OVERRIDES, {}).values())
        by_id[owned.id] = had | declared.get(resource, frozenset())

    def asked(live: LiveCampaign) -> frozenset[str]:
        wanted = by_id.get(live.id, frozenset()) | by_name.get(live.name, frozenset())
        return wanted & open_members(live) if wanted else wanted

    return asked
