"""One plan in which each field of a plan file says something."""

import asyncio
from dataclasses import replace
from pathlib import Path

from plan_files import Made, planned

from reconciler.model import (
    Action,
    AddGateways,
    Assignment,
    Callback,
    CallbackEvent,
    CampaignFields,
    CreateCampaign,
    DeleteCampaign,
    DeliveryTerms,
    DesiredStatus,
    DistributionList,
    Draft,
    EndCampaign,
    Finding,
    Force,
    FromEnv,
    FromFile,
    LivePackage,
    Only,
    OnRemove,
    Override,
    PackageById,
    Place,
    Promotion,
    Reason,
    RemoveGateways,
    RetireCampaign,
    RolloutRecord,
    RolloutStatus,
    RowPlace,
    RunOnThings,
    SchedulePhase,
    Secret,
    SetName,
    Severity,
    StartCampaign,
    StepGroup,
    StopCampaign,
    UploadMode,
    Verb,
    Window,
)
from reconciler.options import Options, Selector, Targets
from reconciler.plan.file import Head, MadeIn, MadeOn, write_plan
from reconciler.plan.model import (
    CampaignImpact,
    Devices,
    GuardTrip,
    HeldBack,
    Impact,
    Packages,
    Partial,
    Snapshot,
)
from reconciler.providers.base import Lowered
from reconciler.rollout.situation import Wait, WaitFor
from reconciler.rollout.views import RolloutView, WavePhase, WaveView
from reconciler.state.base import (
    BracketClosed,
    BracketOpened,
    CampaignAbandoned,
    CampaignForgotten,
    CampaignOwned,
    CampaignReplaced,
    FieldApplied,
    FreezeEnded,
    Intent,
    IntentNoted,
    MembersApplied,
    MembersForgotten,
    NoticeNoted,
    OnRemoveSet,
    Origin,
    Owned,
    PackageForgotten,
    PackageUploaded,
    PlanApplied,
    Predecessor,
    PredecessorEnded,
    PredecessorForgotten,
    ReplacementBegun,
    RolloutNoted,
    SaltChosen,
    Uploaded,
)
from tests.fakes import NOW, PULSE, Project, campaign, desired, file, rid
from tests.memory_provider import SERVER, MemoryCampaign, MemoryServer

ROOT = Path("/home/ann/fleet")
SERVER = replace(SERVER, organization="acme")
MANY = frozenset(f"gw-{n:04}" for n in range(150))
V1 = replace(file("v1"), path=ROOT / "fw.bin")
V2 = replace(
    file("v2"),
    path=ROOT / "packages" / "fw.bin",
    description="two",
    mode=UploadMode.STREAMING,
    version="2.1",
    type="application",
    vendor="Acme",
    first=False,
)
OPTIONS = Options(
    adopt=True,
    prune=True,
    resume=True,
    reassert=True,
    refresh_recorded=True,
    rollouts_only=True,
    targets=Targets((rid("line"),), (Selector("site", "berlin", negated=True),)),
    imports={rid("adoptee"): "3"},
)


ROLLOUT = RolloutRecord(
    "9f86d081",
    "2c26b46b",
    edited=True,
    wave=1,
    since=NOW,
    reached=NOW,
    status=RolloutStatus.PAUSED,
    why="the weather",
    by="ann",
    at=NOW,
    limit=50,
    promoted=(Promotion(2, ("soak",)),),
    stopped=("0", "1"),
    own="b94d27b9",
    stops=True,
    frozen=True,
    lists="5e884898",
    ends=("00061ab0fa8eef72gw-0301", "80087b5b43d91766gw-0302"),
    ends_of="8bf0cd55df4f09f2",
)
VIEW = RolloutView(
    rid("line"),
    "careful",
    RolloutStatus.PAUSED,
    total=5000,
    entered=50,
    joins=450,
    failed=2,
    all_failed=3,
    wave=1,
    opens=2,
    why="the weather",
    by="ann",
    at=NOW,
    reached=NOW,
    since=NOW,
    waves=(
        WaveView(
            "canary",
            50,
            50,
            40,
            2,
            5,
            3,
            WavePhase.PASSED,
            NOW,
            approval=True,
            expected=NOW,
            soak=60_000,
            approved=True,
        ),
    ),
    waits=(Wait(WaitFor.SOAK, NOW, "canary"),),
    next_look=NOW,
    ends=NOW,
    open_until=NOW,
    stops=True,
    changed=True,
    with_before=40,
    moves=400,
    earlier=4500,
    expected_end=NOW,
    now=NOW,
    zone="Europe/Berlin",
    place=Place("line.yaml", 3, 1, (RowPlace("sites.csv", 2, 1),)),
    checks=("errors",),
)


def _at_once(action: Action) -> Lowered:
    """As Pulse, except for things, which this server takes in one call."""
    made = PULSE.lower(action)
    return replace(made, per_call=0) if isinstance(action, RunOnThings) else made


