"""What schemas and rules both need to speak about a document."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from reconciler.loading.nodes import Document
from reconciler.model import Kind, ResourceId

_SECRET = re.compile(
    r"passw|passphrase|\bpwd|secret|token|credential|(?:api|private|access|signing|encryption)[-_. ]?key",
    re.IGNORECASE,
)
_KINDS = frozenset(kind.value for kind in Kind)


def smells_secret(name: str) -> bool:
    """Whether a value under a key of this name is likely to be a secret."""
    return _SECRET.search(name) is not None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that was probably meant, upper and lower case alike."""
    by_folded = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold()[:200], by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def resource_of(document: Document) -> ResourceId | None:
    """Which resource a document declares, as far as it can be told."""
    kind, metadata = document.value.get("kind"), document.value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if isinstance(kind, str) and kind in _KINDS and isinstance(name, str) and name:
        return ResourceId(Kind(kind), str(name))
    return None
