"""The clock of a server, what drives a simulated world while it runs, and both over a restart."""

import asyncio
import gc
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

from reconciler.embedded import Running, create_app
from reconciler.embedded.clock import Clock, Setting
from reconciler.embedded.middleware import http_time
from reconciler.embedded.schema import _FIRST, VERSION
from reconciler.embedded.simulation.courier import Courier
from reconciler.embedded.store import Store
from tests.embedded.embedded_lab import DAY, NOW, Lab, Receiver


def soon(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        threading.Event().wait(0.01)


class Hand:
    """A real clock that a test moves."""

    def __init__(self) -> None:
        self.ms = 5000

    def __call__(self) -> int:
        return self.ms


def test_a_clock_is_the_real_one_at_first() -> None:
    hand = Hand()
    clock = Clock(Setting(), hand)
    assert clock.now_ms() == 5000
    hand.ms = 9000
    assert (clock.now_ms(), clock.stands) == (9000, False)


def test_a_clock_can_be_moved_sped_up_paused_and_held() -> None:
    hand = Hand()
    clock = Clock(Setting(), hand)
    clock.change(now_ms=100, factor=10)
    hand.ms += 50
    assert clock.now_ms() == 600
    clock.change(paused=True)
    hand.ms += 50
    assert (clock.now_ms(), clock.stands) == (600, True)
    clock.change(paused=False, factor=0.5)
    hand.ms += 50
    assert clock.now_ms() == 625
    clock.hold(1000)
    hand.ms += 50
    assert (clock.now_ms(), clock.stands) == (1000, True)
    clock.release()
    hand.ms += 50
    assert (clock.now_ms(), clock.stands) == (1025, False)


def test_a_clock_runs_on_while_no_server_does() -> None:
    hand, store = Hand(), Store(":memory:")
    with store.transaction(write=True) as db:
        clock = Clock.load(db, hand)
        clock.change(now_ms=0, factor=2)
        clock.save(db)
        hand.ms += 100
        assert Clock.load(db, hand).now_ms() == 200
    store.close()


def test_the_clock_is_set_through_the_controls(lab: Lab) -> None:
    assert lab.get("/_embedded/clock") == {"now": str(NOW), "factor": 1.0, "paused": True}
    assert lab.put("/_embedded/clock", {"factor": 60}) == {"now": str(NOW), "factor": 60.0, "paused": True}
    lab.put("/_embedded/clock", {"now": str(NOW + 5)})
    assert lab.now == NOW + 5
    campaign = lab.get(f"/api/campaigns/{lab.campaign()}")
    assert campaign["creationTime"] == str(NOW + 5)
    assert lab.step(1.5) == {"now": str(NOW + 1505), "events": 0, "callbacks": 0}
    # Simulated gateways can't go back in time; without them the clock can.
    answer = lab.api.put("/_embedded/clock", json={"now": NOW})
    assert (answer.status_code, lab.now) == (409, NOW + 1505)
    lab.simulate(enabled=False)
    assert lab.put("/_embedded/clock", {"now": NOW})["now"] == str(NOW)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "clock", {"tomorrow": 1}),
        ("PUT", "clock", {"now": "soon"}),
        ("PUT", "clock", {"factor": 0}),
        ("PUT", "clock", {"factor": 1e9}),
        ("PUT", "clock", {"factor": True}),
        ("PUT", "clock", {"paused": 1}),
        ("POST", "clock/step", {}),
        ("POST", "clock/step", {"seconds": -1}),
        ("POST", "clock/step", {"seconds": "1"}),
        ("POST", "clock/step", {"seconds": 1e12}),
        ("POST", "clock/step", {"minutes": 1}),
    ],
)
def test_a_wrong_time_is_refused(lab: Lab, method: str, path: str, body: dict[str, object]) -> None:
    answer = lab.api.request(method, f"/_embedded/{path}", json=body)
    assert (answer.status_code, len(answer.json()["message"]) > 10) == (400, True)
    assert lab.get("/_embedded/clock") == {"now": str(NOW), "factor": 1.0, "paused": True}


@pytest.mark.parametrize("path", ["/api/campaigns", "/nothing", "/_embedded/clock"])
def test_answers_say_what_time_the_server_has(lab: Lab, path: str) -> None:
    lab.put("/_embedded/clock", {"now": NOW})
    assert lab.api.get(path).headers.get_list("date") == ["Fri, 15 Jan 2027 08:00:00 GMT"]


def test_a_time_that_no_calendar_has_is_not_said() -> None:
    assert http_time(1 << 60) == b""
    assert http_time(0) == b"Thu, 01 Jan 1970 00:00:00 GMT"


