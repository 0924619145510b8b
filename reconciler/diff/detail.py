"""Where exactly two small values differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from reconciler.model import Json


def details(before: Json, after: Json) -> Iterator[tuple[str, Json, Json]]:
    """(dotted path, before, after) of each leaf that differs, sorted; None where a side lacks it.

    For small values already known to differ: the import alone costs more than most comparisons.
    """
    from deepdiff import DeepDiff

    tree = DeepDiff(before, after, view="tree", ignore_type_in_groups=[])
    rows = [
        (".".join(map(str, level.path(output_format="list"))), _side(level.t1), _side(level.t2))
        for report in tree.values()
        for level in cast("list[Any]", report)
    ]
    yield from sorted(rows, key=lambda row: row[0])


def _side(value: Any) -> Json:
    from deepdiff.helper import notpresent

    return None if value is notpresent else cast("Json", value)
