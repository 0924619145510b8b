"""All campaigns and their gateways, counted: for whoever wants to look at the server, not at its API.

Tests: `tests/embedded/test_embedded_headcount.py`.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette

from reconciler.embedded.context import Context
from reconciler.embedded.errors import EmbeddedError

_FAILED: Final = "FAILED"
_CAUSES: Final = 1_000


@dataclass(frozen=True, slots=True)
class CampaignCensus:
    """A campaign and how its gateways stand."""

    id: str
    name: str
    status: str
    packages: tuple[str, ...]
    """By name."""
    states: Mapping[str, int]
    """State → how many gateways are in it."""
    open: Mapping[str, int]
    """The same without those that are closed."""
    causes: Mapping[str, Sequence[str]]
    """Why gateways failed → which, of the first that failed on this server; empty: no cause was told."""


@dataclass(frozen=True, slots=True)
class Census:
    """All campaigns, oldest first, at a time of the server's clock (epoch milliseconds)."""

    at: int
    campaigns: Sequence[CampaignCensus]


async def census(app: Starlette) -> Census:
    """What there is now; it is no call of the API, and no fault strikes it.

    EmbeddedError when the database doesn't answer.
    """
    context: Context = app.state.context
    try:
        await context.driver.before_call()
        with context.store.transaction(write=False) as db:
            return Census(context.clock.now_ms(), list(_campaigns(db)))
    except sqlite3.Error as error:
        raise EmbeddedError(f"The database of the embedded server does not answer: {error}.") from error


def _campaigns(db: sqlite3.Connection) -> Iterator[CampaignCensus]:
    states: dict[int, dict[str, int]] = defaultdict(dict)
    opened: dict[int, dict[str, int]] = defaultdict(dict)
    counts = "SELECT campaign, state, count(*), sum(closed) FROM gateways GROUP BY campaign, state"
    for campaign, state, count, closed in db.execute(counts):
        states[campaign][state] = count
        opened[campaign][state] = count - closed
    causes: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    failed = "SELECT campaign, gateway_id, caused_by FROM gateways WHERE state = ? LIMIT ?"
    for campaign, gateway, cause in db.execute(failed, (_FAILED, _CAUSES)):
        causes[campaign][cause or ""].append(gateway)
    rows = db.execute(
        """SELECT seq, id, name, status, (SELECT json_group_array(name) FROM (
            SELECT packages.name AS name FROM campaign_packages JOIN packages ON packages.id = package
            WHERE campaign = campaigns.seq ORDER BY campaign_packages.position)) AS packages
            FROM campaigns ORDER BY seq"""
    )
    for row in rows:
        seq = row["seq"]
        yield CampaignCensus(
            row["id"],
            row["name"],
            row["status"],
            tuple(json.loads(row["packages"])),
            states.get(seq, {}),
            opened.get(seq, {}),
            {cause: tuple(ids) for cause, ids in causes.get(seq, {}).items()},
        )
