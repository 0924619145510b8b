"""Simulated gateways go through campaigns: on polls, in their windows, at their pace, or they fail."""

import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.embedded.lifecycle import GATEWAY_STATES
from reconciler.embedded.simulation.machine import FINAL, PHASES, SCHEDULED
from tests.embedded.embedded_lab import DAY, NOW, Lab, Receiver

WINDOWS = {"download": (3600, 7200), "execution": (36_000, 39_600), "activation": (50_000, 60_000)}


def test_nothing_happens_unless_it_is_switched_on(lab: Lab) -> None:
    lab.simulate(enabled=False)
    campaign = lab.campaign("gw-1")
    lab.start(campaign)
    assert lab.step(DAY) == {"now": str(NOW + DAY * 1000), "events": 0, "callbacks": 0}
    assert lab.state(campaign) == "INSTANTIATED"
    # Switched on, it begins with what is there.
    lab.simulate(enabled=True)
    lab.step(DAY)
    assert lab.state(campaign) == "ACTIVATION_COMPLETE"


def test_a_gateway_goes_through_all_states_in_order(lab: Lab, receiver: Receiver) -> None:
    campaign = lab.campaign("gw-1", packages=[lab.package(size=10_000)])
    lab.put("/_embedded/destinations/d", {"url": receiver.url})
    lab.call_back(campaign, "state-change")
    lab.start(campaign)
    lab.step(DAY)
    assert [state for _, _, state in receiver.events] == list(GATEWAY_STATES[1:-1])
    times = [int(one["timestamp"]) for one in receiver.got]
    polls = [
        time
        for time, (_, _, state) in zip(times, receiver.events, strict=True)
        if "COMPLETE" not in str(state)
    ]
    assert len({time % 300_000 for time in polls}) == 1
    assert times == sorted(times)
    status = lab.get(f"/api/campaigns/{campaign}/devices/gw-1/status")
    assert status["timestamp"] == str(times[-1])


def test_work_takes_time_and_tells_its_progress(lab: Lab) -> None:
    lab.simulate(downloadBytesPerSecond=1000, executionSeconds=100, activationSeconds=50, headless=True)
    first, second = lab.package("a.zip", 8000), lab.package("b.zip", 500)
    campaign = lab.campaign("gw-1", packages=[first, second])
    path = f"/api/campaigns/{campaign}/devices/gw-1/progress"
    lab.start(campaign)

    def downloaded() -> list[str]:
        return [one["progress"] for one in lab.get(f"{path}/download")["packagesProgress"]]

    lab.until(campaign, "WAITING_FOR_DOWNLOAD")
    begun = lab.now
    lab.step(1.999)
    assert downloaded() == ["0", "0"]
    lab.step(0.001)
    assert downloaded() == ["2000", "0"]
    lab.step(6)
    assert downloaded() == ["8000", "0"]
    lab.step(0.5)
    assert (downloaded(), lab.state(campaign)) == (["8000", "500"], "DOWNLOAD_COMPLETE")
    assert lab.now == begun + 8500

    lab.until(campaign, "WAITING_FOR_EXECUTION")
    assert lab.get(f"{path}/execution") == {"progress": []}
    lab.step(100)
    assert lab.get(f"{path}/execution") == {"progress": ["1/2 a.zip: done"]}
    lab.step(100)
    assert lab.get(f"{path}/execution") == {"progress": ["1/2 a.zip: done", "2/2 b.zip: done"]}
    assert lab.state(campaign) == "EXECUTION_COMPLETE"

    lab.until(campaign, "WAITING_FOR_ACTIVATION")
    lab.step(49.999)
    assert lab.state(campaign) == "WAITING_FOR_ACTIVATION"
    lab.step(0.001)
    assert lab.state(campaign) == "ACTIVATION_COMPLETE"


