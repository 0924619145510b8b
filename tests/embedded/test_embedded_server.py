"""The embedded server as a process: over TCP, in process, over restarts, until a signal; and its database."""

import asyncio
import gc
import os
import select
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from reconciler.embedded import EmbeddedError, Running, create_app, serve
from reconciler.embedded.schema import VERSION
from reconciler.embedded.store import Store

PROGRAM = """
import sys
from reconciler.embedded import serve
serve(sys.argv[1], token="t", approval_needed=True, ready=lambda url: print(url, flush=True))
print("ended", flush=True)
"""


def headers(token: str = "t") -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_server_cleanly(tmp_path: Path, kind: signal.Signals) -> None:
    database = tmp_path / "deep" / "server.db"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(database)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 60)[0], "the server did not start"
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        with httpx.Client(base_url=url, headers=headers()) as api:
            campaign_id = api.post("/api/campaigns", json={"name": "n"}).json()["uuid"]
            # The client keeps its connection open: that must not hold the server up.
            process.send_signal(kind)
            out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out, err) == (0, "ended\n", "")
    # Closed cleanly: everything is in the one file, and it is its owner's.
    assert [file.name for file in database.parent.iterdir()] == ["server.db"]
    assert database.stat().st_mode & 0o077 == 0
    with Running(database) as running:
        answer = httpx.get(f"{running.url}/api/campaigns/{campaign_id}").json()
        assert answer["status"] == "APPROVAL_NEEDED"


def test_everything_is_kept_over_a_restart(tmp_path: Path) -> None:
    database = tmp_path / "server.db"

    def world(api: httpx.Client) -> list[object]:
        paths = [
            "/api/campaigns",
            "/api/programs",
            f"/api/campaigns/{campaign_id}/devices",
            f"/api/campaigns/{campaign_id}/devices/gw-1/packages",
            f"/api/campaigns/{campaign_id}/distribution-list",
            f"/api/campaigns/{campaign_id}/status",
            f"/_embedded/campaigns/{campaign_id}",
            f"/_embedded/campaigns/{campaign_id}/devices/gw-1",
            f"/_embedded/programs/{package}",
            "/_embedded/settings",
        ]
        answers = [api.get(path) for path in paths]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.json() for answer in answers]

    with Running(database, approval_needed=True) as running, httpx.Client(base_url=running.url) as api:
        package = api.post("/api/programs/", files={"file": ("a.zip", b"abc")}).json()["uuid"]
        spec = {"name": "n", "packages": [package], "campaignSettings": {"settings": {"k": "v"}}}
        campaign_id = api.post("/api/campaigns", json=spec).json()["uuid"]
        path = f"/api/campaigns/{campaign_id}"
        for method, tail, body in [
            ("POST", "devices", {"gatewayIds": ["gw-1", "gw-2", "gw-3"]}),
            ("PUT", "devices", {"gatewayIds": ["gw-2"]}),
            ("PUT", "devices/gw-1/packages", {"packages": [package, package]}),
            ("PUT", "devices/gw-1/scheduled-download", {"begin": "1", "end": "2"}),
            ("POST", "devices/things", {"gateway_things": [{"gateway_id": "gw-1", "thing_ids": ["t"]}]}),
            ("PUT", "devices/gw-1/notify", {}),
            ("PUT", "devices/gw-1/close", {}),
            ("PUT", "callbacks/completed", {"notificationDestinationId": "d"}),
            ("PUT", "distribution-list", {"distributionListId": "d", "reevaluationIntervalSeconds": "9"}),
            ("PUT", "approve", {}),
        ]:
            assert api.request(method, f"{path}/{tail}", json=body).status_code == 200
        api.put("/_embedded/settings", json={"maxPageSize": 50})
        before = world(api)
    with Running(database) as running, httpx.Client(base_url=running.url) as api:
        assert world(api) == before
        # New gateways come after the old ones, whatever was removed.
        api.post(f"{path}/devices", json={"gatewayIds": ["gw-4"]})
        found = api.get(f"{path}/devices").json()["gateways"]
        assert [one["gatewayId"] for one in found] == ["gw-1", "gw-3", "gw-4"]
    with Running(database, approval_needed=False) as running:
        assert httpx.get(f"{running.url}/_embedded/settings").json()["approvalNeeded"] is False


def test_an_app_in_process(tmp_path: Path) -> None:
    database = tmp_path / "server.db"

    async def work() -> tuple[str, int]:
        transport = httpx.ASGITransport(app=create_app(database, record=True))
        async with httpx.AsyncClient(transport=transport, base_url="http://embedded") as api:
            campaign_id = (await api.post("/api/campaigns", json={"name": "n"})).json()["uuid"]
            body = {"gatewayIds": ["a/b", "c"]}
            assert (await api.post(f"/api/campaigns/{campaign_id}/devices", json=body)).status_code == 200
            state = await api.get(f"/api/campaigns/{campaign_id}/devices/a%2Fb/state")
            assert state.json() == {"state": "INSTANTIATED"}
            upload = await api.post("/api/programs/", files={"file": ("a.zip", b"x" * 2_000_000)})
            assert upload.status_code == 200
            calls = (await api.get("/_embedded/calls")).json()["calls"]
            assert [call["method"] for call in calls] == ["POST", "POST", "GET", "POST"]
            starts = [api.put(f"/api/campaigns/{campaign_id}/start") for _ in range(5)]
            statuses = [answer.status_code for answer in await asyncio.gather(*starts)]
            assert sorted(statuses) == [200, 409, 409, 409, 409]
            return campaign_id, len(calls)

    campaign_id, count = asyncio.run(work())
    assert count == 4
    # Nobody closed the app; with the last reference to it the database is closed, and another one goes on.
    gc.collect()
    assert [file.name for file in tmp_path.iterdir()] == ["server.db"]
    with Running(database) as running:
        assert httpx.get(f"{running.url}/api/campaigns/{campaign_id}").json()["status"] == "STARTED"


