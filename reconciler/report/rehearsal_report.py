"""Rehearsals: what they found, and how that reads as text, JSON and Markdown.

Tests: `tests/report/test_rehearsal_report.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model import ResourceId
from reconciler.report.plan_document import FORMAT_VERSION
from reconciler.report.table import table
from reconciler.report.terminal import Paint, Tone, plain
from reconciler.report.workflow_commands import no_orders
from reconciler.rollout.situation import WaitFor
from reconciler.text import clean, moment, plural

_HOUR = 3_600_000


class RehearsalEnd(StrEnum):
    """How a rehearsal ended."""

    COMPLETE = "complete"
    ABORTED = "aborted"
    PAUSED = "paused"
    WAITS = "waits"
    """Nothing more would ever happen by itself."""


_TONES = {RehearsalEnd.COMPLETE: Tone.GOOD, RehearsalEnd.ABORTED: Tone.ERROR}


@dataclass(frozen=True, slots=True)
class RehearsedWave:
    """A wave of a rehearsal. Times are epoch milliseconds, durations milliseconds."""

    name: str
    gateways: int
    opened: int | None = None
    """None: it never did."""
    entered: int = 0
    """How many were in at the end."""
    done: int = 0
    failed: int = 0
    waited: tuple[tuple[WaitFor, int], ...] = ()
    """For what, and how long, since the wave before opened."""
    approval: bool = False
    """Whether it wanted a person's word, which was taken as given."""


@dataclass(frozen=True, slots=True)
class RehearsedRun:
    """One rollout of one campaign, from its first look to its last."""

    rate: float
    """How many of the devices fail, 0 to 1."""
    verdict: RehearsalEnd
    why: str
    begin: int
    end: int
    looks: int
    most: int
    """Gateways in flight at once."""
    waves: tuple[RehearsedWave, ...]
    waited: tuple[tuple[WaitFor, int], ...] = ()
    """For what, and how long, since the last wave opened."""

    @property
    def reached(self) -> int:
        """How many gateways got it."""
        return sum(wave.entered for wave in self.waves)

    @property
    def done(self) -> int:
        return sum(wave.done for wave in self.waves)

    @property
    def failed(self) -> int:
        return sum(wave.failed for wave in self.waves)

    @property
    def hours(self) -> float:
        return round((self.end - self.begin) / _HOUR, 1)


