"""State in a file, for one machine.

    state.json          the snapshot, replaced whole
    state.json.journal  what was recorded since, one line a call; gone when a session has ended well
    state.json.lock     who is writing; there only while somebody is, or after a crash
    state.json.backup   the snapshot before this one
    state.json.audit    who did what: see reconciler.audit
    *.new               what is about to replace the snapshot or the backup

A journal extends the snapshot of the serial it names. Saving replaces the snapshot, with the next serial,
and then removes the journal; who finds a journal of an older serial knows that the snapshot has it already.
So a reader needs no lock: it reads the journal first and the snapshot after it, and whatever a writer does
in between, the two together are a state that was true. A journal is only ever appended to by the session
that began it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shlex import quote
from threading import Lock

from reconciler.codec import JsonObject
from reconciler.errors import StateError
from reconciler.model import Json, Server
from reconciler.state import durable
from reconciler.state.base import Event, LockInfo, Session, State, bound_to
from reconciler.state.durable import explained
from reconciler.state.filelog import AuditFile
from reconciler.state.folding import PendingState
from reconciler.state.journal import encode_line
from reconciler.state.locks import file_holder, hold_file, unlock_file
from reconciler.state.replay import JournalPart, StoredState, StorePlaces, kept, snapshot_of
from reconciler.state.state_format import encode_event, encode_state
from reconciler.trust.folders import link_in


class FileStore:
    """A state in the file `path`; `url` is how reports call it. A `StateStore`.

    `home`: a folder that a branch may have filled; behind a link in it there is no state of ours.
    """

    def __init__(self, path: Path, *, url: str | None = None, home: Path | None = None) -> None:
        self._link = None if home is None else link_in(path, home)
        # The real name, so that two links to a state share one lock and a link stays a link.
        self.path = Path(os.path.realpath(path))
        self._url = url or f"file:{path}"

    @property
    def url(self) -> str:
        return self._url

    @property
    def journal(self) -> Path:
        return self._beside("journal")

    @property
    def backup(self) -> Path:
        return self._beside("backup")

    @property
    def audit_log(self) -> Path:
        return self._beside("audit")

    def load(self) -> State:
        """See `StateStore.load`."""
        self._refuse_link()
        return self._read().state

    @contextmanager
    def locked(self, server: Server, operation: str, *, timeout: float = 0.0) -> Iterator[Session]:
        """See `StateStore.locked`. StateError already here when the state couldn't be written.

        A session in which nothing is recorded writes nothing but the lock, and removes that.
        """
        self._refuse_link()
        with hold_file(self._beside("lock"), operation, url=self._url, timeout=timeout):
            with explained("write", self.path):
                durable.check_replaceable(self.path)
            found = self._read()
            session = _FileSession(self, bound_to(found.state, server, url=self._url), whole=found.whole)
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

    def audit_lines(self) -> Iterator[str]:
        """See `StateStore.audit_lines`."""
        self._refuse_link()
        return AuditFile(self.audit_log).lines()

    def holder(self) -> LockInfo | None:
        """See `StateStore.holder`."""
        self._refuse_link()
        return file_holder(self._beside("lock"), url=self._url)

    def unlock(self, lock_id: str) -> None:  # noqa: ARG002
        """See `StateStore.unlock`. Only what a crash left behind can be removed, whatever its id."""
        self._refuse_link()
        unlock_file(self._beside("lock"), url=self._url)

    def _refuse_link(self) -> None:
        if self._link is not None:
            raise StateError(
                f"can't use the state {self._url}: {self._link} is a link, and links in the project are not"
                " followed where we write",
                hint="Remove the link if you didn't make it; else name the place that it leads to (--state).",
            )

    def _read(self) -> StoredState:
        # In this order, see the top of the module.
        lines = durable.read_bytes(self.journal)
        parts = [] if lines is None else [JournalPart(str(self.journal), lines)]
        restore = (
            f"`mv {quote(str(self.backup))} {quote(str(self.path))}` brings the snapshot before it back."
        )
        place = StorePlaces(str(self.path), str(self.journal), restore, "move the journal away")
        # Without a name of its own here, its text goes once it is read: a million ids are a lot of it.
        return kept(snapshot_of(durable.read_bytes(self.path), place), parts, place)

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{suffix}")


class _FileSession:
    """A locked state file.

    ``whole``: the files hold all that was recorded, in a snapshot and a journal that may be appended to. Else
    the next write is a snapshot.
    """

    def __init__(self, store: FileStore, state: State, *, whole: bool) -> None:
        self._store = store
        self._recorded = PendingState(state)
        self._journal = store.journal
        self._whole = whole
        self._dirty = False
        self._descriptor: int | None = None
        self._check = 0
        self._log = AuditFile(store.audit_log)
        self._guard = Lock()

    @property
    def state(self) -> State:
        with self._guard:
            return self._recorded.fold()

    @property
    def until(self) -> float | None:
        """See `Session.until`: the system frees the lock with its process."""
        return None

    def record(self, *events: Event, sync: bool = True) -> None:
        """See `Session.record`. May be called from several threads."""
        if not events:
            return
        encoded = [encode_event(event) for event in events]
        with self._guard:
            self._recorded.add(events)
            self._dirty = True
            if self._whole:
                self._append(encoded, sync=sync)
            else:
                self._save()

    @property
    def audit_tail(self) -> str | None:
        """See `Session.audit_tail`."""
        with self._guard:
            return self._log.tail

    def audit(self, *lines: str, sync: bool = True) -> None:
        """See `Session.audit`."""
        with self._guard:
            self._log.append(lines, sync=sync)

    def close(self) -> None:
        """Folds the journal into the snapshot; writes nothing when nothing was recorded."""
        with self._guard:
            try:
                if self._dirty:
                    self._save()
            except StateError as error:
                kept = "Nothing is lost: the next run reads the journal." if self._whole else _LOST
                raise StateError(error.message, hint=f"{error.hint} {kept}") from error
            finally:
                self._end_journal()
                self._log.close()

    def _append(self, encoded: list[JsonObject], *, sync: bool) -> None:
        # A line that failed may be torn, and nothing may stand behind a torn line.
        self._whole = False
        state, path = self._recorded.base, self._journal
        line, check = encode_line(encoded, lineage=state.lineage, base=state.serial, check=self._check)
        with explained("record in", path):
            if self._descriptor is None:
                path.unlink(missing_ok=True)
                self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
                durable.sync_folder(path.parent)
            durable.append(self._descriptor, line, sync=sync)
        self._whole = True
        self._check = check

    def _save(self) -> None:
        """The state as the snapshot of the next serial; then there is no journal."""
        store, folded = self._store, self._recorded.fold()
        state = replace(folded, serial=folded.serial + 1)
        with explained("save", store.path):
            before = durable.read_bytes(store.path)
            if before is not None:
                durable.replace(store.backup, before)
            durable.replace(store.path, layout(encode_state(state)).encode())
            self._end_journal()
            self._journal.unlink(missing_ok=True)
            durable.sync_folder(store.path.parent)
        self._recorded.saved_as(state.serial)
        self._whole = True
        self._dirty = False

    def _end_journal(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None
        self._check = 0


_LOST = (
    "What was done last could not be written down; the next `plan` looks for it on the server, and shows as"
    " not ours what it can't tie to the state."
)


def layout(document: Mapping[str, Json]) -> str:
    """`document` as sorted JSON, objects indented, each list on a line of its own.

    A list may name a million gateways: what json indents, it renders item by item in Python.
    """
    return _layout(document, "") + "\n"


def _layout(value: Json, indent: str) -> str:
    if not isinstance(value, Mapping) or not value:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    inner = indent + "  "
    members = (f"{inner}{json.dumps(key)}: {_layout(value[key], inner)}" for key in sorted(value))
    return "{\n" + ",\n".join(members) + f"\n{indent}}}"
