"""Answers that say no with a good status, or are about something else: over TCP, whole applies."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ServerError, Unclear
from reconciler.model import OutcomeStatus
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.settings import Engine
from reconciler.state.base import PackageForgotten
from tests.providers.canned_server import Seen
from tests.providers.lying_server import Liar, Lie, Undone, lying_world
from tests.world import World, run

FLEET = """\
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall}
spec: {gateways: [gw-1, gw-2, gw-3, gw-4]}
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: night}
spec:
  download: {begin: 2027-02-01T00:00:00Z, end: 2027-02-01T06:00:00Z}
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
kind: PackageSet
metadata: {name: firmware}
spec: {packages: [{file: fw.bin}]}
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: other}
spec: {packages: [{file: other.bin}]}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: spring}
spec:
  description: the text
  packageSet: firmware
  gatewayLists: [hall]
  packageOverrides: [{gateways: [gw-1], packageSet: other}]
  schedules: [{schedule: night}]
  callbackSet: bells
  closedGateways: [gw-4]
  desiredStatus: STARTED
"""
FILES = {"fw.bin": "firmware", "other.bin": "other"}


@pytest.fixture(params=list(Engine), ids=str)
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.param
    return found


async def failing(world: World, text: str = FLEET, **options: Any) -> dict[str, list[str]]:
    """Apply `text`: operation → what is said of those of its steps that failed."""
    for name, content in FILES.items():
        (world.folder / name).write_text(content)
    applied = await world.run(await world.make_plan(text, **options))
    found: dict[str, list[str]] = {}
    for outcome in applied.outcomes:
        if outcome.status in (OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN):
            found.setdefault(outcome.step.operation.name, []).append(outcome.message)
    return found


# --- no, with a good status ------------------------------------------------------------------------

NO: dict[str, Any] = {
    "success is false": {"success": False, "error": {"message": "the request was not processed"}},
    "in words": {"Success": "false", "message": "the request was not processed"},
    "an error": {"error": "the request was not processed"},
    "a list of errors": {"errors": [{"code": "E17", "message": "the request was not processed"}]},
    "a status": {"status": "FAILED", "message": "the request was not processed"},
    "a code": {"statusCode": 422, "message": "the request was not processed"},
    "an error status": {"status": 500, "message": "the request was not processed"},
    "inside": {"result": {"ok": False, "reason": "the request was not processed"}},
    "a list": [{"status": "ERROR", "message": "the request was not processed"}],
    "a word": "ERROR: the request was not processed",
}
ONCE = [
    "upload-package",
    "create-campaign",
    "register-completed-callback",
    "register-state-change-callback",
    "add-gateways",
    "assign-gateway-packages",
    "schedule-download",
    "start-campaign",
]
WRITES = ["close-gateway", "stop-campaign", "edit-campaign", "remove-gateways", "delete-campaign"]


def mixed(operations: list[str], each: int) -> list[tuple[str, str, Engine]]:
    """Some of the ways to say no for each operation, and the engines in turn."""
    engines, ways = list(Engine), list(NO)
    return [
        (operation, ways[(3 * at + more) % len(ways)], engines[(at + more) % 2])
        for at, operation in enumerate(operations)
        for more in range(each)
    ]


@pytest.mark.parametrize(("operation", "what", "engine"), mixed(ONCE, 3))
def test_a_no_with_a_good_status_is_a_no(operation: str, what: str, engine: Engine, tmp_path: Path) -> None:
    def before(name: str, seen: Seen) -> None:
        if name == operation:
            raise Undone(NO[what])

    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            liar.before = before
            found = await failing(world)
            assert operation in found
            assert all("the request was not processed" in said for said in found[operation]), found
            # Nothing of it counts as done: once the server does it, the next apply has it still to do.
            liar.before = lambda name, seen: None
            again = await world.plan(FLEET)
            assert operation in again
            assert not await failing(world)
            assert await world.plan(FLEET) == []

    run(body())


STOPPED = FLEET.replace("STARTED", "STOPPED")


@pytest.mark.parametrize(
    "operation", ["stop-campaign", "edit-campaign", "remove-gateways", "delete-campaign"]
)
@pytest.mark.parametrize("what", ["success is false", "an error status", "a status", "inside"])
def test_a_no_to_what_changes(operation: str, what: str, engine: Engine, tmp_path: Path) -> None:
    changed = FLEET.replace("the text", "another text").replace("gw-2, gw-3", "gw-3")
    wanted = {"delete-campaign": "", "stop-campaign": STOPPED}.get(operation, changed)
    options = {"prune": True} if not wanted else {}

    def before(name: str, seen: Seen) -> None:
        if name == operation:
            raise Undone(NO[what])

    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            assert not await failing(world, FLEET.replace("closedGateways: [gw-4]", "closedGateways: []"))
            liar.before = before
            found = await failing(world, wanted, **options)
            assert "the request was not processed" in found[operation][0]
            liar.before = lambda name, seen: None
            assert operation in await world.plan(wanted, **options)
            assert not await failing(world, wanted, **options)

    run(body())


HONEST: list[Any] = [
    {},
    None,
    b"",
    b"OK",
    "done",
    [],
    True,
    {"success": True, "errors": [], "error": None, "message": "all is well", "failedGatewayIds": []},
    {"success": "true", "errorCode": 0, "error": "", "failed": [], "failedCount": 0, "warnings": ["old"]},
    {"status": "ACCEPTED", "code": 202},
    {"status": "STARTED", "errors": {}, "error": "none"},
    {"result": {"success": True, "error": False}},
]


@pytest.mark.parametrize(("at", "engine"), [(at, list(Engine)[at % 2]) for at in range(len(HONEST))])
def test_an_honest_answer_is_taken(at: int, engine: Engine, tmp_path: Path) -> None:
    def lie(operation: str, seen: Seen, honest: Any) -> Any:
        made = operation in ("create-campaign", "upload-package")
        return honest if seen.method == "GET" or made else HONEST[at]

    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            liar.lie = lie
            assert not await failing(world)
            assert await world.plan(FLEET) == []

    run(body())


def test_what_a_gateway_or_campaign_says_of_itself_is_no_failure_of_the_call(
    engine: Engine, tmp_path: Path
) -> None:
    def lie(operation: str, seen: Seen, honest: Any) -> Any:
        match operation:
            case "list-gateways":
                rows = [
                    {**row, "state": "FAILED", "status": "FAILED", "error": "disk"}
                    for row in honest["gateways"]
                ]
                return {**honest, "gateways": rows, "errors": []}
            case "list-campaigns" | "list-packages":
                key = next(key for key, each in honest.items() if isinstance(each, list))
                return {**honest, key: [{**row, "errors": ["x"], "success": False} for row in honest[key]]}
            case "get-campaign":
                return {**honest, "errors": ["gw-1: disk full"], "error": "1 gateway failed"}
            case "assign-gateway-packages" | "schedule-download" | "close-gateway":
                gateway = seen.path.split("/")[5]
                return {"gatewayId": gateway, "status": "FAILED", "state": "FAILED", "error": "disk full"}
        return honest

    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            liar.lie = lie
            assert not await failing(world)
            assert await world.plan(FLEET) == []

    run(body())


# --- a batch that is done in part ------------------------------------------------------------------

BAD = {"gw-2", "gw-3"}
PARTLY: dict[str, Callable[[list[str]], Any]] = {
    "ids": lambda bad: {"failedGatewayIds": bad, "message": "could not be added"},
    "objects": lambda bad: {"failed": [{"gatewayId": each, "reason": f"{each} is retired"} for each in bad]},
    "a map": lambda bad: {"errors": dict.fromkeys(bad, "is retired")},
    "rows": lambda bad: [
        {"gatewayId": each, "status": 404 if each in bad else 200, "message": "no such device"}
        for each in ("gw-1", "gw-2", "gw-3", "gw-4")
    ],
    "rows within": lambda bad: {
        "results": [{"id": each, "success": each not in bad} for each in ["gw-1", *bad]]
    },
    "success, too": lambda bad: {"success": True, "failedGateways": bad, "succeeded": ["gw-1", "gw-4"]},
    "within a result": lambda bad: {"result": {"notAdded": bad}},
    "capitals": lambda bad: {"rejectedGatewayIds": [each.upper() for each in bad]},
}


def keeps_out(bad: set[str], said: Callable[[list[str]], Any]) -> Lie:
    """The answers of a server that doesn't add `bad`, and says so in its way."""

    def lie(operation: str, seen: Seen, honest: Any) -> Any:
        if operation == "list-gateways":
            rows = [row for row in honest["gateways"] if row["gatewayId"] not in bad]
            page = {"totalElements": str(len(rows)), "totalPages": "1", "page": 0, "pageSize": 500}
            return {"gateways": rows, "pageResponse": page}
        if operation == "add-gateways":
            sent = json.loads(seen.body)["gatewayIds"]
            if refused := sorted(bad & set(sent)):
                return said(refused)
        return honest

    return lie


