"""Findings and plans for a terminal, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from reconciler.diff.detail import differences
from reconciler.findings import first_of
from reconciler.model import Change, Finding, Reason, Severity
from reconciler.plan.model import Impact, Plan
from reconciler.report.blocks import Block, blocks, findings_of, happenings, part, recorded, unreadable
from reconciler.report.rollouts_report import rollout_lines
from reconciler.report.terminal import Paint, Tone, plain
from reconciler.report.wording import (
    SENTENCES,
    UNREADABLE,
    counted,
    gateway_change,
    show,
    snapshot_age,
)
from reconciler.text import and_more, clean, first, plural

_TONES = {Severity.ERROR: Tone.ERROR, Severity.WARNING: Tone.WARNING, Severity.NOTE: Tone.STRONG}
_FEW = 8


def finding_lines(findings: Iterable[Finding], paint: Paint = plain) -> Iterator[str]:
    """Every finding, sorted by place, each with its hint."""
    for finding in first_of(findings):
        where = clean(str(finding.place)) + ": " if finding.place else ""
        about = clean(str(finding.resource)) + ": " if finding.resource and not finding.place else ""
        label = paint(f"{finding.severity.value}[{finding.code}]", _TONES[finding.severity])
        yield f"{where}{label}: {about}{clean(finding.message)}"
        if finding.hint:
            yield f"  hint: {clean(finding.hint)}"


def validation_lines(findings: Iterable[Finding], documents: int, paint: Paint = plain) -> Iterator[str]:
    """What `validate` says: the findings and a summary."""
    found = tuple(findings)
    yield from finding_lines(found, paint)
    errors = any(finding.is_error for finding in found)
    said = counted(found)
    summary = f"{plural(documents, 'resource')}: {said or 'no findings'}"
    yield paint(summary, Tone.ERROR if errors else Tone.GOOD)


def plan_lines(plan: Plan, paint: Paint = plain) -> Iterator[str]:
    """A whole plan: server, changes and steps by resource, records, impact, findings, summary."""
    yield f"Server: {clean(str(plan.server))}"
    if plan.snapshot:
        yield f"Snapshot: {snapshot_age(plan.snapshot)}; the server was not asked"
    if plan.partial:
        yield f"Part of the project: {part(plan.partial)}; nothing else was planned"
    for block in blocks(plan):
        yield ""
        yield from _block(block, paint)
    if rollouts := tuple(rollout_lines(plan.rollouts, paint)):
        yield ""
        yield from rollouts
    notes = tuple(recorded(plan.records))
    if notes:
        yield ""
        yield paint("Only recorded, for it takes no call", Tone.STRONG)
        yield from (f"  {note}" for note in notes)
    if not plan.empty:
        yield ""
        yield from _impact(plan.impact, paint)
    if plan.unreadable:
        yield ""
        yield paint("Not readable, so compared with what was last applied", Tone.STRONG)
        yield from (f"  {line}" for line in unreadable(plan))
    if findings := findings_of(plan):
        yield ""
        yield from finding_lines(findings, paint)
    yield ""
    yield from _summary(plan, paint)


def _summary(plan: Plan, paint: Paint) -> Iterator[str]:
    found = counted(findings_of(plan))
    if plan.empty:
        yield paint("No changes.", Tone.GOOD) + (f" {found}." if found else "")
        return
    destructive = sum(len(group) for group in plan.groups if group.operation.destructive)
    where = len({group.action.resource for group in plan.groups})
    parts = [f"{plural(plan.size, 'step')} for {plural(where, 'resource')}"]
    if destructive:
        parts.append(paint(f"{destructive:,} destructive", Tone.ERROR))
    if found:
        parts.append(found)
    yield f"{paint('Plan:', Tone.STRONG)} {', '.join(parts)}."


def _block(block: Block, paint: Paint) -> Iterator[str]:
    common = block.reason
    heading = paint(block.heading, Tone.ERROR if block.destructive else Tone.STRONG)
    yield f"{heading} ({SENTENCES[common]})" if common else heading
    for change in block.changes:
        yield from (f"  {line}" for line in change_lines(change, paint, reason=change.reason is not common))
    for line in block.lines:
        mark = f" {paint('destructive', Tone.ERROR)}" if line.destructive else ""
        why = "" if line.reason is common else f" ({SENTENCES[line.reason]})"
        yield f"  → {line}{mark}{why}"


def change_lines(change: Change, paint: Paint = plain, *, reason: bool = True) -> Iterator[str]:
    """``description: "old" → "new" (why)``, a line for each value that differs."""
    why = f" ({SENTENCES[change.reason]})" if reason else ""
    if change.gateways is not None:
        yield f"{clean(change.field)}: {gateway_change(change.gateways)}{why}"
        return
    for path, before, after in differences(change.field, change.before, change.after):
        unreadable = before is None and change.reason is Reason.NOT_RECORDED
        old = UNREADABLE if unreadable else show(before)
        yield f"{clean(path)}{whose(change)}: {paint(old, Tone.ERROR)} → {paint(show(after), Tone.GOOD)}{why}"


def whose(change: Change) -> str:
    """`` of 37 gateways (a, b and 35 more)``, where the value isn't the campaign's."""
    if not change.members:
        return ""
    return f" of {plural(len(change.members), 'gateway')} ({first(change.members, 3)})"


def _impact(impact: Impact, paint: Paint) -> Iterator[str]:
    yield paint("Impact", Tone.STRONG)
    yield f"  gateways: {impact.gained:,} gained, {impact.lost:,} lost"
    for campaign in impact.campaigns:
        parts = list(happenings(campaign))
        if campaign.gained:
            parts.append(f"{plural(campaign.gained, 'gateway')} gained")
        if campaign.lost:
            parts.append(f"{plural(campaign.lost, 'gateway')} lost")
        if campaign.shared:
            others = sorted(campaign.shared.items(), key=lambda item: (-item[1], item[0]))
            few = ", ".join(f"{clean(str(other))} ({count:,})" for other, count in islice(others, _FEW))
            parts.append(f"gateways also in running {few}{and_more(len(others) - _FEW)}")
        if parts:
            yield f"  {clean(str(campaign.resource))}: {', '.join(parts)}"
    yield f"  requests: {impact.requests:,}"
    if impact.permissions:
        yield f"  permissions: {', '.join(map(clean, impact.permissions))}"
