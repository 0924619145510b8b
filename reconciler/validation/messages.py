"""Errors of the schemas → findings in words of the person who wrote the YAML."""

# ruff: noqa: ARG001 - the words about every keyword are asked for in the same way

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from reconciler.loading.nodes import Ambiguous, Document, resource_of
from reconciler.loading.scalars import canonical
from reconciler.model import API_VERSION, Finding, Place, Severity
from reconciler.text import did_you_mean, nearest, printable, quoted, smells_secret
from reconciler.validation.keywords import Key

MOST_ERRORS = 200
"""How many errors of one document are listed: a list of a million bad ids needs no million findings."""

_NAMES_OF_SECRETS = frozenset({"auth", "fromEnv", "url", "usernameEnv"})
"""Fields in which a secret may stand by mistake, beside those whose name smells of one."""

Words = tuple[str, str, str | None]
"""Code, message without its subject, hint."""

_BELONGS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
    "array": "a list",
    "object": "a mapping",
}
_EMPTY = {"string": '`""`', "array": "`[]`", "object": "`{}`"}
_FIELD = {"array": "begin every item with `- `", "object": "write `field: value`, indented below it"}


def findings(document: Document, errors: Iterable[Any]) -> Iterator[Finding]:
    """One finding for each value or key that something is wrong with, in the order of `errors`."""
    resource = resource_of(document)
    said: set[tuple[tuple[str | int, ...], bool, str]] = set()
    typos: set[tuple[tuple[str | int, ...], str]] = set()
    late: list[tuple[tuple[str | int, ...], Any]] = []
    for count, error in enumerate(errors):
        path = tuple(error.absolute_path)
        if count == MOST_ERRORS:
            hint = "fix these first"
            message = f"there is more than these {MOST_ERRORS} findings in this document"
            yield Finding("more-findings", message, document.place(), hint, resource, Severity.NOTE)
            break
        if error.validator in ("required", "anyOf"):
            late.append((path, error))  # a misspelt field isn't missing, too
            continue
        at_key = bool(path) and isinstance(path[-1], Key)
        error.written = document.written(path)
        code, message, advice = _words(error, path)
        if error.validator == "additionalProperties" and (meant := _meant(error, path)):
            typos.add((path[:-1], meant))
        # A value of the wrong type usually breaks other rules, too; one error for it is enough.
        about = (path, at_key, "" if error.validator != "oneOf" else code)
        if about not in said:
            said.add(about)
            place = document.place(path, key=at_key)
            yield Finding(code, f"{_subject(path)} {message}", place, advice, resource)
    for path, error in late:
        wanted = error.validator_value if error.validator == "anyOf" else [error.validator_value]
        if not any((path, name) in typos for name in wanted):
            fields = " or ".join(f"`{name}`" for name in wanted)
            message = f"{_subject(path)} lacks the field {fields}"
            place, advice = _lacking(document, path, wanted), _what_it_is(error, wanted)
            yield Finding("missing-field", message, place, advice, resource)


def _lacking(document: Document, path: Sequence[str | int], wanted: Sequence[str]) -> Place:
    """What to change where a field is missing: what unset it, or else the mapping that lacks it."""
    here = document.place(path)
    unset = (place for name in wanted if (place := document.place((*path, name))) != here)
    return next(unset, here)


def _words(error: Any, path: Sequence[str | int]) -> Words:
    if error.instance is None and error.validator != "additionalProperties":
        return _null(error, path)
    if isinstance(error.instance, Ambiguous) and error.validator in ("type", "enum"):
        words = _ambiguous(error, path)
        if words is not None:
            return words
    return _SAY[error.validator](error, path)


def _null(error: Any, path: Sequence[str | int]) -> Words:
    if isinstance(path[-1], int):
        return "null-value", "is an item without a value", "write the item, or take it out"
    types = error.validator_value if error.validator == "type" else []
    strict = {"pattern", "minLength", "minimum"} & (error.schema or {}).keys()
    empty = next((_EMPTY[name] for name in types if name in _EMPTY and not strict), None)
    instead = f"; write {empty} if it is managed and empty" if empty else ""
    return "null-value", "has no value", f"leave the field out if it isn't managed{instead}"