@pytest.mark.parametrize("what", PARTLY)
def test_of_a_batch_those_that_failed_are_named_and_the_others_done(
    what: str, engine: Engine, tmp_path: Path
) -> None:
    text = FLEET.replace("closedGateways: [gw-4]", "closedGateways: []")

    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            liar.lie = keeps_out(BAD, PARTLY[what])
            found = await failing(world, text)
            (said,) = found["add-gateways"]
            assert "not done for 2 of 4 gateways" in said
            assert "gw-2" in said
            assert "gw-3" in said
            assert liar.writes.count("add-gateways") == 1, "those that it names are not sent again"
            liar.lie = lambda operation, seen, honest: honest
            assert not await failing(world, text)

    run(body())


@pytest.mark.parametrize("said", [{"failedCount": 2}, {"status": "PARTIAL_SUCCESS"}, {"failures": "2"}])
def test_of_a_batch_that_names_nobody_the_look_tells(said: Any, engine: Engine, tmp_path: Path) -> None:
    text = FLEET.replace("closedGateways: [gw-4]", "closedGateways: []")

    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            liar.lie = keeps_out(BAD, lambda bad: said)
            found = await failing(world, text)
            assert "not done for 2 of 4 gateways: gw-2, gw-3" in found["add-gateways"][0]

    run(body())


