"""State in a schema of a PostgreSQL database.

    snapshot    the newest one and the one before, by serial
    journal     what was recorded since, one line a call
    audit       who did what, one line each
    lock        who is writing, or wrote last

A password comes from where libpq looks for it. Times are those of the server. See `tables` for how a write is
refused to who has lost the lock.
"""

from __future__ import annotations

import json
from typing import Any, Final

import psycopg
from psycopg.conninfo import make_conninfo

from reconciler.errors import ReconcilerError
from reconciler.state.addresses import parse_address
from reconciler.state.base import LockInfo
from reconciler.state.leased import Holding, LeasedStore
from reconciler.state.leases import lease_seconds
from reconciler.state.postgresql import tables as sql
from reconciler.state.postgresql.link import DatabaseLink
from reconciler.state.postgresql.locked import PostgresqlHolding
from reconciler.state.postgresql.reader import PostgresqlReader, decoded
from reconciler.state.state_format import encode_lock

_SECRET: Final = {
    "password": "PGPASSWORD or a password file",
    "sslpassword": "a key without a passphrase, readable by this user alone,",
    "oauth_client_secret": "a password file",
}
_HINT: Final = "Write postgresql://USER@HOST/DATABASE, as in postgresql://ci@db.example.com/fleet?schema=blue"


def open_postgresql(url: str) -> LeasedStore:
    """The store of a ``postgresql:`` URL; options that aren't ours are libpq's."""
    address = parse_address(url, secret=_SECRET, hint=_HINT)
    options = dict(address.options)
    schema = options.pop("schema", "reconciler")
    seconds = lease_seconds(options.pop("lease", None))
    given = {
        "user": address.user,
        "password": address.password,
        "host": address.host,
        "port": address.port,
        "dbname": address.path,
    }
    parameters = {
        "application_name": "reconciler",
        "connect_timeout": "10",
        "tcp_user_timeout": "15000",
        **{name: value for name, value in given.items() if value},
        **options,
    }
    try:
        # libpq names an option that it doesn't know; nothing else of the URL can be wrong for it.
        make_conninfo(**dict.fromkeys(options, ""))
    except psycopg.ProgrammingError as error:
        raise ReconcilerError(
            f"the postgresql: URL of the state has an option that libpq doesn't know: {error}", hint=_HINT
        ) from error
    if not 0 < len(schema.encode()) < 64:
        raise ReconcilerError("schema= in the URL of the state is no name of a schema", hint=_HINT)
    remote = PostgresqlBackend(parameters, schema, seconds, url=address.url)
    return LeasedStore(remote, url=address.url, seconds=seconds)


class PostgresqlBackend(PostgresqlReader):
    """A `Backend` in a database."""

    def take(self, info: LockInfo) -> Holding | None:
        """See `Backend.take`."""
        link = self.link()
        try:
            self._create(link)
            document = json.dumps(encode_lock(info))
            values = {"id": info.id, "document": document, "seconds": self.seconds}
            taken = link.run(lambda c: c.execute(self.tables.sql(sql.TAKE), values).fetchone())
        except BaseException:
            link.close()
            raise
        if taken is None:
            link.close()
            return None
        return PostgresqlHolding(self, info, link, replaced=decoded(taken[0]))

    def _create(self, link: DatabaseLink) -> None:
        """What is missing of the schema and its tables; where nothing is, nobody needs the right to."""

        def create(connection: psycopg.Connection[Any]) -> None:
            there = {
                "schema": self.tables.alone("{schema}").as_string(),
                "tables": [t.as_string() for t in self.tables.quoted],
            }
            schema, all_tables = connection.execute(self.tables.sql(sql.THERE), there).fetchone() or (0, 0)
            if all_tables:
                return
            with connection.transaction():
                # Two that do this at the same moment would hinder each other, IF NOT EXISTS or not.
                connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [self.tables.schema])
                if not schema:
                    connection.execute(self.tables.alone(sql.CREATE_SCHEMA))
                connection.execute(self.tables.alone(sql.CREATE_TABLES))

        link.run(create)
