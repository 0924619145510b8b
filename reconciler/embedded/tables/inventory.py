"""Gateways that exist, campaigns aside, and the saved filters over them that serve as distribution lists.

Tests: `tests/embedded/test_embedded_gateways.py`.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping

from reconciler.embedded.errors import missing
from reconciler.embedded.wire import Json, PageRequest


def put(db: sqlite3.Connection, fleet: Iterable[tuple[str, Mapping[str, str]]], *, replace: bool) -> None:
    """Gateway ids with their attributes. `replace` forgets all others; else they stay as they are."""
    entries = list(fleet)
    if replace:
        db.execute("DELETE FROM inventory")
    else:
        db.executemany("DELETE FROM inventory WHERE gateway_id = ?", [(one,) for one, _ in entries])
    db.executemany(
        "INSERT INTO inventory (gateway_id, attributes) VALUES (?, ?)",
        [(gateway_id, json.dumps(attributes)) for gateway_id, attributes in entries],
    )
    db.executemany(
        "INSERT INTO inventory_attributes (gateway_id, name, value) VALUES (?, ?, ?)",
        [(gateway_id, *item) for gateway_id, attributes in entries for item in attributes.items()],
    )


def listing(db: sqlite3.Connection, page: PageRequest) -> tuple[int, list[Json]]:
    """How many gateways there are, and one page of them by id."""
    (total,) = db.execute("SELECT count(*) FROM inventory").fetchone()
    rows = db.execute(
        "SELECT gateway_id, attributes FROM inventory ORDER BY gateway_id LIMIT ? OFFSET ?",
        (page.size, page.offset),
    )
    return total, [
        {"gatewayId": row["gateway_id"], "attributes": json.loads(row["attributes"])} for row in rows
    ]


def set_list(db: sqlite3.Connection, list_id: str, wanted: Mapping[str, str]) -> None:
    db.execute(
        "INSERT OR REPLACE INTO distribution_lists (id, filter) VALUES (?, ?)", (list_id, json.dumps(wanted))
    )


def filter_of(db: sqlite3.Connection, list_id: str) -> dict[str, str]:
    """Attribute → value; 404 for a list that nobody saved."""
    row = db.execute("SELECT filter FROM distribution_lists WHERE id = ?", (list_id,)).fetchone()
    if row is None:
        raise missing("distribution list", list_id)
    found: dict[str, str] = json.loads(row["filter"])
    return found


def evaluate(db: sqlite3.Connection, list_id: str, campaign: int | None = None) -> list[str]:
    """The gateways that have every attribute of the list, by id; a list that nobody saved has none.

    With a campaign, those that are not in it.
    """
    row = db.execute("SELECT filter FROM distribution_lists WHERE id = ?", (list_id,)).fetchone()
    if row is None:
        return []
    wanted: dict[str, str] = json.loads(row["filter"])
    one = "SELECT gateway_id FROM inventory_attributes WHERE name = ? AND value = ?"
    matching = " INTERSECT ".join(["SELECT gateway_id FROM inventory", *[one] * len(wanted)])
    rows = db.execute(
        f"{matching} EXCEPT SELECT gateway_id FROM gateways WHERE campaign = ? ORDER BY gateway_id",  # noqa: S608
        [*(text for item in wanted.items() for text in item), campaign],
    )
    return [row["gateway_id"] for row in rows]