def test_many_clients_at_once() -> None:
    with Running() as running, httpx.Client(base_url=running.url) as api:
        campaign_id = api.post("/api/campaigns", json={"name": "n"}).json()["uuid"]

        def add(worker: int) -> list[int]:
            with httpx.Client(base_url=running.url) as own:
                bodies = [{"gatewayIds": [f"{worker}-{number}", f"shared-{number}"]} for number in range(20)]
                path = f"/api/campaigns/{campaign_id}/devices"
                return [own.post(path, json=body).status_code for body in bodies]

        with ThreadPoolExecutor(4) as pool:
            answers = [status for statuses in pool.map(add, range(4)) for status in statuses]
        assert (answers.count(200), answers.count(409)) == (20, 60)
        found = api.get(f"/api/campaigns/{campaign_id}/devices", params={"page.size": 1000}).json()
        assert found["pageResponse"]["totalElements"] == "40"
        assert len({one["gatewayId"] for one in found["gateways"]}) == 40


def test_two_servers_on_one_database(tmp_path: Path) -> None:
    database = tmp_path / "server.db"
    with Running(database) as one, Running(database) as other:
        campaign_id = httpx.post(f"{one.url}/api/campaigns", json={"name": "n"}).json()["uuid"]
        assert httpx.get(f"{other.url}/api/campaigns/{campaign_id}").json()["name"] == "n"


def test_a_server_can_come_back_to_its_address(tmp_path: Path) -> None:
    with Running() as first:
        httpx.get(f"{first.url}/api/versions")
    port = int(first.url.rpartition(":")[2])
    with Running(port=port) as second:
        assert second.url == first.url
        with pytest.raises(EmbeddedError, match=f"can't listen on 127.0.0.1:{port}: .*port 0"):
            serve(":memory:", port=port)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("not a host", 0), ("203.0.113.1", 0)])
def test_an_address_that_is_none_is_said(host: str, port: int) -> None:
    with pytest.raises(EmbeddedError, match="can't listen on"), Running(host=host, port=port):
        pytest.fail("it started")


def test_ipv6() -> None:
    with Running(host="::1") as running:
        assert running.url.startswith("http://[::1]:")
        assert httpx.get(f"{running.url}/api/versions").status_code == 200


def test_serving_in_a_thread_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Running():
        assert signal.getsignal(signal.SIGTERM) is before


def test_serving_in_the_main_thread_gives_signals_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    urls: list[str] = []

    def ready(url: str) -> None:
        urls.append(url)
        os.kill(os.getpid(), signal.SIGTERM)

    serve(":memory:", ready=ready)
    assert len(urls) == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_serving_needs_nobody_to_be_told() -> None:
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    previous = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        timer.start()
        serve(":memory:")
    finally:
        timer.join()
        signal.signal(signal.SIGINT, previous)


def test_a_server_that_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "reconciler.embedded.tcp._Server.serve_until_told", lambda self: self._listener.close()
    )
    monkeypatch.setattr("reconciler.embedded.tcp._START_SECONDS", 0.01)
    with pytest.raises(EmbeddedError, match="did not start"), Running():
        pytest.fail("it started")


def test_a_database_that_is_none_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.db"
    text.write_text("these are notes and not a database, for sure" * 10)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    newer = tmp_path / "newer.db"
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    below = text / "server.db"
    for path, reason in (
        (text, "not a database"),
        (other, "is not a database of the embedded server"),
        (newer, f"has format {VERSION + 1}"),
        (tmp_path, "directory"),
        (below, "exists|directory"),
    ):
        with pytest.raises(EmbeddedError, match=f"can't use its database .*({reason})"):
            create_app(path)
        with pytest.raises(EmbeddedError), Running(path):
            pytest.fail("it started")


def test_a_store_is_all_or_nothing_and_can_be_closed_twice() -> None:
    store = Store(":memory:")
    insert = "INSERT INTO settings VALUES (?, '1')"

    def fail(first: str, *values: str) -> None:
        with store.transaction(write=True) as db:
            db.execute(first, values)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail(insert, "a")
    with store.transaction(write=True) as db:
        db.execute(insert, ("b",))
    # SQLite itself may end a transaction when it fails; then the failure is what counts.
    with pytest.raises(RuntimeError):
        fail("ROLLBACK")
    with store.transaction(write=False) as db:
        assert [row["key"] for row in db.execute("SELECT key FROM settings")] == ["b"]
    store.close()
    store.close()


def test_a_call_that_is_cut_off_is_forgotten(server: Running, api: httpx.Client) -> None:
    """The client says that more will come, and hangs up: nothing is stored, and the server goes on."""
    sent = threading.Event()

    def half() -> "list[bytes]":
        sent.set()
        raise OSError("the cable is out")

    def content() -> object:
        yield b"x" * 1000
        half()

    with pytest.raises(OSError, match="cable"):
        api.post("/api/programs/", content=content(), headers={"Content-Disposition": "a; filename=x"})  # type: ignore[arg-type]
    assert sent.is_set()
    assert api.get("/api/programs").json()["programs"] == []


def test_a_server_whose_loop_sleeps_long_ends_at_once() -> None:
    """What its loop waits for seems far away; in a process of its own, for all loops share a clock."""
    code = """if True:
        import time
        from reconciler.embedded import Running
        clock = time.monotonic
        with Running() as server:
            time.monotonic = lambda: 0.0
            time.sleep(0.3)
            time.monotonic = clock
        """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
