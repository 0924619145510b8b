"""Sessions that several threads use: wherever one could be interrupted, another one does something.

Nothing depends on the machine: what the other thread would do is done in between, in the same thread, each
time that something that threads share is read or set. Where it would have to wait for a lock it gives up, and
does it when the first is through.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest

from reconciler.model import Server
from reconciler.state.base import Intent, IntentNoted, State
from reconciler.state.file import FileStore
from reconciler.state.leased import LeasedStore
from reconciler.state.leases import Lease
from tests.state.fake_place import FakePlace

SERVER = Server("pulse", "https://pulse.example.com")
OF_SESSIONS = {"_calls", "_audit", "_stuck", "_tail", "_recorded", "_dirty", "_check", "_whole", "_log"}
OF_STATES = {"_waiting", "base"}
OF_FILES = {"_descriptor", "_end", "_held"}
SHARED = OF_SESSIONS | OF_STATES | OF_FILES


class Blocked(Exception):
    """Another thread would wait for `lock` now."""

    def __init__(self, lock: "Guard") -> None:
        super().__init__()
        self.lock = lock


class Guard:
    """A lock at which nobody waits: see `Blocked`."""

    def __init__(self) -> None:
        self._held = False

    def acquire(self, *, blocking: bool = True) -> bool:
        if self._held:
            if blocking:
                raise Blocked(self)
            return False
        self._held = True
        return True

    def release(self) -> None:
        self._held = False

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Interruption:
    """When something shared is touched for the time number `at`, another thread does `work`."""

    def __init__(self, at: int) -> None:
        self._left: int | None = at
        self.work: Callable[[], object] | None = None

    @property
    def pending(self) -> bool:
        return self._left is not None

    def touched(self) -> None:
        if self.work is None or self._left is None:
            return
        if self._left:
            self._left -= 1
            return
        self._left = None
        self.work()


def watched(kind: type[Any], interruption: Interruption) -> type[Any]:
    """`kind`, which tells `interruption` after what is shared was read, and before it is set."""

    class Watched(kind):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if name in SHARED:
                interruption.touched()
            return value

        def __setattr__(self, name: str, value: Any) -> None:
            if name in SHARED:
                interruption.touched()
            super().__setattr__(name, value)

    return Watched


@pytest.fixture(autouse=True)
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread of a lease does nothing by itself, and nothing waits for the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(Lease, "_run", lambda _: None)


def noted(key: str) -> IntentNoted:
    return IntentNoted(Intent(key, "name"))


Opened = tuple[Any, Callable[[], tuple[State, list[str]]]]


@contextmanager
def opened(kind: str, root: Path, interruption: Interruption) -> Iterator[Opened]:
    """A session that goes on with a state, and what a reader finds: the state, and the audit log."""
    store: FileStore | LeasedStore = FileStore(root / "state.json")
    if not kind.endswith("file"):
        # One that is crowded has its journal folded in after each write.
        place = FakePlace(crowded_at=1) if kind == "crowded" else FakePlace()
        store = LeasedStore(place, url="fake:", seconds=60)
    with store.locked(SERVER, "apply") as session:
        session.record(noted("first"))
    with store.locked(SERVER, "apply") as session:
        seen: Any = session
        for name in ("_guard",) if kind.endswith("file") else ("_buffer", "_writing"):
            setattr(seen, name, Guard())
        for part in (seen, seen._recorded, *([seen._log] if kind.endswith("file") else [])):
            # Its class is another one, with the code that is tested.
            part.__class__ = watched(type(part), interruption)
        yield session, lambda: (store.load(), list(store.audit_lines()))


def write_log(session: Any) -> None:
    """The second half of `catch_up`: as far as a thread may be when another one begins."""
    if session._writing.acquire(blocking=False):
        try:
            session._write_audit()
        finally:
            session._writing.release()


WRITE_LOG = "write what is held back of the log"
CATCH_UP = "write what is held back"
DOES: dict[str, Callable[[Any, str], object]] = {
    "record": lambda session, who: session.record(noted(who)),
    "record, not due": lambda session, who: session.record(noted(who), sync=False),
    "audit": lambda session, who: session.audit(who),
    "audit, not due": lambda session, who: session.audit(who, sync=False),
    "look": lambda session, _: session.state,
    "last line": lambda session, _: session.audit_tail,
    CATCH_UP: lambda session, _: session.catch_up(),
    WRITE_LOG: lambda session, _: write_log(session),
    "close": lambda session, _: session.close(),
}
ADDS = ("record", "audit")


def one_time(kind: str, one: str, other: str, root: Path, at: int) -> bool:
    """`one`, and `other` in the middle of it; whether there is a place number `at` for that."""
    interruption = Interruption(at)
    left: list[str] = [other]
    with opened(kind, root, interruption) as (session, found):
        if kind != "new file":
            session.record(noted("before"), sync=False)
            session.audit("log before", sync=False)
        held: list[str] = []
        """What waits for whoever is writing."""

        def work() -> None:
            left.clear()
            try:
                DOES[other](session, "other")
            except Blocked as blocked:
                if other.startswith(ADDS) and blocked.lock is getattr(session, "_writing", None):
                    # It has said what it has to say, and waits only until that is written.
                    held.append("other")
                else:
                    left.append(other)

        interruption.work = work
        DOES[one](session, "one")
        interruption.work = None
        for late in left:
            DOES[late](session, "other")
        does = (("one", one), ("other", other))
        before = kind != "new file"
        recorded = [*["before"] * before, "first", *(who for who, what in does if what.startswith("record"))]
        logged = [*["log before"] * before, *(who for who, what in does if what.startswith("audit"))]
        assert sorted(session.state.intents) == recorded, at
        tail = session.audit_tail
        state, lines = found()
        for who, what in does:
            if who not in held and what in ADDS:
                assert who in (state.intents if what == "record" else lines), f"{at}: it is not durable"
    state, lines = found()
    assert sorted(state.intents) == recorded, at
    assert (sorted(lines), lines[-1:]) == (logged, [tail] if tail else []), at
    return not interruption.pending


def each_time(kind: str, one: str, other: str, root: Path) -> None:
    for at in count():
        if not one_time(kind, one, other, root / str(at), at):
            assert at, "nothing of it is shared"
            return


OF_ALL = [what for what in DOES if what not in ("close", CATCH_UP, WRITE_LOG)]


@pytest.mark.parametrize("kind", ["leased", "crowded"])
@pytest.mark.parametrize(
    # Only the thread of the lease is still there while a session is left.
    ("one", "other"),
    [*product([*OF_ALL, CATCH_UP, WRITE_LOG], repeat=2), ("close", CATCH_UP)],
)
def test_nothing_is_lost_where_states_are_shared(kind: str, one: str, other: str, tmp_path: Path) -> None:
    each_time(kind, one, other, tmp_path)


@pytest.mark.parametrize("kind", ["file", "new file"])
@pytest.mark.parametrize("other", OF_ALL)
@pytest.mark.parametrize("one", OF_ALL)
def test_nothing_is_lost_in_a_file(kind: str, one: str, other: str, tmp_path: Path) -> None:
    each_time(kind, one, other, tmp_path)
