"""Revisions of a rollout: what it gives its gateways, and who is still in what was given before. Pure.

Tests: `tests/rollout/test_rollout_stage.py`, `tests/scenarios/test_revisions.py`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

from reconciler.binding import others_than
from reconciler.model import DesiredCampaign, DesiredRollout, Live, LiveCampaign, Phase
from reconciler.model.desired import PackageById, PackageByName, PackageFile, PackageRef
from reconciler.providers.base import Changing, Facts, Field
from reconciler.state.applied import recorded_settings
from reconciler.state.base import Owned, State

EMPTY: Final[frozenset[str]] = frozenset()
_MANY: Final = 10_000
"""More gateways aren't put in order for a digest."""
NOBODY_STAYS: Final = frozenset({Phase.READY, Phase.WAITING, Phase.ENDED, Phase.FINISHED})
"""In these phases a campaign of an earlier revision has nothing to come for anybody."""


def is_revised(
    campaign: DesiredCampaign,
    there: LiveCampaign | None,
    live: Live,
    state: State,
    facts: Facts,
    *,
    adopt: bool,
) -> bool:
    """Whether the packages of the live campaign are others, and stay so."""
    if there is None or campaign.packages is None or facts.changing(Field.PACKAGES) is not Changing.REPLACED:
        return False
    return others_than(campaign.packages, there.packages, live, state, adopt=adopt)


def earlier_of(owned: Owned | None, live: Live) -> tuple[LiveCampaign, ...]:
    """What a campaign replaced and that hasn't ended, oldest first."""
    formers = (live.by_id.get(each.id) for each in owned.predecessors if not each.ended) if owned else ()
    return tuple(former for former in formers if former)


def goes_on_in(there: LiveCampaign) -> frozenset[str]:
    """Who has something to come in a campaign that is there; nobody in one that ended, or never ran."""
    if there.gateways is None or there.phase in NOBODY_STAYS:
        return EMPTY
    return frozenset(there.gateways) - there.gateways.closed


def revision_of(campaign: DesiredCampaign, salt: str) -> str:
    """What is rolled out, as a digest; that of a secret is salted."""
    settings = None
    if campaign.settings is not None:
        settings = recorded_settings(campaign.settings, salt, unread=True)
    packages = None if campaign.packages is None else sorted(map(_package, campaign.packages))
    return _digest([packages, settings])


def _package(ref: PackageRef) -> list[str]:
    match ref:
        case PackageFile():
            return ["sha256", ref.sha256]
        case PackageById():
            return ["id", ref.id]
        case PackageByName():
            return ["name", ref.name]


def own_of(campaign: DesiredCampaign) -> str:
    """What single gateways are to get of their own, as a digest; of these only how many. Empty: nothing."""
    overrides = [
        [sorted(map(_package, each.packages)), len(each.gateways)] for each in campaign.overrides or ()
    ]
    schedules = [
        [
            sorted([phase.value, window.begin, window.end] for phase, window in each.windows.items()),
            sorted([phase.value, nxt.calendar.name, nxt.at_least] for phase, nxt in each.calendars.items()),
            None if each.gateways is None else len(each.gateways),
        ]
        for each in campaign.schedules or ()
    ]
    things = len(campaign.things or ())
    return _digest([overrides, schedules, things]) if overrides or schedules or things else ""


def waves_of(wish: DesiredRollout) -> str:
    """The waves as they are declared, as a digest, whoever is meant by them at the moment."""
    waves = [
        [wave.name, wave.share.count, wave.share.thousandths, wave.candidates is None] for wave in wish.waves
    ]
    return _digest([wish.seed, waves])


def ends_of(wish: DesiredRollout, declared: frozenset[str], closed: frozenset[str]) -> str:
    """All that decides between whom its waves end, as a digest; empty where that isn't known, or is much."""
    named = [wave.candidates for wave in wish.waves if wave.candidates is not None]
    listed, out = wish.listed, declared & closed
    if listed is None or listed.gateways is not declared or sum(map(len, named), len(out)) > _MANY:
        return ""
    return _digest([waves_of(wish), listed.digest, sorted(out), *map(sorted, named)])


def _digest(value: object) -> str:
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
