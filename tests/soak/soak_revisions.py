"""One run: a rollout in waves on the stand-in for hawkBit, over TCP, whose packages change again and again.

Such a server replaces: other packages go out wave by wave to a successor, and what was replaced ends when
the last has moved. Devices poll, people interfere, answers go wrong, and processes are killed. The clock is
that of the stand-in, which is set ahead.

What must hold is told apart from the program, by what the server has: `soak_judge`, within a revision; and
here, for what is between revisions.
"""

import asyncio
import json
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import httpx

from reconciler.app import Options, open_project
from reconciler.app.applying import Applying
from reconciler.app.pipeline import prepare
from reconciler.app.workspace import store_of
from reconciler.model import RolloutRecord, RolloutStatus
from reconciler.state.base import State
from reconciler.state.stores import open_store
from tests.app.test_app_applying import Told as Listener
from tests.e2e.e2e_forks import Forks, Trick
from tests.e2e.e2e_runs import SECONDS, Process, Ran, Workplace
from tests.hawkbit_standin import devices
from tests.hawkbit_standin.app import Asked, Fault
from tests.hawkbit_standin.model import Action, Rollout
from tests.hawkbit_standin.tcp import Served, running
from tests.soak.soak_fleet import DONE, FAILED, UNDER_WAY, Answering, Device, Git, some_waves
from tests.soak.soak_hawkbit import FAULTS, Direct
from tests.soak.soak_judge import About, Case, Found, Look, Memory, campaign
from tests.soak.soak_oracle import HOUR, MINUTE, NOBODY, Night
from tests.soak.soak_project import GENEROUS
from tests.soak.soak_rollout import PROCESSES
from tests.soak.soak_run import HURRY, Told, Wrong, as_ran

FILES = ("fw.bin", "fx.bin", "fy.bin")
OVER = ("stopped", "finished", "deleted", "deleting", "approval_denied")
STATUSES = {"running": "STARTED", "paused": "STOPPED"}
PATIENCE = 80
_ENDS = {0: "done", 1: "error", 3: "partly", 7: "aborted", -signal.SIGKILL: "killed"}


@dataclass
class Home:
    """A rollout of the server, as a campaign."""

    id: str
    status: str
    file: str
    gateways: Mapping[str, tuple[str, bool]]
    over: bool
    closed: frozenset[str] = NOBODY
    """Whose update was cancelled: this campaign gives them no other one."""


