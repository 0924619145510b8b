"""What every state store promises, whatever it keeps the state in.

A new kind of store joins by a parameter of the fixture `place`.
"""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest

import reconciler
from reconciler.audit.chain import encode, link_of, verify
from reconciler.errors import StateError, StateLocked, WrongServer
from reconciler.model import Kind, OnRemove, Promotion, ResourceId, RolloutRecord, RolloutStatus, Server
from reconciler.state import journal, locks, state_format
from reconciler.state.base import (
    BracketClosed,
    BracketOpened,
    CampaignAbandoned,
    CampaignForgotten,
    CampaignOwned,
    CampaignReplaced,
    Event,
    FieldApplied,
    FieldsDeclared,
    FreezeEnded,
    Intent,
    IntentDropped,
    IntentNoted,
    LockInfo,
    MembersApplied,
    MembersForgotten,
    NoticeNoted,
    OnRemoveSet,
    Origin,
    Owned,
    PackageForgotten,
    PackageUploaded,
    PlanApplied,
    Predecessor,
    PredecessorEnded,
    PredecessorForgotten,
    ReplacementBegun,
    RolloutNoted,
    SaltChosen,
    Session,
    State,
    StateStore,
    StatusSet,
    Uploaded,
    upload_key,
)
from reconciler.state.folding import fold
from reconciler.state.stores import open_store
from tests.state_servers import PlaceUrl

STORES = ["file", "postgresql", "s3"]
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
    FieldsDeclared(LINE_3, {"name": " Line 3"}, {"name": "Line 3"}),
    MembersApplied(LINE_3, "packageOverrides", '["p-1"]', ("gw-2", "gw-1", "gw-3")),
    MembersApplied(LINE_3, "packageOverrides", '["p-2"]', ("gw-3",)),
    MembersApplied(LINE_3, "gateways", "added", ("gw-4", "gw-1")),
    MembersForgotten(LINE_3, ("gw-2",), "packageOverrides"),
    MembersForgotten(LINE_3, ("gw-4",)),
    OnRemoveSet(LINE_3, OnRemove.ABANDON),
    StatusSet(LINE_3, None),
    CampaignOwned(Owned(LINE_4, "c-2", Origin.ADOPTED, applied={"things": {"gw-1": ("t-1", "t-2")}})),
    CampaignForgotten(LINE_4),
    IntentNoted(Intent(upload_key(SHA), "fw.bin")),
    PackageUploaded(Uploaded(SHA, "p-1", "fw.bin", FIRMWARE)),
    PackageUploaded(Uploaded("cd" * 32, "p-2", "old.bin", FIRMWARE)),
    CampaignOwned(Owned(LINE_4, "c-2", Origin.ADOPTED)),
    CampaignAbandoned(LINE_4, (SHA,)),
    PackageForgotten("cd" * 32),
    IntentNoted(Intent("Campaign/line-5", "Line 5")),
    IntentNoted(Intent("Campaign/line-6", "Straße 6 \u2028 \ud800")),
    IntentDropped("Campaign/line-5"),
    SaltChosen("5a17"),
    PlanApplied("ef" * 32, False),
    PlanApplied("01" * 32, False),
    PlanApplied("ef" * 32, True),
    ReplacementBegun(LINE_3),
    IntentNoted(Intent(str(LINE_3), "Line 3", {}, "c-1", "STARTED")),
    CampaignReplaced(LINE_3, "c-1", "c-3", "STARTED", {"settings": {}}),
    PredecessorEnded(LINE_3, "c-1"),
    CampaignReplaced(LINE_3, "c-3", "c-4"),
    PredecessorForgotten(LINE_3, "c-1"),
    RolloutNoted(
        LINE_3, RolloutRecord(wave=2, status=RolloutStatus.PAUSED, promoted=(Promotion(3, ("soak",)),))
    ),
    FreezeEnded(LINE_3, "c-9"),
    RolloutNoted(LINE_3, None),
    NoticeNoted("guard:maxDeletes", 1_790_000_000_000),
    NoticeNoted("guard:maxStarts", None),
)