def test_headless_packages_skip_the_waits_for_approval(lab: Lab, receiver: Receiver) -> None:
    headless, other = lab.package("a.zip"), lab.package("b.zip")
    lab.put("/_embedded/destinations/d", {"url": receiver.url})
    lab.simulate(headless=[headless])
    campaign = lab.campaign("gw-1", "gw-2", packages=[headless])
    lab.put(f"/api/campaigns/{campaign}/devices/gw-2/packages", {"packages": [headless, other]})
    lab.call_back(campaign, "state-change", "d", *(state for state in GATEWAY_STATES if "APPROVAL" in state))
    lab.start(campaign)
    lab.step(DAY)
    assert lab.states(campaign) == {"ACTIVATION_COMPLETE": 2}
    assert [gateway for _, gateway, _ in receiver.events] == ["gw-2"] * 3


def test_a_stopped_campaign_pauses_its_gateways(lab: Lab) -> None:
    lab.simulate(executionSeconds=1000)
    campaign = lab.campaign("gw-1", packages=[lab.package()])
    lab.step(DAY)
    assert lab.state(campaign) == "INSTANTIATED"
    lab.start(campaign)
    lab.until(campaign, "WAITING_FOR_EXECUTION")
    lab.step(999)
    lab.stop(campaign)
    lab.step(DAY)
    assert lab.state(campaign) == "WAITING_FOR_EXECUTION"
    lab.start(campaign)
    # The step that was under way begins again.
    lab.step(999)
    assert lab.state(campaign) == "WAITING_FOR_EXECUTION"
    lab.step(1)
    assert lab.state(campaign) == "EXECUTION_COMPLETE"


def test_closed_gateways_and_those_that_left_do_nothing(lab: Lab) -> None:
    campaign = lab.campaign("gw-1", "gw-2", "gw-3")
    lab.start(campaign)
    lab.put(f"/api/campaigns/{campaign}/devices/gw-1/close")
    lab.put(f"/api/campaigns/{campaign}/devices", {"gatewayIds": ["gw-2"]})
    lab.step(DAY)
    lab.add(campaign, "gw-2", "gw-4")
    assert lab.states(campaign) == {"INSTANTIATED": 3, "ACTIVATION_COMPLETE": 1}
    lab.step(DAY)
    assert lab.state(campaign, "gw-1") == "INSTANTIATED"
    assert lab.states(campaign) == {"INSTANTIATED": 1, "ACTIVATION_COMPLETE": 3}
    # What is set for a closed or a finished gateway changes nothing.
    for gateway in ("gw-1", "gw-2"):
        lab.schedule(campaign, gateway, "download", 3 * DAY, 4 * DAY)
        lab.put(f"/api/campaigns/{campaign}/devices/{gateway}/notify")
    assert lab.get("/_embedded/simulation")["gateways"] == {"active": 0, "waiting": 0}


def test_a_gateway_that_is_notified_polls_at_once(lab: Lab) -> None:
    campaign = lab.campaign("gw-1", packages=[lab.package()])
    lab.start(campaign)
    for state in GATEWAY_STATES[1:5]:
        lab.put(f"/api/campaigns/{campaign}/devices/gw-1/notify")
        lab.step(0)
        assert lab.state(campaign) == state
    # Work is not hurried by it.
    lab.put(f"/api/campaigns/{campaign}/devices/gw-1/notify")
    lab.step(0)
    assert lab.state(campaign) == "WAITING_FOR_DOWNLOAD"


@pytest.mark.parametrize("notified", [False, True])
def test_gateways_that_are_offline_poll_later(lab: Lab, notified: bool) -> None:
    lab.simulate(offlineRate=1, offlineHours=30)
    campaign = lab.campaign("gw-1")
    lab.start(campaign)
    lab.step(10 * 3600)
    # Neither a stop nor other settings let it begin anew, and nobody wakes it up.
    lab.stop(campaign)
    lab.start(campaign)
    lab.simulate(pollSeconds=60)
    if notified:
        lab.put(f"/api/campaigns/{campaign}/devices/gw-1/notify")
    lab.step(20 * 3600 - 1)
    assert lab.state(campaign) == "INSTANTIATED"
    lab.step(3600)
    assert lab.state(campaign) == "ACTIVATION_COMPLETE"


