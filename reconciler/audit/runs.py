"""The runs of a log, read again.

Tests: `tests/cli/test_cli_audit.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from reconciler.audit.chain import AuditEntry
from reconciler.audit.recorder import CALL, END
from reconciler.model import Json


@dataclass(frozen=True, slots=True)
class PastRun:
    """What the log tells of one run; ``end`` is None when it was killed, or goes on.

    ``hash`` is that of the line that begins it; ``outcomes`` and ``operations`` are counted from its calls.
    """

    number: int
    hash: str
    begin: Mapping[str, Json]
    outcomes: Mapping[str, int]
    operations: Mapping[str, int]
    end: Mapping[str, Json] | None = None


def runs(entries: Iterable[AuditEntry]) -> Iterator[PastRun]:
    """Every run of a log, oldest first; of each only its begin, its end and counts are held."""
    for number, lines in groupby(entries, key=lambda entry: entry.link.run):
        first: AuditEntry | None = None
        end: Mapping[str, Json] | None = None
        outcomes: Counter[str] = Counter()
        operations: Counter[str] = Counter()
        for entry in lines:
            first = first or entry
            kind = entry.data.get("type")
            if kind == END:
                end = entry.data
            elif kind == CALL:
                here = how_many(entry.data)
                outcomes[str(entry.data.get("outcome"))] += here
                operations[str(entry.data.get("operation"))] += here
        assert first is not None, "no group is empty"
        yield PastRun(number, first.link.hash or "", first.data, outcomes, operations, end)


def how_many(call: Mapping[str, Json]) -> int:
    """For how many calls the line of one stands: that of a parcel for as many as it says."""
    number = call.get("calls", 1)
    return number if isinstance(number, int) and number > 0 else 1


def calls(entries: Iterable[AuditEntry], run: int) -> Iterator[Mapping[str, Json]]:
    """The calls of one run, in the order in which they were settled."""
    return (e.data for e in entries if e.link.run == run and e.data.get("type") == CALL)
