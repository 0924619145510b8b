"""Gateways of a campaign: membership in pages of any depth, and what belongs to one gateway."""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.embedded.errors import Already, missing, some
from reconciler.embedded.lifecycle import FINAL_STATES, FIRST_STATE
from reconciler.embedded.schema import BUCKET
from reconciler.embedded.tables import packages
from reconciler.embedded.wire import PageRequest


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway in one campaign. `downloaded` is bytes by package id, `executed` lines of progress."""

    gateway_id: str
    state: str
    closed: bool
    overridden: bool
    notified: int
    changed_ms: int
    caused_by: str | None
    downloaded: Mapping[str, int]
    executed: Sequence[str]


def add(db: sqlite3.Connection, campaign: int, gateway_ids: Sequence[str], now_ms: int) -> None:
    """All or none: 409 naming those that are in the campaign already."""
    (start,) = db.execute("SELECT next_position FROM campaigns WHERE seq = ?", (campaign,)).fetchone()
    try:
        db.executemany(
            "INSERT INTO gateways (campaign, position, gateway_id, state, changed_ms) VALUES (?, ?, ?, ?, ?)",
            (
                (campaign, position, gateway_id, FIRST_STATE, now_ms)
                for position, gateway_id in enumerate(gateway_ids, start)
            ),
        )
    except sqlite3.IntegrityError as error:
        # Positions from `start` on belong to this call; they vanish if the transaction is rolled back.
        before = _positions(db, campaign, gateway_ids)
        present = [gateway_id for gateway_id, position in before.items() if position < start]
        message = f"Already in the campaign, nothing was added: gateway {some(present)}."
        raise Already(409, message, present) from error
    end = start + len(gateway_ids)
    db.execute("UPDATE campaigns SET next_position = ? WHERE seq = ?", (end, campaign))
    _count(db, campaign, Counter(position // BUCKET for position in range(start, end)), 1)


def remove(db: sqlite3.Connection, campaign: int, gateway_ids: Sequence[str]) -> None:
    """All or none: 404 naming those that are not in the campaign."""
    positions = _positions(db, campaign, gateway_ids)
    absent = [gateway_id for gateway_id in gateway_ids if gateway_id not in positions]
    if absent:
        message = f"Not in the campaign, nothing was removed: gateway {some(absent)}."
        raise Already(404, message, absent)
    db.executemany(
        "DELETE FROM gateways WHERE campaign = ? AND position = ?",
        [(campaign, position) for position in positions.values()],
    )
    _count(db, campaign, Counter(position // BUCKET for position in positions.values()), -1)
    db.execute("DELETE FROM gateway_buckets WHERE campaign = ? AND members = 0", (campaign,))


def _positions(db: sqlite3.Connection, campaign: int, gateway_ids: Sequence[str]) -> dict[str, int]:
    """Gateway id → position, in the order asked, of those that are there."""
    query = "SELECT position FROM gateways WHERE gateway_id = ? AND campaign = ?"
    found = ((gateway_id, db.execute(query, (gateway_id, campaign)).fetchone()) for gateway_id in gateway_ids)
    return {gateway_id: row["position"] for gateway_id, row in found if row is not None}


def _count(db: sqlite3.Connection, campaign: int, buckets: Counter[int], sign: int) -> None:
    db.executemany(
        """INSERT INTO gateway_buckets (campaign, bucket, members) VALUES (?, ?, ?)
           ON CONFLICT DO UPDATE SET members = members + excluded.members""",
        [(campaign, bucket, sign * members) for bucket, members in buckets.items()],
    )


def total(db: sqlite3.Connection, campaign: int) -> int:
    query = "SELECT coalesce(sum(members), 0) FROM gateway_buckets WHERE campaign = ?"
    (members,) = db.execute(query, (campaign,)).fetchone()
    return int(members)


def listing(
    db: sqlite3.Connection, campaign: int, page: PageRequest
) -> tuple[int, list[tuple[str, str, bool]]]:
    """How many gateways there are, and id, state and closed of one page of them, in the order they joined.

    Costs one page and the counts of the buckets, however deep the page is.
    """
    members = total(db, campaign)
    if page.offset >= members:
        return members, []
    query = "SELECT bucket, members FROM gateway_buckets WHERE campaign = ? ORDER BY bucket"
    skip, first = page.offset, 0
    for first, size in db.execute(query, (campaign,)):  # noqa: B007 - the bucket that the page starts in
        if skip < size:
            break
        skip -= size
    rows = db.execute(
        """SELECT gateway_id, state, closed FROM gateways WHERE campaign = ? AND position >= ?
           ORDER BY position LIMIT ? OFFSET ?""",
        (campaign, first * BUCKET, page.size, skip),
    )
    return members, [(row["gateway_id"], row["state"], bool(row["closed"])) for row in rows]


def find(db: sqlite3.Connection, campaign: int, gateway_id: str) -> Gateway:
    row = db.execute(
        """SELECT gateway_id, state, closed, overridden, notified, changed_ms, caused_by, downloaded, executed
           FROM gateways WHERE gateway_id = ? AND campaign = ?""",
        (gateway_id, campaign),
    ).fetchone()
    if row is None:
        raise missing("gateway in this campaign:", gateway_id)
    return Gateway(
        gateway_id=row["gateway_id"],
        state=row["state"],
        closed=bool(row["closed"]),
        overridden=bool(row["overridden"]),
        notified=row["notified"],
        changed_ms=row["changed_ms"],
        caused_by=row["caused_by"],
        downloaded=json.loads(row["downloaded"] or "{}"),
        executed=json.loads(row["executed"] or "[]"),
    )


def close(db: sqlite3.Connection, campaign: int, gateway_id: str, now_ms: int) -> None:
    """409 when it is closed already: there is no way to open it again."""
    if find(db, campaign, gateway_id).closed:
        raise Already(409, f"Gateway {gateway_id!r} is closed already.")
    db.execute(
        "UPDATE gateways SET closed = 1, changed_ms = ? WHERE gateway_id = ? AND campaign = ?",
        (now_ms, gateway_id, campaign),
    )


def run_again(db: sqlite3.Connection, campaign: int, now_ms: int) -> None:
    """Those that are done or failed begin anew, except for those that the campaign is closed for."""
    db.executemany(
        """UPDATE gateways
           SET state = ?, caused_by = NULL, downloaded = NULL, executed = NULL, changed_ms = ?
           WHERE campaign = ? AND closed = 0 AND state = ?""",
        [(FIRST_STATE, now_ms, campaign, state) for state in FINAL_STATES],
    )


def notify(db: sqlite3.Connection, campaign: int, gateway_id: str) -> None:
    find(db, campaign, gateway_id)
    db.execute(
        "UPDATE gateways SET notified = notified + 1 WHERE gateway_id = ? AND campaign = ?",
        (gateway_id, campaign),
    )


def put(db: sqlite3.Connection, campaign: int, gateway: Gateway) -> None:
    """Write state and progress of a gateway: what a simulated one reports."""
    db.execute(
        """UPDATE gateways SET state = ?, caused_by = ?, downloaded = ?, executed = ?, changed_ms = ?
           WHERE gateway_id = ? AND campaign = ?""",
        (
            gateway.state,
            gateway.caused_by,
            json.dumps(gateway.downloaded),
            json.dumps(gateway.executed),
            gateway.changed_ms,
            gateway.gateway_id,
            campaign,
        ),
    )


def set_packages(db: sqlite3.Connection, campaign: int, gateway_id: str, package_ids: Sequence[str]) -> None:
    """Give a gateway a list of its own, which may be empty."""
    find(db, campaign, gateway_id)
    packages.check_known(db, package_ids)
    db.execute("DELETE FROM gateway_packages WHERE campaign = ? AND gateway_id = ?", (campaign, gateway_id))
    db.executemany(
        "INSERT INTO gateway_packages (campaign, gateway_id, position, package) VALUES (?, ?, ?, ?)",
        [(campaign, gateway_id, position, package) for position, package in enumerate(package_ids)],
    )
    db.execute(
        "UPDATE gateways SET overridden = 1 WHERE gateway_id = ? AND campaign = ?", (gateway_id, campaign)
    )


def effective_packages(db: sqlite3.Connection, campaign: int, gateway: Gateway) -> list[str]:
    """Its own list when it was given one, else the campaign's."""
    if gateway.overridden:
        query = "SELECT package FROM gateway_packages WHERE campaign = ? AND gateway_id = ? ORDER BY position"
        return [row["package"] for row in db.execute(query, (campaign, gateway.gateway_id))]
    query = "SELECT package FROM campaign_packages WHERE campaign = ? ORDER BY position"
    return [row["package"] for row in db.execute(query, (campaign,))]


