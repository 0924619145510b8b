"""A state in a file leaves nothing open: a run works on many of them, for days."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import StateError
from reconciler.model import Server
from reconciler.state import durable, locks
from reconciler.state.base import Intent, IntentNoted, Session
from reconciler.state.file import FileStore

SERVER = Server("pulse", "https://pulse.example.com")


def noted(number: int) -> IntentNoted:
    return IntentNoted(Intent(f"Campaign/{number}", "name"))


def recorded(store: FileStore) -> None:
    with store.locked(SERVER, "apply") as session:
        for number in range(3):
            session.record(noted(number))
            session.audit(str(number))


def interrupted(store: FileStore) -> None:
    def run(session: Session) -> None:
        session.record(noted(1))
        session.audit("one")
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError), store.locked(SERVER, "apply") as session:
        run(session)


def refused(store: FileStore) -> None:
    with store.locked(SERVER, "apply"):
        for _ in range(2):
            with pytest.raises(StateError), store.locked(SERVER, "apply"):
                pytest.fail("it was locked twice")
        assert store.holder()
        with pytest.raises(StateError):
            store.unlock("any")


def left_behind(store: FileStore) -> None:
    store.path.with_name("state.json.lock").write_bytes(b"")
    assert store.holder() is None
    store.unlock("any")


def failing(module: object, name: str) -> Callable[[FileStore], None]:
    """A run in which the system refuses that."""

    def run(store: FileStore) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, name, no_space)
            with pytest.raises(StateError):
                recorded(store)

    return run


def no_space(*_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def opened() -> int:
    return len(list(Path("/dev/fd").iterdir()))


DOES: list[Callable[[FileStore], object]] = [
    FileStore.load,
    recorded,
    interrupted,
    refused,
    left_behind,
    failing(os, "write"),
    failing(os, "fsync"),
    failing(locks, "_flock"),
    lambda store: list(store.audit_lines()),
    lambda store: durable.sync_folder(store.path.parent),
]


@pytest.mark.parametrize("there", [False, True], ids=["nothing", "a state"])
@pytest.mark.parametrize("does", DOES)
def test_nothing_stays_open(does: Callable[[FileStore], object], there: bool, tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state.json")
    if there:
        recorded(store)
    before = opened()
    does(store)
    assert opened() == before
