"""What is particular to a state in a file; what holds for every store is in tests/contract."""

import errno
import json
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.errors import StateError, StateLocked
from reconciler.model import Kind, ResourceId, Server
from reconciler.state import durable, folding, locks
from reconciler.state.base import (
    CampaignOwned,
    FieldApplied,
    Intent,
    IntentNoted,
    Origin,
    Owned,
    Session,
    State,
)
from reconciler.state.file import FileStore, layout
from reconciler.state.folding import fold
from reconciler.state.journal import encode_line
from reconciler.state.state_format import decode_state, encode_event, encode_lock, encode_state

SERVER = Server("pulse", "https://pulse.example.com")
LINE_3 = ResourceId(Kind.CAMPAIGN, "line-3")


def noted(number: int) -> IntentNoted:
    return IntentNoted(Intent(f"Campaign/{number}", "name"))


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "below" / "state.json")


def files(store: FileStore) -> list[str]:
    return sorted(path.name for path in store.path.parent.iterdir())


def record(store: FileStore, *numbers: int) -> State:
    with store.locked(SERVER, "apply") as session:
        for number in numbers:
            session.record(noted(number))
    return store.load()


def crashed(store: FileStore, *numbers: int) -> None:
    """Leaves the files of a process that recorded these, one call each, and was killed."""
    lines, check = b"", 0
    state = store.load()
    for number in numbers:
        line, check = encode_line(
            [encode_event(noted(number))], lineage=state.lineage, base=state.serial, check=check
        )
        lines += line
    store.journal.write_bytes(lines)


# --- files ---------------------------------------------------------------------------------------


def test_the_snapshot_is_sorted_indented_json_and_stable(store: FileStore) -> None:
    with store.locked(SERVER, "apply") as session:
        session.record(
            CampaignOwned(Owned(LINE_3, "c-1", Origin.CREATED)),
            CampaignOwned(Owned(ResourceId(Kind.CAMPAIGN, "a"), "c-2", Origin.ADOPTED)),
            FieldApplied(LINE_3, "things", {"gw-2": ["t"], "gw-1": []}),
            FieldApplied(LINE_3, "empty", {}),
        )
    text = store.path.read_text()
    document = json.loads(text)
    assert list(document) == sorted(document)
    assert list(document["campaigns"]) == ["Campaign/a", "Campaign/line-3"]
    assert '\n        "things": {\n          "gw-1": [],\n          "gw-2": ["t"]\n        }\n' in text
    assert text.endswith("\n}\n")
    assert layout(encode_state(decode_state(document))) == text


def test_a_list_is_on_a_line_of_its_own_and_all_is_sorted() -> None:
    found = layout({"b": [{"z": [], "a": {"d": 1, "c": 2}}], "a": {}, "c": {"f": None, "e": [2, 1]}})
    assert found.splitlines() == [
        "{",
        '  "a": {},',
        '  "b": [{"a": {"c": 2, "d": 1}, "z": []}],',
        '  "c": {',
        '    "e": [2, 1],',
        '    "f": null',
        "  }",
        "}",
    ]


def test_files_are_for_their_user_alone(store: FileStore) -> None:
    old = os.umask(0)
    try:
        with store.locked(SERVER, "apply") as session:
            session.record(noted(1))
            session.record(noted(2))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()}
        assert modes == dict.fromkeys(("state.json", "state.json.journal", "state.json.lock"), 0o600)
        assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(store.backup.stat().st_mode) == 0o600
    finally:
        os.umask(old)


def test_every_folder_that_is_made_is_for_its_user_alone(tmp_path: Path) -> None:
    record(FileStore(tmp_path / "a" / "b" / "state.json"), 1)
    assert [stat.S_IMODE((tmp_path / each).stat().st_mode) for each in ("a", "a/b")] == [0o700, 0o700]


def test_a_session_ends_with_a_snapshot_and_the_one_before(store: FileStore) -> None:
    record(store, 1)
    assert files(store) == ["state.json"]
    before = store.path.read_bytes()
    after = record(store, 2, 3)
    assert files(store) == ["state.json", "state.json.backup"]
    assert store.backup.read_bytes() == before
    assert decode_state(json.loads(before)).serial == after.serial - 1


