"""Queries of the server's lists (RSQL): what is asked is at least what is meant, and answers are compared.

The server ignores case, and takes `*` for anything. So whatever can't be said plainly is asked as `*`, and
who asks compares each answer exactly before it is believed.

Tests: `tests/providers/test_hawkbit_queries.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

ROOM: Final = 6_000
"""Bytes of one query in an address: beyond 8 kB of it the server's web server refuses."""

TAG_PREFIX: Final = "reconciler"
"""How the name of a tag begins that is made for a campaign."""

_PLAIN: Final = re.compile(r"[^\w .:@/+~#=-]", re.ASCII)
_TAG: Final = re.compile(r"""\s*tag\s*==\s*(?:'([^'*\\]+)'|"([^"*\\]+)"|([\w.:@/+~-]+))\s*""", re.ASCII)


def equal(field: str, value: str) -> str:
    """`field` is `value`, or something that differs where a query can't tell."""
    return f"{field}=={_quoted(value)}"


def _quoted(value: str) -> str:
    return f"'{_PLAIN.sub('*', value)}'"


def is_plain(value: str) -> bool:
    """Whether a query can say `value` without a `*`; case is ignored all the same."""
    return not _PLAIN.search(value)


def none_of(field: str, values: Iterable[str]) -> str:
    """`field` is none of `values`, nor anything that a query can't tell from one of them."""
    return f"{field}=out=({','.join(_quoted(each) for each in values)})"


def bytes_of(query: str) -> int:
    """Bytes of a query in an address."""
    return len(quote(query))


def any_of(field: str, values: Iterable[str], head: str = "") -> Iterator[str]:
    """Queries that together ask for all of `values`, each short enough; `head` must hold, too."""
    parts: list[str] = []
    length = 0
    for value in values:
        part = equal(field, value)
        size = bytes_of(part) + 3
        if parts and length + size > ROOM:
            yield _either(parts, head)
            parts, length = [], 0
        parts.append(part)
        length += size
    if parts:
        yield _either(parts, head)


def _either(parts: list[str], head: str) -> str:
    either = ",".join(parts)
    return f"{head};({either})" if head else either


def tagged(tag: str) -> str:
    """The query of a rollout for the targets that have `tag`, which is a plain word."""
    return f"tag=='{tag}'"


_BUT: Final = re.compile(r"\((?P<query>.*)\);id=out=\((?P<ids>'[^']*'(?:,'[^']*')*)\)", re.DOTALL)
LONGEST: Final = 1024
"""Characters of the query of a rollout."""


def but(query: str, ids: Iterable[str]) -> str:
    """What `query` finds, except for the targets of these ids, none of which has a quote or a star."""
    left_out = ",".join(f"'{each}'" for each in ids)
    return f"({query});id=out=({left_out})" if left_out else query


def without_but(query: str) -> tuple[str, frozenset[str]]:
    """`query` as it is before `but`, and whom that leaves out."""
    found = _BUT.fullmatch(query)
    if found is None:
        return query, frozenset()
    return found["query"], frozenset(each.strip("'") for each in found["ids"].split(","))


def is_own_tag(tag: str | None) -> bool:
    """Whether a tag is one that is made for a single campaign."""
    return tag is not None and tag.startswith(f"{TAG_PREFIX}-")


def tag_of(query: str) -> str | None:
    """The tag that a rollout's query asks for, if that is all that it asks; None otherwise."""
    found = _TAG.fullmatch(query)
    return next(filter(None, found.groups()), None) if found else None
