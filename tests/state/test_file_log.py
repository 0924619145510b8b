"""The audit log in a file: appended to, fixed after a crash by a line that says so."""

import errno
import io
import json
import os
import stat
from pathlib import Path

import pytest

from reconciler.audit.chain import Verdict, encode, link_of, verify
from reconciler.errors import StateError
from reconciler.model import Server
from reconciler.state import durable, filelog
from reconciler.state.base import Intent, IntentNoted
from reconciler.state.file import FileStore
from reconciler.state.filelog import AuditFile

SERVER = Server("pulse", "https://pulse.example.com")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "state.json.audit"


def write(path: Path, *words: str) -> None:
    """What a run adds: a line of each word."""
    file = AuditFile(path)
    for word in words:
        line, _ = encode({"type": "call", "message": word}, link_of(file.tail), run=1)
        file.append([line], sync=True)
    file.close()


def verdict(path: Path) -> Verdict:
    return verify(AuditFile(path).lines())


def words(path: Path) -> list[str]:
    """Of each line its word, or what it was cut short to in bytes."""
    read = map(json.loads, AuditFile(path).lines())
    return [line.get("message") or f"torn {line['torn']['bytes']}" for line in read]


def test_the_log_is_beside_the_state_for_its_user_alone(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "below" / "state.json")
    with store.locked(SERVER, "apply") as session:
        session.audit(encode({"type": "begin"}, link_of(session.audit_tail), run=1)[0])
    assert store.audit_log == tmp_path / "below" / "state.json.audit"
    assert stat.S_IMODE(store.audit_log.stat().st_mode) == 0o600
    assert [path.name for path in store.path.parent.iterdir()] == ["state.json.audit"], "no state was made"