@dataclass(frozen=True, slots=True)
class RehearsedCampaign:
    """What a campaign's rollout did at each rate."""

    resource: ResourceId
    policy: str
    gateways: int
    rehearsed: int
    """Of those: how many took part."""
    runs: tuple[RehearsedRun, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RehearsalReport:
    """All that was rehearsed."""

    begin: int
    seed: int
    offline: float
    campaigns: tuple[RehearsedCampaign, ...]
    notes: tuple[str, ...]
    expect: RehearsalEnd | None = None

    @property
    def holds(self) -> bool:
        """Whether every run ended as expected; nothing expected: whether all completed without failures."""
        runs = [run for campaign in self.campaigns for run in campaign.runs]
        if self.expect is not None:
            return all(run.verdict is self.expect for run in runs)
        return all(run.verdict is RehearsalEnd.COMPLETE for run in runs if run.rate == 0)

    @property
    def judgement(self) -> str:
        """Whether it `holds`, as a sentence."""
        if self.expect is not None:
            ends = "Every run is" if self.holds else "Not every run is"
            return f"{ends} {self.expect}, as --expect wants it."
        return f"Without failures {'every' if self.holds else 'not every'} rollout completes."


# --- text ----------------------------------------------------------------------------------------


def rehearsal_lines(report: RehearsalReport, paint: Paint = plain) -> Iterator[str]:
    """For people: the timeline of the first rate, then what each rate comes to."""
    for campaign in report.campaigns:
        yield _heading(campaign, paint)
        first = campaign.runs[0]
        yield ""
        yield f"Timeline at a failure rate of {_percent(first.rate)}:"
        rows = [
            (clean(wave.name), f"{wave.gateways:,}", _opened(wave), _after(number, wave))
            for number, wave in enumerate(first.waves)
        ]
        yield from (f"  {line}" for line in table(("WAVE", "GATEWAYS", "OPENS", "AFTER"), rows, paint))
        yield f"  {_ending(first)}"
        yield ""
        yield "Blast radius:"
        yield from (f"  {line}" for line in table(_COLUMNS, [_row(run) for run in campaign.runs], paint))
        for run in campaign.runs:
            if run.why:
                verdict = paint(run.verdict, _TONES.get(run.verdict, Tone.WARNING))
                yield f"  {_percent(run.rate)}: {verdict}: {clean(run.why)}"
        yield from (f"  note: {note}" for note in campaign.notes)
        yield ""
    yield from (f"note: {note}" for note in report.notes)
    yield paint(report.judgement, Tone.GOOD if report.holds else Tone.ERROR)


_COLUMNS = ("FAILURE RATE", "VERDICT", "REACHED", "FAILED", "MOST IN FLIGHT", "HOURS")


def _row(run: RehearsedRun) -> tuple[str, ...]:
    counts = (f"{count:,}" for count in (run.reached, run.failed, run.most))
    return (_percent(run.rate), run.verdict.value, *counts, f"{run.hours:g}")


def _heading(campaign: RehearsedCampaign, paint: Paint = plain) -> str:
    shown = paint(clean(str(campaign.resource)), Tone.STRONG)
    many = plural(campaign.gateways, "gateway")
    if campaign.rehearsed < campaign.gateways:
        many = f"{campaign.rehearsed:,} of {many}"
    waves = plural(len(campaign.runs[0].waves), "wave")
    return f"{shown}: rollout {clean(campaign.policy)} of {many} in {waves}"


def _ending(run: RehearsedRun) -> str:
    how = f"{run.verdict} {moment(run.end)}, after {run.hours:g} h and {plural(run.looks, 'look')}"
    return f"{how}; at most {run.most:,} in flight at once"


def _percent(rate: float) -> str:
    return f"{rate * 100:.4g} %"


def _opened(wave: RehearsedWave) -> str:
    if not wave.gateways:
        return "nobody is in it"
    return "never" if wave.opened is None else moment(wave.opened)


_WAITS = {
    WaitFor.SUCCESS: "until enough were done",
    WaitFor.SOAK: "of soak",
    WaitFor.CALENDAR: "until the calendar opened",
    WaitFor.BUDGET: "for the budget",
    WaitFor.NOT_RUNNING: "while the campaign stood still",
}


def _after(number: int, wave: RehearsedWave) -> str:
    parts = [f"{span / _HOUR:.3g} h {_WAITS.get(why, f'for {why}')}" for why, span in wave.waited]
    if wave.approval and wave.opened is not None:
        parts.append("a person's word")
    return ", ".join(parts) or ("at once" if wave.opened is not None and not number else "")


# --- JSON ----------------------------------------------------------------------------------------


def rehearsal_document(report: RehearsalReport) -> str:
    """For scripts; times in epoch milliseconds."""
    data = {
        "formatVersion": FORMAT_VERSION,
        "begin": report.begin,
        "seed": report.seed,
        "offlineRate": report.offline,
        "expect": report.expect,
        "holds": report.holds,
        "notes": list(report.notes),
        "rehearsals": [_campaign_item(campaign) for campaign in report.campaigns],
    }
    return no_orders(json.dumps(data, ensure_ascii=False, indent=2)) + "\n"


def _campaign_item(campaign: RehearsedCampaign) -> dict[str, object]:
    return {
        "resource": str(campaign.resource),
        "policy": campaign.policy,
        "gateways": campaign.gateways,
        "rehearsed": campaign.rehearsed,
        "notes": list(campaign.notes),
        "runs": [_run_item(run) for run in campaign.runs],
    }


def _run_item(run: RehearsedRun) -> dict[str, object]:
    return {
        "failureRate": run.rate,
        "verdict": run.verdict.value,
        "why": run.why,
        "reached": run.reached,
        "done": run.done,
        "failed": run.failed,
        "mostInFlight": run.most,
        "hours": run.hours,
        "end": run.end,
        "looks": run.looks,
        "waves": [
            {
                "name": wave.name,
                "gateways": wave.gateways,
                "opened": wave.opened,
                "in": wave.entered,
                "done": wave.done,
                "failed": wave.failed,
                "approval": wave.approval,
                "waited": _waited(wave.waited),
            }
            for wave in run.waves
        ],
        "waited": _waited(run.waited),
    }


def _waited(spans: Sequence[tuple[WaitFor, int]]) -> list[dict[str, object]]:
    return [{"for": why.value, "milliseconds": span} for why, span in spans]


# --- Markdown ------------------------------------------------------------------------------------


def rehearsal_markdown(report: RehearsalReport) -> Iterator[str]:
    """For a pull request."""
    yield f"### {'✅' if report.holds else '❌'} Rehearsal"
    yield ""
    yield report.judgement
    for campaign in report.campaigns:
        first = campaign.runs[0]
        yield ""
        yield f"**{_cell(_heading(campaign))}**"
        yield ""
        yield from _markdown_table(_COLUMNS, [_row(run) for run in campaign.runs])
        yield ""
        yield f"At a failure rate of {_percent(first.rate)}: {_cell(_ending(first))}."
        yield ""
        rows = [
            (wave.name, f"{wave.gateways:,}", _opened(wave), _after(number, wave))
            for number, wave in enumerate(first.waves)
        ]
        yield from _markdown_table(("WAVE", "GATEWAYS", "OPENS", "AFTER"), rows)
        whys = [
            f"- {_percent(run.rate)}: {run.verdict}: {_cell(run.why)}" for run in campaign.runs if run.why
        ]
        notes = [f"- {_cell(note)}" for note in campaign.notes]
        if whys or notes:
            yield ""
            yield from (*whys, *notes)
    yield ""
    yield from (f"- {_cell(note)}" for note in report.notes)


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(column.capitalize() for column in columns)} |"
    yield f"|{'---|' * len(columns)}"
    yield from (f"| {' | '.join(map(_cell, row))} |" for row in rows)


def _cell(text: str) -> str:
    return clean(text).replace("|", "\\|").replace("`", "'")
