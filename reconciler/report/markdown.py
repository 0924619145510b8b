"""A plan or an apply as Markdown for a pull request: impact first, and never longer than a comment may be.

Names and values come from YAML and from a server, so they only ever stand in code spans, fences and
escaped HTML: there a pipe, a tag or an ``@mention`` is just text.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from reconciler.diff.detail import differences
from reconciler.errors import Exit
from reconciler.findings import once_a_set
from reconciler.model import (
    Change,
    Finding,
    Outcome,
    OutcomeStatus,
    Reason,
)
from reconciler.plan.model import Plan
from reconciler.providers.base import Field
from reconciler.report.apply_summary import applied_lines, outcome_counts
from reconciler.report.blocks import Block, blocks, findings_of, part, recorded, unreadable
from reconciler.report.markup import BLOCK, MarkdownPage, code_span, fenced, fenced_text, listed
from reconciler.report.plan_text import counts, finding_lines, named_packages, whose
from reconciler.report.pull_request import (
    CANT_BE_PLANNED,
    PlanContext,
    campaign_table,
    for_good,
    guard_lines,
    leaving,
    verdict,
)
from reconciler.report.rollouts_report import rollout_markdown
from reconciler.report.waits_report import wait_markdown
from reconciler.report.wording import (
    MEANINGS,
    OUTCOMES,
    SENTENCES,
    UNREADABLE,
    changed_in,
    counted,
    short,
    show,
    snapshot_age,
    why,
)
from reconciler.text import clean, cut, first, plural

LIMIT: Final = 65_536
"""Characters in a comment."""

_NAME: Final = 120
_ROWS: Final = 40
_LINES: Final = 60
_FINDINGS: Final = 12_000


def plan_markdown(
    plan: Plan, *, digest: str | None = None, about: PlanContext | None = None, limit: int = LIMIT
) -> str:
    """What a merge would do to which devices, in at most `limit` characters; totals are exact."""
    page = MarkdownPage(limit)
    context = about or PlanContext()
    page.add(f"## {verdict(plan, context.would)}\n")
    _plan(page, plan, context, digest)
    return str(page)


def applied_markdown(
    plan: Plan,
    outcomes: Sequence[Outcome],
    code: Exit,
    *,
    digest: str | None = None,
    title: str = "Apply",
    about: PlanContext | None = None,
    limit: int = LIMIT,
) -> str:
    """What became of a plan, then the plan itself."""
    page = MarkdownPage(limit)
    page.add(f"## {title}: {code_span(str(plan.server))}\n")
    page.add(f"Exit code {code.value}: {MEANINGS[code]}.\n")
    became = outcome_counts(outcomes)
    rows = [f"| {OUTCOMES[status]} | {count:,} |" for status, count in became.items() if count]
    if rows:
        page.add("\n".join(["| outcome | steps |", "| --- | ---: |", *rows, ""]))
    if any(became[status] for status in OutcomeStatus if status is not OutcomeStatus.DONE):
        page.add(fenced(list(applied_lines(plan, outcomes, code)), "text", _FINDINGS, "line"))
    page.add("## The plan\n")
    _plan(page, plan, about or PlanContext(), digest)
    return str(page)


def _plan(page: MarkdownPage, plan: Plan, context: PlanContext, digest: str | None) -> None:
    page.add(context.line(plan) + "\n")
    if plan.snapshot:
        page.add(f"On a **snapshot {snapshot_age(plan.snapshot)}**; the server was not asked.\n")
    if plan.partial:
        page.add(f"**A part of the project**: {code_span(part(plan.partial))}; nothing else was planned.\n")
    guard_lines(page, plan, context)
    if plan.empty:
        page.add("**No changes.**\n")
    else:
        campaign_table(page, plan, context)
        page.add(f"{counts(plan)}.\n")
        for_good(page, plan)
        leaving(page, plan)
    page.fill(rollout_markdown(plan.rollouts))
    page.fill(wait_markdown(plan.waits))
    found = sorted(
        once_a_set(_told_below(plan)), key=lambda finding: (not finding.is_error, finding.sort_key())
    )
    if found:
        page.add(f"### Findings: {counted(found)}\n")
        page.add(fenced(list(_finding_texts(found)), "text", _FINDINGS, "finding"))
    notes = [f"- {code_span(note)}" for note in recorded(plan.records)]
    if notes:
        page.add(f"### Only written down: {plural(len(notes), 'fact')}\n")
        page.add(listed(notes, _ROWS // 2))
    if lines := [f"- {code_span(line)}" for line in unreadable(plan)]:
        page.add("### Not readable, so compared with what was last applied\n")
        page.add("\n".join(lines) + "\n")
    last = _last(plan, digest)
    page.keep(len(last))
    _blocks(page, sorted(blocks(plan), key=_urgency), plan)
    page.end(last)


def _told_below(plan: Plan) -> Sequence[Finding]:
    """What isn't said above: guards are."""
    return [finding for finding in findings_of(plan) if finding.code not in ("guard-tripped", "guard-waived")]