# --- reads that say no -----------------------------------------------------------------------------

READ_NO: list[Any] = [
    {"success": False, "message": "the database is down", "campaigns": [], "programs": [], "gateways": []},
    {"errors": [{"message": "the database is down"}], "campaigns": [], "programs": [], "gateways": []},
    {"error": "the database is down", "campaigns": [], "page": {"totalElements": 0}},
    {"status": "error", "message": "the database is down", "campaigns": [], "programs": [], "gateways": []},
    {"code": 500, "message": "the database is down"},
    {"statusCode": 404, "message": "the database is down", "gateways": []},
]


READS: dict[str, Callable[[Any, str], Any]] = {
    "list-campaigns": lambda reads, campaign: reads.campaigns(),
    "list-packages": lambda reads, campaign: reads.packages(),
    "list-gateways": lambda reads, campaign: reads.gateways(campaign),
    "get-distribution-list": lambda reads, campaign: reads.distribution_list(campaign),
    "get-gateway-packages": lambda reads, campaign: reads.overrides(campaign, ["gw-1"]),
}


def test_a_read_that_says_no_is_no_empty_answer(engine: Engine, tmp_path: Path) -> None:
    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            assert not await failing(world)
            (campaign,) = await honest_campaigns(world, liar)
            for operation, ask in READS.items():
                for no in READ_NO:
                    if operation == "get-gateway-packages" and "status" in no:
                        continue  # the word may be that of the gateway
                    liar.before = instead(operation, no)
                    with pytest.raises(ServerError, match="the database is down"):
                        pytest.fail(f"{operation} took {no}: {await ask(world.provider.reads, campaign)}")

    run(body())


def honestly(operation: str, seen: Seen, honest: Any) -> Any:
    return honest


def instead(operation: str, value: Any) -> Callable[[str, Seen], None]:
    """Answers `value` to an operation, which isn't carried out."""

    def before(name: str, seen: Seen) -> None:
        if name == operation:
            raise Undone(value)

    return before


async def honest_campaigns(world: World, liar: Liar) -> list[str]:
    lie, liar.lie = liar.lie, lambda operation, seen, honest: honest
    found = [line.id for line in await world.provider.reads.campaigns()]
    liar.lie = lie
    return found


# --- about something else --------------------------------------------------------------------------

OTHER = "0b7e4c6e-0000-4000-8000-000000000000"


