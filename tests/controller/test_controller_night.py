"""A night: 500 gateways, waves, one abort, one approval, two replicas of which one is killed.

One replica is a process of its own, which does most of the work until it is killed in the middle of a wave;
the other one is in this process. Both go by the clock of the server, which stands still while one looks.
"""

import asyncio
import json
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from reconciler.app.caller import Unattended
from reconciler.app.workspace import Workspace
from reconciler.audit.chain import verify
from reconciler.controller.looks import LookEnd
from reconciler.controller.metrics import metrics
from reconciler.controller.past import LookResult
from reconciler.controller.running import Controller, RunAsked
from reconciler.embedded import Running
from reconciler.model import Kind, ResourceId, RolloutStatus
from reconciler.providers.opening import facts_of
from reconciler.report.status_report import status_document
from reconciler.settings import ServerSettings
from reconciler.state.stores import open_store
from tests.app.test_app_posting import hooks
from tests.e2e.e2e_forks import Fork, Forks
from tests.e2e.e2e_runs import environment, operation_of

NOW = 1_800_000_000_000
MINUTE = 60_000
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: night}
spec:
  resources: [resources]
  server: {url: "URL", batchSize: 10, settleSeconds: 0}
  notify: [{url: {fromEnv: HOOK}}]
"""
PARTS = """\
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: NAME}
spec: {packages: [{file: NAME.bin}]}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: NAME}
spec: {gateways: IDS}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: NAME}
spec:
  packageSet: NAME
  gatewayLists: [NAME]
  rollout: {policy: careful}
  desiredStatus: STARTED
---
"""
POLICY = """\
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: careful}
spec:
  waves:
    - {name: canary, upTo: 20}
    - {name: half, upTo: 50%}
    - {name: rest, approval: true}
  soak: 30m
