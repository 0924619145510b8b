"""Processes that are killed at a point of a plan, and whether the next apply finds what they left.

A `Scene` has a server, a reaper in it and a project whose plan holds every operation that a plan can hold.
`whole` counts the points of a run that isn't killed; `recovered` kills one at a point, goes over it with
another, and says what is wrong then.
"""

import json
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from sqlite3 import Connection, connect
from threading import Event
from typing import Any, Literal

from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.embedded import Running
from reconciler.providers.base import Field
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.state.applied import unclear
from reconciler.state.base import State, StateStore
from reconciler.state.stores import open_store
from tests.e2e.e2e_forks import Fork, Forks, Trick
from tests.e2e.e2e_runs import SECONDS, TOKEN, Live, Moment, Process, Ran, Workplace, operation_of
from tests.properties.prop_lab import Held, Snapshot, snapshot_of

WRITES = {name for name, operation in OPERATIONS.items() if operation.method != "GET"}
PLANNED = WRITES - {"notify-gateway"}
"""Every operation that a plan can hold."""
UNREADABLE = {name for name in WRITES if name.startswith(("register-", "schedule-"))}
"""Operations whose effect can't be read: what isn't known to be done has to be sent again."""

COMMON = """\
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: old}
spec: {packages: [{file: old.bin}]}
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: other}
spec: {packages: [{file: other.bin}]}
"""

BEFORE = (
    COMMON
    + """\
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: gone}
spec: {packages: [{file: gone.bin}]}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall}
spec: {gateways: [e-1, e-2, e-3]}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: yard}
spec: {gateways: [s-1]}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: edited}
spec:
  description: before
  packageSet: old
  settings: {mode: slow}
  gatewayLists: [hall]
  packageOverrides: [{gateways: [e-1], packageSet: other}]
  desiredStatus: STARTED
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: described}
spec: {description: before, gatewayLists: [yard], desiredStatus: STARTED}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: stopped}
spec: {packageSet: old, gatewayLists: [yard], desiredStatus: STARTED}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: deleted}
spec: {packageSet: gone, gatewayLists: [yard], desiredStatus: STARTED}
"""
)

MADE = """\
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: made}
spec:
  description: new
  packageSet: new
  settings: {mode: fast}
  gatewayLists: [plant]
  packageOverrides: [{gateways: [m-2], packageSet: other}]
  distributionList: {distributionListId: dl, reevaluationIntervalSeconds: 60}
  schedules: [{schedule: nights, gatewayLists: [plant]}]
  callbackSet: bells
  runOnThings: true
  approve: true
  desiredStatus: STARTED
"""

AFTER = (
    COMMON
    + """\
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: new}
spec:
  packages:
    - file: firmware.bin
    - {file: large.bin, upload: streaming}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall}
spec:
  gateways: [e-1, e-2, e-4]
  things: {e-1: [t-1, t-2]}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: yard}
spec: {gateways: [s-1]}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: plant}
spec:
  gateways: [m-1, m-2]
  things: {m-1: [t-1], m-2: [t-1]}
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: nights}
spec:
  download: {begin: 2190-01-01T00:00:00Z, end: 2190-01-01T06:00:00Z}
  execution: {begin: 2190-01-02T00:00:00Z, end: 2190-01-02T06:00:00Z}
  activation: {begin: 2190-01-03T00:00:00Z, end: 2190-01-03T06:00:00Z}
---
apiVersion: reconciler/v1
kind: CallbackSet
metadata: {name: bells}
spec:
  completed: {notificationDestinationId: d-1}
  wakeUp: {notificationDestinationId: d-1}
  executionProgress: {notificationDestinationId: d-1}
  downloadProgress: {notificationDestinationId: d-1}
  stateChange: {notificationDestinationId: d-1, trackedStates: [FAILED]}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: edited}
spec:
  description: after
  packageSet: old
  settings: {mode: fast}
  gatewayLists: [hall]
  packageOverrides: []
  closedGateways: [e-2]
  runOnThings: true
  desiredStatus: STARTED
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: described}
spec: {description: after, gatewayLists: [yard], desiredStatus: STARTED}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: stopped}
spec: {packageSet: old, gatewayLists: [yard], desiredStatus: STOPPED}
"""
    + MADE
)

