"""One run: a random project on a random server, with people, faults and kills in its way, until it converges.

Processes are real, and so is TCP; the server stands in this process, so that its faults can be counted and it
can be looked at from behind. Everything random comes from the seed.
"""

import asyncio
import json
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from sqlite3 import connect as open_database
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, TypeVar

from reconciler.app.applying import ApplyResult
from reconciler.apply import Applied
from reconciler.embedded import Running
from reconciler.embedded.dialects import PRESETS
from reconciler.embedded.faults import parse_rules
from reconciler.embedded.operations import API
from reconciler.embedded.tables import packages, settings
from reconciler.embedded.tables.packages import Package
from reconciler.embedded.tables.settings import Settings
from reconciler.model import Desired, DesiredStatus, OutcomeStatus, Secret
from reconciler.plan import Plan
from reconciler.providers.pulse.kind import connect
from reconciler.settings import ServerSettings, Token
from reconciler.state.applied import unclear
from reconciler.state.base import State, upload_key
from reconciler.state.stores import open_store
from tests.e2e.e2e_crash import WRITES, Reaper
from tests.e2e.e2e_forks import Forks, Trick
from tests.e2e.e2e_runs import TOKEN, Ran, Workplace, operation_of
from tests.properties.prop_judge import (
    foreign_untouched,
    none_left_stopped,
    nothing_doubled,
    wishes_met,
)
from tests.properties.prop_lab import MEMORY, Lab, Snapshot, snapshot_of
from tests.properties.prop_strategies import VENDOR, VENDOR_NAME, Deed, Episode, deeds, episodes
from tests.soak.soak_project import CANARY, drawn, environment_of, in_real_time, write_project, yaml_of

Value = TypeVar("Value")

HURRY = 25.0
"""How much faster time passes for a process that meets faults: its waits are real, but short."""
UNSEEN = {"remove", "lose state"}
"""Deeds after which what can't be read isn't what was last applied, and nobody can tell."""
ENDS = {
    0: "done",
    1: "error",
    3: "partly",
    6: "not ours",
    -signal.SIGKILL: "killed",
    -signal.SIGTERM: "too late",
}
"""How a process ends. Too late: SIGTERM came when all was done and said, and nothing was left but to exit."""
DIALECTS = tuple(PRESETS)
OPERATIONS = {operation.name for operation in API}

TARGETS = (
    *(f"{what}-campaign" for what in ("create", "stop", "edit", "start")),
    "upload-package",
    "add-gateways",
)
"""Operations around which most is to be lost."""

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "latency": {"effect": "latency", "milliseconds": 5},
    "late answer": {"effect": "latency", "milliseconds": 5, "when": "after"},
    "500": {"effect": "status", "status": 500},
    "500 after": {"effect": "status", "status": 500, "when": "after"},
    "503": {"effect": "status", "status": 503},
    "503 after": {"effect": "status", "status": 503, "when": "after"},
    "503 Retry-After": {"effect": "status", "status": 503, "retryAfter": 1},
    "429": {"effect": "status", "status": 429},
    "429 Retry-After": {"effect": "status", "status": 429, "retryAfter": 1},
    "429 nonsense": {"effect": "status", "status": 429, "retryAfter": "soon"},
    "420": {"effect": "status", "status": 420},
    "420 Retry-After": {"effect": "status", "status": 420, "retryAfter": 1},
    "cut": {"effect": "cut"},
    "cut after": {"effect": "cut", "when": "after"},
    "truncated": {"effect": "truncate"},
    "half": {"effect": "half"},
    "html": {"effect": "html"},
    "html after": {"effect": "html", "when": "after"},
    "502 html": {"effect": "html", "status": 502},
    "500 text": {"effect": "text", "status": 500},
    "text after": {"effect": "text", "when": "after"},
}


class Wrong(AssertionError):
    """What must hold after a run, and doesn't."""


