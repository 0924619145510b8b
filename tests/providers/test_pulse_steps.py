"""Steps: what is sent, what is read first, and what a look finds afterwards."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import PartlyDone, ReconcilerError, Refusal, Refused, ServerError, Unclear
from reconciler.model import (
    Callback,
    CallbackEvent,
    CampaignFields,
    DistributionList,
    Kind,
    OutcomeStatus,
    PackageFile,
    PendingUpload,
    ResourceId,
    SchedulePhase,
    Step,
    StepGroup,
    UploadMode,
    Verb,
    Window,
)
from reconciler.providers.base import Bindings, Readback, Result
from reconciler.providers.http.filebody import FileBody
from reconciler.providers.http.transport import Request, Response
from tests.actions import action
from tests.fakes import PULSE
from tests.providers.canned_server import SETTINGS, answer, provider, whole

ME = ResourceId(Kind.CAMPAIGN, "winter")
SET = ResourceId(Kind.PACKAGE_SET, "firmware")
SHA = hashlib.sha256(b"content").hexdigest()
FOUND = Bindings({ME: "c1"}, {SHA: "p-new"})


@dataclass
class Fake:
    """A server of a few campaigns and packages, at the transport seam; `say` overrides an answer."""

    campaigns: dict[str, dict[str, Any]] = field(default_factory=dict)
    gateways: list[dict[str, Any]] = field(default_factory=list)
    packages: list[dict[str, Any]] = field(default_factory=list)
    say: dict[str, Response] = field(default_factory=dict)
    seen: list[tuple[str, Any]] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        match request.body:
            case FileBody() as file:
                sent: Any = await whole(file)
            case bytes() as raw:
                sent = json.loads(raw)
            case _:
                sent = None
        line = str(request)
        self.seen.append((line, sent))
        if line in self.say:
            return self.say[line]
        match request.method, request.path.removeprefix("/api/").split("/"):
            case "GET", ["campaigns"]:
                return answer({"campaigns": list(self.campaigns.values()), **total(self.campaigns)})
            case "GET", ["campaigns", campaign_id]:
                found = self.campaigns.get(campaign_id)
                return answer(found) if found else answer("gone", 404)
            case "GET", ["campaigns", _, "devices"]:
                return answer({"gateways": self.gateways, **total(self.gateways)})
            case "GET", ["programs"]:
                return answer({"programs": self.packages, **total(self.packages)})
            case "GET", ["programs", package_id, "file-info"]:
                known = [package for package in self.packages if package["id"] == package_id]
                return answer(known[0]) if known else answer("gone", 404)
            case "PUT", ["campaigns", campaign_id, "approve"]:
                self.campaigns[campaign_id]["status"] = "APPROVED"
                return answer({})
            case "POST", _:
                return answer({"uuid": "new"})
            case _:
                return answer({})

    @property
    def lines(self) -> list[str]:
        return [line for line, _ in self.seen]


def total(items: Any) -> Mapping[str, Any]:
    return {"page": {"totalElements": len(items)}}


def campaign(status: str = "CREATED", **more: Any) -> Fake:
    return Fake({"c1": {"id": "c1", "name": "winter", "status": status, **more}})


def step(verb: Verb, server: Fake | None = None, **values: Any) -> Step:
    made = action(verb, values.pop("resource", ME), **values)
    lowered = provider(server or Fake()).facts.lower(made)
    return Step(StepGroup("winter:x", made, lowered.operation, lowered.per_call), 0)


def run(server: Fake, verb: Verb, bindings: Bindings = FOUND, **values: Any) -> Result:
    return asyncio.run(provider(server).writes.run(step(verb, **values), bindings))


def look(server: Fake, verb: Verb, bindings: Bindings = FOUND, **values: Any) -> Readback:
    return asyncio.run(provider(server).writes.verify(step(verb, **values), bindings))


# --- lowering ------------------------------------------------------------------------------------

A_FILE = PackageFile(SHA, Path("x"), "x.zip", 7, SET)
LOWERED: list[tuple[Verb, dict[str, Any], str, int]] = [
    (Verb.UPLOAD, {"file": A_FILE}, "upload-package", 0),
    (Verb.UPLOAD, {"file": replace(A_FILE, mode=UploadMode.STREAMING)}, "stream-package", 0),
    (Verb.CREATE, {}, "create-campaign", 0),
    (Verb.EDIT, {}, "edit-campaign", 0),
    (Verb.CALLBACK, {"event": CallbackEvent.WAKE_UP}, "register-wake-up-callback", 0),
    (Verb.DISTRIBUTE, {}, "set-distribution-list", 0),
    (Verb.REMOVE, {}, "remove-gateways", 40),
    (Verb.ADD, {}, "add-gateways", 40),
    (Verb.OVERRIDE, {}, "assign-gateway-packages", 1),
    (Verb.SCHEDULE, {"phase": SchedulePhase.DOWNLOAD}, "schedule-download", 1),
    (Verb.SCHEDULE, {"phase": SchedulePhase.ACTIVATION}, "schedule-activation", 1),
    (Verb.THINGS, {}, "run-on-things", 40),
    (Verb.CLOSE, {}, "close-gateway", 1),
    (Verb.APPROVE, {}, "approve-campaign", 0),
    (Verb.START, {}, "start-campaign", 0),
    (Verb.STOP, {}, "stop-campaign", 0),
    (Verb.DELETE, {}, "delete-campaign", 0),
    (Verb.DELETE_PACKAGE, {}, "delete-package", 0),
]


@pytest.mark.parametrize(("verb", "values", "operation", "per_call"), LOWERED)
def test_an_action_becomes_a_call(verb: Verb, values: dict[str, Any], operation: str, per_call: int) -> None:
    pulse = provider(Fake(), replace(SETTINGS, batch_size=40))
    lowered = pulse.facts.lower(action(verb, ME, **values))
    assert (lowered.operation.name, lowered.per_call) == (operation, per_call)


def test_every_verb_is_lowered() -> None:
    assert {verb for verb, *_ in LOWERED} == {verb for verb in Verb if PULSE.knows(verb)}


# --- running -------------------------------------------------------------------------------------

PLAIN: list[tuple[Verb, dict[str, Any], str]] = [
    (
        Verb.CALLBACK,
        {"event": CallbackEvent.COMPLETED, "callback": Callback("n")},
        "PUT /callbacks/completed",
    ),
    (Verb.DISTRIBUTE, {"distribution": DistributionList("d")}, "PUT /distribution-list"),
    (Verb.REMOVE, {"gateways": ("g1",)}, "PUT /devices"),
    (Verb.ADD, {"gateways": ("g1",)}, "POST /devices"),
    (Verb.OVERRIDE, {"gateways": ("g1",), "packages": ("p1",)}, "PUT /devices/g1/packages"),
    (
        Verb.SCHEDULE,
        {"gateways": ("g1",), "phase": SchedulePhase.DOWNLOAD, "window": Window(1, 2)},
        "PUT /devices/g1/scheduled-download",
    ),
    (Verb.THINGS, {"gateways": ("g1",), "things": {"g1": ("t",), "g2": ("u",)}}, "POST /devices/things"),
    (Verb.CLOSE, {"gateways": ("g1",)}, "PUT /devices/g1/close"),
    (Verb.APPROVE, {}, "PUT /approve"),
    (Verb.DELETE, {}, "DELETE "),
]


@pytest.mark.parametrize(("verb", "values", "line"), PLAIN)
@pytest.mark.parametrize("target", ["c1", None])
def test_most_steps_are_one_request(
    verb: Verb, values: dict[str, Any], line: str, target: str | None
) -> None:
    server = campaign()
    assert run(server, verb, target=target, **values) == Result()
    method, _, path = line.partition(" ")
    assert server.lines == [f"{method} /api/campaigns/c1{path}"]


def test_a_package_is_deleted_by_its_id() -> None:
    server = Fake()
    assert run(server, Verb.DELETE_PACKAGE, resource=SET, target="p1") == Result()
    assert server.lines == ["DELETE /api/programs/p1"]


def test_a_batch_carries_only_its_own_gateways() -> None:
    pulse = provider(server := campaign(), replace(SETTINGS, batch_size=2))
    things = {f"g{n}": (f"t{n}",) for n in range(3)}
    made = action(Verb.THINGS, ME, gateways=tuple(things), things=things)
    group = StepGroup("k", made, pulse.facts.lower(made).operation, pulse.facts.lower(made).per_call)
    for each in group:
        asyncio.run(pulse.writes.run(each, FOUND))
    assert [[thing["gateway_id"] for thing in body["gateway_things"]] for _, body in server.seen] == [
        ["g0", "g1"],
        ["g2"],
    ]


def test_things_that_were_not_processed_are_failed_with_their_gateways() -> None:
    server = campaign()
    left = [f"t{n}" for n in range(7)]
    server.say["POST /api/campaigns/c1/devices/things"] = answer({"not_processed_thing_ids": left})
    with pytest.raises(
        PartlyDone, match="the server did not process t0, t1, t2, t3, t4 and 2 more"
    ) as caught:
        run(server, Verb.THINGS, gateways=("g1", "g2"), things={"g1": tuple(left), "g2": ("other",)})
    assert list(caught.value.failed) == ["g1"]
    server.say["POST /api/campaigns/c1/devices/things"] = answer({"not_processed_thing_ids": ["t1"]})
    with pytest.raises(PartlyDone, match=r"process t1$") as caught:
        run(server, Verb.THINGS, gateways=("g1",), things={"g1": ("t1", "t2")})
    assert caught.value.failed == {"g1": "the server did not process t1"}


def test_an_override_may_wait_for_an_upload() -> None:
    server = campaign()
    run(server, Verb.OVERRIDE, gateways=("g1",), packages=("p1", PendingUpload(SHA)))
    assert server.seen[0][1]["packages"] == ["p1", "p-new"]
    with pytest.raises(ReconcilerError, match="was not uploaded"):
        run(server, Verb.OVERRIDE, Bindings({ME: "c1"}), gateways=("g1",), packages=(PendingUpload(SHA),))


def test_a_step_needs_the_campaign_that_a_step_before_made() -> None:
    with pytest.raises(ReconcilerError, match="Campaign/winter has no id on the server yet"):
        run(Fake(), Verb.STOP, Bindings())


# create


FIELDS = CampaignFields("winter", "d", ("p1", PendingUpload(SHA)), {"a": "b"})


def test_a_create_looks_whether_the_name_is_free_and_gives_the_id() -> None:
    server = Fake({"c9": {"id": "c9", "name": "winter is coming", "status": "STARTED"}})
    assert run(server, Verb.CREATE, fields=FIELDS) == Result(created="new")
    assert server.lines == ["GET /api/campaigns", "POST /api/campaigns"]
    assert server.seen[1][1] == {
        "name": "winter",
        "description": "d",
        "packages": ["p1", "p-new"],
        "campaignSettings": {"settings": {"a": "b"}},
    }


def test_a_create_never_makes_a_second_of_its_name() -> None:
    server = campaign()
    with pytest.raises(Refused, match="the name 'winter' has meanwhile been taken by campaign c1"):
        run(server, Verb.CREATE, fields=FIELDS)
    assert server.lines == ["GET /api/campaigns"]


# edit


def test_an_edit_of_everything_reads_nothing() -> None:
    server = campaign()
    assert run(server, Verb.EDIT, fields=FIELDS) == Result()
    assert server.lines == ["PUT /api/campaigns/c1"]


@pytest.mark.parametrize(
    ("description", "packages", "sent"),
    [
        (None, None, ("live", ["p7"])),
        ("new", None, ("new", ["p7"])),
        (None, ("p1",), ("live", ["p1"])),
        ("", (), ("", [])),
    ],
)
def test_an_edit_sends_the_live_value_of_what_is_not_managed(
    description: str | None, packages: tuple[str, ...] | None, sent: tuple[str, list[str]]
) -> None:
    server = campaign(description="live", packages={"packages": ["p7"]})
    run(server, Verb.EDIT, fields=CampaignFields("winter", description, packages))
    spec = server.seen[-1][1]["updateSpec"]
    assert spec == {"name": "winter", "description": sent[0], "packages": sent[1]}


@pytest.mark.parametrize("verb", [Verb.EDIT, Verb.START, Verb.STOP])
def test_a_step_on_a_campaign_that_is_gone_is_refused(verb: Verb) -> None:
    server = Fake()
    with pytest.raises(Refused, match="campaign c1 is no longer there") as caught:
        run(server, verb)
    assert Refusal.NO_SUCH_OBJECT in caught.value.meaning
    assert len(server.seen) == 1


# approve and start


@pytest.mark.parametrize(
    ("status", "approve", "outcome", "writes"),
    [
        ("CREATED", False, OutcomeStatus.DONE, ["start"]),
        ("APPROVED", False, OutcomeStatus.DONE, ["start"]),
        ("STOPPED", True, OutcomeStatus.DONE, ["start"]),
        ("SOMETHING", False, OutcomeStatus.DONE, ["start"]),
        ("STARTED", True, OutcomeStatus.NOT_NEEDED, []),
        ("APPROVAL_NEEDED", False, OutcomeStatus.WAITING, []),
        ("APPROVAL_NEEDED", True, OutcomeStatus.DONE, ["approve", "start"]),
    ],
)
def test_a_start_reads_the_status_first(
    status: str, approve: bool, outcome: OutcomeStatus, writes: list[str]
) -> None:
    server = campaign(status)
    result = run(server, Verb.START, approve=approve)
    assert result.status is outcome
    assert server.lines == ["GET /api/campaigns/c1", *(f"PUT /api/campaigns/c1/{write}" for write in writes)]
    assert bool(result.message) is (writes != ["start"])


@pytest.mark.parametrize("status", ["STARTED", "SOMETHING_NEW"])
def test_what_may_be_running_is_stopped(status: str) -> None:
    server = campaign(status)
    assert run(server, Verb.STOP) == Result()
    assert server.lines == ["GET /api/campaigns/c1", "PUT /api/campaigns/c1/stop"]


@pytest.mark.parametrize("status", ["STOPPED", "CREATED", "APPROVAL_NEEDED"])
def test_a_stop_of_what_is_not_running_is_not_left_to_the_server(status: str) -> None:
    """It may take it in silence, and then a stop by a person would pass for ours."""
    server = campaign(status)
    with pytest.raises(Refused, match="it is not started") as caught:
        run(server, Verb.STOP)
    assert Refusal.MAY_HAVE_HAPPENED in caught.value.meaning
    assert server.lines == ["GET /api/campaigns/c1"]


@pytest.mark.parametrize("status", ["APPROVED", "APPROVAL_NEEDED"])
def test_somebody_else_may_approve_just_before_a_start(status: str) -> None:
    server = campaign("APPROVAL_NEEDED")
    pulse = provider(server)

    async def faster(request: Request) -> Response:
        if request.path.endswith("/approve"):
            server.campaigns["c1"]["status"] = status
            server.seen.append((str(request), None))
            return answer("already approved", 409)
        return await Fake.send(server, request)

    server.send = faster  # type: ignore[method-assign]
    start = step(Verb.START, approve=True)
    if status == "APPROVED":
        assert asyncio.run(pulse.writes.run(start, FOUND)).status is OutcomeStatus.DONE
        assert server.lines[-1] == "PUT /api/campaigns/c1/start"
    else:
        with pytest.raises(Refused, match="409 already approved"):
            asyncio.run(pulse.writes.run(start, FOUND))
        assert server.lines[-1] == "GET /api/campaigns/c1"


@pytest.mark.parametrize(
    ("status", "only_if_waiting", "outcome", "requests"),
    [
        ("CREATED", True, OutcomeStatus.NOT_NEEDED, 1),
        ("STARTED", True, OutcomeStatus.NOT_NEEDED, 1),
        ("APPROVAL_NEEDED", True, OutcomeStatus.DONE, 2),
        ("APPROVAL_NEEDED", False, OutcomeStatus.DONE, 1),
    ],
)
def test_an_approval_may_depend_on_what_the_server_asks_for(
    status: str, only_if_waiting: bool, outcome: OutcomeStatus, requests: int
) -> None:
    server = campaign(status)
    assert run(server, Verb.APPROVE, only_if_waiting=only_if_waiting).status is outcome
    assert len(server.seen) == requests


# upload


@pytest.mark.parametrize("mode", list(UploadMode))
def test_an_upload_bears_the_mark_of_its_content(tmp_path: Path, mode: UploadMode) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"content")
    file = PackageFile(SHA, path, "fw.zip", 7, SET, description="the firmware", mode=mode)
    server = Fake()
    assert run(server, Verb.UPLOAD, Bindings(), resource=SET, file=file) == Result(created="new")
    ((line, sent),) = server.seen
    assert line == "POST /api/programs/"
    if mode is UploadMode.STREAMING:
        assert sent == b"content"
    else:
        assert f"the firmware [sha256:{SHA[:16]}]".encode() in sent
        assert b'filename="fw.zip"' in sent


def test_a_description_leaves_room_for_the_mark(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"content")
    server = Fake()
    file = PackageFile(SHA, path, "fw.zip", 7, SET, description="d" * 102)
    assert run(server, Verb.UPLOAD, resource=SET, file=file).created == "new"
    with pytest.raises(Refused, match="has 103 characters") as caught:
        run(server, Verb.UPLOAD, resource=SET, file=replace(file, description="d" * 103))
    assert "At most 102" in (caught.value.hint or "")
    assert len(server.seen) == 1


# --- looking -------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [Verb.EDIT, Verb.DISTRIBUTE, Verb.OVERRIDE])
def test_what_is_safe_to_repeat_needs_no_look(verb: Verb) -> None:
    server = Fake()
    assert look(server, verb) == Readback(done=False)
    assert server.seen == []


def test_things_cannot_be_looked_at() -> None:
    with pytest.raises(ReconcilerError, match="nothing on the server tells whether things was done"):
        look(Fake(), Verb.THINGS)


def lines(*names: str) -> Fake:
    return Fake({f"c{n}": {"id": f"c{n}", "name": name, "status": "CREATED"} for n, name in enumerate(names)})


def test_a_create_is_found_again_by_its_exact_name() -> None:
    assert look(lines("a", "winter 2"), Verb.CREATE, fields=FIELDS) == Readback(done=False)
    assert look(lines("a", "winter"), Verb.CREATE, fields=FIELDS) == Readback(done=True, created="c1")
    with pytest.raises(ReconcilerError, match="2 campaigns named 'winter': c0 and c1") as caught:
        look(lines("winter", "winter"), Verb.CREATE, fields=FIELDS)
    assert not isinstance(caught.value, ServerError)
    assert caught.value.hint


def marked(*digests: str) -> Fake:
    return Fake(
        packages=[{"id": f"p{n}", "description": f"x [sha256:{d[:16]}]"} for n, d in enumerate(digests)]
    )


def test_an_upload_is_found_again_by_its_mark() -> None:
    other = "0" * 64
    values: dict[str, Any] = {"resource": SET, "file": A_FILE}
    assert look(marked(other), Verb.UPLOAD, **values) == Readback(done=False)
    assert look(marked(other, SHA), Verb.UPLOAD, **values) == Readback(done=True, created="p1")
    with pytest.raises(ReconcilerError, match=r"2 packages marked \[sha256:[0-9a-f]{16}\]: p0 and p1"):
        look(marked(SHA, SHA), Verb.UPLOAD, **values)


MEMBERS: list[dict[str, Any]] = [
    {"gatewayId": "g1"},
    {"gatewayId": "g2", "closed": True},
    {"gatewayId": "g9"},
]


@pytest.mark.parametrize(
    ("verb", "gateways", "remaining"),
    [
        (Verb.ADD, ("g1", "g2"), ()),
        (Verb.ADD, ("g1", "g3", "g4"), ("g3", "g4")),
        (Verb.ADD, ("g3",), ("g3",)),
        (Verb.REMOVE, ("g3", "g4"), ()),
        (Verb.REMOVE, ("g1", "g3", "g9"), ("g1", "g9")),
        (Verb.CLOSE, ("g2",), ()),
        (Verb.CLOSE, ("g1",), ("g1",)),
    ],
)
def test_a_look_says_which_gateways_are_still_to_do(
    verb: Verb, gateways: tuple[str, ...], remaining: tuple[str, ...]
) -> None:
    sight = look(Fake(gateways=MEMBERS), verb, gateways=gateways)
    assert sight == Readback(done=not remaining, remaining=remaining)


STATUSES = ["CREATED", "APPROVED", "APPROVAL_NEEDED", "STARTED", "STOPPED", "SOMETHING"]
DONE = {
    Verb.START: {"STARTED"},
    Verb.STOP: {"CREATED", "APPROVED", "APPROVAL_NEEDED", "STOPPED"},
    Verb.APPROVE: {"CREATED", "APPROVED", "STARTED", "STOPPED"},
    Verb.DELETE: set[str](),
}


@pytest.mark.parametrize("verb", list(DONE))
@pytest.mark.parametrize("status", STATUSES)
def test_a_look_reads_the_status(verb: Verb, status: str) -> None:
    server = campaign(status)
    assert look(server, verb, target="c1") == Readback(done=status in DONE[verb])
    assert server.lines == ["GET /api/campaigns/c1"]


@pytest.mark.parametrize("verb", list(DONE))
def test_of_a_campaign_that_is_gone_only_the_deletion_is_done(verb: Verb) -> None:
    assert look(Fake(), verb, target="c1") == Readback(done=verb is Verb.DELETE)


def test_a_deleted_package_is_gone() -> None:
    values: dict[str, Any] = {"resource": SET, "target": "p0"}
    assert look(Fake(), Verb.DELETE_PACKAGE, **values) == Readback(done=True)
    assert look(marked(SHA), Verb.DELETE_PACKAGE, **values) == Readback(done=False)


# --- reads of the provider -----------------------------------------------------------------------


def test_the_provider_reads_through_its_client() -> None:
    server = Fake(
        {"c1": {"id": "c1", "name": "winter", "status": "STARTED"}}, MEMBERS, [{"id": "p1", "name": "a"}]
    )
    server.say["GET /api/campaigns/c1/distribution-list"] = answer({"distributionListId": "d1"})
    for gateway in ("g1", "g2"):
        line = f"GET /api/campaigns/c1/devices/{gateway}/packages"
        server.say[line] = answer({"packages": [f"p-{gateway}"]})
    pulse = provider(server).reads

    async def main() -> None:
        assert [line.id for line in await pulse.campaigns()] == ["c1"]
        assert await pulse.campaigns(["other"]) == ()
        assert (await pulse.campaign("c1")) is not None
        assert len(await pulse.gateways("c1")) == 3
        assert await pulse.distribution_list("c1") == DistributionList("d1")
        assert await pulse.overrides("c1", {"g2", "g1"}) == {"g1": ("p-g1",), "g2": ("p-g2",)}
        assert [package.id for package in await pulse.packages()] == ["p1"]
        assert [package.id for package in await pulse.packages(["a", "b"])] == ["p1"]
        found = await pulse.package("p1")
        assert found is not None
        assert found.name == "a"

    asyncio.run(main())
    assert sum(pulse.requests.values()) == len(server.seen)


def test_an_unclear_write_is_raised_as_it_is() -> None:
    server = campaign()
    server.say["PUT /api/campaigns/c1/approve"] = answer("Unknown internal server error", 500)
    with pytest.raises(Unclear, match="500 Unknown internal server error"):
        run(server, Verb.APPROVE)
    assert len(server.seen) == 1
