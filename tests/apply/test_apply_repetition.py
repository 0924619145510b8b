"""How each of the 38 operations is repeated: over TCP, against a server with faults, call by call.

| fault      | what the caller gets                        | what the server did |
|------------|---------------------------------------------|---------------------|
| cut before | a connection that closes                    | nothing             |
| cut after  | the same                                    | everything          |
| 500 after  | an error of the server                      | everything          |
| 429        | too many requests, again in 7 seconds       | nothing             |
| 420        | the same in the words of other servers      | nothing             |
| truncated  | a connection that closes within the answer  | everything          |
| half       | half of an answer that calls itself whole   | everything          |
"""

import asyncio
import hashlib
import itertools
import json
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from reconciler.apply.retrier import Retrier
from reconciler.cli import main
from reconciler.embedded import Running
from reconciler.model import (
    Action,
    Callback,
    CallbackEvent,
    CampaignFields,
    DistributionList,
    Kind,
    Outcome,
    OutcomeStatus,
    PackageFile,
    Phase,
    Repeat,
    ResourceId,
    SchedulePhase,
    Step,
    StepGroup,
    UploadMode,
    Verb,
    Window,
)
from reconciler.pacing import Backoff
from reconciler.providers.base import Bindings, Provider
from reconciler.providers.http.engine import open_engine
from reconciler.providers.http.filebody import FileBody
from reconciler.providers.pulse.codec.marks import mark_of
from reconciler.providers.pulse.entry import wire_of
from reconciler.providers.pulse.kind import provider_of
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.providers.pulse.questions import Watched
from reconciler.providers.pulse.writes import PulseWrites
from reconciler.settings import ServerSettings
from tests.actions import action
from tests.apply.apply_script import AT_ONCE
from tests.providers.all_calls import AllCalls
from tests.world import operation_of

T = TypeVar("T")

RETRY_AFTER = 7.0
FAULTS: Mapping[str, Mapping[str, object]] = {
    "cut before": {"effect": "cut", "when": "before"},
    "cut after": {"effect": "cut", "when": "after"},
    "500 after": {"effect": "status", "status": 500, "when": "after"},
    "429": {"effect": "status", "status": 429, "retryAfter": int(RETRY_AFTER)},
    "420": {"effect": "status", "status": 420},
    "truncated": {"effect": "truncate"},
    "half": {"effect": "half"},
}
NOT_EXECUTED = ("429", "420")
_numbers = itertools.count()


