"""A plan as one file: may it be applied, what happens to which devices, with what firmware, and when.

Calls and ids come last. Tests: `tests/report/test_web_plan_report.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.errors import Exit
from reconciler.model import Finding, Outcome, OutcomeStatus
from reconciler.plan.model import CampaignImpact, GuardTrip, Plan
from reconciler.report.apply_summary import applied_lines, outcome_counts
from reconciler.report.blocks import (
    Block,
    blocks,
    findings_of,
    happenings,
    mending,
    part,
    recorded,
    unreadable,
)
from reconciler.report.devices import total_words
from reconciler.report.plan_text import change_rows, counts
from reconciler.report.pull_request import PlanContext, gone_lines, gravity, verdict
from reconciler.report.web.campaigns import rollout_shown
from reconciler.report.web.pictures import Piece, stacked
from reconciler.report.web.rendering import standalone
from reconciler.report.wording import (
    MEANINGS,
    OUTCOMES,
    SENTENCES,
    counted,
    server_words,
    short,
    snapshot_age,
    why,
)
from reconciler.text import and_more, plural, sentence, window

_ROWS: Final = 500
"""Campaigns in the table, and resources with their changes."""
_IDS: Final = 20_000
"""Gateways that are named in all."""
_TONES: Final = {"⛔": "bad", "❌": "bad", "⚠": "warn"}


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens to so many gateways of a campaign, with a line as long as that."""

    pieces: tuple[Piece, ...]
    words: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class ImpactShown:
    """What a plan does to one campaign."""

    impact: CampaignImpact
    link: str | None
    most: int
    """The most gateways that a campaign of the plan has: what all lines are measured by."""

    @property
    def whole(self) -> str:
        """What happens to the campaign."""
        return sentence(", ".join(happenings(self.impact)))

    @property
    def happenings(self) -> Iterator[Happening]:
        """What happens to its gateways, each with its own line; the gravest first."""
        devices = self.impact.devices
        told = (
            ("interrupt", devices.interrupt, "is interrupted", "are interrupted"),
            ("leave", devices.leave, "leaves", "leave"),
            ("stop", devices.stop, "stops", "stop"),
            ("join", devices.join, "joins", "join"),
            ("update", devices.update, "gets packages", "get packages"),
            ("start", devices.start, "starts", "start"),
            ("finished", devices.finished, "has finished", "have finished"),
        )
        for kind, count, one, several in told:
            if count:
                said = f"{count:,} {one if count == 1 else several}{self._more(kind)}"
                tone = "bad" if kind == "interrupt" else ""
                yield Happening(stacked([(kind, count)], self.most), said, tone)
            elif count is None and devices.members is not None:
                yield Happening((), f"how many {several} is not known")

    def _more(self, kind: str) -> str:
        """In the middle of what, or with which firmware."""
        match kind:
            case "interrupt":
                return " in the middle of an update"
            case "update":
                return f": {_named(self.impact.packages.after)}"
            case "finished":
                return f" with {_named(self.impact.packages.before)}"
        return ""

    @property
    def shared(self) -> str:
        """Who is in other running campaigns, too."""
        others = sorted(self.impact.shared.items(), key=lambda item: (-item[1], item[0]))
        few = ", ".join(f"{count:,} also in {other.name}" for other, count in others[:3])
        return few + and_more(len(others) - 3)

    @property
    def when(self) -> Sequence[str]:
        """Its windows; else whether that is at once."""
        row = self.impact
        if row.deleted or not row.windows:
            waits = row.created and not row.starts and not row.deleted
            return ["once it is started" if waits else "at once"]
        phases: dict[str, list[str]] = {}
        for each in row.windows:
            told = window(each.begin, each.end, each.timezone) or f"{each.begin} to {each.end}"
            phases.setdefault(told, []).append(each.phase)
        return [f"{', '.join(names)}: {told}" for told, names in phases.items()]


@dataclass(frozen=True, slots=True)
class AppliedShown:
    """What became of a plan."""

    outcomes: tuple[Outcome, ...]
    code: Exit

    @property
    def tone(self) -> str:
        """How well it ended."""
        if self.code is Exit.DONE:
            return "good"
        return "bad" if self.code in (Exit.ERROR, Exit.GUARD, Exit.STALE_PLAN) else "warn"

    @property
    def words(self) -> str:
        """How it ended, with its exit code."""
        return f"Applied: {MEANINGS[self.code]} (exit {self.code.value})"

    @property
    def counts(self) -> Sequence[tuple[str, int]]:
        """How many steps ended in which way."""
        became = outcome_counts(self.outcomes).items()
        return [(OUTCOMES[status], count) for status, count in became if count]

    def lines(self, plan: Plan) -> Sequence[str]:
        """What went wrong, and what to do; nothing where all is done."""
        bad = any(outcome.status is not OutcomeStatus.DONE for outcome in self.outcomes)
        return [str(line) for line in applied_lines(plan, self.outcomes, self.code)] if bad else ()


@dataclass(frozen=True, slots=True)
class Leaving:
    """Gateways that leave a campaign, or join it."""

    title: str
    gateways: Sequence[str]
    rest: int