def test_a_new_log_is_there_after_a_crash_of_the_machine(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is made durable, too, once."""
    synced: list[Path] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(Path(f"/dev/fd/{descriptor}").resolve())
    )
    file = AuditFile(log)
    file.append(["one"], sync=True)
    assert synced == [log.parent, log]
    file.append(["two"], sync=True)
    assert synced == [log.parent, log, log]
    file.close()


def test_a_log_without_lines_makes_no_file(log: Path) -> None:
    file = AuditFile(log)
    assert file.tail is None
    file.append([], sync=True)
    file.close()
    assert not log.exists()
    assert list(file.lines()) == []


def test_what_stands_there_is_never_touched(log: Path) -> None:
    write(log, "one", "two")
    before = log.read_bytes()
    write(log, "three")
    assert log.read_bytes().startswith(before)
    assert words(log) == ["one", "two", "three"]


@pytest.mark.parametrize("sync", [True, False])
def test_only_durable_lines_wait_for_the_disk(log: Path, sync: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    append = durable.append

    def watched(descriptor: int, data: bytes, *, sync: bool = True) -> None:
        seen.append(sync)
        append(descriptor, data, sync=sync)

    monkeypatch.setattr(filelog.durable, "append", watched)
    file = AuditFile(log)
    file.append([encode({"type": "call"}, link_of(None), run=1)[0]], sync=sync)
    file.close()
    assert seen == [sync]


def test_a_line_torn_at_any_byte_is_owned_up_to_by_the_next_write(log: Path) -> None:
    write(log, "one", "two")
    whole = log.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for end in range(last + 1, len(whole) - 1):
        log.write_bytes(whole[:end])
        assert verdict(log).broken is not None, "until somebody owns up to it"
        write(log, "three", "four")
        assert log.read_bytes().startswith(whole[:end] + b"\n"), "what is left of it stays"
        found = verdict(log)
        assert (found.broken, found.torn, found.lines) == (None, (2,), 5)
        write(log, "five")
        assert (verdict(log).torn, verdict(log).lines) == ((2,), 6)


def test_a_first_line_that_was_torn(log: Path) -> None:
    log.write_bytes(b"\0\xff{")
    write(log, "one")
    assert (verdict(log).broken, verdict(log).torn, verdict(log).lines) == (None, (1,), 3)


def test_a_line_that_lacks_only_its_end_is_whole(log: Path) -> None:
    write(log, "one", "two")
    log.write_bytes(log.read_bytes().removesuffix(b"\n"))
    assert verdict(log).broken is None
    write(log, "three")
    assert words(log) == ["one", "two", "three"]
    assert verdict(log).broken is None


def test_a_torn_line_is_mended_by_the_next_line_and_not_by_a_look(log: Path) -> None:
    write(log, "one")
    with log.open("ab") as file:
        file.write(b'{"at')
    before = log.read_bytes()
    tail = AuditFile(log).tail
    assert tail is not None
    assert json.loads(tail)["torn"]["bytes"] == 4
    assert log.read_bytes() == before


@pytest.mark.parametrize("rest", [b"", b'{"at'])
def test_nothing_is_written_behind_a_last_line_that_was_changed(log: Path, rest: bytes) -> None:
    write(log, "one")
    log.write_bytes(log.read_bytes().replace(b"one", b"two") + rest)
    before = log.read_bytes()
    with pytest.raises(StateError, match="isn't as it was written"):
        write(log, "three")
    assert log.read_bytes() == before


def test_the_last_line_is_found_in_a_log_of_any_size(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filelog, "_BLOCK", 7)
    write(log, "one")
    assert AuditFile(log).tail == log.read_text().splitlines()[-1]
    write(log, "two", "three")
    assert AuditFile(log).tail == log.read_text().splitlines()[-1]


# --- what goes wrong ---------------------------------------------------------------------------------


def half(descriptor: int, data: bytes, *, sync: bool = True) -> None:
    """A disk that is full in the middle of a line."""
    os.write(descriptor, data[: len(data) // 2])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_a_full_disk_did_not_take_is_written_with_the_next_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path / "state.json")
    link, lines = link_of(None), []
    for word in ("one", "two", "three"):
        line, link = encode({"type": "call", "message": word}, link, run=1)
        lines.append(line)
    with store.locked(SERVER, "apply") as session:
        session.audit(lines[0])
        with monkeypatch.context() as patch:
            patch.setattr(filelog.durable, "append", half)
            with pytest.raises(StateError, match=r"can't write the audit log .*: No space left") as caught:
                session.audit(lines[1])
        assert caught.value.hint
        assert "Make room" in caught.value.hint
        assert session.audit_tail == lines[1], "what follows goes on from it"
        session.audit(lines[2])
        assert list(store.audit_lines()) == lines
        session.record(IntentNoted(Intent("Campaign/x", "x")))
    assert verdict(store.audit_log) == Verdict(3, link.hash), "half a line was not left there"


@pytest.mark.parametrize("room", [True, False])
def test_what_a_full_disk_did_not_take_is_tried_once_more_by_leaving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: bool
) -> None:
    store = FileStore(tmp_path / "state.json")
    line, _ = encode({"type": "begin"}, link_of(None), run=1)

    def failing() -> None:
        with store.locked(SERVER, "apply") as session:
            with monkeypatch.context() as patch:
                patch.setattr(filelog.durable, "append", half)
                with pytest.raises(StateError):
                    session.audit(line)
            session.record(IntentNoted(Intent("Campaign/x", "x")))
            if not room:
                monkeypatch.setattr(
                    AuditFile, "_opened", lambda self: os.open(tmp_path / "a" / "b", os.O_RDONLY)
                )

    if room:
        failing()
        assert list(store.audit_lines()) == [line]
    else:
        with pytest.raises(StateError, match="can't write the audit log"):
            failing()
    assert list(store.load().intents) == ["Campaign/x"], "the state was saved all the same"


def test_a_log_that_can_t_be_read_is_an_error_of_the_log_alone(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state.json")
    store.audit_log.mkdir()
    with pytest.raises(StateError, match="can't read the audit log"):
        list(store.audit_lines())
    with (
        store.locked(SERVER, "apply") as session,
        pytest.raises(StateError, match="can't read the audit log"),
    ):
        assert session.audit_tail is None
    assert store.load().serial == 0


def test_a_pipe_is_no_log(tmp_path: Path) -> None:
    """Whoever opens it would wait for a writer, for ever."""
    os.mkfifo(tmp_path / "log")
    log = AuditFile(tmp_path / "log")
    with pytest.raises(StateError, match="It is a pipe, a device or a socket, not a file"):
        list(log.lines())
    with pytest.raises(StateError, match="It is a pipe, a device or a socket, not a file"):
        log.append(["x"], sync=True)


@pytest.mark.parametrize(
    ("lines", "reads"),
    [
        ([100, 3, 3], [(93, 16)]),
        ([100, 20, 5], [(112, 16)]),
        ([100, 5, 20], [(112, 16), (96, 16)]),
        ([3, 3], [(0, 8)]),
        ([40], [(25, 16), (9, 16), (0, 9)]),
    ],
)
def test_of_a_long_log_only_the_end_is_read(
    log: Path, monkeypatch: pytest.MonkeyPatch, lines: list[int], reads: list[tuple[int, int]]
) -> None:
    """Blocks from the end, until the last line is whole: here of 16 bytes."""
    log.write_bytes(b"".join(b"%d" % (at % 10) * length + b"\n" for at, length in enumerate(lines)))
    found: list[tuple[int, int]] = []

    class Read(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:  # type: ignore[override]
            found.append((self.tell(), size or 0))
            return super().read(size) or b""

    monkeypatch.setattr(durable, "opened", Read)
    monkeypatch.setattr(filelog, "_BLOCK", 16)
    assert AuditFile(log).tail == f"{len(lines) - 1}" * lines[-1]
    assert found == reads
