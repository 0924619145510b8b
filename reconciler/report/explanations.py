"""A field of a schema for a person, and where the value of a field of a resource comes from.

Tests: `tests/cli/test_cli_explain.py`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from reconciler.model import Kind, ResourceId
from reconciler.overlays.history import Said
from reconciler.report.terminal import Paint, Tone, plain
from reconciler.report.wording import show
from reconciler.text import clean, smells_secret
from reconciler.validation.schema_fields import SPEC, SchemaField, element, fields, find, type_words
from reconciler.validation.schemas import PROJECT, schema_names

WIDTH: Final = 96


def field_lines(field: SchemaField, paint: Paint = plain) -> Iterator[str]:
    """Title, type, description, default, fields and examples of one field."""
    rule = field.schema
    title = rule.get("title", str(field))
    yield paint(str(field), Tone.STRONG) + (f": {title}" if title != str(field) else "")
    if len(field.path) > 1:
        yield f"  {_kind(field)}"
    yield from _paragraph(rule.get("description", ""), "  ")
    for note in _rules(rule):
        yield f"  {note}"
    whole = len(field.path) == 1 and SPEC in rule.get("properties", {})
    inside = tuple(fields(find(f"{field}.{SPEC}") if whole else field))
    if inside:
        yield ""
        yield paint(f"Fields of {SPEC}" if whole else "Fields", Tone.STRONG)
        for each in inside:
            yield f"  {paint(each.path[-1], Tone.STRONG)}  {_kind(each)}"
            yield from _paragraph(each.schema.get("description", ""), "      ")
    yield from _alternatives(rule, paint)
    yield from _examples(rule, paint)


def kind_lines(paint: Paint = plain) -> Iterator[str]:
    """What there is to explain."""
    for name in (*(kind.value for kind in Kind), PROJECT):
        found = find(name)
        yield f"{paint(name, Tone.STRONG)}"
        yield from _paragraph(found.schema["description"], "    ")
    others = [name for name in schema_names() if name not in {PROJECT, *Kind}]
    yield f"Documents that are written: {', '.join(others)}"


def _kind(field: SchemaField) -> str:
    words = [type_words(field.schema)]
    if field.required:
        words.append("required")
    if "default" in field.schema:
        words.append(f"default {show(field.schema['default'])}")
    return ", ".join(words)


def _rules(rule: Any) -> Iterator[str]:
    """What a value has to keep to, beyond its type."""
    inner = element(rule)
    if rule.get("uniqueItems"):
        yield "Each item stands once."
    if "minimum" in inner:
        yield f"At least {inner['minimum']}."
    if "maximum" in inner:
        yield f"At most {inner['maximum']}."
    if "exclusiveMinimum" in inner:
        yield f"More than {inner['exclusiveMinimum']}."
    if "maxLength" in inner:
        yield f"At most {inner['maxLength']} characters."


def _alternatives(rule: Any, paint: Paint) -> Iterator[str]:
    inner = element(rule)
    heading, branches = "Exactly one of", inner.get("oneOf")
    if branches is None and isinstance(values := inner.get("additionalProperties"), Mapping):
        heading, branches = "Each value is one of", values.get("oneOf")
    if branches:
        yield ""
        yield paint(heading, Tone.STRONG)
        for branch in branches:
            names = branch.get("required", ())
            written = f" ({', '.join(names)})" if names else ""
            yield f"  {branch['title']}{written}: {branch['description']}"


def _examples(rule: Any, paint: Paint) -> Iterator[str]:
    examples: Sequence[object] = rule.get("examples", ())
    if not examples:
        return
    import yaml

    yield ""
    yield paint("Example" if len(examples) == 1 else "Examples", Tone.STRONG)
    for index, example in enumerate(examples):
        if index and not isinstance(example, str | int | float | bool):
            yield ""
        text = yaml.safe_dump(example, sort_keys=False, allow_unicode=True, width=WIDTH)
        yield from (f"  {line}" for line in text.removesuffix("...\n").splitlines())


def _paragraph(text: str, indent: str) -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent)


# --- where a value comes from ----------------------------------------------------------------------


_LONGEST: Final = 400


def origin_lines(
    resource: ResourceId, path: Sequence[str], said: Sequence[Said], paint: Paint = plain
) -> Iterator[str]:
    """The value of a field, the place that set it, and what it replaced, the newest first."""
    *earlier, last = said
    yield f"{paint(_named(resource, path), Tone.STRONG)}: {_shown(path, last.value)}"
    yield f"  {'unset' if last.value is None else 'set'} at {clean(str(last.place))}"
    for each in reversed(earlier):
        before = "no value" if each.value is None else _shown(path, each.value)
        yield f"  replaces {before}, {'unset' if each.value is None else 'set'} at {clean(str(each.place))}"


def unset_lines(resource: ResourceId, field: SchemaField) -> Iterator[str]:
    """A field that no file says anything of."""
    default = field.schema.get("default")
    meaning = "not managed" if default is None else f"the default {show(default)}"
    yield f"{_named(resource, field.path[1:])}: set nowhere, so {meaning}"


def _named(resource: ResourceId, path: Sequence[str]) -> str:
    return clean(f"{resource} {'.'.join(path)}")


def _shown(path: Sequence[str], value: object) -> str:
    if value is None:
        return "not set, so not managed"
    if isinstance(value, str) and any(map(smells_secret, path)):
        return "(plain text, not shown here)"
    return show(value, _LONGEST)
