"""Where exactly two values differ: of changes, and of what a change is shown as.

For small values that are known to differ, and never for membership: `deepdiff` costs more to import than most
comparisons, so it is asked only where two mappings meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

from reconciler.model import Json


def differences(name: str, before: Json, after: Json) -> Iterator[tuple[str, Json, Json]]:
    """(path below `name`, before, after) of all that differs, sorted; None where a side lacks it.

    Mappings are compared key by key, everything else as one value, and so is what stands for a secret.
    """
    if _whole(before) or _whole(after):
        yield name, before, after
        return
    from deepdiff import DeepDiff
    from deepdiff.operator import BaseOperator

    class AsOneValue(BaseOperator):
        """Lists and secrets are not taken apart."""

        def match(self, level: Any) -> bool:
            return _whole(level.t1) or _whole(level.t2)

        def give_up_diffing(self, level: Any, diff_instance: Any) -> bool:
            if type(level.t1) is not type(level.t2) or level.t1 != level.t2:
                diff_instance.custom_report_result("values_changed", level)
            return True

    tree = DeepDiff(
        before,
        after,
        view="tree",
        ignore_type_in_groups=[(dict, MappingProxyType)],
        custom_operators=[AsOneValue()],
    )
    rows = [
        (".".join((name, *map(str, level.path(output_format="list")))), _side(level.t1), _side(level.t2))
        for report in tree.values()
        for level in cast("list[Any]", report)
    ]
    yield from sorted(rows, key=lambda row: row[0])


def _whole(value: Any) -> bool:
    return not isinstance(value, Mapping) or set(value) == {"secret"}


def _side(value: Any) -> Json:
    from deepdiff.helper import notpresent

    return None if value is notpresent else cast("Json", value)