def test_that_is_every_event() -> None:
    assert {type(event) for event in EVERY_EVENT} == set(get_args(Event))


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

    def fails(self, key: str) -> str:
        """What it says, and ends with, when it can't record that."""
        assert self.process.stdin
        self.process.stdin.write(f"{key}\n")
        self.process.stdin.close()
        told = self.hears()
        assert self.process.wait() == 1
        return told

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
    patience: float = 0.0
    """Seconds to wait for the lock of a process that was killed."""
    stack: ExitStack = field(default_factory=ExitStack)

    def store(self) -> StateStore:
        return open_store(self.url, root=self.root)

    def worker(self, action: str, *, timeout: float = 0) -> Worker:
        program = Path(__file__).with_name("state_process.py")
        # The process is to run the code that is tested, installed or not, and isn't measured.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        environment["PYTHONPATH"] = str(Path(reconciler.__file__).parents[1])
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


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path, place_url: PlaceUrl) -> Iterator[Place]:
    place = Place(place_url(request.param), tmp_path)
    with place.stack:
        yield place


@pytest.fixture(params=STORES)
def deadly(request: pytest.FixtureRequest, tmp_path: Path, place_url: PlaceUrl) -> Iterator[Place]:
    """A place where processes die: a lease outlives its holder, but not for long."""
    place = Place(place_url(request.param), tmp_path)
    if request.param != "file":
        place = Place(f"{place.url}&lease=1", tmp_path, patience=60.0)
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
            "c-4",
            Origin.CREATED,
            OnRemove.ABANDON,
            predecessors=(Predecessor("c-3"),),
            declared={"name": " Line 3"},
            kept={"name": "Line 3"},
        )
    }
    assert list(after.plans.items()) == [("ef" * 32, True), ("01" * 32, False)], "the oldest first"
    assert after.salt == "5a17"
    assert dict(after.packages) == {SHA: Uploaded(SHA, "p-1", "fw.bin", FIRMWARE, left_behind=True)}
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


def test_a_session_says_until_when_nobody_else_gets_the_lock(place: Place) -> None:
    """Also after this process has died; a file's lock dies with it."""
    with place.store().locked(SERVER, "apply") as session:
        until = session.until
    if place.url.startswith("file:"):
        assert until is None
    else:
        assert until == pytest.approx(time.time() + 60, abs=20)


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