"""
FLEETS = {
    "good": [f"good-{number:03}" for number in range(300)],
    "bad": [f"bad-{number:03}" for number in range(200)],
}


@dataclass
class Night:
    """The server, the two replicas, and the clock of them all."""

    running: Running
    folder: Path
    hook: str
    now: int = NOW
    replica: Fork | None = None
    checks: int = 0
    wrong: list[str] = field(default_factory=list)
    _wake: int = 0
    _asleep: asyncio.Event = field(default_factory=asyncio.Event)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        resources = self.folder / "resources"
        resources.mkdir()
        text = POLICY + "---\n"
        for name, ids in FLEETS.items():
            (resources / f"{name}.bin").write_bytes(name.encode())
            text += PARTS.replace("NAME", name).replace("IDS", json.dumps(ids))
        (resources / "all.yaml").write_text(text.removesuffix("---\n"))
        (self.folder / "reconciler.yaml").write_text(PROJECT.replace("URL", self.running.url))
        self.simulate(enabled=True, seed=7, headless=True)
        self.call("PUT", "/_embedded/clock", {"now": str(NOW), "paused": True})

    # --- the server ----------------------------------------------------------------------------

    def call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.running.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def simulate(self, **settings: object) -> None:
        self.call("PUT", "/_embedded/simulation", settings)

    def step_to(self, moment: int) -> None:
        self.call("POST", "/_embedded/clock/step", {"seconds": (moment - self.now) / 1000})
        self.now = moment

    def writes(self) -> Counter[str]:
        calls = (each for each in self.running.calls if each.method != "GET" and each.status < 300)
        return Counter(operation_of(call.method, call.path) for call in calls)

    def truth(self) -> Mapping[str, Counter[str]]:
        """Campaign → how many gateways of it are in which stage, by the server."""
        stage = facts_of(ServerSettings()).stage
        found = {}
        for campaign in self.call("GET", "/api/campaigns?page.size=1000")["campaigns"]:
            rows = self.call("GET", f"/api/campaigns/{campaign['id']}/devices?page.size=1000")["gateways"]
            stages = Counter(stage(row["state"]).value.replace(" ", "-") for row in rows)
            found[str(campaign["name"])] = stages
        return found

    # --- the replicas --------------------------------------------------------------------------

    @property
    def environ(self) -> dict[str, str]:
        return {"HOOK": self.hook, "HOME": str(self.folder)}

    @property
    def marker(self) -> Path:
        return self.folder / ".asleep"

    def begin(self, forks: Forks) -> None:
        """The replica that is a process of its own."""
        self.replica = forks(
            ["run", "--interval", "10m", "--listen", "127.0.0.1:0"],
            self.folder,
            {**environment(), **self.environ, "CI": ""},
            tricks=[["tests.controller.night_tricks:night", self.running.url, str(self.marker)]],
        )

    def controller(self) -> Controller:
        """The one in this process."""

        async def sleep(seconds: float) -> None:
            self._wake = self.now + round(seconds * 1000)
            self._woken.clear()
            self._asleep.set()
            await self._woken.wait()

        return Controller(
            Workspace(self.folder, self.environ),
            RunAsked(interval=40 * 60),
            Unattended(),
            self.looked,
            clock=lambda: self.now / 1000,
            sleep=sleep,
        )

    def asleep_until(self) -> int | None:
        """Until when the other replica sleeps; None: it looks, or begins to."""
        try:
            wake = int(self.marker.read_text())
        except FileNotFoundError:
            return None
        return wake if wake > self.now else None

    async def others_sleep(self, *, kill: bool = False) -> int | None:
        """When the other replica looks again; None: it is gone. `kill` it once it adds gateways."""
        assert self.replica is not None
        before = self.writes()["add-gateways"]
        while self.replica.poll() is None:
            if kill and self.writes()["add-gateways"] > before:
                self.replica.kill()
                self.replica.wait(60)
                return None
            if (wake := self.asleep_until()) is not None:
                return wake
            await asyncio.sleep(0.005)
        return None

    async def asleep(self, loop: "asyncio.Task[None]") -> None:
        """Until the replica in this process sleeps; what ended its loop is raised."""
        waiting = asyncio.create_task(self._asleep.wait())
        await asyncio.wait({loop, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if loop.done():
            loop.result()

    async def pass_by(self, loop: "asyncio.Task[None]", *, kill: bool) -> None:
        """Until one of them wakes; the one in this process looks then, if it is its turn.

        Both may look at the same time, unless the other one is about to be killed.
        """
        other = await self.others_sleep(kill=kill)
        self.step_to(min(self._wake, other or self._wake))
        if kill and other is not None and other <= self.now:
            await self.others_sleep(kill=kill)
        if self._wake <= self.now:
            self._asleep.clear()
            self._woken.set()
            await self.asleep(loop)

    # --- what is seen --------------------------------------------------------------------------

    def looked(self, end: LookEnd) -> None:
        """Right after a look: figures and status say what the server says, if nobody else looks."""
        other = self.replica is not None and self.replica.poll() is None
        if end.status is None or (other and self.asleep_until() is None):
            return
        self.checks += 1
        truth = self.truth()
        text = metrics(self.seen.board.shown)[0].decode()
        shown: dict[str, Counter[str]] = {name: Counter() for name in truth}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "reconciler_campaign_gateways":
                    shown[sample.labels["campaign"]][sample.labels["stage"]] += int(sample.value)
        document = json.loads(status_document(end.status))
        summary = document["summary"]
        everyone: Counter[str] = sum(truth.values(), Counter())
        told = (summary["gateways"], summary["done"], summary["failed"])
        if {name: +counts for name, counts in shown.items()} != truth:
            self.wrong.append(f"{self.now}: {shown} is shown, and it is {truth}")
        if told != (everyone.total(), everyone["done"], everyone["failed"]):
            self.wrong.append(f"{self.now}: {summary} is told, and it is {everyone}")

    seen: Controller = field(init=False)


def ids_in(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [each for item in value for each in ids_in(item)]
        case dict():
            return [each for item in value.values() for each in ids_in(item)]
    return []


def test_a_night(tmp_path: Path, forks: Forks) -> None:
    with Running(record=True) as running, hooks(200) as (hook, told):
        night = Night(running, tmp_path, hook)
        asyncio.run(_pass(night, forks))
        calls = [each for each in running.calls if each.method != "GET"]

    assert not night.wrong
    assert night.checks > 5

    # As planned.
    store = open_store("file:.reconciler/state.json", root=tmp_path)
    state = store.load()
    records = {name: state.campaigns[ResourceId(Kind.CAMPAIGN, name)].rollout for name in FLEETS}
    assert {name: it and (it.status, it.wave) for name, it in records.items()} == {
        "good": (RolloutStatus.COMPLETE, 3),
        "bad": (RolloutStatus.ABORTED, 1),
    }
    assert not state.intents

    # Nothing twice.
    done = [each for each in calls if each.status < 300]
    counts = Counter(operation_of(call.method, call.path) for call in done)
    assert (counts["create-campaign"], counts["upload-package"], counts["start-campaign"]) == (2, 2, 2)
    assert counts["stop-campaign"] + counts["remove-gateways"] + counts["delete-campaign"] == 0
    adds = [each for each in done if operation_of(each.method, each.path) == "add-gateways"]
    fleet = {id_ for ids in FLEETS.values() for id_ in ids}
    added = Counter(id_ for each in adds for id_ in ids_in(each.body) if id_ in fleet)
    assert {id_: count for id_, count in added.items() if count > 1} == {}
    assert sum(id_.startswith("good-") for id_ in added) == 300
    assert sum(id_.startswith("bad-") for id_ in added) == 20
    assert verify(store.audit_lines()).broken is None

    # Each thing is told once; what was on the way when the one was killed may be lost.
    titles = Counter(body["title"].removeprefix("[night] Campaign/") for _, body in told)
    assert set(titles.values()) == {1}
    assert {
        "bad: wave 1 of 3 (canary) opens",
        "bad: rollout aborted",
        "good: wave 1 of 3 (canary) opens",
        "good: waits for approval",
        "good: wave 3 of 3 (rest) opens",
        "good: rollout complete",
    } <= set(titles)


async def _pass(night: Night, forks: Forks) -> None:
    night.begin(forks)
    assert night.replica is not None
    try:
        await night.others_sleep()
        bad = next(
            each["id"]
            for each in night.call("GET", "/api/programs?page.size=10")["programs"]
            if each["name"] == "bad.bin"
        )
        night.simulate(failures={bad: 0.5})
        controller = night.seen = night.controller()
        loop = asyncio.create_task(controller.loop.run())
        await night.asleep(loop)
        killed = approved = False
        end = NOW + 24 * 60 * MINUTE
        while night.now < end:
            await night.pass_by(loop, kill=not killed and night.now > NOW + 20 * MINUTE)
            killed = killed or night.replica.poll() is not None
            [good] = [view for view in controller.board.shown.rollouts if view.resource.name == "good"]
            if not approved and any(wait.reason == "approval" for wait in good.waits):
                path, approved = night.folder / "resources" / "all.yaml", True
                text = path.read_text().replace("{policy: careful}", "{policy: careful, approved: rest}", 1)
                path.write_text(text)
            if good.status is RolloutStatus.COMPLETE:
                break
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        assert killed
        assert approved
        assert {each.result for each in controller.board.shown.looks} <= {*LookResult} - {LookResult.FAILED}
    finally:
        night.replica.kill()
        night.replica.wait(60)
        night.replica.close()
