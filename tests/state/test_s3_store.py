"""What is particular to a state in a bucket; what holds for every store is in tests/contract."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from obstore.exceptions import GenericError

from reconciler.errors import ReconcilerError, StateError, StateLocked
from reconciler.model import Server
from reconciler.state.base import Intent, IntentNoted, LockInfo, State, StateStore
from reconciler.state.folding import fold
from reconciler.state.journal import encode_line
from reconciler.state.leased import Holding, document_of
from reconciler.state.leases import LeaseLost
from reconciler.state.locks import new_lock
from reconciler.state.s3 import S3Backend, locked, reader
from reconciler.state.s3.bucket import Bucket, _why
from reconciler.state.state_format import encode_event
from reconciler.state.stores import open_store
from tests.state_servers import PlaceUrl

SERVER = Server("pulse", "https://pulse.example.com")


def noted(number: int) -> IntentNoted:
    return IntentNoted(Intent(f"Campaign/{number}", "name"))


@pytest.fixture
def url(place_url: PlaceUrl) -> str:
    return place_url("s3")


@pytest.fixture
def store(url: str) -> StateStore:
    return open_store(url, root=Path())


@pytest.fixture
def key(url: str) -> str:
    return urlsplit(url).path[1:]


@pytest.fixture
def bucket(url: str) -> Bucket:
    parts = urlsplit(url)
    options = {name: value for name, [value] in parse_qs(parts.query).items()}
    return Bucket(parts.netloc, options, url="s3:")


@pytest.fixture
def backend(bucket: Bucket, key: str) -> S3Backend:
    """The place itself, for what a store does only when it meets others."""
    return S3Backend(bucket, key, 60.0, name=f"s3://states/{key}")


def record(store: StateStore, *numbers: int) -> State:
    with store.locked(SERVER, "apply") as session:
        for number in numbers:
            session.record(noted(number))
    return store.load()


def keys(bucket: Bucket, key: str) -> list[str]:
    folder = key.rpartition("/")[0]
    return [each.key.removeprefix(folder + "/") for each in bucket.list(folder)]


# --- objects ------------------------------------------------------------------------------------------


def test_the_objects_of_a_state(store: StateStore, bucket: Bucket, key: str) -> None:
    assert keys(bucket, key) == []
    store.load()
    assert keys(bucket, key) == []
    record(store, 1)
    assert keys(bucket, key) == ["state.json", "state.json.lock"]
    first = bucket.get(key)
    with store.locked(SERVER, "apply") as session:
        session.record(noted(2), noted(3))
        session.record(noted(4))
        session.audit("one", "two")
        session.audit("three")
        journal = [f"state.json.journal/000000000001/0000000{number}" for number in (1, 2)]
        audit = [f"state.json.audit/00000000000{number}" for number in (1, 2)]
        assert keys(bucket, key) == ["state.json", *audit, *journal, "state.json.lock"]
    assert keys(bucket, key) == ["state.json", *audit, "state.json.backup", "state.json.lock"]
    backup, snapshot = bucket.get(f"{key}.backup"), bucket.get(key)
    assert first
    assert backup
    assert snapshot
    assert backup.data == first.data
    assert json.loads(snapshot.data)["serial"] == json.loads(first.data)["serial"] + 1


def test_a_clean_end_is_no_reason_to_write_more(
    store: StateStore, backend: S3Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a holder that left by itself nobody has to be wary."""
    record(store, 1)
    writes: list[str] = []
    for name in ("create", "replace", "put", "copy"):
        done = getattr(Bucket, name)

        def counted(self: Bucket, key: str, *rest: object, name: str = name, done: Callable = done) -> object:  # type: ignore[type-arg]
            writes.append(f"{name} {key.rpartition('.')[2]}")
            return done(self, key, *rest)

        monkeypatch.setattr(Bucket, name, counted)
    with store.locked(SERVER, "apply"):
        assert writes == ["replace lock"]
    assert writes == ["replace lock", "replace lock"]


