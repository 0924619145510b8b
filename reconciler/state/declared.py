"""What a state keeps of fields that can be read: what was last applied, and what the server made of it.

Small values stand as they are, long texts and memberships as a digest.

    {"name": "Line 3", "packages": ["p-1"], "gateways": {"count": 120, "digest": "9f86…"}}

Tests: `tests/state/test_state_declared.py`, `tests/diff/test_diff_whose.py`,
`tests/apply/test_apply_readback.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping

from reconciler.model import DistributionList, Json
from reconciler.state.base import Owned

_LONGEST = 1_000
"""Characters of a text that is kept as it is."""


def text_value(text: str) -> Json:
    """A name or a description."""
    return text if len(text) <= _LONGEST else {"length": len(text), "digest": _digest([text])}


def packages_list(ids: Iterable[str]) -> Json:
    """The packages of a campaign: their order means nothing."""
    return sorted(set(ids))


def distribution_value(value: DistributionList | None) -> Mapping[str, Json] | None:
    """A distribution list as states and changes hold it."""
    if value is None:
        return None
    interval = {} if value.interval is None else {"reevaluationIntervalSeconds": value.interval}
    return {"distributionListId": value.id, **interval}


def members_value(gateways: Collection[str]) -> Json:
    """A membership, in one size whatever that of the campaign."""
    return {"count": len(gateways), "digest": _digest(sorted(gateways))}


def keeps(owned: Owned, name: str, wanted: Json, there: Json) -> bool:
    """Whether the server has `there` because that is what it makes of `wanted`, which was sent."""
    if name not in owned.kept or owned.kept[name] != there:
        return False
    return owned.declared.get(name, owned.applied.get(name)) == wanted


def members_count(value: Json) -> int | None:
    """How many gateways a membership has, as a state keeps it."""
    count = value.get("count") if isinstance(value, Mapping) else None
    return count if isinstance(count, int) else None


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode(errors="surrogatepass")).hexdigest()
