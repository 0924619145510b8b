"""Plans, applies and findings as JSON, written chunk by chunk so that size doesn't matter.

The keys are public: ``formatVersion``, ``server``, ``summary``, ``steps``, ``changes``, ``impact``,
``findings``, and for an apply ``outcomes`` and ``exitCode``. Every list has one item a line.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Final

from reconciler.errors import Exit
from reconciler.findings import first_of
from reconciler.model import (
    ApproveCampaign,
    Change,
    ChangedIn,
    Finding,
    Outcome,
    RowPlace,
    Server,
    Severity,
    Step,
)
from reconciler.plan.model import CampaignImpact, Devices, Impact, Partial, Plan
from reconciler.report.apply_summary import outcome_counts
from reconciler.report.blocks import findings_of, guard_item, recorded
from reconciler.report.paths import path_of
from reconciler.report.rollouts_report import rollout_item
from reconciler.report.waits_report import wait_item
from reconciler.report.wording import safe
from reconciler.report.workflow_commands import no_orders
from reconciler.text import clean

FORMAT_VERSION: Final = 1

Entry = tuple[str, object]


def plan_chunks(plan: Plan, digest: str | None = None, *, would: Exit | None = None) -> Iterator[str]:
    """The document of `plan`; `digest` is its own, where it stands in a file, `would` how an apply would end
    if nothing failed.
    """
    more: dict[str, object] = {} if would is None else {"applyExitCode": int(would)}
    return _object([*_head(plan, more, digest), *_body(plan)])


def applied_chunks(
    plan: Plan, outcomes: Sequence[Outcome], code: Exit, digest: str | None = None
) -> Iterator[str]:
    """The document of an apply: its plan, and what became of every step."""
    counts = {status.value: count for status, count in outcome_counts(outcomes).items()}
    return _object(
        [
            *_head(plan, {"outcomes": counts, "exitCode": int(code)}, digest),
            *_body(plan),
            ("outcomes", map(_outcome, outcomes)),
        ]
    )


def findings_chunks(findings: Iterable[Finding]) -> Iterator[str]:
    """The document of what `validate` found, and of a plan that invalid input prevented."""
    found = list(findings)
    return _object(
        [
            ("formatVersion", FORMAT_VERSION),
            ("summary", _counts(found)),
            ("findings", map(finding_item, first_of(found))),
        ]
    )


def _head(plan: Plan, more: dict[str, object], digest: str | None) -> list[Entry]:
    by_operation: Counter[str] = Counter()
    for group in plan.groups:
        by_operation[group.operation.name] += len(group)
    campaigns = plan.impact.campaigns
    summary = {
        "steps": plan.size,
        "destructive": sum(len(group) for group in plan.groups if group.operation.destructive),
        "byOperation": dict(sorted(by_operation.items())),
        "changes": len(plan.changes),
        "campaigns": {
            "created": sum(campaign.created for campaign in campaigns),
            "deleted": sum(campaign.deleted for campaign in campaigns),
            "started": sum(campaign.starts for campaign in campaigns),
            "stopped": sum(campaign.stops for campaign in campaigns),
            "interrupted": sum(campaign.interrupted for campaign in campaigns),
        },
        "gatewaysGained": plan.impact.gained,
        "gatewaysLost": plan.impact.lost,
        "recorded": list(recorded(plan.records)),
        **_counts(findings_of(plan)),
        **more,
    }
    snapshot = plan.snapshot
    age = [("snapshot", {"taken": snapshot.taken, "ageSeconds": snapshot.age})] if snapshot else []
    return [
        ("formatVersion", FORMAT_VERSION),
        ("server", _server(plan.server)),
        *([("digest", digest)] if digest else []),
        *age,
        *_partial(plan.partial),
        ("summary", summary),
    ]


def _partial(partial: Partial | None) -> list[Entry]:
    if partial is None:
        return []
    return [("partial", {"asked": partial.asked, "campaigns": partial.campaigns, "of": partial.total})]


def _body(plan: Plan) -> list[Entry]:
    return [
        ("steps", (step_item(*each) for group in plan.groups for each in plan.needs(group))),
        ("changes", map(change_item, plan.changes)),
        ("impact", _impact(plan.impact)),
        ("unreadable", ({"resource": str(r), "fields": list(f)} for r, f in sorted(plan.unreadable.items()))),
        *([("rollouts", map(rollout_item, plan.rollouts))] if plan.rollouts else []),
        *([("waits", map(wait_item, plan.waits))] if plan.waits else []),
        ("guards", map(guard_item, plan.guards)),
        ("findings", map(finding_item, first_of(findings_of(plan)))),
    ]


def _object(entries: Sequence[Entry]) -> Iterator[str]:
    start = "{\n"
    for name, value in entries:
        yield f"{start}{json.dumps(name)}: "
        start = ",\n"
        if isinstance(value, Iterator):
            yield from _array(value)
        else:
            yield _dumps(value)
    yield "\n}\n"


def _array(items: Iterator[object]) -> Iterator[str]:
    start = "["
    for item in items:
        yield f"{start}\n{_dumps(item)}"
        start = ","
    yield "[]" if start == "[" else "\n]"


def _dumps(value: object) -> str:
    # A lone surrogate can't be written as UTF-8, so everything outside ASCII is escaped.
    return no_orders(json.dumps(value))


def step_item(step: Step, needs: Iterable[Step]) -> dict[str, object]:
    """One step of the document, and those that it needs."""
    operation = step.operation
    conditional = isinstance(step.action, ApproveCampaign) and step.action.only_if_waiting
    return {
        "id": step.id,
        "operation": operation.name,
        "method": operation.method,
        "path": path_of(step),
        "resource": str(step.resource),
        "gateways": step.gateways,
        "needs": [need.id for need in needs],
        "reason": step.action.reason.value,
        "destructive": operation.destructive,
        **_permissions(operation.permissions),
        **({"onlyIf": "APPROVAL_NEEDED"} if conditional else {}),
    }


def _permissions(names: Sequence[str]) -> dict[str, object]:
    """The permission of a call, as a list beside it where there are several."""
    several = {"permissions": list(names)} if len(names) > 1 else {}
    return {"permission": names[0] if names else None, **several}


def change_item(change: Change) -> dict[str, object]:
    """One change of the document; a membership is counts and the ids that differ."""
    before, after = safe(change.before), safe(change.after)
    if change.gateways is not None:
        before = {"count": change.gateways.before, "lost": change.gateways.lost}
        after = {"count": change.gateways.after, "gained": change.gateways.gained}
    item: dict[str, object] = {
        "resource": str(change.resource),
        "field": change.field,
        "before": before,
        "after": after,
        "reason": change.reason.value,
    }
    if change.changed_in is not None:
        item["changedIn"] = change.changed_in.value
    if change.by is not None:
        item["changedBy"] = clean(change.by)
    if change.changed_in is ChangedIn.BOTH:
        item["lastApplied"] = safe(change.last)
    # For values of single gateways: how many have this one.
    return {**item, "gateways": change.members} if change.members else item


def finding_item(finding: Finding) -> dict[str, object]:
    """One finding of the document."""
    place = finding.place
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "message": finding.message,
        "hint": finding.hint,
        "resource": str(finding.resource) if finding.resource else None,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        **({"rows": [_row_item(row) for row in place.rows]} if place and place.rows else {}),
    }


def _row_item(row: RowPlace) -> dict[str, object]:
    return {"file": row.file, "line": row.line, "column": row.column}


def _outcome(outcome: Outcome) -> dict[str, object]:
    return {
        "step": outcome.step.id,
        "status": outcome.status.value,
        "message": outcome.message,
        "attempts": outcome.attempts,
        **({"left": outcome.left} if outcome.left else {}),
        **({"skip": outcome.skip.value} if outcome.skip else {}),
    }


def _counts(findings: Iterable[Finding]) -> dict[str, int]:
    counts = dict.fromkeys(Severity, 0)
    for finding in findings:
        counts[finding.severity] += 1
    return {f"{severity.value}s": count for severity, count in counts.items()}


def _server(server: Server) -> dict[str, object]:
    return {"provider": server.provider, "url": server.url, "organization": server.organization}


def _impact(impact: Impact) -> dict[str, object]:
    return {
        "gained": impact.gained,
        "lost": impact.lost,
        "requests": impact.requests,
        "permissions": impact.permissions,
        "devices": _devices(impact.devices),
        "campaigns": [_campaign(campaign) for campaign in impact.campaigns],
    }


def _campaign(campaign: CampaignImpact) -> dict[str, object]:
    return {
        "resource": str(campaign.resource),
        "name": campaign.name,
        "gained": campaign.gained,
        "lost": campaign.lost,
        "created": campaign.created,
        "deleted": campaign.deleted,
        "starts": campaign.starts,
        "stops": campaign.stops,
        "interrupted": campaign.interrupted,
        **({"replaced": list(campaign.replaced)} if campaign.replaced else {}),
        **({"revision": True} if campaign.revision else {}),
        **({"stay": campaign.stay} if campaign.stay else {}),
        "shared": {str(other): count for other, count in sorted(campaign.shared.items())},
        "devices": _devices(campaign.devices),
        "packages": {"before": campaign.packages.before, "after": campaign.packages.after},
    }


def _devices(devices: Devices) -> dict[str, int | None]:
    """How many gateways; null where that isn't known."""
    return {each.name: getattr(devices, each.name) for each in fields(devices)}
