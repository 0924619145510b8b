"""Callbacks: the five kinds, when they are made, and how they are delivered."""

import socket
from typing import Any

import pytest

from reconciler.embedded.simulation.courier import backoff_ms
from reconciler.embedded.simulation.settings import Simulation
from tests.embedded.embedded_lab import DAY, NOW, Lab, Receiver

KINDS = ("completed", "wake-up", "state-change", "execution-progress", "download-progress")


def destined(lab: Lab, receiver: Receiver, campaign: str, *kinds: str) -> None:
    answer = lab.put("/_embedded/destinations/d", {"url": receiver.url})
    assert answer == {"id": "d", "url": receiver.url}
    for kind in kinds:
        lab.call_back(campaign, kind)


def test_each_kind_tells_what_it_is_about(lab: Lab, receiver: Receiver) -> None:
    lab.simulate(downloadBytesPerSecond=1000)
    package = lab.package("a.zip", 2000)
    campaign = lab.campaign("gw-1", packages=[package])
    destined(lab, receiver, campaign, *KINDS)
    lab.start(campaign)
    lab.step(DAY)
    by_event: dict[str, list[dict[str, Any]]] = {}
    for one in receiver.got:
        assert one.pop("campaignId") == campaign
        assert NOW <= int(one.pop("timestamp")) < NOW + DAY * 1000
        by_event.setdefault(one.pop("event"), []).append(one)
    ids = [one.pop("deliveryId") for events in by_event.values() for one in events]
    assert len(set(ids)) == len(ids) == len(receiver.got)
    assert by_event["wake-up"] == [{"gatewayId": "gw-1"}]
    assert len(by_event["state-change"]) == 13
    assert by_event["download-progress"] == [
        {
            "gatewayId": "gw-1",
            "state": state,
            "packagesProgress": [{"progress": progress, "total": "2000", "id": package}],
        }
        for state, progress in (("WAITING_FOR_DOWNLOAD", "1000"), ("DOWNLOAD_COMPLETE", "2000"))
    ]
    assert by_event["execution-progress"] == [
        {"gatewayId": "gw-1", "state": "EXECUTION_COMPLETE", "progress": ["1/1 a.zip: done"]}
    ]
    assert by_event["completed"] == [{}]


def test_only_tracked_states_are_told(lab: Lab, receiver: Receiver) -> None:
    campaign = lab.campaign("gw-1")
    destined(lab, receiver, campaign)
    lab.call_back(campaign, "state-change", "d", "FAILED", "DOWNLOAD_COMPLETE")
    lab.start(campaign)
    lab.step(DAY)
    assert receiver.events == [("state-change", "gw-1", "DOWNLOAD_COMPLETE")]


def test_gateways_are_woken_when_the_server_needs_them_to_poll(lab: Lab, receiver: Receiver) -> None:
    campaign = lab.campaign("gw-1", "gw-2")
    destined(lab, receiver, campaign, "wake-up")
    lab.schedule(campaign, "gw-1", "download", 10, DAY)
    lab.step(0)
    assert receiver.got == []
    lab.start(campaign)
    lab.step(0)
    assert [gateway for _, gateway, _ in receiver.events] == ["gw-1", "gw-2"]
    lab.schedule(campaign, "gw-2", "download", 10, DAY)
    lab.put(f"/api/campaigns/{campaign}/devices/gw-1/notify")
    lab.step(0)
    assert [gateway for _, gateway, _ in receiver.events[2:]] == ["gw-2", "gw-1"]


def test_completed_is_told_when_the_last_gateway_is_done(lab: Lab, receiver: Receiver) -> None:
    campaign = lab.campaign("gw-1", "gw-2", "gw-3", "gw-4")
    destined(lab, receiver, campaign, "completed")
    for gateway in ("gw-2", "gw-3", "gw-4"):
        lab.schedule(campaign, gateway, "download", 30 * DAY, 31 * DAY)
    lab.start(campaign)
    lab.step(DAY)
    assert lab.states(campaign) == {"ACTIVATION_COMPLETE": 1, "SCHEDULED_DOWNLOAD": 3}
    lab.put(f"/api/campaigns/{campaign}/devices/gw-2/close")
    lab.put(f"/api/campaigns/{campaign}/devices", {"gatewayIds": ["gw-3"]})
    lab.step(0)
    assert receiver.events == []
    lab.put(f"/api/campaigns/{campaign}/devices/gw-4/close")
    lab.step(0)
    assert receiver.events == [("completed", None, None)]
    # It was over; now it is not, and then it is once more.
    lab.add(campaign, "gw-5")
    lab.step(DAY)
    lab.put(f"/api/campaigns/{campaign}/devices", {"gatewayIds": ["gw-5"]})
    lab.step(DAY)
    assert receiver.events == [("completed", None, None)] * 2