class Time:
    """A clock that moves when somebody sleeps, so that nobody has to wait."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


@dataclass
class Bench:
    """A campaign of its own on the server, and the provider that works on it."""

    server: Running
    provider: Provider
    folder: Path
    time: Time
    asked: list[float | None] = field(default_factory=list)
    campaign: str = ""
    package: str = ""
    spare: str = ""
    name: str = ""

    @property
    def client(self) -> Any:
        return AllCalls(self.provider)

    def file(self, mode: UploadMode = UploadMode.MULTIPART) -> PackageFile:
        path = self.folder / f"{self.name}.bin"
        path.write_bytes(self.name.encode())
        digest = hashlib.sha256(self.name.encode()).hexdigest()
        return PackageFile(digest, path, path.name, path.stat().st_size, _rid(Kind.PACKAGE_SET), mode=mode)

    def delay(self, attempts: int, asked: float | None, waited: float) -> float | None:
        self.asked.append(asked)
        return 0.0 if attempts < 4 else None

    async def control(self, path: str, body: object) -> None:
        url, data = f"{self.server.url}/_embedded/{path}", json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method="PUT")
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).close())

    async def prepare(self, status: str, *, spare: bool = False) -> None:
        """A campaign in `status` with two gateways and a package, and perhaps one that nobody uses."""
        self.name = f"bench-{next(_numbers)}"
        await self.control("settings", {"approvalNeeded": status == "APPROVAL_NEEDED"})
        client, known = self.client, await self.client.packages(["common.bin"])
        self.package = known[0].id if known else await self.upload("common.bin")
        self.spare = await self.upload(f"{self.name}-spare.bin") if spare else ""
        self.campaign = await client.create_campaign(self.name, packages=[self.package])
        await client.add_gateways(self.campaign, ["gw-1", "gw-2"])
        if status == "STARTED":
            await client.start_campaign(self.campaign)

    async def upload(self, name: str) -> str:
        path = self.folder / name
        path.write_bytes(name.encode())
        body = FileBody(path, len(name), hashlib.sha256(name.encode()).hexdigest())
        return await self.client.upload_package(body, name=name, description="")

    async def faulty(self, operation: str, fault: str, **other: object) -> None:
        """The next call of `operation` meets `fault`; what was called so far is forgotten."""
        rule = {**FAULTS[fault], "operations": [operation], "count": 1}
        rule |= {key: value for key, value in other.items() if key in rule}
        await self.control("faults", {"rules": [rule]})
        self.server.forget_calls()
        self.time.slept.clear()

    def calls(self) -> list[str]:
        """The calls that the server saw; one upload looks like the other."""
        return [operation_of(call.method, call.path) for call in self.server.calls]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with Running(record=True) as running:
        yield running


@asynccontextmanager
async def bench(
    server: Running, folder: Path, status: str = "CREATED", *, spare: bool = False
) -> AsyncIterator[Bench]:
    time, settings = Time(), ServerSettings(url=server.url, api_version="0.17")
    async with open_engine(server.url) as engine:
        backoff = Backoff(random=lambda: 0.0)
        watched = Watched(engine)
        wire = wire_of(watched, settings, backoff=backoff, clock=time.clock, sleep=time.sleep)
        made = Bench(server, provider_of(settings, wire, watched), folder, time)
        await made.prepare(status, spare=spare)
        try:
            yield made
        finally:
            await made.control("faults", {"rules": []})


def _rid(kind: Kind = Kind.CAMPAIGN) -> ResourceId:
    return ResourceId(kind, "bench")


def _action(verb: Verb, **values: Any) -> Action:
    return action(verb, _rid(), **values)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 60))


# --- writes ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Write:
    """A write: how it is asked for, what it reads before each send, and how one sees what became of it.

    ``made``: its answer holds an id, and can't be half read. ``done`` is asked afterwards. ``spare``: it is
    about a package that no campaign uses.
    """

    verb: Verb
    values: Callable[[Bench], Mapping[str, Any]] = lambda _: {}
    status: str = "CREATED"
    first: tuple[str, ...] = ()
    look: str = ""
    made: bool = False
    spare: bool = False
    done: Callable[[Bench], Awaitable[bool]] | None = None


def gateways(*ids: str) -> Callable[[Bench], Mapping[str, Any]]:
    return lambda _: {"gateways": ids}


def callback(event: CallbackEvent) -> Write:
    states = ("FAILED",) if event is CallbackEvent.STATE_CHANGE else ()
    return Write(Verb.CALLBACK, lambda _: {"event": event, "callback": Callback("d-1", states)})


def schedule(phase: SchedulePhase) -> Write:
    window = Window(1_800_000_000_000, 1_800_003_600_000)
    return Write(Verb.SCHEDULE, lambda _: {"gateways": ("gw-1",), "phase": phase, "window": window})


def is_in(phase: Phase | None) -> Callable[[Bench], Awaitable[bool]]:
    async def verify(at: Bench) -> bool:
        live = await at.client.campaign(at.campaign)
        return (live and live.phase) is phase

    return verify


async def members(at: Bench) -> set[str]:
    return set(await at.client.gateways(at.campaign))


async def has_three(at: Bench) -> bool:
    return await members(at) == {"gw-1", "gw-2", "gw-3"}


async def has_one(at: Bench) -> bool:
    return await members(at) == {"gw-1"}


async def one_is_closed(at: Bench) -> bool:
    return (await at.client.gateways(at.campaign)).closed == {"gw-1"}


async def one_more(at: Bench) -> bool:
    return len(await at.client.campaigns([f"{at.name}-new"])) == 1


async def one_package(at: Bench) -> bool:
    return len([p for p in await at.client.packages() if mark_of(p) == at.file().sha256[:16]]) == 1


async def no_package(at: Bench) -> bool:
    return await at.client.package(at.spare) is None


async def edited(at: Bench) -> bool:
    live = await at.client.campaign(at.campaign)
    return live is not None and live.description == "new"


async def assigned(at: Bench) -> bool:
    return await at.client.gateway_packages(at.campaign, "gw-1") == (at.spare,)


async def distributed(at: Bench) -> bool:
    return await at.client.distribution_list(at.campaign) == DistributionList("list-1", 300)


GET = ("get-campaign",)
WRITES: Mapping[str, Write] = {
    "create-campaign": Write(
        Verb.CREATE,
        lambda at: {"fields": CampaignFields(f"{at.name}-new"), "target": None},
        first=("list-campaigns",), look="list-campaigns", made=True, done=one_more,
    ),
    "edit-campaign": Write(
        Verb.EDIT,
        lambda at: {"fields": CampaignFields(at.name, "new")}, first=GET, done=edited,
    ),
    "delete-campaign": Write(Verb.DELETE, look="get-campaign", done=is_in(None)),
    "start-campaign": Write(Verb.START, first=GET, look="get-campaign", done=is_in(Phase.RUNNING)),
    "stop-campaign": Write(
        Verb.STOP, status="STARTED", first=GET, look="get-campaign", done=is_in(Phase.PAUSED)
    ),
    "approve-campaign": Write(
        Verb.APPROVE, status="APPROVAL_NEEDED", look="get-campaign", done=is_in(Phase.READY)
    ),
    "register-completed-callback": callback(CallbackEvent.COMPLETED),
    "register-wake-up-callback": callback(CallbackEvent.WAKE_UP),
    "register-state-change-callback": callback(CallbackEvent.STATE_CHANGE),
    "register-execution-progress-callback": callback(CallbackEvent.EXECUTION_PROGRESS),
    "register-download-progress-callback": callback(CallbackEvent.DOWNLOAD_PROGRESS),
    "assign-gateway-packages": Write(
        Verb.OVERRIDE, lambda at: {"gateways": ("gw-1",), "packages": (at.spare,)}, spare=True, done=assigned
    ),
    "add-gateways": Write(Verb.ADD, gateways("gw-3"), look="list-gateways", done=has_three),
    "remove-gateways": Write(Verb.REMOVE, gateways("gw-2"), look="list-gateways", done=has_one),
    "set-distribution-list": Write(
        Verb.DISTRIBUTE, lambda _: {"distribution": DistributionList("list-1", 300)}, done=distributed
    ),
    "schedule-download": schedule(SchedulePhase.DOWNLOAD),
    "schedule-activation": schedule(SchedulePhase.ACTIVATION),
    "schedule-execution": schedule(SchedulePhase.EXECUTION),
    "close-gateway": Write(Verb.CLOSE, gateways("gw-1"), look="list-gateways", done=one_is_closed),
    "delete-package": Write(
        Verb.DELETE_PACKAGE,
        lambda at: {"target": at.spare, "sha256": "ab" * 32}, look="get-package",
        spare=True, done=no_package,
    ),
    "upload-package": Write(
        Verb.UPLOAD,
        lambda at: {"file": at.file(), "target": None}, look="list-packages", made=True, done=one_package,
    ),
    "stream-package": Write(
        Verb.UPLOAD,
        lambda at: {"file": at.file(UploadMode.STREAMING), "target": None},
        look="list-packages", made=True, done=one_package,
    ),
    "run-on-things": Write(
        Verb.THINGS, lambda _: {"gateways": ("gw-1",), "things": {"gw-1": ("t-1", "t-2")}}
    ),
}  # fmt: skip


def expected(name: str, write: Write, fault: str) -> tuple[list[str], str, int]:
    """The specification: the calls, the outcome, how often it was sent."""
    once, look = [*write.first, name.replace("stream-", "upload-")], [write.look]
    if fault == "half" and not write.made:
        # Nothing depends on the words of such an answer, and the status is clear.
        return once, "done", 1
    if fault in NOT_EXECUTED:
        return once + once, "done", 2
    happened = fault != "cut before"
    match OPERATIONS[name].repeat:
        case Repeat.IDEMPOTENT:
            return once + once, "done", 2
        case Repeat.NEVER:
            return once, "unknown", 1
        case Repeat.VERIFY_FIRST if happened:
            return once + look, "done", 1
        case _:
            return once + look + once, "done", 2


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", WRITES)
def test_a_write(server: Running, tmp_path: Path, name: str, fault: str) -> None:
    write = WRITES[name]

    async def body() -> None:
        async with bench(server, tmp_path, write.status, spare=write.spare) as at:
            made = write.verb in (Verb.UPLOAD, Verb.CREATE)
            values = {"target": None if made else at.campaign, **write.values(at)}
            action = _action(write.verb, **values)
            lowered = at.provider.facts.lower(action)
            assert lowered.operation.name == name
            step = Step(StepGroup(name, action, lowered.operation, lowered.per_call), 0)
            await at.faulty(name, fault)

            outcome = await Retrier(at.provider.writes, at.delay, AT_ONCE).settle(
                step, Bindings(), asyncio.Event()
            )

            calls, status, attempts = expected(name, write, fault)
            assert at.calls() == calls
            assert (outcome.status, outcome.attempts) == (status, attempts)
            assert (outcome.created is not None) == write.made
            if fault in NOT_EXECUTED:
                assert at.asked == [RETRY_AFTER if fault == "429" else None]
            assert write.done is None or await write.done(at), "it is as it was asked to be, and once"

    run(body())


# --- what only people do ---------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
def test_a_notification_is_sent_once(
    server: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    async def armed() -> str:
        async with bench(server, tmp_path) as at:
            campaign = at.campaign
        await at.faulty("notify-gateway", fault, retryAfter=0)
        return campaign

    campaign = run(armed())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECONCILER_URL", server.url)
    code = main(["gateway", "notify", campaign, "gw-1"])

    calls = [call.path for call in server.calls if call.method == "PUT"]
    said = capsys.readouterr().err
    if fault in (*NOT_EXECUTED, "half"):
        assert (code, len(calls)) == (0, 1 if fault == "half" else 2)
    else:
        assert (code, len(calls)) == (1, 1)
        assert "whether it was done is unknown, and it is not sent again" in said


# --- reads -----------------------------------------------------------------------------------------

READS: Mapping[str, Callable[[Bench], Awaitable[object]]] = {
    "get-campaign": lambda at: at.client.campaign(at.campaign),
    "list-campaigns": lambda at: at.client.campaigns([at.name]),
    "get-gateway-packages": lambda at: at.client.gateway_packages(at.campaign, "gw-1"),
    "list-gateways": lambda at: at.client.gateways(at.campaign),
    "get-distribution-list": lambda at: at.client.distribution_list(at.campaign),
    "get-gateway-state": lambda at: at.client.gateway_state(at.campaign, "gw-1"),
    "get-execution-progress": lambda at: at.client.execution_progress(at.campaign, "gw-1"),
    "get-download-progress": lambda at: at.client.download_progress(at.campaign, "gw-1"),
    "get-active-campaigns": lambda at: at.client.active_campaigns("gw-1"),
    "get-campaign-status": lambda at: at.client.campaign_progress(at.campaign),
    "get-gateway-status": lambda at: at.client.gateway_status(at.campaign, "gw-1"),
    "get-campaign-counts": lambda at: at.client.counts(),
    "get-package": lambda at: at.client.package(at.package),
    "list-packages": lambda at: at.client.packages([at.file().name]),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", READS)
def test_a_read_is_sent_again(server: Running, tmp_path: Path, name: str, fault: str) -> None:
    async def body() -> None:
        async with bench(server, tmp_path) as at:
            await at.client.set_distribution_list(at.campaign, DistributionList("list-1", 300))
            undisturbed = await READS[name](at)
            await at.faulty(name, fault)
            assert await READS[name](at) == undisturbed
            assert at.calls() == [name, name]
            assert (RETRY_AFTER in at.time.slept) == (fault == "429")

    run(body())


def test_the_tables_are_of_all_operations() -> None:
    assert {*WRITES, *READS, "notify-gateway"} == set(OPERATIONS)
    assert {name for name, operation in OPERATIONS.items() if operation.method == "GET"} == set(READS)
    looking = {name for name, write in WRITES.items() if write.look}
    assert looking == {n for n, operation in OPERATIONS.items() if operation.repeat is Repeat.VERIFY_FIRST}


# --- made, and the answer lost ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["create-campaign", "upload-package", "stream-package"])
def test_two_that_could_be_ours_are_named(server: Running, tmp_path: Path, name: str) -> None:
    """The answer is lost, and somebody else makes the same: nobody can tell whose is whose."""

    async def body() -> tuple[Outcome, list[str]]:
        async with bench(server, tmp_path) as at:
            write = WRITES[name]
            action = _action(write.verb, **write.values(at))
            lowered = at.provider.facts.lower(action)
            step = Step(StepGroup(name, action, lowered.operation), 0)

            class Meddled(PulseWrites):
                async def verify(self, step: Step, bindings: Bindings) -> Any:
                    # Nobody checks the name of a campaign for another team, or the mark of an upload.
                    await at.control("faults", {"rules": []})
                    if name == "create-campaign":
                        await at.client.create_campaign(f"{at.name}-new")
                    else:
                        await at.provider.writes.run(step, bindings)
                    return await at.provider.writes.verify(step, bindings)

            meddled = Meddled(at.provider.reads)
            await at.faulty(name, "cut after")
            outcome = await Retrier(meddled, at.delay, AT_ONCE).settle(step, Bindings(), asyncio.Event())
            if name == "create-campaign":
                ids = [line.id for line in await at.client.campaigns([f"{at.name}-new"])]
            else:
                ids = [p.id for p in await at.client.packages() if mark_of(p) == at.file().sha256[:16]]
            return outcome, ids

    outcome, ids = run(body())
    assert (outcome.status, outcome.unclear, outcome.created) == (OutcomeStatus.FAILED, True, None)
    assert len(ids) == 2
    assert " and ".join(sorted(ids)) in outcome.message
    assert "Delete the wrong one, then apply again." in outcome.message
