"""JSON Schemas of what a format writes, from the same types; what they say of it, from docstrings.

The docstring of a class describes its objects, that beneath a field its member. They are read from the
source: schemas are made where that is, and checked in.

Tests: `tests/schemas/test_schemas_published.py`.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, is_dataclass
from enum import Enum
from typing import Any, get_args, get_origin

from reconciler.codec.formats import Each, Form, Format, Keyed, Lifted, Merged, Pairs
from reconciler.codec.members import Member, is_json, kebab, members_of, tag_of, variants
from reconciler.model import Json

Rule = dict[str, Any]

REFERENCE = "reference"
IDS = "ids"
"""Definitions that a format with long lists has to have."""
_SIMPLE: Mapping[Any, Rule] = {
    str: {"type": "string"},
    int: {"type": "integer", "minimum": 0},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}
_TITLES = {"url": "URL", "sha256": "SHA-256"}


@dataclass(frozen=True)
class SchemaMaker:
    """Makes the rules of one schema; ``defs`` grows while it does.

    ``rules``: what else is true of a member (``Class.field``) or of a type. ``names``: what definitions of
    types are called; else their class, in kebab case. ``said``: descriptions of members that are no fields.
    """

    form: Format
    rules: Mapping[str | type, Rule] = field(default_factory=dict)
    names: Mapping[type, str] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)
    defs: Rule = field(default_factory=dict)

    def rule(self, kind: Any) -> Rule:
        """What is true of the JSON of a type."""
        if kind in self.rules:
            return dict(self.rules[kind])
        if kind in _SIMPLE:
            return dict(_SIMPLE[kind])
        classes, optional = variants(kind)
        if is_json(classes):
            return {}
        made = self._class(kind) if classes == [kind] else self._union(classes)
        return _or_null(made) if optional else made

    def object(self, kind: Any, head: Mapping[str, Json] | None = None, outside: str | None = None) -> Rule:
        """What is true of the objects of a dataclass; ``head``, ``outside``: as in the coder."""
        properties: Rule = {
            name: self._fixed(name, value)
            for name, value in {**(head or {}), **self._constants(kind)}.items()
        }
        required = list(properties)
        for owner, member in self._members(kind, outside):
            properties[member.name] = self._property(owner, member)
            if not member.optional:
                required.append(member.name)
        made: Rule = {"title": title_of(kebab(kind).replace("-", " ")), "description": description_of(kind)}
        made |= {"type": "object", "required": required, "additionalProperties": False}
        return {**made, "properties": properties}

    def defined(self, kind: Any, head: Mapping[str, Json] | None = None) -> Rule:
        """A reference to the definition of a dataclass."""
        name = self.names.get(kind, kebab(kind))
        if name not in self.defs:
            self.defs[name] = {}
            self.defs[name] = self.object(kind, head)
        return {"$ref": f"#/$defs/{name}"}

    def _constants(self, kind: Any) -> Mapping[str, Json]:
        return self.form.shape(kind).constants

    def _fixed(self, name: str, value: Json) -> Rule:
        said = {"title": title_of(name), "description": self.said[name]}
        return {**said, "const": value, "examples": [value]}

    def _members(self, kind: Any, outside: str | None) -> Iterator[tuple[Any, Member]]:
        """The members of an object and whose fields they are; of merged and lifted ones in their place."""
        for member in members_of(self.form, kind):
            match member.form:
                case Merged():
                    yield from self._members(member.kind, None)
                case Lifted(name):
                    yield kind, member
                    yield from (
                        (member.kind, m) for m in members_of(self.form, member.kind) if m.name == name
                    )
                case _ if member.field.name != outside:
                    yield kind, member

    def _property(self, owner: Any, member: Member) -> Rule:
        own = self._extra(owner, member.field.name)
        said = field_description(owner, member.field.name)
        rule = self._formed(member.kind, member.form)
        if member.optional and member.default is None:
            rule = _not_null(rule)
        made: Rule = {} if "$ref" in rule and not said else {"title": title_of(member.name)}
        return {**made, **({"description": said} if said else {}), **rule, **own}

    def _extra(self, owner: Any, name: str) -> Rule:
        if not inspect.isclass(owner):
            return {}
        found = (self.rules.get(f"{each.__name__}.{name}") for each in owner.__mro__)
        return dict(next((rule for rule in found if rule), {}))

    def _formed(self, kind: Any, own: Form | None) -> Rule:
        match own:
            case Keyed(by):
                value = get_args(kind)[1]
                member = next(each for each in members_of(self.form, value) if each.field.name == by)
                keys = {**self.rule(member.kind), **self._extra(value, by)}
                keys.pop("type", None)
                name = self.names.get(value, kebab(value))
                self.defs[name] = self.object(value, outside=by)
                return {
                    "type": "object",
                    **({"propertyNames": keys} if keys else {}),
                    "additionalProperties": {"$ref": f"#/$defs/{name}"},
                }
            case Pairs(key, value):
                item = self._pair(kind, key, value)
                return {"type": "array", "items": item}
            case Each(inner):
                rule = self._formed(get_args(kind)[1], inner)
                return {"type": "object", "additionalProperties": rule}
            case Lifted(name):
                (outside,) = (m.field.name for m in members_of(self.form, kind) if m.name == name)
                return self.object(kind, outside=outside)
            case _:
                return self.rule(kind)

    def _pair(self, kind: Any, key: str, value: str) -> Rule:
        first, second = get_args(kind)
        said = {name: {"title": title_of(name), "description": self.said[name]} for name in (key, value)}
        return {
            "type": "object",
            "required": [key, value],
            "additionalProperties": False,
            "properties": {
                key: {**said[key], **self.rule(first), **self.rules.get(key, {})},
                value: {**said[value], **self.rule(second), **self.rules.get(value, {})},
            },
        }

    def _class(self, kind: Any) -> Rule:
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is tuple or (origin is not None and issubclass(origin, Set)):
            if self.form.long is not None and arguments[0] is str:
                return {"$ref": f"#/$defs/{IDS}"}
            return self._long({"type": "array", "items": self.rule(arguments[0])})
        if origin is not None:
            keys, values = (self.rule(each) for each in arguments)
            named = {"propertyNames": keys} if "$ref" in keys or "enum" in keys else {}
            return self._long({"type": "object", **named, "additionalProperties": values or True})
        if issubclass(kind, Enum):
            return {"enum": [each.value for each in kind]}
        return self.defined(kind)

    def _long(self, rule: Rule) -> Rule:
        if self.form.long is None:
            return rule
        return {"oneOf": [rule, {"$ref": f"#/$defs/{REFERENCE}"}]}

    def _union(self, classes: Sequence[Any]) -> Rule:
        if len(classes) == 1:
            return self.rule(classes[0])
        if str in classes:
            return {"oneOf": [self.rule(each) for each in classes]}
        return {"oneOf": self.tagged(classes)}

    def tagged(self, classes: Sequence[Any], head: Mapping[str, Json] | None = None) -> list[Rule]:
        """A rule for each class of a union."""
        member, names = tag_of(self.form, classes)
        return [self.defined(each, {**(head or {}), member: name}) for each, name in names.items()]


def illustrate(schema: Rule, documents: Sequence[Json]) -> None:
    """Give each member of a schema an example, out of `documents` that keep to it."""
    from jsonschema import Draft202012Validator

    def fits(rule: Rule, value: Any) -> bool:
        return Draft202012Validator({**rule, "$defs": schema.get("$defs", {})}).is_valid(value)

    for document in documents:
        _show(schema, document, schema.get("$defs", {}), fits)


def _show(rule: Rule, value: Any, defs: Rule, fits: Callable[[Rule, Any], bool]) -> None:
    if "$ref" in rule:
        _show(defs[rule["$ref"].rsplit("/", 1)[-1]], value, defs, fits)
    for other in rule.get("oneOf", ()):
        if fits(other, value):
            _show(other, value, defs, fits)
    if isinstance(value, Mapping):
        properties = rule.get("properties", {})
        for name, item in value.items():
            inner = properties.get(name) or rule.get("additionalProperties")
            if isinstance(inner, dict):
                if name in properties and _says_more(item, inner.get("examples")):
                    inner["examples"] = [item]
                _show(inner, item, defs, fits)
    elif isinstance(value, list) and isinstance(rule.get("items"), dict):
        for item in value:
            _show(rule["items"], item, defs, fits)


def _says_more(value: Any, before: Sequence[Any] | None) -> bool:
    return before is None or (before[0] in (None, [], {}, "", 0) and value not in (None, [], {}, "", 0))


def title_of(name: str) -> str:
    """``returnTo`` → ``Return to``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return _TITLES.get(name) or words[:1].upper() + words[1:]


