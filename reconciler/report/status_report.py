"""`status`: what is declared, what the server makes of it, and how far its gateways are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from reconciler.findings import first_of
from reconciler.model import (
    Desired,
    Finding,
    Live,
    LiveCampaign,
    Ownership,
    Phase,
    Place,
    ResourceId,
    used_packages,
)
from reconciler.plan.model import Plan
from reconciler.plan.packages import names_of
from reconciler.report.command_answers import download_summary, gateway_item, server_item
from reconciler.report.lines import Line
from reconciler.report.plan_document import FORMAT_VERSION, finding_item
from reconciler.report.plan_text import finding_lines
from reconciler.report.rollouts_report import rollout_bars, rollout_item
from reconciler.report.statuses import Gateways, Row, StatusReport, Sync, done_before
from reconciler.report.table import bar, percent, table
from reconciler.report.terminal import Paint, Tone, plain
from reconciler.report.waits_report import wait_item, wait_lines
from reconciler.report.watching import total_words
from reconciler.report.wording import counted
from reconciler.report.workflow_commands import no_orders
from reconciler.state.base import State
from reconciler.text import clean, first, plural, timestamp

_STRANGERS = {
    Ownership.NOT_OURS: "not ours",
    Ownership.AMBIGUOUS: "several on the server",
    Ownership.UNREADABLE: "not answered for",
}
_WAITS = {"held": "held", "waiting-for-approval": "waiting for approval"}
"""Code of a finding → what the table says."""
_BACK: Final = {
    "rollback-stands-by": ("stands by", Sync.IN_SYNC),
    "rollback-waits": ("waits for a stop", Sync.WAITING),
}
"""The same of a way back that isn't there."""

_HEADINGS: Final = ("RESOURCE", "NAME", "ID", "STATUS", "GATEWAYS", "STATE")
_BAR: Final = 30
_NAMED: Final = 5
"""How many failed gateways of a cause are named."""


def status_rows(
    desired: Desired, live: Live, state: State, plan: Plan, gateways: Mapping[ResourceId, Gateways]
) -> Sequence[Row]:
    """A row for each campaign that is declared, then for each that is owned and no longer declared."""
    notes = _codes(desired, plan)
    changes = Counter(change.resource for change in plan.changes)
    steps = Counter(group.action.resource for group in plan.groups)
    waiting = {wait.resource for wait in plan.waits}
    names = {**names_of(live, state), **plan.package_names}
    rows = []
    for campaign in desired.campaigns:
        resource = campaign.resource
        found = live.campaigns.get(resource)
        claim = live.claims.get(resource)
        codes = {finding.code for finding in notes[resource]}
        if claim and claim.ownership in _STRANGERS:
            statuses = {it.id: it.status for it in live.namesakes.get(campaign.name, ())}
            status = ", ".join(statuses[it] for it in claim.ids if it in statuses)
            verdict = _STRANGERS[claim.ownership]
            unread = claim.ownership is Ownership.UNREADABLE
            sync = Sync.ERROR if unread else Sync.NOT_OURS
            ids = claim.ids
            rows.append(
                Row(resource, campaign.name, ids, status or None, None, Tone.ERROR, verdict, sync=sync)
            )
        elif found is None and (back := _BACK.get(next(iter(_BACK.keys() & codes), ""))):
            verdict, sync = back
            row = Row(resource, campaign.name, (), None, None, Tone.QUIET, verdict, sync=sync)
            rows.append(replace(row, in_sync=sync is Sync.IN_SYNC))
        elif found is None:
            broken = any(finding.is_error for finding in notes[resource])
            sync = Sync.ERROR if broken else Sync.CHANGED
            rows.append(
                Row(resource, campaign.name, (), None, None, Tone.WARNING, "not on the server", sync=sync)
            )
        else:
            rows.append(
                _declared(
                    found,
                    gateways.get(resource),
                    notes[resource],
                    resource,
                    changes=changes[resource] or steps[resource],
                    waits=resource in waiting,
                    unreadable=tuple(plan.unreadable.get(resource, ())),
                    firmware=_firmware(found, names),
                )
            )
    declared = {campaign.resource for campaign in desired.campaigns}
    for resource in sorted(set(state.campaigns) - declared):
        found = live.campaigns.get(resource)
        verdict = "no longer declared"
        if found is None:
            if resource in live.gone:
                verdict = f"not on the server, {verdict}"
            ids = (state.campaigns[resource].id,)
            rows.append(Row(resource, "", ids, None, None, Tone.WARNING, verdict))
        else:
            rows.append(
                Row(
                    resource,
                    found.name,
                    (found.id,),
                    found.status,
                    gateways.get(resource),
                    Tone.WARNING,
                    verdict,
                    running=_runs(found),
                    firmware=_firmware(found, names),
                )
            )
    return rows


