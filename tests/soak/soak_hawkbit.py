"""One run on the stand-in for hawkBit: a random world with people, devices, faults and kills, until it rests.

All of it is in this process, and nothing of it waits: a kill is a moment after which neither the server nor
the state gets anything more from who was killed. Everything random comes from the seed.

What must hold in the end: nothing is there twice, every gateway that is declared is in its campaign, and got
just its packages, and no device has something to do for a rollout that was replaced.
"""

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl

import httpx

from reconciler.apply import Applied
from reconciler.errors import ReconcilerError
from reconciler.pacing import Backoff
from reconciler.plan import Plan
from reconciler.providers.hawkbit.kind import connect
from reconciler.providers.hawkbit.query import without_but
from reconciler.settings import ServerSettings
from reconciler.state.base import Event, State
from reconciler.state.folding import fold
from tests.fakes import MemorySession
from tests.hawkbit_standin import Standin, devices
from tests.hawkbit_standin.app import Asked, Fault
from tests.hawkbit_standin.model import Rollout
from tests.providers.hawkbit_world import ADMIN, HawkbitWorld

URL = "http://hawkbit.example.com"
GATEWAYS = tuple(f"gw-{n:02}" for n in range(12))
FILTERED = ("fl-1", "fl-2", "fl-3")
"""Targets of the filters; no list names them."""
FILTERS = {"odd": "id==fl-1,id==fl-3", "first": "id==fl-1"}
FILES = ("fw.bin", "fx.bin", "fy.bin")
PLUGIN = "plugin.bin"
NAMES = ("line", "press", "hall")

FAULTS: Mapping[str, Fault] = {
    "500": Fault(500),
    "500 after": Fault(500, after=True),
    "502 html": Fault(502),
    "502 html after": Fault(502, after=True),
    "503 of a proxy": Fault(503, headers={"retry-after": "0"}),
    "429 of a proxy": Fault(429, headers={"retry-after": "0"}),
    "504 after": Fault(504, b"", after=True),
    "cut answer": Fault(200, b'{"id": 1', after=True),
    "html after": Fault(200, b"<html>hello</html>", after=True),
}
CODE = b'{"errorCode": "hawkbit.server.error.repo.concurrentModification", "message": "again"}'


class WrongEnd(AssertionError):
    """What must hold after a run, and doesn't."""


@dataclass(frozen=True)
class Line:
    """What Git wants of one campaign."""

    packages: tuple[str, ...]
    gateways: frozenset[str] | None
    listed: str | None = None
    status: str | None = "STARTED"
    description: str | None = None
    delivery: str | None = None
    closed: frozenset[str] = frozenset()

    def members(self) -> frozenset[str]:
        """Who is to get it, where lists say so."""
        return (self.gateways or frozenset()) - self.closed


Wish = Mapping[str, Line]


def yaml_of(wish: Wish) -> str:
    """The resources that ask for it."""
    documents: list[dict[str, Any]] = []

    def add(kind: str, name: str, spec: dict[str, Any]) -> None:
        head = {"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": name}}
        documents.append({**head, "spec": spec})

    for name, line in sorted(wish.items()):
        add("PackageSet", name, {"packages": [_package(file) for file in line.packages]})
        spec: dict[str, Any] = {"packageSet": name, "approve": True}
        if line.gateways is not None:
            add("GatewayList", name, {"gateways": sorted(line.gateways)})
            spec["gatewayLists"] = [name]
        if line.listed is not None:
            spec["distributionList"] = {"distributionListId": line.listed}
        if line.closed:
            spec["closedGateways"] = sorted(line.closed)
        more = {"desiredStatus": line.status, "description": line.description}
        more["delivery"] = {"force": line.delivery} if line.delivery else None
        spec |= {key: value for key, value in more.items() if value is not None}
        add("Campaign", name, spec)
    return "\n---\n".join(map(json.dumps, documents)) or "# nothing"


