"""The objects of a state in a bucket, as everybody may read them. See `reconciler.state.s3`.

Tests: `tests/state/test_s3_tape.py`, `tests/state/test_s3_store.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from reconciler.codec import Format, Malformed, Shape, coder, parse
from reconciler.errors import StateError
from reconciler.state.base import LockInfo
from reconciler.state.leases import clock
from reconciler.state.locks import locked_by
from reconciler.state.replay import JournalPart, StoredState, StorePlaces, kept, snapshot_of
from reconciler.state.s3.bucket import Bucket, StoredObject
from reconciler.state.state_format import STATE_FORMAT

_TRIES: Final = 20
_DAY: Final = 86_400.0
_AT_ONCE: Final = 64


class LockStatus(StrEnum):
    """What a lock object says."""

    HELD = "held"
    LEFT = "left"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock object. ``audit`` is the number of a segment of audit that is there."""

    info: LockInfo | None
    """Who holds it or held it last; None when nobody can read that."""
    seconds: float
    status: LockStatus
    audit: int = 0

    def encoded(self) -> bytes:
        assert self.info is not None
        return json.dumps(coder(_FORMAT, Lock).encode(self, None)).encode()

    @staticmethod
    def decoded(data: bytes, *, seconds: float) -> Lock:
        """The inverse. What can't be read is a lock that somebody holds, for as long as ours would run."""
        try:
            found: Lock = coder(_FORMAT, Lock).decode(parse(data), None)
        except Malformed:
            found = Lock(None, seconds, LockStatus.HELD)
        return found if found.info else Lock(None, seconds, LockStatus.HELD)


_FORMAT: Final = Format(
    shapes={
        **STATE_FORMAT.shapes,
        Lock: Shape(names={"info": "lock", "seconds": "lease"}, always=frozenset({"audit"})),
    }
)


@dataclass(frozen=True, slots=True)
class Look:
    """What a reader found: the snapshot and its tag, the segments behind it, and what is left over."""

    kept: StoredState
    tag: str | None
    segments: tuple[str, ...] = ()
    next: int = 1
    """The number of the segment that comes next."""
    obsolete: tuple[str, ...] = ()


