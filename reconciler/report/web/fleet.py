"""All campaigns together: one look as a value, and the pages and the report that are made of it.

Tests: `tests/report/test_web_fleet.py`, `tests/web/test_web_browser.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from urllib.parse import quote, urlencode

from reconciler.findings import first_of
from reconciler.model import Finding, ResourceId
from reconciler.providers.base import Stage
from reconciler.report.blocks import findings_of
from reconciler.report.statuses import StatusReport
from reconciler.report.watching import total_words
from reconciler.report.web.campaigns import (
    CampaignShown,
    Counted,
    Mark,
    Urgency,
    by_resource,
    rollout_shown,
)
from reconciler.report.web.pictures import Piece, progress
from reconciler.report.web.rendering import rendered, standalone
from reconciler.report.wording import server_words
from reconciler.rollout.calendars import Opening
from reconciler.text import plural, sentence

PER_PAGE: Final = 50
"""Campaigns of a page."""
_CAUSES: Final = 20
_LOOKS: Final = 20
_FINDINGS: Final = 50
_WHOLE: Final = 500
"""Campaigns that a report shows."""
REFRESH: Final = 30
"""Seconds after which a page is asked for again."""

RESULTS: Final = {
    "applied": Mark("good", "applied"),
    "nothing": Mark("good", "nothing to do"),
    "waiting": Mark("plain", "waits"),
    "standby": Mark("plain", "standby"),
    "partly": Mark("warn", "some steps failed"),
    "failed": Mark("bad", "failed"),
    "guard": Mark("bad", "refused by a guard"),
    "aborted": Mark("bad", "a rollout is aborted"),
    "not-ours": Mark("warn", "a campaign isn't ours"),
}
"""How a look ended → how that is said."""


@dataclass(frozen=True, slots=True)
class LookSeen:
    """A look that is over. Times are epoch milliseconds."""

    at: int
    result: str
    """One of `RESULTS`."""
    milliseconds: int = 0
    """How long it took."""
    message: str = ""
    """What happened, where there is more to say."""

    @property
    def mark(self) -> Mark:
        """Its result in words."""
        return RESULTS.get(self.result, Mark("plain", self.result))


@dataclass(frozen=True, slots=True)
class CalendarSeen:
    """A calendar, and whether it was open at the look."""

    name: str
    opening: Opening | None
    """None: each gateway reads it in a zone of its own."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why gateways failed, where they are told."""

    words: str
    gateways: int
    campaigns: tuple[CampaignShown, ...]


@dataclass(frozen=True)
class FleetShown:
    """One look at everything, as pages show it. Times are epoch milliseconds."""

    status: StatusReport
    at: int
    """When it was looked."""
    environment: str | None = None
    project: str | None = None
    calendars: tuple[CalendarSeen, ...] = ()
    looks: tuple[LookSeen, ...] = ()
    """The last ones, the newest first."""
    next_look: int | None = None
    role: str = ""
    """What this process is, where there are several: ``leader``, ``standby``."""
    notice: str = ""
    """What is to be known before anything else."""
    compared: bool = True
    """Whether there is something that campaigns should be like."""
    commit: str = ""
    """What is checked out, where that is known."""
    api: str = ""
    """Where the documentation of its API is, where it has one."""

    @cached_property
    def campaigns(self) -> Sequence[CampaignShown]:
        """Every campaign, the most urgent first."""
        plan = self.status.plan
        rollouts = {view.resource: view for view in plan.rollouts}
        changes = by_resource(plan.changes)
        findings: dict[ResourceId | None, list[Finding]] = defaultdict(list)
        for each in findings_of(plan):
            findings[each.resource].append(each)
        every = (
            CampaignShown(
                row,
                rollouts.get(row.resource),
                tuple(changes.get(row.resource, ())),
                tuple(findings.get(row.resource, ())),
                self.compared,
            )
            for row in self.status.rows
        )
        return sorted(every, key=lambda each: (each.urgency, each.row.resource))

    @property
    def server(self) -> str:
        """The server in words."""
        return server_words(self.status.plan.server)

    @property
    def named(self) -> str:
        """Its project and environment."""
        return " · ".join(filter(None, (self.project, self.environment)))

    @property
    def heading(self) -> str:
        """What it is about."""
        return self.named or (sentence(self.server) if self.server.startswith("the ") else self.server)

    @property
    def total(self) -> str:
        """All gateways in a line."""
        words = total_words(self.status)
        if not self.kept:
            return words
        kept = f"{plural(self.kept, 'gateway')} not released yet"
        return f"{words}; {kept}" if words else kept

    @cached_property
    def kept(self) -> int:
        """How many gateways are in waves that aren't open."""
        return sum(each.kept for each in self.campaigns)

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """All gateways in a bar."""
        stages: dict[Stage, int] = defaultdict(int)
        done = 0
        for gateways in (row.gateways for row in self.status.rows if row.gateways):
            done += gateways.done
            for stage, count in gateways.stages.items():
                stages[stage] += count
        return progress(stages, done, sum(stages.values()) + self.kept)

    @cached_property
    def facts(self) -> Sequence[Mark]:
        """How many campaigns there are, and how many of them want somebody."""
        every = self.campaigns
        aborted = sum(bool(each.rollout and each.rollout.aborted) for each in every)
        asks = sum(each.urgency is Urgency.ASKS for each in every)
        failing = sum(bool(each.row.gateways and each.row.gateways.failed) for each in every)
        held = sum(each.row.held for each in every)
        drifted = sum(each.drifted for each in every)
        in_sync = sum(each.row.in_sync for each in every)
        told = (
            Mark("plain", plural(len(every), "campaign")),
            Mark("good" if in_sync else "plain", f"{in_sync:,} in sync") if self.compared else None,
            Mark("bad", f"{aborted:,} aborted") if aborted else None,
            Mark("bad", f"{failing:,} with failures") if failing else None,
            Mark("warn", f"{asks:,} {'waits' if asks == 1 else 'wait'} for a person") if asks else None,
            Mark("warn", f"{held:,} held") if held else None,
            Mark("warn", f"{drifted:,} changed on the server") if drifted else None,
        )
        return [each for each in told if each is not None]

    @cached_property
    def causes(self) -> Sequence[Cause]:
        """Why gateways failed, the most frequent first."""
        counts: dict[str, int] = defaultdict(int)
        where: dict[str, list[CampaignShown]] = defaultdict(list)
        for each in self.campaigns:
            for cause, ids in (each.row.gateways.causes if each.row.gateways else {}).items():
                counts[cause] += len(ids)
                where[cause].append(each)
        order = sorted(counts, key=lambda cause: (-counts[cause], cause))
        return [
            Cause(cause or "no cause is told", counts[cause], tuple(where[cause]))
            for cause in order[:_CAUSES]
        ]

    @cached_property
    def findings(self) -> Sequence[Finding]:
        """What a look had to say, errors first."""
        found = first_of(findings_of(self.status.plan))
        return sorted(found, key=lambda each: (not each.is_error, each.sort_key()))[:_FINDINGS]


