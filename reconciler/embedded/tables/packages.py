"""Packages: what is known of an upload. The content is hashed and counted, not kept."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.embedded.errors import CallRefused, missing, some
from reconciler.embedded.wire import PageRequest


@dataclass(frozen=True, slots=True)
class Package:
    id: str
    name: str
    description: str
    created_by: str
    created_ms: int
    size: int
    sha256: str


_COLUMNS = "id, name, description, created_by, created_ms, size, sha256"


def insert(db: sqlite3.Connection, package: Package) -> None:
    db.execute(
        f"INSERT INTO packages ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        (
            package.id,
            package.name,
            package.description,
            package.created_by,
            package.created_ms,
            package.size,
            package.sha256,
        ),
    )


def find(db: sqlite3.Connection, package_id: str, *, until: int | None = None) -> Package:
    """The package of that id, unless it was uploaded after `until`."""
    row = db.execute(f"SELECT {_COLUMNS} FROM packages WHERE id = ?", (package_id,)).fetchone()  # noqa: S608
    package = Package(*row) if row else None
    if package is None or (until is not None and package.created_ms > until):
        raise missing("package", package_id)
    return package


def listing(
    db: sqlite3.Connection,
    page: PageRequest,
    name: str | None,
    *,
    exact: bool = False,
    until: int | None = None,
) -> tuple[int, list[Package]]:
    """How many packages there are whose name is or contains `name`, and one page of them, oldest first.

    `until`: those that were uploaded later aren't shown (epoch milliseconds).
    """
    where = (
        "WHERE (:name IS NULL OR name = :name OR (NOT :exact AND instr(name, :name) > 0))"
        " AND (:until IS NULL OR created_ms <= :until)"
    )
    values = {"name": name, "exact": exact, "until": until}
    (total,) = db.execute(f"SELECT count(*) FROM packages {where}", values).fetchone()  # noqa: S608
    if page.offset >= total:
        return total, []
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM packages {where} ORDER BY seq LIMIT :size OFFSET :offset",  # noqa: S608
        values | {"size": page.size, "offset": page.offset},
    )
    return total, [Package(*row) for row in rows]


def delete(db: sqlite3.Connection, package_id: str) -> None:
    """409 while a campaign or a gateway's own list names it."""
    find(db, package_id)
    rows = db.execute(
        """SELECT DISTINCT campaigns.id FROM campaigns JOIN (
               SELECT campaign FROM campaign_packages WHERE package = :package
               UNION SELECT campaign FROM gateway_packages WHERE package = :package
           ) AS users ON users.campaign = campaigns.seq ORDER BY campaigns.seq""",
        {"package": package_id},
    )
    users = [row["id"] for row in rows]
    if users:
        raise CallRefused(409, f"Package {package_id!r} is used by campaign {some(users)}.")
    db.execute("DELETE FROM packages WHERE id = ?", (package_id,))


def check_known(db: sqlite3.Connection, package_ids: Sequence[str]) -> None:
    """400 naming the ids that no package has."""
    rows = db.execute(
        "SELECT id FROM packages WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(package_ids),)
    )
    known = {row["id"] for row in rows}
    unknown = [package_id for package_id in package_ids if package_id not in known]
    if unknown:
        raise CallRefused(400, f"There is no package {some(unknown)}.")