def test_time_that_runs_moves_the_world_by_itself(lab: Lab, receiver: Receiver) -> None:
    lab.put("/_embedded/destinations/d", {"url": receiver.url})
    campaign = lab.campaign("gw-1", "gw-2", packages=[lab.package()])
    lab.call_back(campaign, "completed")
    lab.start(campaign)
    lab.put("/_embedded/clock", {"factor": 100_000, "paused": False})
    # Nobody asks: the callback comes all the same.
    soon(lambda: receiver.got)
    assert receiver.events == [("completed", None, None)]
    assert lab.states(campaign) == {"ACTIVATION_COMPLETE": 2}
    # A pause ends it, and going on goes on.
    lab.put("/_embedded/clock", {"paused": True})
    lab.add(campaign, "gw-3")
    assert lab.state(campaign, "gw-3") == "INSTANTIATED"
    lab.put("/_embedded/clock", {"paused": False})
    soon(lambda: len(receiver.got) == 2)


def test_a_call_sees_the_world_as_it_is_by_now(lab: Lab) -> None:
    campaign = lab.campaign("gw-1", packages=[lab.package()])
    lab.start(campaign)
    lab.put("/_embedded/clock", {"paused": False})
    lab.put("/_embedded/clock", {"now": NOW + DAY * 1000})
    assert lab.state(campaign) == "ACTIVATION_COMPLETE"
    assert int(lab.inspect(campaign)["downloaded"].popitem()[1]) == 1


