r"""What others repeat of a secret, taken out of a text: also a part of it, and in another spelling.

| repeated as               | for example, of ``correct-horse``                                          |
|---------------------------|----------------------------------------------------------------------------|
| it is                     | ``correct-horse``                                                          |
| its begin or its end      | ``correct-h…``, ``…t-horse``: from 6 characters on; from 8 on any part     |
| JSON, Python, and twice   | ``correct\u002dhorse``, ``\\u002d``                                        |
| a part of a URL, or twice | ``correct%2Dhorse``, ``%252D``                                             |
| HTML                      | ``correct&#45;horse``, ``&#x2d;``                                          |
| base64, base64url, hex    | ``Y29ycmVjdC1ob3JzZQ``, wherever it stands in what was encoded             |

Tests: `tests/text/test_hiding.py`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import chain
from typing import Final
from urllib.parse import unquote_plus

from reconciler.text import smells_secret

HIDDEN: Final = "***"
_SHORTEST: Final = 4
"""Shorter ones can't be told from ordinary words."""
_END: Final = 6
"""So many characters of the begin or the end of a secret are a part of it."""
_PART: Final = 8
"""So many characters anywhere in it are."""
_DEEPEST: Final = 4
"""An escape of an escape of an escape."""

_HEX: Final = "[0-9a-fA-F]"
_ESCAPE: Final = re.compile(
    rf"((?:%{_HEX}{{2}})+)"
    rf"|\\u([dD][89abAB]{_HEX}{{2}})\\u([dD][c-fC-F]{_HEX}{{2}})"
    rf"|\\(?:u({_HEX}{{4}})|x({_HEX}{{2}})|U({_HEX}{{8}})|(.))"
    rf"|&(?:#([0-9]{{1,7}})|#[xX]({_HEX}{{1,6}})|([A-Za-z]{{2,8}}));",
    re.DOTALL,
)
_URL_SAFE: Final = str.maketrans("+/", "-_")
_LETTERS: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}

_Span = tuple[int, int]
"""Where a character stands in the text as it was: from, to."""


@dataclass(frozen=True, slots=True)
class _Trace:
    """One spelling of a secret. ``parts``: every `_PART` characters of it in a row."""

    text: str
    parts: frozenset[str]