@pytest.mark.parametrize("key", ["id", "uuid", "campaignId"])
def test_a_campaign_that_is_another_is_never_touched(key: str, engine: Engine, tmp_path: Path) -> None:
    def lie(operation: str, seen: Seen, honest: Any) -> Any:
        if operation == "get-campaign":
            return {
                **{k: v for k, v in honest.items() if k not in ("id", "uuid")},
                key: OTHER,
                "name": "theirs",
            }
        return honest

    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            assert not await failing(world)
            liar.writes.clear()
            liar.lie = lie
            for text, options in (
                ("", {"prune": True}),
                (FLEET.replace("the text", "new"), {}),
                (STOPPED, {}),
            ):
                with pytest.raises(Unclear, match=f"about campaign '{OTHER}', and not about"):
                    await world.make_plan(text, **options)
            assert not liar.writes

    run(body())


ABOUT: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "campaign": ("get-campaign", lambda q, c: q[0].campaign(c)),
    "members": ("list-gateways", lambda q, c: q[0].gateways(c)),
    "packages of a gateway": ("get-gateway-packages", lambda q, c: q[0].overrides(c, ["gw-1"])),
    "progress": ("get-campaign-status", lambda q, c: q[1].campaign_progress(c)),
    "state": ("get-gateway-state", lambda q, c: q[1].gateway_state(c, "gw-1")),
    "status": ("get-gateway-status", lambda q, c: q[1].gateway_status(c, "gw-1")),
    "download": ("get-download-progress", lambda q, c: q[1].download_progress(c, "gw-1")),
    "execution": ("get-execution-progress", lambda q, c: q[1].execution_progress(c, "gw-1")),
}


def test_every_read_that_names_another_is_refused(engine: Engine, tmp_path: Path) -> None:
    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            assert not await failing(world)
            (campaign,) = await honest_campaigns(world, liar)
            parts = (world.provider.reads, world.provider.questions)
            for operation, ask in ABOUT.values():
                of_gateway = "{gateway_id}" in OPERATIONS[operation].path
                for key in ("campaignId", "gatewayId") if of_gateway else ("campaignId",):
                    liar.lie = honestly
                    await ask(parts, campaign)
                    other = {key: OTHER}
                    liar.lie = lambda name, seen, honest, of=operation, other=other: (
                        {**honest, **other} if name == of else honest
                    )
                    with pytest.raises(ServerError, match="is about"):
                        pytest.fail(f"{operation} took {other}: {await ask(parts, campaign)}")

    run(body())


def test_an_object_may_have_two_ids(engine: Engine, tmp_path: Path) -> None:
    """One is the id that it is asked for by; the other is a matter of the server."""

    def lie(operation: str, seen: Seen, honest: Any) -> Any:
        return {**honest, "uuid": OTHER} if operation in ("get-campaign", "get-package") else honest

    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            liar.lie = lie
            assert not await failing(world)
            assert await world.plan(FLEET) == []
            assert not await failing(world, STOPPED)

    run(body())


def test_a_distribution_list_of_another_is_refused(engine: Engine, tmp_path: Path) -> None:
    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            assert not await failing(world)
            (campaign,) = await honest_campaigns(world, liar)
            answer = {"distributionListId": "d", "campaignId": campaign}
            liar.before = instead("get-distribution-list", answer)
            assert await world.provider.reads.distribution_list(campaign)
            liar.before = instead("get-distribution-list", {**answer, "campaignId": OTHER})
            with pytest.raises(ServerError, match="is about"):
                await world.provider.reads.distribution_list(campaign)

    run(body())


def test_a_package_that_is_another_is_refused(engine: Engine, tmp_path: Path) -> None:
    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            assert not await failing(world)
            (package, *_) = await world.provider.reads.packages()
            liar.lie = lambda name, seen, honest: {**honest, "id": OTHER} if name == "get-package" else honest
            with pytest.raises(ServerError, match="about package"):
                await world.provider.reads.package(package.id)
            with pytest.raises(ServerError, match="about package"):
                await world.provider.questions.package_info(package.id)

    run(body())