def set_schedule(
    db: sqlite3.Connection, campaign: int, gateway_id: str, phase: str, window: tuple[str, str]
) -> None:
    """`window`: begin and end in milliseconds of UNIX time, as decimal strings."""
    find(db, campaign, gateway_id)
    db.execute(
        """INSERT OR REPLACE INTO schedules (campaign, gateway_id, phase, begin_ms, end_ms)
           VALUES (?, ?, ?, ?, ?)""",
        (campaign, gateway_id, phase, *window),
    )


def schedule(db: sqlite3.Connection, campaign: int, gateway_id: str, phase: str) -> tuple[int, int] | None:
    """Begin and end of a gateway's window for a phase, in milliseconds of UNIX time."""
    query = "SELECT begin_ms, end_ms FROM schedules WHERE campaign = ? AND gateway_id = ? AND phase = ?"
    row = db.execute(query, (campaign, gateway_id, phase)).fetchone()
    return None if row is None else (int(row["begin_ms"]), int(row["end_ms"]))


def schedules(db: sqlite3.Connection, campaign: int) -> list[tuple[str, str, str, str]]:
    """Gateway id, phase, begin, end."""
    query = """SELECT gateway_id, phase, begin_ms, end_ms FROM schedules WHERE campaign = ?
        ORDER BY gateway_id, phase"""
    return [tuple(row) for row in db.execute(query, (campaign,))]


