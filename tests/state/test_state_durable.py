"""Files that are there after a crash, and what is said when they can't be written."""

import errno
import os
import runpy
import stat
from pathlib import Path

import pytest

from reconciler.errors import StateError
from reconciler.state import durable

HINTS = {
    "Let this user read and write that file and its folder": (errno.EACCES, errno.EPERM, errno.EROFS),
    "A file stands in a folder's place": (errno.ENOTDIR, errno.EEXIST, errno.EISDIR),
    "Make room on that disk": (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    "A link stands there, and links are not followed where we write": (errno.ELOOP,),
    "Fix that": (errno.EIO, errno.ENAMETOOLONG),
}


@pytest.mark.parametrize(("hint", "number"), [(hint, n) for hint, numbers in HINTS.items() for n in numbers])
def test_what_to_do_about_each_error(hint: str, number: int, tmp_path: Path) -> None:
    with pytest.raises(StateError) as caught, durable.explained("write", tmp_path):
        raise OSError(number, os.strerror(number))
    assert caught.value.message == f"can't write {tmp_path}: {os.strerror(number)}"
    assert (caught.value.hint or "").startswith(hint)


def test_an_error_without_words_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(StateError) as caught, durable.explained("read", tmp_path):
        raise OSError("odd")
    assert caught.value.message == f"can't read {tmp_path}: odd"


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), durable.explained("read", tmp_path):
        raise ValueError("mine")


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reaches the disk, in order: ``sync NAME`` and ``NAME -> NAME``."""
    seen: list[str] = []
    renamed = Path.replace

    def sync(descriptor: int) -> None:
        seen.append(f"sync {Path(f'/dev/fd/{descriptor}').resolve().name}")

    def rename(self: Path, target: Path) -> Path:
        seen.append(f"{self.name} -> {target.name}")
        return renamed(self, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", rename)
    return seen


def test_a_file_is_replaced_by_what_is_on_the_disk_already(tmp_path: Path, done: list[str]) -> None:
    path = tmp_path / "state.json"
    (tmp_path / "state.json.new").write_bytes(b"longer, of a process that was killed")
    durable.replace(path, b"one")
    assert path.read_bytes() == b"one"
    assert done == ["sync state.json.new", "state.json.new -> state.json", f"sync {tmp_path.name}"]
    durable.replace(path, b"two")
    assert ([each.name for each in tmp_path.iterdir()], path.read_bytes()) == (["state.json"], b"two")


def test_a_new_file_is_for_its_user_alone(tmp_path: Path) -> None:
    durable.replace(tmp_path / "state.json", b"")
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600


def test_each_new_folder_is_made_durable_in_the_one_above(tmp_path: Path, done: list[str]) -> None:
    durable.make_folder(tmp_path / "a" / "b")
    assert done == [f"sync {tmp_path.name}", "sync a"]
    done.clear()
    durable.make_folder(tmp_path / "a" / "b")
    assert done == []
    assert {stat.S_IMODE((tmp_path / each).stat().st_mode) for each in ("a", "a/b")} == {0o700}


def test_a_folder_that_somebody_else_makes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.setattr(Path, "exists", lambda self: self != tmp_path / "a")
    durable.make_folder(tmp_path / "a")
    assert (tmp_path / "a").is_dir()


@pytest.mark.parametrize("sync", [True, False])
def test_all_of_it_is_written_however_little_the_system_takes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: list[str], sync: bool
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:2]))
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    durable.append(descriptor, b"abcde", sync=sync)
    durable.append(descriptor, b"", sync=sync)
    os.close(descriptor)
    assert (tmp_path / "log").read_bytes() == b"abcde"
    assert done == ["sync log"] * (2 * sync)


def test_what_may_be_replaced_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    durable.check_replaceable(path)
    assert not any(tmp_path.iterdir())
    path.write_bytes(b"one")
    durable.check_replaceable(path)
    assert ([each.name for each in tmp_path.iterdir()], path.read_bytes()) == (["state.json"], b"one")


@pytest.mark.parametrize("mode", [0o400, 0o444, 0o500])
def test_what_is_read_only_is_meant_so(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"one")
    path.chmod(mode)
    with pytest.raises(PermissionError, match="it is read-only") as caught:
        durable.check_replaceable(path)
    assert (caught.value.errno, caught.value.filename) == (errno.EACCES, str(path))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught:
        durable.check_replaceable(tmp_path)
    assert (caught.value.errno, caught.value.filename) == (errno.EISDIR, str(tmp_path))


def test_a_file_is_read_or_there_is_none(tmp_path: Path) -> None:
    assert durable.read_bytes(tmp_path / "nothing") is None
    (tmp_path / "empty").touch()
    assert durable.read_bytes(tmp_path / "empty") == b""
    with pytest.raises(StateError, match="can't read"):
        durable.read_bytes(tmp_path)


def test_a_link_is_not_followed_that_somebody_puts_there_at_the_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    path = tmp_path / "state.json"
    monkeypatch.setattr(durable, "only_a_file", lambda path: path.symlink_to(tmp_path / "secret"))
    with pytest.raises(StateError) as caught:
        durable.read_bytes(path)
    assert "A link stands there" in (caught.value.hint or "")


def test_where_the_system_knows_no_such_flag_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert durable.NOFOLLOW
    monkeypatch.delattr(os, "O_NOFOLLOW")
    assert runpy.run_path(durable.__file__)["NOFOLLOW"] == 0