def test_what_is_refused_is_sent_again_later(lab: Lab, receiver: Receiver) -> None:
    campaign = lab.campaign("gw-1")
    destined(lab, receiver, campaign, "wake-up")
    receiver.statuses += [500, 404]
    lab.start(campaign)
    assert lab.step(0)["callbacks"] == 1
    (pending,) = lab.deliveries(outcome="pending")
    assert pending["nextAttempt"] == str(NOW + 10_000)
    assert lab.step(9.999)["callbacks"] == 0
    assert lab.step(0.001)["callbacks"] == 1
    assert lab.step(19.999)["callbacks"] == 0
    assert lab.step(0.001)["callbacks"] == 1
    assert [one["deliveryId"] for one in receiver.got] == [pending["deliveryId"]] * 3
    (delivered,) = lab.deliveries(outcome="delivered", campaignId=campaign)
    assert delivered == {
        "deliveryId": pending["deliveryId"],
        "notificationDestinationId": "d",
        "outcome": "delivered",
        "createdOn": str(NOW),
        "nextAttempt": None,
        "attempts": [
            {"timestamp": str(NOW), "status": 500, "error": "The answer was 500."},
            {"timestamp": str(NOW + 10_000), "status": 404, "error": "The answer was 404."},
            {"timestamp": str(NOW + 30_000), "status": 204, "error": None},
        ],
        "payload": pending["payload"],
    }
    assert lab.deliveries(outcome="pending") == lab.deliveries(campaignId="other") == []


def test_at_last_it_is_given_up(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    lab.simulate(deliveryAttempts=3)
    lab.put("/_embedded/destinations/gone", {"url": f"http://127.0.0.1:{port}/"})
    campaign = lab.campaign("gw-1")
    lab.call_back(campaign, "completed", "nobody")
    lab.call_back(campaign, "wake-up", "gone")
    lab.start(campaign)
    lab.step(DAY)
    gone, unknown = lab.deliveries(outcome="failed")
    assert [one["status"] for one in gone["attempts"]] == [None] * 3
    assert "ConnectError" in gone["attempts"][0]["error"]
    assert unknown["attempts"][2]["error"] == "There is no destination 'nobody'."


def test_a_destination_that_is_made_known_later_gets_what_waits(lab: Lab, receiver: Receiver) -> None:
    campaign = lab.campaign("gw-1")
    lab.call_back(campaign, "wake-up")
    lab.start(campaign)
    lab.step(1)
    destined(lab, receiver, campaign)
    assert lab.get("/_embedded/destinations") == {"destinations": [{"id": "d", "url": receiver.url}]}
    lab.step(10)
    assert receiver.events == [("wake-up", "gw-1", None)]


def test_an_answer_that_never_comes_is_none(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.embedded.simulation.courier._TIMEOUT", 0.05)
    campaign = lab.campaign("gw-1", "gw-2", "gw-3")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        lab.put("/_embedded/destinations/d", {"url": url})
        lab.call_back(campaign, "wake-up")
        lab.simulate(deliveryAttempts=1)
        lab.start(campaign)
        # A batch ends when it takes too long; the next one goes on with what is left.
        assert lab.step(0)["callbacks"] == 3
    assert ["Timeout" in one["attempts"][0]["error"] for one in lab.deliveries(outcome="failed")] == [
        True
    ] * 3


def test_campaigns_are_called_back_side_by_side_each_in_order(lab: Lab, receiver: Receiver) -> None:
    lab.put("/_embedded/destinations/d", {"url": receiver.url})
    all_of_them = {name: lab.campaign(*(f"gw-{one}" for one in range(9)), name=name) for name in "abcd"}
    for campaign in all_of_them.values():
        lab.call_back(campaign, "wake-up")
        lab.start(campaign)
    assert lab.step(0)["callbacks"] == 36
    for campaign in all_of_them.values():
        mine = [one["gatewayId"] for one in receiver.got if one["campaignId"] == campaign]
        assert mine == [f"gw-{one}" for one in range(9)]


def test_the_log_can_be_emptied_and_is_bounded(
    lab: Lab, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = lab.campaign("gw-1")
    destined(lab, receiver, campaign, "state-change", "completed")
    lab.start(campaign)
    monkeypatch.setattr("reconciler.embedded.tables.deliveries.MAX_LOG", 4)
    lab.step(DAY)
    events = [one["payload"].get("state", "completed") for one in lab.deliveries()]
    assert events == [
        "SCHEDULED_ACTIVATION",
        "WAITING_FOR_ACTIVATION",
        "ACTIVATION_COMPLETE",
        "completed",
    ]
    assert lab.call("DELETE", "/_embedded/deliveries") == {"deleted": 4}
    assert lab.deliveries() == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://127.0.0.1/",
        "http://example.com/",
        "http://10.0.0.1/",
        "http:///path",
        "ftp://127.0.0.1",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        None,
    ],
)
def test_callbacks_stay_on_this_machine(lab: Lab, url: str | None) -> None:
    answer = lab.api.put("/_embedded/destinations/d", json={"url": url})
    assert answer.status_code == 400
    assert "url" in answer.json()["message"]
    assert lab.get("/_embedded/destinations") == {"destinations": []}


@pytest.mark.parametrize("url", ["http://localhost:8000/x", "http://[::1]:8000", "http://127.9.9.9/"])
def test_all_names_of_this_machine_are_good(lab: Lab, url: str) -> None:
    assert lab.put("/_embedded/destinations/d", {"url": url})["url"] == url


def test_an_unknown_outcome_is_refused(lab: Lab) -> None:
    answer = lab.api.get("/_embedded/deliveries", params={"outcome": "lost"})
    assert (answer.status_code, "delivered" in answer.json()["message"]) == (400, True)


def test_waiting_doubles_up_to_a_day() -> None:
    simulation = Simulation(delivery_attempts=100, delivery_backoff_seconds=10)
    assert [backoff_ms(attempts, simulation) for attempts in (1, 2, 3)] == [10_000, 20_000, 40_000]
    assert backoff_ms(99, simulation) == DAY * 1000
    assert backoff_ms(100, simulation) is None