def test_without_a_record_no_file_is_made_or_touched(store: FileStore) -> None:
    with store.locked(SERVER, "apply"):
        pass
    assert files(store) == []
    record(store, 1, 2)
    crashed(store, 3)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in store.path.parent.iterdir()}
    with store.locked(SERVER, "apply") as session:
        assert len(session.state.intents) == 3
    assert {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in store.path.parent.iterdir()
    } == before


def test_a_link_to_a_state_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "real" / "state.json")
    linked, real = FileStore(tmp_path / "link.json"), FileStore(tmp_path / "real" / "state.json")
    record(linked, 1)
    assert (tmp_path / "link.json").is_symlink()
    assert list(real.load().intents) == ["Campaign/1"]
    with linked.locked(SERVER, "apply"), pytest.raises(StateLocked), real.locked(SERVER, "apply"):
        pass


def test_behind_a_link_of_a_branch_there_is_no_state(tmp_path: Path) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for each in (project, elsewhere):
        each.mkdir()
    (project / "states").symlink_to(elsewhere)
    store = FileStore(project / "states" / "state.json", home=project)

    def session() -> None:
        with store.locked(SERVER, "apply"):
            pytest.fail("the session was opened")

    uses: list[Callable[[], object]] = [
        *(store.load, session, store.audit_lines, store.holder),
        lambda: store.unlock("any"),
    ]
    for use in uses:
        with pytest.raises(StateError, match="states is a link"):
            use()
    assert list(elsewhere.iterdir()) == []


