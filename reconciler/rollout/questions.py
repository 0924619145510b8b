"""Which checks are asked in a look: those whose answer matters. Pure.

| a check that          | is asked                                                              |
|-----------------------|-----------------------------------------------------------------------|
| aborts when it fails  | in each look while a wave is open, so a soak is watched; before a wave |
| waits when it fails   | when a wave would open                                                |

Tests: `tests/rollout/test_rollout_checks.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.model import (
    Desired,
    DesiredRollout,
    Json,
    Live,
    OnCheckFailure,
    ResourceId,
    RolloutCheck,
    RolloutRecord,
    RolloutStatus,
)
from reconciler.rollout.situation import CheckAnswer, CheckVerdict
from reconciler.rollout.stage import Pace, paced
from reconciler.rollout.views import RolloutView
from reconciler.state.base import State

_GOES_ON = (RolloutStatus.PROGRESSING, RolloutStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class CheckQuestion:
    """What is asked about one rollout."""

    resource: ResourceId
    policy: str
    checks: tuple[RolloutCheck, ...]
    standing: Mapping[str, Json]
    """Where it stands: names and numbers, never ids of gateways."""


def questions(desired: Desired, live: Live, state: State, pace: Pace) -> tuple[CheckQuestion, ...]:
    """What a look asks before it decides."""
    some = tuple(each for each in desired.campaigns if each.rollout and each.rollout.checks)
    if not some:
        return ()
    views = paced(replace(desired, campaigns=some), live, state, pace).rollouts
    before = {resource: owned.rollout for resource, owned in state.campaigns.items() if owned.rollout}
    return tuple(asked(views, wishes(desired), before))


def wishes(desired: Desired) -> Mapping[ResourceId, DesiredRollout]:
    """The rollouts that are declared."""
    return {each.resource: each.rollout for each in desired.campaigns if each.rollout}


def asked(
    views: Iterable[RolloutView],
    declared: Mapping[ResourceId, DesiredRollout],
    before: Mapping[ResourceId, RolloutRecord],
) -> Iterator[CheckQuestion]:
    """What is asked where the look before any answer would end in `views`; `before`: the records it found."""
    for view in views:
        known, wish = before.get(view.resource), declared.get(view.resource)
        watched = known is not None and known.wave > 0 and known.status in _GOES_ON and not view.aborted
        if wish is None or not (view.opens or watched):
            continue
        checks = tuple(
            check for check in wish.checks if view.opens or check.on_failure is OnCheckFailure.ABORT
        )
        if checks:
            opened = (known.wave if known else 0) if view.opens else view.wave
            yield CheckQuestion(view.resource, wish.policy, checks, _standing(view, opened))


def _standing(view: RolloutView, opened: int) -> Mapping[str, Json]:
    wave = view.waves[opened - 1] if 0 < opened <= len(view.waves) else None
    return {
        "campaign": view.resource.name,
        "wave": opened,
        "waves": len(view.waves),
        "gateways": wave.gateways if wave else 0,
        "done": wave.done if wave else 0,
        "failed": wave.failed if wave else 0,
        "reached": view.reached if wave and not view.opens else None,
    }


def against(view: RolloutView, answers: Sequence[CheckAnswer]) -> Iterator[str]:
    """What `answers` say against a release of `view` that was planned before they were given."""
    for answer in answers:
        fails = answer.verdict is CheckVerdict.FAIL and answer.aborts
        if fails or (view.opens and answer.verdict is not CheckVerdict.PASS):
            yield f"{view.where}: check {answer.name}: {answer.text}"