def _world() -> Project:
    server = MemoryServer(
        MemoryCampaign(
            "1",
            "line",
            "STARTED",
            "text",
            ("p-1",),
            {"gw-0001", "gw-0002", "stranger"},
            modified_by="anna",
        ),
        MemoryCampaign("2", "other", "STOPPED", "", ("p-2",), {"gw-0001"}, DistributionList("dl-9")),
        MemoryCampaign("3", "adoptee", "STARTED", packages=("p-2",)),
        MemoryCampaign("4", "removed", "STARTED", packages=("p-2",)),
        packages=[
            LivePackage("p-1", "one"),
            LivePackage("p-2", "two"),
            LivePackage("p-3", "x", f"[sha256:{V1.sha256[:16]}]", V1.sha256[:16]),
            LivePackage("p-4", "gone"),
        ],
        facts=replace(PULSE, lowering=_at_once),
    )
    project = Project(server)
    project.own(
        "line",
        "1",
        members={
            "schedules.download": {"1/2": frozenset({"gw-0001", "gw-0002"})},
            "packageOverrides": {'["p-1"]': frozenset({"gw-0001"})},
        },
        applied={"settings": {"A": {"value": "x"}, "B": {"digest": "9f"}}, "settings.assumed": True},
        declared={"name": "line", "description": "at first"},
    )
    project.own("other", "2", status="STARTED")
    project.own("removed", "4")
    project.uploaded(file("old"), "p-4")
    project.intends("Campaign/third", "third", settings={"K": {"value": "v"}})
    return project


def _to_approve(group: StepGroup) -> StepGroup:
    """An approval of a campaign that is there."""
    if group.action.verb is not Verb.APPROVE:
        return group
    return replace(group, action=replace(group.action, target="5"))


def _replacement(group: StepGroup) -> tuple[StepGroup, ...]:
    """Groups about a successor, as servers have them that can't edit."""
    line, draft = rid("line"), Draft("1f6e", 150)
    delivery = DeliveryTerms(
        Force.AFTER, 1_800_000_000_000, Only.DOWNLOAD, confirm=True, start_at=1_790_000_000_000
    )
    fields = CampaignFields(
        "line",
        package_set=SetName("firmware", "2.1"),
        delivery=delivery,
        distribution=DistributionList("hall-3", also=("17",)),
        closed=("gw-0002",),
    )
    actions = (
        AddGateways(line, Reason.REPLACES, None, ("gw-0001",), draft=draft, by_wave=True),
        RetireCampaign(line, Reason.MAKES_ROOM, "1", name="line ~1"),
        CreateCampaign(
            line, Reason.REPLACES, fields, draft=draft, replaces="1", starts=True, rollout=ROLLOUT
        ),
        EndCampaign(line, Reason.REPLACED, "1", successor="9", before_start=True),
        StopCampaign(line, Reason.WANTS_STOPPED, "1", predecessor=True),
        RemoveGateways(line, Reason.MOVES, "1", ("gw-0001",), moving=True, successor="9", before_start=True),
        DeleteCampaign(line, Reason.REPLACED, "1", predecessor=True),
        StartCampaign(line, Reason.FREEZE_OVER, "1", predecessor=True),
    )
    also = (group.operation,)
    return tuple(
        replace(group, key=f"replacement-{at}", action=action, needs=(), also=also, not_after=NOW + 3_600_000)
        for at, action in enumerate(actions)
    )


