"""Words of findings: how a value is shown, what may have been meant, what may not stand in a name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.findings import nearest, printable

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line separators and halves of characters: they have no place in a name."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a value, before it is known where the value stands."""

    code: str
    message: str
    hint: str | None = None


def shown(text: str) -> str:
    """`text` as a name in a sentence."""
    return f"`{printable(text)}`"


def did_you_mean(word: str, known: Iterable[str], prefix: str = "") -> str | None:
    """A hint with the nearest known name, after `prefix`; None when nothing is near."""
    near = nearest(word, known)
    return None if near is None else f"did you mean {shown(prefix + near)}?"


def and_more(count: int) -> str:
    """`` and 41 more``, or nothing when there is no more."""
    return f" and {count:,} more" if count else ""
