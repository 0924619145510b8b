"""Plain scalars by the core schema of YAML 1.2, with everything that readers disagree about set apart.

| written | becomes |
|---|---|
| nothing, ``~``, ``null`` | None |
| ``true``, ``False`` | bool |
| ``12``, ``-3`` | int |
| ``1.10``, ``1e3`` | float |
| ``yes``, ``010``, ``0x1F``, ``1_000``, ``12:30:45``, ``2024-01-01``, ``.inf``, 19 digits … | `Ambiguous` |
| all else | str |
"""

from __future__ import annotations

import re
from collections.abc import Callable

from reconciler.loading.nodes import Ambiguous

MOST_DIGITS = 18
"""Whole numbers up to here fit every reader's integers; JSON readers round longer ones."""

_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{
        word: Ambiguous(word, "true in YAML 1.1")
        for word in ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON")
    },
    **{
        word: Ambiguous(word, "false in YAML 1.1")
        for word in ("n", "N", "no", "No", "NO", "off", "Off", "OFF")
    },
    **{
        sign + word: Ambiguous(sign + word, "infinity")
        for sign in ("", "+", "-")
        for word in (".inf", ".Inf", ".INF")
    },
    **{word: Ambiguous(word, "not a number") for word in (".nan", ".NaN", ".NAN")},
    "=": Ambiguous("=", "the default key of YAML 1.1"),
    "<<": Ambiguous("<<", "a merge key of YAML 1.1"),
}

_NUMBERS = re.compile(
    r"""
      (?P<float> [-+]? (?: \.[0-9]+ | [0-9]+ \.[0-9]* ) (?: [eE][-+]?[0-9]+ )? | [-+]?[0-9]+[eE][-+]?[0-9]+ )
    | (?P<octal> [-+]? 0[0-7_]+ | 0o[0-7]+ )
    | (?P<zeros> [-+]? 0[0-9]+ )
    | (?P<int> [-+]? [0-9]+ )
    | (?P<hex> [-+]? 0x[0-9a-fA-F][0-9a-fA-F_]* )
    | (?P<binary> [-+]? 0b[01][01_]* )
    | (?P<underscores> [-+]? (?: [0-9][0-9_]* (?:\.[0-9_]*)? | \.[0-9][0-9_]* ) (?: [eE][-+]?[0-9]+ )? )
    | (?P<sexagesimal> [-+]? [0-9][0-9_]* (?: :[0-5]?[0-9] )+ (?:\.[0-9_]*)? )
    | (?P<date> [0-9]{4}-[0-9]{1,2}-[0-9]{1,2} )
    | (?P<timestamp> [0-9]{4}-[0-9]{1,2}-[0-9]{1,2} (?: [Tt] | [\ \t]+ ) [0-9]{1,2}:[0-9]{2}:[0-9]{2}
        (?:\.[0-9]*)? (?: [\ \t]* (?: Z | [-+][0-9]{1,2} (?: :?[0-9]{2} )? ) )? )
    """,
    re.VERBOSE,
)

SUSPECTS = frozenset("0123456789+-.~=<nNyYtTfFoO")
"""What any plain scalar that isn't simply text begins with."""


def resolve(text: str) -> object:
    """What the plain scalar `text` is. Nothing in it raises."""
    if text in _WORDS:
        return _WORDS[text]
    match = _NUMBERS.fullmatch(text)
    if match is None:
        return text
    return _READINGS[match.lastgroup or ""](text)


def canonical(value: object) -> str:
    """How a number or a boolean is mostly written, and text at all times."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _integer(text: str) -> object:
    digits = len(text.lstrip("+-"))
    if digits > MOST_DIGITS:
        return Ambiguous(text, f"a number of {digits} digits, which many readers round")
    return int(text)


def _float(text: str) -> object:
    number = float(text)
    return Ambiguous(text, "a number too large for most readers") if number in _INFINITE else number


def _number(base: int, version: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        digits = text.replace("_", "").replace("0o", "0")
        # The number is worth showing only while a person can compare it; a longer one isn't worth converting.
        what = f"the number {int(digits, base)}" if len(digits) <= MOST_DIGITS + 2 else "a number"
        return Ambiguous(text, what + version)

    return read


def _octal(text: str) -> object:
    return _number(8, " in YAML 1.2" if text.startswith("0o") else " in YAML 1.1")(text)


def _as(what: str) -> Callable[[str], object]:
    return lambda text: Ambiguous(text, what)


def _underscores(text: str) -> object:
    return Ambiguous(text, f"the number {text.replace('_', '')} in YAML 1.1")


_INFINITE = (float("inf"), float("-inf"))
_READINGS: dict[str, Callable[[str], object]] = {
    "float": _float,
    "octal": _octal,
    "zeros": _as("a number with leading zeros"),
    "int": _integer,
    "hex": _number(16, ""),
    "binary": _number(2, " in YAML 1.1"),
    "underscores": _underscores,
    "sexagesimal": _as("a number of base 60 in YAML 1.1"),
    "date": _as("a date"),
    "timestamp": _as("a date and time"),
}
