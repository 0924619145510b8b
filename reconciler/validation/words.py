"""What schemas and rules both need to speak about a document."""

from __future__ import annotations

import re

_SECRET = re.compile(
    r"passw|passphrase|\bpwd|secret|token|credential|(?:api|private|access|signing|encryption)[-_. ]?key",
    re.IGNORECASE,
)


def smells_secret(name: str) -> bool:
    """Whether a value under a key of this name is likely to be a secret."""
    return _SECRET.search(name) is not None