FILE_URL = "file:state.json"
FILES = ("old.bin", "other.bin", "gone.bin", "firmware.bin", "large.bin")
APPLY = ("apply", "--auto-approve", "--prune", "resources.yaml")
PLAN = ("plan", "--detailed-exitcode", "--prune", "resources.yaml")

Where = Literal["call", "record", "disk"]
Write = tuple[str, str]
"""What a write was about: its operation, and its path and body with names in the place of ids."""


@dataclass(frozen=True)
class Point:
    """Where a run dies: at the so-manieth call or record, counted from 1."""

    at: int
    where: Where
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment} {self.where} {self.at}"


class Reaper:
    """Stands in a server, and sends a signal to a process when so many of its calls have come in.

    When that kills it: before, the server does nothing; after, it has done it, and its answer is never sent.
    """

    def __init__(self, running: Running) -> None:
        inner = running.app.middleware_stack
        assert inner is not None
        self._app: ASGIApp = inner
        running.app.middleware_stack = self
        self.spare()

    def spare(self) -> None:
        """Nobody gets a signal."""
        self._at, self._seen = 0, 0
        self._known = Event()

    def kill(
        self,
        at: int,
        moment: Moment,
        *,
        kind: signal.Signals = signal.SIGKILL,
        operations: Container[str] = WRITES,
    ) -> None:
        """When the so-manieth call of one of `operations` has come in."""
        self.spare()
        self._at, self._moment, self._kind, self._operations = at, moment, kind, operations

    @property
    def struck(self) -> bool:
        """Whether the signal was sent."""
        return 0 < self._at <= self._seen

    def victim(self, process: Process) -> None:
        """Who gets it."""
        self._process = process
        self._known.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        counts = (
            self._at > 0
            and scope["type"] == "http"
            and operation_of(scope["method"], scope["path"]) in self._operations
        )
        self._seen += counts
        if not counts or self._seen != self._at:
            await self._app(scope, receive, send)
            return
        kills = self._kind is signal.SIGKILL
        if self._moment == "after":
            await self._app(scope, receive, _nowhere if kills else send)
        assert self._known.wait(SECONDS)
        self._process.popen.send_signal(self._kind)
        if kills:
            while (await receive())["type"] != "http.disconnect":
                pass
        elif self._moment == "before":
            await self._app(scope, receive, send)


async def _nowhere(_: object) -> None:
    """An answer that isn't sent."""


