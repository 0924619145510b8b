"""A plan that has something of everything, made of the real operations."""

from collections.abc import Callable

import pytest

from reconciler.model import (
    Change,
    DesiredCampaign,
    Finding,
    GatewayChange,
    Kind,
    Need,
    Outcome,
    OutcomeStatus,
    Place,
    Reason,
    ResourceId,
    Server,
    Severity,
    StepGroup,
    Verb,
)
from reconciler.plan.model import CampaignImpact, Devices, Impact, Packages, Plan
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.state.base import CampaignOwned, Origin, Owned
from tests.actions import action

SERVER = Server("pulse", "https://pulse.example.com", "acme")
LINE_3 = ResourceId(Kind.CAMPAIGN, "line-3")
LINE_4 = ResourceId(Kind.CAMPAIGN, "line-4")
OLD = ResourceId(Kind.CAMPAIGN, "old")
FIRMWARE = ResourceId(Kind.PACKAGE_SET, "firmware")


def gateways(count: int, prefix: str = "gw") -> tuple[str, ...]:
    return tuple(f"{prefix}-{number:06}" for number in range(count))


def group(
    key: str,
    verb: Verb,
    operation: str,
    resource: ResourceId = LINE_3,
    reason: Reason = Reason.DIFFERS,
    *,
    target: str | None = None,
    members: tuple[str, ...] = (),
    per_call: int = 0,
    needs: tuple[Need, ...] = (),
) -> StepGroup:
    made = action(verb, resource, reason, target=target, gateways=members)
    return StepGroup(key, made, OPERATIONS[operation], per_call, needs)


@pytest.fixture
def full_plan() -> Plan:
    upload = group(
        "PackageSet/firmware:upload", Verb.UPLOAD, "upload-package", FIRMWARE, Reason.NOT_ON_SERVER
    )
    create = group(
        "Campaign/line-4:create",
        Verb.CREATE,
        "create-campaign",
        LINE_4,
        Reason.NOT_ON_SERVER,
        needs=(Need(upload.key),),
    )
    add = group(
        "Campaign/line-4:add",
        Verb.ADD,
        "add-gateways",
        LINE_4,
        Reason.NOT_ON_SERVER,
        members=gateways(250),
        per_call=100,
        needs=(Need(create.key),),
    )
    remove = group(
        "Campaign/line-3:remove",
        Verb.REMOVE,
        "remove-gateways",
        LINE_3,
        Reason.LEAVES,
        target="c/3 x",
        members=gateways(2, "old"),
        per_call=100,
    )
    schedule = group(
        "Campaign/line-3:schedule-download",
        Verb.SCHEDULE,
        "schedule-download",
        LINE_3,
        Reason.DECLARED_SINCE,
        target="c/3 x",
        members=gateways(7, "späť/gw"),
        per_call=1,
        needs=(Need(remove.key, by_gateway=True),),
    )
    stop = group("Campaign/old:stop", Verb.STOP, "stop-campaign", OLD, Reason.STOP_TO_DELETE, target="c9")
    delete = group(
        "Campaign/old:delete",
        Verb.DELETE,
        "delete-campaign",
        OLD,
        Reason.REMOVED_FROM_GIT,
        target="c9",
        needs=(Need(stop.key),),
    )
    changes = (
        Change(
            LINE_3, "gateways", None, None, Reason.LEAVES, GatewayChange(120, 118, (), gateways(2, "old"))
        ),
        Change(LINE_3, "description", "before", "after\x1b[31m", Reason.DIFFERS),
        Change(
            LINE_3,
            "settings",
            {"mode": "slow", "same": "1", "gone": "x"},
            {"mode": "fast", "same": "1", "key": {"secret": "from environment variable KEY"}},
            Reason.DECLARED_SINCE,
        ),
        Change(
            LINE_3,
            "schedules",
            None,
            {"download": {"begin": 1_799_614_800_000, "end": 1_799_640_000_000}},
            Reason.NOT_RECORDED,
        ),
        Change(LINE_4, "name", None, "Line 4", Reason.NOT_ON_SERVER),
        Change(LINE_4, "packages", None, [f"p{number}" for number in range(12)], Reason.NOT_ON_SERVER),
        Change(
            LINE_4, "gateways", None, None, Reason.NOT_ON_SERVER, GatewayChange(0, 250, gateways(250), ())
        ),
        Change(OLD, "campaign", "Old", None, Reason.REMOVED_FROM_GIT),
    )
    impact = Impact(
        (
            CampaignImpact(
                LINE_3,
                "Line 3",
                lost=2,
                interrupted=True,
                shared={LINE_4: 7},
                devices=Devices(118, 0, 2, 0, 0, 5, 20, 96),
                packages=Packages(("fw-2.1.bin",), ("fw-2.2.bin",)),
            ),
            CampaignImpact(
                LINE_4,
                "Line 4",
                gained=250,
                created=True,
                starts=True,
                devices=Devices(250, 250, 0, 250, 0, 0, 250, 0),
                packages=Packages((), tuple(f"p{number}" for number in range(12))),
            ),
            CampaignImpact(
                OLD,
                "Old",
                deleted=True,
                stops=True,
                devices=Devices(40, 0, 40, 0, 31, 0, 0, 0),
                packages=Packages(("fw-1.9.bin",), ()),
            ),
        ),
        requests=15,
        permissions=("CREATE_CAMPAIGN", "EDIT_CAMPAIGN"),
        devices=Devices(401, 250, 42, 250, 31, 5, 270, 96),
    )
    findings = (
        Finding("not-ours", "a live campaign is called `Line 5` | <b>@all</b>", resource=LINE_3),
        Finding(
            "plain-secret",
            "a plain value",
            Place("resources/a.yaml", 4, 7),
            "Use fromEnv.",
            LINE_3,
            Severity.WARNING,
        ),
        Finding("held", "somebody stopped it", resource=LINE_4, severity=Severity.NOTE),
    )
    records = (CampaignOwned(Owned(LINE_4, "c4", Origin.ADOPTED)),)
    return Plan(
        SERVER, (upload, create, add, remove, schedule, stop, delete), changes, findings, impact, records
    )


@pytest.fixture
def full_outcomes(full_plan: Plan) -> list[Outcome]:
    """One step or more of every outcome."""
    results: dict[str, Callable[[int], tuple[OutcomeStatus, str, int]]] = {
        "upload-package": lambda _: (OutcomeStatus.DONE, "", 1),
        "create-campaign": lambda _: (OutcomeStatus.NOT_NEEDED, "it was there already", 2),
        "add-gateways": lambda index: (
            OutcomeStatus.UNKNOWN if index == 2 else OutcomeStatus.DONE,
            "cut" if index == 2 else "",
            1,
        ),
        "remove-gateways": lambda _: (OutcomeStatus.FAILED, "403 no permission EDIT_CAMPAIGN", 3),
        "schedule-download": lambda _: (OutcomeStatus.SKIPPED, "because remove-gateways failed", 0),
        "stop-campaign": lambda _: (OutcomeStatus.WAITING, "an approval is missing", 1),
        "delete-campaign": lambda _: (OutcomeStatus.FAILED, "", 1),
    }
    return [
        Outcome(step, status, message, attempts)
        for step in full_plan.steps()
        for status, message, attempts in [results[step.operation.name](step.index)]
    ]


def campaign(name: str, **more: object) -> DesiredCampaign:
    resource = ResourceId(Kind.CAMPAIGN, name)
    return DesiredCampaign(resource, name, Place("a.yaml", 1, 1), **more)  # type: ignore[arg-type]
