"""What every state store promises, whatever it keeps the state in.

A new kind of store joins by a parameter of the fixture `place`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import reconciler
from reconciler.errors import StateLocked, WrongServer
from reconciler.model import Kind, OnRemove, ResourceId, Server
from reconciler.state.base import (
    BracketClosed,
    BracketOpened,
    CampaignForgotten,
    CampaignOwned,
    Event,
    FieldApplied,
    Intent,
    IntentDropped,
    IntentNoted,
    OnRemoveSet,
    Origin,
    Owned,
    PackageForgotten,
    PackageUploaded,
    Session,
    StateStore,
    StatusSet,
    Uploaded,
    fold,
    upload_key,
)
from reconciler.state.stores import open_store

SERVER = Server("pulse", "https://pulse.example.com", "blue")
LINE_3 = ResourceId(Kind.CAMPAIGN, "line-3")
LINE_4 = ResourceId(Kind.CAMPAIGN, "line-4")
FIRMWARE = ResourceId(Kind.PACKAGE_SET, "firmware")
SHA = "ab" * 32

EVERY_EVENT: tuple[Event, ...] = (
    IntentNoted(Intent("Campaign/line-3", "Line 3")),
    CampaignOwned(Owned(LINE_3, "c-1", Origin.CREATED)),
    StatusSet(LINE_3, "STARTED"),
    BracketOpened(LINE_3, "STARTED"),
    BracketClosed(LINE_3),
    FieldApplied(LINE_3, "settings", {"LEVEL": {"value": "debug"}, "KEY": {"digest": "9f86"}}),
    FieldApplied(LINE_3, "callbacks", ["not", "for", "long"]),
    FieldApplied(LINE_3, "callbacks", None),
    OnRemoveSet(LINE_3, OnRemove.ABANDON),
    StatusSet(LINE_3, None),
    CampaignOwned(Owned(LINE_4, "c-2", Origin.ADOPTED, applied={"things": {"gw-1": ("t-1", "t-2")}})),
    CampaignForgotten(LINE_4),
    IntentNoted(Intent(upload_key(SHA), "fw.bin")),
    PackageUploaded(Uploaded(SHA, "p-1", "fw.bin", FIRMWARE)),
    PackageUploaded(Uploaded("cd" * 32, "p-2", "old.bin", FIRMWARE)),
    PackageForgotten("cd" * 32),
    IntentNoted(Intent("Campaign/line-5", "Line 5")),
    IntentNoted(Intent("Campaign/line-6", "Straße 6 \u2028 \ud800")),
    IntentDropped("Campaign/line-5"),
)


@dataclass
class Worker:
    """A process of `state_process.py`."""

    process: subprocess.Popen[str]

    def hears(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().rstrip("\n")

    def records(self, key: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{key}\n")
        self.process.stdin.flush()
        assert self.hears() == "recorded"

    def leaves(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        assert self.hears() == "left"
        assert self.process.wait() == 0


@dataclass
class Place:
    """Where the states of one test are; `url` and `root` name the same one to every process."""

    url: str
    root: Path
    stack: ExitStack = field(default_factory=ExitStack)

    def store(self) -> StateStore:
        return open_store(self.url, root=self.root)

    def worker(self, action: str, *, timeout: float = 0) -> Worker:
        program = Path(__file__).with_name("state_process.py")
        # The process is to run the code that is tested, installed or not.
        environment = {**os.environ, "PYTHONPATH": str(Path(reconciler.__file__).parents[1])}
        command = [sys.executable, str(program), action, self.url, str(self.root), str(timeout)]
        process = self.stack.enter_context(
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
        )
        self.stack.callback(process.kill)
        worker = Worker(process)
        assert worker.hears() == "starting"
        return worker

    def holder(self) -> Worker:
        worker = self.worker("hold")
        assert worker.hears() == "locked"
        return worker


@pytest.fixture(params=["file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = Place("file:.reconciler/state.json", tmp_path)
    with place.stack:
        yield place


def test_nothing_loads_as_a_new_state_and_writes_nothing(place: Place) -> None:
    first, second = place.store().load(), place.store().load()
    assert (first.server, first.serial, first.campaigns, first.packages, first.intents) == (
        None,
        0,
        {},
        {},
        {},
    )
    assert first.lineage != second.lineage
    assert len(first.salt) == 32
    assert int(first.salt, 16) != int(second.salt, 16)
    assert not any(place.root.iterdir())


def test_what_is_recorded_is_in_the_session_and_in_the_next_load(place: Place) -> None:
    with place.store().locked(SERVER, "apply") as session:
        for event in EVERY_EVENT:
            session.record(event)
            assert place.store().load() == session.state, "a reader sees it as soon as it is recorded"
        recorded = session.state
    after = place.store().load()
    assert after.server == SERVER
    assert (after.lineage, after.salt) == (recorded.lineage, recorded.salt)
    assert after.serial > 0
    assert dict(after.campaigns) == {
        LINE_3: Owned(
            LINE_3,
            "c-1",
            Origin.CREATED,
            OnRemove.ABANDON,
            applied={"settings": {"LEVEL": {"value": "debug"}, "KEY": {"digest": "9f86"}}},
        )
    }
    assert dict(after.packages) == {SHA: Uploaded(SHA, "p-1", "fw.bin", FIRMWARE)}
    assert dict(after.intents) == {
        "Campaign/line-6": Intent("Campaign/line-6", "Straße 6 \u2028 \ud800"),
    }


def test_one_call_may_record_many_events(place: Place) -> None:
    with place.store().locked(SERVER, "apply") as session:
        session.record(*EVERY_EVENT)
        session.record()
        recorded = session.state
    after = place.store().load()
    assert after.campaigns == recorded.campaigns == fold(place.store().load(), EVERY_EVENT).campaigns


def test_a_session_goes_on_where_the_last_one_ended(place: Place) -> None:
    serials = []
    for number in range(3):
        with place.store().locked(SERVER, "apply") as session:
            assert len(session.state.intents) == number
            session.record(IntentNoted(Intent(f"Campaign/{number}", "name")))
        serials.append(place.store().load().serial)
    assert serials == sorted(set(serials))


def test_a_session_without_a_record_changes_nothing(place: Place) -> None:
    with place.store().locked(SERVER, "apply") as session:
        session.record(EVERY_EVENT[0])
    before = place.store().load()
    with place.store().locked(SERVER, "apply") as session:
        assert session.state == before
    assert place.store().load() == before


def test_values_are_what_a_load_gives_and_nobody_elses(place: Place) -> None:
    mine: dict[str, Any] = {"gw-1": ["t-1"]}
    with place.store().locked(SERVER, "apply") as session:
        session.record(CampaignOwned(Owned(LINE_3, "c-1", Origin.CREATED)))
        session.record(FieldApplied(LINE_3, "things", {"gw-1": ("t-1",)}))
        session.record(FieldApplied(LINE_3, "closed", mine))
        mine["gw-1"].append("t-2")
        assert session.state.campaigns[LINE_3].applied == {
            "things": {"gw-1": ["t-1"]},
            "closed": {"gw-1": ["t-1"]},
        }


def test_an_error_in_a_session_keeps_what_was_recorded_and_unlocks(place: Place) -> None:
    def interrupted(session: Session) -> None:
        session.record(EVERY_EVENT[0])
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"), place.store().locked(SERVER, "apply") as session:
        interrupted(session)
    assert list(place.store().load().intents) == ["Campaign/line-3"]
    with place.store().locked(SERVER, "apply") as session:
        assert list(session.state.intents) == ["Campaign/line-3"]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_killed_process_loses_nothing_and_holds_nothing(place: Place, count: int) -> None:
    keys = [f"Campaign/{number}" for number in range(count)]
    holder = place.holder()
    for key in keys:
        holder.records(key)
    holder.process.kill()
    holder.process.wait()
    assert list(place.store().load().intents) == keys
    with place.store().locked(SERVER, "apply") as session:
        assert list(session.state.intents) == keys
        session.record(IntentNoted(Intent("Campaign/after", "name")))
        assert place.store().load() == session.state
    after = place.store().load()
    assert sorted(after.intents) == sorted([*keys, "Campaign/after"])
    assert after.server == SERVER


def test_a_killed_process_that_recorded_nothing_leaves_nothing_to_mend(place: Place) -> None:
    holder = place.holder()
    holder.process.kill()
    holder.process.wait()
    assert place.store().load().serial == 0
    with place.store().locked(SERVER, "apply") as session:
        assert session.state.intents == {}


def test_of_two_one_runs_and_the_other_is_told_who_does(place: Place) -> None:
    holder = place.holder()
    loser = place.worker("try")
    told = loser.hears()
    assert loser.process.wait() == 1
    assert told.startswith("StateLocked: ")
    assert place.url in told
    assert f"process {holder.process.pid}" in told
    assert "'test hold'" in told
    assert os.uname().nodename in told
    with pytest.raises(StateLocked) as caught, place.store().locked(SERVER, "apply"):
        pass
    assert caught.value.message in told
    assert caught.value.hint
    assert "--lock-timeout" in caught.value.hint
    holder.records("Campaign/undisturbed")
    holder.leaves()
    assert list(place.store().load().intents) == ["Campaign/undisturbed"]


def test_who_waits_gets_it(place: Place) -> None:
    holder = place.holder()
    holder.records("Campaign/first")
    waiting = place.worker("hold", timeout=60)
    holder.leaves()
    assert waiting.hears() == "locked"
    waiting.records("Campaign/second")
    waiting.leaves()
    assert list(place.store().load().intents) == ["Campaign/first", "Campaign/second"]


def test_a_reader_needs_no_lock(place: Place) -> None:
    holder = place.holder()
    holder.records("Campaign/seen")
    assert list(place.store().load().intents) == ["Campaign/seen"]
    holder.leaves()


@pytest.mark.parametrize(
    "other",
    [
        Server("hawkbit", SERVER.url, SERVER.organization),
        Server(SERVER.provider, "https://other.example.com", SERVER.organization),
        Server(SERVER.provider, SERVER.url, "red"),
        Server(SERVER.provider, SERVER.url, None),
    ],
    ids=["provider", "url", "organization", "no organization"],
)
def test_another_server_is_refused(place: Place, other: Server) -> None:
    with place.store().locked(SERVER, "apply") as session:
        session.record(EVERY_EVENT[0])
    with pytest.raises(WrongServer) as caught, place.store().locked(other, "apply"):
        pytest.fail("the session was opened")
    for server in (SERVER, other):
        assert f"{server.provider} server {server}" in caught.value.message
    assert caught.value.hint
    with place.store().locked(SERVER, "apply") as session:
        assert session.state.server == SERVER


def test_the_server_is_bound_by_the_first_record_not_by_a_look(place: Place) -> None:
    with place.store().locked(Server("pulse", "https://elsewhere.example.com"), "apply") as session:
        assert session.state.server == Server("pulse", "https://elsewhere.example.com")
    with place.store().locked(SERVER, "apply") as session:
        session.record(EVERY_EVENT[0])
    assert place.store().load().server == SERVER


def test_a_session_takes_records_from_many_threads(place: Place) -> None:
    from concurrent.futures import ThreadPoolExecutor

    keys = [f"Campaign/{number}" for number in range(40)]
    with place.store().locked(SERVER, "apply") as session, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: session.record(IntentNoted(Intent(key, "name"))), keys))
        assert sorted(place.store().load().intents) == sorted(keys)
    assert sorted(place.store().load().intents) == sorted(keys)