def test_so_many_gateways_are_offline(lab: Lab) -> None:
    lab.simulate(offlineRate=0.3)
    campaign = lab.campaign(*(f"gw-{number}" for number in range(200)))
    lab.start(campaign)
    lab.step(12 * 3600)
    assert 40 < lab.states(campaign)["INSTANTIATED"] < 80
    lab.step(DAY)
    assert lab.states(campaign) == {"ACTIVATION_COMPLETE": 200}


def test_a_poll_outside_of_the_window_leads_nowhere(lab: Lab) -> None:
    campaign = lab.campaign("gw-1")
    lab.start(campaign)
    lab.schedule(campaign, "gw-1", "download", 5000, 9000)
    lab.until(campaign, "SCHEDULED_DOWNLOAD")
    lab.put(f"/api/campaigns/{campaign}/devices/gw-1/notify")
    lab.step(4999 - (lab.now - NOW) / 1000)
    assert lab.state(campaign) == "SCHEDULED_DOWNLOAD"
    lab.step(301)
    assert lab.state(campaign) == "DOWNLOAD_COMPLETE"


def test_a_window_that_ended_unused_is_never_made_up_for(lab: Lab) -> None:
    campaign = lab.campaign("gw-1")
    lab.schedule(campaign, "gw-1", "execution", 0, 100)
    lab.start(campaign)
    lab.step(DAY)
    assert lab.state(campaign) == "SCHEDULED_EXECUTION"
    assert lab.get("/_embedded/simulation")["gateways"] == {"active": 0, "waiting": 1}
    assert lab.get("/_embedded/simulation")["nextEvent"] is None
    # A new one is used.
    lab.schedule(campaign, "gw-1", "execution", 2 * DAY, 3 * DAY)
    lab.step(3 * DAY)
    assert lab.state(campaign) == "ACTIVATION_COMPLETE"


def test_a_download_that_the_window_cuts_goes_on_in_the_next_one(lab: Lab) -> None:
    lab.simulate(downloadBytesPerSecond=1, pollSeconds=10)
    campaign = lab.campaign("gw-1", packages=[lab.package(size=4000)])
    lab.schedule(campaign, "gw-1", "download", 1000, 3500)
    lab.start(campaign)
    lab.step(DAY)
    assert lab.state(campaign) == "SCHEDULED_DOWNLOAD"
    progress = f"/api/campaigns/{campaign}/devices/gw-1/progress/download"
    assert lab.get(progress)["packagesProgress"][0]["progress"] == "2000"
    lab.schedule(campaign, "gw-1", "download", 2 * DAY, 2 * DAY + 2010)
    lab.step(DAY + 2010)
    assert lab.state(campaign) == "DOWNLOAD_COMPLETE"


def test_a_window_that_is_moved_away_puts_work_off(lab: Lab) -> None:
    lab.simulate(executionSeconds=1000)
    campaign = lab.campaign("gw-1", packages=[lab.package()])
    lab.start(campaign)
    lab.until(campaign, "WAITING_FOR_EXECUTION")
    lab.step(900)
    # That of another phase is none of its business.
    lab.schedule(campaign, "gw-1", "activation", 2 * DAY, 3 * DAY)
    lab.step(99)
    assert lab.state(campaign) == "WAITING_FOR_EXECUTION"
    lab.schedule(campaign, "gw-1", "execution", 2 * DAY, 3 * DAY)
    assert lab.state(campaign) == "SCHEDULED_EXECUTION"
    lab.step(DAY)
    assert lab.inspect(campaign)["executed"] == []
    lab.step(2 * DAY)
    assert lab.state(campaign) == "ACTIVATION_COMPLETE"