def test_a_crowded_journal_is_folded_in(
    store: StateStore, bucket: Bucket, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locked, "CROWDED", 3)
    seen: list[list[int]] = []
    with store.locked(SERVER, "apply") as session:
        for number in range(8):
            session.record(noted(number))
            assert store.load() == session.state
            segments = [each.rpartition("/")[2] for each in keys(bucket, key) if ".journal/" in each]
            seen.append(list(map(int, segments)))
    assert len(store.load().intents) == 8
    assert seen == [[], [1], [1, 2], [], [1], [1, 2], [], [1]], "counted from each snapshot on"


def test_what_a_crash_left_is_removed_when_nobody_can_be_there(
    store: StateStore, bucket: Bucket, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(store, 1)
    leftover = f"{key}.journal/{0:012}/{7:08}"
    bucket.create(leftover, b"of another time")
    record(store, 2)
    assert bucket.get(leftover), "somebody may still have to find it"
    monkeypatch.setattr(reader, "_DAY", -1.0)
    record(store, 3)
    assert bucket.get(leftover) is None
    assert len(store.load().intents) == 3


def test_what_can_not_be_removed_is_no_harm(store: StateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    record(store, 1)

    def refuses(self: Bucket, keys: object) -> None:
        raise StateError("access denied", hint="")

    monkeypatch.setattr(Bucket, "delete", refuses)
    assert sorted(record(store, 2, 3).intents) == ["Campaign/1", "Campaign/2", "Campaign/3"]


def test_a_long_audit_log_is_found_by_its_end(store: StateStore, backend: S3Backend) -> None:
    lines = [f"line {number}" for number in range(150)]
    for start in range(0, 150, 75):
        with store.locked(SERVER, "apply") as session:
            assert session.audit_tail == (lines[start - 1] if start else None)
            for line in lines[start : start + 75]:
                session.audit(line)
    assert list(store.audit_lines()) == lines
    assert backend.audit_end(0) == backend.audit_end(150) == (150, lines[-1])
    # Somebody cut the log off: what a lock knew of it is no longer true.
    backend.bucket.delete([backend.audit_segment(number) for number in range(100, 151)])
    assert backend.audit_end(150) == (99, lines[98])


# --- who lost its lock --------------------------------------------------------------------------------


def taken(backend: S3Backend, operation: str) -> Holding:
    got = backend.take(new_lock(operation))
    assert got is not None
    return got


def broken(backend: S3Backend) -> None:
    info = backend.holder()
    assert info is not None
    backend.unlock(info.id)


def _lines(state: State, number: int) -> list[bytes]:
    """The first line behind a snapshot."""
    return [encode_line([encode_event(noted(number))], lineage=state.lineage, base=state.serial)[0]]


FAILED = "Error performing PUT http://h/b/k in 4.0ms - Server returned non-2xx status code: "
INVALID_KEY = (
    "<Error><Code>InvalidAccessKeyId</Code><Message>It does not exist</Message>"
    "<AWSAccessKeyId>AKIA-CANARY</AWSAccessKeyId></Error>"
)
SENDS: dict[str, Callable[[Holding, State], object]] = {
    "append": lambda held, state: held.append([b"late\n"], base=state.serial),
    "save": lambda held, state: held.save(b"late", serial=state.serial + 1),
    "audit": lambda held, _: held.append_audit(["late"]),
    "renew": lambda held, _: held.renew(),
}


def finds_its_place_taken(stale: Holding, state: State, *, journal: bool) -> None:
    """Whatever it sends, and whatever it is told before."""
    for name, send in SENDS.items():
        # Where there is no snapshot, no session has a journal.
        if name != "append" or journal:
            with pytest.raises(LeaseLost) as caught:
                send(stale, state)
            assert caught.value.by is not None
            assert caught.value.by.operation == "apply"


@pytest.mark.parametrize("there", ["nothing", "a state", "a journal"])
@pytest.mark.parametrize("goes_on", ["waits", "writes", "leaves"])
def test_what_is_sent_after_the_lock_is_lost_finds_its_place_taken(
    store: StateStore, backend: S3Backend, there: str, goes_on: str
) -> None:
    """Also when it was on its way all the time: nothing but the bucket is asked."""
    if there != "nothing":
        record(store, 1)
    stale = taken(backend, "stale")
    before = stale.read().state
    if there == "a journal":
        stale.append(_lines(before, 2), base=before.serial)
        stale.append_audit(["told"])
    known = store.load()
    broken(backend)
    with store.locked(SERVER, "apply") as session:
        assert session.state.intents == known.intents
        if goes_on != "waits":
            session.record(noted(9))
            session.audit("mine")
        if goes_on != "leaves":
            finds_its_place_taken(stale, before, journal=there != "nothing")
            session.record(noted(10))
            session.audit("mine, too")
            assert store.load() == session.state
    if goes_on == "leaves":
        finds_its_place_taken(stale, before, journal=there != "nothing")
    stale.release()
    assert backend.holder() is None
    found = store.load()
    assert found.intents.keys() - known.intents.keys() <= {"Campaign/9", "Campaign/10"}
    assert "late" not in list(store.audit_lines())
    assert record(store, 11).intents.keys() == found.intents.keys() | {"Campaign/11"}


def test_who_shuts_a_fast_writer_out_takes_the_place_that_is_next(
    store: StateStore, backend: S3Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old holder gets in a segment, a snapshot, and a snapshot again, each right before our own."""
    record(store, 1)
    stale = taken(backend, "stale")
    state = stale.read().state
    broken(backend)

    def saves(number: int) -> None:
        nonlocal state
        state = replace(fold(state, [noted(number)]), serial=state.serial + 1)
        stale.save(document_of(state), serial=state.serial)

    segment = partial(stale.append, _lines(state, 2), base=state.serial)
    before_seals = [segment, partial(saves, 3)]
    before_snapshots = [partial(saves, 4)]
    create, replaced = Bucket.create, Bucket.replace

    def slow_create(self: Bucket, key: str, data: bytes) -> str | None:
        if self is not backend.bucket and ".journal/" in key and before_seals:
            before_seals.pop(0)()
        return create(self, key, data)

    def slow_replace(self: Bucket, key: str, data: bytes, tag: str) -> str | None:
        if self is not backend.bucket and key == backend.key and before_snapshots:
            before_snapshots.pop(0)()
        return replaced(self, key, data, tag)

    state = fold(state, [noted(2)])
    monkeypatch.setattr(Bucket, "create", slow_create)
    monkeypatch.setattr(Bucket, "replace", slow_replace)
    with store.locked(SERVER, "apply") as session:
        assert not before_seals
        assert not before_snapshots
        assert sorted(session.state.intents) == [f"Campaign/{number}" for number in (1, 2, 3, 4)]
        with pytest.raises(LeaseLost):
            stale.append([b"late\n"], base=state.serial)
        with pytest.raises(LeaseLost):
            saves(5)
        session.record(noted(6))
    assert len(store.load().intents) == 5


def test_a_holder_that_could_not_read_the_state_shuts_nobody_out_yet(
    store: StateStore, backend: S3Backend, bucket: Bucket, key: str
) -> None:
    """So the one after it has to."""
    record(store, 1)
    stale = taken(backend, "stale")
    stale.read()
    broken(backend)
    whole = bucket.get(key)
    assert whole
    bucket.put(key, b"{")
    with pytest.raises(StateError, match="is damaged"), store.locked(SERVER, "apply"):
        pytest.fail("the session was opened")
    left, _ = backend.lock()
    assert left
    assert (left.status, left.audit) == (reader.LockStatus.BROKEN, 0), "no segment of audit is there"
    bucket.put(key, whole.data)
    with store.locked(SERVER, "apply"), pytest.raises(LeaseLost):
        stale.append([b"late\n"], base=1)


def test_a_lock_object_that_somebody_removed_is_no_clean_end(
    store: StateStore, backend: S3Backend, bucket: Bucket
) -> None:
    record(store, 1)
    stale = taken(backend, "stale")
    stale.read()
    bucket.delete([backend.lock_key])
    with store.locked(SERVER, "apply"), pytest.raises(LeaseLost):
        stale.append([b"late\n"], base=1)


# --- answers that are lost ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["create", "replace"])
def test_a_write_that_had_arrived_is_known_again(
    store: StateStore, backend: S3Backend, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """obstore sends again what was cut off; then the object is there already, as we wrote it."""
    record(store, 1)
    write, seen = getattr(Bucket, name), set[str]()

    def unheard(self: Bucket, key: str, *rest: object) -> str | None:
        write(self, key, *rest)
        seen.add(key.removeprefix(backend.key).split("/")[0])
        return None

    monkeypatch.setattr(Bucket, name, unheard)
    with store.locked(SERVER, "apply") as session:
        session.record(noted(2))
        session.audit("told")
        session.record(noted(3))
    assert len(store.load().intents) == 3
    assert list(store.audit_lines()) == ["told"]
    assert seen == ({".journal", ".audit"} if name == "create" else {".lock", ""})
    monkeypatch.undo()
    assert record(store, 4).serial == 3


@pytest.mark.parametrize("send", ["append", "save", "audit"])
def test_a_write_that_had_arrived_is_no_write_of_who_lost_the_lock(
    store: StateStore, backend: S3Backend, monkeypatch: pytest.MonkeyPatch, send: str
) -> None:
    """What stands there may be the same, and of who took the lock: it is asked whose the lock is."""
    record(store, 1)
    stale = taken(backend, "stale")
    state = stale.read().state
    sends: dict[str, Callable[[], object]] = {
        "append": partial(stale.append, _lines(state, 2), base=state.serial),
        "save": partial(stale.save, document_of(replace(state, serial=2)), serial=2),
        "audit": partial(stale.append_audit, ["told"]),
    }
    write = sends[send]

    def arrived(name: str) -> Callable[..., str | None]:
        real = getattr(Bucket, name)

        def unheard(self: Bucket, key: str, *rest: object) -> str | None:
            made: str | None = real(self, key, *rest)
            if key == backend.lock_key:
                return made
            broken(backend)
            return None

        return unheard

    for name in ("create", "replace"):
        monkeypatch.setattr(Bucket, name, arrived(name))
    with pytest.raises(LeaseLost) as caught:
        write()
    assert caught.value.by is None


@pytest.mark.parametrize("send", ["append", "save", "audit"])
def test_what_is_not_there_after_all_was_not_written(
    store: StateStore, backend: S3Backend, monkeypatch: pytest.MonkeyPatch, send: str
) -> None:
    """Another one stood in its place, and was removed before it could be looked at."""
    record(store, 1)
    held = taken(backend, "apply")
    state = held.read().state
    sends: dict[str, Callable[[], object]] = {
        "append": partial(held.append, _lines(state, 2), base=state.serial),
        "save": partial(held.save, document_of(replace(state, serial=2)), serial=2),
        "audit": partial(held.append_audit, ["told"]),
    }
    get = Bucket.get
    monkeypatch.setattr(Bucket, "create", lambda *_: None)
    monkeypatch.setattr(Bucket, "replace", lambda *_: None)
    monkeypatch.setattr(Bucket, "get", lambda self, key: get(self, key) if key == backend.lock_key else None)
    with pytest.raises(LeaseLost):
        sends[send]()


def test_the_lock_object_is_what_other_versions_read(bucket: Bucket, backend: S3Backend) -> None:
    """Several of them may meet at one state."""
    info = LockInfo("1f", "erin", "ci-2", 77, "apply", 2.5)
    document = {
        "lock": {"id": "1f", "holder": "erin", "host": "ci-2", "pid": 77, "operation": "apply", "since": 2.5},
        "lease": 60.0,
        "status": "held",
        "audit": 3,
    }
    lock = reader.Lock(info, 60.0, reader.LockStatus.HELD, 3)
    assert json.loads(lock.encoded()) == document
    assert reader.Lock.decoded(json.dumps(document).encode(), seconds=9) == lock
    assert reader.Lock.decoded(b'{"lock": null}', seconds=9) == reader.Lock(None, 9, reader.LockStatus.HELD)
    assert json.loads(reader.Lock(info, 1.0, reader.LockStatus.LEFT).encoded())["audit"] == 0
    for status in reader.LockStatus:
        bucket.put(backend.lock_key, json.dumps(document | {"status": status}).encode())
        assert (backend.holder() is not None) == (status == "held")
        taken_lock = backend.take(info)
        assert (taken_lock is None) == (status == "held")
        if taken_lock:
            taken_lock.release()


def test_of_two_that_find_no_lock_one_gets_it(backend: S3Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_lock("first")
    monkeypatch.setattr(backend, "lock", lambda: (None, None))
    assert backend.take(first) is not None
    assert backend.take(new_lock("second")) is None


def test_a_lock_that_changes_while_it_is_broken_is_looked_at_again(
    backend: S3Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where each renewal has a new tag: the one that we know is out of date."""
    held = taken(backend, "apply")
    info = backend.holder()
    assert info
    replaced, misses = Bucket.replace, [None, None]

    def late(self: Bucket, key: str, data: bytes, tag: str) -> str | None:
        return misses.pop() if misses else replaced(self, key, data, tag)

    monkeypatch.setattr(Bucket, "replace", late)
    backend.unlock(info.id)
    assert backend.holder() is None
    assert not misses
    with pytest.raises(LeaseLost) as caught:
        held.renew()
    assert caught.value.by is None


def test_a_release_that_fails_leaves_it_to_the_lease(
    store: StateStore, backend: S3Backend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    held = taken(backend, "apply")

    def refuses(*_: object) -> str:
        raise StateError("the line is cut", hint="")

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "replace", refuses)
        held.release()
    assert "until its lease runs out: the line is cut" in caplog.text
    with pytest.raises(StateLocked):
        store.locked(SERVER, "apply").__enter__()


# --- what can't be read -------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 100_000, b"{}"])
def test_a_lock_that_nobody_can_read_holds_until_it_has_run_out(
    store: StateStore, backend: S3Backend, bucket: Bucket, content: bytes
) -> None:
    bucket.put(backend.lock_key, content)
    with pytest.raises(StateLocked, match="locked by another process"):
        store.locked(SERVER, "apply").__enter__()
    with pytest.raises(StateLocked, match="locked by another process"):
        store.unlock("any")
    assert backend.take(new_lock("apply")) is None
    assert backend._ahead is not None
    backend._ahead += 62  # So much time goes by.
    held = taken(backend, "apply")
    assert held.replaced is None
    held.release()


def test_who_may_only_read_goes_by_its_own_clock(backend: S3Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    held = taken(backend, "apply")

    def refuses(*_: object) -> None:
        raise StateError("access denied", hint="")

    monkeypatch.setattr(Bucket, "put", refuses)
    info = backend.holder()
    assert info
    assert info.expires
    assert abs(info.expires - time.time() - 60) < 30
    held.release()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data.replace(b"Campaign/2", b"Campaign/8"), "00000001:1:1: the journal of"),
        (lambda data: data[:-9], None),
        (None, "00000002:1:1: the journal of the state is damaged"),
    ],
    ids=["changed", "torn", "lost"],
)
def test_damage_in_the_journal_is_noticed_and_named(
    store: StateStore,
    backend: S3Backend,
    bucket: Bucket,
    damage: Callable[[bytes], bytes] | None,
    said: str | None,
) -> None:
    record(store, 1)
    held = taken(backend, "apply")
    state = held.read().state
    check, lines = 0, []
    for number in (2, 3):
        line, check = encode_line(
            [encode_event(noted(number))], lineage=state.lineage, base=state.serial, check=check
        )
        lines.append(line)
        held.append([line], base=state.serial)
    first, second = (backend.segment(state.serial, number) for number in (1, 2))
    if damage is None:
        bucket.delete([first])
    elif said:
        bucket.put(first, damage(lines[0]))
    else:
        bucket.put(second, damage(lines[1]))
    if said is None:
        assert sorted(store.load().intents) == ["Campaign/1", "Campaign/2"], (
            "it was never reported as written"
        )
        return
    with pytest.raises(StateError, match=said) as caught:
        store.load()
    assert caught.value.message.startswith(f"s3://states/{backend.key}.journal/")
    assert f"aws s3 rm --recursive s3://states/{backend.key}.journal/" in (caught.value.hint or "")


def test_a_snapshot_of_before_comes_back_as_the_hints_say(
    store: StateStore, backend: S3Backend, bucket: Bucket, key: str
) -> None:
    record(store, 1)
    record(store, 2)
    held = taken(backend, "apply")
    state = held.read().state
    held.append(_lines(state, 3), base=state.serial)
    held.release()
    bucket.put(key, b"{")
    with pytest.raises(StateError, match="is damaged") as caught:
        store.load()
    assert f"`aws s3 cp s3://states/{key}.backup s3://states/{key}`" in (caught.value.hint or "")
    bucket.copy(f"{key}.backup", key)
    with pytest.raises(StateError, match="extends another snapshot"):
        store.load()
    bucket.delete([each.key for each in bucket.list(f"{key}.journal")])
    assert list(store.load().intents) == ["Campaign/1"]
    assert sorted(record(store, 4).intents) == ["Campaign/1", "Campaign/4"]


def test_a_journal_without_its_snapshot_is_noticed(store: StateStore, bucket: Bucket, key: str) -> None:
    record(store, 1)
    held = S3Backend(bucket, key, 60.0, name="s3:").take(new_lock("apply"))
    assert held
    state = held.read().state
    held.append(_lines(state, 2), base=state.serial)
    bucket.delete([key])
    with pytest.raises(StateError, match=r"the snapshot .* that it extends is not"):
        store.load()


def test_a_journal_of_no_snapshot_at_all_is_noticed(store: StateStore, bucket: Bucket, key: str) -> None:
    """Nobody writes one, so somebody else did."""
    [line] = _lines(State("lineage", "salt"), 2)
    bucket.put(f"{key}.journal/{0:012}/{1:08}", line)
    with pytest.raises(StateError, match=r"the snapshot .* that it extends is not"):
        store.load()


def test_what_is_no_part_of_a_state_is_noticed(store: StateStore, bucket: Bucket, key: str) -> None:
    bucket.put(f"{key}.journal/readme.txt", b"hello")
    with pytest.raises(StateError, match=r"state\.json\.journal/readme\.txt is no part of a state"):
        store.load()


@pytest.mark.parametrize("data", [b"hello", b"", b"\xff\xfe\n"], ids=["half a line", "nothing", "no text"])
def test_what_is_no_part_of_the_log_is_noticed(
    store: StateStore, bucket: Bucket, key: str, data: bytes
) -> None:
    record(store, 1)
    bucket.put(f"{key}.audit/{7:012}", data)
    assert list(store.audit_lines()) == ([data.decode("utf-8", "replace").rstrip("\n")] if data else [])
    with store.locked(SERVER, "apply") as session:
        assert session.audit_tail == next(store.audit_lines(), None)
    bucket.put(f"{key}.audit/readme.txt", data)
    with (
        pytest.raises(StateError, match=r"state\.json\.audit/readme\.txt is no part of a state"),
        store.locked(SERVER, "apply"),
    ):
        pytest.fail("the session was opened")


def test_a_state_that_is_written_all_the_time_is_not_waited_for(
    store: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(store, 1)
    monkeypatch.setattr(Bucket, "look", lambda self, key: ("another tag each time", 0.0))
    with pytest.raises(StateError, match="written 20 times while it was read"):
        store.load()
    monkeypatch.setattr(Bucket, "get_all", lambda self, keys: None)
    with pytest.raises(StateError, match="written 20 times while it was read"):
        store.load()


# --- URLs, options, and what the server says ----------------------------------------------------------


def test_a_bucket_that_is_not_there_is_no_empty_state(url: str) -> None:
    store = open_store(url.replace("s3://states/", "s3://stats/"), root=Path())
    with pytest.raises(StateError, match="NoSuchBucket: The specified bucket does not exist") as caught:
        store.load()
    assert "Make that bucket" in (caught.value.hint or "")
    with pytest.raises(StateError, match="NoSuchBucket"):
        store.locked(SERVER, "apply").__enter__()


def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.state.s3 import bucket as module

    monkeypatch.setitem(module._RETRY, "max_retries", 0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-canary-3")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary-3")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    store = open_store("s3://b/state.json", root=Path())
    with pytest.raises(StateError) as caught:
        store.load()
    said = f"{caught.value.message} {caught.value.hint}"
    assert said.startswith(
        "can't read state.json of the state s3://b/state.json: HTTP error: error sending request"
    )
    assert "canary" not in said
    assert "\n" not in said
    assert "AWS_ACCESS_KEY_ID" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{FAILED}403 Forbidden: {INVALID_KEY}", "InvalidAccessKeyId: It does not exist"),
        (f"{FAILED}403 Forbidden: ", "403 Forbidden"),
        ("Generic S3 error: something new\nDebug source: secret", "Generic S3 error: something new"),
    ],
)
def test_of_an_error_what_the_server_said_is_told(text: str, said: str) -> None:
    assert _why(GenericError(text)) == said


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("s3://bucket", "names no object in a bucket", "s3://my-bucket/reconciler/state.json"),
        ("s3://bucket/", "names no object in a bucket", ""),
        ("s3://bucket/a//b", "names no object in a bucket", ""),
        ("s3://bucket/../b", "names no object in a bucket", ""),
        ("s3:///state.json", "names no object in a bucket", ""),
        ("s3://bucket:80/state.json", "names no object in a bucket", ""),
        ("s3://key:secret-canary@bucket/state.json", "holds credentials", "AWS_SECRET_ACCESS_KEY"),
        ("s3://bucket/s?secret_access_key=secret-canary", "holds secret_access_key", "AWS_SECRET_ACCESS_KEY"),
        ("s3://bucket/s?access_key_id=secret-canary", "holds access_key_id", "AWS_ACCESS_KEY_ID"),
        ("s3://bucket/s?session_token=secret-canary", "holds session_token", "AWS_SESSION_TOKEN"),
        (
            "s3://bucket/s?colour=red",
            "option that can't be used: colour",
            "region, endpoint",
        ),
        ("s3://bucket/s?region=a&region=b", "has an option twice", ""),
        ("s3://bucket/s?region=eu.evil.example", "isn't a region", "region=eu-central-1"),
        ("s3://bucket/s?region=-eu", "isn't a region", ""),
        ("s3://bucket/s?region=" + 64 * "a", "isn't a region", ""),
        ("s3://bucket/s?region=eu%0A", "isn't a region", ""),
        ("s3://buc_ket!/s", "names no bucket", "s3://my-bucket"),
        ("s3://-bucket/s", "names no bucket", ""),
        ("s3://" + 256 * "a" + "/s", "names no bucket", ""),
        ("s3://me@bucket/s", "holds credentials", "AWS_ACCESS_KEY_ID"),
        ("s3://bucket/s?endpoint=ftp://host", "endpoint= in the s3: URL", "endpoint=https://HOST"),
        ("s3://bucket/s?endpoint=https://", "endpoint= in the s3: URL", "without user name and password"),
        ("s3://bucket/s?endpoint=https://host%5Cevil", "endpoint= in the s3: URL", ""),
        ("s3://bucket/s?endpoint=https://me@host", "holds a credential in `endpoint`", "Leave it out"),
        ("s3://bucket/s?region", "can't be read", ""),
        ("s3://bucket/s#top", "can't be read", ""),
        ("s3://bucket/s%00", "can't be read", ""),
        ("s3://[bucket/s", "can't be read", ""),
        ("s3://bucket/s?lease=0", "a time between 1 and 3600", ""),
    ],
)
def test_urls_that_are_refused_and_what_to_write(url: str, message: str, hint: str) -> None:
    with pytest.raises(ReconcilerError) as caught:
        open_store(url, root=Path())
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert "canary" not in f"{caught.value.message}{caught.value.hint}"