def run_things(db: sqlite3.Connection, campaign: int, gateway_id: str, thing_ids: Sequence[str]) -> None:
    """Each call is one more run of each thing: sending it twice is not the same as once."""
    find(db, campaign, gateway_id)
    db.executemany(
        """INSERT INTO things (campaign, gateway_id, thing_id, runs) VALUES (?, ?, ?, 1)
           ON CONFLICT DO UPDATE SET runs = runs + 1""",
        [(campaign, gateway_id, thing_id) for thing_id in thing_ids],
    )


def things(db: sqlite3.Connection, campaign: int) -> list[tuple[str, str, int]]:
    """Gateway id, thing id, how often it was run."""
    query = "SELECT gateway_id, thing_id, runs FROM things WHERE campaign = ? ORDER BY gateway_id, thing_id"
    return [tuple(row) for row in db.execute(query, (campaign,))]


def states(db: sqlite3.Connection, campaign: int) -> dict[str, int]:
    """State → how many gateways are in it; reads each gateway of the campaign."""
    query = "SELECT state, count(*) FROM gateways WHERE campaign = ? GROUP BY state"
    return dict(db.execute(query, (campaign,)).fetchall())


def active_campaigns(db: sqlite3.Connection, gateway_id: str, status: str) -> list[str]:
    """Ids of the campaigns in `status` that the gateway is in and not closed for."""
    query = """SELECT campaigns.id FROM gateways JOIN campaigns ON campaigns.seq = gateways.campaign
        WHERE gateway_id = ? AND closed = 0 AND status = ? ORDER BY campaigns.seq"""
    return [row["id"] for row in db.execute(query, (gateway_id, status))]
