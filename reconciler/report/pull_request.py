"""The first screen of a pull request: may it be applied, what happens to which devices, with what, and when.

Then what can't be undone, and who leaves.

Tests: `tests/report/test_report_pull_request.py`.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.errors import Exit
from reconciler.model import (
    CloseGateways,
    DeleteCampaign,
    DeletePackage,
    Place,
    ResourceId,
    RunOnThings,
    StepGroup,
)
from reconciler.plan.model import CampaignImpact, GuardTrip, Plan, PlannedWindow
from reconciler.report.blocks import happenings, mending
from reconciler.report.devices import interrupted_words, total_words, what_happens
from reconciler.report.markup import MarkdownPage, code_span, fenced, listed
from reconciler.text import and_more, clean, cut, moment, plural, window

CANT_BE_PLANNED: Final = "❌ Can't be planned"
_NAME: Final = 120
_ROWS: Final = 40
_LEAVING: Final = 16_000
"""Characters of all lists of gateways that leave."""
_WIDE: Final = 110
"""Characters of a line of gateways."""


@dataclass(frozen=True, slots=True)
class PlanContext:
    """Where a plan is to be applied, as far as it doesn't know it itself.

    ``link``: the address of a line of YAML on the code host.
    """

    environment: str | None = None
    project: str | None = None
    link: Callable[[Place], str | None] = lambda _: None
    would: Exit | None = None
    """How an apply would end if nothing failed."""

    def line(self, plan: Plan) -> str:
        """Which environment of which project, on which server."""
        said = [f"Environment **{code_span(self.environment)}**"] if self.environment else []
        said += [f"project {code_span(self.project)}"] if self.project else []
        server = f"server {code_span(str(plan.server))}"
        text = " · ".join([*said, server])
        return f"{text[:1].upper()}{text[1:]}"

    def linked(self, text: str, place: Place | None) -> str:
        """`text`, which is Markdown already, as a link to where it is declared."""
        address = self.link(place) if place else None
        return f"[{text}]({address})" if address else text


def verdict(plan: Plan, would: Exit | None) -> str:
    """May it be applied? In one line."""
    if plan.tripped:
        names = dict.fromkeys(trip.guard for trip in plan.tripped)
        return f"⛔ Refused by a guard: {', '.join(map(code_span, names))}"
    match would:
        case Exit.ERROR:
            return "❌ Can't be applied as it is: see the findings"
        case Exit.NOT_OURS:
            return "⚠️ May be applied, except for a campaign that isn't ours"
    if would not in (None, Exit.DONE):
        return f"⚠️ An apply would end with {int(would)}"
    return "✅ Nothing to apply" if plan.empty else "✅ May be applied"


def guard_lines(page: MarkdownPage, plan: Plan, context: PlanContext) -> None:
    """What apply says no to and how to go on, and what was waived."""
    if refusing := plan.tripped:
        lines = [f"> - {_guard(trip, context)}<br>{_how(trip)}" for trip in refusing]
        page.add(
            f"> [!CAUTION]\n> **Apply refuses this: {plural(len(refusing), 'guard')}.** Nothing is sent."
        )
        page.add(listed(lines, _ROWS, "> - "))
    if waived := [trip for trip in plan.guards if trip.waived is not None]:
        lines = [f"> - {_guard(trip, context)}{_until(trip, context)}" for trip in waived]
        page.add(f"> [!WARNING]\n> **{plural(len(waived), 'guard')} waived.**")
        page.add(listed(lines, _ROWS, "> - "))


def _guard(trip: GuardTrip, context: PlanContext) -> str:
    name = context.linked(code_span(trip.guard), trip.place)
    return f"{name}: {code_span(trip.message)}"


def _how(trip: GuardTrip) -> str:
    """What to do; if it is meant, in this pull request or for one run."""
    fix = mending(trip)
    by_hand = code_span(f'--waive {trip.guard} --reason "…"')
    return (
        f"{fix[:1].upper()}{fix[1:]}. If it is meant, waive it in this pull request (`guards.waivers` of"
        f" the project file), or for one run by hand ({by_hand})."
    )


def _until(trip: GuardTrip, context: PlanContext) -> str:
    told = f": {code_span(trip.waived or '')}"
    if trip.until is None:
        return f" — waived{told}"
    where = context.linked("in Git", trip.waived_at)
    return f" — waived {where} until {moment(trip.until)}{told}"


def campaign_table(page: MarkdownPage, plan: Plan, context: PlanContext) -> None:
    """A sentence about all devices, then each campaign: the gravest first."""
    impact = plan.impact
    for words in total_words(impact, plan.changes):
        page.add(f"**{_text(words)}**\n")
    if not impact.campaigns:
        return
    rows = sorted(impact.campaigns, key=gravity)
    page.add("| campaign | devices | firmware | what happens | when |")
    page.add("| --- | ---: | --- | --- | --- |")
    added = page.fill(_row(row, context) for row in rows[:_ROWS])
    if len(rows) > added:
        page.add(f"| and {len(rows) - added:,} more | | | | |")
    members = impact.devices.members
    total = f"**{members:,}**" if members is not None else "not known"
    page.add(f"| **{plural(len(rows), 'campaign')}** | {total} | | | |\n")


def gravity(row: CampaignImpact) -> tuple[bool, int, int, int, ResourceId]:
    """Its place among others: the gravest first."""
    devices = row.devices
    touched = (devices.update or 0) + (devices.start or 0) + (devices.stop or 0)
    return (not row.deleted, -(devices.interrupt or 0), -(devices.leave or row.lost), -touched, row.resource)


def _row(row: CampaignImpact, context: PlanContext) -> str:
    name = context.linked(code_span(row.resource.name, table=True, limit=_NAME), row.place)
    if row.name != row.resource.name:
        name += f"<br>{code_span(row.name, table=True, limit=_NAME)}"
    members = row.devices.members
    devices = f"{members:,}" if members is not None else "not known"
    return f"| {name} | {devices} | {_firmware(row)} | {'<br>'.join(_what(row))} | {_when(row)} |"


def _firmware(row: CampaignImpact) -> str:
    """``fw-2.1.bin → fw-2.2.bin``; one alone where nothing changes, or where there is only one side."""

    def named(names: Sequence[str]) -> str:
        few = ", ".join(code_span(name, table=True, limit=_NAME) for name in names[:3])
        return few + and_more(len(names) - 3) if names else "none"

    before, after = row.packages.before, row.packages.after
    if row.deleted:
        return named(before)
    if row.created or before == after:
        return named(after)
    return f"{named(before)} → **{named(after)}**"


def _what(row: CampaignImpact) -> Iterator[str]:
    """What happens to the campaign, to its gateways, and who is interrupted."""
    if whole := ", ".join(happenings(row)):
        yield f"**{whole}**"
    if counts := ", ".join(what_happens(row.devices, None)):
        yield _cell(counts)
    if row.devices.interrupt:
        yield f"⚠️ {_cell(interrupted_words(row.devices))}"
    if row.shared:
        others = sorted(row.shared.items(), key=lambda item: (-item[1], item[0]))
        names = ((count, code_span(other.name, table=True, limit=_NAME)) for other, count in others[:2])
        few = ", ".join(f"{count:,} also in {name}" for count, name in names)
        yield few + and_more(len(others) - 2)


def _when(row: CampaignImpact) -> str:
    """The windows of its schedules; else whether that is at once."""
    if row.deleted:
        return "at once"
    if not row.windows:
        waits = row.created and not row.starts
        return "once it is started" if waits else "at once"
    phases: dict[str, list[str]] = {}
    for each in row.windows:
        phases.setdefault(_window(each), []).append(each.phase)
    return "<br>".join(f"{', '.join(names)}: {_cell(told)}" for told, names in phases.items())


def _window(each: PlannedWindow) -> str:
    return window(each.begin, each.end, each.timezone) or f"{each.begin} to {each.end}"


# --- what can't be undone --------------------------------------------------------------------------


def for_good(page: MarkdownPage, plan: Plan) -> None:
    """What no later plan can take back, by name, each once."""
    if said := gone_lines(plan):
        page.add(f"### Can't be undone: {len(said):,}\n")
        page.add(listed([f"- {line}" for line in said], _ROWS))


def gone_lines(plan: Plan) -> Sequence[str]:
    """What no later plan can take back, by name, each once; names stand in backticks."""
    impacts = {row.resource: row for row in plan.impact.campaigns}
    names = {**_deleted_packages(plan), **plan.package_names}
    return list(dict.fromkeys(line for group in plan.groups if (line := _gone(group, impacts, names))))


def _deleted_packages(plan: Plan) -> Mapping[str, str]:
    """Id → name of packages that go, as the changes tell."""
    told = (change.before for change in plan.changes if change.after is None)
    known = (each for each in told if isinstance(each, dict) and {"id", "name"} <= each.keys())
    return {str(each["id"]): str(each["name"]) for each in known}


def _gone(
    group: StepGroup, impacts: Mapping[ResourceId, CampaignImpact], names: Mapping[str, str]
) -> str | None:
    action = group.action
    name = code_span(action.resource.name)
    match action:
        case DeleteCampaign():
            members = _members(impacts.get(action.resource))
            devices = f", with {plural(members, 'gateway')}" if members else ""
            return f"campaign {name} is deleted{devices}"
        case DeletePackage():
            return f"package {code_span(names.get(action.target) or str(action.target))} is deleted"
        case CloseGateways():
            return f"campaign {name}: {plural(len(group.gateways), 'gateway')} closed"
        case RunOnThings():
            return f"campaign {name}: run on the things of {plural(len(group.gateways), 'gateway')}"
        case _:
            return None


def _members(row: CampaignImpact | None) -> int:
    if row is None:
        return 0
    return row.lost if row.devices.members is None else row.devices.members


def leaving(page: MarkdownPage, plan: Plan) -> None:
    """Every gateway that leaves a campaign, as long as there is room: nobody is lost in *and 15 more*."""
    left = _LEAVING
    for change in sorted(plan.changes, key=lambda change: change.resource):
        if change.gateways is None or not change.gateways.lost:
            continue
        lost = change.gateways.lost
        lines: list[str] = []
        told = 0
        for count, line in _packed(lost):
            if (left := left - len(line) - 1) < 0:
                lines.append(f"and {plural(len(lost) - told, 'more gateway')}; `--output json` has them all")
                break
            told += count
            lines.append(line)
        part = fenced(lines, "text", _LEAVING, "line")
        title = f"{plural(len(lost), 'gateway')} {'leaves' if len(lost) == 1 else 'leave'}"
        name = html.escape(cut(clean(change.resource.name), _NAME))
        page.add(f"<details>\n<summary>{title} <code>{name}</code></summary>\n\n{part}\n</details>\n")


def _packed(gateways: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Ids in lines of a readable length, each with how many are in it."""
    line: list[str] = []
    width = 0
    for each in map(clean, gateways):
        if line and width + len(each) + 2 > _WIDE:
            yield len(line), ", ".join(line) + ","
            line, width = [], 0
        line.append(each)
        width += len(each) + 2
    if line:
        yield len(line), ", ".join(line)


def _text(words: str) -> str:
    """Words with names of others in them, in which nothing is markup."""
    return html.escape(clean(words)).translate(_MARKUP)


def _cell(words: str) -> str:
    return _text(words).replace("\n", " ")


_MARKUP: Final = {ord(sign): f"&#{ord(sign)};" for sign in "*_`[]|~@#\\"}
