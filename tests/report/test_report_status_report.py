"""The table of `status`."""

import json

from jsonschema import Draft202012Validator
from report_samples import SERVER, campaign, group

from reconciler.model import (
    CampaignSummary,
    Change,
    Claim,
    Desired,
    Finding,
    Kind,
    Live,
    LiveCampaign,
    Ownership,
    PackageByName,
    Phase,
    Place,
    Reason,
    ResourceId,
    Severity,
    Verb,
)
from reconciler.plan.model import Plan
from reconciler.providers.base import Stage
from reconciler.providers.base.questions import GatewayStatus, PackageProgress
from reconciler.report.status_report import (
    change_line,
    status_document,
    status_lines,
    status_rows,
)
from reconciler.report.statuses import GatewayLine, Gateways, StatusReport
from reconciler.state.base import Origin, Owned, State
from reconciler.validation.schemas import schema


def rid(name):
    return ResourceId(Kind.CAMPAIGN, name)


def live(name, status="STARTED", phase=Phase.RUNNING, **more):
    return LiveCampaign(f"id-{name}", name, status, phase, **more)


def note(name, code):
    return Finding(code, f"{code} it is", resource=rid(name), severity=Severity.NOTE)


def test_every_state_a_campaign_can_be_in(golden):
    desired = Desired(
        (
            campaign("alike"),
            campaign("assumed"),
            campaign("broken", packages=(PackageByName("fw", Place("b.yaml", 2, 2)),)),
            campaign("changed"),
            campaign("foreign"),
            campaign("held"),
            campaign("new"),
            campaign("odd"),
            campaign("stopping"),
            campaign("twice"),
            campaign("waiting"),
            campaign("waits-unasked"),
            campaign("which-fw", packages=(PackageByName("fw", Place("a.yaml", 9, 9)),)),
        )
    )
    state = State(
        "l",
        "s",
        campaigns={
            rid(name): Owned(rid(name), f"id-{name}", Origin.CREATED)
            for name in ("alike", "lost", "orphan", "unseen")
        },
    )
    server = Live(
        campaigns={
            rid("alike"): live("alike"),
            rid("changed"): live("changed"),
            rid("stopping"): live("stopping"),
            rid("assumed"): live("assumed"),
            rid("broken"): live("broken"),
            rid("held"): live("held", "STOPPED", Phase.PAUSED),
            rid("odd"): live("odd", "PONDERING", Phase.UNKNOWN),
            rid("waiting"): live("waiting", "APPROVAL_NEEDED", Phase.WAITING),
            rid("waits-unasked"): live("waits-unasked", "APPROVAL_NEEDED", Phase.WAITING),
            rid("which-fw"): live("which-fw"),
            rid("orphan"): live("orphan", "STOPPED", Phase.PAUSED),
        },
        claims={
            rid("foreign"): Claim(Ownership.NOT_OURS, ("f1",)),
            rid("twice"): Claim(Ownership.AMBIGUOUS, ("t1", "t2")),
            rid("alike"): Claim(Ownership.OWNED, ("id-alike",)),
        },
        gone=frozenset({rid("lost")}),
        namesakes={"foreign": (CampaignSummary("f1", "foreign", "STARTED"),)},
    )
    changes = tuple(Change(rid("changed"), name, 1, 2, Reason.DIFFERS) for name in ("name", "description"))
    stop = group("stop", Verb.STOP, "stop-campaign", rid("stopping"), target="id-stopping")
    findings = (
        note("held", "held"),
        note("held", "assumed"),
        note("waiting", "waiting-for-approval"),
        note("assumed", "assumed"),
        Finding("unknown-status", "what is it?", Place("a.yaml", 1, 1), resource=rid("odd")),
        Finding("package-not-found", "no such package", Place("a.yaml", 9, 9)),
        Finding("state-in-ci", "a runner forgets", severity=Severity.WARNING),
    )
    plan = Plan(SERVER, (stop,), changes, findings)
    gateways = {
        rid("alike"): Gateways(
            {"INSTANTIATED": 2, "FAILED": 1},
            {Stage.IDLE: 2, Stage.FAILED: 1},
            pending=2,
            causes={"no power\x1b[31m": ("gw-9",)},
        ),
        rid("changed"): Gateways(),
        rid("held"): Gateways(
            {"WAITING_FOR_DOWNLOAD": 20, "ACTIVATION_COMPLETE": 70, "": 2, "FAILED": 8},
            {Stage.UNDER_WAY: 20, Stage.DONE: 70, Stage.IDLE: 2, Stage.FAILED: 8},
            closed=3,
            pending=21,
            causes={"checksum mismatch": gateways_named(6), "": ("gw-x",)},
            listed=(
                GatewayLine(GatewayStatus("gw-x", "FAILED", 1_700_000_000_000)),
                GatewayLine(
                    GatewayStatus(
                        "gw-y",
                        "WAITING_FOR_DOWNLOAD",
                        downloads=(PackageProgress("p", 1, 2), PackageProgress("q", 1, 6)),
                        execution=("unpacked", "run"),
                    ),
                    closed=True,
                ),
            ),
        ),
        rid("orphan"): Gateways({"INSTANTIATED": 1_200}, {Stage.IDLE: 1_200}, pending=1_200),
    }
    rows = status_rows(desired, server, state, plan, gateways)
    status = StatusReport(plan, rows)
    golden("status.txt", "".join(f"{line}\n" for line in status_lines(status)))
    document = status_document(status)
    Draft202012Validator(schema("status")).validate(json.loads(document))
    golden("status.json", document)
    assert not status.final
    assert change_line(rows[5]) == (
        "Campaign/held: STOPPED, 70 % of 100 gateways done (WAITING_FOR_DOWNLOAD 20, ACTIVATION_COMPLETE 70,"
        " (no state) 2, FAILED 8), held"
    )
    assert change_line(rows[6]) == "Campaign/new: -, not on the server"


def gateways_named(count):
    return tuple(f"gw-{number}" for number in range(count))


def test_nothing_declared():
    plan = Plan(SERVER)
    status = StatusReport(plan, status_rows(Desired(), Live(), State("l", "s"), plan, {}))
    assert list(status_lines(status))[-1] == "No campaign is declared or owned."
    assert status.final