class Hiding:
    """Secrets, and texts without them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._traces: dict[str, Sequence[_Trace]] = {}
        self.update(secrets)

    def add(self, secret: str) -> None:
        """Hide that one, too, from now on."""
        if len(secret) >= _SHORTEST and secret not in self._traces:
            self._traces[secret] = tuple(_Trace(text, frozenset(_parts(text))) for text in _spellings(secret))

    def update(self, secrets: Iterable[str]) -> None:
        """Hide those, too."""
        for secret in secrets:
            self.add(secret)

    def __call__(self, text: str) -> str:
        """`text` with `HIDDEN` in the place of what is a secret, or a part of one."""
        if not self._traces or len(text) < _SHORTEST:
            return text
        found: list[_Span] = []
        for view, spans in _views(text):
            parts = frozenset(_parts(view))
            for trace in chain.from_iterable(self._traces.values()):
                for begin, end in _found(trace, view, parts):
                    found.append((begin, end) if spans is None else (spans[begin][0], spans[end - 1][1]))
        return _without(text, found)


def _without(text: str, found: Iterable[_Span]) -> str:
    pieces: list[str] = []
    shown = 0
    for begin, end in sorted(found):
        if begin > shown or not pieces:
            pieces += text[shown:begin], HIDDEN
        shown = max(shown, end)
    return "".join((*pieces, text[shown:]))


def _found(trace: _Trace, view: str, parts: frozenset[str]) -> Iterator[_Span]:
    """Where `trace`, or enough of it, stands in `view`; `parts` are those of `view`."""
    text, length = trace.text, len(trace.text)
    for at in _places(text, view):
        yield at, at + length
    if length <= _END:
        return
    for at in _places(text[:_END], view):
        size = _END
        while size < length and view[at + size : at + size + 1] == text[size]:
            size += 1
        yield at, at + size
    for at in _places(text[-_END:], view):
        size = _END
        while size < length and at - size + _END > 0 and view[at - size + _END - 1] == text[-size - 1]:
            size += 1
        yield at + _END - size, at + _END
    for part in trace.parts & parts:
        for at in _places(part, view):
            yield at, at + _PART


def _places(what: str, view: str) -> Iterator[int]:
    at = view.find(what)
    while at >= 0:
        yield at
        at = view.find(what, at + 1)


def _parts(text: str) -> Iterator[str]:
    return (text[at : at + _PART] for at in range(len(text) - _PART + 1))


def _spellings(secret: str) -> Iterable[str]:
    """How `secret` may be repeated, escapes apart, each once."""
    # A lone surrogate can be in a string, but not in UTF-8.
    data = secret.encode("utf-8", "surrogatepass")
    found = {secret, secret.replace(" ", "+"), data.hex(), data.hex().upper()}
    for offset in range(3):
        # Base64 mixes neighbouring bytes of a group of three into the first and last characters.
        encoded = b64encode(bytes(offset) + data).decode().rstrip("=")
        whole = encoded[(0, 2, 3)[offset] :]
        inner = whole[: len(whole) - ((offset + len(data)) % 3 > 0)]
        found |= {each for text in (whole, inner) for each in (text, text.translate(_URL_SAFE))}
    return sorted(each for each in found if len(each) >= _SHORTEST)


# --- URLs ----------------------------------------------------------------------------------------

_CREDENTIAL: Final = re.compile(r"x-amz-.*|sig(nature)?|auth(orization)?|pass|pw|pwd|jwt|sas", re.IGNORECASE)


def credential_in(url: str) -> str | None:
    """The name of a parameter of `url` that holds a credential, if one does.

    Its name says so, or it is itself a URL with one, or with a user name or a password.
    """
    _, question, query = url.partition("?")
    if not question:
        return None
    for pair in re.split("[&;#?]", query):
        name, _, value = (unquote_plus(part) for part in pair.partition("="))
        if value and (smells_secret(name) or _CREDENTIAL.fullmatch(name)):
            return name
        if re.search(r"://[^/?#]*@", value) or credential_in(value):
            return name
    return None


# --- escapes -------------------------------------------------------------------------------------


def _views(text: str) -> Iterator[tuple[str, Sequence[_Span] | None]]:
    """`text` as it is, then with its escapes undone, once and more; and where each character stands in it."""
    yield text, None
    view, spans = text, [(at, at + 1) for at in range(len(text))] if _ESCAPE.search(text) else []
    for _ in range(_DEEPEST):
        if not _ESCAPE.search(view):
            return
        view, spans = _undone(view, spans)
        yield view, spans


def _undone(view: str, spans: Sequence[_Span]) -> tuple[str, list[_Span]]:
    """`view` with its escapes undone once."""
    made: list[str] = []
    where: list[_Span] = []
    shown = 0
    for escape in _ESCAPE.finditer(view):
        begin, end = escape.span()
        made.append(view[shown:begin])
        where += spans[shown:begin]
        shown = end
        if escape[1]:
            for at, size, character in _in_utf8(bytes.fromhex(escape[1].replace("%", ""))):
                first, last = begin + 3 * at, begin + 3 * (at + size) - 1
                made.append(character)
                where.append((spans[first][0], spans[last][1]))
        else:
            meant = _meant(escape)
            made.append(meant)
            where += [(spans[begin][0], spans[end - 1][1])] * len(meant)
    made.append(view[shown:])
    where += spans[shown:]
    return "".join(made), where


def _meant(escape: re.Match[str]) -> str:
    high, low, u, x, long, letter, number, hexadecimal, name = escape.groups()[1:]
    if high:
        return (bytes.fromhex(high) + bytes.fromhex(low)).decode("utf-16-be")
    if letter:
        return _LETTERS.get(letter, letter)
    if name:
        return unescape(f"&{name};")
    code = int(number) if number else int(u or x or long or hexadecimal, 16)
    return chr(code) if code < 0x110000 else escape[0]


def _in_utf8(data: bytes) -> Iterator[tuple[int, int, str]]:
    """Where a character begins in `data`, how many bytes it has, and which it is."""
    at = 0
    while at < len(data):
        for size in range(4, 0, -1):
            try:
                character = data[at : at + size].decode()
            except UnicodeDecodeError:
                continue
            if len(character) == 1:
                yield at, len(data[at : at + size]), character
                break
        else:
            size = 1
            yield at, 1, chr(data[at])
        at += size
