"""The table of `status`."""

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
    Membership,
    PackageByName,
    Phase,
    Place,
    Reason,
    ResourceId,
    Severity,
    Tie,
    Verb,
)
from reconciler.plan.model import Plan
from reconciler.report.status import status_lines, status_rows
from reconciler.state.base import Origin, Owned, State


def rid(name):
    return ResourceId(Kind.CAMPAIGN, name)


def live(name, status="STARTED", phase=Phase.RUNNING, **more):
    return LiveCampaign(f"id-{name}", name, status, phase, **more)


def note(name, code):
    return Finding(code, f"{code} it is", resource=rid(name), severity=Severity.NOTE)


def test_every_state_a_campaign_can_be_in(golden):
    members = Membership({"INSTANTIATED": frozenset("ab"), "FAILED": frozenset("c"), "EMPTY": frozenset()})
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
            rid("alike"): live("alike", gateways=members),
            rid("changed"): live("changed", gateways=Membership({})),
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
            rid("foreign"): Claim(Tie.NOT_OURS, ("f1",)),
            rid("twice"): Claim(Tie.AMBIGUOUS, ("t1", "t2")),
            rid("alike"): Claim(Tie.OWNED, ("id-alike",)),
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
    rows = status_rows(desired, server, state, plan)
    golden("status.txt", "".join(f"{line}\n" for line in status_lines(plan, rows)))


def test_nothing_declared():
    plan = Plan(SERVER)
    assert list(status_lines(plan, status_rows(Desired(), Live(), State("l", "s"), plan)))[-1] == (
        "No campaign is declared or owned."
    )
