"""The gateways of a campaign: lines of its list, folded so that a million of them stay a few sets.

Tests: `tests/providers/test_shape_tables.py`, `tests/providers/test_pulse_paging.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import compress, product
from operator import itemgetter
from typing import Any, NamedTuple

from reconciler.providers.http.listing import ListShape
from reconciler.providers.http.shape import flag, identity, mapping, text


class GatewayRow(NamedTuple):
    """A line of a campaign's list of gateways."""

    state: str
    closed: bool


def _gateway_line(row: Any) -> tuple[str, GatewayRow]:
    if isinstance(row, str) and row:
        return row, GatewayRow("", closed=False)
    record = mapping(row, "a gateway")
    gateway_id = identity(record, "a gateway", ("gatewayId", "uuid", "id"))
    return gateway_id, GatewayRow(state(record.get("state")), flag(record.get("closed"), "closed"))


_ID, _STATE, _CLOSED = itemgetter("gatewayId"), itemgetter("state"), itemgetter("closed")


def _gateway_lines(rows: Sequence[Any]) -> Mapping[str, GatewayRow] | None:
    """A million rows come in a few kinds: one `GatewayRow` serves all of a kind."""
    try:
        ids = list(map(_ID, rows))
        states = set(map(_STATE, rows))
        closed = set(map(_CLOSED, rows))
        "".join(ids)  # a TypeError where one isn't text
    except (KeyError, TypeError):
        return None
    if not (ids and _all_of(str, states) and _all_of(bool, closed)) or "" in ids:
        return None
    if len(states) == len(closed) == 1:
        return dict.fromkeys(ids, GatewayRow(*states, *closed))
    kinds = {kind: GatewayRow(*kind) for kind in product(states, closed)}
    return {row["gatewayId"]: kinds[row["state"], row["closed"]] for row in rows}


def _all_of(kind: type, values: Iterable[object]) -> bool:
    return set(map(type, values)) == {kind}


GATEWAYS: ListShape[GatewayRow] = ListShape(
    "gateways", ("gateways", "devices"), _gateway_line, _gateway_lines
)


def state(value: object) -> str:
    """A gateway's state, as text or as ``{state: ...}``; left out: empty."""
    if isinstance(value, Mapping):
        value = value.get("state")
    return text(value, "a gateway's state")


def _kinds(rows: Sequence[GatewayRow]) -> set[GatewayRow]:
    """Mostly one row serves all of a page: to count it is quicker than to hash it for each."""
    return {rows[0]} if rows and rows.count(rows[0]) == len(rows) else set(rows)


class Members:
    """A fold of gateways into one set a state: a million of them are a few sets."""

    def __init__(self) -> None:
        self._states: dict[str, set[str]] = {}
        self._closed: set[str] = set()

    def add(self, items: Mapping[str, GatewayRow]) -> int:
        before = len(self)
        kinds = _kinds(list(items.values()))
        coming = {row.state for row in kinds}
        for state, members in self._states.items():
            if coming != {state}:
                members.difference_update(items)
        if self._closed:
            self._closed.difference_update(items)
        for row in kinds:
            alike = items if len(kinds) == 1 else list(compress(items, map(row.__eq__, items.values())))
            self._states.setdefault(row.state, set()).update(alike)
            if row.closed:
                self._closed.update(alike)
        return len(self) - before

    def clear(self) -> None:
        self._states.clear()
        self._closed.clear()

    def __len__(self) -> int:
        return sum(map(len, self._states.values()))

    def states(self) -> Mapping[str, Set[str]]:
        """State → gateways, sorted by state; the fold is empty after: these are its sets, and not copies."""
        states, self._states = self._states, {}
        return {state: states[state] for state in sorted(states) if states[state]}

    def closed(self) -> frozenset[str]:
        """Gateways that are closed for the campaign."""
        return frozenset(self._closed)
