"""Waivers of guards in the project file: until when each holds, and whom it is for. Pure.

Tests: `tests/resolve/test_resolve_waivers.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from reconciler.findings import WAIVER_OVER, Findings
from reconciler.loading.referenced_files import Problem
from reconciler.model import Finding, Kind, ResourceId, Severity
from reconciler.resolve.times import is_local, parse_time, parse_zone
from reconciler.settings import DeclaredWaiver, GitWaiver
from reconciler.text import did_you_mean, moment, quoted

FOR_NOBODY = "waiver-for-nobody"
"""The code of the finding that no campaign has the name that a waiver gives."""


def read_waivers(
    declared: Iterable[DeclaredWaiver], findings: Findings | None = None
) -> tuple[GitWaiver, ...]:
    """`declared` with their times read; one whose time can't be is left out, and said in `findings`."""
    said = findings or Findings()
    read = []
    for each in declared:
        until = _until(each)
        if isinstance(until, Problem):
            said.error(until.code, until.message, each.place, until.hint)
        elif not each.reason:
            said.error("too-short", "the waiver has no reason", each.place, "say why the guard may be passed")
        else:
            campaign = ResourceId(Kind.CAMPAIGN, each.campaign) if each.campaign else None
            read.append(GitWaiver(each.guard, each.reason, until, campaign, each.place))
    return tuple(read)


def in_force(waivers: Iterable[GitWaiver], now: int) -> tuple[GitWaiver, ...]:
    """Those that are not over `now` (epoch milliseconds)."""
    return tuple(each for each in waivers if now < each.until)


def about_waivers(
    waivers: Sequence[GitWaiver], declared: Collection[ResourceId] | None, now: int
) -> Iterator[Finding]:
    """Which are over `now`, and which name no `declared` campaign (None: it isn't known which there are)."""
    for each in waivers:
        if each.until <= now:
            yield Finding(
                WAIVER_OVER,
                f"the waiver of {each.guard}{_whose(each)} was over on {moment(each.until)}",
                each.place,
                "take it out of the file",
                severity=Severity.NOTE,
            )
        elif each.campaign and declared is not None and each.campaign not in declared:
            names = [resource.name for resource in declared]
            yield Finding(
                FOR_NOBODY,
                f"the waiver of {each.guard} is for a campaign {quoted(each.campaign.name)}, and none that is"
                " declared has that name",
                each.place,
                did_you_mean(each.campaign.name, names) or "a waiver names a campaign by its metadata.name",
                each.campaign,
                Severity.WARNING,
            )


def _until(waiver: DeclaredWaiver) -> int | Problem:
    zone = parse_zone(waiver.timezone) if waiver.timezone else None
    if isinstance(zone, Problem):
        return zone
    if zone is None and is_local(waiver.until):
        return Problem(
            "time-without-zone",
            f"{quoted(waiver.until)} doesn't say in which time zone",
            "add an offset (Z, +02:00) to the time, or a timezone to the waiver",
        )
    return parse_time(waiver.until, zone)


def _whose(waiver: GitWaiver) -> str:
    return f" for {waiver.campaign}" if waiver.campaign else ""