@pytest.mark.parametrize("sync", [True, False])
def test_every_event_outlives_a_session_that_could_not_be_ended(
    place: Place, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    """What a crash leaves is a snapshot and a journal, in which each event is a line of its own."""
    with place.store().locked(SERVER, "apply") as session:
        session.record(IntentNoted(Intent("Campaign/first", "name")))
        first = session.state

    def crash(_: Session) -> None:
        raise StateError("crashed", hint="fix it")

    def recorded(session: Session) -> State:
        for event in EVERY_EVENT[:-1]:
            session.record(event, sync=sync)
        session.record(EVERY_EVENT[-1])
        return session.state

    crashes = pytest.raises(StateError, match="crashed")
    with monkeypatch.context() as patch, crashes, place.store().locked(SERVER, "apply") as session:
        patch.setattr(type(session), "_save", crash)
        there = recorded(session)
    assert there.campaigns == fold(first, EVERY_EVENT).campaigns
    found = place.store().load()
    assert found == there
    with place.store().locked(SERVER, "apply") as session:
        assert session.state == found
        session.record(IntentNoted(Intent("Campaign/last", "name")))
    assert place.store().load().campaigns == found.campaigns
    assert place.store().load().plans == found.plans


@pytest.mark.parametrize("count", [1, 3])
def test_a_killed_process_loses_nothing_and_holds_nothing(deadly: Place, count: int) -> None:
    keys = [f"Campaign/{number}" for number in range(count)]
    holder = deadly.holder()
    for key in keys:
        holder.records(key)
    holder.process.kill()
    holder.process.wait()
    assert list(deadly.store().load().intents) == keys
    with deadly.store().locked(SERVER, "apply", timeout=deadly.patience) as session:
        assert list(session.state.intents) == keys
        session.record(IntentNoted(Intent("Campaign/after", "name")))
        assert deadly.store().load() == session.state
    after = deadly.store().load()
    assert sorted(after.intents) == sorted([*keys, "Campaign/after"])
    assert after.server == SERVER


def test_a_killed_process_that_recorded_nothing_leaves_nothing_to_mend(deadly: Place) -> None:
    holder = deadly.holder()
    holder.process.kill()
    holder.process.wait()
    assert deadly.store().load().serial == 0
    with deadly.store().locked(SERVER, "apply", timeout=deadly.patience) as session:
        assert session.state.intents == {}


class Impatient:
    """A clock that stands, and that nobody may wait by."""

    @staticmethod
    def monotonic() -> float:
        return 0.0

    @staticmethod
    def time() -> float:
        return 0.0

    @staticmethod
    def sleep(seconds: float) -> None:
        pytest.fail(f"waited {seconds} s for the lock, and nobody asked for that")


def test_of_two_one_runs_and_the_other_is_told_who_does(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = place.holder()
    loser = place.worker("try")
    told = loser.hears()
    assert loser.process.wait() == 1
    assert told.startswith("StateLocked: ")
    assert place.url in told
    assert f"process {holder.process.pid}" in told
    assert "'test hold'" in told
    assert os.uname().nodename in told
    with monkeypatch.context() as patch:
        patch.setattr(locks, "time", Impatient)
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


# --- versions ---------------------------------------------------------------------------------------


def written_as(version: int, place: Place, monkeypatch: pytest.MonkeyPatch, *, leave: bool) -> None:
    """A state as a reconciler of another format version left it: its snapshot, or (a crash) its journal."""

    def crash(_: Session) -> None:
        raise StateError("crashed", hint="fix it")

    with place.store().locked(SERVER, "apply") as session:
        session.record(EVERY_EVENT[0])
    said = nullcontext() if leave else pytest.raises(StateError, match="crashed")
    with monkeypatch.context() as patch, said, place.store().locked(SERVER, "apply") as session:
        for module in (state_format, journal):
            patch.setattr(module, "FORMAT_VERSION", version)
        if not leave:
            patch.setattr(type(session), "_save", crash)
        session.record(EVERY_EVENT[1])


@pytest.mark.parametrize("leave", [True, False], ids=["snapshot", "journal"])
def test_a_newer_reconcilers_state_is_left_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch, leave: bool
) -> None:
    written_as(2, place, monkeypatch, leave=leave)
    for _ in range(2):
        with pytest.raises(StateError, match="format version 2") as caught:
            place.store().load()
        assert "use that version or a later one" in (caught.value.hint or "")
        named = r"(/\S+/state\.json|s3://\S+/state\.json|postgresql://\S+ \(table \w+\))(\.journal)?: "
        assert re.match(named, caught.value.message), caught.value.message
        with pytest.raises(StateError, match="format version 2"), place.store().locked(SERVER, "apply"):
            pytest.fail("the session was opened")
    assert place.store().holder() is None


@pytest.mark.parametrize("leave", [True, False], ids=["snapshot", "journal"])
def test_an_older_reconcilers_state_is_migrated(
    place: Place, monkeypatch: pytest.MonkeyPatch, leave: bool
) -> None:
    """There never was a version 0: as if there had been one."""
    written_as(0, place, monkeypatch, leave=leave)
    with pytest.raises(StateError, match="there never was a version 0"):
        place.store().load()

    def newer_campaign(old: state_format.JsonObject) -> state_format.JsonObject:
        return old | {"id": "from 0"}

    def newer_state(old: state_format.JsonObject) -> state_format.JsonObject:
        assert isinstance(old["campaigns"], dict)
        campaigns = {key: newer_campaign(value) for key, value in old["campaigns"].items()}
        return old | {"formatVersion": 1, "campaigns": campaigns}

    def newer_event(old: state_format.JsonObject) -> state_format.JsonObject:
        return old | {"campaign": newer_campaign(old["campaign"])}

    migrations = {0: state_format.Migration(newer_state, newer_event)}
    for function in (state_format.decode_state, state_format.decode_event):
        monkeypatch.setitem(function.__kwdefaults__, "migrations", migrations)
    state = place.store().load()
    assert state.campaigns[LINE_3].id == "from 0"
    with place.store().locked(SERVER, "apply") as session:
        assert session.state == state
        session.record(EVERY_EVENT[2])
    monkeypatch.undo()
    assert place.store().load().campaigns[LINE_3].status == "STARTED", "it is of this version now"


# --- the audit log -----------------------------------------------------------------------------------


def chained(*words: str, tail: str | None = None) -> list[str]:
    """Lines that hold `words`, behind the one that is the last so far."""
    link, lines = link_of(tail), []
    for word in words:
        line, link = encode({"type": "call", "message": word}, link, run=1)
        lines.append(line)
    return lines


def audited(place: Place) -> list[str]:
    """The words of the log, which has to hold."""
    lines = list(place.store().audit_lines())
    verdict = verify(lines)
    assert (verdict.broken, verdict.torn) == (None, ())
    return [json.loads(line)["message"] for line in lines]


def test_there_is_no_log_at_first(place: Place) -> None:
    assert list(place.store().audit_lines()) == []
    with place.store().locked(SERVER, "apply") as session:
        assert session.audit_tail is None
        session.audit()
        assert session.audit_tail is None
    assert list(place.store().audit_lines()) == []


def test_lines_of_the_log_stay_in_their_order_over_sessions(place: Place) -> None:
    lines = chained("one", "two", "Straße \u2028 \ud800", "four", "five")
    with place.store().locked(SERVER, "apply") as session:
        session.audit(lines[0])
        assert session.audit_tail == lines[0]
        session.audit(*lines[1:3], sync=False)
        assert session.audit_tail == lines[2]
    with place.store().locked(SERVER, "apply") as session:
        assert session.audit_tail == lines[2]
        session.audit(*lines[3:])
    assert list(place.store().audit_lines()) == lines
    assert audited(place) == ["one", "two", "Straße \u2028 \ud800", "four", "five"]


def test_the_log_is_no_part_of_the_state(place: Place) -> None:
    with place.store().locked(SERVER, "apply") as session:
        session.audit(*chained("alone"))
    assert place.store().load().serial == 0
    with place.store().locked(SERVER, "apply") as session:
        session.record(EVERY_EVENT[0])
        before = session.state
        session.audit(*chained("among", tail=session.audit_tail))
        assert session.state == before
        session.record(*EVERY_EVENT[1:])
        after = session.state
    assert place.store().load().campaigns == after.campaigns
    assert audited(place) == ["alone", "among"]


def test_a_durable_line_of_the_log_outlives_the_process(deadly: Place) -> None:
    worker = deadly.worker("log")
    assert worker.hears() == "locked"
    for word in ("one", "two"):
        worker.records(word)
        assert audited(deadly)[-1] == word, "a reader sees it, and needs no lock"
    worker.process.kill()
    worker.process.wait()
    assert audited(deadly) == ["one", "two"]
    with deadly.store().locked(SERVER, "apply", timeout=deadly.patience) as session:
        session.audit(*chained("three", tail=session.audit_tail))
    assert audited(deadly) == ["one", "two", "three"]


def test_lines_that_may_be_lost_with_the_machine_are_there_when_the_session_ends(place: Place) -> None:
    lines = chained(*map(str, range(300)))
    with place.store().locked(SERVER, "apply") as session:
        for line in lines:
            session.audit(line, sync=False)
            assert session.audit_tail == line
    assert list(place.store().audit_lines()) == lines


def test_an_error_in_a_session_keeps_the_log(place: Place) -> None:
    def interrupted(session: Session) -> None:
        session.audit(*chained("one"), sync=False)
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"), place.store().locked(SERVER, "apply") as session:
        interrupted(session)
    assert audited(place) == ["one"]


# --- locks ------------------------------------------------------------------------------------------


def known_holder(place: Place) -> LockInfo:
    """Who holds the lock; a short lease may look as if it had run out when this machine is busy."""
    deadline = time.monotonic() + 60
    while (info := place.store().holder()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return info


def test_the_holder_is_known_while_it_holds(place: Place) -> None:
    assert place.store().holder() is None
    place.store().unlock("nobody's")
    worker = place.holder()
    info = known_holder(place)
    assert (info.pid, info.host, info.operation) == (worker.process.pid, os.uname().nodename, "test hold")
    assert abs(info.since - time.time()) < 60
    if place.url.startswith("file:"):
        assert info.expires is None
    else:
        assert 0 < (info.expires or 0) - info.since <= 122
    with pytest.raises(StateError) as caught:
        place.store().unlock("somebody-elses")
    assert f"process {worker.process.pid}" in caught.value.message
    assert caught.value.hint
    worker.records("Campaign/undisturbed")
    worker.leaves()
    assert place.store().holder() is None


def test_a_dead_process_holds_nothing_for_long(deadly: Place) -> None:
    worker = deadly.holder()
    info = known_holder(deadly)
    worker.process.kill()
    worker.process.wait()
    deadline = time.monotonic() + 60
    while deadly.store().holder() is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    deadly.store().unlock(info.id)
    assert deadly.store().holder() is None
    with deadly.store().locked(SERVER, "apply"):
        pass


def test_a_lock_that_is_broken_is_lost_to_its_holder(place: Place) -> None:
    worker = place.holder()
    worker.records("Campaign/before")
    info = known_holder(place)
    if info.expires is None:
        # The system guards it for as long as its holder lives.
        with pytest.raises(StateError, match="is alive") as caught:
            place.store().unlock(info.id)
        assert f"kill {worker.process.pid}" in (caught.value.hint or "")
        worker.leaves()
        return
    place.store().unlock(info.id)
    assert place.store().holder() is None
    with place.store().locked(SERVER, "apply") as session:
        assert list(session.state.intents) == ["Campaign/before"]
        assert worker.fails("Campaign/late").startswith("StateError: the lock of the state ")
        session.record(IntentNoted(Intent("Campaign/after", "name")))
    assert sorted(place.store().load().intents) == ["Campaign/after", "Campaign/before"]


@pytest.mark.parametrize(("recorded", "other_writes"), [(0, False), (2, True)])
def test_who_sleeps_through_its_lease_can_not_write(
    deadly: Place, recorded: int, other_writes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "reconciler.state")
    before = [f"Campaign/{number}" for number in range(recorded)]
    sleeper = deadly.holder()
    for key in before:
        sleeper.records(key)
    sleeper.process.send_signal(signal.SIGSTOP)
    if not deadly.patience:
        # It sleeps and still holds the lock: nobody can write behind its back.
        with pytest.raises(StateLocked), deadly.store().locked(SERVER, "apply"):
            pytest.fail("the session was opened")
        sleeper.process.send_signal(signal.SIGCONT)
        sleeper.records("Campaign/awake")
        sleeper.leaves()
        return
    with deadly.store().locked(SERVER, "apply", timeout=deadly.patience) as session:
        assert sorted(session.state.intents) == before
        said = " ".join(record.getMessage() for record in caplog.records)
        assert f"took over the lock of the state {deadly.url} from " in said
        assert f"(process {sleeper.process.pid})" in said
        if other_writes:
            session.record(IntentNoted(Intent("Campaign/mine", "name")))
        sleeper.process.send_signal(signal.SIGCONT)
        told = sleeper.fails("Campaign/late")
        assert "was taken over by " in told
        assert f"(process {os.getpid()}) for 'apply'" in told
        assert deadly.store().load().intents == session.state.intents
        session.record(IntentNoted(Intent("Campaign/last", "name")))
    mine = ["Campaign/last", *(["Campaign/mine"] if other_writes else [])]
    assert sorted(deadly.store().load().intents) == sorted([*before, *mine])


def test_a_lease_is_renewed_while_its_holder_lives(deadly: Place) -> None:
    holder = deadly.holder()
    holder.records("Campaign/first")
    first = known_holder(deadly)
    if first.expires is not None:
        deadline = time.monotonic() + 60
        while (now := known_holder(deadly)).expires == first.expires:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert now.id == first.id
    holder.records("Campaign/second")
    holder.leaves()


def test_a_reader_sees_states_that_were_true(place: Place) -> None:
    """While a writer counts, in many sessions: all up to some number, and never less than before."""
    total, seen = 30, 0
    writer = place.worker("count")
    assert writer.process.stdin
    writer.process.stdin.write(f"{total}\n")
    writer.process.stdin.flush()
    while seen < total:
        ended = writer.process.poll() is not None
        found = {int(key) for key in place.store().load().intents}
        assert found == set(range(len(found)))
        assert len(found) >= seen
        seen = len(found)
        assert seen == total or not ended
    assert writer.process.wait() == 0