def test_a_world_that_is_far_behind_catches_up_in_pieces(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call waits for it, but not for ever; then it goes on without calls."""
    monkeypatch.setattr("reconciler.embedded.simulation.driver._BATCH", 2)
    campaign = lab.campaign("gw-1", "gw-2", "gw-3")
    lab.start(campaign)
    lab.put("/_embedded/clock", {"paused": False})
    lab.put("/_embedded/clock", {"now": NOW + DAY * 1000})
    assert lab.states(campaign) == {"ACTIVATION_COMPLETE": 3}
    monkeypatch.setattr("reconciler.embedded.simulation.driver._PATIENCE_SECONDS", 0.0)
    lab.add(campaign, "gw-4", "gw-5", "gw-6")
    lab.put("/_embedded/clock", {"now": NOW + 2 * DAY * 1000})
    soon(lambda: lab.states(campaign) == {"ACTIVATION_COMPLETE": 6})


def test_a_receiver_may_call_the_server_while_time_is_stepped(lab: Lab, lab_server: Running) -> None:
    """Its call is answered, at the time of the callback, and what it does counts in the same step."""
    campaign = lab.campaign("gw-1")
    times: list[int] = []

    with Receiver.listening() as receiver:

        class Poke(list[dict[str, object]]):
            def append(self, one: dict[str, object]) -> None:
                with Lab.at(lab_server) as other:
                    times.append(other.now)
                    if one["state"] != "ACTIVATION_COMPLETE":
                        other.put(f"/api/campaigns/{campaign}/devices/gw-1/notify")
                super().append(one)

        receiver.got = Poke()
        lab.put("/_embedded/destinations/d", {"url": receiver.url})
        lab.call_back(campaign, "state-change")
        lab.start(campaign)
        lab.step(DAY)
        assert times == [int(one["timestamp"]) for one in receiver.got]
    # One poll, then one notification after the other: all but the activation takes no time.
    assert times[-1] - times[0] == 30_000
    assert lab.now == NOW + DAY * 1000


def test_a_restart_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    def world(lab: Lab, campaign: str) -> list[object]:
        ids = [one["gatewayId"] for one in lab.members(campaign)]
        seen = [
            one["payload"] | {"campaignId": "", "timestamp": one["createdOn"]} for one in lab.deliveries()
        ]
        gateways = [lab.inspect(campaign, one) | {"downloaded": None} for one in ids]
        return [seen, gateways, lab.get("/_embedded/clock"), lab.get("/_embedded/simulation")]

    def begin(lab: Lab) -> str:
        lab.put("/_embedded/clock", {"now": NOW, "factor": 3, "paused": True})
        lab.simulate(enabled=True, failureRate=0.2, seed=5, downloadBytesPerSecond=100)
        lab.put("/_embedded/inventory", {"gateways": [{"gatewayId": f"gw-{one}"} for one in range(30)]})
        lab.put("/_embedded/distribution-lists/l", {"filter": {}})
        campaign = lab.campaign(packages=[lab.package(size=90_000)])
        body = {"distributionListId": "l", "reevaluationIntervalSeconds": "3600"}
        lab.put(f"/api/campaigns/{campaign}/distribution-list", body)
        lab.call_back(campaign, "state-change", "nowhere")
        lab.start(campaign)
        return campaign

    with Running() as running, Lab.at(running) as lab:
        campaign = begin(lab)
        lab.step(DAY)
        expected = world(lab, campaign)
    database = tmp_path / "server.db"
    with Running(database) as running, Lab.at(running) as lab:
        campaign = begin(lab)
        lab.step(2000)
        halfway = world(lab, campaign)
    with Running(database) as running, Lab.at(running) as lab:
        assert world(lab, campaign) == halfway
        lab.step(DAY - 2000)
        assert world(lab, campaign) == expected
        lab.add(campaign, "late")
        before = len(lab.deliveries())
    # A server whose time runs goes on by itself when it starts.
    edited = Store(database)
    with edited.transaction(write=True) as db:
        clock = Clock.load(db)
        clock.change(factor=1_000_000, paused=False)
        clock.save(db)
    edited.close()
    with Running(database) as running:
        store = running.app.state.context.store

        def told() -> bool:
            with store.transaction(write=False) as db:
                (count,) = db.execute("SELECT count(*) FROM deliveries").fetchone()
            return bool(count >= before + 13)

        soon(told)


def test_a_world_in_process_goes_on_in_every_event_loop(tmp_path: Path) -> None:
    apps = [create_app(tmp_path / "server.db")]

    async def asked(method: str, path: str, body: object = None) -> dict[str, str]:
        transport = httpx.ASGITransport(app=apps[0])
        async with httpx.AsyncClient(transport=transport, base_url="http://embedded") as api:
            answer = await api.request(method, path, json=body)
            assert answer.status_code == 200, answer.text
            found: dict[str, str] = answer.json()
            return found

    asyncio.run(asked("PUT", "/_embedded/simulation", {"enabled": True}))
    campaign = asyncio.run(asked("POST", "/api/campaigns", {"name": "n"}))["uuid"]
    path = f"/api/campaigns/{campaign}"
    asyncio.run(asked("POST", f"{path}/devices", {"gatewayIds": ["gw-1"]}))
    asyncio.run(asked("PUT", f"{path}/start"))
    asyncio.run(asked("POST", "/_embedded/clock/step", {"seconds": 1000}))
    state = asyncio.run(asked("GET", f"{path}/devices/gw-1/state"))["state"]
    assert state not in ("INSTANTIATED", "ACTIVATION_COMPLETE")
    asyncio.run(asked("POST", "/_embedded/clock/step", {"seconds": DAY}))
    assert asyncio.run(asked("GET", f"{path}/devices/gw-1/state"))["state"] == "ACTIVATION_COMPLETE"
    apps.clear()
    gc.collect()
    assert [file.name for file in tmp_path.iterdir()] == ["server.db"]


def test_trouble_with_the_database_holds_the_world_up_and_no_more(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("reconciler.embedded.simulation.driver._TROUBLE_SECONDS", 0.01)
    campaign = lab.campaign("gw-1")
    lab.call_back(campaign, "wake-up", "nowhere")
    whole, failed = Courier.attempt, threading.Event()

    async def full(*_: object) -> NoReturn:
        failed.set()
        raise sqlite3.OperationalError("the disk is full")

    monkeypatch.setattr(Courier, "attempt", full)
    lab.put("/_embedded/clock", {"paused": False})
    lab.start(campaign)
    assert failed.wait(20)
    monkeypatch.setattr(Courier, "attempt", whole)
    soon(lambda: lab.deliveries()[0]["attempts"])
    assert "the disk is full" in caplog.text


def test_a_store_that_is_closed_ends_the_task(tmp_path: Path) -> None:
    async def work() -> None:
        app = create_app(tmp_path / "server.db")
        context = app.state.context
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://embedded") as api:
            await api.put("/_embedded/simulation", json={"enabled": True})
        (task,) = [one for one in asyncio.all_tasks() if one.get_name() == "embedded-simulation"]
        context.store.close()
        context.driver.after_call()
        await asyncio.wait_for(task, 10)

    asyncio.run(work())


def test_a_database_of_the_first_format_is_brought_up(tmp_path: Path) -> None:
    database = tmp_path / "server.db"
    with closing(sqlite3.connect(database)) as connection:
        for statement in _FIRST:
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 1")
    with Running(database) as running, Lab.at(running) as lab:
        lab.put("/_embedded/clock", {"now": NOW, "paused": True})
        lab.simulate(enabled=True)
        campaign = lab.campaign("gw-1")
        lab.start(campaign)
        lab.step(DAY)
        assert lab.state(campaign) == "ACTIVATION_COMPLETE"
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
