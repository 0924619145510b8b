"""One run: a rollout in waves on a server with a stepped clock, with people, faults and kills in its way.

The program is a process of its own over TCP, whose clock stands where the server's does; devices end as the
seed says. A twin in this process has the same files, people, devices and clock, and neither faults nor kills:
after each step of the clock both hold the same (P12). In a slow run each call takes the server a while, so
that runs begin in a window and end behind it; such a one has no twin.

What must hold is told apart from the program: by what the server holds, the calls that it saw, and its clock.
"""

import asyncio
import json
import re
import shutil
import signal
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from reconciler.app import Options, open_project
from reconciler.app.applying import Applying
from reconciler.app.pipeline import prepare
from reconciler.app.workspace import store_of
from reconciler.embedded.faults import parse_rules
from reconciler.embedded.tables import gateways as members_table
from reconciler.embedded.tables.settings import Settings
from reconciler.model import Desired, DesiredRollout, Kind, ResourceId, RolloutRecord, RolloutStatus
from reconciler.model.waves import assigned
from reconciler.state.applied import FORGIVEN, ROLLOUT
from reconciler.state.base import MembersApplied, RolloutNoted, State
from reconciler.state.stores import open_store
from tests.app.test_app_applying import Told as Listener
from tests.e2e.e2e_crash import WRITES
from tests.e2e.e2e_forks import Trick
from tests.e2e.e2e_runs import TOKEN, Ran, Workplace, operation_of
from tests.properties.prop_lab import Held, snapshot_of
from tests.soak.soak_project import GENEROUS
from tests.soak.soak_run import FAULTS, HURRY, OPERATIONS, Ground, Told, Wrong
from tests.world import World

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
CAMPAIGN = ResourceId(Kind.CAMPAIGN, "c")
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "America/Santiago")
BEGINS = ("2027-03-26", "2027-10-30", "2027-03-12", "2027-11-06", "2027-06-01", "2027-04-02", "2027-10-01")
"""Days around the changes of summer time in these zones, and one in summer."""
FIRST, UNDER_WAY, DONE, FAILED = (
    "INSTANTIATED",
    "WAITING_FOR_EXECUTION",
    "ACTIVATION_COMPLETE",
    "FAILED",
)
ENDED = (DONE, FAILED)
ADD, EDIT, START, STOP = "add-gateways", "edit-campaign", "start-campaign", "stop-campaign"
CALL_MS = 20_000
PROCESSES = 0.15
"""How many of the calm looks are processes."""
_ENDS = {0: "done", 1: "error", 3: "partly", 4: "stale", 7: "aborted", -signal.SIGKILL: "killed"}
NIGHT = (22, 4)
GATEWAY = re.compile(r"g-\d\d")


class Stamped(deque[Any]):
    """A record of calls, each with the time on the server's clock; time goes on where calls take some."""

    def __init__(self, clock: Any, call_ms: int) -> None:
        super().__init__(maxlen=None)
        self._clock, self._call_ms = clock, call_ms
        self.times: list[tuple[int, Any]] = []

    def append(self, seen: Any) -> None:
        now = self._clock.now_ms()
        self.times.append((now, seen))
        super().append(seen)
        if self._call_ms:
            self._clock.change(now_ms=now + self._call_ms)


@dataclass
class Device:
    """One gateway, and what becomes of it once it is released."""

    name: str
    site: str
    zone: str
    needs: int
    """Milliseconds until it ends."""
    end: str | None
    """Its last state; None: it never polls."""
    since: int | None = None
    """When it was first seen in the running campaign."""


@dataclass
class Git:
    """What the files say; a person may change it."""

    waves: list[dict[str, Any]]
    policy: dict[str, Any]
    listed: list[str]
    description: str = "one"
    rollout: dict[str, Any] = field(default_factory=lambda: {"policy": "careful"})