def description_of(kind: Any) -> str:
    """The first paragraph of a class's docstring."""
    found = next((text for each in kind.__mro__ if (text := _written(each)[0])), "")
    assert found, f"{kind.__name__} has no docstring"
    return found


def field_description(kind: Any, name: str) -> str:
    """What stands beneath a field; empty when nothing does."""
    owners = kind.__mro__ if inspect.isclass(kind) else ()
    return next((text for each in owners if (text := _written(each)[1].get(name))), "")


def _written(kind: type) -> tuple[str, Mapping[str, str]]:
    """The docstrings of a class and of its fields."""
    if not is_dataclass(kind):
        return "", {}
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    fields = {
        before.target.id: _prose(after.value.value)
        for before, after in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(before, ast.AnnAssign)
        and isinstance(before.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }
    return _prose(ast.get_docstring(tree) or ""), fields


def _prose(text: str) -> str:
    """The first paragraph, as Markdown of one line."""
    line = " ".join(inspect.cleandoc(text).split("\n\n")[0].split()).replace("``", "`")
    return re.sub(r"(?<!^)\bNone\b", "none", line)


def _or_null(rule: Rule) -> Rule:
    if isinstance(rule.get("type"), str):
        return {**rule, "type": [rule["type"], "null"]}
    return {"oneOf": [{"type": "null"}, rule]}


def _not_null(rule: Rule) -> Rule:
    if isinstance(rule.get("type"), list):
        (kind,) = (each for each in rule["type"] if each != "null")
        return {**rule, "type": kind}
    if "oneOf" not in rule:
        # Any value is allowed.
        return rule
    others = [each for each in rule["oneOf"] if each != {"type": "null"}]
    return others[0] if len(others) == 1 else {**rule, "oneOf": others}
