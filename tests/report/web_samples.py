"""Fleets to look at: busy, aborted, empty, and of many campaigns. Also those of the pictures in the docs."""

from dataclasses import replace

from reconciler.model import (
    Change,
    ChangedIn,
    Finding,
    GatewayChange,
    Kind,
    Place,
    Reason,
    ResourceId,
    RolloutStatus,
    Server,
    Severity,
)
from reconciler.plan.model import Plan
from reconciler.providers.base import Stage
from reconciler.report.statuses import Gateways, Row, StatusReport
from reconciler.report.terminal import Tone
from reconciler.report.web.fleet import CalendarSeen, FleetShown, LookSeen
from reconciler.rollout.calendars import Opening
from reconciler.rollout.situation import Wait, WaitFor
from reconciler.rollout.views import RolloutView, WavePhase, WaveView

NOW = 1_799_712_000_000
"""2027-01-12 00:00 UTC."""
HOUR = 3_600_000
SERVER = Server("pulse", "https://pulse.example.com", "acme")
HOSTILE = "<script>alert(1)</script>\"'`|\u202egnp.exe\x1b[31m{{ 7*7 }}" + "x" * 10_000
"""A name that somebody made up."""


def rid(name: str) -> ResourceId:
    return ResourceId(Kind.CAMPAIGN, name)


def gateways(done: int = 0, under_way: int = 0, idle: int = 0, failed: int = 0, **more) -> Gateways:
    states = {
        "INSTANTIATED": idle,
        "WAITING_FOR_DOWNLOAD": under_way,
        "ACTIVATION_COMPLETE": done,
        "FAILED": failed,
    }
    stages = {Stage.DONE: done, Stage.UNDER_WAY: under_way, Stage.IDLE: idle, Stage.FAILED: failed}
    return Gateways(
        {state: count for state, count in states.items() if count},
        {stage: count for stage, count in stages.items() if count},
        pending=under_way + idle,
        **more,
    )


def row(key: str, counts: Gateways | None = None, verdict: str = "in sync", **more) -> Row:
    tone = Tone.GOOD if verdict == "in sync" else Tone.WARNING
    given = {
        "name": key,
        "ids": (f"id-{key}",),
        "status": "STARTED",
        "gateways": counts,
        "tone": tone,
        "verdict": verdict,
        "in_sync": verdict == "in sync",
        "running": True,
        "firmware": ("fw-2.2.bin",),
        **more,
    }
    return Row(resource=rid(key), **given)


WAVES = (
    WaveView("canary", 10, 10, 10, phase=WavePhase.PASSED),
    WaveView("10 %", 300, 300, 214, 4, 22, phase=WavePhase.OPEN),
    WaveView("half", 1_240, not_before=NOW + 19 * HOUR),
    WaveView("everybody", 1_550, not_before=NOW + 43 * HOUR, approval=True),
)
ROLLOUT = RolloutView(
    rid("berlin"),
    "careful",
    RolloutStatus.PROGRESSING,
    total=3_100,
    entered=310,
    failed=4,
    wave=2,
    waves=WAVES,
    waits=(
        Wait(WaitFor.SUCCESS, None, "214 of 300 done, 90 % needed"),
        Wait(WaitFor.CALENDAR, NOW + 19 * HOUR),
    ),
    next_look=NOW + 19 * HOUR,
    ends=NOW + 67 * HOUR,
)
APPROVAL = replace(
    ROLLOUT,
    resource=rid("munich"),
    total=320,
    entered=164,
    wave=3,
    waves=(
        replace(WAVES[0], phase=WavePhase.PASSED),
        replace(WAVES[1], gateways=30, entered=30, done=30, failed=0, idle=0, phase=WavePhase.PASSED),
        WaveView("half", 124, 124, 121, 0, 3, phase=WavePhase.OPEN),
        WaveView("everybody", 156, not_before=NOW, approval=True),
    ),
    waits=(Wait(WaitFor.APPROVAL, None, "4"),),
    ends=NOW + 24 * HOUR,
)
ABORTED = replace(
    ROLLOUT,
    status=RolloutStatus.ABORTED,
    why="31 of 310 finished gateways failed, 10 % is the most",
    waves=(
        WAVES[0],
        WaveView("10 %", 300, 300, 180, 31, 60, phase=WavePhase.OPEN),
        WaveView("half", 1_240),
        WaveView("everybody", 1_550, approval=True),
    ),
    waits=(Wait(WaitFor.ABORTED, None, "31 of 310 finished gateways failed, 10 % is the most"),),
    next_look=None,
    ends=None,
)
CALENDARS = (
    CalendarSeen("nights", Opening(False, opens=NOW + 19 * HOUR)),
    CalendarSeen("christmas", Opening(False, opens=NOW + 90 * HOUR, frozen="end of year")),
    CalendarSeen("weekends", Opening(True, until=NOW + 5 * HOUR)),
    CalendarSeen("local-night", None),
)
LOOKS = (
    LookSeen(NOW, "waiting", 1_840),
    LookSeen(NOW - 60_000, "applied", 5_310, "120 calls"),
    LookSeen(NOW - 120_000, "failed", 30_020, "the server does not answer: `GET /api/campaigns` timed out"),
    LookSeen(NOW - 180_000, "nothing", 1_790),
)
DRIFT = Change(
    rid("hamburg"),
    "description",
    "Presses",
    "Presses of Hamburg",
    Reason.DIFFERS,
    changed_in=ChangedIn.SERVER,
)
JOINS = Change(
    rid("paris"), "gateways", None, None, Reason.JOINS, GatewayChange(40, 42, ("gw-p-041", "gw-p-042"), ())
)


