"""Nothing that reaches devices is sent outside a calendar: by the calls that the server saw, and its clock.

Over TCP, over both changes of summer time, in five zones. Each call takes the server 20 seconds, so that runs
begin in a window and end behind it; each look has gateways to add, and an edit to make.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reconciler.app import Options, open_project
from reconciler.app.applying import Applying
from reconciler.app.pipeline import prepare
from reconciler.app.workspace import store_of
from reconciler.embedded import Running
from tests.app.test_app_applying import Told
from tests.world import operation_of

CALL_MS = 20_000
ADD, EDIT, START, STOP = "add-gateways", "edit-campaign", "start-campaign", "stop-campaign"
LOOKS = (
    "21:59:30",
    "22:00:00",
    "23:40:00",
    "01:30:00",
    "02:30:00",
    "03:30:00",
    "03:58:40",
    "04:00:00",
    "13:00:00",
)
"""Times on the wall."""
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "America/Santiago")
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: demo}
spec:
  resources: [line.yaml]
  server: {url: URL, batchSize: 1}
  calendars: [nights, company]
"""
YAML = """\
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: nights}
spec:
  timezone: gateway
  windows: [{from: "22:00", to: "04:00"}]
---
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: company}
spec:
  timezone: UTC
  freezes: [{begin: "BEGIN", end: "END"}]
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: line}
spec: {timezone: ZONE, gateways: [GATEWAYS]}
---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: at-once}
spec: {waves: [{}]}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: plain}
spec: {gatewayLists: [line], description: LOOK, desiredStatus: STARTED}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: waves}
spec: {gatewayLists: [line], rollout: {policy: at-once}, desiredStatus: STARTED}
"""


class Stamped(deque[Any]):
    """A record of calls, each with the time on the server's clock at which it came; then time goes on."""

    def __init__(self, clock: Any) -> None:
        super().__init__(maxlen=None)
        self.clock = clock
        self.times: list[tuple[int, Any]] = []

    def seconds(self) -> float:
        """What the server's clock says."""
        return float(self.clock.now_ms()) / 1000

    def append(self, seen: Any) -> None:
        now = self.clock.now_ms()
        self.times.append((now, seen))
        super().append(seen)
        self.clock.change(now_ms=now + CALL_MS)


def name_of(seen: Any) -> str:
    return "" if seen.method == "GET" else operation_of(seen.method, seen.path)


def changes(zone: str, year: int) -> Iterator[datetime]:
    """The instants at which clocks of `zone` change, to the hour."""
    at = datetime(year, 1, 1, tzinfo=UTC)
    while at.year == year:
        following = at + timedelta(hours=1)
        if at.astimezone(ZoneInfo(zone)).utcoffset() != following.astimezone(ZoneInfo(zone)).utcoffset():
            yield following
        at = following


def instants(change: datetime, zone: str) -> list[datetime]:
    """When there is a look, around a change of clocks."""
    day = change.astimezone(ZoneInfo(zone)).date()
    walls = [
        datetime.fromisoformat(f"{day + timedelta(days=n)}T{wall}").replace(tzinfo=ZoneInfo(zone))
        for n in (-1, 0, 1)
        for wall in LOOKS
    ]
    return sorted({wall.astimezone(UTC) for wall in walls})


def allowed(at: int, zone: str, frozen: tuple[datetime, datetime]) -> bool:
    """Whether devices may be reached: told by the clock on the wall alone."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    wall = moment.astimezone(ZoneInfo(zone))
    return (wall.hour >= 22 or wall.hour < 4) and not frozen[0] <= moment < frozen[1]


@pytest.mark.parametrize("zone", ZONES)
def test_no_release_reaches_the_server_outside_the_calendar(zone: str, tmp_path: Path) -> None:
    found = list(changes(zone, 2027))
    assert len(found) == 2
    held = sent = cut = 0
    for number, change in enumerate(found):
        folder = tmp_path / str(number)
        folder.mkdir()
        frozen = (change + timedelta(hours=20), change + timedelta(hours=22))
        with Running(record=True) as server:
            context = server.app.state.context
            context.clock.change(now_ms=0, paused=True)
            context.recorder.seen = stamped = Stamped(context.clock)
            (folder / "reconciler.yaml").write_text(PROJECT.replace("URL", server.url))
            gateways: list[str] = []
            for look, at in enumerate(instants(change, zone)):
                gateways += [f"gw-{look}-{n}" for n in range(2)]
                text = YAML.replace("ZONE", zone).replace("GATEWAYS", ", ".join(gateways))
                text = text.replace("LOOK", f"look {look}").replace("BEGIN", frozen[0].isoformat())
                (folder / "line.yaml").write_text(text.replace("END", frozen[1].isoformat()))
                now = max(int(at.timestamp() * 1000), context.clock.now_ms())
                context.clock.change(now_ms=now)
                before = len(stamped.times)
                job = prepare(open_project(folder, environ={}))
                run = Applying(
                    job.project,
                    store_of(job.project),
                    told := Told(),
                    told,
                    1,
                    0.0,
                    clock=stamped.seconds,
                )
                result = asyncio.run(run.unasked(job, Options()))
                assert result.exit == 0, [each for each in result.outcomes if not each.settled]
                names = [name_of(each) for _, each in stamped.times[before:]]
                held += not {ADD, EDIT} & set(names)
                cut += "waiting" in told.said
        opened = set[str]()
        for at_ms, seen in stamped.times:
            name = name_of(seen)
            campaign = seen.path.split("/")[3] if seen.path.count("/") > 2 else ""
            if name == STOP:
                opened.add(campaign)
            closes = name == START and campaign in opened
            if name == START:
                opened.discard(campaign)
            if name in (ADD, EDIT, STOP, START) and not closes:
                assert allowed(at_ms, zone, frozen), (name, datetime.fromtimestamp(at_ms / 1000, UTC))
                sent += 1
    assert min(held, sent, cut) >= 4, (held, sent, cut)
