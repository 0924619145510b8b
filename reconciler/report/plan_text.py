"""Findings and plans for a terminal, line by line: what happens to devices first, then each resource.

    ~ Campaign/line-3 "Line 3": stopped and started again
        120 gateways: 22 get fw-2.2.bin instead of fw-2.1.bin
    !   5 gateways in the middle of an update are interrupted
      ~ packages   fw-2.1.bin → fw-2.2.bin
        calls      stop-campaign, edit-campaign, start-campaign

At the beginning of a line ``+`` is made, ``~`` changed, ``-`` deleted, and ``!`` interrupted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.diff.detail import differences
from reconciler.errors import Exit
from reconciler.findings import first_of
from reconciler.model import Change, Finding, Json, Kind, Reason, Severity, Verb
from reconciler.plan.model import CampaignImpact, Plan
from reconciler.plan.packages import called
from reconciler.providers.base import Field
from reconciler.report.blocks import Block, blocks, findings_of, part, recorded, unreadable
from reconciler.report.devices import campaign_words, interrupted_words, packages_words, total_words
from reconciler.report.lines import Line
from reconciler.report.rollouts_report import rollout_lines
from reconciler.report.terminal import Paint, Tone, columns, padded, plain
from reconciler.report.waits_report import wait_lines
from reconciler.report.wording import (
    ABSENT,
    UNREADABLE,
    changed_in,
    counted,
    gateway_change,
    server_words,
    short,
    show,
    snapshot_age,
    why,
)
from reconciler.text import and_more, clean, first, plural

_TONES = {Severity.ERROR: Tone.ERROR, Severity.WARNING: Tone.WARNING, Severity.NOTE: Tone.STRONG}
_SIGNS: Final[Mapping[str, Tone]] = {"+": Tone.GOOD, "~": Tone.WARNING, "-": Tone.ERROR, "!": Tone.ERROR}
_FEW: Final = 8
_WIDEST: Final = 26
"""Columns of the names of fields; what is longer stands out."""
_CALLS: Final = "calls"


def finding_lines(findings: Iterable[Finding], paint: Paint = plain) -> Iterator[str]:
    """Every finding, sorted by place, each with its hint."""
    for finding in first_of(findings):
        where = clean(str(finding.place)) + ": " if finding.place else ""
        about = clean(str(finding.resource)) + ": " if finding.resource and not finding.place else ""
        label = paint(f"{finding.severity.value}[{finding.code}]", _TONES[finding.severity])
        yield Line(f"{where}{label}: {about}{clean(finding.message)}", 2)
        if finding.hint:
            yield Line(f"  hint: {clean(finding.hint)}", 8)


def validation_lines(findings: Iterable[Finding], documents: int, paint: Paint = plain) -> Iterator[str]:
    """What `validate` says: the findings and a summary."""
    found = tuple(findings)
    yield from finding_lines(found, paint)
    errors = any(finding.is_error for finding in found)
    said = counted(found)
    summary = f"{plural(documents, 'resource')}: {said or 'no findings'}"
    yield paint(summary, Tone.ERROR if errors else Tone.GOOD)


def plan_lines(
    plan: Plan, paint: Paint = plain, *, every_gateway: bool = False, would: Exit | None = None
) -> Iterator[str]:
    """A whole plan: what happens to devices, changes and calls by resource, records, findings, counts.

    `every_gateway`: each that joins or leaves is named; `would`: how an apply would end if nothing failed.
    """
    yield f"Server: {clean(str(plan.server))}"
    if plan.snapshot:
        yield f"Snapshot: {snapshot_age(plan.snapshot)}; the server was not asked"
    if plan.partial:
        yield f"Part of the project: {part(plan.partial)}; nothing else was planned"
    every = blocks(plan)
    if not plan.empty:
        yield ""
        yield from _devices(plan, paint)
        yield counts(plan, every)
    for block in every:
        yield ""
        yield from _block(block, plan, paint, every_gateway=every_gateway)
    starting = {row.resource for row in plan.impact.campaigns if row.starts}
    if rollouts := tuple(rollout_lines(plan.rollouts, paint, starting=starting)):
        yield ""
        yield from rollouts
    if plan.waits:
        yield ""
        yield from wait_lines(plan.waits, paint)
    notes = tuple(recorded(plan.records))
    if notes:
        yield ""
        yield paint("Only written down: the server has it already", Tone.STRONG)
        yield from (f"  {note}" for note in notes)
    if lines := tuple(unreadable(plan)):
        yield ""
        yield paint("Not readable, so compared with what was last applied", Tone.STRONG)
        yield from (f"  {line}" for line in lines)
    if plan.impact.permissions and not plan.empty:
        yield ""
        yield Line(f"Permissions needed: {', '.join(map(clean, plan.impact.permissions))}", 20)
    if findings := findings_of(plan):
        yield ""
        yield from finding_lines(findings, paint)
    yield ""
    yield from _summary(plan, every, paint)
    if would is not None and would in WOULD_END:
        yield Line(f"An apply would end with {would.value}: {WOULD_END[would]}.", 2)


WOULD_END: Final[Mapping[Exit, str]] = {
    Exit.GUARD: "a guard refuses, so nothing is sent",
    Exit.NOT_OURS: "a live object of a declared name isn't ours; the rest goes on",
    Exit.ROLLOUT_ABORTED: "a rollout stands aborted; the rest goes on",
}
"""Exit codes that only an apply has: what a plan says of them, which ends with 0 all the same."""


def counts(plan: Plan, every: Iterable[Block] | None = None) -> str:
    """``2 to create, 1 to change, 1 to delete; 164 calls``: of campaigns, then of packages."""
    campaigns = (block for block in every or blocks(plan) if block.resource.kind is Kind.CAMPAIGN)
    signs = Counter(block.sign for block in campaigns if block.groups)
    verbs = Counter(group.action.verb for group in plan.groups)
    said = [
        f"{signs[sign]:,} to {word}"
        for sign, word in (("+", "create"), ("~", "change"), ("-", "delete"))
        if signs[sign]
    ]
    for verb, word in ((Verb.UPLOAD, "upload"), (Verb.DELETE_PACKAGE, "delete")):
        if verbs[verb]:
            said.append(f"{plural(verbs[verb], 'package')} to {word}")
    return f"{', '.join(said)}; {plural(plan.size, 'call')}"


def question_text(plan: Plan) -> str:
    """What is asked below a plan before it is applied: it says once more what happens to devices."""
    words = " ".join(total_words(plan.impact, plan.changes)) or f"{counts(plan)}."
    return f"\n{words}\nApply this to {server_words(plan.server)}? Type 'yes': "


def _devices(plan: Plan, paint: Paint) -> Iterator[str]:
    """What happens to devices in all."""
    words, *more = [*total_words(plan.impact, plan.changes), ""]
    if words:
        yield paint(words, Tone.STRONG)
    yield from (f"{paint('!', Tone.ERROR)} {paint(each, Tone.ERROR)}" for each in more if each)


def _summary(plan: Plan, every: Iterable[Block], paint: Paint) -> Iterator[str]:
    found = counted(findings_of(plan))
    if plan.empty:
        yield paint("No changes.", Tone.GOOD) + (f" {found}." if found else "")
        return
    yield f"{paint('Plan:', Tone.STRONG)} {counts(plan, every)}{f'; {found}' if found else ''}."


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A field, and what becomes of it."""

    sign: str
    label: str
    text: str


