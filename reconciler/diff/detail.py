"""Where exactly two values differ: the one differ of plans and reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.model import Json


def differences(name: str, before: Json, after: Json) -> Iterator[tuple[str, Json, Json]]:
    """(dotted path, before, after) of what differs in the field `name`, sorted; None where a side lacks it.

    Mappings are compared key by key, everything else as one value, and so is what stands for a secret. Two
    values that are no mappings are told without a look.
    """
    if (
        isinstance(before, Mapping)
        and isinstance(after, Mapping)
        and {"secret"} not in (set(before), set(after))
    ):
        for key in sorted({*before, *after}):
            if key not in before or key not in after or before[key] != after[key]:
                yield from differences(f"{name}.{key}", before.get(key), after.get(key))
    else:
        yield name, before, after