def _package(file: str) -> dict[str, str]:
    return {"file": file, "type": "application" if file == PLUGIN else "os"}


def wishes(chance: Random) -> Iterable[Wish]:
    """What Git wants, one after the other."""
    wish: dict[str, Line] = {}
    for _ in range(chance.choice([2, 3, 3, 4])):
        wish = dict(wish)
        for name in NAMES:
            if name not in wish:
                if chance.random() < 0.6:
                    wish[name] = _new(chance, name)
            elif chance.random() < 0.1:
                del wish[name]
            elif chance.random() < 0.75:
                wish[name] = _changed(chance, wish[name])
        yield _disjoint(chance, wish)


def _new(chance: Random, name: str) -> Line:
    files = (chance.choice(FILES), *((PLUGIN,) if chance.random() < 0.2 else ()))
    if name == "hall":  # the one whose gateways a filter knows
        return Line(files, None, chance.choice(sorted(FILTERS)))
    return Line(files, _some(chance))


def _some(chance: Random) -> frozenset[str]:
    return frozenset(chance.sample(GATEWAYS, chance.randint(0, 6)))


def _changed(chance: Random, line: Line) -> Line:
    match chance.choice(["packages", "packages", "who", "who", "status", "status", "text", "force", "close"]):
        case "packages":
            return replace(line, packages=(chance.choice(FILES), *line.packages[1:]))
        case "who" if line.listed is not None:
            return replace(line, listed=chance.choice(sorted(FILTERS)))
        case "who":
            return replace(line, gateways=_some(chance))
        case "status":
            return replace(line, status=chance.choice(["STARTED", "STARTED", "STOPPED", None]))
        case "text":
            return replace(line, description=chance.choice(["", "one", "another"]))
        case "force":
            return replace(line, delivery=chance.choice(["never", "always"]))
        case _ if line.gateways:
            return replace(line, closed=line.closed | {chance.choice(sorted(line.gateways))})
    return line


def _disjoint(chance: Random, wish: Wish) -> Wish:
    """A device takes one update at a time: no two campaigns want it."""
    left, found = set(GATEWAYS), dict(wish)
    for name in chance.sample(sorted(wish), len(wish)):
        if (mine := wish[name].gateways) is not None:
            found[name] = replace(wish[name], gateways=mine & left, closed=wish[name].closed & mine & left)
            left -= mine
    return found


class Killed(BaseException):
    """The process is gone."""


@dataclass
class MortalState(MemorySession):
    """A state that learns nothing more once its process is dead."""

    soak: Any = None

    def record(self, *events: Event, sync: bool = True) -> None:
        self.soak.passes("record", "before")
        if not self.soak.dead:
            self.state = fold(self.state, events)
        self.soak.passes("record", "after")


class Direct(httpx.BaseTransport):
    """What devices and people say to the server, without a network."""

    def __init__(self, server: Standin) -> None:
        self.server = server

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        query = dict(parse_qsl(request.url.query.decode(), keep_blank_values=True))
        path = request.url.raw_path.partition(b"?")[0].decode()
        headers = {key.lower(): value for key, value in request.headers.items()}
        fault, self.server.fault = self.server.fault, lambda _: None
        try:
            asked = Asked(request.method, path, query, headers, request.read(), URL)
            status, content, more = self.server._answer(asked)
        finally:
            self.server.fault = fault
        return httpx.Response(status, headers=more, content=content)


