"""State in a place that machines share: a snapshot, a journal, an audit log, and a lock that is a lease.

`Backend` is the seam to such a place: what it keeps, and writes that succeed only while the lock is ours. All
else is the same wherever it is, and stands here.

A fact that isn't due at once (``sync=False``) is held back until a second is over, until there are so many
of them, or until one is written that is due. A process that is killed loses those: see `Session.record`.

Tests: `tests/state/test_leased_session.py`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import Final, Protocol

from reconciler.codec import JsonObject
from reconciler.errors import StateError
from reconciler.model import Server
from reconciler.state.base import Event, LockInfo, Session, State, bound_to
from reconciler.state.folding import PendingState
from reconciler.state.journal import encode_line
from reconciler.state.leases import Lease, LeaseLost, Renewable
from reconciler.state.locks import acquire, described, moment, new_lock
from reconciler.state.replay import StoredState
from reconciler.state.state_format import encode_event, encode_state

HELD_BACK: Final = 500
"""So many calls of ``record`` or lines of audit are written together, at most."""
_POLL_SECONDS: Final = 0.5
_LOG = logging.getLogger("reconciler.state")


class Holding(Renewable, Protocol):
    """A lock that is ours. Every write is refused once it isn't: LeaseLost, and nothing is written.

    StateError when a write can't be done, or nobody can tell whether it was.
    """

    replaced: LockInfo | None
    """Whose lease had run out when we took the lock."""

    def read(self) -> StoredState:
        """What is kept, once nobody who held the lock before can add to it."""
        ...

    def append(self, lines: Sequence[bytes], *, base: int) -> bool:
        """Lines of the journal, all or none. True says that the journal should be folded in soon."""
        ...

    def save(self, document: bytes, *, serial: int) -> None:
        """A new snapshot; then there is no journal. The one before is kept."""
        ...

    @property
    def audit_tail(self) -> str | None: ...

    def append_audit(self, lines: Sequence[str]) -> None:
        """Lines of the audit log, all or none. After a failure only the same lines may be tried again."""
        ...

    def release(self) -> None:
        """Unlock, and leave; never fails: a lease runs out."""
        ...


class Backend(Protocol):
    """A place that machines share."""

    def read(self) -> StoredState:
        """What is kept at one moment."""
        ...

    def take(self, info: LockInfo) -> Holding | None:
        """Try once to lock; None when somebody else holds the lock."""
        ...

    def holder(self) -> LockInfo | None: ...

    def unlock(self, lock_id: str) -> None:
        """Break the lock of that id, if it is held under it."""
        ...

    def audit_lines(self) -> Iterator[str]: ...


class LeasedStore:
    """A state in a `Backend`; leases run for `seconds`. A `StateStore`."""

    def __init__(self, remote: Backend, *, url: str, seconds: float) -> None:
        self._remote = remote
        self._url = url
        self._seconds = seconds

    @property
    def url(self) -> str:
        return self._url

    def load(self) -> State:
        """See `StateStore.load`."""
        return self._remote.read().state

    @contextmanager
    def locked(self, server: Server, operation: str, *, timeout: float = 0.0) -> Iterator[Session]:
        """See `StateStore.locked`. A session in which nothing is recorded writes nothing but the lock."""
        holding = acquire(
            lambda: self._remote.take(new_lock(operation)),
            self.holder,
            url=self._url,
            timeout=timeout,
            every=_POLL_SECONDS,
        )
        try:
            if holding.replaced:
                _LOG.warning("%s", _taken_over(holding.replaced, self._url))
            with Lease(holding, self._seconds, url=self._url) as lease:
                found = self._found(holding, lease)
                state = bound_to(found.state, server, url=self._url)
                session = LeasedSession(holding, lease, state, whole=found.whole)
                lease.idle = session.catch_up
                try:
                    yield session
                except BaseException as error:
                    try:
                        session.close()
                    except StateError as failure:
                        # The first error is the one to report; the journal is replayed by whoever comes next.
                        error.add_note(f"{failure.message}\n{failure.hint}")
                    raise
                session.close()
        finally:
            holding.release()

    @staticmethod
    def _found(holding: Holding, lease: Lease) -> StoredState:
        try:
            return holding.read()
        except LeaseLost as error:
            raise lease.lost(error) from error

    def audit_lines(self) -> Iterator[str]:
        """See `StateStore.audit_lines`."""
        return self._remote.audit_lines()

    def holder(self) -> LockInfo | None:
        """See `StateStore.holder`. A lease that has run out is held by nobody."""
        return self._remote.holder()

    def unlock(self, lock_id: str) -> None:
        """See `StateStore.unlock`. Whoever held it is told at its next write, and writes nothing any more."""
        self._remote.unlock(lock_id)
        if held := self._remote.holder():
            raise StateError(
                f"the state {self._url} is not locked under {lock_id}, but under {held.id}, by"
                f" {described(held)}",
                hint=f"If that is the one: `reconciler state unlock {held.id}`.",
            )


def document_of(state: State) -> bytes:
    """The snapshot of `state`, as a remote keeps it."""
    return json.dumps(encode_state(state), sort_keys=True, allow_nan=False).encode()


def _taken_over(info: LockInfo, url: str) -> str:
    ended = "" if info.expires is None else moment(info.expires, after="at")
    return (
        f"took over the lock of the state {url} from {described(info)}: its lease ran out{ended}."
        " That run was killed or cut off, and this one finds what it left."
    )


class LeasedSession:
    """A locked state. May be used from several threads; one at a time writes, the others go on.

    ``whole``: snapshot and journal hold all but what is held back, and the journal may be appended to. Else
    the next write is a snapshot.
    """

    def __init__(self, holding: Holding, lease: Lease, state: State, *, whole: bool) -> None:
        self._holding = holding
        self._lease = lease
        self._recorded = PendingState(state)
        self._whole = whole
        self._dirty = False
        self._check = 0
        self._calls: list[list[JsonObject]] = []
        self._audit: list[str] = []
        self._stuck: list[str] = []
        self._tail = holding.audit_tail
        # Locks are always taken in this order: a writer may take the buffer, never the reverse.
        self._writing = Lock()
        self._buffer = Lock()

    @property
    def state(self) -> State:
        with self._buffer:
            return self._recorded.fold()

    @property
    def until(self) -> float | None:
        """See `Session.until`."""
        return self._lease.until

    def record(self, *events: Event, sync: bool = True) -> None:
        """See `Session.record`. Without events it says whether the lock is still ours."""
        encoded = [encode_event(event) for event in events]
        with self._buffer:
            if encoded:
                self._recorded.add(events)
                self._calls.append(encoded)
                self._dirty = True
            due = bool(encoded) and (sync or not self._whole or len(self._calls) >= HELD_BACK)
        self._settle(due=due)

    @property
    def audit_tail(self) -> str | None:
        """See `Session.audit_tail`."""
        with self._buffer:
            return self._tail

    def audit(self, *lines: str, sync: bool = True) -> None:
        """See `Session.audit`."""
        if not lines:
            return
        with self._buffer:
            self._audit += lines
            self._tail = lines[-1]
            due = sync or len(self._audit) >= HELD_BACK
        self._settle(due=due)

    def _settle(self, *, due: bool) -> None:
        self._lease.check()
        if due:
            with self._writing:
                self._write()

    def catch_up(self) -> None:
        """Write what is held back, unless somebody is writing now; a failure is for the next call to say."""
        if self._writing.acquire(blocking=False):
            try:
                self._write()
            except StateError as error:
                _LOG.debug("what was held back could not be written: %s", error.message)
            finally:
                self._writing.release()

    def close(self) -> None:
        """Folds the journal into the snapshot; writes nothing when nothing was recorded."""
        with self._writing:
            if not (self._dirty or self._audit or self._stuck):
                return
            kept = self._whole and not self._calls
            try:
                self._lease.check()
                self._write_audit()
                if self._dirty:
                    self._save()
            except StateError as error:
                raise StateError(error.message, hint=f"{error.hint} {_KEPT if kept else _LOST}") from error

    def _write(self) -> None:
        """All that is held back: the journal, then the audit log."""
        with self._buffer:
            calls, self._calls = self._calls, []
        if calls:
            if self._whole:
                self._append(calls)
            else:
                self._save()
        self._write_audit()

    def _append(self, calls: Sequence[Sequence[JsonObject]]) -> None:
        state, check, lines = self._recorded.base, self._check, []
        for encoded in calls:
            line, check = encode_line(encoded, lineage=state.lineage, base=state.serial, check=check)
            lines.append(line)
        try:
            crowded = self._holding.append(lines, base=state.serial)
        except BaseException as error:
            # It is unknown whether these lines were written, so only a snapshot can follow.
            self._whole = False
            if isinstance(error, LeaseLost):
                raise self._lease.lost(error) from error
            raise
        self._check = check
        if crowded:
            self._save()

    def _save(self) -> None:
        """The state as the snapshot of the next serial; then there is no journal."""
        with self._buffer:
            folded = self._recorded.fold()
            self._calls = []
        self._whole = False
        state = replace(folded, serial=folded.serial + 1)
        try:
            self._holding.save(document_of(state), serial=state.serial)
        except LeaseLost as error:
            raise self._lease.lost(error) from error
        with self._buffer:
            self._recorded.saved_as(state.serial)
            self._dirty = bool(self._calls)
        self._whole = True
        self._check = 0

    def _write_audit(self) -> None:
        while True:
            if not self._stuck:
                with self._buffer:
                    self._stuck, self._audit = self._audit, []
            if not self._stuck:
                return
            try:
                self._holding.append_audit(self._stuck)
            except LeaseLost as error:
                raise self._lease.lost(error) from error
            self._stuck = []


_KEPT = "Nothing is lost: the next run reads the journal."
_LOST = (
    "What was done last could not be written down; the next `plan` looks for it on the server, and shows as"
    " not ours what it can't tie to the state."
)