@dataclass
class Scene:
    """See the module. ``new_url`` gives the address of a state that nobody used; without it, it is a file."""

    folder: Path
    running: Running
    reaper: Reaper
    forks: Forks
    new_url: Callable[[], str] | None = None
    names: dict[str, str] = field(default_factory=dict)
    """What an id is called: collected while they are there."""
    tricks: list[Trick] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.live = Live(self.running)
        self.store = self.running.app.state.context.store
        self.turn = 0
        self.empty = self._saved()
        self._begun(self.folder / "before", FILE_URL)
        self.before = self._saved()

    def _saved(self) -> Connection:
        """All that the server holds."""
        saved = connect(":memory:", check_same_thread=False)
        with self.store._lock:
            self.store._connection.backup(saved)
        return saved

    def _restore(self, saved: Connection) -> None:
        with self.store._lock:
            saved.backup(self.store._connection)

    def close(self) -> None:
        self.empty.close()
        self.before.close()

    def _begun(self, folder: Path, url: str) -> Workplace:
        """A project whose first wish is fulfilled, on a server that asks for approvals from then on."""
        place = self._place(folder, url, BEFORE)
        assert place.run(*APPLY).code == 0, place.ran
        self.live.call("PUT", "/_embedded/settings", {"approvalNeeded": True})
        self.note_names()
        return place

    def _place(self, folder: Path, url: str, text: str) -> Workplace:
        env = {"RECONCILER_URL": self.running.url, "RECONCILER_TOKEN": TOKEN, "RECONCILER_STATE": url}
        place = Workplace(folder, env, canaries=[TOKEN], start=self.start)
        (folder / "resources.yaml").write_text(text)
        for name in FILES:
            (folder / name).write_text(f"the content of {name}")
        return place

    def start(self, arguments: Sequence[str], folder: Path, env: Mapping[str, str]) -> Fork:
        tricks, self.tricks = self.tricks, []
        return self.forks(arguments, folder, env, tricks=tricks)

    def anew(self) -> Workplace:
        """Everything as it is before the plan."""
        self.reaper.spare()
        self.turn += 1
        folder = self.folder / f"turn-{self.turn}"
        if self.new_url is None:
            self._restore(self.before)
            shutil.copytree(self.folder / "before", folder)
            place = self._place(folder, FILE_URL, AFTER)
        else:
            self._restore(self.empty)
            place = self._begun(folder, self.new_url())
            (folder / "resources.yaml").write_text(AFTER)
        self.live.forget()
        return place

    def snapshot(self) -> Snapshot:
        return snapshot_of(self.store)

    def note_names(self) -> None:
        found = self.snapshot()
        self.names.update((held.id, held.name) for held in found.campaigns.values())
        self.names.update((package.id, package.name) for package in found.packages.values())

    def writes(self) -> list[Write]:
        """The writes that the server took, in order."""
        self.note_names()
        return [
            (operation_of(call.method, call.path), self._named(f"{call.path} {json.dumps(call.body)}"))
            for call in self.running.calls
            if call.method != "GET" and 200 <= call.status < 300
        ]

    def refused(self) -> list[str]:
        """The writes that the server didn't take."""
        calls = (call for call in self.running.calls if call.method != "GET" and call.status >= 300)
        return [f"{operation_of(call.method, call.path)} {call.status}" for call in calls]

    def reads(self, since: int) -> Counter[str]:
        """What was read since so many calls."""
        calls = (call for call in self.running.calls[since:] if call.method == "GET")
        return Counter(self._named(f"{operation_of(call.method, call.path)} {call.path}") for call in calls)

    def _named(self, text: str) -> str:
        for known, name in self.names.items():
            text = text.replace(known, name)
        return text

    def likeness(self) -> dict[str, object]:
        """What the server holds, in names: equal for two servers that nobody could tell apart."""
        found = self.snapshot()
        called = {package.id: package.name for package in found.packages.values()}
        assert len(called) == len(set(called.values())), "a package is there twice"
        assert len(found.campaigns) == len({c.name for c in found.campaigns.values()}), (
            "a campaign is there twice"
        )

        def named(held: Held) -> Held:
            return replace(
                held,
                id="",
                modified=0,
                packages=frozenset(called[i] for i in held.packages),
                own={gateway: frozenset(called[i] for i in ids) for gateway, ids in held.own.items()},
            )

        return {
            "packages": sorted(called.values()),
            **{held.name: named(held) for held in found.campaigns.values()},
        }

    # --- runs -------------------------------------------------------------------------------------

    def killed(self, place: Workplace, point: Point) -> Ran:
        """An apply, one call after the other, that dies there; or comes to its end before it gets there."""
        match point.where:
            case "call":
                self.reaper.kill(point.at, point.moment)
            case trick:
                self.tricks = [[f"tests.e2e.e2e_tricks:die_at_{trick}", point.at, point.moment]]
        with place.started(*APPLY, "--parallelism", "1") as process:
            self.reaper.victim(process)
            ran = process.end()
        self.reaper.spare()
        kept = self.kept(place)
        if self.new_url is not None and (holder := kept.holder()):
            # A lease outlives its process for a while.
            kept.unlock(holder.id)
        return ran

    def whole(self) -> "Whole":
        """A run that isn't killed: what it wrote, what it leaves, and how many points it has."""
        place = self.anew()
        count = place.folder / "count"
        self.tricks = [["tests.e2e.e2e_tricks:count", str(count)]]
        ran = place.run(*APPLY, "--parallelism", "1")
        assert ran.code == 0, ran
        writes, calls = self.writes(), len(self.running.calls)
        assert place.run(*PLAN).code == 0
        counted = Counter(count.read_text())
        return Whole(writes, self.reads(calls), self.likeness(), counted["r"], counted["d"])

    def kept(self, place: Workplace) -> StateStore:
        return open_store(place.env["RECONCILER_STATE"], root=place.folder)

    def state(self, place: Workplace) -> State:
        return self.kept(place).load()

    def recovered(self, whole: "Whole", point: Point) -> Iterator[str]:
        """What is wrong when a run was killed at `point` and another one went over it; nothing, that is."""
        place = self.anew()
        ran = self.killed(place, point)
        if ran.code != -signal.SIGKILL:
            yield f"it wasn't killed: {ran}"
            return
        first = self.writes()
        again = place.run(*APPLY)
        if again.code:
            yield f"the next apply ended with {again.code}: {again.out}{again.err}"
        second, calls = self.writes()[len(first) :], len(self.running.calls)
        plan = place.run(*PLAN)
        if plan.code:
            yield f"the plan after it ended with {plan.code}: {plan.out}{plan.err}"
        if (reads := self.reads(calls)) != whole.reads:
            yield f"the plan after it read {reads}"
        yield from self._sent(whole, first, second)
        yield from map("refused: {}".format, self.refused())
        doubtful = self._doubtful(place, again, plan)
        if (likeness := self.likeness()) != whole.likeness:
            yield from _differences(whole.likeness, likeness, doubtful)
        yield from self._at_rest(place, idle=not second)

    def _sent(self, whole: "Whole", first: list[Write], second: list[Write]) -> Iterator[str]:
        """Each write once over both runs, save a last one that nobody can look up, and windows of gateways
        whose record a state on a server holds back for a second."""
        more = Counter(first) + Counter(second) - Counter(whole.writes)
        last = first[-1:] and first[-1]
        for (name, what), count in more.items():
            forgivable = (name, what) == last and (name in UNREADABLE or _of_settings(name, what))
            held_back = self.new_url is not None and name.startswith("schedule-")
            if count > 1 or not (forgivable or held_back):
                yield f"sent {count} times too often: {name} {what}"
        for (name, what), count in (Counter(whole.writes) - Counter(first) - Counter(second)).items():
            if name != "run-on-things":
                yield f"not sent: {name} {what} {count}"

    def _doubtful(self, place: Workplace, *ran: Ran) -> bool:
        """Whether a run on things is in doubt; every run must say so then."""
        doubtful = any(
            value.startswith(unclear(""))
            for owned in self.state(place).campaigns.values()
            for value in owned.members.get(Field.THINGS, {})
        )
        for each in ran:
            assert ("is not known; they are not run again" in each.out) == doubtful, each
        return doubtful

    def _at_rest(self, place: Workplace, *, idle: bool) -> Iterator[str]:
        """`idle`: the last apply had nothing to write, so it leaves what is begun to one that has."""
        state = self.state(place)
        for owned in state.campaigns.values():
            if owned.return_to:
                yield f"an open bracket of {owned.resource}"
        yield from (f"an intent for {key}" for key in state.intents)
        if holder := self.kept(place).holder():
            yield f"a lock of {holder}"
        for path in place.folder.glob("state.json.*"):
            if path.suffix in {".lock", *([] if idle else [".journal", ".new"])}:
                yield f"{path.name} is left"


