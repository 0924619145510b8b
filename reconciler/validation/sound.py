"""What is left of a document when everything that breaks its schema is taken out: the parts that are sound.

| what is wrong                                  | what is left out    | gap                            |
|------------------------------------------------|---------------------|--------------------------------|
| a value                                        | that value          | its key, or in its list        |
| a field is missing                             | nothing             | that field                     |
| a field isn't known                            | the entry           | what was probably meant or any |
| not exactly one of some fields                 | those that stand    | all of them                    |
| an item appears twice                           | the later one       | none: nothing is missing       |

A gap says that nothing may be concluded from an absence (`reconciler.loading.nodes.unsure`). This reads the
same schemas as `keywords`, and the quick test of those accepts what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from reconciler.loading.nodes import MarkedList, MarkedMap, stands
from reconciler.text import nearest
from reconciler.validation.keywords import Choice, compiled, fits
from reconciler.validation.schemas import Schema

LOST: Final = object()
"""Nothing is left of a value."""

MOST_GUESSES = 20
"""Of how many unknown fields of one mapping it is guessed which ones were meant."""

Keeps = Callable[[Any], Any]
"""A value → what is left of it, or `LOST`; the value itself when all of it is sound."""


def keeping(schema: Schema) -> Keeps:
    """What keeps the sound parts of a value, for an inlined schema. One pass over the value."""
    if "oneOf" in schema:
        return _one_of(schema["oneOf"])
    if "properties" in schema or schema.get("additionalProperties", True) is not True:
        return _mapping(schema)
    if "items" in schema:
        return _list(schema)
    accepts = compiled(schema)
    return lambda value: value if accepts(value) else LOST


def _mapping(schema: Schema) -> Keeps:
    fields = {name: keeping(rule) for name, rule in schema.get("properties", {}).items()}
    others = schema.get("additionalProperties", False)
    other = keeping(others) if others else None
    names = compiled({"type": "string", **schema.get("propertyNames", {})})
    needed = frozenset(schema.get("required", ()))
    some = [branch["required"][0] for branch in schema.get("anyOf", ())]

    def keeps(value: Any) -> Any:
        if not isinstance(value, MarkedMap):
            return LOST
        kept: dict[str, object] = {}
        unknown: list[str] = []
        for name, item in value.items():
            if name in fields:
                kept[name] = fields[name](item)
            elif other is None:
                unknown.append(name)
            else:
                kept[name] = other(item) if names(name) else LOST
        gaps: set[str | None] = {name for name in needed if not stands(name, value)}
        gaps.update(_meant(unknown, fields), () if any(stands(name, value) for name in some) else some)
        gaps.update(name for name, item in kept.items() if item is LOST)
        if not gaps and all(kept[name] is item for name, item in value.items()):
            return value
        return value.left({name: item for name, item in kept.items() if item is not LOST}, gaps)

    return keeps


def _meant(unknown: Sequence[str], known: Iterable[str]) -> Iterable[str | None]:
    """The fields that unknown ones were meant to be; None: it could be any."""
    for count, name in enumerate(unknown):
        yield nearest(name, known) if count < MOST_GUESSES else None


def _list(schema: Schema) -> Keeps:
    item = keeping(schema["items"])
    once = schema.get("uniqueItems", False)
    least, most = schema.get("minItems", 0), schema.get("maxItems", float("inf"))

    def keeps(value: Any) -> Any:
        if not isinstance(value, MarkedList) or not least <= len(value) <= most:
            return LOST
        left = MarkedList(value.start)
        left.gap = value.gap
        seen: set[object] = set()
        changed = False
        for one, mark in zip(value, value.marks, strict=True):
            kept = item(one)
            changed = changed or kept is not one
            if kept is LOST:
                left.gap = True
            elif once and kept in seen:
                changed = True
            else:
                left.append(kept)
                left.marks.append(mark)
                if once:
                    seen.add(kept)
        if not changed:
            return value
        return left if len(left) >= least else LOST

    return keeps


def _one_of(branches: Sequence[Schema]) -> Keeps:
    keeps = [keeping(branch) for branch in branches]
    shared = {name: rule for branch in branches for name, rule in branch.get("properties", {}).items()}
    common = _mapping({"properties": shared})

    def keep(value: Any) -> Any:
        fitting = [branch for branch in branches if fits(value, branch["type"], branch)]
        if not fitting:
            return LOST
        meant: Schema | None = fitting[0]
        if isinstance(value, MarkedMap):
            choice = Choice.of(fitting, value)
            meant = choice.branch
        for branch, kept in zip(branches, keeps, strict=True):
            if branch is meant:
                return kept(value)
        # It isn't known which branch was meant, but the fields that all branches share can be kept.
        if not choice.found and value.gaps:
            return common(value)
        marks = {name for names in choice.marks for name in names}
        return common(value.left({name: value[name] for name in value if name not in marks}, marks))

    return keep
