"""A plan or an apply as Markdown for a pull request: impact first, and never longer than a comment may be.

Names and values come from YAML and from a server, so they only ever stand in code spans, fences and
escaped HTML: there a pipe, a tag or an ``@mention`` is just text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from reconciler.diff.detail import differences
from reconciler.errors import Exit
from reconciler.model import (
    Action,
    Change,
    CloseGateways,
    DeleteCampaign,
    DeletePackage,
    Finding,
    Outcome,
    OutcomeStatus,
    Reason,
    RunOnThings,
)
from reconciler.plan.model import CampaignImpact, Plan
from reconciler.report.apply_summary import applied_lines, outcome_counts
from reconciler.report.blocks import Block, blocks, findings_of, happenings, part, recorded, unreadable
from reconciler.report.plan_text import finding_lines, whose
from reconciler.report.wording import (
    MEANINGS,
    OUTCOMES,
    SENTENCES,
    UNREADABLE,
    counted,
    short,
    show,
    snapshot_age,
)
from reconciler.text import and_more, clean, cut, first, first_lines, plural

LIMIT: Final = 65_536
"""Characters in a comment."""

_RESERVE: Final = 600
"""Kept free for the lines that say what was left out."""
_NAME: Final = 120
_ROWS: Final = 40
_LINES: Final = 60
_BLOCK: Final = 6_000
_FINDINGS: Final = 12_000


class _Page:
    """Pieces of text that together stay below a number of characters."""

    def __init__(self, limit: int) -> None:
        self._left = limit - _RESERVE
        self._pieces: list[str] = []

    def add(self, piece: str) -> bool:
        """Add `piece` and a line break, unless it is too long for what is left."""
        if len(piece) + 1 > self._left:
            return False
        self._left -= len(piece) + 1
        self._pieces.append(piece)
        return True

    def fill(self, pieces: Iterable[str]) -> int:
        """Add pieces up to the first that doesn't fit; how many were added."""
        added = 0
        for piece in pieces:
            if not self.add(piece):
                break
            added += 1
        return added

    def end(self, piece: str) -> None:
        """Add a last short `piece`, for which room is kept."""
        self._left += _RESERVE
        self.add(piece)

    def __str__(self) -> str:
        return "\n".join(self._pieces) + "\n"


def plan_markdown(plan: Plan, *, digest: str | None = None, title: str = "Plan", limit: int = LIMIT) -> str:
    """What a merge would do to which devices, in at most `limit` characters; totals are exact."""
    page = _Page(limit)
    _plan(page, plan, title, digest)
    return str(page)


def applied_markdown(
    plan: Plan,
    outcomes: Sequence[Outcome],
    code: Exit,
    *,
    digest: str | None = None,
    title: str = "Apply",
    limit: int = LIMIT,
) -> str:
    """What became of a plan, then the plan itself."""
    page = _Page(limit)
    page.add(f"## {title}: {code_span(str(plan.server))}\n")
    page.add(f"Exit code {code.value}: {MEANINGS[code]}.\n")
    counts = outcome_counts(outcomes)
    rows = [f"| {OUTCOMES[status]} | {count:,} |" for status, count in counts.items() if count]
    if rows:
        page.add("\n".join(["| outcome | steps |", "| --- | ---: |", *rows, ""]))
    if any(counts[status] for status in OutcomeStatus if status is not OutcomeStatus.DONE):
        page.add(_fenced(list(applied_lines(plan, outcomes, code)), "text", _FINDINGS, "line"))
    _plan(page, plan, "Plan", digest)
    return str(page)