@dataclass(frozen=True)
class Whole:
    """What a run does that nobody kills."""

    writes: list[Write]
    reads: Counter[str]
    """Of the plan after it."""
    likeness: Mapping[str, object]
    records: int
    disk: int

    def points(self, where: Where, moment: Moment) -> Iterator[Point]:
        last = {"call": len(self.writes), "record": self.records, "disk": self.disk}[where]
        return (Point(at, where, moment) for at in range(1, last + 1))


def _of_settings(name: str, what: str) -> bool:
    """An edit that carries settings: whether those came can't be read."""
    return name == "edit-campaign" and '"mode"' in what


def _differences(
    expected: Mapping[str, object], found: Mapping[str, object], doubtful: bool
) -> Iterator[str]:
    for key in expected.keys() | found.keys():
        one, other = expected.get(key), found.get(key)
        if doubtful and isinstance(one, Held) and isinstance(other, Held):
            assert all(runs <= 1 for runs in other.things.values()), other.things
            one, other = replace(one, things={}), replace(other, things={})
        if one != other:
            yield f"{key} is {other}, not {one}"


@contextmanager
def scene(folder: Path, forks: Forks, **more: Any) -> Iterator[Scene]:
    with (
        Running(token=TOKEN, record=True) as running,
        closing(Scene(folder, running, Reaper(running), forks, **more)) as made,
    ):
        yield made
