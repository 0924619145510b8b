"""Writing to a state in a database while its lock is ours. See `reconciler.state.postgresql`.

Tests: `tests/state/test_postgresql_tape.py`, `tests/state/test_postgresql_store.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from reconciler.errors import StateError
from reconciler.state.base import LockInfo
from reconciler.state.leases import LeaseLost
from reconciler.state.postgresql import tables as sql
from reconciler.state.postgresql.link import DatabaseLink
from reconciler.state.postgresql.reader import PostgresqlReader
from reconciler.state.replay import StoredState

PATIENCE: Final = 15.0
"""Seconds for which a write is tried again when the connection breaks."""
_LOG = logging.getLogger("reconciler.state")


class PostgresqlHolding:
    """The lock `info`, which is ours, and the `link` that it was taken by. A `Holding`."""

    def __init__(
        self, place: PostgresqlReader, info: LockInfo, link: DatabaseLink, *, replaced: LockInfo | None
    ) -> None:
        self.replaced = replaced
        self._place = place
        self._info = info
        self._link = link
        # Renewed by another thread, while a large snapshot is on its way by the first.
        self._second = place.link()
        self._number = 0
        self._audited = 0
        self._tail: str | None = None

    @property
    def audit_tail(self) -> str | None:
        return self._tail

    def renew(self) -> None:
        """See `Renewable.renew`."""
        self._write(self._second, sql.RENEW)

    def read(self) -> StoredState:
        """See `Holding.read`. Nobody else's write gets past the row of the lock."""
        for number, line in self._place.rows(self._link, sql.AUDIT_END):
            self._audited, self._tail = number, line
        return self._place.read_by(self._link)

    def append(self, lines: Sequence[bytes], *, base: int) -> bool:
        """See `Holding.append`."""
        text = b"".join(lines).decode().removesuffix("\n")
        self._write(self._link, sql.APPEND, base=base, before=self._number, lines=text)
        self._number += len(lines)
        return False

    def save(self, document: bytes, *, serial: int) -> None:
        """See `Holding.save`."""
        self._write(self._link, sql.SAVE, serial=serial, document=document.decode())
        self._number = 0

    def append_audit(self, lines: Sequence[str]) -> None:
        """See `Holding.append_audit`."""
        self._write(self._link, sql.APPEND_AUDIT, before=self._audited, lines="\n".join(lines))
        self._audited += len(lines)

    def release(self) -> None:
        """See `Holding.release`."""
        try:
            self._place.rows(self._link, sql.LEAVE, id=self._info.id)
        except StateError as error:
            _LOG.warning("the lock is still there, until its lease runs out: %s", error.message)
        finally:
            self._link.close()
            self._second.close()

    def _write(self, link: DatabaseLink, statement: str, **values: object) -> None:
        """One statement that writes at least a row, if the lock is ours; LeaseLost else."""
        query = self._place.tables.sql(statement)
        values |= {"id": self._info.id, "seconds": self._place.seconds}
        if not link.run(lambda connection: connection.execute(query, values).rowcount, patience=PATIENCE):
            last, _ = self._place.last_holder(link)
            raise LeaseLost(None if last is None or last.id == self._info.id else last)