def plan_report(
    plan: Plan,
    *,
    digest: str | None = None,
    about: PlanContext | None = None,
    at: int | None = None,
    applied: AppliedShown | None = None,
) -> str:
    """`plan` as one file. `at`: when it was made, epoch milliseconds; `applied`: what became of it."""
    context = about or PlanContext()
    said = verdict(plan, context.would)
    rows = sorted(plan.impact.campaigns, key=gravity)
    every = sorted(blocks(plan), key=_urgency)
    most = max((_size(row) for row in rows), default=1)
    found = sorted(_told(plan), key=lambda each: (not each.is_error, each.sort_key()))
    return standalone(
        "plan.html",
        plan=plan,
        context=context,
        at=at,
        tone=applied.tone if applied else _TONES.get(said[0], "good"),
        verdict=applied.words if applied else said.partition(" ")[2],
        applied=applied,
        became=applied.lines(plan)[:_ROWS] if applied else (),
        server=server_words(plan.server),
        totals=tuple(total_words(plan.impact, plan.changes)),
        counts=counts(plan),
        rows=[ImpactShown(row, _link(context, row), most) for row in rows[:_ROWS]],
        more=len(rows) - _ROWS,
        gone=gone_lines(plan)[:_ROWS],
        leaving=list(_leaving(plan)),
        rollouts=[rollout_shown(view, at or 0) for view in plan.rollouts[:_ROWS]],
        guards=[trip for trip in plan.guards if trip.waived is None],
        waived=[trip for trip in plan.guards if trip.waived is not None],
        mending=_mend,
        findings=found[:_ROWS],
        counted=counted(found),
        recorded=list(recorded(plan.records))[:_ROWS],
        unreadable=list(unreadable(plan))[:_ROWS],
        blocks=every[:_ROWS],
        blocks_more=len(every) - _ROWS,
        heading=_heading,
        reason=_reason,
        changes=lambda block: list(change_rows(block, plan))[:_ROWS],
        digest=short(digest) if digest else "",
        snapshot=snapshot_age(plan.snapshot) if plan.snapshot else "",
        part=part(plan.partial) if plan.partial else "",
        plural=plural,
    )


def findings_report(
    findings: Sequence[Finding], *, title: str = "Can't be planned", about: PlanContext | None = None
) -> str:
    """Why there is no plan, or nothing was applied, as one file. A sign before `title` is left out."""
    ordered = sorted(findings, key=lambda finding: (not finding.is_error, finding.sort_key()))
    return standalone(
        "findings.html",
        title=title.removeprefix("❌").strip(),
        context=about or PlanContext(),
        counted=counted(ordered),
        findings=ordered[:_ROWS],
        more=len(ordered) - _ROWS,
    )


def _told(plan: Plan) -> Iterator[Finding]:
    """What isn't said above: guards are."""
    return (each for each in findings_of(plan) if each.code not in ("guard-tripped", "guard-waived"))


def _size(row: CampaignImpact) -> int:
    devices = row.devices
    told = (devices.members, devices.leave, devices.join, devices.update, devices.finished, row.lost)
    return max(1, *(count for count in told if count is not None))


def _link(context: PlanContext, row: CampaignImpact) -> str | None:
    address = context.link(row.place) if row.place else None
    return address if address and address.startswith(("https://", "http://")) else None


def _named(packages: Sequence[str]) -> str:
    return ", ".join(packages[:3]) + and_more(len(packages) - 3) if packages else "no package"


def _mend(trip: GuardTrip) -> str:
    return (
        f"{sentence(mending(trip))}. If it is meant, waive it in Git (`guards.waivers` of the project file), "
        f'or for one run by hand (`--waive {trip.guard} --reason "…"`).'
    )


def _heading(block: Block) -> str:
    """``Campaign/line-3 (Line 3): created, starts``; the name on the server where that is another one."""
    row = block.impact
    if row is None:
        return str(block.resource)
    named = "" if row.name == block.resource.name else f" ({row.name})"
    what = ", ".join(happenings(row))
    return f"{block.resource}{named}{f': {what}' if what else ''}"


def _reason(block: Block) -> str:
    """Why most of it, where that adds something."""
    return sentence(SENTENCES[block.reason]) if block.reason and why(block.reason) else ""


def _urgency(block: Block) -> tuple[bool, bool, int, str]:
    deleted = block.impact is not None and block.impact.deleted
    return (not deleted, not block.destructive, -block.steps, str(block.resource))


def _leaving(plan: Plan) -> Iterator[Leaving]:
    """Every gateway that leaves a campaign or joins it, as long as there is room."""
    left = _IDS
    for verb in ("leave", "join"):
        for change in sorted(plan.changes, key=lambda change: change.resource):
            if change.gateways is None:
                continue
            ids = change.gateways.lost if verb == "leave" else change.gateways.gained
            if not ids:
                continue
            told = ids[: max(0, left)]
            left -= len(told)
            word = f"{verb}s" if len(ids) == 1 else verb
            yield Leaving(
                f"{plural(len(ids), 'device')} {word} {change.resource.name}", told, len(ids) - len(told)
            )
