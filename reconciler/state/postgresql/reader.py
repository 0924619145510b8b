"""The rows of a state in a database, as everybody may read them. See `reconciler.state.postgresql`.

Tests: `tests/state/test_postgresql_tape.py`, `tests/state/test_postgresql_store.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import psycopg
from psycopg import errors
from psycopg.sql import SQL

from reconciler.codec import parse
from reconciler.state.base import LockInfo
from reconciler.state.locks import locked_by
from reconciler.state.postgresql import tables as sql
from reconciler.state.postgresql.link import DatabaseLink
from reconciler.state.postgresql.tables import Tables
from reconciler.state.replay import JournalPart, StoredState, StorePlaces, kept, snapshot_of
from reconciler.state.state_format import decode_lock

_PAGE: Final = 1000


class PostgresqlReader:
    """A state in the schema `schema` of the database that `parameters` lead to, as everybody may look at it.

    Leases that we take run for `seconds`.
    """

    def __init__(self, parameters: Mapping[str, Any], schema: str, seconds: float, *, url: str) -> None:
        self.tables = Tables(schema)
        self.seconds = seconds
        self._parameters = parameters
        self._url = url
        snapshot, journal, *_ = self.tables.quoted
        undo = SQL("DELETE FROM {0} WHERE serial = (SELECT max(serial) FROM {0})")
        clear = SQL("DELETE FROM {0}")
        restore = f"`{undo.format(snapshot).as_string()}` brings the snapshot before it back."
        remove = f"remove the journal (`{clear.format(journal).as_string()}`)"
        self._place = StorePlaces(f"{url} (table snapshot)", f"{url} (table journal)", restore, remove)

    def link(self) -> DatabaseLink:
        return DatabaseLink(self._parameters, url=self._url)

    def read(self) -> StoredState:
        """See `Backend.read`."""
        link = self.link()
        try:
            return self.read_by(link)
        finally:
            link.close()

    def read_by(self, link: DatabaseLink) -> StoredState:
        """What is kept, by way of `link`."""
        rows = self.rows(link, sql.READ)
        document = next((text for _, number, text in rows if number == 0), None)
        newest = max((base for base, _, _ in rows), default=0)
        lines = [line for base, number, line in rows if base == newest and number]
        parts = (
            [JournalPart(self._place.journal, b"".join(line.encode() + b"\n" for line in lines))]
            if lines
            else []
        )
        return kept(snapshot_of(document, self._place), parts, self._place)

    def holder(self) -> LockInfo | None:
        """See `Backend.holder`; StateLocked when who holds it can't be read."""
        link = self.link()
        try:
            info, held = self.last_holder(link)
        finally:
            link.close()
        if held and info is None:
            raise locked_by(None, url=self._url)
        return info if held else None

    def last_holder(self, link: DatabaseLink) -> tuple[LockInfo | None, bool]:
        """Who holds or last held the lock, as far as that can be read, and whether it still does."""
        for _, document, since, expires, held in self.rows(link, sql.HOLDER):
            info = decoded(document)
            ends = expires and expires.timestamp()
            return info and replace(info, since=since.timestamp(), expires=ends), bool(held)
        return None, False

    def unlock(self, lock_id: str) -> None:
        """See `Backend.unlock`."""
        link = self.link()
        try:
            self.rows(link, sql.LEAVE, id=lock_id)
        finally:
            link.close()

    def audit_lines(self) -> Iterator[str]:
        """See `Backend.audit_lines`."""
        link = self.link()
        try:
            after = 0
            while rows := self.rows(link, sql.AUDIT_LINES, after=after, limit=_PAGE):
                yield from (line for _, line in rows)
                after = rows[-1][0]
        finally:
            link.close()

    def rows(self, link: DatabaseLink, statement: str, **values: object) -> list[tuple[Any, ...]]:
        """The rows that `statement` finds; none where there is no table yet."""

        def rows(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
            try:
                return connection.execute(self.tables.sql(statement), values).fetchall()
            except errors.UndefinedTable:
                return []

        return link.run(rows)


def decoded(document: str | None) -> LockInfo | None:
    """The lock of a row; None when nobody can read it."""
    try:
        return None if document is None else decode_lock(parse(document))
    except (ValueError, RecursionError):
        return None
