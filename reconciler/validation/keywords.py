"""The keywords of JSON Schema as our documents need them: what each accepts, and the errors where it doesn't.

Nearly every document keeps to its schema. So a schema is first `compiled` to one quick test, and only for a
document that fails it jsonschema is imported, which takes as long as a start of the tool, to say what is
wrong. Both come from one table.

The keywords differ from jsonschema's own in three ways. Values know more than JSON does: `Ambiguous` text is
no text, save where the schema says `x-unquoted`. Items of lists that pass the quick test are not looked at.
And no error holds a printed copy of what it is about: an error is a keyword, its argument, and a path, from
which `messages` makes a finding. A path that ends in a `Key` is about the key and not about its value.
"""

# ruff: noqa: ARG001 - jsonschema calls every keyword with the same four arguments

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reconciler.loading.nodes import Ambiguous, MarkedMap, stands
from reconciler.validation.schemas import Schema

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Accepts = Callable[[Any], bool]
"""Whether a value keeps to a schema, or to a keyword of it."""

Errors = Iterator["ValidationError"]

_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
_NOTES = frozenset(
    {"$schema", "$id", "title", "description", "examples", "default", "x-unquoted", "x-merged"}
)
_TEXT = frozenset({"type", "pattern", "minLength", "maxLength", "not"})


class Key(str):
    """A segment of a path that means the key, not its value."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Keyword:
    """What a keyword means, by its argument and the schema that it stands in.

    ``errors``: as jsonschema calls it; None: jsonschema's own will do.
    """

    test: Callable[[Any, Schema], Accepts]
    errors: Callable[[Any, Any, Any, Schema], Errors] | None


def compiled(schema: Schema) -> Accepts:
    """The quick test for an inlined schema. KeyError for a keyword that is not known here."""
    words = [word for word in schema if word not in _NOTES]
    if schema.get("type") == "string" and _TEXT.issuperset(words):
        return _text(schema)
    tests = [KEYWORDS[word].test(schema[word], schema) for word in words]

    def accepts(value: Any) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs as much as the tests
            if not test(value):
                return False
        return True

    return accepts


def build(schema: Schema) -> Any:
    """A validator of jsonschema for an inlined schema."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    checker: Any = extend
    ours = {name: keyword.errors for name, keyword in KEYWORDS.items() if keyword.errors}
    return checker(Draft202012Validator, ours)(schema)


def is_text(value: object, schema: Schema) -> bool:
    """Whether `value` may stand where text belongs: `Ambiguous` text only with `x-unquoted`."""
    return isinstance(value, str) and (not isinstance(value, Ambiguous) or "x-unquoted" in schema)


def fits(value: object, types: str | Sequence[str], schema: Schema) -> bool:
    """Whether `value` is of one of the `types`, as a schema calls them."""
    return any(_is(value, wanted, schema) for wanted in ([types] if isinstance(types, str) else types))


def _is(value: object, wanted: str, schema: Schema) -> bool:
    if wanted == "string":
        return is_text(value, schema)
    return isinstance(value, _TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool))


def _error(
    keyword: str, argument: object, instance: object, path: Sequence[str | int] = ()
) -> ValidationError:
    from jsonschema.exceptions import ValidationError

    return ValidationError("", validator=keyword, validator_value=argument, instance=instance, path=path)


def _single(
    name: str, test: Callable[[Any, Schema], Accepts], said: Callable[[Any], object] = lambda given: given
) -> tuple[str, Keyword]:
    """A keyword about a value as a whole, of which there is one error; `said`: the argument that it names."""

    def errors(_: Any, argument: Any, instance: object, schema: Schema) -> Errors:
        if not test(argument, schema)(instance):
            yield _error(name, said(argument), instance)

    return name, Keyword(test, errors)


# --- single values -----------------------------------------------------------------------------------


def _text(schema: Schema) -> Accepts:
    matches = re.compile(schema.get("pattern", "")).search
    least, most = schema.get("minLength", 0), schema.get("maxLength", float("inf"))
    refused = schema.get("not", {}).get("const")
    unquoted = "x-unquoted" in schema

    def accepts(value: Any) -> bool:
        return (
            (type(value) is str or (unquoted and isinstance(value, str)))
            and matches(value) is not None
            and least <= len(value) <= most
            and value != refused
        )

    return accepts


def _type(types: Any, schema: Schema) -> Accepts:
    if isinstance(types, str) and types not in ("string", "integer", "number"):
        wanted = _TYPES[types]
        return lambda value: isinstance(value, wanted)
    return lambda value: fits(value, types, schema)