def _ambiguous(error: Any, path: Sequence[str | int]) -> Words | None:
    """What to say of `yes` and its like; None when they are no better and no worse than other text here."""
    text: Ambiguous = error.instance
    if error.validator == "type" and "string" in error.validator_value:
        if _hidden(path):
            return "ambiguous-scalar", "is a plain value that doesn't read as text", "quote it"
        what, hint = f" {quoted(text)}", f'quote it: "{printable(text)}"'
        return "ambiguous-scalar", f"is the plain value{what}, which reads as {text.reads_as}", hint
    if (
        error.validator == "type"
        and "boolean" in error.validator_value
        and text.reads_as[:4] in ("true", "fals")
    ):
        plain = "true" if text.reads_as.startswith("true") else "false"
        return "wrong-type", f"is `{text}`, which is {plain} in YAML 1.1 only", f"write `{plain}`"
    return None


def _type(error: Any, path: Sequence[str | int]) -> Words:
    types, value = error.validator_value, error.instance
    wanted = _BELONGS[types[0]]
    if types[0] == "string":
        hint = (
            "quote the text" if _hidden(path) or isinstance(value, list | dict) else f"write {_quoted(error)}"
        )
        if isinstance(value, list | dict):
            hint = "write one text here"
        if "x-unquoted" in (error.schema or {}):
            hint = f"write a time such as `{error.schema['examples'][0]}`"
        if "object" in types:
            wanted += " (or `fromEnv` or `fromFile`)"
    elif isinstance(value, str) and types[0] in ("integer", "number") and value.isascii() and value.isdigit():
        hint = f"write {int(value)}, without quotes" if len(value) <= 18 else "write a smaller number"
    elif isinstance(value, str) and types[0] == "boolean" and value.casefold() in ("true", "false"):
        hint = f"write `{value.casefold()}`, without quotes"
    else:
        hint = _FIELD.get(types[0], f"write {wanted}")
    if types[0] in ("integer", "number") and "string" in types:
        wanted += " or text"
    return "wrong-type", f"is {_described(error, path)}, but {wanted} belongs here", hint


def _enum(error: Any, path: Sequence[str | int]) -> Words:
    allowed, value = error.validator_value, error.instance
    code = "unknown-kind" if list(path) == ["kind"] else "unknown-value"
    return code, f"is {_described(error, path)}, which is not known here", _which(value, allowed)


def _const(error: Any, path: Sequence[str | int]) -> Words:
    known = error.validator_value
    code = "unknown-kind" if known != API_VERSION else "unknown-api-version"
    return code, f"is {_described(error, path)}, which is not known here", f"write `{known}`"


def _unknown(error: Any, path: Sequence[str | int]) -> Words:
    return (
        "unknown-field",
        "is not a field that is known here",
        _which(path[-1], error.validator_value),
    )


def _meant(error: Any, path: Sequence[str | int]) -> str | None:
    return nearest(str(path[-1]), error.validator_value)


def _which(value: object, known: Sequence[str]) -> str:
    meant = did_you_mean(value, known) if isinstance(value, str) else None
    return meant or f"known are {', '.join(map(quoted, known))}"


def _beside(error: Any, path: Sequence[str | int]) -> Words:
    fields = " or ".join(f"`{name}`" for name in error.validator_value)
    return "unknown-field", f"belongs only beside {fields}", f"leave it out, or write {fields}"


def _one_of(error: Any, path: Sequence[str | int]) -> Words:
    marks, found = error.validator_value
    choice = ", ".join(" and ".join(f"`{name}`" for name in names) for names in marks)
    if not found:
        return "exactly-one-of", f"needs exactly one of {choice}", "write one of them"
    both = " and ".join(f"`{name}`" for name in found)
    return "exactly-one-of", f"has {both}, but exactly one of {choice} belongs here", "keep one of them"


def _pattern(error: Any, path: Sequence[str | int]) -> Words:
    if "not" in error.schema:
        what = "is empty, which is no gateway id" if error.instance == "" else "is no gateway id"
        return "bad-gateway-id", what, "write an id without spaces around it and without control characters"
    message = f"is {_described(error, path)}, which does not have the form that belongs here"
    if isinstance(path[-1], Key):
        message = "does not have the form that belongs here"
    return "bad-format", message, f"{_sentence(error.schema)}, such as `{error.schema['examples'][0]}`"