class S3Reader:
    """A state under a key of a bucket, as everybody may look at it; leases that we take run for `seconds`.

    `name` is what the AWS command line calls the snapshot.
    """

    def __init__(self, bucket: Bucket, key: str, seconds: float, *, name: str) -> None:
        self.bucket = bucket
        self.key = key
        self.seconds = seconds
        restore = f"`aws s3 cp {name}.backup {name}` brings the snapshot before it back."
        remove = f"remove the journal (`aws s3 rm --recursive {name}.journal/`)"
        self._names = StorePlaces(name, f"{name}.journal", restore, remove)
        self._ahead: float | None = None

    @property
    def lock_key(self) -> str:
        return f"{self.key}.lock"

    @property
    def backup_key(self) -> str:
        return f"{self.key}.backup"

    def segment(self, base: int, number: int) -> str:
        return f"{self.key}.journal/{base:012}/{number:08}"

    def audit_segment(self, number: int) -> str:
        return f"{self.key}.audit/{number:012}"

    def read(self) -> StoredState:
        """See `Backend.read`."""
        return self.look().kept

    def look(self) -> Look:
        """What is kept at one moment; StateError when it can't be trusted, or is written all the time."""
        for _ in range(_TRIES):
            found = self.bucket.get(self.key)
            snapshot = snapshot_of(found.data if found else None, self._names)
            listed, obsolete = self._listed(snapshot.serial if snapshot else 0)
            data = self.bucket.get_all(listed)
            # Segments are removed only once a newer snapshot has them: then all of this is of one moment.
            now = self.bucket.look(self.key)
            tag = found.tag if found else None
            if data is not None and tag == (now[0] if now else None):
                parts = [
                    JournalPart(self._called(key), lines) for key, lines in zip(listed, data, strict=True)
                ]
                last = self._parsed(listed[-1])[1] if listed else 0
                whole = kept(snapshot, parts, self._names)
                return Look(whole, tag, tuple(listed), last + 1, tuple(obsolete))
        raise StateError(
            f"the state {self._names.snapshot} was written {_TRIES} times while it was read",
            hint="Run it again when that is done.",
        )

    def _listed(self, serial: int) -> tuple[list[str], list[str]]:
        """The segments behind the snapshot of that serial, or a newer one, and those that nobody needs."""
        base, segments, obsolete = serial, list[str](), list[str]()
        for each in self.bucket.list(f"{self.key}.journal"):
            of, _ = self._parsed(each.key)
            if of < serial:
                # Keep younger ones: they may still have to stop a run that lost its lock.
                if time.time() - each.modified > _DAY:
                    obsolete.append(each.key)
                continue
            if of > base:
                base, segments = of, []
            segments.append(each.key)
        return segments, obsolete

    def _parsed(self, key: str) -> tuple[int, int]:
        """Serial and number of a segment of the journal."""
        match key.removeprefix(f"{self.key}.journal/").split("/"):
            case [serial, number] if (serial + number).isdecimal():
                return int(serial), int(number)
        raise self._foreign(key)

    def _foreign(self, key: str) -> StateError:
        return StateError(
            f"{self._called(key)} is no part of a state", hint="Find out who put it there, and remove it."
        )

    def _called(self, key: str) -> str:
        return self._names.snapshot + key.removeprefix(self.key)

    # --- the lock --------------------------------------------------------------------------------

    def tag_of(self, mine: Lock) -> str | None:
        """The tag of the lock object, if it says that `mine` holds."""
        found = self.bucket.get(self.lock_key)
        return found.tag if found and found.data == mine.encoded() else None

    def lock(self) -> tuple[Lock | None, StoredObject | None]:
        """The lock object, read and as it is; None when there is none."""
        found = self.bucket.get(self.lock_key)
        return (Lock.decoded(found.data, seconds=self.seconds) if found else None), found

    def holder(self) -> LockInfo | None:
        """See `Backend.holder`; StateLocked when the lock object can't be read."""
        lock, found = self.lock()
        if lock is None or found is None or not self._runs(lock, found):
            return None
        if lock.info is None:
            raise locked_by(None, url=self._names.snapshot)
        return replace(lock.info, expires=found.modified + lock.seconds)

    def unlock(self, lock_id: str) -> None:
        """See `Backend.unlock`."""
        for _ in range(_TRIES):
            lock, found = self.lock()
            if not lock or not found or not lock.info or lock.info.id != lock_id:
                return
            broken = replace(lock, status=LockStatus.BROKEN)
            if self.bucket.replace(self.lock_key, broken.encoded(), found.tag) is not None:
                return

    def _runs(self, lock: Lock, found: StoredObject) -> bool:
        """Whether somebody holds `lock`. What the server calls a time lies within the second that follows."""
        return lock.status is LockStatus.HELD and self._now() < found.modified + 1 + lock.seconds

    def _now(self) -> float:
        """What time the server has, or a little less."""
        if self._ahead is None:
            try:
                self.bucket.put(f"{self.key}.clock", b"")
                answer = self.bucket.look(f"{self.key}.clock")
            except StateError:
                return time.time()  # Who may only read goes by the clock here.
            self._ahead = answer[1] - clock() if answer else 0.0
        return clock() + self._ahead

    # --- the audit log ---------------------------------------------------------------------------

    def audit_lines(self) -> Iterator[str]:
        """See `Backend.audit_lines`."""
        keys = [each.key for each in self.bucket.list(f"{self.key}.audit")]
        for at in range(0, len(keys), _AT_ONCE):
            for data in self.bucket.get_all(keys[at : at + _AT_ONCE]) or ():
                yield from _lines(data)

    def audit_end(self, known: int) -> tuple[int, str | None]:
        """The number of the last segment of audit, and the last line; one of the number `known` was there."""
        prefix = f"{self.key}.audit"
        listed = self.bucket.list(prefix, after=self.audit_segment(known - 1)) if known else ()
        keys = [each.key for each in listed or self.bucket.list(prefix)]
        number = keys[-1].rpartition("/")[2] if keys else "0"
        if not number.isdecimal():
            raise self._foreign(keys[-1])
        last = int(number)
        for key in reversed(keys):
            if (found := self.bucket.get(key)) and found.data:
                return last, _lines(found.data)[-1]
        return last, None


def _lines(data: bytes) -> list[str]:
    """The lines in a segment of audit; what we didn't write so is still a line, for the chain to find."""
    return data.decode("utf-8", "replace").removesuffix("\n").split("\n") if data else []
