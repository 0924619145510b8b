"""The statements of a state in PostgreSQL; each is a transaction of its own.

The one row of ``lock`` says who holds the lock, until when by the server's clock, or (``expires`` null) who
held it last. Every write begins by moving ``expires`` of that row, if it still bears our id; where it
doesn't, the rest of the statement has nothing to write. So a write that comes late changes nothing, and no
transaction stays open when its client falls asleep.

Tests: `tests/state/test_postgresql_tape.py`, `tests/state/test_postgresql_store.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from psycopg.sql import SQL, Composable, Composed, Identifier

CREATE_SCHEMA: Final = "CREATE SCHEMA IF NOT EXISTS {schema}"

CREATE_TABLES: Final = """
CREATE TABLE IF NOT EXISTS {snapshot} (
  serial bigint PRIMARY KEY, document text NOT NULL, saved timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS {journal} (
  base bigint, number bigint, line text NOT NULL, PRIMARY KEY (base, number));
CREATE TABLE IF NOT EXISTS {audit} (number bigint PRIMARY KEY, line text NOT NULL);
CREATE TABLE IF NOT EXISTS {lock} (
  single boolean PRIMARY KEY DEFAULT true CHECK (single), id text NOT NULL, document text NOT NULL,
  since timestamptz NOT NULL, expires timestamptz, replaced text)
"""

THERE: Final = """
SELECT to_regnamespace(%(schema)s) IS NOT NULL, count(*) = 4
FROM unnest(%(tables)s::text[]) AS name WHERE to_regclass(name) IS NOT NULL
"""
"""Whether the schema is there, and whether all tables are."""

READ: Final = """
WITH newest AS (SELECT serial, document FROM {snapshot} ORDER BY serial DESC LIMIT 1)
SELECT serial, 0, document FROM newest
UNION ALL
SELECT base, number, line FROM {journal} WHERE base >= coalesce((SELECT serial FROM newest), 0)
ORDER BY 1, 2
"""
"""The newest snapshot, as number 0, and the lines behind it; of one moment, because it is one statement."""

TAKE: Final = """
INSERT INTO {lock} AS held (id, document, since, expires)
VALUES (%(id)s, %(document)s, clock_timestamp(), clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (single) DO UPDATE SET
  id = excluded.id, document = excluded.document, since = excluded.since, expires = excluded.expires,
  replaced = CASE WHEN held.id = excluded.id THEN held.replaced
                  WHEN held.expires IS NOT NULL THEN held.document END
WHERE held.expires IS NULL OR held.expires <= clock_timestamp() OR held.id = excluded.id
RETURNING replaced
"""

HOLDER: Final = "SELECT id, document, since, expires, expires > clock_timestamp() FROM {lock}"

RENEW: Final = """
UPDATE {lock} SET expires = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = %(id)s AND expires IS NOT NULL
"""

LEAVE: Final = "UPDATE {lock} SET expires = NULL WHERE id = %(id)s RETURNING id"

LINES: Final = "unnest(string_to_array(%(lines)s, chr(10))) WITH ORDINALITY AS part (line, place)"
"""Lines that came as one text: as an array, a long one takes seconds to escape."""

APPEND: Final = """
WITH ours AS ({renew} RETURNING 1)
INSERT INTO {journal} (base, number, line)
SELECT %(base)s, %(before)s + part.place, part.line FROM ours, {lines}
ON CONFLICT (base, number) DO UPDATE SET line = excluded.line
"""
"""A line that is there already is our own: the statement is done twice when its answer was lost."""

SAVE: Final = """
WITH ours AS ({renew} RETURNING 1),
folded AS (DELETE FROM {journal} USING ours WHERE base < %(serial)s),
older AS (DELETE FROM {snapshot} USING ours WHERE serial < %(serial)s - 1)
INSERT INTO {snapshot} (serial, document) SELECT %(serial)s, %(document)s FROM ours
ON CONFLICT (serial) DO UPDATE SET document = excluded.document
"""

APPEND_AUDIT: Final = """
WITH ours AS ({renew} RETURNING 1)
INSERT INTO {audit} (number, line) SELECT %(before)s + part.place, part.line FROM ours, {lines}
ON CONFLICT (number) DO UPDATE SET line = excluded.line
"""

AUDIT_END: Final = "SELECT number, line FROM {audit} ORDER BY number DESC LIMIT 1"

AUDIT_LINES: Final = (
    "SELECT number, line FROM {audit} WHERE number > %(after)s ORDER BY number LIMIT %(limit)s"
)


class Tables:
    """The tables of a state, all in one schema."""

    NAMES = ("snapshot", "journal", "audit", "lock")

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self._alone = self._words(schema)
        # In what has parameters a percent sign is two.
        self._among = self._words(schema.replace("%", "%%"))

    def _words(self, schema: str) -> Mapping[str, Composable]:
        names = {name: Identifier(schema, name) for name in self.NAMES}
        renew = SQL(RENEW).format(lock=names["lock"])
        return {"schema": Identifier(schema), **names, "renew": renew, "lines": SQL(LINES)}

    def sql(self, statement: str) -> Composed:
        """`statement`, one of this module, for these tables; to be executed with parameters."""
        # The statements are constants; psycopg's stub can't see that through a parameter.
        return SQL(statement).format(**self._among)  # type: ignore[arg-type, unused-ignore]

    def alone(self, statement: str) -> Composed:
        """The same, to be executed without."""
        return SQL(statement).format(**self._alone)  # type: ignore[arg-type, unused-ignore]

    @property
    def quoted(self) -> list[Identifier]:
        """The names of the tables."""
        return [Identifier(self.schema, name) for name in self.NAMES]
