"""A place that machines could share, in memory: what it was told to write, and what fails."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from reconciler.state.base import LockInfo, State
from reconciler.state.journal import decode_journal
from reconciler.state.leased import Holding
from reconciler.state.replay import StoredState
from reconciler.state.state_format import decode_state


@dataclass
class FakePlace:
    """A place in memory, and the lock on it. `failing` says what the next writes end with."""

    snapshot: State | None = None
    lines: list[bytes] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    failing: list[Exception] = field(default_factory=list)
    replaced: LockInfo | None = None
    crowded_at: int = 10**9
    held_by: LockInfo | None = None
    released: int = 0

    # The remote.

    def read(self) -> StoredState:
        return StoredState(self.snapshot, decode_journal(b"".join(self.lines)))

    def take(self, info: LockInfo) -> Holding | None:
        return None if self.held_by else self

    def holder(self) -> LockInfo | None:
        return self.held_by

    def unlock(self, lock_id: str) -> None:
        if self.held_by and self.held_by.id == lock_id:
            self.held_by = None

    def audit_lines(self) -> Iterator[str]:
        yield from self.log

    # The lock.

    @property
    def audit_tail(self) -> str | None:
        return self.log[-1] if self.log else None

    def renew(self) -> None:
        self._write("renew")

    def append(self, lines: Sequence[bytes], *, base: int) -> bool:
        self._write(f"append {len(lines)}")
        self.lines += lines
        return len(self.lines) >= self.crowded_at

    def save(self, document: bytes, *, serial: int) -> None:
        self._write("save")
        self.snapshot = decode_state(json.loads(document))
        assert self.snapshot.serial == serial
        self.lines = []

    def append_audit(self, lines: Sequence[str]) -> None:
        self._write(f"audit {' '.join(lines)}")
        self.log += lines

    def release(self) -> None:
        self.released += 1

    def _write(self, what: str) -> None:
        self.writes.append(what)
        if self.failing:
            raise self.failing.pop(0)
