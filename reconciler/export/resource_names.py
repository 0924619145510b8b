"""Names from a server as names of resources: valid, unique, and the same each time."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LONGEST: Final = 100
"""Characters, so that a suffix still fits into the 128 that a name may have."""

_VALID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST - 1}}}")
_OTHERS = re.compile(r"[^a-z0-9._]+")


def as_name(text: str, otherwise: str) -> str:
    """`text` as a name: itself where that is one, else ``Line 3, Frühling`` as ``line-3-fruhling``.

    `otherwise` is the name of a text of which nothing is left.
    """
    if _VALID.fullmatch(text):
        return text
    # Cut it first: a server may allow names of a megabyte.
    plain = unicodedata.normalize("NFKD", text[: 4 * LONGEST]).encode("ascii", "ignore").decode().lower()
    return _OTHERS.sub("-", plain).strip("-._")[:LONGEST].rstrip("-._") or otherwise


class Names:
    """Gives every name once. Upper and lower case are one: names become names of files."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._tried: dict[str, int] = {}
        """Name → the last suffix that was given to it: ten thousand packages may have one name."""

    def keep(self, name: str) -> None:
        """`name` belongs to somebody already."""
        self._taken.add(name.casefold())

    def unique(self, name: str) -> str:
        """`name`, or with the first suffix ``-2``, ``-3`` … that makes it a new one."""
        known = name.casefold()
        found, number = name, self._tried.get(known, 1)
        while found.casefold() in self._taken:
            number += 1
            found = f"{name}-{number}"
        self._tried[known] = number
        self.keep(found)
        return found