def _firmware(found: LiveCampaign, names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(names.get(package, package) for package in found.packages)


def _runs(found: LiveCampaign) -> bool:
    """A word that nobody knows may say so."""
    return found.phase in (Phase.RUNNING, Phase.BUSY, Phase.UNKNOWN)


def _codes(desired: Desired, plan: Plan) -> Mapping[ResourceId, Sequence[Finding]]:
    """The findings of each campaign: its own, and those of packages that it uses."""
    codes: dict[ResourceId, list[Finding]] = {campaign.resource: [] for campaign in desired.campaigns}
    broken: dict[Place, Finding] = {}
    for finding in plan.findings:
        if finding.resource in codes:
            codes[finding.resource].append(finding)
        elif finding.is_error and finding.place:
            broken[finding.place] = finding
    # A package may be declared in several places, but a finding names only one of them.
    every = {campaign.resource: used_packages([campaign]) for campaign in desired.campaigns}
    bad = {ref: broken[ref.place] for refs in every.values() for ref in refs if ref.place in broken}
    for resource, refs in every.items():
        codes[resource] += [bad[ref] for ref in refs if ref in bad]
    return codes


def _declared(
    found: LiveCampaign,
    gateways: Gateways | None,
    findings: Sequence[Finding],
    resource: ResourceId,
    *,
    changes: int,
    waits: bool,
    unreadable: tuple[str, ...],
    firmware: tuple[str, ...],
) -> Row:
    said = {finding.code for finding in findings}
    errors = [f"error: {code}" for code in sorted({finding.code for finding in findings if finding.is_error})]
    parts = [*errors]
    if changes:
        parts.append(plural(changes, "change"))
    parts += ["waits for a calendar"] if waits else []
    parts += [words for code, words in _WAITS.items() if code in said]
    # Never call it in sync where something can't be read, or where gateways finished with something else.
    blind = f"; not readable: {', '.join(unreadable)}" if unreadable else ""
    earlier = f"; {done_before(gateways)}" if gateways and gateways.done_before else ""
    held, waiting = "held" in said, "waiting-for-approval" in said
    judged = ((errors, Sync.ERROR), (held, Sync.HELD), (waiting, Sync.WAITING), (parts, Sync.CHANGED))
    return Row(
        resource,
        found.name,
        (found.id,),
        found.status,
        gateways,
        Tone.ERROR if errors else Tone.WARNING if parts or earlier else Tone.GOOD,
        (", ".join(parts) or f"in sync{blind}") + earlier,
        changes=changes,
        held=held,
        waiting=waiting,
        in_sync=not parts,
        unreadable=unreadable,
        running=_runs(found),
        firmware=firmware,
        sync=next((each for holds, each in judged if holds), Sync.IN_SYNC),
    )


# --- text ----------------------------------------------------------------------------------------


def status_lines(
    status: StatusReport, paint: Paint = plain, *, blocks: bool = True, pace: str = "", short: bool = False
) -> Iterator[str]:
    """The server, all gateways in a line, the table, and what was found on the way.

    `pace` goes behind all gateways; `short`: states by short names, for frames that are drawn again.
    """
    plan, rows = status.plan, status.rows
    yield f"Server: {clean(str(plan.server))}"
    rollouts = {view.resource: view for view in plan.rollouts}
    several = sum(row.gateways is not None for row in rows) > 1
    if (short or several) and (total := total_words(status)):
        yield Line(f"{total}{pace}", 2)
    yield ""
    if not rows:
        yield "No campaign is declared or owned."
    else:
        heading, *lines = table(
            _HEADINGS,
            [row.short_cells if short else row.cells for row in rows],
            paint,
            tones=[row.tone for row in rows],
            drop=("ID", "NAME", "STATUS"),
        )
        yield heading
        for row, line in zip(rows, lines, strict=True):
            yield line
            if row.gateways is not None:
                yield from _details(row.gateways, paint, blocks=blocks, short=short)
            if (rollout := rollouts.get(row.resource)) is not None:
                yield from rollout_bars(rollout, paint, blocks=blocks)
    for row in rows:
        if row.gateways is not None and row.gateways.listed:
            yield ""
            yield from _listed(row, row.gateways, paint)
    if plan.waits:
        yield ""
        yield from wait_lines(plan.waits, paint)
    if plan.findings:
        yield ""
        yield from finding_lines(plan.findings, paint)
        yield counted(plan.findings)


def _details(gateways: Gateways, paint: Paint, *, blocks: bool, short: bool) -> Iterator[str]:
    if len(gateways.states) > 1:
        drawn = bar(gateways.stages, _BAR, paint, blocks=blocks)
        counts = gateways.short_counts if short else gateways.counts
        yield Line(f"  {drawn}  {percent(gateways.done, gateways.total)} done  {counts}", _BAR + 4)
    for cause, ids in gateways.causes.items():
        reason = clean(cause) or "no cause is told"
        yield Line(f"  {paint('failed', Tone.ERROR)}: {reason} ({len(ids):,}): {first(ids, _NAMED)}", 10)
    if gateways.unasked:
        yield f"  {paint('failed', Tone.ERROR)}: {gateways.unasked:,} more, not asked why"
    if gateways.closed:
        yield f"  closed: {gateways.closed:,}"


def _listed(row: Row, gateways: Gateways, paint: Paint) -> Iterator[str]:
    yield paint(f"Gateways of {row.resource}", Tone.STRONG)
    rows = [
        (
            line.status.gateway,
            f"{line.status.state or '-'}{' (closed)' if line.closed else ''}",
            timestamp(line.status.changed),
            download_summary(line.status.downloads),
            line.status.execution[-1] if line.status.execution else "-",
            line.status.cause or "-",
        )
        for line in gateways.listed
    ]
    yield from table(("GATEWAY", "STATE", "SINCE", "DOWNLOAD", "EXECUTION", "CAUSE"), rows, paint)
    if gateways.total > len(rows):
        yield f"and {gateways.total - len(rows):,} more (--limit)"


def change_line(row: Row) -> str:
    """A row where nothing can be redrawn: ``Campaign/line-3: STARTED, 62 % of 500 done (…), in sync``."""
    parts = [row.status or "-"]
    if row.gateways is not None and row.gateways.total:
        total = plural(row.gateways.total, "gateway")
        parts.append(
            f"{percent(row.gateways.done, row.gateways.total)} of {total} done ({row.gateways.counts})"
        )
    return clean(f"{row.resource}: {', '.join([*parts, row.verdict])}")


# --- JSON ----------------------------------------------------------------------------------------


def status_document(status: StatusReport, *, indent: int | None = 2) -> str:
    """The document of `status`: schemas/status.json. Without `indent` on one line."""
    plan, rows = status.plan, status.rows
    read = [row.gateways for row in rows if row.gateways is not None]
    value = {
        "formatVersion": FORMAT_VERSION,
        "server": server_item(plan.server),
        "summary": {
            "campaigns": len(rows),
            "inSync": sum(row.in_sync for row in rows),
            "held": sum(row.held for row in rows),
            "waiting": sum(row.waiting for row in rows),
            "gateways": sum(it.total for it in read),
            "done": sum(it.done for it in read),
            "doneBefore": sum(sum(it.done_before.values()) for it in read),
            "failed": sum(it.failed for it in read),
            "pending": sum(it.pending for it in read),
            "final": status.final,
        },
        "campaigns": list(map(_item, rows)),
        **({"rollouts": list(map(rollout_item, plan.rollouts))} if plan.rollouts else {}),
        **({"waits": list(map(wait_item, plan.waits))} if plan.waits else {}),
        "findings": [finding_item(it) for it in first_of(plan.findings)],
    }
    return no_orders(json.dumps(value, ensure_ascii=False, indent=indent)) + "\n"


def _item(row: Row) -> dict[str, object]:
    return {
        "resource": str(row.resource),
        "name": row.name or None,
        "ids": list(row.ids),
        "status": row.status,
        "state": row.verdict,
        "inSync": row.in_sync,
        "held": row.held,
        "waiting": row.waiting,
        "changes": row.changes,
        "notReadable": list(row.unreadable),
        "packages": list(row.firmware),
        "gateways": None if row.gateways is None else _gateways_item(row.gateways),
    }


def _gateways_item(gateways: Gateways) -> dict[str, object]:
    return {
        "total": gateways.total,
        "states": dict(gateways.states),
        "done": gateways.done,
        "doneBefore": dict(gateways.done_before),
        "failed": gateways.failed,
        "pending": gateways.pending,
        "closed": gateways.closed,
        "failures": [
            {"cause": cause or None, "gateways": list(ids)} for cause, ids in gateways.causes.items()
        ],
        "listed": [{**gateway_item(line.status), "closed": line.closed} for line in gateways.listed],
    }