def test_each_call_is_durable_by_one_sync(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    record(store, 0)
    synced: list[str] = []
    fsync = os.fsync

    def counted(descriptor: int) -> None:
        synced.append(Path(f"/dev/fd/{descriptor}").resolve().name)
        fsync(descriptor)

    with store.locked(SERVER, "apply") as session:
        monkeypatch.setattr(os, "fsync", counted)
        session.record(noted(1))
        assert synced == ["below", "state.json.journal"], "the name of the journal, then its line"
        synced.clear()
        session.record(noted(2), noted(3))
        session.record(noted(4))
        assert synced == ["state.json.journal"] * 2
        synced.clear()
    # The backup and the folder, the snapshot and the folder, and the folder without the journal.
    assert synced == ["state.json.backup.new", "below", "state.json.new", "below", "below"]


def test_a_state_that_belongs_to_no_server_yet_is_bound_by_the_first_record(store: FileStore) -> None:
    record(store, 0)
    store.path.write_text(json.dumps(json.loads(store.path.read_text()) | {"server": None}))
    with store.locked(SERVER, "apply") as session:
        session.record(noted(1))
        assert store.load().server == SERVER, "also should the process be killed here"


def test_recording_is_linear(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is folded when it is looked at, and each event once."""
    folded = 0

    def counted(state: State, events: Any) -> State:
        nonlocal folded
        told = list(events)
        folded += len(told)
        return fold(state, told)

    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    record(store, -1)
    monkeypatch.setattr(folding, "fold", counted)
    with store.locked(SERVER, "apply") as session:
        for number in range(30_000):
            session.record(noted(number))
        assert folded == 0
        assert len(session.state.intents) == 30_001
        assert len(session.state.intents) == 30_001
        assert folded == 30_000
        monkeypatch.setattr(folding, "UNFOLDED", 100)
        for number in range(250):
            session.record(noted(number))
        assert folded == 30_200, "so many wait, and no more"
    assert folded == 30_250


# --- crashes -------------------------------------------------------------------------------------


def test_a_reader_sees_each_call_as_soon_as_it_is_recorded(store: FileStore) -> None:
    """Each line of the journal is bound to the one before it; after a save the next one is a first line."""
    with store.locked(SERVER, "apply") as session:
        for number in range(4):
            session.record(noted(number))
            assert store.load().intents == session.state.intents
    with store.locked(SERVER, "apply") as session:
        for number in range(4, 8):
            session.record(noted(number), sync=False)
            assert store.load().intents == session.state.intents
    assert len(store.load().intents) == 8


def test_a_reader_sees_what_a_crash_left_and_leaves_it(store: FileStore) -> None:
    record(store, 1)
    crashed(store, 2, 3)
    assert list(store.load().intents) == ["Campaign/1", "Campaign/2", "Campaign/3"]
    assert files(store) == ["state.json", "state.json.journal"]


def test_a_line_torn_at_any_byte_is_dropped_and_the_rest_goes_on(store: FileStore) -> None:
    record(store, 1)
    crashed(store, 2)
    before = len(store.journal.read_bytes())
    crashed(store, 2, 3)
    journal, snapshot = store.journal.read_bytes(), store.path.read_bytes()
    for end in range(before, len(journal) - 1):
        store.path.write_bytes(snapshot)
        store.journal.write_bytes(journal[:end])
        assert list(store.load().intents) == ["Campaign/1", "Campaign/2"]
        with store.locked(SERVER, "apply") as session:
            session.record(noted(4))
            assert store.load() == session.state
            session.record(noted(5))
            assert store.load() == session.state
        assert list(store.load().intents) == [f"Campaign/{number}" for number in (1, 2, 4, 5)]


def test_a_damaged_line_is_an_error_with_a_way_out(store: FileStore) -> None:
    record(store, 1)
    crashed(store, 2, 3, 4)
    lines = store.journal.read_bytes().split(b"\n")
    damaged = [lines[0], lines[1].replace(b"Campaign/3", b"Campaign/8"), *lines[2:]]
    store.journal.write_bytes(b"\n".join(damaged))
    with pytest.raises(StateError) as caught:
        store.load()
    assert f"{store.journal}:2:1" in caught.value.message
    assert "keep only its first line," in (caught.value.hint or "")
    with pytest.raises(StateError), store.locked(SERVER, "apply"):
        pytest.fail("the session was opened")
    # The way out that the hint names.
    store.journal.write_bytes(lines[0] + b"\n")
    assert list(store.load().intents) == ["Campaign/1", "Campaign/2"]
    store.journal.write_bytes(b"garbage\n")
    with pytest.raises(StateError) as caught:
        store.load()
    assert "keep" not in (caught.value.hint or "")


def test_a_journal_that_was_folded_in_is_ignored(store: FileStore) -> None:
    """As after a crash between the rename of the snapshot and the removal of the journal."""
    record(store, 1)
    crashed(store, 2)
    journal = store.journal.read_bytes()
    with store.locked(SERVER, "apply") as session:
        session.record(noted(3))
    store.journal.write_bytes(journal)
    after = store.load()
    assert list(after.intents) == ["Campaign/1", "Campaign/2", "Campaign/3"]
    with store.locked(SERVER, "apply") as session:
        session.record(noted(4))
        assert store.load() == session.state
    assert store.load().serial == after.serial + 1
    assert not store.journal.exists()


def test_a_journal_of_another_snapshot_is_an_error(store: FileStore) -> None:
    record(store, 1)
    older = store.path.read_bytes()
    record(store, 2)
    crashed(store, 3)
    store.path.write_bytes(older)
    with pytest.raises(StateError, match="extends another snapshot") as caught:
        store.load()
    assert "move the journal away" in (caught.value.hint or "")
    store.path.unlink()
    with pytest.raises(StateError, match=r"the snapshot .* is not") as caught:
        store.load()
    assert "state.json.backup" in (caught.value.hint or "")
    record(other := FileStore(store.path.with_name("other.json")), 1, 2, 3, 4)
    other.path.rename(store.path)
    with pytest.raises(StateError, match="extends another snapshot"):
        store.load()


def test_a_journal_with_nothing_whole_in_it_is_no_journal(store: FileStore) -> None:
    record(store, 1)
    store.journal.write_bytes(b'{"check": "0')
    assert list(store.load().intents) == ["Campaign/1"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b'{"formatVersion": 1}',
        b'{"serial": ' + b"1" * 5000 + b"}",
    ],
    ids=["empty", "cut", "binary", "list", "deep", "half", "huge number"],
)
def test_a_damaged_snapshot_is_an_error_that_names_the_backup(store: FileStore, content: bytes) -> None:
    record(store, 1)
    record(store, 2)
    store.path.write_bytes(content)
    with pytest.raises(StateError, match="is damaged") as caught:
        store.load()
    assert str(store.path) in caught.value.message
    assert "state.json.backup" in (caught.value.hint or "")
    store.backup.rename(store.path)
    assert list(store.load().intents) == ["Campaign/1"]


def test_a_state_of_a_newer_reconciler_is_left_alone(store: FileStore) -> None:
    record(store, 1)
    store.path.write_text(json.dumps(json.loads(store.path.read_text()) | {"formatVersion": 2}))
    before = store.path.read_bytes()
    with pytest.raises(StateError, match="format version 2"), store.locked(SERVER, "apply"):
        pytest.fail("the session was opened")
    assert store.path.read_bytes() == before


def test_a_reader_is_right_while_another_saves(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens between the reader's two reads, it sees a state that was true."""
    record(store, 0)
    read = durable.read_bytes

    def reading(between: Callable[[], object]) -> State:
        def slow(path: Path) -> bytes | None:
            data = read(path)
            monkeypatch.setattr(durable, "read_bytes", read)
            between()
            return data

        monkeypatch.setattr(durable, "read_bytes", slow)
        return store.load()

    with store.locked(SERVER, "apply") as session:
        session.record(noted(1))
        one = session.state
        assert reading(lambda: session.record(noted(2))) in (one, session.state)
    three = reading(lambda: record(store, 3))
    assert sorted(three.intents) == [f"Campaign/{number}" for number in range(4)]
    crashed(store, 4)
    assert len(reading(lambda: record(store, 5)).intents) == 6
    crashed(store, 6)
    twice = reading(lambda: (record(store, 7), crashed(store, 8)))
    assert len(twice.intents) in (7, 8)


# --- locks ---------------------------------------------------------------------------------------


def test_the_lock_file_says_who_and_goes_with_the_lock(store: FileStore) -> None:
    lock = store.path.with_name("state.json.lock")
    with store.locked(SERVER, "apply"):
        info = json.loads(lock.read_text())
    assert (info["pid"], info["operation"]) == (os.getpid(), "apply")
    assert not lock.exists()


def test_what_a_dead_holder_wrote_is_overwritten(store: FileStore) -> None:
    lock = store.path.with_name("state.json.lock")
    record(store, 1)
    lock.write_text("x" * 4096)
    with store.locked(SERVER, "apply"):
        assert json.loads(lock.read_text())["operation"] == "apply"
    assert files(store) == ["state.json"]


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 100_000, b"{}", None])
def test_a_holder_that_does_not_say_who_it_is_still_holds(store: FileStore, content: bytes | None) -> None:
    lock = store.path.with_name("state.json.lock")
    with store.locked(SERVER, "apply"):
        if content is None:
            # A mere file system accident; nobody can lock what isn't there.
            assert locks._holder(lock.with_name("nothing")) is None
            return
        lock.write_bytes(content)
        with pytest.raises(StateLocked, match="locked by another process"), store.locked(SERVER, "apply"):
            pytest.fail("the session was opened")


