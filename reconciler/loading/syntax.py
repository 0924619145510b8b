"""Text of a file → events, and what to say when that goes wrong.

Events come from libyaml; where PyYAML was built without it, from its Python twin, which is some ten times
slower and says the same. Since 0.2.6 (PyYAML 6.0.4) libyaml gives up at a depth of its own. The twin goes on
there, so that whoever builds the documents says what is too deep, and where.

Tests: `tests/loading/test_loading_text.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import yaml
from yaml.error import MarkedYAMLError
from yaml.events import Event, ScalarEvent
from yaml.scanner import ScannerError

from reconciler.loading.stand_ins import CONFLICT, HEAD, conflict_marker, encoded_as, stand_in
from reconciler.model import Finding, Place

# Beyond what YAML forbids: NEL, LS and PS end a line in YAML 1.1 and don't in 1.2, and a byte order mark
# belongs at the start of a file, where it was taken off.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")

_HINTS = (
    # part of what either parser says, what is wrong, what to do
    ("anchor", "an anchor without a name", "write values out; anchors and aliases are not used here"),
    ("scanning an alias", "a value begins with `*`", 'quote it: "*…"'),
    (
        "mapping values are not allowed",
        "a `:` stands where no key can be",
        "indent the fields of one mapping alike, and quote text that holds `: `",
    ),
    (
        "sequence entries are not allowed",
        "a `- ` stands where no list item can be",
        "put the item on a line of its own, or quote the text",
    ),
    ("unexpected end of stream", "quoted text is not closed", "close the quote"),
    (
        "unknown escape",
        "an unknown escape in double quotes",
        "write `\\\\` for a backslash, or use single quotes",
    ),
    (
        "flow sequence",
        "a list in `[ ]` is not closed, or lacks a comma",
        "separate items with `,` and end with `]`",
    ),
    (
        "flow mapping",
        "a mapping in `{ }` is not closed, or lacks a comma",
        "separate fields with `,` and end with `}`",
    ),
    (
        "block sequence",
        "this line is not an item of the list above it",
        "begin every item with `- `, indented alike",
    ),
    (
        "block collection",
        "this line is not an item of the list above it",
        "begin every item with `- `, indented alike",
    ),
    (
        "block mapping",
        "this line is not a field of the mapping above it",
        "indent the fields of one mapping alike",
    ),
    ("simple key", "a line without `:` stands among fields", "write `key: value`"),
    ("directive", "a directive (`%…`) that is not understood", "leave the line out"),
    ("incompatible YAML", "a `%YAML` line that asks for another version", "leave the line out"),
    ("tag", "a tag (`!…`) that is not understood", "leave the tag out; quote text that begins with `!`"),
)


class SyntaxFault(Exception):
    """The text cannot be parsed from here on; ``finding`` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def decode(data: str | bytes, file: str) -> str:
    """The text of a file without its byte order mark; `SyntaxFault` when it is no UTF-8 text."""
    if isinstance(data, str):
        text = data
    elif encoding := encoded_as(data):
        raise _fault(file, "", 0, "not-utf8", f"the file is {encoding}", "save it as UTF-8")
    elif instead := stand_in(data[:HEAD], size=len(data)):
        raise _fault(file, "", 0, instead.code, f"the file is {instead.what}", instead.hint)
    else:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            good = data[: error.start].decode()
            if "\0" in good:
                raise _binary(file, good, good.index("\0")) from None
            message = f"the byte 0x{data[error.start]:02x} is not UTF-8"
            raise _fault(file, good, len(good), "not-utf8", message, "save the file as UTF-8") from None
    text = text.removeprefix("\ufeff")
    if (at := conflict_marker(text)) is not None:
        raise _fault(file, text, at, CONFLICT.code, f"the file holds {CONFLICT.what}", CONFLICT.hint)
    bad = _FORBIDDEN.search(text)
    if bad is None:
        return text
    if bad[0] == "\0":
        raise _binary(file, text, bad.start())
    message = f"the character U+{ord(bad[0]):04X} cannot stand in YAML text"
    hint = f'delete it, or write it as "\\u{ord(bad[0]):04x}" in double quotes'
    raise _fault(file, text, bad.start(), "control-character", message, hint)


def events(text: str, file: str) -> Callable[[], Event | None]:
    """A function that gives the next event of `text`, None after the last; it raises only `SyntaxFault`."""
    try:
        from yaml._yaml import CParser
    except ImportError:
        return _plain_events(text, file)
    next_event: Callable[[], Event | None] = CParser(text).get_event

    def guarded() -> Event | None:
        nonlocal next_event
        try:
            return next_event()
        except yaml.YAMLError as error:
            if not _gave_up_nesting(error):
                raise SyntaxFault(explain(error, text, file)) from None
        next_event = _plain_events(text, file)
        # Positions are only counted in the few files that libyaml rejects.
        for _ in range(_events_until_fault(CParser(text).get_event)):
            next_event()
        return next_event()

    return guarded