LEGEND: Final = (
    Counted("done", "done"),
    Counted("before", "done with earlier firmware"),
    Counted("under-way", "under way"),
    Counted("idle", "not begun"),
    Counted("failed", "failed"),
    Counted("track", "not released"),
)
"""The colours of a bar."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The campaigns of one page, among those that were asked for."""

    campaigns: Sequence[CampaignShown]
    found: int
    number: int
    pages: int
    text: str
    refresh: bool

    @property
    def words(self) -> str:
        """Which ones these are."""
        first = (self.number - 1) * PER_PAGE + 1
        which = (
            f"{first:,} to {first + len(self.campaigns) - 1:,} of {self.found:,}" if self.pages > 1 else "All"
        )
        about = f" with “{self.text}”" if self.text else ""
        return f"{which}{about}, the most urgent first"

    def address(self, *, number: int | None = None, refresh: bool | None = None) -> str:
        """Where another page of the same is."""
        said: dict[str, str | int] = {}
        if self.text:
            said["find"] = self.text
        if (at := self.number if number is None else number) > 1:
            said["page"] = at
        if not (self.refresh if refresh is None else refresh):
            said["refresh"] = "off"
        return f"/?{urlencode(said)}" if said else "/"


def sliced(fleet: FleetShown, *, number: int = 1, text: str = "", refresh: bool = True) -> Slice:
    """The page `number`, or the last one, of those that `text` means."""
    text = text.strip()
    found = [each for each in fleet.campaigns if each.matches(text)] if text else fleet.campaigns
    pages = max(1, -(-len(found) // PER_PAGE))
    number = min(max(1, number), pages)
    begin = (number - 1) * PER_PAGE
    return Slice(found[begin : begin + PER_PAGE], len(found), number, pages, text, refresh)


def overview_page(fleet: FleetShown, *, number: int = 1, text: str = "", refresh: bool = True) -> str:
    """The page `/`: its campaigns that `text` means, `PER_PAGE` of them from page `number`."""
    chosen = sliced(fleet, number=number, text=text, refresh=refresh)
    return rendered(
        "overview.html",
        fleet=fleet,
        chosen=chosen,
        legend=LEGEND,
        looks=fleet.looks[:_LOOKS],
        refresh=REFRESH if refresh else None,
        link=campaign_address,
        off=chosen.address(refresh=False),
        on=chosen.address(refresh=True),
    )


def campaign_page(fleet: FleetShown, key: str, *, refresh: bool = True) -> str | None:
    """The page of a campaign; None where there is none of that name."""
    found = next((each for each in fleet.campaigns if each.key == key), None)
    if found is None:
        return None
    address = campaign_address(found)
    return rendered(
        "campaign.html",
        fleet=fleet,
        campaign=found,
        rollout=rollout_shown(found.rollout, fleet.at) if found.rollout else None,
        legend=LEGEND,
        refresh=REFRESH if refresh else None,
        off=f"{address}?refresh=off",
        on=address,
    )


def message_page(heading: str, text: str, *, refresh: bool = False) -> str:
    """A page that only says something: nothing was looked at yet, or there is nothing here."""
    wait = REFRESH if refresh else None
    return rendered("message.html", heading=heading, text=text, refresh=wait, off="", on="")


def campaign_address(campaign: CampaignShown) -> str:
    """Where its page is."""
    return f"/campaigns/{quote(campaign.key, safe='')}"


def status_report(fleet: FleetShown) -> str:
    """`status` as one file."""
    campaigns = fleet.campaigns[:_WHOLE]
    anchors = {each.row.resource: f"campaign-{number}" for number, each in enumerate(campaigns, start=1)}
    return standalone(
        "status.html",
        fleet=fleet,
        campaigns=campaigns,
        rest=len(fleet.campaigns) - len(campaigns),
        legend=LEGEND,
        shown=lambda each: rollout_shown(each.rollout, fleet.at) if each.rollout else None,
        anchor=lambda each: anchors[each.row.resource],
        link=lambda each: f"#{anchors[each.row.resource]}",
    )