@dataclass
class Ground:
    """A server, warm processes and a folder in memory, for one run after the other."""

    running: Running
    forks: Forks
    folder: Path

    def __post_init__(self) -> None:
        self.reaper = Reaper(self.running)
        self.context = self.running.app.state.context
        self.store = self.context.store
        with self.store.transaction(write=True) as db:
            packages.insert(db, Package(VENDOR, VENDOR_NAME, "", "them", 1, 1, "00"))
        self.empty = open_database(":memory:", check_same_thread=False)
        with self.store._lock:
            self.store._connection.backup(self.empty)

    def clear(self, dialect: str, asks: Settings) -> None:
        """Nothing on the server but a vendor's package."""
        self.calm()
        with self.store._lock:
            self.empty.backup(self.store._connection)
        with self.store.transaction(write=True) as db:
            settings.save(db, asks)
        self.context.speech.dialect = PRESETS[dialect]
        self.running.forget_calls()

    def calm(self) -> None:
        """No faults, and nobody is killed."""
        self.context.faults.arm(())
        self.reaper.spare()

    def snapshot(self) -> Snapshot:
        return snapshot_of(self.store)


@contextmanager
def ground() -> Iterator[Ground]:
    with (
        TemporaryDirectory(dir=MEMORY, prefix="soak-") as folder,
        Running(token=TOKEN, record=True) as running,
        Forks() as forks,
    ):
        made = Ground(running, forks, Path(folder))
        try:
            yield made
        finally:
            made.empty.close()


@dataclass
class Told:
    """What a run has to tell."""

    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    """Under ``fault …``, ``kill …``, ``end …`` and other words."""
    story: list[str] = field(default_factory=list)


