"""The mark that tells a package's content: the end of its description, ``[sha256:0123456789abcdef]``.

No operation reads a package's content or digest, so the description carries the first 16 digits. Anyone
who may upload can forge it.

Tests: `tests/providers/test_pulse_shapes.py`.
"""

from __future__ import annotations

import re

from reconciler.model import LivePackage

DESCRIPTION_LIMIT = 128
MARK_LENGTH = 16

_MARK = re.compile(r"(?:^|\s)\[sha256:([0-9a-f]{16})\]\s*\Z", re.IGNORECASE)


def mark(description: str, sha256: str) -> str:
    """`description` with the mark of `sha256` (64 hex digits) at its end."""
    return f"{description} [sha256:{sha256[:MARK_LENGTH].lower()}]"


def read_mark(description: str) -> str | None:
    """The 16 hex digits of a marked description."""
    found = _MARK.search(description)
    return found[1].lower() if found else None


def mark_of(package: LivePackage) -> str | None:
    """The 16 hex digits that the description of `package` ends in."""
    return read_mark(package.description)
