"""Values as tidy YAML with comments, such that our own loader reads the same values back.

Only what resources are made of: mappings, lists, text, whole numbers and booleans. Text stands plain where
every reader takes it for text, as a block where it has lines, and in double quotes otherwise.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.loading.scalars import resolve
from reconciler.text import printable

WIDTH: Final = 100
"""Columns of a comment."""


@dataclass(frozen=True, slots=True)
class Comment:
    """As a key of a mapping (of any value): a comment in its place."""

    text: str


@dataclass(frozen=True, slots=True)
class Noted:
    """Text with a comment behind it."""

    value: str
    comment: str


Value = str | int | Noted | Sequence["Value"] | Mapping[str | Comment, "Value"]

_PLAIN = re.compile(r"[\w(/](?:[\w ./()+@=,;'-]*[\w./()+@=,;'-])?")
_QUOTED = re.compile(r'["\\]|[^\x20-\x7e]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_HALVES = re.compile("[\ud800-\udfff]")


def writable(text: str) -> bool:
    """Whether YAML can hold `text`: half of a character it can't."""
    return _HALVES.search(text) is None


def comment(text: str, indent: str = "") -> Iterator[str]:
    """`text` as lines of a comment; nothing in it can end the comment."""
    for line in textwrap.wrap(printable(text, most=1_000), WIDTH - len(indent)):
        yield f"{indent}# {line}"


def yaml_lines(document: Mapping[str | Comment, Value]) -> Iterator[str]:
    """The lines of one document."""
    return _mapping(document, "")


def _mapping(mapping: Mapping[str | Comment, Value], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        if isinstance(key, Comment):
            yield from comment(key.text, indent)
        else:
            yield from _entry(f"{indent}{_word(key)}:", value, indent)


def _entry(head: str, value: Value, indent: str) -> Iterator[str]:
    """A key, or the dash of an item, with its value; what is nested is indented deeper than `indent`."""
    inner = f"{indent}  "
    match value:
        case str() if block := _block(value):
            mark, lines = block
            yield f"{head} {mark}"
            yield from (f"{inner}{line}" if line else "" for line in lines)
        case str():
            yield f"{head} {_word(value)}"
        case Noted(text, note):
            yield f"{head} {_word(text)} # {printable(note, most=WIDTH)}"
        case bool() | int():
            yield f"{head} {str(value).lower()}"
        case Mapping() if any(not isinstance(key, Comment) for key in value):
            if head.endswith("-"):
                first, *rest = _mapping(value, inner)
                yield f"{head} {first.removeprefix(inner)}"
                yield from rest
            else:
                yield head
                yield from _mapping(value, inner)
        case Mapping():
            yield f"{head} {{}}"
            yield from _mapping(value, inner)
        case _ if value:
            yield head
            for item in value:
                yield from _entry(f"{inner}-", item, inner)
        case _:
            yield f"{head} []"


def _word(text: str) -> str:
    """Text on one line."""
    if _PLAIN.fullmatch(text) and text.isprintable() and type(resolve(text)) is str:
        return text
    return f'"{_QUOTED.sub(_escaped, text)}"'


def _escaped(match: re.Match[str]) -> str:
    char = match[0]
    if char in _SHORT:
        return _SHORT[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _block(text: str) -> tuple[str, Sequence[str]] | None:
    """How a text of several lines begins as a block, and its lines; None where quotes are safer."""
    body = text.removesuffix("\n")
    lines = body.split("\n")
    if "\n" not in text or not body or body.endswith("\n"):
        return None
    if lines[0].startswith(" ") or not lines[0]:
        return None
    if any(line.endswith(" ") or not line.isprintable() for line in lines):
        return None
    return "|" if text.endswith("\n") else "|-", lines