def _gave_up_nesting(error: yaml.YAMLError) -> bool:
    """Whether a parser reached its own limit of nesting. No type tells that, only its words."""
    return isinstance(error, MarkedYAMLError) and "nesting" in (error.problem or "")


def _events_until_fault(next_event: Callable[[], Event | None]) -> int:
    count = 0
    with suppress(yaml.YAMLError):
        while next_event() is not None:
            count += 1
    return count


def _plain_events(text: str, file: str) -> Callable[[], Event | None]:
    loader: Any = yaml.SafeLoader(text)

    def guarded() -> Event | None:
        try:
            event: Event | None = loader.get_event()
            if type(event) is ScalarEvent and event.style == '"':
                event.value.encode()
        except yaml.YAMLError as error:
            raise SyntaxFault(explain(error, text, file)) from None
        except (ValueError, OverflowError):  # an escape beyond Unicode, a version of 5,000 digits
            mark = loader.get_mark() if loader else None
            raise SyntaxFault(
                explain(
                    ScannerError(None, None, "found an escape or number that is out of range", mark),
                    text,
                    file,
                )
            ) from None
        return event

    return guarded


def explain(error: yaml.YAMLError, text: str, file: str) -> Finding:
    """What a parser refused, in words of the person who wrote the file."""
    if not isinstance(error, MarkedYAMLError):
        return Finding("yaml-syntax", f"this is not YAML: {error}", Place(file, 1, 1))
    problem, context = error.problem or "", error.context or ""
    mark = error.problem_mark or error.context_mark
    if "unexpected end of stream" in problem:
        mark = error.context_mark or mark
    place = _inside(text, file, mark)
    char = text[mark.index : mark.index + 1] if mark else ""
    if char == "\t" or "tab character" in problem:
        return Finding("tab-indentation", "a tab stands where YAML wants spaces", place, "indent with spaces")
    if "cannot start any token" in problem:
        hint = f'quote the text: "{char}…"'
        return Finding("yaml-syntax", f"plain text cannot begin with `{char}`", place, hint)
    for at in filter(None, (mark, error.context_mark)):
        if key := _long_key(text, at.index):
            where, size = key
            message = f"a key of {size:,} characters; a key may have {LONGEST_KEY:,} at most"
            place = Place(file, *_line_and_column(text, where))
            return Finding("yaml-syntax", message, place, "shorten it, or write it as a value")
    since = error.context_mark
    began = f" (it began in line {since.line + 1})" if since and mark and since.line < mark.line else ""
    for part, message, hint in _HINTS:
        if part in problem or part in context:
            return Finding("yaml-syntax", message + began, place, hint)
    return Finding(
        "yaml-syntax", f"this is not YAML: {problem}", place, "look at this line and the one before it"
    )


def _long_key(text: str, at: int) -> tuple[int, int] | None:
    """Where the key in the line of `at` begins, and its length, if that is more than a parser takes."""
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    indent = _INDENT.match(text, begin, end)
    start = indent.end() if indent else begin
    quoted, colon = _QUOTED.match(text, start, end), _COLON.search(text, start, end)
    stop = quoted.end() if quoted else colon.start() if colon else start
    return (start, stop - start) if stop - start > LONGEST_KEY else None


LONGEST_KEY: Final = 1024
"""Characters of a key of YAML (1.2.2, section 7.4.3): a parser looks no further for its colon."""
_INDENT: Final = re.compile(r"[ \t]*(?:[-?][ \t]+)*")
_QUOTED: Final = re.compile(r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*')(?=[ \t]*:)""")
_COLON: Final = re.compile(r":(?=\s|$)")


def _inside(text: str, file: str, mark: Any) -> Place:
    """The place of a parser's mark; what is missing at the end is missing behind the last character."""
    if mark is None:
        return Place(file, 1, 1)
    end = text.rstrip()
    if mark.index < len(end):
        return Place(file, mark.line + 1, mark.column + 1)
    return Place(file, *_line_and_column(end, len(end)))


def _line_and_column(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _binary(file: str, text: str, at: int) -> SyntaxFault:
    hint = "name a text file in UTF-8; a package belongs in a PackageSet, as a `file:`"
    return _fault(file, text, at, "binary-file", "the file holds NUL bytes: it is binary, or not UTF-8", hint)


def _fault(file: str, text: str, at: int, *words: str) -> SyntaxFault:
    code, message, hint = words
    return SyntaxFault(Finding(code, message, Place(file, *_line_and_column(text, at)), hint))