def sample() -> Made:
    """A plan with an action of each verb, and what else a plan may hold."""
    in_env = Secret("environment variable KEY", "canary-71aa", FromEnv("KEY"))
    in_file = Secret("file keys/line", "canary-90ff", FromFile(ROOT / "keys" / "line"))
    window = Window(NOW + 10_000, NOW + 20_000)
    wanted = desired(
        campaign(
            "line",
            description="new",
            packages=(V1, V2),
            settings={"A": in_env, "B": in_file, "LEVEL": "debug"},
            gateways=MANY,
            overrides=(Override(frozenset({"gw-0001", "gw-0003"}), (PackageById("p-2"), V2)),),
            schedules=(Assignment(dict.fromkeys(SchedulePhase, window)),),
            callbacks={
                CallbackEvent.COMPLETED: Callback("nd-7"),
                CallbackEvent.STATE_CHANGE: Callback("nd-8", frozenset({"FAILED", "INSTANTIATED"})),
            },
            closed=frozenset({"gw-0002"}),
            things={"gw-0001": ("t-1", "t-2")},
            status=DesiredStatus.STARTED,
        ),
        campaign(
            "other",
            description="two",
            distribution=DistributionList("dl-1", 60),
            status=DesiredStatus.STARTED,
        ),
        campaign(
            "adoptee",
            gateways=frozenset({"gw-0009"}),
            distribution=DistributionList("dl-2", 60),
            on_remove=OnRemove.ABANDON,
        ),
        campaign(
            "third",
            gateways=MANY,
            approve=True,
            status=DesiredStatus.STARTED,
            on_remove=OnRemove.ABANDON,
            things=dict.fromkeys(MANY, ("t",)),
        ),
        packages=(V1, V2),
    )
    made = asyncio.run(planned(_world(), wanted, adopt=True, prune=True, resume=True, reassert=True))
    plan, line = made.plan, rid("line")
    owned = Owned(
        line,
        "1",
        Origin.ADOPTED,
        status="STARTED",
        return_to="STARTED",
        applied={"settings": {"LEVEL": {"value": "debug"}}},
        members={"schedules.download": {"1/2": frozenset({"gw-0002", "gw-0001"})}},
        replacing=True,
        predecessors=(Predecessor("0", ended=True),),
        since=1_790_000_000,
        rollout=ROLLOUT,
    )
    uploaded = Uploaded(
        "ab" * 32,
        "p-9",
        "fw.bin",
        rid("line"),
        left_behind=True,
        description="For line 3.",
        since=1_790_000_000,
    )
    intent = Intent(
        "Campaign/line",
        "Line",
        {"settings": {"K": {"value": "v"}}},
        "1",
        "STARTED",
        since=1_790_000_000,
        ended=True,
        others=("p-0",),
    )
    records = (
        CampaignOwned(owned),
        IntentNoted(intent),
        CampaignForgotten(line),
        CampaignAbandoned(line, ("ab" * 32,)),
        BracketOpened(line, "STARTED"),
        BracketClosed(line),
        ReplacementBegun(line),
        CampaignReplaced(line, "0", "1", "STARTED", {"settings": {"K": {"value": "v"}}}, since=1_800_000_000),
        PredecessorEnded(line, "0"),
        PredecessorForgotten(line, "0"),
        FreezeEnded(line, "0"),
        FieldApplied(line, "callbackSet.completed", {"notificationDestinationId": "nd-7"}),
        MembersApplied(line, "schedules.download", "1/2", ("gw-0001", "gw-0002")),
        MembersForgotten(line, ("gw-0001",), "schedules.download"),
        OnRemoveSet(line, OnRemove.ABANDON),
        RolloutNoted(line, ROLLOUT),
        NoticeNoted("guard:maxDeletes", 1_790_000_000_000),
        PackageUploaded(uploaded),
        PackageForgotten("ab" * 32),
        PlanApplied("cd" * 32, whole=True),
        SaltChosen("9b2e4c1fa07d53868e1d0c2b7a4f6e35"),
    )
    place = Place("campaigns/line.yaml", 5, 9)
    devices = Devices(members=152, join=150, leave=2, start=150, stop=1, interrupt=3, update=151, finished=4)
    packages = Packages(("fw-2.1.bin",), ("fw-2.2.bin",))
    impact = tuple(
        replace(
            _told(each),
            replaced=("packages",),
            ends=1,
            revision=True,
            stay=4500,
            devices=devices,
            packages=packages,
        )
        for each in plan.impact.campaigns
    )
    plan = replace(
        plan,
        groups=(*map(_to_approve, plan.groups), *_replacement(plan.groups[-1])),
        server=SERVER,
        findings=(Finding("held", "somebody stopped it", place, "--resume", line, Severity.NOTE),),
        impact=Impact(impact, 473, ("EDIT_CAMPAIGN",), devices),
        records=(*plan.records, *records),
        guards=(
            GuardTrip(
                "maxDeletes",
                "2 campaigns would be deleted",
                line,
                2,
                1,
                "the site is closed",
                place,
                {line: 2},
                NOW + 3_600_000,
                Place("reconciler.yaml", 9, 7),
            ),
        ),
        partial=Partial(OPTIONS.targets.asked, 1, 4),
        snapshot=Snapshot(NOW, 3600),
        package_names={"p-1": "fw-2.1.bin"},
        rollouts=(VIEW,),
        waits=(HeldBack(line, ("add", "start"), 120, NOW + 7_200_000, ("nights",), "year end"),),
    )
    return replace(made, plan=plan, options=OPTIONS)


def _told(row: CampaignImpact) -> CampaignImpact:
    """With what isn't there by itself."""
    windows = tuple(replace(each, timezone="Europe/Berlin") for each in row.windows)
    return replace(row, stops=True, windows=windows)


def save(made: Made, path: Path) -> None:
    """`made` in a file that is the same wherever it is written."""
    head = Head(
        "0.1.0",
        SERVER,
        MadeIn(str(ROOT), "fleet", "production"),
        MadeOn(12, "6f1c0a52-4c0e-4c43-9a55-0f5d8c4a7f0e"),
        made.options,
    )
    write_plan(path, head, made.plan, made.fingerprints, root=ROOT, salt=made.state.salt)
