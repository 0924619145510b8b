"""The summary of an apply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from reconciler.errors import Exit
from reconciler.model import Outcome, OutcomeStatus
from reconciler.plan.model import Plan
from reconciler.report.paths import explained
from reconciler.report.style import Paint, Tone, plain
from reconciler.report.text import finding_lines
from reconciler.report.words import MEANINGS, OUTCOMES, clean, plural

_SHOWN: Final = 20
"""How many steps of one operation on one resource are named; the JSON form has them all."""

_BRIEF: Final = 3
"""How many of those that are only skipped."""

_NEXT: Final[Mapping[OutcomeStatus, str]] = {
    OutcomeStatus.FAILED: "mend the cause and apply again: only what is missing is sent",
    OutcomeStatus.SKIPPED: "apply again once what it needs is done",
    OutcomeStatus.UNKNOWN: "look at the server; this operation is never sent twice by itself",
    OutcomeStatus.WAITING: "somebody who may do so has to act on the server; then apply again",
}

_TONES: Final[Mapping[OutcomeStatus, Tone]] = {
    OutcomeStatus.DONE: Tone.GOOD,
    OutcomeStatus.NOT_NEEDED: Tone.GOOD,
    OutcomeStatus.WAITING: Tone.WARNING,
    OutcomeStatus.FAILED: Tone.ERROR,
    OutcomeStatus.SKIPPED: Tone.WARNING,
    OutcomeStatus.UNKNOWN: Tone.ERROR,
}


def outcome_counts(outcomes: Iterable[Outcome]) -> dict[OutcomeStatus, int]:
    """How many steps ended in which way; every status has its entry."""
    counts = dict.fromkeys(OutcomeStatus, 0)
    for outcome in outcomes:
        counts[outcome.status] += 1
    return counts


def applied_lines(plan: Plan, outcomes: Iterable[Outcome], code: Exit, paint: Paint = plain) -> Iterator[str]:
    """What became of the steps: trouble first, step by step and why, then counts and the exit code."""
    every = tuple(outcomes)
    for status in (OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN, OutcomeStatus.SKIPPED, OutcomeStatus.WAITING):
        yield from _trouble((outcome for outcome in every if outcome.status is status), paint)
    notes = (outcome for outcome in every if outcome.settled and outcome.message)
    for (status, resource, operation), members in _alike(notes).items():
        why = ", ".join(sorted({clean(outcome.message) for outcome in members})[:_BRIEF])
        yield f"{OUTCOMES[status]}: {clean(resource)}: {operation}{_times(members)}: {why}"
    yield from finding_lines((finding for finding in plan.findings if finding.is_error), paint)
    said = [
        paint(f"{count:,} {OUTCOMES[status]}", _TONES[status])
        for status, count in outcome_counts(every).items()
        if count
    ]
    summary = ", ".join(said) if said else "no step was sent"
    yield f"{paint('Applied', Tone.STRONG)} to {clean(str(plan.server)).removesuffix(':')}: {summary}."
    if code is not Exit.DONE:
        yield f"Exit code {code.value}: {MEANINGS[code]}."


def _alike(outcomes: Iterable[Outcome]) -> dict[tuple[OutcomeStatus, str, str], list[Outcome]]:
    alike: dict[tuple[OutcomeStatus, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        step = outcome.step
        alike.setdefault((outcome.status, str(step.resource), step.operation.name), []).append(outcome)
    return alike


def _times(members: Sequence[Outcome]) -> str:
    return f" × {len(members):,}" if len(members) > 1 else ""


def _trouble(outcomes: Iterable[Outcome], paint: Paint) -> Iterator[str]:
    for (status, resource, operation), members in _alike(outcomes).items():
        yield f"{paint(OUTCOMES[status], _TONES[status])}: {clean(resource)}: {operation}{_times(members)}"
        shown = _BRIEF if status is OutcomeStatus.SKIPPED else _SHOWN
        for outcome in members[:shown]:
            tried = f" ({plural(outcome.attempts, 'attempt')})" if outcome.attempts > 1 else ""
            yield f"  {explained(outcome)}{tried}"
        if len(members) > shown:
            yield f"  and {len(members) - shown:,} more"
        yield f"  next: {_NEXT[status]}"