def _number(holds: Callable[[Any], bool]) -> Accepts:
    return lambda value: isinstance(value, bool) or not isinstance(value, int | float) or holds(value)


def _string(holds: Callable[[Any], bool], schema: Schema) -> Accepts:
    return lambda value: not is_text(value, schema) or holds(value)


def _list(holds: Callable[[list[Any]], bool]) -> Accepts:
    return lambda value: not isinstance(value, list) or holds(value)


# --- mappings ----------------------------------------------------------------------------------------


def _properties(rules: dict[str, Schema], _: Schema) -> Accepts:
    tests = {name: compiled(rule) for name, rule in rules.items()}

    def accepts(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        for name, item in value.items():
            test = tests.get(name)
            if test is not None and not test(item):
                return False
        return True

    return accepts


def _additional(rule: Any, schema: Schema) -> Accepts:
    known = frozenset(schema.get("properties", ()))
    if rule is False:
        return lambda value: not isinstance(value, dict) or value.keys() <= known
    if rule is True:
        return lambda _: True
    test = compiled(rule)
    return lambda value: (
        not isinstance(value, dict) or all(name in known or test(item) for name, item in value.items())
    )


def _additional_errors(validator: Any, allowed: Any, instance: object, schema: Schema) -> Errors:
    if not isinstance(instance, dict) or allowed is True:
        return
    known = schema.get("properties", {})
    for key, value in instance.items():
        if key in known:
            continue
        if allowed is False:
            yield _error("additionalProperties", list(known), value, [Key(key)])
        else:
            yield from validator.descend(value, allowed, path=key)


def _property_names(rule: Schema, _: Schema) -> Accepts:
    test = compiled({"type": "string", **rule})
    return lambda value: not isinstance(value, dict) or all(map(test, value))


def _property_name_errors(validator: Any, rule: Schema, instance: object, schema: Schema) -> Errors:
    if not isinstance(instance, dict):
        return
    text = {"type": "string", **rule}
    accepts = compiled(text)
    for key in instance:
        if not accepts(key):
            yield from validator.descend(key, text, path=Key(key))


def _required(names: list[str], _: Schema) -> Accepts:
    needed = frozenset(names)
    return lambda value: (
        not isinstance(value, dict) or needed <= value.keys() or all(stands(name, value) for name in names)
    )


def _required_errors(_: Any, names: list[str], instance: object, schema: Schema) -> Errors:
    if isinstance(instance, dict):
        for name in names:
            if not stands(name, instance):
                yield _error("required", name, instance)


# --- lists -------------------------------------------------------------------------------------------


def _items(rule: Schema, _: Schema) -> Accepts:
    test = compiled(rule)
    return lambda value: not isinstance(value, list) or all(map(test, value))


def _item_errors(validator: Any, rule: Schema, instance: object, schema: Schema) -> Errors:
    if not isinstance(instance, list):
        return
    accepts = compiled(rule)
    for index, item in enumerate(instance):
        if not accepts(item):
            yield from validator.descend(item, rule, path=index)


def _unique(value: Any) -> bool:
    """Whether no text appears twice in a list."""
    if not isinstance(value, list):
        return True
    texts = [item for item in value if isinstance(item, str)]
    return len(set(texts)) == len(texts)


def _unique_errors(_: Any, wanted: bool, instance: object, schema: Schema) -> Errors:
    if _unique(instance):
        return
    assert isinstance(instance, list)
    first: dict[str, int] = {}
    for index, item in enumerate(instance):
        if isinstance(item, str) and first.setdefault(item, index) != index:
            yield _error("uniqueItems", first[item], item, [index])


# --- alternatives ------------------------------------------------------------------------------------


def _any_of(branches: list[Schema], _: Schema) -> Accepts:
    tests = [compiled(branch) for branch in branches]
    return lambda value: any(test(value) for test in tests)


def _any_of_errors(_: Any, branches: list[Schema], instance: object, schema: Schema) -> Errors:
    """Only ever *one of these fields at least*."""
    names = [branch["required"][0] for branch in branches]
    if isinstance(instance, dict) and not any(stands(name, instance) for name in names):
        yield _error("anyOf", names, instance)


def _one_of(branches: list[Schema], _: Schema) -> Accepts:
    tests = [compiled(branch) for branch in branches]

    def accepts(value: Any) -> bool:
        fitting = sum(test(value) for test in tests)
        # Parts that were left out of the mapping may have decided which branch is meant.
        return fitting == 1 or (fitting > 1 and isinstance(value, MarkedMap) and bool(value.gaps))

    return accepts


def _one_of_errors(validator: Any, branches: list[Schema], instance: object, schema: Schema) -> Errors:
    """The errors of the one branch that is meant, or what keeps us from telling which."""
    if "type" in schema and not fits(instance, schema["type"], schema):
        return  # said by `type`
    fitting = [branch for branch in branches if fits(instance, branch["type"], branch)]
    if not fitting:
        yield _error("type", [branch["type"] for branch in branches], instance)
    elif not isinstance(instance, dict):
        yield from validator.descend(instance, fitting[0])
    else:
        yield from _meant_errors(validator, fitting, instance)


def _meant_errors(validator: Any, branches: list[Schema], instance: dict[str, object]) -> Errors:
    choice = Choice.of(branches, instance)
    if choice.branch is not None:
        for error in validator.descend(instance, choice.branch):
            # A field of another branch isn't unknown; it just can't be combined with the fields here.
            if error.validator == "additionalProperties" and error.path and error.path[-1] in choice.known:
                error.validator = "beside"
                error.validator_value = _needing(error.path[-1], branches, choice.marks)
            yield error
        return
    unknown = [name for name in instance if name not in choice.known]
    if choice.found or not (unknown or (isinstance(instance, MarkedMap) and instance.gaps)):
        yield _error("oneOf", (choice.marks, choice.found), instance)
    for name in unknown:
        yield _error("additionalProperties", sorted(choice.known), instance[name], [Key(name)])


def _needing(name: object, branches: list[Schema], marks: Sequence[Sequence[str]]) -> list[str]:
    return [
        " and ".join(names)
        for branch, names in zip(branches, marks, strict=True)
        if name in branch["properties"]
    ]


@dataclass(frozen=True, slots=True)
class Choice:
    """What the fields of a mapping say about the branches of a `oneOf`: which one is meant."""

    branch: Schema | None
    marks: Sequence[Sequence[str]]
    """Branch for branch, the fields that only it requires."""
    found: Sequence[str]
    """Those of them that stand in the mapping."""
    known: Collection[str]
    """The fields of all branches."""

    @classmethod
    def of(cls, branches: Sequence[Schema], value: Mapping[str, object]) -> Choice:
        shared = frozenset.intersection(*(frozenset(branch["required"]) for branch in branches))
        marks = [tuple(name for name in branch["required"] if name not in shared) for branch in branches]
        known = {name for branch in branches for name in branch["properties"]}
        found = [name for names in marks for name in names if name in value]
        telling = set(found) or (value.gaps.intersection(known) if isinstance(value, MarkedMap) else set())
        fitting = (
            branch
            for branch, names in zip(branches, marks, strict=True)
            if not telling.isdisjoint(names) and telling.issubset(branch["properties"])
        )
        return cls(next(fitting, None), marks, found, known)


KEYWORDS: Final[Mapping[str, Keyword]] = {
    **dict(
        (
            _single("type", _type, lambda types: [types] if isinstance(types, str) else types),
            _single("enum", lambda allowed, _: lambda value: isinstance(value, str) and value in allowed),
            _single("const", lambda wanted, _: lambda value: value == wanted),
            _single(
                "not", lambda refused, _: lambda value: value != refused["const"], lambda it: it["const"]
            ),
            _single(
                "pattern",
                lambda form, schema: _string(lambda text: re.search(form, text) is not None, schema),
            ),
            _single("minLength", lambda least, schema: _string(lambda text: len(text) >= least, schema)),
            _single("maxLength", lambda most, schema: _string(lambda text: len(text) <= most, schema)),
            _single("minimum", lambda least, _: _number(lambda value: value >= least)),
            _single("exclusiveMinimum", lambda bound, _: _number(lambda value: value > bound)),
            _single("maximum", lambda most, _: _number(lambda value: value <= most)),
            _single("minItems", lambda least, _: _list(lambda items: len(items) >= least)),
            _single("maxItems", lambda most, _: _list(lambda items: len(items) <= most)),
        )
    ),
    "properties": Keyword(_properties, None),
    "additionalProperties": Keyword(_additional, _additional_errors),
    "propertyNames": Keyword(_property_names, _property_name_errors),
    "required": Keyword(_required, _required_errors),
    "items": Keyword(_items, _item_errors),
    "uniqueItems": Keyword(lambda _, __: _unique, _unique_errors),
    "anyOf": Keyword(_any_of, _any_of_errors),
    "oneOf": Keyword(_one_of, _one_of_errors),
}
"""Every keyword that the schemas of documents use."""
