"""A connection to PostgreSQL that is made again when it breaks, and clear words when that doesn't help.

Tests: `tests/state/test_postgresql_tape.py`, `tests/state/test_postgresql_store.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import psycopg
from psycopg import Connection, errors

from reconciler.errors import StateError

_T = TypeVar("_T")

_PAUSE: Final = 0.5
_BROKEN: Final = (psycopg.OperationalError, psycopg.InterfaceError)
"""The way to the server, the server's end, and what it gave up for another transaction's sake."""
_EXHAUSTED: Final = "53"
"""How SQLSTATE begins where its disk is full, its memory is, or too many are connected."""


class DatabaseLink:
    """A connection with `parameters`, made when it is first used. One thread at a time may use it."""

    def __init__(self, parameters: Mapping[str, Any], *, url: str) -> None:
        self._parameters = parameters
        self._url = url
        self._connection: Connection[Any] | None = None

    def run(self, work: Callable[[Connection[Any]], _T], *, patience: float = 0.0) -> _T:
        """What `work` gives, each statement of which is a transaction of its own.

        Tried again for `patience` seconds when the connection breaks, so `work` must do no harm when it
        is done twice. StateError when the server can't be reached, or says no.
        """
        deadline = time.monotonic() + patience
        while True:
            idle = self._connection is not None
            try:
                return work(self._opened())
            except _BROKEN as error:
                self.close()
                if idle:
                    continue  # It may have been cut long ago, and that is only found now.
                if time.monotonic() + _PAUSE > deadline:
                    raise self._explained(error) from error
                time.sleep(_PAUSE)
            except psycopg.Error as error:
                raise self._explained(error) from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _opened(self) -> Connection[Any]:
        if self._connection is None:
            # Nothing is kept in a session, so that a pool between us and the server may share it.
            self._connection = psycopg.connect(**self._parameters, autocommit=True, prepare_threshold=None)
        return self._connection

    def _explained(self, error: psycopg.Error) -> StateError:
        # The server's words, without its severity; what libpq adds below them is about the same.
        why = str(error).partition("\n")[0]
        return StateError(f"can't use the state {self._url}: {why}", hint=_what_to_do(error))


def _what_to_do(error: psycopg.Error) -> str:
    if isinstance(error, errors.InsufficientPrivilege):
        return (
            "Let this user make the schema (GRANT CREATE ON DATABASE), or make it and its tables as"
            " docs/state.md says, and let it write them."
        )
    if (error.sqlstate or "").startswith(_EXHAUSTED):
        return (
            "Make room on the database server, or raise its limits; then the same command goes on from here."
        )
    if isinstance(error, _BROKEN):
        return (
            "Is the server up, and are host, user and database right? A password is taken from PGPASSWORD or"
            " a password file, never from the project."
        )
    return "Fix that in the database, or keep the state elsewhere (--state)."
