"""The table of `status`: what is declared, and what the server makes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.model import Desired, Finding, Live, LiveCampaign, Place, ResourceId, Tie
from reconciler.observe import used_packages
from reconciler.plan.model import Plan
from reconciler.report.style import Paint, Tone, plain
from reconciler.report.text import finding_lines
from reconciler.report.words import clean, counted, plural
from reconciler.state.base import State

_STRANGERS = {Tie.NOT_OURS: "not ours", Tie.AMBIGUOUS: "several on the server"}
_WAITS = {"held": "held", "waiting-for-approval": "waiting for approval"}
"""Code of a finding → what the table says."""

_HEADINGS = ("RESOURCE", "NAME", "ID", "STATUS", "GATEWAYS", "STATE")


@dataclass(frozen=True, slots=True)
class Row:
    """A campaign that is declared or owned."""

    resource: ResourceId
    name: str
    id: str | None
    status: str | None
    gateways: Mapping[str, int] | None
    """State → count; None when they were not read."""
    verdict: str
    tone: Tone

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, without colour."""
        if self.gateways is None:
            counts = "-"
        else:
            each = ", ".join(f"{state} {count:,}" for state, count in sorted(self.gateways.items()) if count)
            counts = f"{sum(self.gateways.values()):,}" + (f" ({each})" if each else "")
        cells = (str(self.resource), self.name, self.id or "-", self.status or "-", counts, self.verdict)
        return tuple(map(clean, cells))


def status_rows(desired: Desired, live: Live, state: State, plan: Plan) -> Sequence[Row]:
    """A row for each campaign that is declared, then for each that is owned and no longer declared."""
    notes = _codes(desired, plan)
    changes = Counter(change.resource for change in plan.changes)
    steps = Counter(group.action.resource for group in plan.groups)
    rows = []
    for campaign in desired.campaigns:
        resource = campaign.resource
        found = live.campaigns.get(resource)
        claim = live.claims.get(resource)
        if claim and claim.tie in _STRANGERS:
            statuses = {it.id: it.status for it in live.namesakes.get(campaign.name, ())}
            status = ", ".join(statuses[it] for it in claim.ids if it in statuses)
            verdict = _STRANGERS[claim.tie]
            rows.append(
                Row(resource, campaign.name, ", ".join(claim.ids), status or None, None, verdict, Tone.ERROR)
            )
        elif found is None:
            rows.append(Row(resource, campaign.name, None, None, None, "not on the server", Tone.WARNING))
        else:
            differing = changes[resource] or steps[resource]
            verdict, tone = _verdict(differing, notes[resource], plan.unreadable.get(resource, ()))
            rows.append(_row(resource, found, verdict, tone))
    declared = {campaign.resource for campaign in desired.campaigns}
    for resource in sorted(set(state.campaigns) - declared):
        found = live.campaigns.get(resource)
        if found is None:
            verdict = (
                "not on the server, no longer declared" if resource in live.gone else "no longer declared"
            )
            owned = state.campaigns[resource]
            rows.append(Row(resource, "-", owned.id, None, None, verdict, Tone.WARNING))
        else:
            rows.append(_row(resource, found, "no longer declared", Tone.WARNING))
    return rows


def _row(resource: ResourceId, found: LiveCampaign, verdict: str, tone: Tone) -> Row:
    members = found.gateways
    counts = None if members is None else {state: len(ids) for state, ids in members.states.items()}
    return Row(resource, found.name, found.id, found.status, counts, verdict, tone)


def _codes(desired: Desired, plan: Plan) -> Mapping[ResourceId, Sequence[Finding]]:
    """The findings of each campaign: its own, and those of packages that it uses."""
    codes: dict[ResourceId, list[Finding]] = {campaign.resource: [] for campaign in desired.campaigns}
    broken: dict[Place, Finding] = {}
    for finding in plan.findings:
        if finding.resource in codes:
            codes[finding.resource].append(finding)
        elif finding.is_error and finding.place:
            broken[finding.place] = finding
    # Equal packages may be declared in several places, of which a finding names one.
    every = {campaign.resource: used_packages([campaign]) for campaign in desired.campaigns}
    bad = {ref: broken[ref.place] for refs in every.values() for ref in refs if ref.place in broken}
    for resource, refs in every.items():
        codes[resource] += [bad[ref] for ref in refs if ref in bad]
    return codes


def _verdict(changes: int, findings: Sequence[Finding], unreadable: Sequence[str]) -> tuple[str, Tone]:
    said = {finding.code for finding in findings}
    parts = [f"error: {code}" for code in sorted({finding.code for finding in findings if finding.is_error})]
    tone = Tone.ERROR if parts else Tone.WARNING
    if changes:
        parts.append(plural(changes, "change"))
    parts += [words for code, words in _WAITS.items() if code in said]
    if parts:
        return ", ".join(parts), tone
    # What can't be read is never called in sync.
    blind = f"; not readable: {', '.join(unreadable)}" if unreadable else ""
    return f"in sync{blind}", Tone.GOOD


def status_lines(plan: Plan, rows: Sequence[Row], paint: Paint = plain) -> Iterator[str]:
    """The server, the table, and what was found on the way."""
    yield f"Server: {clean(str(plan.server))}"
    yield ""
    if not rows:
        yield "No campaign is declared or owned."
    else:
        table = [_HEADINGS, *(row.cells for row in rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        yield paint(_line(_HEADINGS, widths), Tone.STRONG).rstrip()
        for row, cells in zip(rows, table[1:], strict=True):
            yield f"{_line(cells[:-1], widths)}  {paint(cells[-1], row.tone)}"
    if plan.findings:
        yield ""
        yield from finding_lines(plan.findings, paint)
        yield counted(plan.findings)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False))