class Soak:
    """One run."""

    server: Mapping[str, Any] = {}
    """What the project file says of the server beside how to reach it."""
    hurry = HURRY
    tricks: Sequence[Trick] = ()
    """Of every process."""
    troubled_tricks: Sequence[Trick] = ()
    armed: Sequence[str] = ()

    def __init__(self, ground: Ground, seed: int) -> None:
        self.ground = ground
        self.told = Told(seed)
        self.random = Random(f"soak/{seed}")
        self.now = int(time.time() * 1000) // 60_000 * 60_000
        self.episode: Episode = drawn(episodes(reassert=False), seed)
        self.options = self.episode.options
        self.wishes = self._wishes()
        self.folder = ground.folder / str(seed)
        self.env = {"RECONCILER_URL": ground.running.url, "RECONCILER_TOKEN": TOKEN}
        self.sure = True
        self.theirs: set[str] = {VENDOR}
        """Campaigns and packages that are somebody else's, or that nobody knows since the state was lost."""
        self.ours: set[str] = set()
        """Those that the state knew at some time."""
        self.stopped: set[str] = set()
        """Campaigns that a person stopped."""
        self.interrupted = False

    def _wishes(self) -> list[Desired]:
        wishes = [self.episode.before, self.episode.after]
        if self.random.random() < 0.25:
            wishes.append(replace(self.episode.before, complete=self.random.random() < 0.8))
        return [in_real_time(wish, self.now) for wish in wishes]

    def go(self) -> Told:
        """Run; Wrong, with the story so far, when something that must hold does not."""
        chance, episode = self.random, self.episode
        dialect = chance.choice(DIALECTS)
        self.told.counts[f"dialect {dialect}"] += 1
        self.ground.clear(
            dialect, Settings(approval_needed=episode.approval, reapprove_after_edit=episode.reapprove)
        )
        page = chance.choice([500, 2, 3])
        self._say(f"{dialect}, pages of {page}", repr(episode))
        self.folder.mkdir()
        try:
            write_project(self.folder, self.ground.running.url, batch=episode.batch, page=page, **self.server)
            self.place = Workplace(self.folder, self.env, [TOKEN, CANARY], start=self._start)
            for number, wish in enumerate(self.wishes):
                self._fulfil(wish, last=number == len(self.wishes) - 1)
        except (AssertionError, ValueError) as error:
            raise Wrong("\n".join([*self.told.story, f"{type(error).__name__}: {error}"])) from error
        finally:
            self.ground.calm()
            shutil.rmtree(self.folder)
        return self.told

    def _fulfil(self, wish: Desired, *, last: bool) -> None:
        """What Git wants next: often on a bumpy road, and in the end without any trouble."""
        chance = self.random
        (self.folder / "resources.yaml").write_text(yaml_of(wish))
        self.env.update(environment_of(wish))
        self.place.env.update(self.env)
        self.arguments = [] if wish.complete else ["resources.yaml"]
        self._say(f"wish {yaml_of(wish)}")
        self._base()
        for _ in range(chance.choice([1, 1, 2, 3]) if last or chance.random() < 0.4 else 0):
            self._troubled()
            if chance.random() < 0.12:
                self._people([drawn(deeds, f"{self.told.seed}/{chance.random()}")])
        if last:
            self._converge(wish)
            return
        if chance.random() < 0.7:
            self._calm_apply()
        self._people(self.episode.deeds)

    def _base(self) -> None:
        """From here on it is held against what was there."""
        self.before, self.known = self.ground.snapshot(), self.state

    # --- what happens -----------------------------------------------------------------------------

    def _people(self, some: Sequence[Deed]) -> None:
        """Somebody meddles."""
        if not some:
            return

        async def meddle(lab: Lab) -> None:
            for deed in some:
                was = lab.snapshot()
                await lab.meddle(deed)
                now = lab.snapshot().campaigns
                self.theirs |= now.keys() - was.campaigns.keys()
                # What a killed create left behind has nothing but its name to be known by.
                kept = {i for i, held in was.campaigns.items() if i in now and now[i].name == held.name}
                self.theirs |= was.campaigns.keys() - kept - self.ours
                if deed.what == "lose state":
                    self.theirs |= now.keys() | was.packages.keys()
                self.stopped |= {
                    held.id
                    for held in was.campaigns.values()
                    if held.status == "STARTED" and held.id in now and now[held.id].status != "STARTED"
                }

        self._in_process(meddle)
        self.told.counts["people"] += len(some)
        self.sure = self.sure and not any(deed.what in UNSEEN for deed in some)
        self._say(*(f"people {deed}" for deed in some))
        self._base()

    def _troubled(self) -> None:
        """An apply that meets faults, or is killed or told to end somewhere."""
        chance = self.random
        self.troubled_tricks = self.hurried()
        said = []
        if chance.random() < 0.75:
            said.append(self._arm())
        aim = self._aim() if chance.random() < 0.65 or not said else None
        if aim:
            said.append(f"a signal {aim}")
        parallel = chance.choice(["1", "2", "16"])
        self._say(f"apply --parallelism {parallel} with {', '.join(said)}")
        self.told.counts["resumes"] += self.interrupted
        with self.place.started(*self._apply("--parallelism", parallel)) as process:
            self.ground.reaper.victim(process)
            ran = process.end()
        for name, armed in zip(self.armed, self.ground.context.faults.armed, strict=True):
            self.told.counts[f"fault {name}"] += armed.fired
        if aim and (self.ground.reaper.struck or ran.code == -signal.SIGKILL):
            self.told.counts[f"signal {aim.rpartition(' ')[0]}"] += 1
        self.ground.calm()
        self.troubled_tricks, self.armed = [], []
        self._ended(ran)
        self.interrupted = ran.code not in (0, 6)

    def _arm(self) -> str:
        """Faults of some kinds, each for a part of the calls."""
        chance = self.random
        self.armed = chance.sample(sorted(FAULTS), chance.choice([1, 2, 3, 5]))
        rules = []
        for name in self.armed:
            rule = {**FAULTS[name], "probability": chance.choice([0.03, 0.1, 0.3])}
            if chance.random() < 0.2:
                rule |= {"operations": chance.sample(sorted(OPERATIONS), 6), "probability": 0.8, "count": 4}
            elif chance.random() < 0.3:
                rule["count"] = chance.randint(1, 4)
            rules.append(rule)
        rules += self.more_rules()
        body = {"seed": self.told.seed, "rules": rules}
        self.ground.context.faults.arm(*parse_rules(body, OPERATIONS))
        return f"faults {json.dumps(rules)}"

    def more_rules(self) -> list[dict[str, Any]]:
        """Faults of other kinds; each is named in `armed`."""
        return []

    def _aim(self) -> str:
        """Where the process is killed, or told to end: the moment, the place, the so-manieth time."""
        chance = self.random
        moment = chance.choice(["before", "after"])
        match chance.choice(["call", "write", "record", "disk", "SIGINT", "SIGTERM", *TARGETS]):
            case "record" | "disk" as where:
                at = chance.randint(1, 30)
                dying: Trick = [f"tests.e2e.e2e_tricks:die_at_{where}", at, moment]
                self.troubled_tricks = [*self.troubled_tricks, dying]
            case "SIGINT" | "SIGTERM" as where:
                at = chance.randint(1, 30)
                self.ground.reaper.kill(at, moment, kind=signal.Signals[where], operations=OPERATIONS)
            case "call" | "write" as where:
                at = chance.randint(1, 30 if where == "call" else 15)
                self.ground.reaper.kill(at, moment, operations=OPERATIONS if where == "call" else WRITES)
            case where:
                at = chance.randint(1, 2)
                self.ground.reaper.kill(at, moment, operations=(where,))
        return f"{moment} {where} {at}"

    def _apply(self, *arguments: str) -> list[str]:
        switches = [f"--{name}" for name in ("adopt", "prune", "resume") if getattr(self.options, name)]
        return ["apply", "--auto-approve", *switches, *self.arguments, *arguments]

    def hurried(self) -> list[Trick]:
        return [["tests.e2e.e2e_tricks:hurry", self.hurry]]

    def _start(self, arguments: Sequence[str], folder: Path, env: Mapping[str, str]) -> Any:
        return self.ground.forks(arguments, folder, env, tricks=self.troubled_tricks or self.tricks)

    def _ended(self, ran: Ran) -> None:
        """Every end is one that is documented, and leaves no lock but that of a process that was killed."""
        self._say(f"ended with {ran.code}: {_brief(ran.out)}{ran.err}")
        assert ran.code in ENDS, f"exit code {ran.code}"
        if ran.code == -signal.SIGTERM:
            assert re.search(r"^(error: |Applied |No changes|Nothing was)", ran.out + ran.err, re.MULTILINE)
        self.told.counts[f"end {ENDS[ran.code]}"] += 1
        self.told.counts["processes"] += 1
        if ran.code != -signal.SIGKILL:
            assert not (self.folder / "state.json.lock").exists(), "a lock is left"
        for path in self.folder.glob("state.json*"):
            assert CANARY not in path.read_text("utf-8"), f"a secret in {path.name}"
        self._nothing_doubled(self.ground.snapshot(), self.state)

    # --- how it must end --------------------------------------------------------------------------

    def _converge(self, wish: Desired) -> None:
        """Without trouble one apply does what is left, and then there is nothing to do."""
        first = self._calm_apply()
        for _ in range(2):
            again = self._calm_apply()
            if not again["steps"]:
                break
            assert not (left := self._unforeseen(first, again)), f"the plan after it has {left}"
        assert not again["steps"]
        assert not self._writes(), "an empty plan has sent something"
        plan, state = self._in_process(lambda lab: lab.plan_of(wish, self.options)), self.state
        assert plan.empty, [step.id for step in plan.steps()]
        self._judge(wish, plan, state, [first, again])
        self._say("converged")
        self._base()

    def _calm_apply(self) -> dict[str, Any]:
        """An apply without trouble: no step goes wrong, and the calls are those of its plan."""
        self.told.counts["resumes"] += self.interrupted
        self.interrupted = False
        self.ground.running.forget_calls()
        ran = self.place.run(*self._apply("--output", "json"))
        self._ended(ran)
        document: dict[str, Any] = json.loads(ran.out)
        assert ran.code in (0, 1, 6)
        assert ran.code != 1 or any(f["severity"] == "error" for f in document["findings"]), (
            "an error without why"
        )
        statuses = {outcome["status"] for outcome in document["outcomes"]}
        assert statuses <= {"done", "not-needed", "waiting"}, statuses
        operations = {step["id"]: step["operation"] for step in document["steps"]}
        done = [outcome for outcome in document["outcomes"] if outcome["status"] == "done"]
        planned = Counter(operations[outcome["step"]] for outcome in done)
        planned["approve-campaign"] += sum("approved first" in outcome["message"] for outcome in done)
        planned["upload-package"] += planned.pop("stream-package", 0)
        assert +planned == self._writes(), f"planned {planned}, sent {self._writes()}"
        return document

    def _writes(self) -> Counter[str]:
        """The writes of the last run; all of them were taken."""
        calls = [call for call in self.ground.running.calls if call.method != "GET"]
        bad = [f"{call.method} {call.path} {call.status}" for call in calls if not 200 <= call.status < 300]
        assert not bad, f"refused: {bad}"
        return Counter(operation_of(call.method, call.path) for call in calls)

    def _unforeseen(self, first: Mapping[str, Any], again: Mapping[str, Any]) -> list[str]:
        """Steps of the second plan that the first one should have had."""
        in_use = {f["resource"] for f in first["findings"] if f["code"] == "package-in-use"}
        edited = {s["resource"] for s in first["steps"] if s["operation"] == "edit-campaign"}
        return [
            step["id"]
            for step in again["steps"]
            if not (
                (
                    step["operation"] == "approve-campaign"
                    and self.episode.reapprove
                    and step["resource"] in edited
                )
                or (step["operation"] == "delete-package" and step["resource"] in in_use)
            )
        ]

    def _judge(self, wish: Desired, plan: Plan, state: State, documents: Sequence[Mapping[str, Any]]) -> None:
        """The server is as desired, nothing is doubled, brackets are closed and holds respected."""
        after, applied = self.ground.snapshot(), _waiting(plan)
        doubtful = any(
            value.startswith(unclear(""))
            for owned in state.campaigns.values()
            for values in owned.members.values()
            for value in values
        )
        lab: Any = SimpleNamespace(state=state, snapshot=lambda: after)
        wishes_met(wish, plan, applied, self.known, lab, sure=self.sure and not doubtful, now=self.now)
        none_left_stopped(wish, applied, self.before, after, state)
        foreign_untouched(self.before, after, self.known, state, prune=self.options.prune)
        said = {(f.code, f.resource) for f in plan.findings}
        for resource, owned in state.campaigns.items():
            if owned.return_to is not None:
                assert ("waiting-for-approval", resource) in said, f"an open bracket of {resource}"
            if ("held", resource) in said:
                assert owned.id in self.stopped, f"{resource} is held, and nobody stopped it"
        for campaign in wish.campaigns if not self.options.resume else ():
            known = self.known.campaigns.get(campaign.resource)
            if known and known.status == campaign.status == DesiredStatus.STARTED and not known.return_to:
                was, now = self.before.campaigns.get(known.id), after.campaigns.get(known.id)
                assert not (was and now) or (was.status, now.status) != ("STOPPED", "STARTED"), "no hold"

    def _nothing_doubled(self, after: Snapshot, state: State) -> None:
        """Nothing is there twice, and all that we made is known, or known to be looked for."""
        campaigns = {owned.id for owned in state.campaigns.values()}
        packages = {upload.id for upload in state.packages.values()}
        # What is adopted is known again, and then nothing may be beside it.
        nothing_doubled(self.before, after, state, strange=self.theirs - packages)
        self.ours |= campaigns | packages
        known = self.theirs | self.ours
        strays = [held for key, held in after.campaigns.items() if key not in known]
        assert {held.name for held in strays} <= {intent.name for intent in state.intents.values()}, strays
        lost = [package for key, package in after.packages.items() if key not in known]
        assert {upload_key(package.sha256) for package in lost} <= state.intents.keys(), lost

    # --- tools ------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        return open_store("file:state.json", root=self.folder).load()

    def _say(self, *lines: str) -> None:
        self.told.story += lines

    def _in_process(self, body: Callable[[Lab], Awaitable[Value]]) -> Value:
        """Something that is done in this process, by the API, and without the network."""
        url, app = self.ground.running.url, self.ground.running.app
        server = ServerSettings(url=url, auth=Token(Secret("a test", TOKEN)))

        async def done() -> Value:
            async with connect(server, app=app) as provider:
                lab = Lab(self.folder, provider, app, [], server, now=self.now)
                return await body(lab)

        return asyncio.run(done())


def as_ran(result: ApplyResult) -> Ran:
    """A run in this process, as the JSON of the command tells of one."""
    outcomes = [
        {"step": each.step.id, "status": each.status, "message": each.message} for each in result.outcomes
    ]
    findings = [
        {"severity": each.severity, "code": each.code, "message": each.message}
        for each in result.plan.findings
    ]
    return Ran(result.exit, json.dumps({"outcomes": outcomes, "findings": findings}), "")


def _brief(out: str) -> str:
    """What a process said; of a document only what became of its steps, and what was found."""
    if not out.startswith("{"):
        return out
    document = json.loads(out)
    found = [f"{f['severity']} {f['code']} {f['resource']}: {f['message']}" for f in document["findings"]]
    return "\n".join(
        [*(f"{o['step']} {o['status']} {o['message']}" for o in document["outcomes"]), *found, ""]
    )


def _waiting(plan: Plan) -> Applied:
    """An apply that leaves those waiting that `plan` says wait for an approval."""
    return Applied(
        tuple(
            SimpleNamespace(status=OutcomeStatus.WAITING, step=SimpleNamespace(resource=finding.resource))
            for finding in plan.findings
            if finding.code == "waiting-for-approval"
        )  # type: ignore[arg-type]
    )
