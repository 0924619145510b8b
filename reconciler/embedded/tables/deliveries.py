"""Callbacks on their way: destinations, and what is, was or could not be delivered to them.

Tests: `tests/embedded/test_embedded_callbacks.py`.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.embedded.wire import Json, PageRequest

PENDING: Final = "pending"
DELIVERED: Final = "delivered"
FAILED: Final = "failed"
OUTCOMES: Final = (PENDING, DELIVERED, FAILED)

# How many finished deliveries the log keeps.
MAX_LOG: Final = 100_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """A callback to be sent; `url` None: its destination has none. `attempts` are those made."""

    seq: int
    campaign_id: str
    event: str
    destination: str
    url: str | None
    payload: Mapping[str, object]
    due_ms: int
    attempts: tuple[Json, ...]


def set_destination(db: sqlite3.Connection, destination_id: str, url: str) -> None:
    db.execute("INSERT OR REPLACE INTO destinations (id, url) VALUES (?, ?)", (destination_id, url))


def destinations(db: sqlite3.Connection) -> dict[str, str]:
    """Id → URL."""
    return dict(db.execute("SELECT id, url FROM destinations ORDER BY id").fetchall())


def add(
    db: sqlite3.Connection, campaign_id: str, destination: str, payload: Mapping[str, object], now_ms: int
) -> None:
    """Due at once; `payload` holds `event`."""
    db.execute(
        """INSERT INTO deliveries
           (campaign_id, event, destination, payload, created_ms, due_ms, outcome, attempts)
           VALUES (?, ?, ?, ?, ?, ?, ?, '[]')""",
        (campaign_id, payload["event"], destination, json.dumps(payload), now_ms, now_ms, PENDING),
    )


def next_due(db: sqlite3.Connection) -> int | None:
    (due,) = db.execute("SELECT min(due_ms) FROM deliveries WHERE due_ms IS NOT NULL").fetchone()
    return None if due is None else int(due)


def due(db: sqlite3.Connection, now_ms: int, limit: int) -> list[Delivery]:
    """The first `limit` of those that are due by then, in the order of their time."""
    rows = db.execute(
        """SELECT seq, campaign_id, event, destination, url, payload, due_ms, attempts
           FROM deliveries LEFT JOIN destinations ON destinations.id = destination
           WHERE due_ms IS NOT NULL AND due_ms <= ? ORDER BY due_ms, seq LIMIT ?""",
        (now_ms, limit),
    )
    return [
        Delivery(
            seq=row["seq"],
            campaign_id=row["campaign_id"],
            event=row["event"],
            destination=row["destination"],
            url=row["url"],
            payload=json.loads(row["payload"]),
            due_ms=row["due_ms"],
            attempts=tuple(json.loads(row["attempts"])),
        )
        for row in rows
    ]


def attempted(
    db: sqlite3.Connection, delivery: Delivery, attempt: Json, *, outcome: str, due_ms: int | None
) -> None:
    """Log one attempt; `due_ms` is when the next one is made, if any."""
    db.execute(
        "UPDATE deliveries SET attempts = ?, outcome = ?, due_ms = ? WHERE seq = ?",
        (json.dumps([*delivery.attempts, attempt]), outcome, due_ms, delivery.seq),
    )


def forget_old(db: sqlite3.Connection) -> None:
    """Keep the log at `MAX_LOG`."""
    db.execute(
        """DELETE FROM deliveries WHERE due_ms IS NULL
           AND seq <= (SELECT max(seq) FROM deliveries) - ?""",
        (MAX_LOG,),
    )


def listing(
    db: sqlite3.Connection, page: PageRequest, campaign_id: str | None, outcome: str | None
) -> tuple[int, list[Json]]:
    """How many there are in the log, and one page of them, oldest first."""
    where = """WHERE (:campaign IS NULL OR campaign_id = :campaign)
        AND (:outcome IS NULL OR outcome = :outcome)"""
    values = {"campaign": campaign_id, "outcome": outcome, "size": page.size, "offset": page.offset}
    (total,) = db.execute(f"SELECT count(*) FROM deliveries {where}", values).fetchone()  # noqa: S608 - a constant
    rows = db.execute(
        f"""SELECT seq, destination, payload, outcome, created_ms, due_ms, attempts FROM deliveries {where}
            ORDER BY seq LIMIT :size OFFSET :offset""",  # noqa: S608 - a constant
        values,
    )
    return total, [
        {
            "deliveryId": str(row["seq"]),
            "notificationDestinationId": row["destination"],
            "outcome": row["outcome"],
            "createdOn": str(row["created_ms"]),
            "nextAttempt": None if row["due_ms"] is None else str(row["due_ms"]),
            "attempts": json.loads(row["attempts"]),
            "payload": json.loads(row["payload"]),
        }
        for row in rows
    ]


def clear(db: sqlite3.Connection) -> int:
    """Empty the log; what is still on its way is given up too."""
    return db.execute("DELETE FROM deliveries").rowcount