@dataclass
class HawkbitSoak:
    """One run."""

    seed: int
    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(f"hawkbit/{self.seed}")
        self.server = Standin()
        self.dead = False
        self.death: tuple[str, str, int] | None = None
        """Where, when, and in how many times the process dies."""
        self.task: asyncio.Task[Any] | None = None
        self.strange: set[str] = set()
        """Devices that a person gave something else, or whose update they cancelled."""
        self.meddled: set[str] = set()
        """Campaigns that a person stopped, ended or deleted."""
        self.taken: set[str] = set()
        """Names that deleted rollouts hold for good."""
        self.rate, self.kinds, self.seen = 0.0, list[str](), 0
        self.surprises: list[int] = []

    async def go(self) -> Counter[str]:
        """Run; WrongEnd, with the story so far, when something that must hold does not."""
        try:
            async with self._opened() as world:
                self.world = world
                await self._live()
        except (AssertionError, ReconcilerError) as error:
            raise WrongEnd("\n".join([*self.story, f"{type(error).__name__}: {error}"])) from error
        return self.counts

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[HawkbitWorld]:
        self.folder.mkdir(parents=True)
        for name in (*FILES, PLUGIN):
            (self.folder / name).write_text(f"content of {name}")
        chance, server = self.random, self.server
        server.world.config |= {
            "authentication.gatewaytoken.enabled": True,
            "authentication.gatewaytoken.key": "key",
            "rollout.approval.enabled": chance.random() < 0.25,
        }
        server.add_targets([*GATEWAYS, *FILTERED])
        self.people = httpx.Client(
            base_url=f"{URL}/rest/v1", auth=("admin", "admin"), transport=Direct(server)
        )
        self.ddi = httpx.Client(
            base_url=f"{URL}/DEFAULT/controller/v1",
            headers={"Authorization": "GatewayToken key"},
            transport=Direct(server),
        )
        for name, query in FILTERS.items():
            self.people.post("/targetfilters", json={"name": name, "query": query}).raise_for_status()
        server.fault = self._fault
        settings = ServerSettings(
            url=URL,
            provider="hawkbit",
            auth=ADMIN,
            page_size=chance.choice([500, 3, 2]),
            batch_size=chance.choice([1000, 2, 3]),
        )
        try:
            async with connect(
                settings, app=server.app, backoff=Backoff(base=0.0, cap=0.0, attempts=4)
            ) as provider:
                session = MortalState(State("lineage", "5a17", server=provider.server), self)
                yield HawkbitWorld(self.folder, server, provider, session)
        finally:
            self.people.close()
            self.ddi.close()
            shutil.rmtree(self.folder)

    # --- what happens -------------------------------------------------------------------------------

    async def _live(self) -> None:
        chance = self.random
        self.options = {name: True for name in ("prune", "resume", "adopt") if chance.random() < 0.5}
        self._say(f"options {sorted(self.options)}")
        for wish in wishes(chance):
            self.wish = wish
            self._say(f"wish {dict(wish)}")
            for _ in range(chance.choice([0, 1, 1, 2, 3])):
                await self._troubled()
                if chance.random() < 0.4:
                    self._polls()
                if chance.random() < 0.3:
                    self._person()
            if chance.random() < 0.6:
                await self._converge()
                self._person(chance.choice([0, 1, 1, 2]))
        await self._converge()
        self._install()
        await self._converge()
        self._judge_devices()

    async def _troubled(self) -> None:
        """An apply that meets faults, people and devices, and may be killed."""
        chance = self.random
        self.rate = chance.choice([0.0, 0.03, 0.1, 0.3])
        self.kinds = chance.sample(sorted(FAULTS), chance.randint(1, 4))
        where = chance.choice(["call", "call", "write", "write", "record", "record", None])
        if where is not None:
            self.death = (where, chance.choice(["before", "after"]), chance.randint(1, 25))
        self.surprises = sorted(chance.sample(range(60), chance.choice([0, 1, 3])))
        self._say(f"apply with {self.rate} of {self.kinds}, death {self.death}, surprises {self.surprises}")
        self.seen = 0
        self.task = asyncio.current_task()
        inner = asyncio.ensure_future(self._apply())
        self.task = inner
        try:
            await inner
        except asyncio.CancelledError:
            assert self.dead
        except ReconcilerError as error:
            self._say(f"it ended: {error.message}")
            self.counts["end error"] += 1
        self.counts["applies"] += 1
        self.counts["kills"] += self.dead
        self.dead, self.death, self.rate, self.surprises = False, None, 0.0, []
        self.server.settle()
        self._nothing_doubled()

    async def _apply(self) -> tuple[Plan, Applied]:
        plan = await self.world.make_plan(yaml_of(self.wish), **self.options)
        applied = await self.world.run(plan)
        for outcome in applied.outcomes:
            self._say(f"  {outcome.step.id} {outcome.status} {outcome.message}")
        return plan, applied

    def passes(self, where: str, moment: str) -> None:
        """The process comes past a point, and dies there if that is where it has to."""
        if self.dead or self.death is None or self.death[:2] != (where, moment):
            return
        left = self.death[2] - 1
        self.death = (where, moment, left)
        if left == 0:
            self._say(f"  killed {moment} a {where}")
            self.dead = True
            assert self.task is not None
            self.task.cancel()

    def _fault(self, asked: Asked) -> Fault | None:
        """What happens to a call of the tool."""
        if self.dead:
            return Fault(503)
        self.seen += 1
        if self.seen in self.surprises:
            self.surprises.remove(self.seen)
            (self._polls if self.random.random() < 0.5 else self._person)()
        kinds = ("call",) if asked.method == "GET" else ("call", "write")
        for kind in kinds:
            self.passes(kind, "before")
        if self.dead:
            return Fault(503)
        for kind in kinds:
            self.passes(kind, "after")
        if self.dead:
            return Fault(503, after=True)
        if self.random.random() >= self.rate:
            return None
        name = self.random.choice(self.kinds)
        self.counts[f"fault {name}"] += 1
        return FAULTS[name] if self.random.random() < 0.9 else Fault(409, CODE)

    def _polls(self) -> None:
        """Some devices ask, and do what they are told, or don't."""
        chance = self.random
        some = chance.sample([*GATEWAYS, *FILTERED], chance.randint(1, 15))
        self._step(some, {each: chance.choice(["success", "success", "failure", None]) for each in some})

    def _step(self, some: Iterable[str], outcomes: Mapping[str, str | None]) -> dict[str, str]:
        found = {each: did for each in some if (did := self._poll(each, outcomes[each])) != "idle"}
        self.server.settle()
        if found:
            self._say(f"  devices {found}")
        self.counts["polls that did something"] += len(found)
        return found

    def _poll(self, device: str, outcome: str | None) -> str:
        return devices.step(self.ddi, [device], lambda _: outcome)[device]

    def _person(self, times: int = 1) -> None:
        """Somebody meddles."""
        chance = self.random
        for _ in range(times):
            mine = [r for r in self.server.world.rollouts.values() if not r.deleted]
            what = chance.choice(["pause", "resume", "stop", "delete", "cancel", "assign", "deny", "untag"])
            rollout = chance.choice(mine) if mine else None
            if what == "assign" or rollout is None:
                self._assigns(chance.choice(GATEWAYS))
                continue
            name = rollout.name.partition(" ~")[0]
            status = 0
            match what:
                case "pause" | "resume" | "stop" | "deny":
                    status = self.people.post(f"/rollouts/{rollout.id}/{what}").status_code
                    if status == 204 and what != "resume":
                        self.meddled.add(name)
                case "delete":
                    status = self._deletes(rollout)
                    self.meddled.add(name)
                case "cancel":
                    status = self._cancels(rollout)
                case "untag":
                    status = self._untags(rollout)
            self._say(f"  somebody does {what} to {rollout.id} {rollout.name!r}: {status}")
            self.counts[f"people {what}"] += 1
            self.server.settle()

    def _deletes(self, rollout: Rollout) -> int:
        """By somebody who knows that a name is taken for good, or who doesn't."""
        if self.random.random() < 0.8:
            self.people.put(f"/rollouts/{rollout.id}", json={"name": f"{rollout.name} of old {rollout.id}"})
        elif rollout.ran:
            self.taken.add(rollout.name)
        return self.people.delete(f"/rollouts/{rollout.id}").status_code

    def _assigns(self, gateway: str) -> None:
        """Something else by hand, which takes the place of whatever the device had to do."""
        world = self.server.world
        sets = [key for key, bundle in world.bundles.items() if not bundle.deleted]
        if not sets:
            return
        self.people.post(f"/targets/{gateway}/assignedDS", json={"id": self.random.choice(sets)})
        self.strange.add(gateway)
        self._say(f"  somebody assigns something to {gateway}")
        self.counts["people assign"] += 1
        self.server.settle()

    def _cancels(self, rollout: Rollout) -> int:
        open_now = [action for action in rollout.actions.values() if action.active]
        if not open_now:
            return 0
        action = self.random.choice(open_now)
        self.strange.add(action.target)
        return self.people.delete(f"/targets/{action.target}/actions/{action.id}").status_code

    def _untags(self, rollout: Rollout) -> int:
        tag = next((t for t in self.server.world.tags.values() if f"tag=='{t.name}'" == rollout.query), None)
        if tag is None or not tag.members:
            return 0
        body = [self.random.choice(sorted(tag.members))]
        return self.people.request("DELETE", f"/targettags/{tag.id}/assigned", json=body).status_code

    # --- how it must end ----------------------------------------------------------------------------

    async def _converge(self) -> None:
        """Without trouble a few applies do what is left, and then there is nothing to do."""
        text = yaml_of(self.wish)
        for _ in range(4):
            plan, applied = await self._apply()
            bad = [o for o in applied.outcomes if o.status.value not in ("done", "not-needed", "waiting")]
            bad = [o for o in bad if o.step.resource.name not in self.taken]
            self.server.settle()
            self._nothing_doubled()
            assert not bad, [(o.step.id, o.message) for o in bad]
            if not self._to_do(plan):
                break
        before = len(self.server.calls())
        again = self._to_do(await self.world.make_plan(text, **self.options))
        assert again == [], f"it doesn't come to rest: {again}"
        assert len(self.server.calls()) == before, "a plan has written"
        self.errors = {f.resource.name for f in self.world.findings if f.is_error and f.resource}
        self.held = {f.resource.name for f in self.world.findings if f.resource and f.code in _STANDS}
        self._judge()
        self.counts["converged"] += 1

    def _to_do(self, plan: Plan) -> list[str]:
        """The steps of a plan, except for campaigns whose name can't be had any more."""
        return [step.id for step in plan.steps() if step.resource.name not in self.taken]

    def _nothing_doubled(self) -> None:
        """Every rollout is known, and none is there twice."""
        world, state = self.server.world, self.world.session.state
        known = {owned.id for owned in state.campaigns.values()}
        known |= {each.id for owned in state.campaigns.values() for each in owned.predecessors}
        intended = {intent.name for intent in state.intents.values()}
        strays = [
            r
            for r in world.rollouts.values()
            if not r.deleted and r.status != "deleting" and str(r.id) not in known
        ]
        lost = [
            r for r in strays if r.name not in intended and r.status not in ("stopped", "approval_denied")
        ]
        assert len(lost) <= len(self.meddled), f"nobody knows {[(r.id, r.name, r.status) for r in lost]}"
        names = Counter(r.name for r in strays)
        assert not [name for name, n in names.items() if n > 1], names
        contents = Counter(
            artifact.hashes["sha256"]
            for module in world.modules.values()
            if not module.deleted
            for artifact in module.artifacts
        )
        assert not [each for each, n in contents.items() if n > 1], contents

    def _judge(self) -> None:
        """Git's wish is on the server: each campaign once, with its packages, its gateways and its status."""
        world, state = self.server.world, self.world.session.state
        current = {owned.resource.name: int(owned.id) for owned in state.campaigns.values()}
        for name, line in self.wish.items():
            if name in self.errors | self.held | self.taken:
                continue
            assert name in current, f"{name} was not made"
            rollout = world.rollouts[current[name]]
            if rollout.deleted or rollout.status in ("stopped", "approval_denied"):
                assert name in self.meddled, f"{name} is {rollout.status}"
                continue
            assert rollout.name == name
            assert self._files(rollout.bundle) == set(line.packages), name
            if line.description is not None:
                assert rollout.description == line.description
            if line.delivery is not None:
                assert rollout.type == {"never": "soft", "always": "forced"}[line.delivery]
            if line.listed is not None:
                assert without_but(rollout.query)[0] == FILTERS[line.listed]
            else:
                [tag] = [t for t in world.tags.values() if f"tag=='{t.name}'" == rollout.query]
                open_now = {a.target for a in rollout.actions.values() if a.active and a.status in OPEN}
                # Whose update is under way is a member, whatever somebody took from it.
                there = set(tag.members) | open_now
                assert there - line.closed == line.members(), f"{name}: members"
            if line.status == "STARTED":
                assert rollout.status == "running", f"{name} is {rollout.status}"
            if line.status == "STOPPED":
                assert rollout.status in ("ready", "paused", "waiting_for_approval"), name
        ends = {r.id for r in world.rollouts.values() if r.deleted or r.status == "stopped"}
        for target in world.targets.values():
            open_now = [a for a in target.actions if a.active and a.status != "canceling"]
            assert len(open_now) <= 1, f"{target.controller} has {len(open_now)} updates at a time"
            left = [a.rollout for a in open_now if a.rollout in ends]
            assert not left, f"{target.controller} still has something to do for {left}"
        former = {int(each.id) for owned in state.campaigns.values() for each in owned.predecessors}
        former &= world.rollouts.keys()
        running = [key for key in former if world.rollouts[key].status in ("running", "starting", "ready")]
        for key in running:
            name = world.rollouts[key].name.partition(" ~")[0]
            waits = name in current and world.rollouts[current[name]].status == "waiting_for_approval"
            assert waits or name in self.held | self.errors, f"the predecessor {key} of {name} runs on"

    def _files(self, bundle: int) -> set[str]:
        world = self.server.world
        modules = (world.modules[key] for key in world.bundles[bundle].modules)
        contents = {f"content of {name}".encode(): name for name in (*FILES, PLUGIN)}
        return {contents[artifact.content] for module in modules for artifact in module.artifacts}

    def _install(self) -> None:
        """Every device does all that it is told."""
        everybody = (*GATEWAYS, *FILTERED)
        for _ in range(8):
            if not self._step(everybody, dict.fromkeys(everybody, "success")):
                break

    def _judge_devices(self) -> None:
        """Whoever is in a campaign that runs has installed just its packages, and not by word alone."""
        world, state = self.server.world, self.world.session.state
        current = {owned.resource.name: int(owned.id) for owned in state.campaigns.values()}
        for name, line in self.wish.items():
            if name not in current or name in self.errors | self.held:
                continue
            rollout = world.rollouts[current[name]]
            if rollout.status != "running":
                continue
            members = line.members() if line.gateways is not None else self._filtered(rollout)
            for gateway in sorted(members - self.strange - line.closed):
                action = rollout.actions.get(gateway)
                assert action is not None, f"{gateway} is in {name}, and was not taken in"
                if action.status in ("error", "canceled"):
                    continue
                assert action.status == "finished", f"{gateway} of {name} is {action.status}"
                installed = world.targets[gateway].installed
                assert installed == rollout.bundle, f"{gateway} of {name} has {installed}, by word alone"
                self.counts["devices that are done"] += 1

    def _filtered(self, rollout: Rollout) -> frozenset[str]:
        return frozenset(target.controller for target in self.server.world.targets_of(rollout.query))

    def _say(self, *lines: str) -> None:
        self.story += lines


OPEN = ("running", "wait_for_confirmation", "scheduled")
_STANDS = {"held", "ended", "waiting-for-approval", "refused-approval"}
"""Findings after which a campaign stands as a person left it."""