def test_a_link_is_no_lock_file(store: FileStore, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("of somebody")
    record(store, 1)
    store.path.with_name("state.json.lock").symlink_to(elsewhere)
    with pytest.raises(StateError, match="can't lock"), store.locked(SERVER, "apply"):
        pytest.fail("the session was opened")
    with pytest.raises(StateError, match="can't look at"):
        store.holder()
    with pytest.raises(StateError, match="can't look at"):
        store.unlock("any")
    assert elsewhere.read_text() == "of somebody"


def test_who_only_looks_is_in_nobodys_way(store: FileStore) -> None:
    """Two may look at what a crash left behind at the same moment: neither takes the other for a holder."""
    lock = store.path.with_name("state.json.lock")
    lock.parent.mkdir()
    lock.write_bytes(json.dumps(encode_lock(locks.new_lock("apply"))).encode() + b"\n")
    with locks._left_behind(lock) as free, locks._left_behind(lock) as free_too:
        assert (free, free_too) == (True, True)
        assert store.holder() is None
        with pytest.raises(StateLocked), store.locked(SERVER, "apply"):
            pytest.fail("it was locked while somebody looked whether it may be removed")
        store.unlock("any")
    assert not lock.exists()
    with store.locked(SERVER, "apply") as session:
        session.record(noted(1))
        for _ in range(2):
            assert (store.holder() or locks.new_lock("")).operation == "apply"
        with locks._left_behind(lock) as free:
            assert not free


def test_the_loser_is_told_in_local_time(store: FileStore) -> None:
    lock = store.path.with_name("state.json.lock")
    info = locks.new_lock("apply of line-3")
    stamp = locks._since(info.since)
    assert stamp[-6] in "+-"
    with store.locked(SERVER, "apply"):
        for since, said in ((info.since, stamp), (1e300, "")):
            lock.write_text(json.dumps(encode_lock(info) | {"since": since}))
            with pytest.raises(StateLocked) as caught, store.locked(SERVER, "apply"):
                pytest.fail("the session was opened")
            assert caught.value.message.endswith(f"(process {os.getpid()}) for 'apply of line-3'{said}")


def test_a_user_without_a_name_may_lock(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    import getpass

    def nameless() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert locks.new_lock("apply").holder == f"user {os.getuid()}"


def test_who_waits_asks_again_until_the_time_is_over(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        naps.append(seconds)
        now += seconds

    # Only the clock of this module: a thread of another test may run an event loop on the real one.
    clock = SimpleNamespace(monotonic=lambda: now, sleep=sleep, time=time.time)
    monkeypatch.setattr(locks, "time", clock)
    with store.locked(SERVER, "apply"):
        with pytest.raises(StateLocked), store.locked(SERVER, "apply"):
            pytest.fail("the session was opened")
        assert naps == []
        with pytest.raises(StateLocked), store.locked(SERVER, "apply", timeout=1.05):
            pytest.fail("the session was opened")
    assert sum(naps) == pytest.approx(1.05)
    assert 5 < len(naps) < 20


def test_a_lock_whose_file_was_removed_is_no_lock(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder leaves between our open and our lock: we'd hold a file that nobody else can find."""
    import fcntl

    lock = store.path.with_name("state.json.lock")
    flock, removals = fcntl.flock, [lock.unlink, lambda: (lock.unlink(), lock.touch())]

    def late(descriptor: int, operation: int) -> None:
        if removals:
            removals.pop()()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with store.locked(SERVER, "apply"):
        assert removals == []
        with pytest.raises(StateLocked), store.locked(SERVER, "apply"):
            pytest.fail("the session was opened")


def test_a_platform_without_locks_is_told(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(StateError, match="no file locks") as caught, store.locked(SERVER, "apply"):
        pytest.fail("the session was opened")
    assert "Linux" in (caught.value.hint or "")


def test_a_file_system_without_locks_is_told(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refuses(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuses)
    with pytest.raises(StateError, match=r"can't lock .*state\.json\.lock: No locks available"):
        store.locked(SERVER, "apply").__enter__()


def test_a_lock_that_can_not_be_removed_is_still_let_go(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, store.locked(SERVER, "apply"):
        patch.setattr(Path, "unlink", failing(errno.EROFS))
    assert files(store) == ["state.json.lock"]
    assert list(record(store, 1).intents) == ["Campaign/1"]


# --- what can't be written -----------------------------------------------------------------------


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def refused_early(store: FileStore) -> StateError:
    with pytest.raises(StateError) as caught, store.locked(SERVER, "apply"):
        pytest.fail("the session was opened")
    assert caught.value.hint
    return caught.value


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "state.json", tmp_path / "file" / "deeper" / "state.json"):
        error = refused_early(FileStore(path))
        assert "can't lock" in error.message
        assert str(path) in error.message
        assert "Not a directory" in error.message
        assert "A file stands in a folder's place" in (error.hint or "")
        with pytest.raises(StateError, match="can't read"):
            FileStore(path).load()


def test_a_folder_in_the_place_of_the_file(store: FileStore) -> None:
    store.path.mkdir(parents=True)
    assert "Is a directory" in refused_early(store).message
    with pytest.raises(StateError, match=r"can't read .* Is a directory"):
        store.load()


def test_a_read_only_state_is_refused_early_for_root_too(store: FileStore) -> None:
    before = record(store, 1)
    store.path.chmod(0o400)
    error = refused_early(store)
    assert error.message == f"can't write {store.path}: it is read-only"
    assert "Let this user" in (error.hint or "")
    assert store.load() == before
    assert files(store) == ["state.json"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EIO])
def test_a_folder_that_takes_no_new_file_is_refused_early(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    record(store, 1)
    opened = os.open

    def refusing(path: Any, flags: int, *mode: int) -> int:
        if flags & os.O_CREAT and not str(path).endswith(".lock"):
            raise OSError(number, os.strerror(number), str(path))
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", refusing)
    assert refused_early(store).message == f"can't write {store.path}: {os.strerror(number)}"
    assert list(store.load().intents) == ["Campaign/1"]


def test_a_lock_file_that_can_not_be_written_is_refused_early(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", failing(errno.ENOSPC))
    error = refused_early(store)
    assert "No space left" in error.message
    assert "Make room" in (error.hint or "")
    assert files(store) == []


def test_a_full_disk_under_a_journal_loses_nothing_that_can_be_kept(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(store, 0)
    written = os.write

    def half(descriptor: int, data: memoryview) -> int:
        monkeypatch.setattr(os, "write", failing(errno.ENOSPC))
        return written(descriptor, data[: len(data) // 2])

    with store.locked(SERVER, "apply") as session:
        session.record(noted(1))
        monkeypatch.setattr(os, "write", half)
        with pytest.raises(StateError, match=r"can't record in .*journal: No space left"):
            session.record(noted(2))
        assert list(store.load().intents) == ["Campaign/0", "Campaign/1"], "the torn line is no harm"
        assert "Campaign/2" in session.state.intents
        with pytest.raises(StateError, match=r"can't save .*state\.json: No space left"):
            session.record(noted(3))
        monkeypatch.setattr(os, "write", written)
        session.record(noted(4))
        assert store.load() == session.state
        session.record(noted(5))
        assert store.load() == session.state
    assert list(store.load().intents) == [f"Campaign/{number}" for number in range(6)]


def test_what_failed_last_is_written_by_leaving(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.locked(SERVER, "apply") as session:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", failing(errno.ENOSPC))
            with pytest.raises(StateError, match="can't save"):
                session.record(noted(1))
        assert not store.path.exists()
    assert list(store.load().intents) == ["Campaign/1"]


@pytest.mark.parametrize("name", ["state.json", "state.json.backup"])
def test_a_failed_save_at_the_end_says_that_nothing_is_lost(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    record(store, 0)
    renamed = Path.replace

    def refusing(self: Path, target: Path) -> Path:
        if target.name == name:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return renamed(self, target)

    def work(session: Session) -> None:
        session.record(noted(1))
        monkeypatch.setattr(Path, "replace", refusing)

    with pytest.raises(StateError, match="can't save") as caught, store.locked(SERVER, "apply") as session:
        work(session)
    assert "Nothing is lost" in (caught.value.hint or "")
    monkeypatch.undo()
    assert list(store.load().intents) == ["Campaign/0", "Campaign/1"]
    assert list(record(store, 2).intents) == ["Campaign/0", "Campaign/1", "Campaign/2"]


def test_a_save_that_failed_after_the_rename_is_repeated_whole(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is then one of an older snapshot: what was appended to it would be ignored."""
    record(store, 0)
    crashed(store, 1)
    synced = durable.sync_folder

    with store.locked(SERVER, "apply") as session:
        with monkeypatch.context() as patch:
            patch.setattr(durable, "sync_folder", failing(errno.EIO))
            with pytest.raises(StateError):
                session.record(noted(2))
        assert durable.sync_folder is synced
        session.record(noted(3))
        assert store.load() == session.state
    assert list(store.load().intents) == [f"Campaign/{number}" for number in range(4)]


def test_what_could_not_be_written_at_all_is_said(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    record(store, 0)

    def work(session: Session) -> None:
        monkeypatch.setattr(os, "write", failing(errno.ENOSPC))
        with pytest.raises(StateError, match="can't record"):
            session.record(noted(1))

    with pytest.raises(StateError, match="can't save") as caught, store.locked(SERVER, "apply") as session:
        work(session)
    assert "could not be written down" in (caught.value.hint or "")
    assert "Make room" in (caught.value.hint or "")


def test_the_first_error_is_the_one_to_report(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    record(store, 0)

    def work(session: Session) -> None:
        session.record(noted(1))
        monkeypatch.setattr(Path, "replace", failing(errno.EROFS))
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine") as caught, store.locked(SERVER, "apply") as session:
        work(session)
    assert "can't save" in caught.value.__notes__[0]
    assert "Nothing is lost" in caught.value.__notes__[0]
    monkeypatch.undo()
    assert list(store.load().intents) == ["Campaign/0", "Campaign/1"]