@given(
    windows=st.dictionaries(
        st.sampled_from(PHASES), st.tuples(st.integers(0, 20_000), st.integers(1, 8000)), max_size=3
    ),
    seed=st.integers(0, 99),
    stops=st.lists(st.integers(1, 9000), max_size=3),
    size=st.sampled_from([0, 1000, 600_000]),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_phase_is_worked_on_outside_of_its_window(
    lab: Lab, windows: dict[str, tuple[int, int]], seed: int, stops: list[int], size: int
) -> None:
    """Whatever the windows are, and wherever it is stopped: a phase is reported on inside its window."""
    lab.call("DELETE", "/_embedded/deliveries")
    lab.simulate(enabled=True, seed=seed, downloadBytesPerSecond=1000, executionSeconds=30)
    lab.simulate(failureRate={"execution": 0.2})
    begin = lab.now
    campaign = lab.campaign("gw-1", "gw-2", "gw-3", packages=[lab.package(size=size)])
    for kind in ("state-change", "download-progress", "execution-progress"):
        lab.call_back(campaign, kind, "nowhere")
    offset = (begin - NOW) // 1000
    for gateway in ("gw-1", "gw-2", "gw-3"):
        for phase, (start, length) in windows.items():
            lab.schedule(campaign, gateway, phase, offset + start, offset + start + length)
    for seconds in stops:
        lab.start(campaign)
        lab.step(seconds)
        lab.stop(campaign)
        lab.step(seconds / 2)
    lab.start(campaign)
    lab.step(DAY)
    for one in lab.deliveries():
        moment = (int(one["payload"]["timestamp"]) - begin) / 1000
        for phase in phases_of(one["payload"]):
            start, length = windows.get(phase, (0, 10**9))
            assert start <= moment <= start + length, one["payload"]
    waiting = lab.get("/_embedded/simulation")["gateways"]
    assert waiting["active"] == 0
    for state in lab.states(campaign):
        assert state in FINAL or state in {SCHEDULED[phase] for phase in windows}
    lab.put(f"/api/campaigns/{campaign}/stop")


def phases_of(payload: dict[str, Any]) -> list[str]:
    """The phase that was worked on when this was told."""
    if payload["event"] != "state-change":
        return [payload["event"].removesuffix("-progress")]
    begun = ("WAITING_FOR_{}", "{}_COMPLETE")
    return [phase for phase in PHASES if payload["state"] in [form.format(phase.upper()) for form in begun]]


def test_five_hundred_gateways_end_well_or_fail(lab: Lab, receiver: Receiver) -> None:
    flawed = lab.package("flawed.zip", size=20_000_000)
    lab.simulate(failures={flawed: 0.03}, seed=4)
    campaign = lab.campaign(*(f"gw-{number:03}" for number in range(500)), packages=[flawed])
    for number in range(500):
        for phase, (begin, end) in WINDOWS.items():
            lab.schedule(campaign, f"gw-{number:03}", phase, begin, end)
    lab.put("/_embedded/destinations/d", {"url": receiver.url})
    lab.call_back(campaign, "completed")
    lab.call_back(campaign, "state-change", "d", "FAILED")
    lab.start(campaign)
    before = time.process_time()
    lab.step(DAY)
    assert time.process_time() - before < 10
    states = lab.states(campaign)
    assert set(states) == set(FINAL)
    assert sum(states.values()) == 500
    assert 5 <= states["FAILED"] <= 30
    assert Counter(event for event, _, _ in receiver.events) == {
        "state-change": states["FAILED"],
        "completed": 1,
    }
    assert receiver.events[-1] == ("completed", None, None)
    for one in receiver.got[:-1]:
        assert "flawed.zip" in one["causedBy"]
        status = lab.get(f"/api/campaigns/{campaign}/devices/{one['gatewayId']}/status")
        assert status["causedBy"] == one["causedBy"]
        assert status["timestamp"] == one["timestamp"]


def run_of(lab: Lab, *, steps: list[float]) -> list[tuple[object, ...]]:
    """What happens to some gateways in a day that is stepped like this."""
    lab.simulate(enabled=True, failureRate=0.2, seed=11)
    campaign = lab.campaign(*(f"gw-{number}" for number in range(20)), packages=[lab.package(size=5_000_000)])
    for kind in ("state-change", "download-progress", "completed"):
        lab.call_back(campaign, kind, "nowhere")
    lab.start(campaign)
    for seconds in steps:
        lab.step(seconds)
    return [
        tuple(one["payload"].get(key) for key in ("timestamp", "event", "gatewayId", "state", "causedBy"))
        for one in lab.deliveries()
    ]


def test_a_day_is_the_same_in_one_step_and_in_many(lab: Lab) -> None:
    whole = run_of(lab, steps=[DAY])
    assert len(whole) > 300
    lab.call("DELETE", "/_embedded/deliveries")
    lab.simulate(enabled=False)
    lab.put("/_embedded/clock", {"now": NOW})
    assert run_of(lab, steps=[1, 0.5, 1000, 777.7, 5000, DAY]) == whole


def test_other_settings_hold_from_then_on(lab: Lab) -> None:
    campaign = lab.campaign("gw-1")
    lab.start(campaign)
    lab.simulate(pollSeconds=7 * DAY)
    lab.step(DAY)
    answer = lab.simulate(pollSeconds=1)
    assert (answer["pollSeconds"], answer["gateways"]) == (1, {"active": 1, "waiting": 0})
    lab.step(60)
    assert lab.state(campaign) == "ACTIVATION_COMPLETE"


def test_a_gateway_can_be_put_into_a_state(lab: Lab) -> None:
    campaign = lab.campaign("gw-1", "gw-2", packages=[lab.package()])
    lab.call_back(campaign, "state-change", "nowhere", "FAILED", "SCHEDULED_EXECUTION")
    lab.call_back(campaign, "completed", "nowhere")
    lab.start(campaign)
    path = f"/_embedded/campaigns/{campaign}/devices"
    lab.put(f"{path}/gw-1", {"state": "FAILED", "causedBy": "a test"})
    lab.put(f"{path}/gw-1", {"state": "FAILED", "causedBy": "a test"})
    lab.put(f"{path}/gw-2", {"state": "SCHEDULED_EXECUTION", "executed": ["a", "b", "c"]})
    lab.step(DAY)
    assert lab.states(campaign) == {"FAILED": 1, "ACTIVATION_COMPLETE": 1}
    told = [one["payload"] for one in lab.deliveries()]
    assert [(one.get("gatewayId"), one.get("causedBy")) for one in told] == [
        ("gw-1", "a test"),
        ("gw-2", None),
        (None, None),
    ]


def test_new_packages_hold_for_what_is_still_to_be_done(lab: Lab) -> None:
    lab.simulate(downloadBytesPerSecond=1)
    small, large = lab.package(size=10), lab.package(size=100_000)
    campaign = lab.campaign("gw-1", packages=[large])
    lab.start(campaign)
    lab.until(campaign, "WAITING_FOR_DOWNLOAD")
    lab.put(f"/api/campaigns/{campaign}/devices/gw-1/packages", {"packages": [small]})
    lab.step(10)
    assert lab.state(campaign) == "DOWNLOAD_COMPLETE"
    assert lab.inspect(campaign)["downloaded"] == {small: 10}


@pytest.mark.parametrize("status", ["STARTED", "CREATED"])
def test_a_distribution_list_adds_and_never_removes(lab: Lab, status: str) -> None:
    fleet = [
        {"gatewayId": f"gw-{number}", "attributes": {"site": "north" if number % 2 else "south", "kind": "a"}}
        for number in range(6)
    ]
    assert lab.put("/_embedded/inventory", {"gateways": fleet}) == {"gateways": 6}
    saved = lab.put("/_embedded/distribution-lists/l", {"filter": {"site": "north", "kind": "a"}})
    assert saved == {"id": "l", "filter": {"site": "north", "kind": "a"}, "gateways": 3}
    campaign = lab.campaign("gw-1", "gw-2")
    if status == "STARTED":
        lab.start(campaign)
    body = {"distributionListId": "l", "reevaluationIntervalSeconds": "600"}
    lab.put(f"/api/campaigns/{campaign}/distribution-list", body)

    def members() -> list[str]:
        return [one["gatewayId"] for one in lab.members(campaign)]

    lab.step(0)
    assert members() == ["gw-1", "gw-2", "gw-3", "gw-5"]
    # One is new, one has other attributes, one is gone and one was taken out: it comes back.
    more = {"gatewayId": "gw-9", "attributes": {"site": "north", "kind": "a", "more": "1"}}
    moved = {"gatewayId": "gw-5", "attributes": {"site": "south", "kind": "a"}}
    assert lab.call("POST", "/_embedded/inventory", {"gateways": [more, moved]}) == {"gateways": 2}
    lab.put(f"/api/campaigns/{campaign}/devices", {"gatewayIds": ["gw-3"]})
    lab.step(599)
    assert members() == ["gw-1", "gw-2", "gw-5"]
    lab.step(1)
    assert members() == ["gw-1", "gw-2", "gw-5", "gw-3", "gw-9"]
    lab.step(DAY)
    done = {"ACTIVATION_COMPLETE": 5} if status == "STARTED" else {"INSTANTIATED": 5}
    assert lab.states(campaign) == done
    found = lab.get("/_embedded/inventory", **{"page.size": 3, "page.number": 3})
    assert (found["pageResponse"]["totalElements"], found["gateways"]) == ("7", [more])
    # The whole inventory in the place of the one before, and all of it by a list without conditions.
    lab.put("/_embedded/inventory", {"gateways": [more]})
    lab.put("/_embedded/distribution-lists/l", {"filter": {}})
    assert lab.get("/_embedded/distribution-lists/l")["gateways"] == 1


def test_a_list_that_nobody_saved_has_no_gateways(lab: Lab) -> None:
    lab.put("/_embedded/inventory", {"gateways": [{"gatewayId": "gw-1"}]})
    campaign = lab.campaign()
    body = {"distributionListId": "nobody", "reevaluationIntervalSeconds": "60"}
    lab.put(f"/api/campaigns/{campaign}/distribution-list", body)
    assert lab.step(120)["events"] == 3
    assert lab.members(campaign) == []
    assert lab.api.get("/_embedded/distribution-lists/nobody").status_code == 404
    # Saved later, it is found; switched off and on, it is evaluated at once.
    lab.put("/_embedded/distribution-lists/nobody", {"filter": {}})
    lab.simulate(enabled=False)
    lab.simulate(enabled=True)
    lab.step(0)
    assert [one["gatewayId"] for one in lab.members(campaign)] == ["gw-1"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "inventory", {"gateways": ["gw-1"]}),
        ("PUT", "inventory", {"gateways": [{"attributes": {}}]}),
        ("PUT", "inventory", {"gateways": [{"gatewayId": "things"}]}),
        ("POST", "inventory", {"gateways": [{"gatewayId": "a"}, {"gatewayId": "a"}]}),
        ("POST", "inventory", {"gateways": [{"gatewayId": "a", "attributes": {"b": 1}}]}),
        ("PUT", "distribution-lists/l", {}),
        ("PUT", "distribution-lists/l", {"filter": {"a": ["b"]}}),
        ("PUT", "distribution-lists/l", {"filter": {str(number): "" for number in range(101)}}),
        ("PUT", "simulation", {"enabled": "yes"}),
    ],
)
def test_what_is_wrong_is_said(lab: Lab, method: str, path: str, body: dict[str, object]) -> None:
    answer = lab.api.request(method, f"/_embedded/{path}", json=body)
    assert (answer.status_code, len(answer.json()["message"]) > 10) == (400, True)
    assert lab.get("/_embedded/inventory")["gateways"] == []