class Rollout:
    """One run."""

    def __init__(self, ground: Ground, seed: int) -> None:
        self.ground, self.told = ground, Told(seed)
        self.random = chance = Random(f"rollout/{seed}")
        self.folder = ground.folder / f"rollout-{seed}"
        self.slow = chance.random() < 0.2
        self.now = int(datetime.fromisoformat(f"{chance.choice(BEGINS)}T12:00+00:00").timestamp() * 1000)
        self.zones = chance.sample(ZONES, 2)
        rate, asleep = chance.choice([0, 0, 0.05, 0.15, 0.4]), chance.choice([0, 0, 0.1])
        self.fleet = {each.name: each for each in self._devices(rate, asleep)}
        self.calendar = chance.choice(["", "gateway", "gateway", chance.choice(ZONES)])
        begin = self.now + chance.randint(0, 4) * DAY + chance.randint(0, 23) * HOUR
        self.freeze = (begin, begin + chance.choice([6, 30]) * HOUR)
        self.git = self._declared()
        self.adopts = False
        self.rollouts_only = False
        self.barred: str = ""
        """Why nobody may join until a person says otherwise."""
        self.met: dict[int, int] = {}
        """Wave → since which look its gate has been met."""
        self.free = False
        """A promotion, or an edit of the waves, may have a wave open without its gate."""
        self.tricks: Sequence[Trick] = ()
        self.known: dict[str, Desired] = {}

    def _devices(self, rate: float, asleep: float) -> Iterator[Device]:
        chance = self.random
        for number in range(chance.randint(6, 30)):
            site = chance.choice(["north", "south", "west"])
            end = FAILED if chance.random() < rate else DONE
            yield Device(
                f"g-{number:02}",
                site,
                chance.choice(self.zones),
                chance.choice([1, 5, 30, 120]) * MINUTE,
                None if chance.random() < asleep else end,
            )

    def _declared(self) -> Git:
        chance = self.random
        policy: dict[str, Any] = {
            "gate": {"minSuccessPercent": chance.choice([50, 75, 90]), "sample": chance.choice([1, 5, 20])},
            "onFailure": chance.choice(["pause", "stop"]),
        }
        if chance.random() < 0.5:
            policy["gate"]["maxFailed"] = chance.choice([0, 1, 3])
        if chance.random() < 0.3:
            policy["deadline"] = "2d"
            policy["onDeadline"] = chance.choice(["pause", "skipIdle"])
        if chance.random() < 0.5:
            policy["disruptionBudget"] = {"maxUnavailable": chance.choice([1, 2, 5])}
            if chance.random() < 0.5:
                policy["disruptionBudget"]["groupBy"] = "site"
        if self.calendar:
            policy["calendar"] = "nights"
            policy["duringFreeze"] = chance.choice(["hold", "hold", "stop"])
        return Git(self._waves(), policy, sorted(self.fleet))

    def _waves(self) -> list[dict[str, Any]]:
        chance = self.random
        waves: list[dict[str, Any]] = []
        if chance.random() < 0.6:
            waves.append({"gateways": chance.sample(sorted(self.fleet), chance.randint(1, 3))})
        shares = chance.sample([10, 25, 50, 75], chance.randint(0, 3))
        waves += [{"upTo": f"{share}%"} for share in sorted(shares)]
        waves.append({})
        for number, wave in enumerate(waves, start=1):
            wave["name"] = f"w{number}"
            wave["soak"] = chance.choice(["0s", "1h", "6h"])
            if number > 1 and chance.random() < 0.15:
                wave["approval"] = True
        return waves

    # --- files ------------------------------------------------------------------------------------

    def _text(self) -> str:
        def document(kind: str, name: str, spec: Mapping[str, Any]) -> str:
            whole = {"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
            return json.dumps(whole)

        windows = [{"from": f"{NIGHT[0]:02}:00", "to": f"{NIGHT[1]:02}:00"}]
        begin, end = (datetime.fromtimestamp(at / 1000, UTC).isoformat() for at in self.freeze)
        freezes = [{"name": "move", "begin": begin, "end": end}]
        documents = [
            document("PackageSet", "firmware", {"packages": [{"file": "firmware.bin"}]}),
            document("GatewayList", "line", {"file": "line.csv"}),
            document("RolloutPolicy", "careful", {"waves": self.git.waves, **self.git.policy}),
            document(
                "Campaign",
                "c",
                {
                    "description": self.git.description,
                    "packageSet": "firmware",
                    "gatewayLists": ["line"],
                    "rollout": self.git.rollout,
                    "desiredStatus": "STARTED",
                },
            ),
        ]
        if self.calendar:
            spec = {"timezone": self.calendar, "windows": windows, "freezes": freezes}
            documents.append(document("Calendar", "nights", spec))
        return "\n---\n".join(documents)

    def _write(self) -> None:
        rows = [self.fleet[name] for name in self.git.listed]
        table = "\n".join(
            ["gatewayId,site,timezone", *(f"{each.name},{each.site},{each.zone}" for each in rows)]
        )
        for folder in (self.folder, self.folder / "twin"):
            (folder / "line.csv").write_text(table + "\n")
            (folder / "firmware.bin").write_bytes(b"firmware")
            (folder / "resources.yaml").write_text(self._text())

    def _project(self) -> None:
        spec = {
            "resources": ["resources.yaml"],
            "server": {
                "url": self.ground.running.url,
                "batchSize": self.random.choice([2, 100]),
                "timeoutSeconds": 20,
            },
            "state": {"url": "file:state.json"},
            "guards": {**GENEROUS, "mayReleaseAtOnce": True},
        }
        whole = {
            "apiVersion": "reconciler/v1",
            "kind": "Project",
            "metadata": {"name": "soak"},
            "spec": spec,
        }
        (self.folder / "reconciler.yaml").write_text(json.dumps(whole))

    # --- the run ----------------------------------------------------------------------------------

    def go(self) -> Told:
        """Run; Wrong, with the story so far, when something that must hold does not."""
        self.ground.clear("reference", Settings())
        context = self.ground.context
        before = context.recorder.seen
        (self.folder / "twin").mkdir(parents=True)
        try:
            context.clock.change(now_ms=self.now, paused=True)
            context.recorder.seen = self.seen = Stamped(context.clock, CALL_MS if self.slow else 0)
            self._project()
            env = {"RECONCILER_URL": self.ground.running.url, "RECONCILER_TOKEN": TOKEN}
            self.place = Workplace(self.folder, env, [TOKEN], start=self._start)
            self._write()
            self._say(f"{'slow ' if self.slow else ''}zones {self.zones}, calendar {self.calendar!r}")
            self._say(self._text(), *map(repr, self.fleet.values()))
            self.told.counts["slow" if self.slow else "with a twin"] += 1
            asyncio.run(self._through())
        except (AssertionError, ValueError, LookupError) as error:
            raise Wrong("\n".join([*self.told.story, f"{type(error).__name__}: {error}"])) from error
        finally:
            context.recorder.seen = before
            context.clock.change(now_ms=int(time.time() * 1000), paused=False)
            self.ground.calm()
            shutil.rmtree(self.folder)
        return self.told

    async def _through(self) -> None:
        chance = self.random
        async with World.open(self.folder / "twin") as world:
            self.twin = world
            for _ in range(chance.randint(8, 18)):
                if chance.random() < 0.2:
                    await self._person()
                await self._tick()
                if self._record(self._state).status is RolloutStatus.COMPLETE and chance.random() < 0.5:
                    break
        self.told.counts[f"at the end {self._record(self._state).status}"] += 1
        self.told.counts["gateways released"] += len(self._members())

    async def _tick(self) -> None:
        """Time goes on, devices do something, and there is a look: often a bumpy one before it."""
        chance = self.random
        self.now = self.ground.context.clock.now_ms()
        spans = [15 * MINUTE, HOUR, 2 * HOUR, 7 * HOUR, chance.randint(1, 26 * 60) * MINUTE]
        self.now += self._until_night() if self.calendar and chance.random() < 0.4 else chance.choice(spans)
        self.ground.context.clock.change(now_ms=self.now)
        self._devices_do()
        at = datetime.fromtimestamp(self.now / 1000, UTC).isoformat()
        self._say(f"--- {at} {Counter(self._members().values())} {self._record(self._state)}")
        # First, for what happens behind the back of a plan is what the twin begins with.
        if chance.random() < 0.2:
            self._by_plan_file()
        if chance.random() < 0.4:
            self._troubled()
        looks = 1 if self.slow else await self._twin_looks()
        for _ in range(max(1, looks - 1)):
            await self._calm()
        if not self.slow and chance.random() < 0.3:
            calls = len(self.seen.times)
            await self._calm()
            assert not self._writes(calls), f"P9: a second look sent {self._writes(calls)}"
        if not self.slow:
            self._alike()

    def _until_night(self) -> int:
        """Milliseconds until some time in the next night, where the calendar is read."""
        zone = ZoneInfo(self.random.choice(self.zones) if self.calendar == "gateway" else self.calendar)
        wall = datetime.fromtimestamp(self.now / 1000, UTC).astimezone(zone)
        minutes = (NIGHT[0] * 60 - wall.hour * 60 - wall.minute) % (24 * 60)
        return (minutes + self.random.choice([0, 1, 30, 90, 300])) * MINUTE

    async def _twin_looks(self) -> int:
        """The twin looks until there is nothing left to do; how many looks that took."""
        self.twin.now = self.now
        text = self._text()
        for look in range(1, 6):
            plan = await self.twin.make_plan(text, adopt=self.adopts, rollouts_only=self.rollouts_only)
            if plan.empty and not plan.records:
                return look
            applied = await self.twin.run(plan)
            assert not applied.failed, [each for each in applied.outcomes if not each.settled]
        raise AssertionError("P9: the twin never rests at one time")

    # --- looks ------------------------------------------------------------------------------------

    def _start(self, arguments: Sequence[str], folder: Path, env: Mapping[str, str]) -> Any:
        now = self.ground.context.clock.now_ms() / 1000
        tricks = [["tests.e2e.e2e_tricks:clock_stands", now], *self.tricks]
        return self.ground.forks(arguments, folder, env, tricks=tricks)

    def _arguments(self) -> list[str]:
        more = ["--adopt"] if self.adopts else []
        more += ["--rollouts-only"] if self.rollouts_only else []
        return ["apply", "--auto-approve", *more, *(["--parallelism", "1"] if self.slow else [])]

    async def _calm(self) -> None:
        """A look without trouble, by a process or, which takes less time, in this one."""
        with self._judged():
            if self.random.random() < PROCESSES:
                ran = self.place.run(*self._arguments(), "--output", "json")
            else:
                ran = await self._in_process()
        self._ended(ran)
        assert ran.code in (0, 7), "a calm look failed"
        aborted = self._record(self._state).status is RolloutStatus.ABORTED
        assert (ran.code == 7) == aborted, f"exit {ran.code}, and aborted is {aborted}"
        statuses = {outcome["status"] for outcome in json.loads(ran.out)["outcomes"]}
        # What needs those whose calendar has closed meanwhile is skipped.
        well = {"done", "not-needed"} | ({"waiting", "skipped"} if self.slow else set())
        assert statuses <= well, statuses

    async def _in_process(self) -> Ran:
        """What the command does, over TCP all the same."""
        job = prepare(open_project(self.folder, environ=self.place.env))
        told, clock = Listener(), self.ground.context.clock
        run = Applying(
            job.project,
            store_of(job.project),
            told,
            told,
            1 if self.slow else 8,
            0.0,
            clock=lambda: clock.now_ms() / 1000,
        )
        result = await run.unasked(job, Options(adopt=self.adopts, rollouts_only=self.rollouts_only))
        outcomes = [
            {"step": each.step.id, "status": each.status, "message": each.message} for each in result.outcomes
        ]
        findings = [
            {"severity": each.severity, "code": each.code, "message": each.message}
            for each in result.plan.findings
        ]
        return Ran(result.exit, json.dumps({"outcomes": outcomes, "findings": findings}), "")

    def _troubled(self) -> None:
        """A look that meets faults, or dies somewhere."""
        chance = self.random
        said = []
        self.tricks = [["tests.e2e.e2e_tricks:hurry", HURRY]]
        if chance.random() < 0.5:
            names = chance.sample(sorted(FAULTS), chance.choice([1, 2, 3]))
            rules = [{**FAULTS[name], "probability": chance.choice([0.1, 0.3])} for name in names]
            self.ground.context.faults.arm(*parse_rules({"seed": self.told.seed, "rules": rules}, OPERATIONS))
            self.told.counts.update(f"fault {name}" for name in names)
            said.append(f"faults {names}")
        if chance.random() < 0.7 or not said:
            moment = chance.choice(["before", "after"])
            where = chance.choice(["write", "call", "record", "disk"])
            at = chance.randint(1, {"write": 5, "call": 12, "record": 8, "disk": 25}[where])
            if where in ("record", "disk"):
                self.tricks = [*self.tricks, [f"tests.e2e.e2e_tricks:die_at_{where}", at, moment]]
            else:
                self.ground.reaper.kill(at, moment, operations=WRITES if where == "write" else OPERATIONS)
            said.append(f"dies {moment} {where} {at}")
        self._say(f"a look with {', '.join(said)}")
        with self._judged():
            with self.place.started(*self._arguments()) as process:
                self.ground.reaper.victim(process)
                ran = process.end()
            self.ground.calm()
        self.tricks = ()
        self._ended(ran)

    def _by_plan_file(self) -> None:
        """P17: what a plan showed is what its apply sends, or the file is stale and nothing is sent."""
        if self.rollouts_only:
            return
        chance, file = self.random, self.folder / "saved.plan"
        adopt = ["--adopt"] if self.adopts else []
        ran = self.place.run("plan", "--out", str(file), *adopt)
        assert ran.code in (0, 1), ran
        if not file.exists():
            return
        happens = chance.choice(["nothing", "nothing", "a device fails", "a person pauses", "time goes by"])
        if self.slow or happens != "time goes by":
            self._happens(happens)
        else:
            happens = "nothing"
        shown = json.loads(self.place.run("plan", "--output", "json", *adopt).out)
        calls = len(self.seen.times)
        with self._judged():
            ran = self.place.run("apply", "--plan", str(file), "--output", "json")
        self._say(f"a plan file, then {happens}")
        self._ended(ran)
        file.unlink()
        sent = self._writes(calls)
        if ran.code == 4:
            assert not sent, f"P17: a stale plan sent {sent}"
        else:
            assert ran.code in (0, 7), ran
            document = json.loads(ran.out)
            names = {step["id"]: step["operation"] for step in document["steps"]}
            done = Counter(names[each["step"]] for each in document["outcomes"] if each["status"] == "done")
            assert +done == sent, f"P17: planned {done}, sent {sent}"
            if happens == "nothing" and not self.slow:
                assert [s["id"] for s in shown["steps"]] == list(names), "P17: another plan was applied"
        self.told.counts[f"plan file {'stale' if ran.code == 4 else 'applied'}"] += 1

    def _happens(self, what: str) -> None:
        match what:
            case "a device fails":
                going = [name for name, state in self._members().items() if state not in ENDED]
                if going:
                    name = self.random.choice(going)
                    self.fleet[name].end, self.fleet[name].needs = FAILED, 0
                    self._put({name: FAILED})
            case "a person pauses":
                self._word("pause")
            case "time goes by":
                self.ground.context.clock.change(now_ms=self.ground.context.clock.now_ms() + 5 * HOUR)

    def _ended(self, ran: Ran) -> None:
        said = ran.out
        if said.startswith("{") and "outcomes" in (document := json.loads(said)):
            said = "\n".join(
                [f"{each['step']} {each['status']} {each['message']}" for each in document["outcomes"]]
                + [f"{each['severity']} {each['code']}: {each['message']}" for each in document["findings"]]
            )
        self._say(f"ended with {ran.code}: {said}{ran.err}")
        assert ran.code in _ENDS, f"exit code {ran.code}"
        self.told.counts[f"end {_ENDS[ran.code]}"] += 1
        self.told.counts["looks"] += 1

    # --- what must hold ---------------------------------------------------------------------------

    def _judged(self) -> "_Judge":
        return _Judge(self)

    def _alike(self) -> None:
        """P12: the same end as that of a run without faults and kills."""
        one, other = self._held(), self._held_by_twin()
        assert (one is None) == (other is None), f"P12: {one}, and the twin has {other}"
        if one is not None and other is not None:
            assert one.status == other.status, f"P12: {one.status}, and the twin is {other.status}"
            lack, more = (
                other.gateways.keys() - one.gateways.keys(),
                one.gateways.keys() - other.gateways.keys(),
            )
            assert lack == more == set(), f"P12: it lacks {sorted(lack)}, has {sorted(more)} too many"
            assert one.description == other.description
        mine, its = self._record(self._state), self._record(self.twin.store.load())
        mine, its = replace(mine, revision=""), replace(its, revision="")
        assert mine == its, f"P12: the record is\n{mine}, that of the twin\n{its}"

    # --- what is there ----------------------------------------------------------------------------

    @property
    def _state(self) -> State:
        return open_store("file:state.json", root=self.folder).load()

    @staticmethod
    def _record(state: State) -> RolloutRecord:
        owned = state.campaigns.get(CAMPAIGN)
        return owned.rollout if owned and owned.rollout else RolloutRecord()

    def _held(self) -> Held | None:
        found = self.ground.snapshot().named("c")
        assert len(found) <= 1, "the campaign is there twice"
        return found[0] if found else None

    def _held_by_twin(self) -> Held | None:
        found = snapshot_of(self.twin.app.state.context.store).named("c")
        return found[0] if found else None

    def _members(self) -> Mapping[str, str]:
        held = self._held()
        return {name: state for name, (state, _) in held.gateways.items()} if held else {}

    def _forgiven(self) -> frozenset[str]:
        owned = self._state.campaigns.get(CAMPAIGN)
        return owned.members.get(ROLLOUT, {}).get(FORGIVEN, frozenset()) if owned else frozenset()

    def _wish(self) -> tuple[Desired, DesiredRollout]:
        text = self._text() + (self.folder / "line.csv").read_text()
        if text not in self.known:
            self.known[text] = self.twin.desired(self._text())
        wish = self.known[text].campaigns[0].rollout
        assert wish is not None
        return self.known[text], wish

    def _writes(self, since: int) -> Counter[str]:
        names = (
            operation_of(each.method, each.path)
            for _, each in self.seen.times[since:]
            if each.method != "GET"
        )
        return Counter("upload-package" if name == "stream-package" else name for name in names)

    def _say(self, *lines: str) -> None:
        self.told.story += lines

    # --- devices ----------------------------------------------------------------------------------

    def _devices_do(self) -> None:
        held = self._held()
        if held is None or held.status != "STARTED":
            return
        states = {}
        for name, (state, closed) in held.gateways.items():
            device = self.fleet[name]
            if device.since is None:
                # It was released by the look before: that long it has had.
                device.since = self.now - HOUR
            if state in ENDED or device.end is None or closed:
                continue
            after = device.end if self.now >= device.since + device.needs else UNDER_WAY
            if after != state:
                states[name] = after
        self._put(states)

    def _put(self, states: Mapping[str, str]) -> None:
        stores = [self.ground.store, self.twin.app.state.context.store]
        for store in stores if not self.slow else stores[:1]:
            with store.transaction(write=True) as db:
                for row in db.execute("SELECT seq FROM campaigns WHERE name = 'c'").fetchall():
                    for name, state in states.items():
                        there = members_table.find(db, row["seq"], name)
                        changed = replace(there, state=state, changed_ms=self.now)
                        members_table.put(db, row["seq"], changed)

    # --- people -----------------------------------------------------------------------------------

    async def _person(self) -> None:
        """Somebody says or does something, to both."""
        chance, held = self.random, self._held()
        known = self._state.campaigns.get(CAMPAIGN)
        deeds = ["waves", "list", "description", "pause in Git", "approve", "rollouts only"]
        if known is not None and known.rollout is not None and held is not None:
            deeds += [
                "pause",
                "resume",
                "resume",
                "resume",
                "abort",
                "promote",
                "add",
                "stop",
                "start",
                "lose",
            ]
        deed = chance.choice(deeds)
        self.told.counts[f"person: {deed}"] += 1
        self._say(f"person: {deed}")
        match deed:
            case "waves":
                self.git.waves, self.free = self._waves(), True
            case "list":
                self.git.listed = sorted(
                    chance.sample(sorted(self.fleet), chance.randint(1, len(self.fleet)))
                )
                self.free = True
            case "description":
                self.git.description = chance.choice(["one", "two", "three"])
            case "pause in Git":
                self.git.rollout["paused"] = not self.git.rollout.get("paused", False)
            case "approve":
                self.git.rollout["approved"] = len(self.git.waves)
            case "rollouts only":
                self.rollouts_only = not self.rollouts_only
            case "promote":
                self._word("promote", *(chance.choice([(), ("--skip", "success"), ("--skip", "soak")])))
            case "abort":
                self._word("abort", *chance.choice([(), ("--stop",)]))
            case "resume":
                self._word("resume", *chance.choice([(), ("--forgive",)]))
            case "pause":
                self._word("pause")
            case "add":
                outside = sorted(set(self.git.listed) - self._members().keys() if held else ())
                if outside:
                    self._by_hand(add=chance.choice(outside))
            case "stop" | "start" if held and held.status in ("STARTED", "STOPPED"):
                self._by_hand(status={"stop": "STOPPED", "start": "STARTED"}[deed])
            case "lose":
                self._lose()
        if "approved" in self.git.rollout:
            self.git.rollout["approved"] = min(self.git.rollout["approved"], len(self.git.waves))
        self._write()

    def _word(self, word: str, *more: str) -> None:
        """A word of a person to the rollout; the twin hears the same."""
        before = self._record(self._state)
        ran = self.place.run("rollout", word, "c", "--reason", "soak", *more)
        self._say(f"rollout {word} {more}: {ran.code} {ran.err}")
        assert ran.code in (0, 1), ran
        after = self._record(self._state)
        if ran.code or after == before:
            return
        if word == "promote":
            self.free = True
        if word == "resume":
            self.barred = ""
        if self.slow:
            return
        state = self.twin.store.load()
        assert state.server is not None
        revision = self._record(state).revision if after.revision else ""
        with self.twin.store.locked(state.server, "rollout") as session:
            session.record(RolloutNoted(CAMPAIGN, replace(after, revision=revision)))
            if "--forgive" in more and (forgiven := self._forgiven()):
                session.record(MembersApplied(CAMPAIGN, ROLLOUT, FORGIVEN, tuple(sorted(forgiven))))

    def _by_hand(self, *, add: str = "", status: str = "") -> None:
        for store in (self.ground.store, self.twin.app.state.context.store)[: 1 if self.slow else 2]:
            with store.transaction(write=True) as db:
                for row in db.execute("SELECT seq FROM campaigns WHERE name = 'c'").fetchall():
                    if add:
                        members_table.add(db, row["seq"], [add], self.now)
                    else:
                        db.execute("UPDATE campaigns SET status = ? WHERE seq = ?", (status, row["seq"]))
        self.free = True

    def _lose(self) -> None:
        """The state is gone, and the project adopts from then on. P11."""
        for folder in (self.folder, self.folder / "twin"):
            for path in folder.glob("state.json*"):
                path.unlink()
        self.adopts, self.free, self.rollouts_only = True, True, False
        members = self._members()
        waits = bool(members) and bool(set(self.git.listed) - members.keys())
        self.barred = "P11: nobody joins after a lost state before a person says so" if waits else ""


class _Judge:
    """Holds one look against what was there before it."""

    def __init__(self, run: Rollout) -> None:
        self.run = run

    def __enter__(self) -> None:
        run = self.run
        self.now = run.ground.context.clock.now_ms()
        self.calls = len(run.seen.times)
        self.held, self.members, self.state = run._held(), dict(run._members()), run._state
        self.record = run._record(self.state)
        self.desired, self.wish = run._wish()
        self.declared = frozenset(run.git.listed)
        self.waves = assigned(self.declared, self.wish.waves, self.wish.seed)
        forgiven = run._forgiven()
        self.failed = {n for n, s in self.members.items() if s == FAILED} & self.declared - forgiven
        self.done = {n for n, s in self.members.items() if s == DONE} & self.declared
        self.unfinished = {n for n, s in self.members.items() if s != DONE} & self.declared - forgiven

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            return
        run, after = self.run, self.run._record(self.run._state)
        members = run._members()
        joined = members.keys() - self.members.keys()
        run.told.counts["gates passed"] += after.wave > max(self.record.wave, 1) and not run.free
        assert not (self.members.keys() & self.declared) - members.keys(), "P7: a declared member was removed"
        if joined:
            self._barred(joined)
            self._budget(members)
            opened = frozenset().union(*self.waves[: after.wave])
            assert joined <= opened, f"P8: {sorted(joined - opened)} are in no open wave"
        self._waves(after)
        self._calendar()
        if after.status is RolloutStatus.ABORTED and not run.barred:
            run.barred = "P3: nobody joins once it is aborted"

    def _barred(self, joined: frozenset[str]) -> None:
        run, record = self.run, self.record
        assert not run.barred, run.barred
        assert record.status in (RolloutStatus.PROGRESSING, RolloutStatus.COMPLETE), (
            f"P2: it is {record.status}"
        )
        assert not self.wish.paused, "P2: Git pauses it"
        held = self.held is not None and self.held.status == "STOPPED"
        owned = self.state.campaigns.get(CAMPAIGN)
        assert not (held and owned and owned.status == "STARTED" and not record.frozen), "P2: it is held"
        most = run.git.policy["gate"].get("maxFailed")
        assert most is None or len(self.failed) <= most, f"P3: {len(self.failed)} failed, and {most} may"

    def _budget(self, members: Mapping[str, str]) -> None:
        budget = self.wish.budget
        if budget is None:
            return
        forgiven = self.run._forgiven()
        everyone = self.declared
        named = budget.groups or {}
        groups = [everyone & group for group in named.values()]
        groups.append(everyone.difference(*named.values()))
        after = {n for n, s in members.items() if s != DONE} & self.declared - forgiven
        for group in groups:
            most = max(budget.of(len(group)), len(self.unfinished & group))
            assert len(after & group) <= most, (
                f"P4: {len(after & group)} of {len(group)} are not done, {most} may"
            )

    def _waves(self, after: RolloutRecord) -> None:
        run, before = self.run, self.record
        opened = [n for n in range(before.wave + 1, after.wave + 1) if self.waves[n - 1]]
        if after.plan == before.plan:
            assert len(opened) <= 1, f"P6: waves {opened} opened at once"
        self._note_gates()
        if not opened or run.free or before.edited or not before.wave:
            if opened:
                run.free = False
            return
        last = max((n for n in range(1, before.wave + 1) if self.waves[n - 1]), default=0)
        if not last or self.wish.on_deadline == "skipIdle":
            return
        since = run.met.get(last)
        soak = self.wish.waves[before.wave - 1].soak
        assert since is not None, f"P1: wave {opened} opened before wave {last} met its gate"
        assert self.now - since >= soak, (
            f"P1: wave {opened} opened {self.now - since} ms after, {soak} it soaks"
        )

    def _note_gates(self) -> None:
        for number, (wave, members) in enumerate(zip(self.wish.waves, self.waves, strict=True), start=1):
            done = len(members & self.done)
            if members and done * 100 >= wave.gate.min_success * len(members):
                self.run.met.setdefault(number, self.now)
            else:
                self.run.met.pop(number, None)

    def _calendar(self) -> None:
        """P5: by the calls that the server saw, and its clock."""
        run = self.run
        if not run.calendar:
            return
        stopped = False
        for at, seen in run.seen.times[self.calls :]:
            name = operation_of(seen.method, seen.path) if seen.method != "GET" else ""
            if name == STOP:
                stopped = True
            if name == ADD:
                told = frozenset(GATEWAY.findall(json.dumps(seen.body)))
                assert all(self._open(at, run.fleet[each].zone) for each in told), f"P5: {name} at {at}"
                run.told.counts["releases in the calendar"] += 1
            elif name == START and not stopped:
                zones = {run.fleet[n].zone for n in run._members() if run._members()[n] not in ENDED}
                assert all(self._open(at, zone) for zone in zones), f"P5: {name} at {at}"

    def _open(self, at: int, zone: str) -> bool:
        run = self.run
        wall = datetime.fromtimestamp(at / 1000, UTC).astimezone(
            ZoneInfo(zone if run.calendar == "gateway" else run.calendar)
        )
        return (wall.hour >= NIGHT[0] or wall.hour < NIGHT[1]) and not run.freeze[0] <= at < run.freeze[1]
