"""Campaigns and what hangs on them as a whole: packages, callbacks, the distribution list."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.embedded.errors import missing
from reconciler.embedded.tables import packages
from reconciler.embedded.wire import PageRequest


@dataclass(frozen=True, slots=True)
class Campaign:
    """A row; `seq` is its key inside the database and its place in lists, `id` its name outside."""

    seq: int
    id: str
    name: str
    description: str
    status: str
    made_under_approval: bool
    created_ms: int
    modified_ms: int
    distribution_list_id: str | None
    reevaluation_seconds: str | None
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """What create and edit carry."""

    name: str
    description: str
    packages: tuple[str, ...]
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Filter:
    """None matches everything; `name` and `description` match as part, the others in full."""

    id: str | None = None
    name: str | None = None
    status: str | None = None
    description: str | None = None
    creation_time: str | None = None
    packages: str | None = None


_SELECT = """SELECT seq, id, name, description, status, made_under_approval, created_ms, modified_ms,
    distribution_list_id, reevaluation_seconds,
    (SELECT json_group_array(package) FROM (
        SELECT package FROM campaign_packages WHERE campaign = seq ORDER BY position)) AS packages
    FROM campaigns"""

_WHERE = """WHERE (:id IS NULL OR id = :id) AND (:status IS NULL OR status = :status)
    AND (:name IS NULL OR name = :name OR (NOT :exact AND instr(name, :name) > 0))
    AND (:description IS NULL OR description = :description
        OR (NOT :exact AND instr(description, :description) > 0))
    AND (:creation_time IS NULL OR CAST(created_ms AS TEXT) = :creation_time)
    AND (:until IS NULL OR created_ms <= :until)
    AND (:packages IS NULL OR seq IN (SELECT campaign FROM campaign_packages WHERE package = :packages))"""


def insert(
    db: sqlite3.Connection,
    campaign_id: str,
    spec: Spec,
    *,
    status: str,
    made_under_approval: bool,
    now_ms: int,
) -> None:
    packages.check_known(db, spec.packages)
    seq = db.execute(
        """INSERT INTO campaigns
           (id, name, description, settings, status, made_under_approval, created_ms, modified_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            campaign_id,
            spec.name,
            spec.description,
            json.dumps(spec.settings),
            status,
            made_under_approval,
            now_ms,
            now_ms,
        ),
    ).lastrowid
    assert seq is not None
    _set_packages(db, seq, spec.packages)


def replace(db: sqlite3.Connection, seq: int, spec: Spec, *, status: str, now_ms: int) -> None:
    """Edit: the whole of the spec takes the place of the one before."""
    packages.check_known(db, spec.packages)
    db.execute(
        """UPDATE campaigns SET name = ?, description = ?, settings = ?, status = ?, modified_ms = ?
           WHERE seq = ?""",
        (spec.name, spec.description, json.dumps(spec.settings), status, now_ms, seq),
    )
    db.execute("DELETE FROM campaign_packages WHERE campaign = ?", (seq,))
    _set_packages(db, seq, spec.packages)


def _set_packages(db: sqlite3.Connection, seq: int, package_ids: Sequence[str]) -> None:
    db.executemany(
        "INSERT INTO campaign_packages (campaign, position, package) VALUES (?, ?, ?)",
        [(seq, position, package) for position, package in enumerate(package_ids)],
    )


def find(db: sqlite3.Connection, campaign_id: str, *, until: int | None = None) -> Campaign:
    """The campaign of that id, unless it was created after `until`."""
    row = db.execute(f"{_SELECT} WHERE id = ?", (campaign_id,)).fetchone()
    if row is None or (until is not None and row["created_ms"] > until):
        raise missing("campaign", campaign_id)
    return _campaign(row)


def by_seq(db: sqlite3.Connection, seq: int) -> Campaign:
    """A campaign that is there."""
    return _campaign(db.execute(f"{_SELECT} WHERE seq = ?", (seq,)).fetchone())


def in_status(db: sqlite3.Connection, status: str) -> list[int]:
    """The keys of the campaigns in a status."""
    rows = db.execute("SELECT seq FROM campaigns WHERE status = ? ORDER BY seq", (status,))
    return [row["seq"] for row in rows]


def listing(
    db: sqlite3.Connection,
    page: PageRequest,
    wanted: Filter,
    *,
    exact: bool = False,
    until: int | None = None,
) -> tuple[int, list[Campaign]]:
    """How many campaigns match, and one page of them, oldest first; `exact`: nothing matches as part.

    `until`: those that were created later aren't shown (epoch milliseconds).
    """
    values = {
        "id": wanted.id,
        "name": wanted.name,
        "status": wanted.status,
        "description": wanted.description,
        "creation_time": wanted.creation_time,
        "packages": wanted.packages,
        "exact": exact,
        "until": until,
    }
    (total,) = db.execute(f"SELECT count(*) FROM campaigns {_WHERE}", values).fetchone()  # noqa: S608 - a constant
    if page.offset >= total:
        return total, []
    rows = db.execute(
        f"{_SELECT} {_WHERE} ORDER BY seq LIMIT :size OFFSET :offset",
        values | {"size": page.size, "offset": page.offset},
    )
    return total, [_campaign(row) for row in rows]


def _campaign(row: sqlite3.Row) -> Campaign:
    return Campaign(
        seq=row["seq"],
        id=row["id"],
        name=row["name"],
        description=row["description"],
        status=row["status"],
        made_under_approval=bool(row["made_under_approval"]),
        created_ms=row["created_ms"],
        modified_ms=row["modified_ms"],
        distribution_list_id=row["distribution_list_id"],
        reevaluation_seconds=row["reevaluation_seconds"],
        packages=tuple(json.loads(row["packages"])),
    )


def set_status(db: sqlite3.Connection, seq: int, status: str, now_ms: int) -> None:
    db.execute("UPDATE campaigns SET status = ?, modified_ms = ? WHERE seq = ?", (status, now_ms, seq))


def delete(db: sqlite3.Connection, seq: int) -> None:
    db.execute("DELETE FROM campaigns WHERE seq = ?", (seq,))


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """Status → how many campaigns are in it."""
    return dict(db.execute("SELECT status, count(*) FROM campaigns GROUP BY status").fetchall())


def settings(db: sqlite3.Connection, seq: int) -> dict[str, str]:
    """What no operation of the API gives back."""
    (value,) = db.execute("SELECT settings FROM campaigns WHERE seq = ?", (seq,)).fetchone()
    found: dict[str, str] = json.loads(value)
    return found


def set_distribution_list(db: sqlite3.Connection, seq: int, list_id: str, seconds: str) -> None:
    db.execute(
        "UPDATE campaigns SET distribution_list_id = ?, reevaluation_seconds = ? WHERE seq = ?",
        (list_id, seconds, seq),
    )


def set_callback(
    db: sqlite3.Connection, seq: int, kind: str, destination: str, states: Sequence[str]
) -> None:
    db.execute(
        "INSERT OR REPLACE INTO callbacks (campaign, kind, destination, tracked_states) VALUES (?, ?, ?, ?)",
        (seq, kind, destination, json.dumps(states)),
    )


def callbacks(db: sqlite3.Connection, seq: int) -> dict[str, tuple[str, list[str]]]:
    """Kind → destination and tracked states."""
    rows = db.execute(
        "SELECT kind, destination, tracked_states FROM callbacks WHERE campaign = ? ORDER BY kind", (seq,)
    )
    return {row["kind"]: (row["destination"], json.loads(row["tracked_states"])) for row in rows}