def _plan(page: _Page, plan: Plan, title: str, digest: str | None) -> None:
    page.add(f"## {title} for {code_span(str(plan.server))}\n")
    if digest:
        page.add(f"Digest: {code_span(short(digest))}\n")
    if plan.snapshot:
        page.add(f"On a **snapshot {snapshot_age(plan.snapshot)}**; the server was not asked.\n")
    if plan.partial:
        page.add(f"**A part of the project**: {code_span(part(plan.partial))}; nothing else was planned.\n")
    found = sorted(findings_of(plan), key=lambda finding: (not finding.is_error, finding.sort_key()))
    if plan.empty:
        page.add("**No changes.**\n")
    else:
        _guards(page, plan)
        _impact(page, plan)
        _for_good(page, plan)
    if found:
        lines = list(_finding_texts(found))
        page.add(f"### Findings: {counted(found)}\n")
        page.add(_fenced(lines, "text", _FINDINGS, "finding"))
    notes = [f"- {code_span(note)}" for note in recorded(plan.records)]
    if notes:
        page.add(f"### Only recorded: {plural(len(notes), 'fact')}\n")
        page.add(_listed(notes, _ROWS // 2))
    if plan.unreadable:
        page.add("### Not readable, so compared with what was last applied\n")
        page.add("\n".join(f"- {code_span(line)}" for line in unreadable(plan)) + "\n")
    _blocks(page, sorted(blocks(plan), key=_urgency))


def _urgency(block: Block) -> tuple[bool, bool, int, int, str]:
    deleted = block.impact is not None and block.impact.deleted
    touched = block.impact.gained + block.impact.lost if block.impact else 0
    return (not deleted, not block.destructive, -touched, -block.steps, str(block.resource))


def _impact(page: _Page, plan: Plan) -> None:
    impact = plan.impact
    destructive = sum(len(group) for group in plan.groups if group.operation.destructive)
    campaigns = impact.campaigns
    said = [
        f"**{plural(plan.size, 'step')}**" + (f" (**{destructive:,} destructive**)" if destructive else ""),
        f"{plural(impact.gained, 'gateway')} gained",
        f"{impact.lost:,} lost",
    ]
    for count, word in (
        (sum(c.created for c in campaigns), "created"),
        (sum(c.deleted for c in campaigns), "deleted"),
        (sum(c.starts for c in campaigns), "started"),
        (sum(c.stops for c in campaigns), "stopped"),
        (sum(c.interrupted for c in campaigns), "stopped and started again"),
    ):
        if count:
            said.append(f"{plural(count, 'campaign')} {word}")
    page.add(" · ".join(said) + "\n")
    rows = sorted(campaigns, key=lambda c: (not c.deleted, -c.lost, -c.gained, c.resource))
    if rows:
        page.add("| campaign | gained | lost | also in a running campaign | what happens |")
        page.add("| --- | ---: | ---: | --- | --- |")
        added = page.fill(_row(campaign) for campaign in rows[:_ROWS])
        if len(rows) > added:
            page.add(f"| and {len(rows) - added:,} more | | | | |")
        page.add(f"| **total** | **{impact.gained:,}** | **{impact.lost:,}** | | |\n")
    permissions = ", ".join(map(code_span, impact.permissions)) or "none"
    page.add(f"Requests: {impact.requests:,} · Permissions: {permissions}\n")


def _guards(page: _Page, plan: Plan) -> None:
    """What apply would say no to, before anything else."""
    refusing = [trip for trip in plan.guards if trip.waived is None]
    if refusing:
        page.add(f"> [!CAUTION]\n> **Apply refuses this: {plural(len(refusing), 'guard')}.**")
        lines = [f"> - {code_span(trip.guard)}: {code_span(trip.message)}" for trip in refusing]
        page.add(_listed(lines, _ROWS, "> - "))


def _gone(action: Action) -> str | None:
    """What no later plan can take back."""
    match action:
        case DeleteCampaign():
            return "deleted"
        case DeletePackage():
            return "package deleted"
        case CloseGateways():
            return "closed"
        case RunOnThings():
            return "run on things"
        case _:
            return None


def _for_good(page: _Page, plan: Plan) -> None:
    lines = [
        f"- {code_span(str(group.action.resource))}: {gone}"
        + (f" ({plural(len(group.gateways), 'gateway')})" if group.gateways else "")
        for group in plan.groups
        if (gone := _gone(group.action))
    ]
    if lines:
        page.add(f"### Can't be undone: {len(lines):,}\n")
        page.add(_listed(lines, _ROWS))


def _row(campaign: CampaignImpact) -> str:
    name = code_span(str(campaign.resource), table=True, limit=_NAME)
    others = sorted(campaign.shared.items(), key=lambda item: (-item[1], item[0]))
    shared = ", ".join(
        f"{count:,} in {code_span(str(other), table=True, limit=_NAME)}" for other, count in others[:2]
    ) + and_more(len(others) - 2)
    what = ", ".join(happenings(campaign))
    return f"| {name} | {campaign.gained:,} | {campaign.lost:,} | {shared} | {what} |"


def _blocks(page: _Page, every: Sequence[Block]) -> None:
    added = page.fill(map(_block, every))
    rest = every[added:]
    if rest:
        steps, changes = sum(b.steps for b in rest), sum(len(b.changes) for b in rest)
        page.end(
            f"and {plural(len(rest), 'more resource')} with {plural(changes, 'change')} and "
            f"{plural(steps, 'step')}; the text and JSON outputs have them all."
        )


def _block(block: Block) -> str:
    mark = "⚠️ " if block.destructive else ""
    counts = f"{plural(len(block.changes), 'change')}, {plural(block.steps, 'step')}"
    summary = f"{mark}<code>{html.escape(cut(block.heading, 2 * _NAME))}</code>: {counts}"
    parts = ["<details>", f"<summary>{summary}</summary>", ""]
    if block.reason:
        parts += [f"Why: {SENTENCES[block.reason]}.", ""]
    diff = [
        line for change in block.changes for line in _diff(change, explain=change.reason is not block.reason)
    ]
    if diff:
        parts += [_fenced(diff, "diff", _BLOCK, "line")]
    steps = [
        f"- `{line}`{' **destructive**' if line.destructive else ''}"
        + ("" if line.reason is block.reason else f": {SENTENCES[line.reason]}")
        for line in block.lines
    ]
    if steps:
        parts += [_listed(steps, _LINES)]
    return "\n".join([*parts, "</details>\n"])


def _diff(change: Change, *, explain: bool) -> Iterator[str]:
    why = f"  # {SENTENCES[change.reason]}" if explain else ""
    if change.gateways is not None:
        gateways = change.gateways
        yield f"  {clean(change.field)}: {gateways.before:,} → {gateways.after:,}{why}"
        if gateways.lost:
            yield f"- {len(gateways.lost):,}: {cut(first(gateways.lost, 5), 4 * _NAME)}"
        if gateways.gained:
            yield f"+ {len(gateways.gained):,}: {cut(first(gateways.gained, 5), 4 * _NAME)}"
        return
    for path, before, after in differences(change.field, change.before, change.after):
        yield f"  {cut(clean(path), _NAME)}{cut(whose(change), 4 * _NAME)}:{why}"
        if before is not None:
            yield f"- {show(before)}"
        elif change.reason is Reason.NOT_RECORDED:
            yield f"- {UNREADABLE}"
        if after is not None:
            yield f"+ {show(after)}"


def _finding_texts(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        yield cut("\n".join(finding_lines([finding])), 1_000)


def _listed(lines: Sequence[str], most: int, bullet: str = "- ") -> str:
    return "\n".join([*first_lines(lines, most, bullet), ""])


def _fenced(lines: Sequence[str], language: str, limit: int, noun: str) -> str:
    """A block in which nothing is markup, cut at `limit` characters."""
    shown: list[str] = []
    left = limit
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            shown.append(f"and {plural(len(lines) - len(shown), f'more {noun}')}")
            break
        shown.append(line)
    fence = "`" * max(3, _backticks("\n".join(shown)) + 1)
    return "\n".join([f"{fence}{language}", *shown, fence, ""])


def _backticks(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def code_span(text: str, *, table: bool = False, limit: int = 2 * _NAME) -> str:
    """`text` as an inline code span, cut; in a table its pipes are escaped, which only tables understand."""
    inner = cut(clean(text), limit)
    fence = "`" * (_backticks(inner) + 1)
    if inner.startswith("`") or inner.endswith("`") or not inner.strip():
        inner = f" {inner} "
    if table:
        inner = inner.replace("|", "\\|")
    return f"{fence}{inner}{fence}"


def fenced_text(text: str, limit: int = _BLOCK) -> str:
    """`text` of somebody else in a block in which nothing is markup, cut at `limit` characters."""
    return _fenced([clean(line) for line in text.splitlines()], "text", limit, "line")


def policy_markdown(code: int, said: str) -> str:
    """What a policy says of a plan."""
    if not code:
        return "**The policy says yes.**\n"
    lead = f"> [!CAUTION]\n> **The policy says no** (exit {code}).\n"
    return f"{lead}\n{fenced_text(said)}" if said.strip() else lead


def findings_markdown(findings: Sequence[Finding], *, title: str = "Plan", limit: int = LIMIT) -> str:
    """Why there is no plan."""
    page = _Page(limit)
    page.add(f"## {title}: {counted(findings)}\n")
    ordered = sorted(findings, key=lambda finding: (not finding.is_error, finding.sort_key()))
    page.add(_fenced(list(_finding_texts(ordered)), "text", limit // 2, "finding"))
    return str(page)
