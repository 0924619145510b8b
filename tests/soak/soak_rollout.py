"""One run: a rollout in waves on a server with a stepped clock, with people, faults and kills in its way.

The program is a process of its own over TCP, whose clock stands where the server's does; devices end as the
seed says. A twin in this process has the same files, people, devices and clock, and neither faults nor kills:
after each step of the clock both hold the same (P12). In a slow run each call takes the server a while, so
that runs begin in a window and end behind it; such a one has no twin. Neither has one that saves plans and
applies them late (`soak_saved`).

A run may have checks, gateways that the server doesn't know, guards that refuse everything, and a way back.
What must hold is told apart from the program: `soak_judge`, with `soak_oracle`.
"""

import asyncio
import json
import shutil
import signal
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from reconciler.app import Options, open_project
from reconciler.app.applying import Applying
from reconciler.app.pipeline import Aside, draft, prepare
from reconciler.app.workspace import store_of
from reconciler.embedded.faults import parse_rules
from reconciler.embedded.tables import gateways as members_table
from reconciler.embedded.tables.settings import Settings
from reconciler.model import OutcomeStatus, RolloutRecord, RolloutStatus
from reconciler.plan import Plan
from reconciler.state.applied import FORGIVEN, REFUSED, ROLLOUT
from reconciler.state.base import MembersApplied, MembersForgotten, RolloutNoted, State, bound_to
from reconciler.state.stores import open_store
from tests.app.check_server import check_server
from tests.app.test_app_applying import Told as Listener
from tests.e2e.e2e_crash import WRITES
from tests.e2e.e2e_forks import Trick
from tests.e2e.e2e_runs import TOKEN, Ran, Workplace, operation_of
from tests.properties.prop_lab import Held, snapshot_of
from tests.soak.soak_fleet import (
    DONE,
    ENDED,
    FAILED,
    UNDER_WAY,
    ZONES,
    Answering,
    Doorkeeper,
    Strangers,
    declared,
    devices,
    some_waves,
)
from tests.soak.soak_judge import Found, Judge, Memory, campaign
from tests.soak.soak_oracle import DAY, HOUR, MINUTE, waves_of
from tests.soak.soak_project import GENEROUS
from tests.soak.soak_run import FAULTS, HURRY, OPERATIONS, Ground, Told, Wrong, as_ran
from tests.soak.soak_saved import Saved, a_word, slowed
from tests.world import AT_ONCE, World

BEGINS = ("2027-03-26", "2027-10-30", "2027-03-12", "2027-11-06", "2027-06-01", "2027-04-02", "2027-10-01")
"""Days around the changes of summer time in these zones, and one in summer."""
CALL_MS = 20_000
LATE = 0.3
"""In how many runs plans are saved and applied late."""
PROCESSES = 0.15
"""How many of the calm looks are processes."""
TOLERANT = {**GENEROUS, "mayReleaseAtOnce": True}
STRICT = {
    **dict.fromkeys(GENEROUS, 0),
    **{name: False for name, value in GENEROUS.items() if value is True},
    "mayReleaseAtOnce": False,
}
"""Guards that refuse all that they may."""
ANOTHER = """\
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: others}
spec: {gateways: [z-1]}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: another}
spec: {packageSet: firmware, gatewayLists: [others], desiredStatus: STARTED}
"""
_ENDS = {
    0: "done",
    1: "error",
    3: "partly",
    4: "stale",
    5: "guarded",
    7: "aborted",
    -signal.SIGKILL: "killed",
}
PATIENCE = 150
"""So many looks a rollout may take to its end once nothing is wrong any more."""


class Stamped(deque[Any]):
    """A record of calls, each with the time on the server's clock; time goes on where calls take some."""

    def __init__(self, clock: Any, call_ms: int) -> None:
        super().__init__(maxlen=None)
        self._clock, self.call_ms = clock, call_ms
        self.times: list[tuple[int, Any]] = []

    def append(self, seen: Any) -> None:
        now = self._clock.now_ms()
        self.times.append((now, seen))
        super().append(seen)
        if self.call_ms:
            self._clock.change(now_ms=now + self.call_ms)


