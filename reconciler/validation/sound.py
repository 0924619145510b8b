"""What is left of a document when everything that breaks its schema is taken out: the parts that are sound.

| what is wrong                                  | what is left out    | gap                            |
|------------------------------------------------|---------------------|--------------------------------|
| a value                                        | that value          | its key, or in its list        |
| a field is missing                             | nothing             | that field                     |
| a field isn't known                            | the entry           | what was probably meant or any |
| not exactly one of some fields                 | those that stand    | all of them                    |
| an item stands twice                           | the later one       | none: nothing is missing       |

A gap says that nothing may be concluded from an absence (`reconciler.loading.nodes.unsure`). This reads the
same schemas as `quick`, and `quick` accepts what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from reconciler.findings import nearest
from reconciler.loading.nodes import MarkedList, MarkedMap
from reconciler.validation.quick import Choice, compiled, fits
from reconciler.validation.schemas import Schema

LOST: Final = object()
"""Nothing is left of a value."""

MOST_GUESSES = 20
"""Of how many unknown fields of one mapping it is guessed which ones were meant."""

Keeps = Callable[[Any], Any]
"""A value → what is left of it, or `LOST`; the value itself when all of it is sound."""


def keeping(schema: Schema) -> Keeps:
    """What keeps the sound parts of a value, for an inlined schema."""
    accepts = compiled(schema)
    keeps = _keeps(schema)
    return lambda value: value if accepts(value) else keeps(value)


def _keeps(schema: Schema) -> Keeps:
    if "oneOf" in schema:
        return _one_of(schema["oneOf"])
    if "properties" in schema or "additionalProperties" in schema:
        return _mapping(schema)
    if "items" in schema:
        return _list(schema)
    return lambda _: LOST


def _mapping(schema: Schema) -> Keeps:
    fields = {name: keeping(rule) for name, rule in schema.get("properties", {}).items()}
    others = schema.get("additionalProperties", False)
    other = keeping(others) if others else None
    names = compiled({"type": "string", **schema.get("propertyNames", {})})
    needed = frozenset(schema.get("required", ()))
    some = frozenset(branch["required"][0] for branch in schema.get("anyOf", ()))

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
        gaps: set[str | None] = {name for name in needed if name not in value}
        gaps.update(some if some.isdisjoint(value) else (), _meant(unknown, fields))
        gaps.update(name for name, item in kept.items() if item is LOST)
        return value.left({name: item for name, item in kept.items() if item is not LOST}, gaps)

    return keeps


def _meant(unknown: Sequence[str], known: Iterable[str]) -> Iterable[str | None]:
    """The fields that unknown ones were meant to be; None: it could be any."""
    for count, name in enumerate(unknown):
        yield nearest(name, known) if count < MOST_GUESSES else None


def _list(schema: Schema) -> Keeps:
    item = keeping(schema["items"])
    once = schema.get("uniqueItems", False)

    def keeps(value: Any) -> Any:
        if not isinstance(value, MarkedList):
            return LOST
        left = MarkedList(value.start)
        left.gap = value.gap
        seen: set[object] = set()
        for one, mark in zip(value, value.marks, strict=True):
            kept = item(one)
            if kept is LOST:
                left.gap = True
            elif not once or kept not in seen:
                left.append(kept)
                left.marks.append(mark)
                if once:
                    seen.add(kept)
        return left

    return keeps


def _one_of(branches: Sequence[Schema]) -> Keeps:
    keeps = [(branch, keeping(branch)) for branch in branches]
    shared = {name: rule for branch in branches for name, rule in branch.get("properties", {}).items()}
    common = _mapping({"properties": shared})

    def keep(value: Any) -> Any:
        fitting = [branch for branch in branches if fits(value, branch["type"], branch)]
        if not isinstance(value, MarkedMap) or not fitting:
            return LOST  # single values that are sound were accepted before
        choice = Choice.of(fitting, value)
        for branch, kept in keeps:
            if branch is choice.branch:
                return kept(value)
        # Which of them was meant isn't known, but what else stands there is.
        marks = {name for names in choice.marks for name in names}
        return common(value.left({name: value[name] for name in value if name not in marks}, marks))

    return keep