def _last(plan: Plan, digest: str | None) -> str:
    """What only few want to know."""
    said = [f"Digest: {code_span(short(digest))}"] if digest else []
    if not plan.empty:
        permissions = ", ".join(map(code_span, plan.impact.permissions)) or "none"
        said += [f"Requests: {plan.impact.requests:,}", f"Permissions needed: {permissions}"]
    return f"<sub>{' · '.join(said)}</sub>" if said else ""


def _urgency(block: Block) -> tuple[bool, bool, int, int, str]:
    deleted = block.impact is not None and block.impact.deleted
    touched = block.impact.gained + block.impact.lost if block.impact else 0
    return (not deleted, not block.destructive, -touched, -block.steps, str(block.resource))


def _blocks(page: MarkdownPage, every: Sequence[Block], plan: Plan) -> None:
    added = page.fill(_block(block, plan) for block in every)
    rest = every[added:]
    if rest:
        steps, changes = sum(b.steps for b in rest), sum(len(b.changes) for b in rest)
        page.end(
            f"and {plural(len(rest), 'more resource')} with {plural(changes, 'change')} and "
            f"{plural(steps, 'step')}; the text and JSON outputs have them all."
        )


def _block(block: Block, plan: Plan) -> str:
    mark = "⚠️ " if block.destructive else ""
    counts = f"{plural(len(block.changes), 'change')}, {plural(block.steps, 'step')}"
    summary = f"{mark}<code>{html.escape(cut(block.heading, 2 * _NAME))}</code>: {counts}"
    parts = ["<details>", f"<summary>{summary}</summary>", ""]
    if block.reason and why(block.reason):
        parts += [f"Why: {SENTENCES[block.reason]}.", ""]
    diff = [
        line
        for change in block.changes
        for line in _diff(change, plan, explain=change.reason is not block.reason)
    ]
    if diff:
        parts += [fenced(diff, "diff", BLOCK, "line")]
    steps = [
        f"- `{line}`{' **destructive**' if line.destructive else ''}"
        + ("" if line.reason is block.reason or not why(line.reason) else f": {SENTENCES[line.reason]}")
        for line in block.lines
    ]
    if steps:
        parts += [listed(steps, _LINES)]
    return "\n".join([*parts, "</details>\n"])


def _diff(change: Change, plan: Plan, *, explain: bool) -> Iterator[str]:
    explained = SENTENCES[change.reason] if explain and why(change.reason) else ""
    both = "; ".join(filter(None, (explained, changed_in(change))))
    said = f"  # {both}" if both else ""
    if change.gateways is not None:
        gateways = change.gateways
        yield f"  {clean(change.field)}: {gateways.before:,} → {gateways.after:,}{said}"
        if gateways.lost:
            yield f"- {len(gateways.lost):,}: {cut(first(gateways.lost, 5), 4 * _NAME)}"
        if gateways.gained:
            yield f"+ {len(gateways.gained):,}: {cut(first(gateways.gained, 5), 4 * _NAME)}"
        return
    if change.field in (Field.PACKAGES, Field.OVERRIDES):
        yield f"  {clean(change.field)}{cut(whose(change), 4 * _NAME)}:{said}"
        for sign, value in (("-", change.before), ("+", change.after)):
            if value is not None:
                yield f"{sign} {cut(clean(named_packages(value, plan) or ''), 4 * _NAME)}"
        return
    for path, before, after in differences(change.field, change.before, change.after):
        yield f"  {cut(clean(path), _NAME)}{cut(whose(change), 4 * _NAME)}:{said}"
        if before is not None:
            yield f"- {show(before)}"
        elif change.reason is Reason.NOT_RECORDED:
            yield f"- {UNREADABLE}"
        if after is not None:
            yield f"+ {show(after)}"


def _finding_texts(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        yield cut("\n".join(finding_lines([finding])), 1_000)


def policy_markdown(code: int, said: str) -> str:
    """What a policy says of a plan."""
    if not code:
        return "**The policy says yes.**\n"
    lead = f"> [!CAUTION]\n> **The policy says no** (exit {code}).\n"
    return f"{lead}\n{fenced_text(said)}" if said.strip() else lead


def findings_markdown(
    findings: Sequence[Finding],
    *,
    title: str = CANT_BE_PLANNED,
    about: PlanContext | None = None,
    limit: int = LIMIT,
) -> str:
    """Why there is no plan, or nothing was applied."""
    page = MarkdownPage(limit)
    page.add(f"## {title}: {counted(findings)}\n")
    if about and about.environment:
        page.add(f"Environment {code_span(about.environment)}\n")
    ordered = sorted(once_a_set(findings), key=lambda finding: (not finding.is_error, finding.sort_key()))
    page.add(fenced(list(_finding_texts(ordered)), "text", limit // 2, "finding"))
    return str(page)
