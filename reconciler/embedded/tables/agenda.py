"""Who acts when: gateways that are at work, and campaigns whose distribution list is evaluated.

Tests: `tests/embedded/test_embedded_simulation.py`.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Due(NamedTuple):
    """`gateway_id` None: the distribution list of the campaign is evaluated."""

    due_ms: int
    campaign: int
    gateway_id: str | None


def put(db: sqlite3.Connection, campaign: int, lines: Iterable[tuple[str, int | None]]) -> None:
    """Gateway id and when it acts; None: it waits for a window that is not there."""
    db.executemany(
        "INSERT OR REPLACE INTO agenda (campaign, gateway_id, due_ms) VALUES (?, ?, ?)",
        ((campaign, gateway_id, due_ms) for gateway_id, due_ms in lines),
    )


def put_one(db: sqlite3.Connection, campaign: int, gateway_id: str, due_ms: int | None) -> None:
    """What `put` does, for one."""
    db.execute(
        "INSERT OR REPLACE INTO agenda (campaign, gateway_id, due_ms) VALUES (?, ?, ?)",
        (campaign, gateway_id, due_ms),
    )


def drop(db: sqlite3.Connection, campaign: int, gateway_id: str) -> None:
    db.execute("DELETE FROM agenda WHERE campaign = ? AND gateway_id = ?", (campaign, gateway_id))


def drop_campaign(db: sqlite3.Connection, campaign: int) -> None:
    db.execute("DELETE FROM agenda WHERE campaign = ?", (campaign,))


def clear(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM agenda")
    db.execute("DELETE FROM evaluations")


def busy(db: sqlite3.Connection, campaign: int) -> bool:
    """Whether a gateway of the campaign is still at work."""
    query = "SELECT 1 FROM agenda WHERE campaign = ? LIMIT 1"
    return db.execute(query, (campaign,)).fetchone() is not None


def evaluate_at(db: sqlite3.Connection, campaign: int, due_ms: int) -> None:
    db.execute("INSERT OR REPLACE INTO evaluations (campaign, due_ms) VALUES (?, ?)", (campaign, due_ms))


_FIRST = """SELECT due_ms, campaign, gateway_id FROM agenda WHERE due_ms IS NOT NULL
    ORDER BY due_ms, campaign, gateway_id LIMIT 1"""
_FIRST_EVALUATION = "SELECT due_ms, campaign, NULL FROM evaluations ORDER BY due_ms, campaign LIMIT 1"


def first(db: sqlite3.Connection) -> Due | None:
    """What is due before all else; at one time lists before gateways."""
    evaluation, gateway = db.execute(_FIRST_EVALUATION).fetchone(), db.execute(_FIRST).fetchone()
    if evaluation is None or (gateway is not None and gateway["due_ms"] < evaluation["due_ms"]):
        return None if gateway is None else Due(*gateway)
    return Due(*evaluation)


def lists(db: sqlite3.Connection) -> list[int]:
    """The campaigns that have a distribution list."""
    query = "SELECT seq FROM campaigns WHERE distribution_list_id IS NOT NULL ORDER BY seq"
    return [row["seq"] for row in db.execute(query)]


def at_work(db: sqlite3.Connection, campaign: int, final: Iterable[str]) -> Iterator[tuple[str, str, int]]:
    """Id, state and since when, of the gateways that are neither closed nor in one of the states `final`."""
    done = set(final)
    query = """SELECT gateway_id, state, changed_ms FROM gateways
        WHERE campaign = ? AND closed = 0 ORDER BY position"""
    for row in db.execute(query, (campaign,)).fetchall():
        if row["state"] not in done:
            yield row["gateway_id"], row["state"], row["changed_ms"]


def waiting(db: sqlite3.Connection) -> tuple[int, int]:
    """How many gateways have something to do, and how many wait for a window that is not there."""
    row = db.execute("SELECT count(due_ms), count(*) FROM agenda").fetchone()
    return row[0], row[1] - row[0]