def change_rows(
    block: Block, plan: Plan, paint: Paint = plain, *, every_gateway: bool = False
) -> Iterator[ChangeRow]:
    """What becomes of each field of `block`."""
    told = _Rows(block, plan, paint, every_gateway)
    for change in block.changes:
        yield from told.of(change)


def _block(block: Block, plan: Plan, paint: Paint, *, every_gateway: bool) -> Iterator[str]:
    common = block.reason
    tone = _SIGNS[block.sign]
    heading = f"{paint(block.sign, tone)} {paint(block.heading, tone if block.sign == '-' else Tone.STRONG)}"
    yield heading + (why(common) if common else "")
    if block.impact is not None:
        yield from _of_devices(
            block.impact, paint, own=any(c.field == Field.OVERRIDES for c in block.changes)
        )
    rows = list(change_rows(block, plan, paint, every_gateway=every_gateway))
    if block.lines:
        rows.append(ChangeRow(" ", _CALLS, ", ".join(_call(block, paint))))
    width = min(_WIDEST, max((columns(row.label) for row in rows), default=0))
    for row in rows:
        sign = paint(row.sign, _SIGNS[row.sign]) if row.sign in _SIGNS else row.sign
        yield Line(f"  {sign} {padded(row.label, width)}  {row.text}", 6 + width)


