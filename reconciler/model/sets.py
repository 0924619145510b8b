"""Sets of gateways, of which nothing is copied or gone through that needn't be: there may be a million ids.

Tests: `tests/diff/test_diff_view.py`, `tests/rollout/test_rollout_counts.py`.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

_EMPTY: frozenset[str] = frozenset()


def joined(parts: Sequence[frozenset[str]]) -> frozenset[str]:
    """The union; no copy where all but one are empty."""
    filled = [part for part in parts if part]
    return filled[0] if len(filled) == 1 else _EMPTY.union(*filled)


def without(some: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    """The difference; no copy where there is none."""
    return some - others if others else some


def within(some: frozenset[str], others: Set[str]) -> bool:
    """Whether `others` has all of `some`; no set is gone through to see that it has itself."""
    return some is others or some <= others


def shared(some: frozenset[str], others: Set[str]) -> frozenset[str]:
    """The intersection; `some` itself where `others` has all of it."""
    return some if within(some, others) else some.intersection(others)


def divided(whole: Set[str], parts: Sequence[Set[str]]) -> bool:
    """Whether `parts` of `whole` have nobody in common and leave nobody out; the largest is only asked."""
    *others, largest = sorted(parts, key=len)
    together = _EMPTY.union(*others)
    apart = len(together) == sum(map(len, others)) and together.isdisjoint(largest)
    return apart and len(together) + len(largest) == len(whole)


def count_shared(some: frozenset[str], others: frozenset[str]) -> int:
    """How many are in both; nothing is made to be counted."""
    few, many = (some, others) if len(some) < len(others) else (others, some)
    return sum(map(many.__contains__, few))