def busy() -> FleetShown:
    """A good night with something of everything."""
    rows = (
        row(
            "berlin",
            gateways(
                224, 70, 12, 4,
                causes={"checksum mismatch": ("gw-b-07", "gw-b-19"), "no space left": ("gw-b-44", "gw-b-45")},
            ),
        ),
        row("munich", gateways(161, 0, 3, 0), name="Presses of Munich"),
        row("hamburg", gateways(40, 12, 8, 0, done_before={"fw-2.1.bin": 20}), "1 change", changes=1),
        row("paris", gateways(38, 2, 0, 0), "1 change", changes=1),
        row("lyon", gateways(0, 0, 25, 0), "held", held=True, status="STOPPED", running=False),
        row("turin", gateways(512, 0, 0, 0), firmware=("fw-2.2.bin", "config-7.json", "modem-1.9.bin")),
        row("new-plant", None, "not on the server", ids=(), status=None, firmware=(), running=False),
        row("old", gateways(9), "no longer declared", in_sync=False),
    )  # fmt: skip
    findings = (
        Finding(
            "held",
            "somebody stopped the campaign; it stays so",
            Place("lyon.yaml", 7, 3),
            "Start it again with --resume.",
            rid("lyon"),
            Severity.NOTE,
        ),
        Finding(
            "no-longer-declared",
            "it is on the server, and no file declares it",
            hint="Use --prune to delete it.",
            resource=rid("old"),
            severity=Severity.WARNING,
        ),
    )
    plan = Plan(SERVER, changes=(DRIFT, JOINS), findings=findings, rollouts=(ROLLOUT, APPROVAL))
    return FleetShown(
        StatusReport(plan, rows),
        NOW,
        environment="production",
        project="fleet",
        calendars=CALENDARS,
        looks=LOOKS,
        next_look=NOW + 60_000,
        commit="5f2a91c07be43d18a6c9e0b47d21f8835ac0de64",
    )


def aborted() -> FleetShown:
    """A rollout stopped by itself."""
    causes = {
        "bootloader refused the image: signature of a key that expired": tuple(
            f"gw-{n:03}" for n in range(28)
        ),
        "no space left": ("gw-101", "gw-102", "gw-103"),
    }
    rows = (
        row("berlin", gateways(190, 29, 60, 31, causes=causes), verdict="in sync"),
        row("turin", gateways(512)),
    )
    looks = (LookSeen(NOW, "aborted", 2_100, "Campaign/berlin: its rollout is aborted"), *LOOKS[1:])
    found = busy()
    return replace(
        found,
        status=StatusReport(Plan(SERVER, rollouts=(ABORTED,)), rows),
        looks=looks,
        calendars=CALENDARS[:1],
    )


def empty() -> FleetShown:
    """Nothing is declared yet."""
    return FleetShown(
        StatusReport(Plan(SERVER), ()), NOW, looks=(LookSeen(NOW, "nothing", 310),), next_look=NOW + 60_000
    )


def many(count: int = 200) -> FleetShown:
    """Many campaigns, some of which want somebody."""
    rows = []
    for n in range(count):
        failed = 3 if n % 41 == 7 else 0
        counts = gateways(
            n * 7 % 90, n * 3 % 20, n % 13, failed, causes={"no power": ("a", "b", "c")} if failed else {}
        )
        held = n % 29 == 5
        verdict = "held" if held else "in sync"
        rows.append(row(f"plant-{n:05}", counts, verdict, held=held, firmware=(f"fw-2.{n % 3}.bin",)))
    rollouts = tuple(replace(ROLLOUT, resource=rid(f"plant-{n:05}")) for n in range(0, count, 10))
    return replace(busy(), status=StatusReport(Plan(SERVER, rollouts=rollouts), tuple(rows)))


def hostile() -> FleetShown:
    """Every text that somebody else chose is made to do harm."""
    bad = HOSTILE
    counts = gateways(3, 2, 1, 1, causes={bad: (bad,)}, done_before={bad: 1})
    rows = (row(bad, counts, bad, firmware=(bad, bad), status=bad, ids=(bad,)),)
    waves = (WaveView(bad, 3, 2, 1, phase=WavePhase.OPEN), WaveView(bad, 3, not_before=NOW + HOUR))
    view = replace(
        ROLLOUT,
        resource=rid(bad),
        policy=bad,
        why=bad,
        waves=waves,
        waits=(Wait(WaitFor.SUCCESS, None, bad),),
    )
    finding = Finding(bad, bad, Place(bad, 1, 1), bad, rid(bad))
    change = Change(rid(bad), bad, bad, bad, Reason.DIFFERS, changed_in=ChangedIn.BOTH, last=bad)
    plan = Plan(
        Server("pulse", f"https://{bad}", bad), changes=(change,), findings=(finding,), rollouts=(view,)
    )
    return FleetShown(
        StatusReport(plan, rows),
        NOW,
        environment=bad,
        project=bad,
        calendars=(CalendarSeen(bad, Opening(False, frozen=bad)),),
        looks=(LookSeen(NOW, bad, 1, bad),),
        role=bad,
    )
