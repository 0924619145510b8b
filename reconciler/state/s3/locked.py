"""Writing to a state in a bucket while its lock is ours. See `reconciler.state.s3`.

Tests: `tests/state/test_s3_tape.py`, `tests/state/test_s3_store.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from reconciler.errors import StateError
from reconciler.state.leased import document_of
from reconciler.state.leases import LeaseLost
from reconciler.state.replay import StoredState
from reconciler.state.s3.reader import Lock, LockStatus, Look, S3Reader

CROWDED: Final = 500
"""A journal of so many segments is folded in: each is a request for every reader."""
_LOG = logging.getLogger("reconciler.state")


class S3Holding:
    """A lock that is ours; `before` is what the lock object said until then. A `Holding`."""

    def __init__(self, place: S3Reader, lock: Lock, tag: str, before: Lock | None) -> None:
        self.replaced = before.info if before and before.status is LockStatus.HELD else None
        self._place = place
        self._bucket = place.bucket
        self._lock = lock
        self._lock_tag = tag
        self._before = before
        self._alone = False
        """Nobody who held the lock before can write any more."""
        self._snapshot_tag: str | None = None
        self._number = 0
        self._obsolete: list[str] = []
        """What the next snapshot makes superfluous."""
        self._audited = 0
        self._tail: str | None = None

    @property
    def audit_tail(self) -> str | None:
        return self._tail

    def renew(self) -> None:
        """See `Renewable.renew`."""
        tag = self._bucket.replace(self._place.lock_key, self._lock.encoded(), self._lock_tag)
        if tag is None and (tag := self._place.tag_of(self._lock)) is None:
            raise self._lost()
        self._lock_tag = tag

    def read(self) -> StoredState:
        """See `Holding.read`."""
        look = self._place.look()
        # Where there is a state but no lock, somebody removed that.
        left = self._before.status is LockStatus.LEFT if self._before else look.tag is None
        if not left:
            look = self._shut_out(look)
        self._snapshot_tag = look.tag
        self._obsolete = [*look.obsolete, *look.segments]
        self._audited, self._tail = self._place.audit_end(self._lock.audit)
        self._alone = True
        return look.kept

    def append(self, lines: Sequence[bytes], *, base: int) -> bool:
        """See `Holding.append`."""
        key = self._place.segment(base, self._number + 1)
        self._create(key, b"".join(lines))
        self._number += 1
        self._obsolete.append(key)
        return self._number >= CROWDED

    def save(self, document: bytes, *, serial: int) -> None:  # noqa: ARG002  # it stands in the document
        """See `Holding.save`."""
        if self._snapshot_tag is not None:
            self._bucket.copy(self._place.key, self._place.backup_key)
        tag = self._written(document)
        if tag is None:
            found = self._bucket.get(self._place.key)
            if found is None or found.data != document:
                raise self._lost()
            # It is ours if the first try arrived after all, or the same document of a run that took our lock.
            self.renew()
            tag = found.tag
        self._snapshot_tag = tag
        self._number = 0
        self._clear()

    def append_audit(self, lines: Sequence[str]) -> None:
        """See `Holding.append_audit`."""
        data = "".join(f"{line}\n" for line in lines).encode()
        self._create(self._place.audit_segment(self._audited + 1), data)
        self._audited += 1

    def release(self) -> None:
        """See `Holding.release`. Whoever comes next looks out for strangers, if we didn't get to it."""
        status = LockStatus.LEFT if self._alone else LockStatus.BROKEN
        left = replace(self._lock, status=status, audit=max(self._audited, self._lock.audit))
        try:
            self._bucket.replace(self._place.lock_key, left.encoded(), self._lock_tag)
        except StateError as error:
            _LOG.warning("the lock is still there, until its lease runs out: %s", error.message)

    def _shut_out(self, look: Look) -> Look:
        """Takes the places where somebody who held the lock before us would write next.

        What it wrote stays for now: were it removed, its places would be free again.
        """
        while True:
            if look.tag is not None:
                self._take_next(partial(self._place.segment, look.kept.state.serial), look.next)
            seen, look = look, self._place.look()
            if look.tag != seen.tag:
                continue
            state = look.kept.state
            state = replace(state, serial=state.serial + 1)
            self._snapshot_tag = look.tag
            tag = self._written(document_of(state))
            if tag is not None:
                break
            look = self._place.look()
        last, _ = self._place.audit_end(self._lock.audit)
        self._take_next(self._place.audit_segment, last + 1)
        return Look(StoredState(state, None), tag, obsolete=look.obsolete)

    def _take_next(self, key: Callable[[int], str], number: int) -> None:
        while self._bucket.create(key(number), b"") is None:
            number += 1

    def _written(self, document: bytes) -> str | None:
        """The tag of the new snapshot; None when the one that we know isn't there any more."""
        if self._snapshot_tag is None:
            return self._bucket.create(self._place.key, document)
        return self._bucket.replace(self._place.key, document, self._snapshot_tag)

    def _create(self, key: str, data: bytes) -> None:
        """A new segment; LeaseLost when another one stands in its place."""
        if self._bucket.create(key, data) is None:
            found = self._bucket.get(key)
            if found is None or found.data != data:
                raise self._lost()
            # Its first try had arrived after all.
            self.renew()

    def _clear(self) -> None:
        obsolete, self._obsolete = self._obsolete, []
        try:
            self._bucket.delete(obsolete)
        except StateError as error:
            # Nobody reads them any more.
            _LOG.debug("what was folded in is still there: %s", error.message)

    def _lost(self) -> LeaseLost:
        lock, _ = self._place.lock()
        mine = self._lock.info
        assert mine is not None
        if lock is None or lock.info is None or lock.info.id == mine.id:
            return LeaseLost(None)
        return LeaseLost(lock.info)
