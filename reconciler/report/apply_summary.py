"""The summary of an apply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from reconciler.errors import Exit
from reconciler.model import Outcome, OutcomeStatus, Skip
from reconciler.plan.model import Plan
from reconciler.report.blocks import findings_of
from reconciler.report.paths import explained
from reconciler.report.plan_text import finding_lines
from reconciler.report.terminal import Paint, Tone, plain
from reconciler.report.wording import MEANINGS, OUTCOMES
from reconciler.text import clean, plural

_SHOWN: Final = 20
"""How many steps of one operation on one resource are named; the JSON form has them all."""

_BRIEF: Final = 3
"""How many of those that are only skipped."""

KEPT: Final = "server-keeps-otherwise"
"""The code of what an apply learns of the server, which the plan before it didn't know."""

_Likeness = tuple[OutcomeStatus, Skip | None, str, str]
"""How it ended and why it was skipped, the resource, the operation."""

_ERROR_AND_GUARD: Final = "an error, see above; and a guard refused, so nothing was sent"

_NEXT: Final[Mapping[OutcomeStatus, str]] = {
    OutcomeStatus.FAILED: "mend the cause and apply again: only what is missing is sent",
    OutcomeStatus.SKIPPED: "apply again once what it needs is done",
    OutcomeStatus.UNKNOWN: "look at the server; this operation is never sent twice by itself",
    OutcomeStatus.WAITING: "somebody who may do so has to act on the server; then apply again",
}

_AFTER: Final[Mapping[Skip | None, str]] = {
    Skip.IN_DOUBT: "apply again: it goes on, without what is in doubt; that is sent again by --reassert only",
    Skip.WAITING: "apply again once somebody has acted on the server",
    Skip.INTERRUPTED: "apply again: it goes on from here",
    Skip.UNRECORDED: "see to it that the state can be written, then apply again",
}
"""What to do about a step that was skipped for another reason than a failure."""

_BAD: Final = frozenset({OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN, OutcomeStatus.SKIPPED})

_TONES: Final[Mapping[OutcomeStatus, Tone]] = {
    OutcomeStatus.DONE: Tone.GOOD,
    OutcomeStatus.NOT_NEEDED: Tone.GOOD,
    OutcomeStatus.WAITING: Tone.WARNING,
    OutcomeStatus.FAILED: Tone.ERROR,
    OutcomeStatus.SKIPPED: Tone.WARNING,
    OutcomeStatus.UNKNOWN: Tone.ERROR,
}


@dataclass(slots=True)
class _Alike:
    """So many outcomes that are alike, the first of them, and all that they say."""

    count: int = 0
    first: list[Outcome] = field(default_factory=list)
    words: set[str] = field(default_factory=set)


def outcome_counts(outcomes: Iterable[Outcome]) -> dict[OutcomeStatus, int]:
    """How many steps ended in which way; every status has its entry."""
    counts = dict.fromkeys(OutcomeStatus, 0)
    for outcome in outcomes:
        counts[outcome.status] += 1
    return counts


def applied_lines(
    plan: Plan, outcomes: Collection[Outcome], code: Exit, paint: Paint = plain
) -> Iterator[str]:
    """What became of the steps: trouble first, step by step and why, then counts and the exit code."""
    every = _alike(outcomes)
    for status in (OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN, OutcomeStatus.SKIPPED, OutcomeStatus.WAITING):
        yield from _trouble({like: members for like, members in every.items() if like[0] is status}, paint)
    if any(status in _BAD for status, *_ in every):
        yield from _done(every)
    notes = (outcome for outcome in outcomes if outcome.settled and outcome.message)
    for (status, _, resource, operation), members in _alike(notes).items():
        why = ", ".join(sorted(map(clean, members.words))[:_BRIEF])
        yield f"{OUTCOMES[status]}: {clean(resource)}: {operation}{_times(members)}: {why}"
    said = (finding for finding in findings_of(plan) if finding.is_error or finding.code == KEPT)
    yield from finding_lines(said, paint)
    counts = [
        paint(f"{count:,} {OUTCOMES[status]}", _TONES[status])
        for status, count in outcome_counts(outcomes).items()
        if count
    ]
    summary = ", ".join(counts) if counts else "no step was sent"
    yield f"{paint('Applied', Tone.STRONG)} to {clean(str(plan.server)).removesuffix(':')}: {summary}."
    if code is not Exit.DONE:
        meaning = _ERROR_AND_GUARD if plan.tripped and code is Exit.ERROR else MEANINGS[code]
        yield f"Exit code {code.value}: {meaning}."


def _done(every: Mapping[_Likeness, _Alike]) -> Iterator[str]:
    """What is done all the same, a line for each resource."""
    operations: dict[str, Counter[str]] = {}
    for (status, _, resource, operation), members in every.items():
        if status is OutcomeStatus.DONE:
            operations.setdefault(resource, Counter())[operation] += members.count
    for resource, counts in islice(operations.items(), _SHOWN):
        each = (f"{name} × {count:,}" if count > 1 else name for name, count in counts.items())
        yield f"{OUTCOMES[OutcomeStatus.DONE]}: {clean(resource)}: {', '.join(each)}"
    if len(operations) > _SHOWN:
        rest = plural(len(operations) - _SHOWN, "more resource")
        yield f"{OUTCOMES[OutcomeStatus.DONE]}: steps of {rest}; --output json lists them all"


def _alike(outcomes: Iterable[Outcome]) -> dict[_Likeness, _Alike]:
    alike: dict[_Likeness, _Alike] = {}
    for outcome in outcomes:
        step = outcome.step
        likeness = (outcome.status, outcome.skip, str(step.resource), step.operation.name)
        members = alike.setdefault(likeness, _Alike())
        members.count += 1
        if members.count <= _SHOWN:
            members.first.append(outcome)
        if outcome.settled:
            members.words.add(outcome.message)
    return alike


def _times(members: _Alike) -> str:
    return f" × {members.count:,}" if members.count > 1 else ""


def _trouble(alike: Mapping[_Likeness, _Alike], paint: Paint) -> Iterator[str]:
    for (status, skip, resource, operation), members in alike.items():
        yield f"{paint(OUTCOMES[status], _TONES[status])}: {clean(resource)}: {operation}{_times(members)}"
        shown = _BRIEF if status is OutcomeStatus.SKIPPED else _SHOWN
        for outcome in members.first[:shown]:
            tried = f" ({plural(outcome.attempts, 'attempt')})" if outcome.attempts > 1 else ""
            yield f"  {explained(outcome)}{tried}"
        if members.count > shown:
            yield f"  and {members.count - shown:,} more"
        yield f"  next: {_AFTER.get(skip, _NEXT[status])}"
