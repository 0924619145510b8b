"""Types ↔ JSON, for everything that we write and read again.

What a format looks like follows from its types; where it doesn't, a table beside them says so (`Format`).
"""

from reconciler.codec.coders import Coder, coder
from reconciler.codec.detached import detached
from reconciler.codec.formats import (
    RESOURCE,
    Each,
    Format,
    Keyed,
    Left,
    Lifted,
    Merged,
    Pairs,
    Scalar,
    Shape,
    Tag,
    WrittenAs,
)
from reconciler.codec.malformed import JsonObject, Malformed, parse, parse_shared, plain

__all__ = [
    "RESOURCE",
    "Coder",
    "Each",
    "Format",
    "JsonObject",
    "Keyed",
    "Left",
    "Lifted",
    "Malformed",
    "Merged",
    "Pairs",
    "Scalar",
    "Shape",
    "Tag",
    "WrittenAs",
    "coder",
    "detached",
    "parse",
    "parse_shared",
    "plain",
]
