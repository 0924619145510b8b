"""Sessions that several threads use: wherever one could be interrupted, another one does something.

Nothing depends on the machine: what the other thread would do is done in between, in the same thread, each
time that what threads share is looked at without the lock that guards it. With the lock another thread waits.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from reconciler.model import Server
from reconciler.state.base import Intent, IntentNoted, State
from reconciler.state.file import FileStore
from reconciler.state.folding import PendingState
from reconciler.state.leased import LeasedStore
from reconciler.state.leases import Lease
from tests.state.fake_place import FakePlace

SERVER = Server("pulse", "https://pulse.example.com")
SHARED = frozenset({"_calls", "_audit", "_tail", "_recorded", "_waiting", "base", "_descriptor", "_log"})
"""What threads share, of both kinds of session, and of what they keep."""


class Interruption:
    """At the look number `at` without a lock another thread does `work`, once."""

    def __init__(self, at: int) -> None:
        self._at = at
        self.locked: Callable[[], bool] = lambda: True
        self.work: Callable[[], object] = lambda: None
        self.done = False

    def look(self) -> None:
        if self.done or self.locked():
            return
        if self._at == 0:
            self.done = True
            self.work()
        self._at -= 1


def watched(kind: type[Any], interruption: Interruption) -> type[Any]:
    """`kind`, which tells `interruption` before what is shared is given away."""

    class Watched(kind):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if name in SHARED:
                interruption.look()
            return value

    return Watched


@pytest.fixture(autouse=True)
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread of a lease does nothing by itself."""
    monkeypatch.setattr(Lease, "_run", lambda _: None)


def noted(key: str) -> IntentNoted:
    return IntentNoted(Intent(key, "name"))


Opened = tuple[Any, Callable[[], tuple[State, list[str]]]]


@contextmanager
def opened(kind: str, tmp_path: Path, interruption: Interruption, *, due: bool) -> Iterator[Opened]:
    """A session that goes on with a state, and what a reader finds of it: state, and audit log."""
    store: FileStore | LeasedStore
    place = FakePlace()
    if kind == "file":
        store = FileStore(tmp_path / "state.json")
        locks = ["_guard"]
    else:
        store = LeasedStore(place, url="fake:", seconds=60)
        # What is due waits for whoever writes, too.
        locks = ["_buffer", "_writing"] if due else ["_buffer"]
    with store.locked(SERVER, "apply") as session:
        session.record(noted("first"))
    with store.locked(SERVER, "apply") as session:
        # Its class is changed, not its code: that is what is tested.
        session.__class__ = watched(type(session), interruption)
        recorded: Any = session._recorded  # type: ignore[attr-defined]
        recorded.__class__ = watched(PendingState, interruption)
        guards = [getattr(session, name) for name in locks]
        interruption.locked = lambda: any(guard.locked() for guard in guards)
        yield session, lambda: (store.load(), list(store.audit_lines()))
        interruption.done = True


DOES: dict[str, Callable[[Any, str], object]] = {
    "record": lambda session, who: session.record(noted(who)),
    "record, not due": lambda session, who: session.record(noted(who), sync=False),
    "audit": lambda session, who: session.audit(who),
    "audit, not due": lambda session, who: session.audit(who, sync=False),
    "look": lambda session, _: session.state,
    "write what is held back": lambda session, _: session.catch_up(),
}


def interrupted(kind: str, one: str, other: str, tmp_path: Path) -> Iterator[None]:
    """`one` with `other` in the middle of it, at each place where that can be."""
    for at in count():
        interruption = Interruption(at)
        with opened(kind, tmp_path / str(at), interruption, due=other in ("record", "audit")) as (
            session,
            found,
        ):
            session.record(noted("before"), sync=False)
            session.audit("log before", sync=False)
            interruption.work = lambda: DOES[other](session, "other")
            DOES[one](session, "one")
            in_between, interruption.done = interruption.done, True
            if not in_between:
                DOES[other](session, "other")
            recorded = ["first", "before"] + [
                who for who, what in (("one", one), ("other", other)) if what.startswith("record")
            ]
            logged = ["log before"] + [
                who for who, what in (("one", one), ("other", other)) if what.startswith("audit")
            ]
            assert sorted(session.state.intents) == sorted(recorded), at
            tail = session.audit_tail
        state, lines = found()
        assert sorted(state.intents) == sorted(recorded), at
        assert (sorted(lines), lines[-1]) == (sorted(logged), tail), at
        yield
        if not in_between:
            return


@pytest.mark.parametrize("other", DOES)
@pytest.mark.parametrize("one", DOES)
def test_nothing_is_lost_where_states_are_shared(one: str, other: str, tmp_path: Path) -> None:
    for _ in interrupted("leased", one, other, tmp_path):
        pass


OF_FILES = [what for what in DOES if what != "write what is held back"]


@pytest.mark.parametrize("other", OF_FILES)
@pytest.mark.parametrize("one", OF_FILES)
def test_nothing_is_lost_in_a_file(one: str, other: str, tmp_path: Path) -> None:
    places = sum(1 for _ in interrupted("file", one, other, tmp_path))
    assert places == 1, "all that is shared is looked at behind the lock"