class Rollout:
    """One run."""

    def __init__(self, ground: Ground, seed: int) -> None:
        self.ground, self.told = ground, Told(seed)
        self.random = chance = Random(f"rollout/{seed}")
        self.folder = ground.folder / f"rollout-{seed}"
        self.slow = chance.random() < 0.2
        self.now = int(datetime.fromisoformat(f"{chance.choice(BEGINS)}T12:00+00:00").timestamp() * 1000)
        self.zones = chance.sample(ZONES, 2)
        self.fleet = {each.name: each for each in devices(chance, self.zones)}
        self.git = declared(chance, self.fleet, self.now)
        self.checked = chance.random() < 0.35
        self.answering = Answering()
        late = Random(f"saved/{seed}")
        self.late = late.random() < LATE
        """Whether plans are saved in it, and applied when the world has moved on."""
        # A plan of then is not what a twin would do now.
        self.alone = self.slow or self.late
        """The twin takes no part."""
        if self.late:
            slowed(self.fleet.values(), self.git.policy, late)
        self.adopts = False
        self.rollouts_only = False
        self.resumes = False
        self.memory = {"c": Memory(), "b": Memory()}
        self.touched: set[str] = set()
        """Whose devices the first campaign may have changed, seen while it stood aborted."""
        self.tricks: Sequence[Trick] = ()

    # --- files ------------------------------------------------------------------------------------

    def _write(self) -> None:
        table = self.git.table(self.random)
        for folder in (self.folder, self.folder / "twin"):
            (folder / "line.csv").write_text(table)
            (folder / "firmware.bin").write_bytes(b"firmware")
            (folder / "resources.yaml").write_text(self.git.text())

    def _project(self, guards: Mapping[str, Any]) -> None:
        spec = {
            "resources": ["resources.yaml"],
            "server": {
                "url": self.ground.running.url,
                "batchSize": self.random.choice([2, 100]),
                "timeoutSeconds": 20,
            },
            "state": {"url": "file:state.json"},
            "guards": guards,
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
            with ExitStack() as stack:
                context.clock.change(now_ms=self.now, paused=True)
                context.recorder.seen = self.seen = Stamped(context.clock, CALL_MS if self.slow else 0)
                self._project(TOLERANT)
                if self.checked:
                    server = stack.enter_context(check_server())
                    server.respond, self.git.checks_at = self.answering.respond, server.url
                env = {"RECONCILER_URL": self.ground.running.url, "RECONCILER_TOKEN": TOKEN}
                self.place = Workplace(self.folder, env, [TOKEN], start=self._start)
                stack.enter_context(guarded_door(self.ground.running.app, self._strangers))
                self._write()
                self._say(f"{'slow ' if self.slow else ''}zones {self.zones}, calendar {self.git.calendar!r}")
                self._say(self.git.text(), *map(repr, self.fleet.values()))
                self._tells_kinds()
                asyncio.run(self._through())
        except (AssertionError, ValueError, LookupError) as error:
            raise Wrong("\n".join([*self.told.story, f"{type(error).__name__}: {error}"])) from error
        finally:
            context.recorder.seen = before
            context.clock.change(now_ms=int(time.time() * 1000), paused=False)
            self.ground.calm()
            shutil.rmtree(self.folder)
        return self.told

    def _strangers(self) -> frozenset[str]:
        return frozenset(each.name for each in self.fleet.values() if not each.known)

    def _tells_kinds(self) -> None:
        kinds = {
            "slow": self.slow,
            "with plans that are applied late": self.late,
            "with a twin": not self.alone,
            "with checks": self.checked,
            "with a way back": self.git.way_back,
            "with gateways that the server refuses": bool(self._strangers()),
            "with a calendar": bool(self.git.calendar),
            "with a budget": "disruptionBudget" in self.git.policy,
        }
        self.told.counts.update(kind for kind, holds in kinds.items() if holds)

    async def _through(self) -> None:
        chance = self.random
        async with World.open(self.folder / "twin") as world:
            self.twin = world
            app = world.app
            app.middleware_stack = Doorkeeper(app.build_middleware_stack(), self._strangers)
            for _ in range(chance.randint(8, 18)):
                if chance.random() < 0.2:
                    await self._person()
                await self._tick()
                if self._record("c").status is RolloutStatus.COMPLETE and chance.random() < 0.5:
                    break
            self.told.counts[f"in the end {self._record('c').status}"] += 1
            if chance.random() < 0.6:
                await self._finish()
        self.told.counts["gateways released"] += len(self.found("c").members)

    async def _tick(self) -> None:
        """Time goes on, devices do something, and there is a look: often a bumpy one before it."""
        chance = self.random
        self.now = self.ground.context.clock.now_ms()
        spans = [15 * MINUTE, HOUR, 2 * HOUR, 7 * HOUR, chance.randint(1, 26 * 60) * MINUTE]
        self._goes_on(self._until_open() if chance.random() < 0.4 else chance.choice(spans))
        if self.checked:
            self.answering.changed(chance)
            self._say(f"checks say {self.answering.said}")
        # First, for what happens behind the back of a plan is what the twin begins with.
        if self.late and not self.rollouts_only and chance.random() < 0.8:
            stands = self._record("c").status in (RolloutStatus.PAUSED, RolloutStatus.ABORTED)
            if chance.random() < (0.5 if stands else 0.05):
                a_word(self)
            saved = Saved(self)
            if saved.steps or chance.random() < 0.15:
                await saved.goes_on()
                await saved.applied()
        elif chance.random() < 0.2:
            self._by_plan_file()
        if chance.random() < 0.25:
            await self._guarded()
        if chance.random() < 0.4:
            self._troubled()
        looks = 1 if self.alone else await self._twin_looks()
        for _ in range(max(1, looks - 1)):
            await self._calm()
        if not self.alone and chance.random() < 0.3:
            calls = len(self.seen.times)
            await self._calm()
            assert not self._writes(calls), f"P9: a second look sent {self._writes(calls)}"
            self.told.counts["P9 held"] += 1
        if not self.alone:
            self._alike()

    def _goes_on(self, span: int) -> None:
        """Time does, and devices with it."""
        self.now += span
        self.ground.context.clock.change(now_ms=self.now)
        for name in ("c", "b"):
            self._devices_do(name)
        at = datetime.fromtimestamp(self.now / 1000, UTC).isoformat()
        standing = (f"{name}: {self.found(name).summary}" for name in ("c", "b"))
        self._say(f"--- {at} {'; '.join(standing)}")

    def _until_open(self) -> int:
        """Milliseconds until some time in the next window, where the calendar is read; 7 h without one."""
        if not self.git.calendar:
            return 7 * HOUR
        place = self.random.choice(self.zones) if self.git.calendar == "gateway" else self.git.calendar
        wall = datetime.fromtimestamp(self.now / 1000, UTC).astimezone(ZoneInfo(place))
        hours, minutes = map(int, self.git.night.begin.split(":"))
        left = (hours * 60 + minutes - wall.hour * 60 - wall.minute) % (24 * 60)
        return (left + self.random.choice([0, 1, 20, 59])) * MINUTE

    async def _finish(self) -> None:
        """P14: nothing is wrong any more, and everything that a person can say is said: it completes."""
        git, chance = self.git, self.random
        self._say("nothing is wrong any more")
        self.alone = True
        git.policy.pop("deadline", None)
        git.rollout |= {"paused": False, "approved": len(git.waves)}
        git.freeze = (self.now - 2 * DAY, self.now - DAY)
        self.rollouts_only = False
        self.answering.said = dict.fromkeys(self.answering.said, "pass")
        self.seen.call_ms = 0
        for device in self.fleet.values():
            device.end, device.going_back, device.needs = DONE, DONE, MINUTE
        self._write()
        for look in range(PATIENCE):
            for name in ("c", "b"):
                # Whoever was under way ends well, also where its campaign was stopped meanwhile.
                left = self._left_over(name)
                self._put(name, dict.fromkeys(left, DONE))
            self.now = self.ground.context.clock.now_ms()
            self._goes_on(self._until_open() if chance.random() < 0.7 else 7 * HOUR)
            back = self.found("b")
            if self.found("c").runs and back.runs and back.record.status is not RolloutStatus.COMPLETE:
                self._by_hand("c", status="STOPPED")  # somebody had started it beside its way back
            for name in ("b", "c"):
                if self._record(name).status in (RolloutStatus.PAUSED, RolloutStatus.ABORTED):
                    self._word("resume", "--forgive", name=name)
            if number := self._unproven():
                self._promote(number, ("success",))
            held = (found for name in ("b", "c") if (found := self.found(name).held))
            self.resumes = look % 5 == 0 and any(each.status == "STOPPED" for each in held)
            await self._calm()
            back = self.found("b")
            if self._record("c").status is RolloutStatus.COMPLETE and (
                not back.members or back.record.status is RolloutStatus.COMPLETE
            ):
                self.told.counts.update(["P14 held", *(["P18 held"] if self._strangers() else ())])
                return
        standing = {name: self.found(name).summary for name in ("c", "b")}
        raise AssertionError(f"P14: nothing is wrong, and after {PATIENCE} looks it stands at {standing}")

    def _left_over(self, name: str) -> Sequence[str]:
        found = self.found(name)
        stopped = found.held is not None and found.held.status == "STOPPED"
        return [
            each for each, state in found.members.items() if state == FAILED or (stopped and state != DONE)
        ]

    def _unproven(self) -> int:
        """The wave behind those of which the server takes nobody: they prove nothing, so a person decides."""
        known = [wave - self._strangers() for wave in waves_of(set(self.git.listed), self.git.waves, "c")]
        opened = self._record("c").wave
        if not opened or any(known[:opened]):
            return 0
        return next((n for n, wave in enumerate(known, start=1) if n > opened and wave), 0)

    async def _twin_looks(self) -> int:
        """The twin looks until there is nothing left to do; how many looks that took."""
        self.twin.now = self.now
        for look in range(1, 8):
            plan = await self._twin_plan()
            if plan.empty and not plan.records:
                return look
            applied = await self.twin.run(plan)
            failed = [each for each in applied.outcomes if each.status is OutcomeStatus.FAILED]
            assert all(self._excused(each.message) for each in failed), failed
        raise AssertionError("P9: the twin never rests at one time")

    async def _twin_plan(self) -> Plan:
        twin = self.twin
        state = bound_to(twin.store.load(), twin.provider.server, url=twin.store.url)
        options = Options(adopt=self.adopts, rollouts_only=self.rollouts_only)
        wish, aside = twin.desired(self.git.text()), Aside(self.answering.in_process)
        planned = await draft(wish, state, twin.provider, options, now=twin.now, lookout=AT_ONCE, aside=aside)
        return planned.plan

    # --- looks ------------------------------------------------------------------------------------

    def _start(self, arguments: Sequence[str], folder: Path, env: Mapping[str, str]) -> Any:
        now = self.ground.context.clock.now_ms() / 1000
        tricks = [["tests.e2e.e2e_tricks:clock_stands", now], *self.tricks]
        return self.ground.forks(arguments, folder, env, tricks=tricks)

    def _arguments(self) -> list[str]:
        more = ["--adopt"] if self.adopts else []
        more += ["--rollouts-only"] if self.rollouts_only else []
        more += ["--resume"] if self.resumes else []
        return ["apply", "--auto-approve", *more, *(["--parallelism", "1"] if self.slow else [])]

    async def _calm(self) -> None:
        """A look without trouble, by a process or, which takes less time, in this one."""
        with Judge(self) as judge:
            ran = await self._look()
            judge.code = ran.code
        self._ended(ran)
        assert ran.code in (0, 3, 7), "a calm look failed"
        aborted = any(self._record(name).status is RolloutStatus.ABORTED for name in self._declared_ones())
        # A look at rollouts creates no campaign: what it finds of one that is not there is kept nowhere.
        unbegun = self.rollouts_only and not all(map(self._has_rollout, self._declared_ones()))
        kept = aborted or (ran.code == 7 and unbegun)
        assert ran.code == 3 or (ran.code == 7) == kept, f"exit {ran.code}, and aborted is {aborted}"
        outcomes = json.loads(ran.out)["outcomes"]
        refused = any(self._excused(outcome["message"]) for outcome in outcomes)
        # What needs those whose calendar has closed meanwhile is skipped.
        well = {"done", "not-needed"} | ({"waiting", "skipped"} if self.slow else set())
        well |= {"skipped"} if refused else set()
        bad = [each for each in outcomes if each["status"] not in well and not self._excused(each["message"])]
        assert not bad, bad
        assert refused or ran.code != 3, "nothing was refused"

    def _declared_ones(self) -> Sequence[str]:
        return ("c", "b") if self.git.way_back else ("c",)

    async def _look(self) -> Ran:
        if self.random.random() < PROCESSES:
            return self.place.run(*self._arguments(), "--output", "json")
        return await self._in_process()

    def _excused(self, message: str) -> bool:
        return any(f"There is no gateway '{each}'" in message for each in self._strangers())

    async def _guarded(self) -> None:
        """P19: a look where guards refuse all that they may. Nothing is sent but what an abort stops.

        A merge of another campaign, which would be started, has the guards refuse the whole plan.
        """
        self._project(STRICT)
        (self.folder / "resources.yaml").write_text(f"{self.git.text()}\n---\n{ANOTHER}")
        calls = len(self.seen.times)
        try:
            self._say("a look with strict guards")
            with Judge(self) as judge:
                ran = await self._look()
                judge.code = ran.code
        finally:
            self._project(TOLERANT)
            (self.folder / "resources.yaml").write_text(self.git.text())
        self._ended(ran)
        assert ran.code in (0, 3, 5, 7), "a guarded look failed"
        assert ran.code == 5 or self.rollouts_only, f"no guard stands against it: {ran.code}"
        if ran.code == 5:
            sent = self._writes(calls)
            assert not sent.keys() - {"stop-campaign"}, f"P19: a guard stands against it, and it sent {sent}"

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
        options = Options(adopt=self.adopts, rollouts_only=self.rollouts_only, resume=self.resumes)
        result = await run.unasked(job, options)
        return as_ran(result)

    def _troubled(self) -> None:
        """A look that meets faults, or dies somewhere."""
        self._say(f"a look with {self._arm()}")
        with Judge(self):
            with self.place.started(*self._arguments()) as process:
                self.ground.reaper.victim(process)
                ran = process.end()
            self._disarm()
        self._ended(ran)

    def _arm(self) -> str:
        """The next process meets faults, or dies somewhere; which, and where."""
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
        return ", ".join(said)

    def _disarm(self) -> None:
        self.ground.calm()
        self.tricks = ()

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
        with Judge(self):
            ran = self.place.run("apply", "--plan", str(file), "--output", "json")
        self._say(f"a plan file, then {happens}")
        self._ended(ran)
        file.unlink()
        sent = self._writes(calls)
        if ran.code == 4:
            assert not sent, f"P17: a stale plan sent {sent}"
        else:
            assert ran.code in (0, 3, 7), ran
            document = json.loads(ran.out)
            names = {step["id"]: step["operation"] for step in document["steps"]}
            done = Counter(names[each["step"]] for each in document["outcomes"] if each["status"] == "done")
            # Who finds out whom the server refuses sends batches again in halves.
            self.told.counts["P17 held"] += 1
            halved = any(self._excused(each["message"]) for each in document["outcomes"])
            assert +done == sent or halved, f"P17: planned {done}, sent {sent}"
            if happens == "nothing" and not self.slow:
                assert [s["id"] for s in shown["steps"]] == list(names), "P17: another plan was applied"
        self.told.counts[f"plan file {'stale' if ran.code == 4 else 'applied'}"] += 1

    def _happens(self, what: str) -> None:
        match what:
            case "a device fails":
                members = self.found("c").members
                going = [name for name, state in members.items() if state not in ENDED]
                if going:
                    name = self.random.choice(going)
                    self.fleet[name].end, self.fleet[name].needs = FAILED, 0
                    self._put("c", {name: FAILED})
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

    def _alike(self) -> None:
        """P12: the same end as that of a run without faults and kills."""
        self.told.counts["P12 held"] += 1
        for name in ("c", "b"):
            one, other = self._held(name), self._held_by_twin(name)
            assert (one is None) == (other is None), f"P12: {name} is {one}, and the twin has {other}"
            if one is not None and other is not None:
                assert one.status == other.status, f"P12: {name}: {one.status}, the twin: {other.status}"
                lack = other.gateways.keys() - one.gateways.keys()
                more = one.gateways.keys() - other.gateways.keys()
                assert not lack | more, f"P12: {name} lacks {sorted(lack)}, has {sorted(more)} too many"
                assert one.description == other.description
            mine, its = self._record(name), Found(None, self.twin.store.load(), name).record
            # Ids are each server's own, and what a freeze stopped is noted until a look sees it run.
            mine, its = (
                replace(each, revision="", stopped=(), why=each.why.partition(":")[0]) for each in (mine, its)
            )
            assert mine == its, f"P12: the record of {name} is\n{mine}, that of the twin\n{its}"

    # --- what is there ----------------------------------------------------------------------------

    def found(self, name: str) -> Found:
        """How a campaign stands."""
        return Found(self._held(name), self._state, name)

    @property
    def _state(self) -> State:
        return open_store("file:state.json", root=self.folder).load()

    def _record(self, name: str) -> RolloutRecord:
        return Found(None, self._state, name).record

    def _held(self, name: str) -> Held | None:
        found = self.ground.snapshot().named(name)
        assert len(found) <= 1, "the campaign is there twice"
        return found[0] if found else None

    def _held_by_twin(self, name: str) -> Held | None:
        found = snapshot_of(self.twin.app.state.context.store).named(name)
        return found[0] if found else None

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

    def _devices_do(self, name: str) -> None:
        held = self._held(name)
        if held is None or held.status != "STARTED":
            return
        states = {}
        for gateway, (state, closed) in held.gateways.items():
            device = self.fleet[gateway]
            # It was released by the look before: that long it has had.
            since = device.since.setdefault(name, self.now - HOUR)
            end = device.end if name == "c" else device.going_back
            if state in ENDED or end is None or closed:
                continue
            after = end if self.now >= since + device.needs else UNDER_WAY
            if after != state:
                states[gateway] = after
        self._put(name, states)

    def _put(self, name: str, states: Mapping[str, str]) -> None:
        for store, seq in self._rows(name):
            with store.transaction(write=True) as db:
                for gateway, state in states.items():
                    there = members_table.find(db, seq, gateway)
                    changed = replace(there, state=state, changed_ms=self.now)
                    members_table.put(db, seq, changed)

    def _rows(self, name: str) -> Iterator[tuple[Any, int]]:
        """The stores that hold the campaign, and under which number."""
        stores = [self.ground.store, self.twin.app.state.context.store]
        for store in stores[:1] if self.alone else stores:
            with store.transaction(write=False) as db:
                rows = db.execute("SELECT seq FROM campaigns WHERE name = ?", (name,)).fetchall()
            yield from ((store, row["seq"]) for row in rows)

    # --- people -----------------------------------------------------------------------------------

    async def _person(self) -> None:
        """Somebody says or does something, to both."""
        chance, git = self.random, self.git
        held = self._held("c")
        deeds = ["waves", "list", "description", "pause in Git", "approve", "approve", "rollouts only"]
        if self._has_rollout("c") and held is not None:
            words = ["pause", "resume", "resume", "resume", "abort", "promote", "promote"]
            deeds += [*words, "add", "stop", "start", "lose"]
        if self._has_rollout("b"):
            deeds += ["way back: pause", "way back: resume", "way back: abort", "way back: start"]
        deed = chance.choice(deeds)
        self.told.counts[f"person: {deed}"] += 1
        self._say(f"person: {deed}")
        match deed:
            case "waves":
                git.waves = some_waves(chance, self.fleet)
            case "list":
                git.listed = sorted(chance.sample(sorted(self.fleet), chance.randint(1, len(self.fleet))))
            case "description":
                git.description = chance.choice(["one", "two", "three"])
            case "pause in Git":
                git.rollout["paused"] = not git.rollout.get("paused", False)
            case "approve":
                git.rollout["approved"] = len(git.waves)
            case "rollouts only":
                self.rollouts_only = not self.rollouts_only
            case "promote":
                number = self._record("c").wave + 1
                if chance.random() < 0.3 or number > len(git.waves):
                    number = chance.randint(1, len(git.waves))
                every = [(), ("success",), ("soak",), ("success", "soak"), ("check",), ("calendar",)]
                self._promote(number, chance.choice(every))
            case "abort":
                self._word("abort", *chance.choice([(), ("--stop",)]))
            case "resume":
                self._word("resume", *chance.choice([(), ("--forgive",)]))
            case "pause":
                self._word("pause")
            case "add":
                outside = sorted(set(git.listed) - self.found("c").members.keys() - self._strangers())
                if outside:
                    self._by_hand("c", add=chance.choice(outside))
            case "stop" | "start" if held and held.status in ("STARTED", "STOPPED"):
                self._by_hand("c", status={"stop": "STOPPED", "start": "STARTED"}[deed])
            case "lose":
                self._lose()
            case "way back: pause" | "way back: abort" | "way back: resume":
                self._word(deed.rpartition(" ")[2], name="b")
            case "way back: start":
                self._by_hand("b", status=chance.choice(["STOPPED", "STARTED"]))
        if "approved" in git.rollout:
            git.rollout["approved"] = min(git.rollout["approved"], len(git.waves))
        self._write()

    def _has_rollout(self, name: str) -> bool:
        owned = self._state.campaigns.get(campaign(name))
        return owned is not None and owned.rollout is not None

    def _promote(self, number: int, skips: Sequence[str]) -> None:
        more = [word for skip in skips for word in ("--skip", skip)]
        self._word("promote", "--wave", str(number), *more)
        if any(each.wave == number for each in self._record("c").promoted):
            self.memory["c"].words[number] = frozenset(skips)

    def _word(self, word: str, *more: str, name: str = "c") -> None:
        """A word of a person to a rollout; the twin hears the same."""
        before = self._record(name)
        refused = self._noted(REFUSED, name)
        ran = self.place.run("rollout", word, name, "--reason", "soak", *more)
        self._say(f"rollout {word} {name} {more}: {ran.code} {ran.err}")
        assert ran.code in (0, 1), ran
        after = self._record(name)
        if ran.code or after == before:
            return
        if word == "resume":
            self.memory[name].barred = ""
        if self.alone:
            return
        resource, state = campaign(name), self.twin.store.load()
        assert state.server is not None
        revision = Found(None, state, name).record.revision if after.revision else ""
        with self.twin.store.locked(state.server, "rollout") as session:
            session.record(RolloutNoted(resource, replace(after, revision=revision)))
            if word == "resume" and refused:
                session.record(MembersForgotten(resource, tuple(sorted(refused)), ROLLOUT))
            if "--forgive" in more and (forgiven := self._noted(FORGIVEN, name)):
                session.record(MembersApplied(resource, ROLLOUT, FORGIVEN, tuple(sorted(forgiven))))

    def _noted(self, value: str, name: str) -> frozenset[str]:
        owned = self._state.campaigns.get(campaign(name))
        return owned.members.get(ROLLOUT, {}).get(value, frozenset()) if owned else frozenset()

    def _by_hand(self, name: str, *, add: str = "", status: str = "") -> None:
        for store, seq in self._rows(name):
            with store.transaction(write=True) as db:
                if add:
                    members_table.add(db, seq, [add], self.now)
                else:
                    db.execute("UPDATE campaigns SET status = ? WHERE seq = ?", (status, seq))

    def _lose(self) -> None:
        """The state is gone, and the project adopts from then on. P11."""
        for folder in (self.folder, self.folder / "twin"):
            for path in folder.glob("state.json*"):
                path.unlink()
        self.adopts, self.rollouts_only = True, False
        self.memory = {"c": Memory(), "b": Memory()}
        members = self.found("c").members
        if members and set(self.git.listed) - members.keys():
            why = "P11: somebody joins after a lost state before a person says so"
            self.memory["c"].barred = why


@contextmanager
def guarded_door(app: Any, strangers: Strangers) -> Iterator[None]:
    """Before the server stands somebody who knows which gateways there are."""
    before = app.middleware_stack
    app.middleware_stack = Doorkeeper(before, strangers)
    try:
        yield
    finally:
        app.middleware_stack = before
