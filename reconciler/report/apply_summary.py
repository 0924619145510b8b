"""The summary of an apply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from reconciler.errors import Exit
from reconciler.model import Finding, Outcome, OutcomeStatus, Skip
from reconciler.plan.model import Plan
from reconciler.report.blocks import findings_of
from reconciler.report.lines import Line
from reconciler.report.paths import reason_of
from reconciler.report.plan_text import finding_lines
from reconciler.report.terminal import Paint, Tone, plain
from reconciler.report.wording import MEANINGS, OUTCOMES, server_words
from reconciler.text import and_more, clean, first, plural

_SHOWN: Final = 20
"""How many reasons of one operation on one resource are named; the JSON form has them all."""

_BRIEF: Final = 3
"""How many of those that are only skipped."""

KEPT: Final = "server-keeps-otherwise"
"""The code of what an apply learns of the server, which the plan before it didn't know."""

_Likeness = tuple[OutcomeStatus, Skip | None, str, str]
"""How it ended and why it was skipped, the resource, the operation."""

_REFUSED: Final = "a guard refused"
_NEXT: Final[Mapping[OutcomeStatus, str]] = {
    OutcomeStatus.FAILED: "fix the cause and apply again: only what is missing is sent",
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
    """So many outcomes that are alike, and of each reason that they name how many, and the first of them."""

    count: int = 0
    reasons: dict[str, _Reason] = field(default_factory=dict)


@dataclass(slots=True)
class _Reason:
    count: int = 0
    gateways: list[str] = field(default_factory=list)
    many: int = 0
    """Gateways of calls that carry several."""


def kinds_of(outcomes: Iterable[Outcome]) -> Iterator[tuple[Outcome, int]]:
    """See `reconciler.apply.outcomes.alike`, which a plan doesn't need."""
    from reconciler.apply.outcomes import alike

    return alike(outcomes)


def outcome_counts(outcomes: Iterable[Outcome]) -> dict[OutcomeStatus, int]:
    """How many steps ended in which way; every status has its entry."""
    counts = dict.fromkeys(OutcomeStatus, 0)
    for outcome, count in kinds_of(outcomes):
        counts[outcome.status] += count
    return counts


def applied_lines(
    plan: Plan,
    outcomes: Collection[Outcome],
    code: Exit,
    paint: Paint = plain,
    *,
    told: Collection[Finding] = (),
) -> Iterator[str]:
    """What became of the steps: trouble first and why, then counts and the exit code.

    `told`: findings that were shown before, and are not shown twice.
    """
    kinds = tuple(kinds_of(outcomes))
    every = _alike(each for each in kinds if each[0].skip is not Skip.INTERRUPTED)
    for status in (OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN, OutcomeStatus.SKIPPED, OutcomeStatus.WAITING):
        yield from _trouble({like: members for like, members in every.items() if like[0] is status}, paint)
    unsent = [each for each, _ in kinds if each.skip is Skip.INTERRUPTED]
    if unsent:
        where = plural(len({each.step.resource for each in unsent}), "resource")
        label = paint("not sent", Tone.WARNING)
        yield Line(f"{label}: {plural(len(unsent), 'call')} of {where}, because the run was interrupted", 2)
        yield f"  next: {_AFTER[Skip.INTERRUPTED]}"
    if unsent or any(status in _BAD for status, *_ in every):
        yield from _done(every)
    notes = (each for each in kinds if each[0].settled and each[0].message)
    for (status, _, resource, operation), members in _alike(notes).items():
        why = ", ".join(sorted(members.reasons)[:_BRIEF])
        yield Line(f"{OUTCOMES[status]}: {clean(resource)}: {operation}{_times(members)}: {why}", 2)
    said = (each for each in findings_of(plan) if each.is_error or each.code == KEPT)
    yield from finding_lines((finding for finding in said if finding not in told), paint)
    counts = [
        paint(f"{count:,} {OUTCOMES[status]}", _TONES[status])
        for status, count in outcome_counts(outcomes).items()
        if count
    ]
    where = server_words(plan.server)
    if counts:
        yield Line(f"{paint('Applied', Tone.STRONG)} to {where}: {', '.join(counts)}.", 2)
    else:
        yield Line(f"{paint('Nothing was sent', Tone.STRONG)} to {where}.", 2)
    if code is not Exit.DONE:
        yield Line(f"Exit code {code.value}: {meaning(plan, outcomes, code)}.", 2)


def meaning(plan: Plan, outcomes: Collection[Outcome], code: Exit) -> str:
    """What the exit code of an apply means, as it came about."""
    if code is Exit.GUARD:
        return _REFUSED
    if code is not Exit.ERROR:
        return MEANINGS[code]
    errors = sum(finding.is_error for finding in plan.findings)
    said = [f"{plural(errors, 'error')}, listed above"] if errors else []
    if plan.tripped:
        said.append(_REFUSED)
    if any(outcome.skip is Skip.INTERRUPTED for outcome, _ in kinds_of(outcomes)):
        said.append("the run was interrupted; what was begun is finished, and all of it is recorded")
    elif any(outcome.skip is Skip.UNRECORDED for outcome, _ in kinds_of(outcomes)) or not said:
        said.append("the run could not go on, see below")
    return "; and ".join(said)


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


def _alike(outcomes: Iterable[tuple[Outcome, int]]) -> dict[_Likeness, _Alike]:
    found: dict[_Likeness, _Alike] = {}
    for outcome, count in outcomes:
        step = outcome.step
        likeness = (outcome.status, outcome.skip, str(step.resource), step.operation.name)
        members = found.setdefault(likeness, _Alike())
        members.count += count
        tried = f" ({plural(outcome.attempts, 'attempt')})" if outcome.attempts > 1 else ""
        words = f"{reason_of(outcome)}{'' if outcome.settled else tried}"
        reason = members.reasons.setdefault(words, _Reason())
        reason.count += count
        if len(step.gateways) == 1 and len(reason.gateways) < _BRIEF:
            reason.gateways.append(step.gateways[0])
        elif len(step.gateways) > 1:
            reason.many += len(step.gateways)
    return found


def _times(members: _Alike) -> str:
    return f" × {members.count:,}" if members.count > 1 else ""


def _trouble(alike: Mapping[_Likeness, _Alike], paint: Paint) -> Iterator[str]:
    """What went wrong of one status; resources with the same trouble together, and what to do next once."""
    together: dict[tuple[Skip | None, str, str], list[_Likeness]] = {}
    for like, members in alike.items():
        _, skip, _, operation = like
        together.setdefault((skip, operation, repr(members)), []).append(like)
    nexts = [_AFTER.get(skip, _NEXT[likes[0][0]]) for (skip, *_), likes in together.items()]
    for at, likes in enumerate(together.values()):
        status, _, _, operation = likes[0]
        members = alike[likes[0]]
        named = first([resource for _, _, resource, _ in likes], _BRIEF)
        yield Line(f"{paint(OUTCOMES[status], _TONES[status])}: {named}: {operation}{_times(members)}", 2)
        shown = _BRIEF if status is OutcomeStatus.SKIPPED else _SHOWN
        for words, reason in islice(members.reasons.items(), shown):
            yield Line(f"  {_whom(reason)}{words}", 4)
        if len(members.reasons) > shown:
            rest = sum(reason.count for reason in islice(members.reasons.values(), shown, None))
            yield f"  and {rest:,} more"
        if nexts[at + 1 : at + 2] != [nexts[at]]:
            yield Line(f"  next: {nexts[at]}", 8)


def _whom(reason: _Reason) -> str:
    """``gw-1, gw-2 and 5 more: ``; nothing of what isn't about gateways."""
    if reason.many:
        return f"{plural(reason.many, 'gateway')}: "
    if not reason.gateways:
        return ""
    return f"{', '.join(map(clean, reason.gateways))}{and_more(reason.count - len(reason.gateways))}: "
