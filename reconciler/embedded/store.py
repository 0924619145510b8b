"""The SQLite database of one server: opening and guarding it; the queries are in `tables`."""

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.embedded.errors import EmbeddedError
from reconciler.embedded.schema import TABLES, UPGRADES, VERSION

MEMORY = ":memory:"


class Store:
    """One connection behind one lock: any thread may use it, one transaction at a time.

    Other processes may have the same file open (WAL); a writer waits up to ten seconds for another.
    """

    def __init__(self, database: Path | str) -> None:
        self._lock = threading.RLock()
        self._connection = _open(database)
        # An app that is used in process has no shutdown: the connection ends with the store at the latest.
        self._finalizer = weakref.finalize(self, self._connection.close)

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        """One request is one transaction: all of it is kept, or with an exception none of it."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite may have ended it already (disk full, for one); then there is nothing to roll back.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the connection; the store can't be used afterwards. May be called twice."""
        with self._lock:
            self._finalizer()


def _open(database: Path | str) -> sqlite3.Connection:
    where = str(database)
    connection: sqlite3.Connection | None = None
    try:
        if where != MEMORY:
            path = Path(where)
            # Campaign settings may be secrets: folder and file are their owner's alone, and so are -wal and
            # -shm. A link among them may be somebody's who wants us to write elsewhere.
            _make_folder(path.parent)
            for suffix in ("", "-wal", "-shm", "-journal"):
                if path.with_name(f"{path.name}{suffix}").is_symlink():
                    raise OSError(f"{path.name}{suffix} is a link, and links are not followed")
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
        connection = sqlite3.connect(where, timeout=10, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -32768")
        _ensure_tables(connection, where)
    except (OSError, sqlite3.Error) as error:
        if connection is not None:
            connection.close()
        raise EmbeddedError(
            f"The embedded server can't use its database {where}: {error}. "
            "Name another file, or move this one away to start afresh."
        ) from error
    except EmbeddedError:
        if connection is not None:
            connection.close()
        raise
    return connection


def _make_folder(folder: Path) -> None:
    for each in reversed([folder, *folder.parents]):
        if not each.exists():
            each.mkdir(0o700, exist_ok=True)


def _ensure_tables(connection: sqlite3.Connection, where: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    statements = TABLES if version == tables == 0 else UPGRADES.get(version, ())
    if statements:
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION:d}")
    elif version != VERSION:
        connection.execute("ROLLBACK")
        what = f"has format {version}" if version else "is not a database of the embedded server"
        raise EmbeddedError(
            f"The embedded server can't use its database {where}: it {what}, and this release "
            f"reads format {VERSION}. "
            "Name another file, or move this one away to start afresh."
        )
    connection.execute("COMMIT")
