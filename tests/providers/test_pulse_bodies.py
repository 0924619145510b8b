"""What every operation sends: method, path and body as the reference's input examples show them."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from reconciler.model import (
    Callback,
    CallbackEvent,
    DistributionList,
    SchedulePhase,
    Secret,
    Window,
)
from reconciler.providers.pulse.client import PulseClient
from reconciler.providers.pulse.codec import bodies
from tests.providers.all_calls import AllCalls
from tests.providers.canned_server import Canned, answer, body_of, client, provider

Call = Callable[[PulseClient], Coroutine[Any, Any, Any]]

WINDOW = Window(1_770_000_000_000, 1_770_003_600_000)
EPOCH = {"begin": "1770000000000", "end": "1770003600000"}
SETTINGS: dict[str, str | Secret] = {"LEVEL": "info", "KEY": Secret("file key", "pa55")}
SENT: dict[str, tuple[Call, str, Any]] = {
    "create, only a name": (
        lambda c: c.create_campaign("winter"),
        "POST /api/campaigns",
        {"name": "winter"},
    ),
    "create, everything": (
        lambda c: c.create_campaign("winter", description="d", packages=["p1"], settings=SETTINGS),
        "POST /api/campaigns",
        {
            "name": "winter",
            "description": "d",
            "packages": ["p1"],
            "campaignSettings": {"settings": {"LEVEL": "info", "KEY": "pa55"}},
        },
    ),
    "create, everything empty": (
        lambda c: c.create_campaign("winter", description="", packages=[], settings={}),
        "POST /api/campaigns",
        {"name": "winter", "description": "", "packages": [], "campaignSettings": {"settings": {}}},
    ),
    "edit": (
        lambda c: c.edit_campaign("c1", "winter", description="d", packages=("p1",), settings={"a": "b"}),
        "PUT /api/campaigns/c1",
        {
            "updateSpec": {
                "name": "winter",
                "description": "d",
                "packages": ["p1"],
                "campaignSettings": {"settings": {"a": "b"}},
            },
            "campaignId": "c1",
        },
    ),
    "edit, nothing known of the settings": (
        lambda c: c.edit_campaign("c1", "winter", description="", packages=()),
        "PUT /api/campaigns/c1",
        {"updateSpec": {"name": "winter", "description": "", "packages": []}, "campaignId": "c1"},
    ),
    "delete": (lambda c: c.delete_campaign("c1"), "DELETE /api/campaigns/c1", None),
    "start": (lambda c: c.start_campaign("c1"), "PUT /api/campaigns/c1/start", {"campaignId": "c1"}),
    "stop": (lambda c: c.stop_campaign("c1"), "PUT /api/campaigns/c1/stop", {"campaignId": "c1"}),
    "approve": (lambda c: c.approve_campaign("c1"), "PUT /api/campaigns/c1/approve", {"campaignId": "c1"}),
    "add": (
        lambda c: c.add_gateways("c1", ("g1", "g2")),
        "POST /api/campaigns/c1/devices",
        {"gatewayIds": ["g1", "g2"], "campaignId": "c1"},
    ),
    "remove": (
        lambda c: c.remove_gateways("c1", ("g1",)),
        "PUT /api/campaigns/c1/devices",
        {"gatewayIds": ["g1"], "campaignId": "c1"},
    ),
    "distribution list": (
        lambda c: c.set_distribution_list("c1", DistributionList("d1", 300)),
        "PUT /api/campaigns/c1/distribution-list",
        {"distributionListId": "d1", "reevaluationIntervalSeconds": "300", "campaignId": "c1"},
    ),
    "distribution list, no interval": (
        lambda c: c.set_distribution_list("c1", DistributionList("d1")),
        "PUT /api/campaigns/c1/distribution-list",
        {"distributionListId": "d1", "campaignId": "c1"},
    ),
    "notify": (
        lambda c: c.notify("c1", "g1"),
        "PUT /api/campaigns/c1/devices/g1/notify",
        {"gatewayId": "g1", "campaignId": "c1"},
    ),
    "close": (
        lambda c: c.close_gateway("c1", "g1"),
        "PUT /api/campaigns/c1/devices/g1/close",
        {"gatewayId": "g1", "campaignId": "c1"},
    ),
    "packages of a gateway": (
        lambda c: c.assign_gateway_packages("c1", "g1", ["p1"]),
        "PUT /api/campaigns/c1/devices/g1/packages",
        {"gatewayId": "g1", "packages": ["p1"], "campaignId": "c1"},
    ),
    "schedule download": (
        lambda c: c.schedule("c1", "g1", SchedulePhase.DOWNLOAD, WINDOW),
        "PUT /api/campaigns/c1/devices/g1/scheduled-download",
        EPOCH,
    ),
    "schedule execution": (
        lambda c: c.schedule("c1", "g1", SchedulePhase.EXECUTION, WINDOW),
        "PUT /api/campaigns/c1/devices/g1/scheduled-execution",
        EPOCH,
    ),
    "schedule activation": (
        lambda c: c.schedule("c1", "g1", SchedulePhase.ACTIVATION, WINDOW),
        "PUT /api/campaigns/c1/devices/g1/scheduled-activation",
        EPOCH,
    ),
    "completed": (
        lambda c: c.register_callback("c1", CallbackEvent.COMPLETED, Callback("n1")),
        "PUT /api/campaigns/c1/callbacks/completed",
        {"notificationDestinationId": "n1", "campaignId": "c1"},
    ),
    "wake up": (
        lambda c: c.register_callback("c1", CallbackEvent.WAKE_UP, Callback("n1")),
        "PUT /api/campaigns/c1/callbacks/wake-up",
        {"notificationDestinationId": "n1", "campaignId": "c1"},
    ),
    "state change": (
        lambda c: c.register_callback(
            "c1", CallbackEvent.STATE_CHANGE, Callback("n1", frozenset({"FAILED", "DOWNLOAD_COMPLETE"}))
        ),
        "PUT /api/campaigns/c1/callbacks/state-change",
        {
            "notificationDestinationId": "n1",
            "trackedStates": ["DOWNLOAD_COMPLETE", "FAILED"],
            "campaignId": "c1",
        },
    ),
    "execution progress": (
        lambda c: c.register_callback("c1", CallbackEvent.EXECUTION_PROGRESS, Callback("n1")),
        "PUT /api/campaigns/c1/callbacks/execution-progress",
        {"notificationDestinationId": "n1", "campaignId": "c1"},
    ),
    "download progress": (
        lambda c: c.register_callback("c1", CallbackEvent.DOWNLOAD_PROGRESS, Callback("n1")),
        "PUT /api/campaigns/c1/callbacks/download-progress",
        {"notificationDestinationId": "n1", "campaignId": "c1"},
    ),
    "things": (
        lambda c: c.run_on_things("c1", {"g1": ("t1", "t2")}),
        "POST /api/campaigns/c1/devices/things",
        {"gateway_things": [{"gateway_id": "g1", "thing_ids": ["t1", "t2"]}]},
    ),
    "delete a package": (lambda c: c.delete_package("p1"), "DELETE /api/programs/p1", None),
}


@pytest.mark.parametrize(("call", "line", "body"), SENT.values(), ids=SENT.keys())
def test_a_write_sends_what_the_reference_shows(call: Call, line: str, body: Any) -> None:
    # Of a create and an upload the id is new; an answer to another call is about what was asked for.
    made = line.startswith("POST") and line.count("/") < 4
    canned = Canned(answer({"uuid": "new"} if made else {}))
    asyncio.run(call(AllCalls(provider(canned))))
    assert canned.lines == [line]
    sent = canned.seen[0]
    if body is None:
        assert sent.body is None
    else:
        assert list(body_of(sent)) == list(body), "the keys stand in the order of the reference"
        assert body_of(sent) == body
        assert sent.headers["Content-Type"] == "application/json"


READ: dict[str, tuple[Call, str, Any]] = {
    "campaign": (lambda c: c.campaign("c1"), "GET /api/campaigns/c1", {"id": "c1"}),
    "distribution list": (
        lambda c: c.distribution_list("c1"),
        "GET /api/campaigns/c1/distribution-list",
        {},
    ),
    "gateways": (lambda c: c.gateways("c1"), "GET /api/campaigns/c1/devices", {}),
    "packages of a gateway": (
        lambda c: c.gateway_packages("c1", "g1"),
        "GET /api/campaigns/c1/devices/g1/packages",
        {"packages": []},
    ),
    "package": (lambda c: c.package("p1"), "GET /api/programs/p1/file-info", {"id": "p1"}),
    "packages": (lambda c: c.packages(), "GET /api/programs", {}),
}


@pytest.mark.parametrize(("call", "line", "value"), READ.values(), ids=READ.keys())
def test_a_read_asks_as_the_reference_shows(call: Call, line: str, value: Any) -> None:
    canned = Canned(answer(value))
    asyncio.run(call(AllCalls(provider(canned))))
    assert canned.lines == [line]
    assert canned.seen[0].body is None


def test_an_empty_list_of_gateways_is_never_sent() -> None:
    canned = Canned(answer({}))
    for call in (client(canned).add_gateways, client(canned).remove_gateways):
        with pytest.raises(ValueError, match="never sent"):
            asyncio.run(call("c1", ()))
    assert canned.seen == []


def test_the_unit_of_a_schedule_is_one_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MILLISECONDS_PER_UNIT", 1000)
    assert bodies.window(WINDOW) == {"begin": "1770000000", "end": "1770003600"}


THINGS = {
    "nothing said": (b"", ()),
    "a word": (b"OK", ()),
    "as in the reference": (
        {"gateway_things": [{"gateway_id": "g1", "not_processed_thing_ids": ["t2", "t1"]}]},
        ("t1", "t2"),
    ),
    "elsewhere": (
        [{"not_processed_thing_ids": ["t1"]}, {"x": {"not_processed_thing_ids": ["t1", 3]}}],
        ("t1",),
    ),
    "null": ({"not_processed_thing_ids": None}, ()),
}


@pytest.mark.parametrize(("value", "left"), THINGS.values(), ids=THINGS.keys())
def test_things_that_were_not_processed_are_told(value: Any, left: tuple[str, ...]) -> None:
    assert asyncio.run(client(Canned(answer(value))).run_on_things("c1", {"g1": ["t1"]})) == left


def test_a_secret_stands_only_in_the_body() -> None:
    canned = Canned(answer({"uuid": "new"}))
    asyncio.run(client(canned).create_campaign("winter", settings=SETTINGS))
    assert "pa55" not in repr(canned.seen)
    assert json.dumps("pa55").encode() in (canned.seen[0].body or b"")  # type: ignore[operator]
