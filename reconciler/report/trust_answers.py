"""What `trust` answers: lines for people, a document for scripts.

Tests: `tests/cli/test_cli_trust.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from reconciler.report.command_answers import Answer
from reconciler.report.table import table
from reconciler.report.terminal import Paint
from reconciler.text import clean, plural
from reconciler.trust.needs import Grant, wish
from reconciler.trust.store import grant_id


def trust_list(grants: Sequence[Grant], file: Path) -> Answer:
    """`trust list`."""

    def lines(paint: Paint) -> Iterator[str]:
        if grants:
            yield from table(("ID", "TRUSTED TO"), [(grant_id(each), wish(each)) for each in grants], paint)
        yield f"{plural(len(grants), 'grant')} in {clean(str(file))}."

    return Answer({"file": str(file), "trusted": [*map(_item, grants)]}, lines)


def trust_added(grants: Sequence[Grant], file: Path) -> Answer:
    """`trust add`: those that are new."""
    return _changed(
        "trust-add", "is trusted to", "Nothing is asked for that isn't trusted already.", grants, file
    )


def trust_removed(grants: Sequence[Grant], file: Path) -> Answer:
    """`trust remove`: those that are gone."""
    return _changed("trust-remove", "is no longer trusted to", "Nothing was removed.", grants, file)


def trust_declined(operation: str) -> Answer:
    """Somebody said no."""
    said = {"operation": operation, "outcome": "declined", "grants": []}
    return Answer(said, lambda _: iter(["Nothing was trusted: the answer was not 'yes'."]))


def _changed(operation: str, verb: str, nothing: str, grants: Sequence[Grant], file: Path) -> Answer:
    outcome = "done" if grants else "not needed"

    def lines(paint: Paint) -> Iterator[str]:
        del paint
        if not grants:
            yield nothing
        for grant in grants:
            yield f"{grant_id(grant)} {verb} {wish(grant)}."

    said = {"operation": operation, "outcome": outcome, "file": str(file), "grants": [*map(_item, grants)]}
    return Answer(said, lines)


def _item(grant: Grant) -> Mapping[str, str]:
    return {"id": grant_id(grant), **asdict(grant)}