class Revisions:
    """One run."""

    def __init__(self, forks: Forks, folder: Path, seed: int) -> None:
        self.forks, self.told = forks, Told(seed)
        self.random = chance = Random(f"revisions/{seed}")
        self.folder = folder / f"revisions-{seed}"
        strange = chance.choice([0, 0, 0, 1])
        count = chance.randint(5, 14)
        rate = chance.choice([0, 0, 0.1, 0.3])
        self.fleet = {
            name: Device(
                name,
                chance.choice(["north", "south"]),
                "UTC",
                0,
                FAILED if chance.random() < rate else DONE,
                known=number < count - strange,
            )
            for number in range(count)
            if (name := f"g-{number:02}")
        }
        policy: dict[str, Any] = {
            "gate": {"minSuccessPercent": chance.choice([50, 75, 90]), "sample": 1},
            "onFailure": chance.choice(["pause", "stop"]),
        }
        if chance.random() < 0.4:
            policy["gate"]["maxFailed"] = chance.choice([0, 1, 3])
        if chance.random() < 0.3:
            policy["disruptionBudget"] = {"maxUnavailable": chance.choice([1, 2])}
        night = Night("00:00", "24:00")
        self.git = Git(
            self.fleet, some_waves(chance, self.fleet), policy, sorted(self.fleet), "", night, (0, 0)
        )
        self.file = FILES[0]
        self.answering = Answering()
        self.resumes = False
        self.memory = Memory()
        self.tricks: Sequence[Trick] = ()
        self.rate, self.kinds = 0.0, list[str]()
        self.strikes: tuple[int, str] | None = None
        """At the so-manieth write from now the process is killed, before or after it is done."""
        self.process: Process | None = None
        self.known = Event()
        self.unmade = False
        """Whether the state tells of a revision that has no campaign yet: nobody is in it."""

    # --- files ------------------------------------------------------------------------------------

    def _write(self) -> None:
        text = self.git.text().replace("firmware.bin", self.file)
        (self.folder / "resources.yaml").write_text(text)
        (self.folder / "line.csv").write_text(self.git.table(self.random))

    def _project(self) -> None:
        spec = {
            "resources": ["resources.yaml"],
            "server": {
                "provider": "hawkbit",
                "url": self.server.url,
                "batchSize": self.random.choice([2, 100]),
                "settleSeconds": 0,
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
        self.folder.mkdir(parents=True)
        try:
            with running() as self.server, self._people():
                self._project()
                for name in FILES:
                    (self.folder / name).write_text(f"content of {name}")
                env = {
                    "RECONCILER_URL": self.server.url,
                    "RECONCILER_USERNAME": "admin",
                    "RECONCILER_PASSWORD": "admin",
                }
                self.place = Workplace(self.folder, env, [], start=self._start)
                self._write()
                self._say(self.git.text(), *map(repr, self.fleet.values()))
                self._live()
        except (AssertionError, ValueError, LookupError) as error:
            raise Wrong("\n".join([*self.told.story, f"{type(error).__name__}: {error}"])) from error
        finally:
            shutil.rmtree(self.folder)
        return self.told

    server: Served

    @contextmanager
    def _people(self) -> Iterator[None]:
        server = self.server
        server.world.config |= {
            "authentication.gatewaytoken.enabled": True,
            "authentication.gatewaytoken.key": "key",
            "rollout.approval.enabled": False,
        }
        server.add_targets(each.name for each in self.fleet.values() if each.known)
        server.fault = self._fault
        headers = {"Authorization": "GatewayToken key"}
        base = "http://hawkbit.example.com/DEFAULT/controller/v1"
        with httpx.Client(base_url=base, headers=headers, transport=Direct(server)) as self.ddi:
            yield

    def _live(self) -> None:
        chance = self.random
        for _ in range(chance.randint(10, 22)):
            self.server.advance(chance.choice([15 * MINUTE, HOUR, 7 * HOUR]) / 1000)
            self._polls(chance.random() < 0.8)
            if chance.random() < 0.35:
                self._person()
            self._say(f"--- {self._moment()} {self._standing()}")
            if chance.random() < 0.4:
                self._troubled()
            self._calm()
            if chance.random() < 0.3:
                self._rests()
        if chance.random() < 0.7:
            self._finish()

    def _moment(self) -> str:
        return datetime.fromtimestamp(self.server.now() / 1000, UTC).isoformat()

    def _standing(self) -> str:
        homes = (
            f"{h.file} {h.status} {dict(Counter(s for s, _ in h.gateways.values()))}" for h in self._homes()
        )
        return f"{'; '.join(homes)} {self._record()}"

    def _finish(self) -> None:
        """P14: nothing is wrong any more, and it completes: everybody has what Git says, in one campaign."""
        self._say("nothing is wrong any more")
        self.git.rollout |= {"paused": False, "approved": len(self.git.waves)}
        for device in self.fleet.values():
            device.end = DONE
        self._write()
        for look in range(PATIENCE):
            self.server.advance(7 * HOUR / 1000)
            self._mend()
            self._polls(everybody=True)
            if self._record().status in (RolloutStatus.PAUSED, RolloutStatus.ABORTED):
                self._word("resume", "--forgive")
            self._say(f"--- {self._moment()} {self._standing()}")
            self.resumes = look % 5 == 0 and any(home.status == "STOPPED" for home in self._homes())
            if self._unproven():
                self._word("promote", "--skip", "success", "--skip", "soak")
            self._calm()
            # Enough are done for it to be complete before a budget lets the last ones in.
            if self._record().status is RolloutStatus.COMPLETE and self._all_in():
                self._complete()
                return
        raise AssertionError(
            f"P14: nothing is wrong, and after {PATIENCE} looks it stands at {self._standing()}"
        )

    def _unproven(self) -> bool:
        """Whether a wave is open, and the server took nobody of it or before: a person decides."""
        newest = self._newest()
        return (
            self._record().wave > 0
            and (newest is None or not newest.gateways)
            and self._strangers() != NOBODY
        )

    def _all_in(self) -> bool:
        newest = self._newest()
        known = frozenset(self.git.listed) - self._strangers()
        return newest is not None and known - newest.closed <= newest.gateways.keys()

    def _complete(self) -> None:
        self.told.counts.update(
            ["complete in the end", "P14 held", *(["P18 held"] if self._strangers() else ())]
        )
        going = [home for home in self._homes() if not home.over and home.gateways]
        newest = self._newest()
        assert newest is not None, "R4: it is complete, and there is none"
        listed = frozenset(self.git.listed) - self._strangers() - newest.closed
        found = [(home.id, home.file, set(home.gateways) - home.closed) for home in going]
        found = [each for each in found if each[2]]
        wanted = [(newest.id, self.file, set(listed))] if listed else []
        assert found == wanted, f"R4: {found}, and Git says {wanted}"
        self.told.counts["R4 held"] += 1

    def _strangers(self) -> frozenset[str]:
        return frozenset(each.name for each in self.fleet.values() if not each.known)

    # --- looks ------------------------------------------------------------------------------------

    def _start(self, arguments: Sequence[str], folder: Path, env: Mapping[str, str]) -> Any:
        tricks = [["tests.e2e.e2e_tricks:clock_stands", self.server.now() / 1000], *self.tricks]
        return self.forks(arguments, folder, env, tricks=tricks)

    def _arguments(self) -> list[str]:
        return ["apply", "--auto-approve", *(["--resume"] if self.resumes else [])]

    def _calm(self) -> None:
        with self._judged() as look:
            if self.random.random() < PROCESSES:
                ran = self.place.run(*self._arguments(), "--output", "json")
            else:
                ran = asyncio.run(self._in_process())
            self.server.settle()
            look.append(ran.code)
        self._ended(ran)
        outcomes = json.loads(ran.out)["outcomes"]
        # The server doesn't say whom it doesn't know.
        refused = self._strangers() and any("does not exist" in each["message"] for each in outcomes)
        assert ran.code in ((0, 3, 7) if refused else (0, 7)), "a calm look failed"

    def _rests(self) -> None:
        """P9: looks at one time come to rest, and then one sends nothing."""
        for _ in range(4):
            before = len(self.server.calls())
            self._calm()
            sent = self.server.calls()[before:]
            if not sent:
                self.told.counts["P9 held"] += 1
                return
        raise AssertionError(f"P9: it never rests at one time: {sent}")

    async def _in_process(self) -> Ran:
        job = prepare(open_project(self.folder, environ=self.place.env))
        told = Listener()
        clock = lambda: self.server.now() / 1000  # noqa: E731 - a clock is a function
        run = Applying(job.project, store_of(job.project), told, told, 4, 0.0, clock=clock)
        result = await run.unasked(job, Options(resume=self.resumes))
        return as_ran(result)

    def _troubled(self) -> None:
        """A look that meets faults, or dies somewhere."""
        chance = self.random
        said = []
        self.tricks = [["tests.e2e.e2e_tricks:hurry", HURRY]]
        if chance.random() < 0.5:
            self.rate, self.kinds = chance.choice([0.05, 0.2]), chance.sample(sorted(FAULTS), 2)
            said.append(f"faults {self.kinds}")
        if chance.random() < 0.7 or not said:
            moment, where = (
                chance.choice(["before", "after"]),
                chance.choice(["write", "write", "record", "disk"]),
            )
            at = chance.randint(1, {"write": 8, "record": 8, "disk": 25}[where])
            if where == "write":
                self.strikes = (at, moment)
            else:
                self.tricks = [*self.tricks, [f"tests.e2e.e2e_tricks:die_at_{where}", at, moment]]
            said.append(f"dies {moment} {where} {at}")
        self._say(f"a look with {', '.join(said)}")
        self.known.clear()
        with self._judged():
            with self.place.started(*self._arguments()) as self.process:
                self.known.set()
                ran = self.process.end()
            self.rate, self.strikes, self.tricks = 0.0, None, ()
            self.server.settle()
        self._ended(ran)

    def _fault(self, asked: Asked) -> Fault | None:
        """What happens to a call of the tool."""
        if self.strikes and asked.method != "GET":
            at, moment = self.strikes
            self.strikes = (at - 1, moment)
            if at == 1:
                self.strikes = None
                assert self.known.wait(SECONDS)
                assert self.process is not None
                self.process.popen.send_signal(signal.SIGKILL)
                return Fault(503, after=moment == "after")
        if self.random.random() >= self.rate:
            return None
        name = self.random.choice(self.kinds)
        self.told.counts[f"fault {name}"] += 1
        return FAULTS[name]

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
        self.told.counts["looks at revisions"] += 1

    # --- what must hold ---------------------------------------------------------------------------

    @contextmanager
    def _judged(self) -> Iterator[list[int]]:
        """Give it the exit code of a look that has to do all that it can."""
        code: list[int] = []
        now, homes, state = self.server.now(), self._homes(), self._state
        yield code
        look = Look(code[0] if code else None, now, ())
        self._judge(look, homes, state)

    def _judge(self, look: Look, homes: Sequence[Home], state: State) -> None:
        newest, after_homes, after_state = self._current(homes, state), self._homes(), self._state
        current = self._current(after_homes, after_state)
        before, after = Found(newest, state, "c"), Found(current, after_state, "c")  # type: ignore[arg-type]
        was, record = before.record, after.record
        begun = bool(was.revision) and was.revision != record.revision and bool(record.revision)
        successor = current is not None and newest is not None and current.id != newest.id
        if begun or successor:
            # A run may die between what the state notes of a revision and the campaign for it.
            self.unmade = not successor and current is not None and current.file != self.file
        if successor:
            self.told.counts["revisions begun"] += 1
        if begun and (successor or self.unmade):
            stays = was.status is RolloutStatus.PAUSED and (was.by or was.why == "adopted")
            status = RolloutStatus.PAUSED if stays else RolloutStatus.PROGRESSING
            before = Found(None, state, "c", RolloutRecord(plan=record.plan, status=status))
            self.memory.met, self.memory.words = {}, {}
            self.memory.barred = self.memory.barred if stays else ""
        elif successor or self.unmade:
            # An earlier run noted it; whoever is in what was before is not in it.
            before = Found(None, state, "c")
            self.memory.met = {}
        elif begun:
            before = Found(newest, state, "c", replace(was, plan=was.plan and "another"))  # type: ignore[arg-type]
            self.memory.barred = ""
        if self.unmade:
            self.told.counts["looks that left a revision without a campaign"] += 1
            after = Found(None, after_state, "c")
        closed = newest.closed if newest and not (successor or self.unmade) else NOBODY
        declared = frozenset(self.git.listed) - closed
        about = About("c", self.git.waves, self.git.policy, declared, self.memory, self.git)
        Case(self, about, look, before, after).judge()
        self._one_each(after_homes)
        if look.code in (0, 7):
            self._nobody_lost(homes, after_homes)
            self._retired(after_homes, current, record)

    def _one_each(self, homes: Sequence[Home]) -> None:
        runs = Counter(each for home in homes if home.status == "STARTED" for each in home.gateways)
        twice = sorted(each for each, times in runs.items() if times > 1)
        assert not twice, f"R1: {twice} are in two campaigns that run"
        self.told.counts["R1 held"] += 1
        for target in self.server.world.targets.values():
            going = [a for a in target.actions if a.active and a.status != "canceling"]
            assert len(going) <= 1, f"R1: {target.controller} has {len(going)} updates at a time"

    def _nobody_lost(self, before: Sequence[Home], after: Sequence[Home]) -> None:
        """Who had a campaign has one: the others stay where they are until their wave."""
        had, has = (
            {each for home in homes if not home.over for each in home.gateways} for homes in (before, after)
        )
        lost = had & set(self.git.listed) - has
        assert not lost, f"R2: {sorted(lost)} are in no campaign any more"
        self.told.counts["R2 held"] += 1
        left = {each for home in after if not home.over for each in home.gateways} - set(self.git.listed)
        assert not left or self._record().status is not RolloutStatus.COMPLETE, f"R2: {sorted(left)} stay"

    def _retired(self, homes: Sequence[Home], current: Home | None, record: RolloutRecord) -> None:
        """What was replaced ends when the last has moved."""
        if record.status not in (RolloutStatus.PROGRESSING, RolloutStatus.COMPLETE) or self.git.rollout.get(
            "paused"
        ):
            return
        if current is None or current.status != "STARTED":
            return
        idle = [
            h
            for h in homes
            if not h.over and h.id != current.id and not set(h.gateways) & set(self.git.listed)
        ]
        assert not idle, f"R3: {[(h.id, h.file, h.status) for h in idle]} go on, and nobody is left in them"
        self.told.counts["looks at a revision beside others"] += sum(not h.over for h in homes) > 1

    # --- what is there ----------------------------------------------------------------------------

    @property
    def _state(self) -> State:
        return open_store("file:state.json", root=self.folder).load()

    def _record(self) -> RolloutRecord:
        return Found(None, self._state, "c").record

    def _newest(self) -> Home | None:
        return self._current(self._homes(), self._state)

    def _current(self, homes: Sequence[Home], state: State) -> Home | None:
        """The campaign that the state knows; else the one of the name."""
        owned = state.campaigns.get(campaign("c"))
        return next((home for home in homes if owned and home.id == owned.id and not home.over), None)

    def _homes(self) -> list[Home]:
        with self.server._lock:
            rollouts = [r for r in self.server.world.rollouts.values() if not r.deleted]
            return [self._home(each) for each in sorted(rollouts, key=lambda each: each.id)]

    def _home(self, rollout: Rollout) -> Home:
        world = self.server.world
        tags = [t for t in world.tags.values() if f"tag=='{t.name}'" == rollout.query]
        members = list(tags[0].members) if tags else []
        gateways = {each: (self._stage(rollout.actions.get(each)), False) for each in members}
        modules = [world.modules[key] for key in world.bundles[rollout.bundle].modules]
        content = modules[0].artifacts[0].content.decode() if modules and modules[0].artifacts else ""
        status = STATUSES.get(rollout.status, rollout.status)
        file = content.removeprefix("content of ")
        actions = rollout.actions.items()
        closed = frozenset(each for each, action in actions if action.status in ("canceled", "canceling"))
        return Home(str(rollout.id), status, file, gateways, rollout.status in OVER, closed)

    def _stage(self, action: Action | None) -> str:
        """Done is only what a device has told of, or has: a word of the server alone proves nothing."""
        if action is None or action.status == "scheduled":
            return "INSTANTIATED"
        told = any("the action ended" in said for each in action.history for said in each["messages"])
        if action.status == "finished":
            has_it = self.server.world.targets[action.target].installed == action.bundle
            return DONE if told or has_it else "without evidence"
        return FAILED if action.status == "error" else UNDER_WAY

    def _say(self, *lines: str) -> None:
        self.told.story += lines

    # --- devices and people -------------------------------------------------------------------------

    def _polls(self, everybody: bool) -> None:
        chance = self.random
        some = [each for each in self.fleet.values() if each.known and (everybody or chance.random() < 0.5)]
        words = {DONE: "success", FAILED: "failure"}
        outcomes = {each.name: words[each.end or DONE] for each in some}
        for _ in range(2):  # a cancelled update first
            found = devices.step(self.ddi, outcomes, outcomes.get)
            self.server.settle()
            if acted := {name: did for name, did in found.items() if did != "idle"}:
                self._say(f"devices {acted}")

    def _mend(self) -> None:
        """Whoever failed has succeeded after all: somebody went there."""
        with self.server._lock:
            for rollout in self.server.world.rollouts.values():
                for action in rollout.actions.values():
                    if action.status == "error":
                        self.server.world.settle(action, "finished", "mended")

    def _person(self) -> None:
        chance, git = self.random, self.git
        deeds = ["merge", "merge", "merge", "list", "pause in Git", "approve", "waves"]
        owned = self._state.campaigns.get(campaign("c"))
        if owned is not None and owned.rollout is not None:
            deeds += ["pause", "resume", "resume", "resume", "abort", "promote"]
        deed = chance.choice(deeds)
        self.told.counts[f"person: {deed}"] += 1
        self._say(f"person: {deed}")
        match deed:
            case "merge":
                self.file = chance.choice(FILES)
                self._say(f"Git says {self.file}")
            case "list":
                git.listed = sorted(chance.sample(sorted(self.fleet), chance.randint(2, len(self.fleet))))
            case "waves":
                git.waves = some_waves(chance, self.fleet)
            case "pause in Git":
                git.rollout["paused"] = not git.rollout.get("paused", False)
            case "approve":
                git.rollout["approved"] = len(git.waves)
            case "promote":
                self._word("promote", *chance.choice([(), ("--skip", "success"), ("--skip", "soak")]))
            case "abort" | "pause" | "resume":
                self._word(deed, *(["--forgive"] if deed == "resume" and chance.random() < 0.5 else []))
        if "approved" in git.rollout:
            git.rollout["approved"] = min(git.rollout["approved"], len(git.waves))
        self._write()

    def _word(self, word: str, *more: str) -> None:
        before = self._record()
        ran = self.place.run("rollout", word, "c", "--reason", "soak", *more)
        self._say(f"rollout {word} {more}: {ran.code} {ran.err}")
        assert ran.code in (0, 1), ran
        if ran.code:
            return
        if word == "resume":
            self.memory.barred = ""
        if word == "promote":
            self.memory.words[before.wave + 1] = frozenset(more[1::2])
