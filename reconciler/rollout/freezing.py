"""What a freeze stops of a rollout, and what is started again after it: every revision that goes on. Pure.

Only where the policy says ``duringFreeze: stop``, and never what a person stopped:

| a campaign                        | the freeze holds             | it is over                           |
|-----------------------------------|------------------------------|--------------------------------------|
| runs                              | it is stopped, and noted     | noted no more                        |
| stands, and was stopped for it    | stays noted                  | is started once the calendar is open |
| stands, and somebody else stopped it | is left so                | is left so                           |
| has ended, or is gone             | noted no more                | noted no more                        |

It is noted before it is stopped, and until it runs again: a run may be killed in between.

Tests: `tests/rollout/test_rollout_freezing.py`, `tests/providers/test_hawkbit_freezes.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.model import LiveCampaign, Phase
from reconciler.providers.base import Facts

_GOES_ON: Final = frozenset({Phase.RUNNING, Phase.BUSY})
_STANDS: Final = frozenset({Phase.PAUSED, Phase.BUSY})


@dataclass(frozen=True, slots=True)
class Freezing:
    """What a look finds of a freeze."""

    frozen: bool = False
    """The freeze keeps the campaign of the newest revision stopped."""
    stopped: tuple[str, ...] = ()
    """See `RolloutRecord.stopped`."""
    halts: frozenset[str] = frozenset()
    """Campaigns of earlier revisions to stop now."""
    thaws: frozenset[str] = frozenset()
    """Campaigns of earlier revisions to start now."""


def freezing(
    newest: LiveCampaign | None,
    earlier: Sequence[LiveCampaign],
    known: Collection[str],
    facts: Facts,
    *,
    holds: bool,
    inside: bool,
    held: bool,
    may_start: bool,
) -> Freezing:
    """What a freeze does, or did, to the campaigns of a rollout.

    `newest`: that of the declared packages, if it is there; `earlier`: those that go on for who stays;
    `known`: those that were noted; `holds`: a freeze stops now; `inside`: somebody is in the newest;
    `held`: a person stopped that; `may_start`: the calendar is open.
    """
    frozen = holds and inside and not held
    if holds:
        halts = frozenset(each.id for each in earlier if _runs_for_somebody(each, facts))
        noted = halts | {each.id for each in earlier if each.id in known and each.phase in _STANDS}
        if newest and frozen and (newest.phase in _GOES_ON or newest.id in known):
            noted |= {newest.id}
        return Freezing(frozen, tuple(sorted(noted)), halts)
    noted = frozenset(each.id for each in earlier if each.id in known and each.phase in _STANDS)
    standing = frozenset(each.id for each in earlier if each.phase is Phase.PAUSED)
    if newest and not held and newest.id in known and newest.phase in _STANDS:
        noted |= {newest.id}
    return Freezing(stopped=tuple(sorted(noted)), thaws=noted & standing if may_start else frozenset())


def _runs_for_somebody(there: LiveCampaign, facts: Facts) -> bool:
    """Whether a gateway may still begin or go on with something in it."""
    if there.phase is not Phase.RUNNING:
        return False
    members = there.gateways
    if members is None:
        return True
    return any(
        not ids <= members.closed for state, ids in members.states.items() if not facts.stage(state).final
    )