@pytest.mark.parametrize(
    "operation", ["edit-campaign", "add-gateways", "assign-gateway-packages", "schedule-download"]
)
@pytest.mark.parametrize("key", ["campaignId", "uuid"])
def test_an_answer_to_a_write_about_another(operation: str, key: str, engine: Engine, tmp_path: Path) -> None:
    if key == "uuid" and operation != "edit-campaign":
        return
    changed = (
        FLEET.replace("the text", "new")
        .replace("gw-4]}", "gw-4, gw-5]}")
        .replace("2027-02-01T06", "2027-02-01T07")
    )
    changed = changed.replace("gateways: [gw-1], packageSet", "gateways: [gw-2], packageSet")

    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            assert not await failing(world)
            liar.lie = lambda name, seen, honest: {key: OTHER} if name == operation else honest
            found = await failing(world, changed)
            if operation == "add-gateways":
                assert not found, "a look shows that it was done"
                return
            assert f"about campaign '{OTHER}'" in found[operation][0]

    run(body())


def test_a_create_that_answers_an_old_campaign_touches_it_never(engine: Engine, tmp_path: Path) -> None:
    *_, campaign = FLEET.rpartition("---")
    two = f"{FLEET}---{campaign.replace('spring', 'autumn')}"

    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            assert not await failing(world)
            (old,) = await honest_campaigns(world, liar)
            before = await world.provider.reads.campaign(old)
            made: list[Any] = []

            def lie(operation: str, seen: Seen, honest: Any) -> Any:
                if operation == "create-campaign":
                    made.append(honest)
                    return {"uuid": old}
                return honest

            liar.lie = lie
            assert not await failing(world, two), "the look after it finds the new one"
            assert len(made) == 1
            assert await world.provider.reads.campaign(old) == before
            assert await world.plan(two) == []

    run(body())


def test_two_creates_that_answer_one_campaign_make_two(engine: Engine, tmp_path: Path) -> None:
    *_, campaign = FLEET.rpartition("---")
    two = f"{FLEET}---{campaign.replace('spring', 'autumn')}"

    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            made: list[Any] = []

            def lie(operation: str, seen: Seen, honest: Any) -> Any:
                if operation != "create-campaign":
                    return honest
                made.append(honest)
                return made[0]

            liar.lie = lie
            assert not await failing(world, two)
            assert len(made) == 2
            owned = {each.id for each in world.store.load().campaigns.values()}
            assert owned == {each["uuid"] for each in made}
            assert await world.plan(two) == []

    run(body())


@pytest.mark.parametrize("mode", ["multipart", "streaming"])
@pytest.mark.parametrize("which", ["a package of another content", "a campaign"])
def test_an_upload_that_answers_something_else_brings_no_gateway_that(
    which: str, mode: str, engine: Engine, tmp_path: Path
) -> None:
    """Else a campaign would roll out whatever that is."""
    new = FLEET.replace("{file: fw.bin}", f"{{file: new.bin, upload: {mode}}}")

    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            (tmp_path / "new.bin").write_text("new")
            assert not await failing(world)
            there = {package.name: package.id for package in await world.provider.reads.packages()}
            (campaign,) = await honest_campaigns(world, liar)
            answered = there["other.bin"] if which.startswith("a package") else campaign
            uploads = ("upload-package", "stream-package")
            liar.lie = lambda name, seen, honest: {"uuid": answered} if name in uploads else honest
            assert not await failing(world, new), "the look after it finds the new one"
            (made,) = [p.id for p in await world.provider.reads.packages() if p.name == "new.bin"]
            live = await world.provider.reads.campaign(campaign)
            assert live
            assert live.packages == (made,)

    run(body())


def test_a_server_that_keeps_a_content_once_answers_what_was_there(engine: Engine, tmp_path: Path) -> None:
    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            assert not await failing(world)
            (there,) = [p for p in await world.provider.reads.packages() if p.name == "fw.bin"]

            def before(operation: str, seen: Seen) -> None:
                if operation == "upload-package":
                    raise Undone({"uuid": there.id})

            liar.before = before
            with world.store.locked(world.provider.server, "state rm") as session:
                session.record(*(PackageForgotten(sha256) for sha256 in session.state.packages))
            assert (await failing(world)).keys() <= {"upload-package"}
            known = world.store.load().packages
            assert {each.id for each in known.values() if each.name == "fw.bin"} == {there.id}

    run(body())