def _too_long(error: Any, path: Sequence[str | int]) -> Words:
    most, length = error.validator_value, len(error.instance)
    if "not" in error.schema:
        return (
            "bad-gateway-id",
            f"is a gateway id of {length} characters, but {most} is the most",
            "shorten it",
        )
    return "too-long", f"has {length} characters, but {most} is the most", "shorten it"


def _too_short(error: Any, path: Sequence[str | int]) -> Words:
    return (
        "too-short",
        "is empty",
        "write a name" if isinstance(path[-1], Key) else "write a value, or leave it out",
    )


def _range(error: Any, path: Sequence[str | int]) -> Words:
    bound = {
        "minimum": f"the least is {error.validator_value}",
        "maximum": f"the most is {error.validator_value}",
        "exclusiveMinimum": f"it has to be more than {error.validator_value}",
    }[error.validator]
    return "out-of-range", f"is {_described(error, path)}, but {bound}", "change the number"


def _number_of_items(error: Any, path: Sequence[str | int]) -> Words:
    bound, count = error.validator_value, len(error.instance)
    if error.validator == "minItems":
        return "too-short", "is an empty list" if not count else f"has only {count} items", "add an item"
    return "too-long", f"has {count:,} items, but {bound:,} is the most", "take some out"


def _reserved(error: Any, path: Sequence[str | int]) -> Words:
    return (
        "reserved-gateway-id",
        f"is `{error.validator_value}`, which can't stand in an address",
        "take it out",
    )


def _twice(error: Any, path: Sequence[str | int]) -> Words:
    gateways = "not" in error.schema["items"]
    what = f"the gateway {quoted(error.instance)}" if gateways else f"{quoted(error.instance)}"
    message = f"is {what}, which stands in this list already, as item {error.validator_value + 1}"
    return "duplicate-gateway" if gateways else "duplicate-item", message, "keep one of them"


def _what_it_is(error: Any, wanted: Sequence[str]) -> str:
    known = error.schema["properties"].get(wanted[0], {})
    if "const" in known:
        return f"add `{wanted[0]}: {known['const']}`"
    return f"add `{wanted[0]}`: {_sentence(known)}" if "description" in known else f"add `{wanted[0]}`"


def _sentence(schema: Any) -> str:
    """The first sentence of a description, to stand behind a colon."""
    first: str = schema["description"].split(". ")[0].rstrip(".")
    return first[:1].lower() + first[1:]


_SAY: dict[str, Callable[[Any, Sequence[str | int]], Words]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "additionalProperties": _unknown,
    "beside": _beside,
    "oneOf": _one_of,
    "pattern": _pattern,
    "maxLength": _too_long,
    "minLength": _too_short,
    "minimum": _range,
    "maximum": _range,
    "exclusiveMinimum": _range,
    "minItems": _number_of_items,
    "maxItems": _number_of_items,
    "not": _reserved,
    "uniqueItems": _twice,
}


def _subject(path: Sequence[str | int]) -> str:
    """`spec.packages[0].file`, as people write it."""
    if not path:
        return "the document"
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{printable(part)}" for part in path)
    return f"{'the key ' if isinstance(path[-1], Key) else ''}`{text.removeprefix('.')}`"


def _described(error: Any, path: Sequence[str | int]) -> str:
    """A value in words; one that may be a secret only by its type."""
    value, hidden = error.instance, _hidden(path)
    if isinstance(value, bool):
        return "a boolean" if hidden else f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return "a number" if hidden else f"the number {error.written or canonical(value)}"
    if isinstance(value, str):
        return "text" if hidden else f"the text {_quoted(error)}"
    return "a list" if isinstance(value, list) else "a mapping"


def _quoted(error: Any) -> str:
    """A single value as text, spelled as it is written."""
    return '"' + printable(error.written or canonical(error.instance)) + '"'


def _hidden(path: Sequence[str | int]) -> bool:
    return any(isinstance(part, str) and (part in _NAMES_OF_SECRETS or smells_secret(part)) for part in path)