def _of_devices(impact: CampaignImpact, paint: Paint, *, own: bool) -> Iterator[str]:
    if words := campaign_words(impact, own=own):
        yield Line(f"    {words}", 6)
    if words := interrupted_words(impact.devices) if campaign_words(impact) else "":
        yield Line(f"{paint('!', Tone.ERROR)}   {paint(words, Tone.ERROR)}", 6)
    if impact.shared:
        others = sorted(impact.shared.items(), key=lambda item: (-item[1], item[0]))
        few = ", ".join(f"{clean(str(other))} ({count:,})" for other, count in others[:_FEW])
        yield Line(f"    gateways also in running {few}{and_more(len(others) - _FEW)}", 6)


def _call(block: Block, paint: Paint) -> Iterator[str]:
    for line in block.lines:
        said = paint(str(line), Tone.ERROR) if line.destructive else str(line)
        yield said if line.reason is block.reason else f"{said}{why(line.reason)}"


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a block."""

    block: Block
    plan: Plan
    paint: Paint
    every_gateway: bool = False

    def of(self, change: Change) -> Iterator[ChangeRow]:
        """A row for each value that differs."""
        gone = self.block.sign == "-" and self.block.impact is not None
        if change.gateways is not None:
            sign = self.block.sign if self.block.sign == "+" or gone else "~"
            most = len(change.gateways.gained) + len(change.gateways.lost) if self.every_gateway else 5
            yield ChangeRow(
                sign, clean(change.field), gateway_change(change.gateways, most) + self._why(change)
            )
        elif change.field in (Field.PACKAGES, Field.OVERRIDES):
            yield self._packages(change)
        elif not gone:
            for path, before, after in differences(change.field, change.before, change.after):
                unreadable = before is None and change.reason is Reason.NOT_RECORDED
                old = UNREADABLE if unreadable else _said(before)
                yield self._row(change, clean(path), old, _said(after))

    def _packages(self, change: Change) -> ChangeRow:
        """Packages by name; a package that comes or goes itself."""
        itself = isinstance(change.before or change.after, Mapping)
        before, after = (named_packages(value, self.plan) for value in (change.before, change.after))
        return self._row(change, "package" if itself else clean(change.field), before, after)

    def _row(self, change: Change, label: str, before: str | None, after: str | None) -> ChangeRow:
        """What comes is green, and what goes is red."""
        about = whose(change).replace(" of ", " for ", 1) + self._why(change)
        old, new = self.paint(before or ABSENT, Tone.ERROR), self.paint(after or ABSENT, Tone.GOOD)
        if before is None:
            return ChangeRow("+", label, new + about)
        return (
            ChangeRow("-", label, old + about)
            if after is None
            else ChangeRow("~", label, f"{old} → {new}{about}")
        )

    def _why(self, change: Change) -> str:
        reason = "" if change.reason is self.block.reason else why(change.reason)
        who = changed_in(change)
        return f"{reason}, {who}" if who else reason


def _said(value: Json) -> str | None:
    return None if value is None else show(value)


def named_packages(value: Json, plan: Plan) -> str | None:
    """Packages of a change by name, or the package that comes or goes itself; None where there are none."""
    match value:
        case list():
            return packages_words([_named(each, plan.package_names) for each in value])
        case {"name": str(name), "sha256": str(sha256), "size": int(size), **more}:
            version = more.get("version")
            named = called(name, str(version) if version else None, sha256)
            return f"{clean(named)} ({size:,} bytes, {clean(short(sha256))})"
        case {"id": str(key), "name": str(name)}:
            return clean(plan.package_names.get(key, name))
    return _said(value)


def _named(value: Json, names: Mapping[str, str]) -> str:
    """What a package is called, by its id, or by the digest of one that is still to be uploaded."""
    match value:
        case str():
            return names.get(value, value)
        case {"upload": str(name), **more}:
            return names.get(str(more.get("sha256")), name)
    return show(value)


def whose(change: Change) -> str:
    """`` of 37 gateways (a, b and 35 more)``, where the value isn't the campaign's."""
    if not change.members:
        return ""
    return f" of {plural(len(change.members), 'gateway')} ({first(change.members, 3)})"