# --- the same, written otherwise -------------------------------------------------------------------

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FORMS: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "braces": lambda each: f"{{{each}}}",
    "without hyphens": lambda each: each.replace("-", ""),
    "a urn": lambda each: f"urn:uuid:{each}",
}


WRITTEN = re.compile(
    r"(?:urn:uuid:|\{)?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?", re.I
)


def heard(text: str) -> str:
    """A request with its ids as the server keeps them."""
    return WRITTEN.sub(lambda found: "-".join(found.groups()).lower(), text)


@pytest.mark.parametrize("form", FORMS)
def test_ids_that_a_server_writes_otherwise_are_the_same(form: str, engine: Engine, tmp_path: Path) -> None:
    """Each answer but that to the create writes ids in another form; each request is understood in any."""
    write = FORMS[form]

    def rewritten(value: Any) -> Any:
        match value:
            case dict():
                return {key: rewritten(each) for key, each in value.items()}
            case list():
                return [rewritten(each) for each in value]
            case str() if UUID.fullmatch(value):
                return write(value)
        return value

    def lie(operation: str, seen: Seen, honest: Any) -> Any:
        return honest if operation in ("create-campaign", "upload-package") else rewritten(honest)

    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            liar.lie, liar.hear = lie, heard
            assert not await failing(world)
            assert await world.plan(FLEET) == []
            assert await world.plan(FLEET, prune=True) == []
            changed = FLEET.replace("the text", "new")
            liar.writes.clear()
            assert not await failing(world, changed)
            assert liar.writes == ["stop-campaign", "edit-campaign", "start-campaign"]
            assert await world.plan(changed) == []
            assert "delete-campaign" in await world.plan("", prune=True)

    run(body())


@pytest.mark.parametrize("form", FORMS)
def test_a_package_may_be_declared_in_any_form(form: str, engine: Engine, tmp_path: Path) -> None:
    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            liar.hear = heard
            assert not await failing(world)
            (campaign,) = await honest_campaigns(world, liar)
            live = await world.provider.reads.campaign(campaign)
            assert live is not None
            by_id = FLEET.replace(
                "packages: [{file: fw.bin}]", f'packages: [{{id: "{FORMS[form](live.packages[0])}"}}]'
            )
            assert await world.plan(by_id) == []
            liar.writes.clear()
            sent: list[Any] = []

            def lie(operation: str, seen: Seen, honest: Any) -> Any:
                if operation == "edit-campaign":
                    sent.append(json.loads(seen.body)["updateSpec"]["packages"])
                return honest

            liar.lie = lie
            assert not await failing(world, by_id.replace("the text", "new"))
            assert sent == [list(live.packages)], "the id that the server answers is the id"
            # A package that only its id tells, also where no campaign has it.
            other = next(
                each for each in await world.provider.reads.packages() if each.id not in live.packages
            )
            text = FLEET.replace(
                "packages: [{file: fw.bin}]", f'packages: [{{id: "{FORMS[form](other.id)}"}}]'
            )
            text = text.replace("  packageOverrides: [{gateways: [gw-1], packageSet: other}]\n", "")
            assert not await failing(world, text)
            assert sent[-1] == [other.id]
            assert await world.plan(text) == []

    run(body())


@pytest.mark.parametrize("form", FORMS)
def test_a_state_in_another_form_is_the_same_campaign(form: str, engine: Engine, tmp_path: Path) -> None:
    """As one may have been imported, or a create may have answered."""

    def lie(operation: str, seen: Seen, honest: Any) -> Any:
        return {"uuid": FORMS[form](honest["uuid"])} if operation == "create-campaign" else honest

    async def body() -> None:
        async with lying_world(tmp_path, engine) as (world, liar):
            liar.hear, liar.lie = heard, lie
            assert not await failing(world)
            assert await world.plan(FLEET) == []
            assert await world.plan(FLEET, prune=True) == []
            moved = FLEET.replace("metadata: {name: spring}", "metadata: {name: autumn}")
            moved = moved.replace("  description: the text", "  name: spring\n  description: the text")
            assert await world.plan(moved) == []
            assert await world.plan(moved, adopt=True, prune=True) == []
            assert "delete-campaign" in await world.plan("", prune=True)

    run(body())
